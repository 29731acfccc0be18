//! The figure of an adaptation.

use std::collections::BTreeMap;

use super::Job;
use crate::adapt::cost::Cost;
use crate::adapt::folder::{AdaptedPart, ItemSeen};
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::question::Question;
use crate::adapt::spec::{Mode, Objective};
use crate::bench::Accuracy;

impl Job<'_> {
    /// The figure of all parts together.
    pub(super) fn adapted(
        &self,
        parts: &[AdaptedPart],
        finding: Cost,
        scored: &[Question],
        exponent: f64,
    ) -> Outcome {
        let items: Vec<&ItemSeen> = parts.iter().flat_map(|part| &part.items).collect();
        let mut cost = finding;
        for part in parts {
            cost += part.adapting + part.answering;
        }
        let mut guide = Cost::default();
        if let Some(of) = &self.guide {
            guide = Cost::guide(of.n_tokens());
        }
        let n_valid: f64 = parts
            .iter()
            .map(|part| part.valid * part.items.len() as f64)
            .sum();
        let simulated = if self.is_simulated {
            ", simulated guide"
        } else {
            ""
        };
        let name = format!(
            "{}, {}{simulated}",
            self.spec.objective.name(),
            self.spec.mode.name()
        );
        let mut outcome = Outcome {
            name,
            kind: Kind::Adapted,
            right: items.iter().map(|of| of.right).collect(),
            valid: n_valid / items.len().max(1) as f64,
            cost: cost + guide,
            secs: parts.iter().map(|part| part.secs).sum(),
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        };
        if self.spec.mode == Mode::Shared {
            let n = self.seen_questions(parts, scored);
            outcome.notes.push(format!(
                "transductive: saw {n} of {} {} questions",
                scored.len(),
                self.spec.task.split
            ));
        }
        if let Objective::SingleStep { .. } = self.spec.objective {
            outcome.notes.push(format!("exponent {exponent}"));
        }
        let mut stops: BTreeMap<String, usize> = BTreeMap::new();
        for stop in items.iter().filter_map(|of| of.stop) {
            *stops.entry(format!("{stop:?}")).or_default() += 1;
        }
        for (stop, n) in stops {
            outcome.notes.push(match self.spec.mode {
                Mode::Item => format!("{n} states: {stop}"),
                Mode::Shared | Mode::Pool => format!("stopped: {stop}"),
            });
        }
        self.add_guided(&mut outcome, &items, scored);
        outcome
    }

    /// Questions of a shared state that some step saw.
    fn seen_questions(&self, parts: &[AdaptedPart], questions: &[Question]) -> usize {
        let n_steps: usize = parts.iter().map(|part| part.curve.len()).sum();
        let batch = self.spec.update.batch.min(questions.len());
        // A question without a text of the guide tells the state nothing.
        let guide = self
            .guide
            .as_ref()
            .filter(|_| self.spec.objective.needs_texts());
        let n_telling = match guide {
            Some(guide) => questions
                .iter()
                .filter(|of| guide.text(of).is_some())
                .count(),
            None => questions.len(),
        };
        (n_steps * batch).min(n_telling)
    }

    /// Of questions that a guide answered and of others, and how many answers are
    /// copies.
    fn add_guided(&self, outcome: &mut Outcome, items: &[&ItemSeen], scored: &[Question]) {
        // A pool's questions are others, whatever their ids.
        let guide = self.guide.as_ref().filter(|_| self.spec.mode != Mode::Pool);
        let Some(guide) = guide else { return };
        let (mut seen, mut unseen, mut copies) = (Vec::new(), Vec::new(), Vec::new());
        for (item, question) in items.iter().zip(scored) {
            match guide.text(question) {
                Some(text) => {
                    seen.push(item.right);
                    copies.push(item.answer.is_some() && item.answer == text.answer);
                }
                None => unseen.push(item.right),
            }
        }
        let of = |is: &[bool]| Accuracy::of(is.iter().copied());
        if !unseen.is_empty() && !seen.is_empty() {
            outcome.parts.push(("guided questions".into(), of(&seen)));
            outcome.parts.push(("other questions".into(), of(&unseen)));
        }
        if !copies.is_empty() {
            let share = of(&copies);
            outcome.parts.push(("copies of the guide".into(), share));
            if self.spec.mode == Mode::Item && share.value() > 0.95 {
                let note = "the states repeat the guide; this is the guide's accuracy";
                outcome.notes.push(note.into());
            }
        }
    }
}
