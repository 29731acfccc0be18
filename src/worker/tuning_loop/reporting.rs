//! What a run reports between its steps: diagnoses, snapshots of its state, and answers
//! to its clients.

use std::time::Instant;

use super::Tuning;
use crate::error::Result;
use crate::protocol::event::{Event, RunEvent, RunId};
use crate::protocol::latest::StateSnapshot;
use crate::runs::run::Run;
use crate::tuning::inspect::diagnosis::diagnose;
use crate::tuning::states::snapshot_file::{Snapshot, write_snapshot_of};
use crate::worker::context::{Context, JobPhase};
use crate::worker::control::Attention;
use crate::worker::tracer::Tracer;

impl Tuning<'_> {
    /// Takes up what was seen of the run before it was interrupted.
    pub fn remember(&mut self, past: &Run) {
        let first_step = self.trainer.steps_taken();
        for (step, loss) in past.series.validation_loss.points() {
            if *step <= first_step {
                self.evidence.see_validation(*step, *loss);
            }
        }
        let told = past.diagnoses.iter();
        let told = told.filter(|diagnosis| diagnosis.step <= first_step);
        self.told = told.map(|diagnosis| diagnosis.sign.clone()).collect();
    }

    /// Takes commands, and answers those who look on, in a pause too. Whether the state
    /// is to be written.
    pub(super) fn listen(&mut self, step: usize, context: &mut Context<'_>) -> Result<bool> {
        loop {
            context.control.attention = Attention::WorkOrText;
            let polled = context.poll(step);
            context.control.attention = Attention::Work;
            polled?;
            if context.control.take_state_request() {
                return Ok(true);
            }
            let Some(request) = context.control.take_trace() else {
                return Ok(false);
            };
            context.during = JobPhase::Tracing;
            let tracer = Tracer {
                loaded: self.loaded,
                tokenizer: self.tokenizer,
                spec: self.spec,
                step,
            };
            let own = |run: &RunId| (*run == self.run).then(|| self.trainer.tuned());
            context.control.attention = Attention::Text;
            let answered = tracer.answer(request, &own, context);
            context.control.attention = Attention::Work;
            answered?;
        }
    }

    /// Says what is wrong with the run, each sign once.
    pub(super) fn tell(&mut self, context: &mut Context<'_>) -> Result<()> {
        for diagnosis in diagnose(&self.evidence) {
            if self.told.iter().any(|sign| sign.is_like(&diagnosis.sign)) {
                continue;
            }
            self.told.push(diagnosis.sign.clone());
            let run = self.run.clone();
            context.report(Event::Run(run, RunEvent::Diagnosed(diagnosis)))?;
        }
        Ok(())
    }

    /// Stores a snapshot of the steps so far, unless there is one or none is
    /// wanted.
    ///
    /// # Errors
    /// What the device or the disk reports.
    pub fn store(&mut self, context: &mut Context<'_>) -> Result<()> {
        let step = self.trainer.steps_taken();
        let has_room = self.snapshots.is_some_and(|plan| plan.n > 0);
        if !has_room || self.stored_step == Some(step) {
            return Ok(());
        }
        context.during = JobPhase::Saving;
        let tuned = self.trainer.tuned()?;
        let snapshot = Snapshot { step, tuned };
        let path = context.folder()?.snapshot_path(step);
        write_snapshot_of(path, &snapshot, &self.made_from.metadata)?;
        self.stored_step = Some(step);
        self.publish(snapshot, true, context)
    }

    /// Shows the state to those who look on, which takes little of the time.
    pub(super) fn show(&mut self, step: usize, context: &mut Context<'_>) -> Result<()> {
        let is_watched = context.snapshots.is_empty() && self.pending.is_empty();
        if step == 0 || !is_watched || !self.throttle.is_due() {
            return Ok(());
        }
        let start = Instant::now();
        let tuned = self.trainer.tuned()?;
        self.throttle.took(start.elapsed().as_secs_f64());
        self.publish(Snapshot { step, tuned }, false, context)
    }

    fn publish(
        &self,
        Snapshot { step, tuned }: Snapshot,
        is_stored: bool,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let run = self.run.clone();
        let snapshot = StateSnapshot { run, step, tuned };
        context.snapshots.publish(snapshot);
        context.report(Event::Run(
            self.run.clone(),
            RunEvent::SnapshotReady { step, is_stored },
        ))
    }
}
