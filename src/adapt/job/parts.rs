//! The states of an adaptation, part by part.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use super::{Job, News, SAVE_SECS, STATE_FILE, Tell};
use crate::adapt::adaptation::{Adaptation, AdaptationStep, Next, Reached};
use crate::adapt::answering::Answering;
use crate::adapt::checkpoint::{self, Midway};
use crate::adapt::engine::Engine;
use crate::adapt::exam::Marks;
use crate::adapt::folder::{AdaptedPart, CurveLine, Folder, ItemSeen, ScoreSeen, fingerprint};
use crate::adapt::objective::Method;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::question::Question;
use crate::adapt::spec::Mode;
use crate::adapt::states::{States, Stop};
use crate::bench::FewShot;
use crate::error::{Error, Result};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::lift_bundle::write_bundle;
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE, write_safetensors};

/// Questions that are adapted together.
struct PendingPart<'q> {
    first: usize,
    questions: &'q [Question],
}

impl Job<'_> {
    /// Adapts what is not adapted yet, and adds the figure.
    pub(super) fn adapt(
        &self,
        folder: &Folder,
        base: &States,
        scored: &[Question],
        of_base: &Marks,
        outcomes: &mut Vec<Outcome>,
        tell: Tell<'_>,
    ) -> Result<()> {
        let questions = match self.spec.mode {
            Mode::Pool => &self.pool,
            Mode::Item | Mode::Shared => scored,
        };
        if questions.is_empty() {
            return Err(Error::spec(
                "task",
                tr!("there are no questions to adapt to"),
            ));
        }
        let start = Instant::now();
        let (exponent, finding) = self.exponent(base, questions)?;
        let method = || self.method(base, exponent);
        let known = folder.parts()?;
        let size = match self.spec.mode {
            Mode::Item => self.spec.update.items,
            Mode::Shared | Mode::Pool => questions.len(),
        };
        let mut parts = Vec::new();
        for (idx, questions) in questions.chunks(size).enumerate() {
            let first = idx * size;
            if let Some(part) = known.iter().find(|part| part.first == first) {
                parts.push(part.clone());
                continue;
            }
            let ahead = PendingPart { first, questions };
            let (part, states) = self.part(folder, method(), &ahead, of_base, start, tell)?;
            self.keep_states(folder, &ahead, &states)?;
            folder.add_part(&part)?;
            // Its part stands in the file; a leftover would only take room.
            let _ = fs::remove_file(folder.midway());
            parts.push(part);
        }
        if outcomes.iter().any(|of| of.kind == Kind::Adapted) {
            return Ok(());
        }
        let outcome = self.adapted(&parts, finding, scored, exponent);
        self.add(folder, outcomes, outcome, tell)
    }

    /// One part, from where it was cut off.
    fn part(
        &self,
        folder: &Folder,
        method: Method<'_>,
        ahead: &PendingPart<'_>,
        of_base: &Marks,
        start: Instant,
        tell: Tell<'_>,
    ) -> Result<(AdaptedPart, States)> {
        let Engine { model, device, .. } = self.engine;
        let n_states = match self.spec.mode {
            Mode::Item => ahead.questions.len(),
            Mode::Shared | Mode::Pool => 1,
        };
        let mut states = States::new(model, device, self.base, n_states)?;
        let mut reached = Reached::default();
        let spec = fingerprint(self.spec)?;
        let midway = checkpoint::read(&folder.midway())?;
        if let Some(midway) = midway.filter(|of| of.part == ahead.first && of.spec == spec) {
            states.restore(midway.values)?;
            reached = midway.reached;
        }
        let adaptation = Adaptation {
            method,
            update: &self.spec.update,
            stops: &self.spec.stops,
            mode: self.spec.mode,
            questions: ahead.questions,
        };
        let save = |states: &States, reached: &Reached| {
            let midway = Midway {
                part: ahead.first,
                spec: spec.clone(),
                values: states.values()?,
                reached: reached.clone(),
            };
            checkpoint::write(&folder.midway(), &midway)
        };
        let mut answers: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut scored = Vec::new();
        let of_part = Instant::now();
        let mut saved = Instant::now();
        let tell = RefCell::new(tell);
        let ended = {
            let mut each = |taken: AdaptationStep<'_>| {
                let AdaptationStep {
                    states,
                    reached,
                    seen,
                } = taken;
                for (idx, seen) in seen {
                    if !seen.answers.is_empty() {
                        answers.insert(*idx, seen.answers.clone());
                    }
                }
                if let Some(point) = reached.curve.last() {
                    folder.add_to_curve(&CurveLine {
                        part: ahead.first,
                        point: Some(point.clone()),
                        score: None,
                    })?;
                    (*tell.borrow_mut())(News::Step {
                        part: ahead.first,
                        n_states,
                        point,
                    })?;
                }
                let every = self.spec.baselines.score_every;
                if every > 0 && reached.step.is_multiple_of(every) {
                    let score = self.score_of(ahead, states, reached, &mut **tell.borrow_mut())?;
                    folder.add_to_curve(&CurveLine {
                        part: ahead.first,
                        point: None,
                        score: Some(score),
                    })?;
                    scored.push(score);
                }
                if saved.elapsed().as_secs_f64() > SAVE_SECS {
                    save(states, reached)?;
                    saved = Instant::now();
                }
                let budget = self.spec.stops.budget_secs;
                Ok(
                    match budget.is_some_and(|most| start.elapsed().as_secs_f64() > most) {
                        true => Next::Stop(Stop::Budget),
                        false => Next::Go,
                    },
                )
            };
            let mut alive = || (*tell.borrow_mut())(News::Alive);
            adaptation.run(&mut states, &mut reached, &mut each, &mut alive)
        };
        if let Err(error) = ended {
            // Whatever ended it, what was reached is worth keeping.
            save(&states, &reached)?;
            return Err(error);
        }
        let marks = self.mark_part(ahead, &states, &mut **tell.borrow_mut())?;
        let items = self.items(ahead, &states, &marks, of_base, &answers);
        let part = AdaptedPart {
            first: ahead.first,
            adapting: reached.cost(),
            answering: marks.cost,
            secs: of_part.elapsed().as_secs_f64(),
            valid: marks.valid,
            items,
            curve: reached.curve,
            scored,
        };
        Ok((part, states))
    }

    /// Lets the states of a part answer: their own questions, or one state all of
    /// them.
    fn mark_part(&self, ahead: &PendingPart<'_>, states: &States, tell: Tell<'_>) -> Result<Marks> {
        if self.spec.mode != Mode::Item {
            return self.mark_one(states, tell);
        }
        let mut model = Answering {
            engine: self.engine,
            states,
            prompts: self.prompts,
        };
        let exam = self
            .exam
            .part(ahead.first..ahead.first + ahead.questions.len());
        exam.mark(&mut model, FewShot::default(), &mut |_, _| {
            tell(News::Alive)
        })
    }

    fn score_of(
        &self,
        ahead: &PendingPart<'_>,
        states: &States,
        reached: &Reached,
        tell: Tell<'_>,
    ) -> Result<ScoreSeen> {
        let marks = self.mark_part(ahead, states, tell)?;
        Ok(ScoreSeen {
            step: reached.step,
            cost: reached.cost() + marks.cost,
            n_correct: marks.right.iter().filter(|right| **right).count(),
            n_items: marks.right.len(),
        })
    }

    /// What came of each scored question.
    fn items(
        &self,
        ahead: &PendingPart<'_>,
        states: &States,
        marks: &Marks,
        of_base: &Marks,
        answers: &BTreeMap<usize, Vec<String>>,
    ) -> Vec<ItemSeen> {
        let is_item = self.spec.mode == Mode::Item;
        let first = if is_item { ahead.first } else { 0 };
        // Ids of a pool may be those of other questions.
        let own = match self.spec.mode {
            Mode::Item | Mode::Shared => ahead.questions,
            Mode::Pool => &[],
        };
        let places: BTreeMap<&str, usize> = own
            .iter()
            .enumerate()
            .map(|(place, question)| (question.id.as_str(), place))
            .collect();
        let records = marks.evaluation.records.iter().enumerate();
        let of = records.map(|(idx, record)| {
            let state = if is_item { idx } else { 0 };
            let place = places.get(record.id.as_str()).copied();
            let question = place.map(|place| &own[place]);
            let guide = self.guide.as_ref().zip(question);
            let text = guide.and_then(|(guide, question)| guide.text(question));
            ItemSeen {
                id: record.id.clone(),
                prompt: record.prompt.clone(),
                right: marks.right[idx],
                answer: marks.answers[idx].clone(),
                before: of_base.answers.get(first + idx).cloned().flatten(),
                steps: states.steps(state),
                drift: states.drift(state),
                stop: states.stopped(state),
                answers: place
                    .and_then(|at| answers.get(&at).cloned())
                    .unwrap_or_default(),
                guide: text.map(|text| text.text.clone()),
                guide_wrote: text
                    .map(|text| text.written.clone())
                    .filter(|written| !written.is_empty()),
                guide_answer: text.and_then(|text| text.answer.clone()),
            }
        });
        of.collect()
    }

    /// Writes down the state of a set, or those that are to be looked at.
    fn keep_states(&self, folder: &Folder, ahead: &PendingPart<'_>, states: &States) -> Result<()> {
        if self.spec.mode != Mode::Item {
            let tuned = Tuned {
                state: states.state(0)?,
                lift: self.base.lift.clone(),
                lora: self.base.lora.clone(),
            };
            return match (&tuned.lift, &tuned.lora) {
                (None, None) => {
                    let file = folder.file(STATE_FILE);
                    write_safetensors(&tuned.state, file, &self.metadata).map(|_| ())
                }
                (_, Some(_)) => {
                    let file = folder.file(LORA_FILE);
                    write_bundle(&tuned, file, &self.metadata).map(|_| ())
                }
                (Some(_), None) => {
                    let file = folder.file(LIFTED_FILE);
                    write_bundle(&tuned, file, &self.metadata).map(|_| ())
                }
            };
        }
        for idx in 0..states.len() {
            let place = ahead.first + idx;
            if place < self.spec.keep_states {
                let path = folder.file("states");
                fs::create_dir_all(&path).map_err(|source| Error::io("create", &path, source))?;
                let file = path.join(format!("question-{:05}.safetensors", place + 1));
                write_safetensors(&states.state(idx)?, file, &self.metadata)?;
            }
        }
        Ok(())
    }
}
