//! What the same tokens buy without moving a state, and what labels buy that are
//! known. No adaptation is shown without the ones of its kind.

use std::cell::OnceCell;
use std::time::Instant;

use super::cost::Cost;
use super::engine::Engine;
use super::exam::{Exam, Marks};
use super::guide::Guide;
use super::outcome::{Kind, Outcome};
use super::prompts::Prompts;
use super::question::Question;
use super::spec::{AdaptSpec, Mode, Objective};
use super::states::States;
use crate::bench::{FewShot, Runner};
use crate::data::Item;
use crate::error::Result;
use crate::tuning::method::tuned::Tuned;

mod guided;
mod guided_options;
mod labelled;
mod options;
mod votes;

/// Everything that baselines read.
pub struct Baselines<'a> {
    /// What is done.
    pub spec: &'a AdaptSpec,
    /// The model.
    pub engine: Engine<'a>,
    /// How questions become tokens.
    pub prompts: &'a Prompts<'a>,
    /// What is scored.
    pub exam: &'a Exam<'a>,
    /// Its questions.
    pub questions: &'a [Question],
    /// The base: one state.
    pub base: &'a States,
    /// The same as numbers.
    pub tuned: &'a Tuned,
    /// How the base did.
    pub of_base: &'a Marks,
    /// Solved training questions, all of them.
    pub solved: &'a [Item],
    /// Solved questions in front of questions.
    pub few_shot: FewShot,
    /// The guide's texts.
    pub guide: Option<&'a Guide<'a>>,
    /// Forward-equivalent tokens a question that the adaptation cost.
    pub tokens: f64,
    /// What is done already, by name.
    pub is_known: &'a dyn Fn(&str) -> bool,
    /// Filled where it is first needed.
    pub views: OnceCell<MeanViews>,
}

/// The mean distribution over each question's options in some cyclic orders.
pub struct MeanViews {
    of: Vec<Vec<f64>>,
    cost: Cost,
    secs: f64,
}

/// One that was measured.
pub(super) type OnBaseline<'m> = &'m mut dyn FnMut(Outcome) -> Result<()>;

impl Baselines<'_> {
    /// Measures all that belong to the adaptation; each is handed to `done` as soon
    /// as it is there. `progress` is asked now and then; its error ends the work.
    ///
    /// # Errors
    /// What the device, `done` or `progress` reports.
    pub fn measure(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let has_options = self
            .questions
            .first()
            .is_some_and(|of| !of.options().is_empty());
        if has_options {
            self.of_options(done, progress)?;
        } else {
            self.votes(done, progress)?;
        }
        self.few_shot(done, progress)?;
        self.read_state(done, progress)?;
        // A pool's questions are others than those that are scored.
        if self.guide.is_some() && self.spec.mode != Mode::Pool {
            match has_options {
                true => self.guided_options(done, progress)?,
                false => self.guided(done, progress)?,
            }
        }
        let n_labels = match self.spec.objective {
            Objective::ContextDistillation { examples, draws } => Some(examples * draws),
            _ if self.spec.mode != Mode::Item => self.guide.map(|guide| guide.texts().count()),
            _ => None,
        };
        match n_labels {
            Some(n) if n > 0 => self.tuned_on(n, done, progress),
            Some(_) | None => Ok(()),
        }
    }

    /// What the guide's texts cost.
    fn guide_cost(&self) -> Cost {
        Cost::guide(self.guide.map_or(0, Guide::n_tokens))
    }

    /// Solved questions in front of every question.
    fn few_shot(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let n = self.spec.baselines.examples;
        let name = format!("{n} solved questions in front");
        if n == 0 || (self.is_known)(&name) {
            return Ok(());
        }
        let start = Instant::now();
        let marks = self.marks(self.base, self.few_shot.clone(), progress)?;
        let secs = start.elapsed().as_secs_f64();
        done(Outcome::new(name, Kind::Baseline, &marks, secs))
    }

    /// Lets the first of some states answer.
    fn marks(
        &self,
        states: &States,
        few_shot: FewShot,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Marks> {
        let start = self.prompts.text_start;
        let Engine { model, device, .. } = self.engine;
        let mut runner = Runner::with_start(model, device, states.start(0), start);
        self.exam
            .mark(&mut runner, few_shot, &mut |_, _| progress())
    }

    /// An outcome of answers that were chosen among others.
    fn chosen(&self, name: &str, kind: Kind, right: Vec<bool>, valid: f64, cost: Cost) -> Outcome {
        Outcome {
            name: name.into(),
            kind,
            right,
            valid,
            cost,
            secs: 0.0,
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        }
    }
}
