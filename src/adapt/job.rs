//! A whole adaptation: the base, the states, what they are compared with, and their
//! files. What is in the folder already is not done again.

use std::cell::{OnceCell, RefCell};
use std::time::Instant;

use super::baselines::Baselines;
use super::cost::Cost;
use super::engine::Engine;
use super::exam::{Exam, Marks};
use super::folder::Folder;
use super::guide::Guide;
use super::monitor::Point;
use super::objective::Method;
use super::outcome::{Kind, Outcome, Verdict, verdict};
use super::prompts::Prompts;
use super::question::Question;
use super::rows::{Row, n_tokens};
use super::spec::{AdaptSpec, Exponent, Mode, Objective};
use super::states::States;
use crate::bench::{FewShot, Runner};
use crate::data::Item;
use crate::error::Result;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::state_file::Metadata;

mod figure;
mod parts;

/// How often states on their way are written down.
const SAVE_SECS: f64 = 60.0;
/// Texts that the base's agreement with a guide is measured on.
const AGREEMENT_TEXTS: usize = 64;

/// The state of a set.
const STATE_FILE: &str = "state.safetensors";

/// All that an adaptation reads.
pub struct Job<'a> {
    /// What is done.
    pub spec: &'a AdaptSpec,
    /// The model.
    pub engine: Engine<'a>,
    /// How questions become tokens.
    pub prompts: &'a Prompts<'a>,
    /// The base.
    pub base: &'a Tuned,
    /// What is scored.
    pub exam: &'a Exam<'a>,
    /// Questions of the pool, in [`Mode::Pool`].
    pub pool: Vec<Question>,
    /// Solved training questions.
    pub solved: &'a [Item],
    /// Solved questions in front of questions, for baselines.
    pub few_shot: FewShot,
    /// The guide and its texts.
    pub guide: Option<Guide<'a>>,
    /// Whether the guide's texts are made of labels.
    pub is_simulated: bool,
    /// What its states say of themselves.
    pub metadata: Metadata,
}

