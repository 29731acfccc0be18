//! What jobs that are no runs report, folded into the store.

use super::RunStore;
use super::generation::GeneratedTexts;
use super::scoring::Scoring;
use super::since::Since;
use crate::protocol::event::{JobEvent, RunId};
use crate::protocol::head_requests::Ablation;
use crate::protocol::log_line::score_line;

/// What heads are worth, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadAblation {
    /// The name of the job.
    pub name: RunId,
    /// What is known.
    pub ablation: Ablation,
    /// When it began.
    pub since: Since,
}

impl HeadAblation {
    /// Seconds that it still takes; none before the first loss and after the last one.
    pub fn secs_left(&self) -> Option<f64> {
        let (done, total) = self.ablation.progress();
        let is_going = self.ablation.is_on && done > 0;
        is_going.then(|| self.since.secs() / done as f64 * (total - done) as f64)
    }
}

impl RunStore {
    pub(super) fn apply_to_job(&mut self, event: JobEvent) {
        match event {
            JobEvent::DataRead { line } => self.info(None, line),
            // What it is about lies in the slot.
            JobEvent::TraceReady => {}
            JobEvent::RateProgress { done, total } => self.rate_search = Some((done, total)),
            JobEvent::RateFound { name: _, finding } => {
                self.rate_search = None;
                self.rate = Some(finding);
            }
            JobEvent::Generated { name, answer, text } => {
                GeneratedTexts::of(&mut self.generated, name).add(answer, &text);
            }
            JobEvent::GenerationEnded {
                name,
                answer,
                n_tokens,
                secs,
                end,
            } => GeneratedTexts::of(&mut self.generated, name).end(answer, n_tokens, secs, end),
            JobEvent::ScoreProgress { name, done, total } => {
                let scoring = Scoring::of(&mut self.scoring, name);
                (scoring.done, scoring.total) = (done, total);
            }
            JobEvent::ScoreEnded { name, of, scored } => {
                if let Some((summary, _)) = &scored {
                    self.info(Some(&of), score_line(summary));
                }
                let scoring = Scoring::of(&mut self.scoring, name);
                (scoring.is_on, scoring.scored) = (false, scored);
            }
            JobEvent::DistancesMeasured { spec, distances } => {
                self.distances = Some((spec, distances));
            }
            JobEvent::LensRead { name: _, lens } => self.lens = Some(*lens),
            JobEvent::Ablated { name, ablation } => self.take_ablation(name, *ablation),
            JobEvent::Failed {
                name,
                kind: _,
                during,
                message,
            } => {
                self.log_failure(name.as_ref(), &during, &message);
                if let Some(scoring) = &mut self.scoring
                    && name.as_ref() == Some(&scoring.name)
                {
                    scoring.is_on = false;
                }
                if let Some(of) = &mut self.ablation
                    && name.as_ref() == Some(&of.name)
                {
                    of.ablation.is_on = false;
                }
            }
            JobEvent::Done => self.loading = None,
        }
    }

    fn take_ablation(&mut self, name: RunId, ablation: Ablation) {
        match &mut self.ablation {
            Some(known) if known.name == name => known.ablation = ablation,
            known => {
                *known = Some(HeadAblation {
                    name,
                    ablation,
                    since: Since::now(),
                });
            }
        }
    }
}
