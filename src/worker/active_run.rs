//! A started run, to its end: measure, tune, measure, write the state.

use super::best::Best;
use super::context::Context;
use super::evaluating::Measurement;
use super::run_export::{Figures, Handover};
use super::tuning_loop::{Sources, Tuning, TuningEnd};
use crate::error::{Error, Result};
use crate::persist::run_requests::RequestOutcome;
use crate::protocol::event::{
    EvaluationPhase, EvaluationSummary, Event, RunEvent, RunId, RunOutcome,
};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::SelectBy;
use crate::tuning::states::alpha_scan::{AlphaLoss, alpha_note};

/// A run that has started.
pub(super) struct ActiveRun<'a> {
    pub run: RunId,
    pub spec: &'a RunSpec,
    pub sources: Sources<'a>,
    pub tuning: Option<Tuning<'a>>,
    pub evaluations: Vec<(EvaluationPhase, EvaluationSummary)>,
    /// How strong the state is best, once it is known.
    pub alphas: Vec<AlphaLoss>,
}

/// The state that a run keeps.
struct Outcome {
    tuned: Tuned,
    step: usize,
    validation_loss: Option<f64>,
}

impl ActiveRun<'_> {
    /// Does what is left of the run, and saves it when it is stopped.
    pub fn finish(mut self, context: &mut Context<'_>) -> Result<()> {
        let outcome = match self.go(context) {
            Err(Error::Stopped) => self.stop(context)?,
            other => other?,
        };
        let run = self.run;
        context.report(Event::Run(run, RunEvent::Ended(outcome)))
    }

    fn go(&mut self, context: &mut Context<'_>) -> Result<RunOutcome> {
        let plan = &self.spec.evaluation;
        if plan.before {
            self.measure(EvaluationPhase::Before, None, context)?;
        }
        if plan.few_shot > 0 {
            self.measure(EvaluationPhase::FewShot, None, context)?;
        }
        let end = loop {
            let Some(tuning) = &mut self.tuning else {
                return Ok(RunOutcome::Finished);
            };
            match tuning.go(context)? {
                TuningEnd::StateWanted => self.save_state(context)?,
                end => break end,
            }
        };
        let outcome = match end {
            // The loop above goes on.
            TuningEnd::StateWanted | TuningEnd::Finished => RunOutcome::Finished,
            TuningEnd::StoppedEarly { best_step } => RunOutcome::StoppedEarly { best_step },
            TuningEnd::Diverged { step, detail } => {
                self.hand_over(true, context)?;
                return Ok(RunOutcome::Diverged { step, detail });
            }
        };
        // Before the evaluation, so that stopping there loses nothing.
        if let Some(tuning) = &mut self.tuning {
            tuning.save(context)?;
            tuning.store(context)?;
        }
        let tuned = self.outcome(false)?.tuned;
        if let Some(tuning) = &self.tuning {
            self.alphas = tuning.scan_alphas(&tuned, context)?;
        }
        if let Some(note) = alpha_note(&self.alphas) {
            context.folder()?.append_log(&note)?;
        }
        if plan.after {
            self.measure(EvaluationPhase::After, Some(&tuned), context)?;
        }
        self.hand_over(false, context)?;
        Ok(outcome)
    }

    /// Writes the state as it would be kept if the run were stopped now.
    fn save_state(&mut self, context: &mut Context<'_>) -> Result<()> {
        let Some(tuning) = &mut self.tuning else {
            return Ok(());
        };
        // What diverged is seen where the steps go on.
        let is_whole = tuning.read_back(context)?.is_none();
        let written = match is_whole {
            true => self.hand_over(true, context)?,
            false => None,
        };
        if let Some(requests) = &mut context.requests {
            requests.state_saved(match (is_whole, written) {
                (false, _) => RequestOutcome::failed(tr!("it diverged and is about to end")),
                (true, None) => RequestOutcome::failed(tr!("it has taken no step yet")),
                (true, Some(step)) => RequestOutcome::Done { step },
            });
        }
        Ok(())
    }

    /// Saves what there is of a run that is to end.
    fn stop(&mut self, context: &mut Context<'_>) -> Result<RunOutcome> {
        let Some(tuning) = &mut self.tuning else {
            return Ok(RunOutcome::Stopped { step: 0 });
        };
        let outcome = match tuning.read_back(context)? {
            Some(divergence) => RunOutcome::Diverged {
                step: divergence.step,
                detail: divergence.detail,
            },
            None => {
                tuning.save(context)?;
                tuning.store(context)?;
                RunOutcome::Stopped {
                    step: tuning.trainer.steps_taken(),
                }
            }
        };
        self.hand_over(true, context)?;
        Ok(outcome)
    }

    /// Measures a phase, unless there is nothing to measure or it is known.
    fn measure(
        &mut self,
        phase: EvaluationPhase,
        tuned: Option<&Tuned>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let is_known = self.evaluations.iter().any(|(known, _)| *known == phase);
        let Some(set) = self.sources.data.benchmark.as_ref().filter(|_| !is_known) else {
            return Ok(());
        };
        let measurement = Measurement {
            run: &self.run,
            spec: self.spec,
            phase,
            loaded: self.sources.loaded,
            tokenizer: self.sources.tokenizer,
            set,
            tuned: tuned.map(|tuned| (tuned, self.spec.data.leading_token.in_use())),
            step: self.n_steps(),
        };
        let measured = measurement.take(context)?;
        self.evaluations
            .extend(measured.map(|summary| (phase, summary)));
        Ok(())
    }

    fn n_steps(&self) -> usize {
        let tuning = self.tuning.as_ref();
        tuning.map_or(0, |tuning| tuning.trainer.steps_taken())
    }

    /// The best state where the held-out examples say which, else the last one.
    /// A run that is cut short before its first tuned state was measured has
    /// only the start to compare with, so `is_cut` takes the last one then.
    fn outcome(&self, is_cut: bool) -> Result<Outcome> {
        let Some(tuning) = &self.tuning else {
            return Err(Error::Device(tr!("nothing was trained").into()));
        };
        let keeps_last = self.spec.training.select_by == SelectBy::LastStep;
        let best = tuning.validations.best.as_ref();
        let is_known = |best: &&Best| !keeps_last && (!is_cut || best.step > 0);
        Ok(match best.filter(is_known) {
            Some(best) => Outcome {
                tuned: best.tuned.clone(),
                step: best.step,
                validation_loss: Some(best.check.loss),
            },
            None => Outcome {
                tuned: tuning.trainer.tuned()?,
                // After a divergence the state is that of the step before.
                step: match tuning.trainer.divergence() {
                    Some(divergence) => divergence.step - 1,
                    None => tuning.trainer.steps_taken(),
                },
                validation_loss: None,
            },
        })
    }

    /// Writes the state, if any step was taken; the step that it is of.
    fn hand_over(&self, is_cut: bool, context: &mut Context<'_>) -> Result<Option<usize>> {
        if self.n_steps() == 0 {
            return Ok(None);
        }
        let Outcome {
            tuned,
            step,
            validation_loss,
        } = self.outcome(is_cut)?;
        let handover = Handover {
            run: &self.run,
            spec: self.spec,
            metadata: &self.sources.made_from.metadata,
            tuned: &tuned,
            figures: Figures {
                step,
                validation_loss,
                alpha: &self.alphas,
                evaluations: &self.evaluations,
            },
        };
        handover.write(context)?;
        Ok(Some(step))
    }
}