/// What an adaptation says on its way.
pub enum News<'n> {
    /// What is being done.
    Phase(&'n str),
    /// A step of the part that begins at a question, of all questions.
    Step {
        /// The first question of the part.
        part: usize,
        /// Questions that have a state of their own, or 1.
        n_states: usize,
        /// What was seen.
        point: &'n Point,
    },
    /// A figure.
    Figure(&'n Outcome),
    /// Nothing new; asked often, so that an interrupt is heard.
    Alive,
}

/// Who hears it; an error ends the work.
pub type Tell<'t> = &'t mut dyn FnMut(News<'_>) -> Result<()>;

/// What came of an adaptation.
pub struct Summary {
    /// Every figure, in the order in which they were made.
    pub outcomes: Vec<Outcome>,
    /// What may be said; none where it is simulated, or compared with nothing.
    pub verdict: Option<Verdict>,
}

impl Job<'_> {
    /// Does what is not done yet.
    ///
    /// # Errors
    /// What files, the device or `tell` report. What was done stays, and a later call
    /// goes on from it.
    pub fn run(&self, folder: &Folder, tell: Tell<'_>) -> Result<Summary> {
        let mut outcomes = folder.outcomes()?;
        let Engine { model, device, .. } = self.engine;
        let base = States::new(model, device, self.base, 1)?;
        let questions = self.exam.questions();
        tell(News::Phase(tr!("the base")))?;
        let start = Instant::now();
        // Its answers are needed by others, so that it is always scored.
        let of_base = self.mark_one(&base, tell)?;
        let secs = start.elapsed().as_secs_f64();
        if !outcomes.iter().any(|of| of.kind == Kind::Base) {
            let outcome = Outcome::new("the base", Kind::Base, &of_base, secs);
            self.add(folder, &mut outcomes, outcome, tell)?;
        }
        self.adapt(folder, &base, &questions, &of_base, &mut outcomes, tell)?;
        let tokens = outcomes
            .iter()
            .find(|of| of.kind == Kind::Adapted)
            .map(Outcome::tokens);
        if self.spec.baselines.measure {
            tell(News::Phase(tr!("what it is compared with")))?;
            let known: Vec<String> = outcomes.iter().map(|of| of.name.clone()).collect();
            let is_known = |name: &str| known.iter().any(|known| known == name);
            let baselines = Baselines {
                spec: self.spec,
                engine: self.engine,
                prompts: self.prompts,
                exam: self.exam,
                questions: &questions,
                base: &base,
                tuned: self.base,
                of_base: &of_base,
                solved: self.solved,
                few_shot: self.few_shot.clone(),
                guide: self.guide.as_ref(),
                tokens: tokens.unwrap_or(0.0),
                is_known: &is_known,
                views: OnceCell::new(),
            };
            let is_pool = self.spec.mode == Mode::Pool;
            let guide = baselines.guides_own().filter(|_| !is_pool);
            if let Some(guide) = guide.filter(|of| !is_known(&of.name)) {
                self.add(folder, &mut outcomes, guide, tell)?;
            }
            let mut found = Vec::new();
            let tell = RefCell::new(tell);
            baselines.measure(
                &mut |outcome| {
                    folder.add_outcome(&outcome)?;
                    (*tell.borrow_mut())(News::Figure(&outcome))?;
                    found.push(outcome);
                    Ok(())
                },
                &mut || (*tell.borrow_mut())(News::Alive),
            )?;
            outcomes.extend(found);
        }
        let may_claim = self.spec.baselines.measure && !self.is_simulated;
        Ok(Summary {
            verdict: verdict(&outcomes).filter(|_| may_claim),
            outcomes,
        })
    }

    fn add(
        &self,
        folder: &Folder,
        outcomes: &mut Vec<Outcome>,
        outcome: Outcome,
        tell: Tell<'_>,
    ) -> Result<()> {
        folder.add_outcome(&outcome)?;
        tell(News::Figure(&outcome))?;
        outcomes.push(outcome);
        Ok(())
    }

    /// Lets one state answer all.
    fn mark_one(&self, states: &States, tell: Tell<'_>) -> Result<Marks> {
        let start = self.prompts.text_start;
        let Engine { model, device, .. } = self.engine;
        let mut runner = Runner::with_start(model, device, states.start(0), start);
        let none = FewShot::default();
        self.exam
            .mark(&mut runner, none, &mut |_, _| tell(News::Alive))
    }

    fn method<'m>(&'m self, base: &'m States, exponent: f64) -> Method<'m> {
        Method {
            engine: self.engine,
            prompts: self.prompts,
            objective: self.spec.objective,
            exponent,
            temperature: self.spec.temperature(),
            group: self.spec.update.group,
            seed: self.spec.seed,
            base,
            solved: self.solved,
            guide: self.guide.as_ref(),
        }
    }

    /// The exponent of a single step, and what finding it out cost.
    fn exponent(&self, base: &States, questions: &[Question]) -> Result<(f64, Cost)> {
        let Objective::SingleStep { exponent, .. } = self.spec.objective else {
            return Ok((0.0, Cost::default()));
        };
        if let Exponent::Is(x) = exponent {
            return Ok((x, Cost::default()));
        }
        let guide = self.guide.as_ref();
        let texts = questions.iter().filter_map(|question| {
            let text = guide?.text(question)?;
            let context = self.prompts.written(question, &[]);
            Some(Row::new(0, self.prompts.text_start, &context, &text.tokens))
        });
        let rows: Vec<Row> = texts.take(AGREEMENT_TEXTS).collect();
        let scores = self.engine.scores(base, &rows, 1.0)?;
        let n_agreed = scores.is_likeliest.iter().filter(|is| **is).count();
        let agreement = n_agreed as f64 / scores.is_likeliest.len().max(1) as f64;
        let x = match (agreement < 0.5, self.spec.mode) {
            (true, _) => 0.0,
            (false, Mode::Item) => 1.0,
            (false, Mode::Shared | Mode::Pool) => 0.5,
        };
        Ok((x, Cost::forward(n_tokens(&rows))))
    }
}
