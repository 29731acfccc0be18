//! What a run remembers beside its trainer: the best state, and how long it
//! has not been beaten. It travels in the checkpoints.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::SelectBy;
use crate::tuning::states::checkpoint_file::TrainerCheckpoint;

const VALIDATED_STEP: &str = "validated_step";
const BEST_STEP: &str = "best_step";
const BEST_LOSS: &str = "best_loss";
const BEST_N_CORRECT: &str = "best_n_correct";
const N_WORSE: &str = "checks_without_improvement";

/// The validations of a run so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Validations {
    /// The step of the last one.
    pub last_step: Option<usize>,
    /// The best one.
    pub best: Option<Best>,
    /// Validations since then.
    pub n_worse: usize,
}

/// What was measured on the held-out examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Check {
    /// Mean nats a counted token.
    pub loss: f64,
    /// Items answered right, where the run selects by them.
    pub n_correct: Option<usize>,
}

impl Check {
    /// Whether this one is better than `other`. A loss that is not finite never
    /// is.
    fn beats(self, other: Self, select_by: SelectBy) -> bool {
        let is_lower = self.loss < other.loss;
        self.loss.is_finite()
            && match select_by {
                SelectBy::ValidationLoss | SelectBy::LastStep => is_lower,
                SelectBy::ValidationAccuracy if self.n_correct == other.n_correct => is_lower,
                SelectBy::ValidationAccuracy => self.n_correct > other.n_correct,
            }
    }
}

/// The state with the best check.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Best {
    pub step: usize,
    pub check: Check,
    pub tuned: Tuned,
}

impl Validations {
    /// Whether `check` would be the best so far. One whose loss is not finite
    /// never is.
    pub fn is_best(&self, check: Check, select_by: SelectBy) -> bool {
        let best = self.best.as_ref();
        check.loss.is_finite() && best.is_none_or(|best| check.beats(best.check, select_by))
    }

    /// Takes a validation in; `tuned` is there if it is the best.
    pub fn add(&mut self, step: usize, check: Check, tuned: Option<Tuned>) {
        self.last_step = Some(step);
        match tuned {
            Some(tuned) => {
                self.best = Some(Best { step, check, tuned });
                self.n_worse = 0;
            }
            None => self.n_worse += 1,
        }
    }

    /// Writes this into a checkpoint.
    pub fn store(&self, checkpoint: &mut TrainerCheckpoint) {
        let mut put = |key: &str, value: String| {
            checkpoint.extra.insert(key.to_owned(), value);
        };
        put(N_WORSE, self.n_worse.to_string());
        if let Some(step) = self.last_step {
            put(VALIDATED_STEP, step.to_string());
        }
        if let Some(best) = &self.best {
            put(BEST_STEP, best.step.to_string());
            // Rust prints floats so that they read back bit for bit.
            put(BEST_LOSS, best.check.loss.to_string());
            if let Some(n_correct) = best.check.n_correct {
                put(BEST_N_CORRECT, n_correct.to_string());
            }
        }
        checkpoint.best = self.best.as_ref().map(|best| best.tuned.clone());
    }

    /// Reads it back from the checkpoint in `file`.
    ///
    /// # Errors
    /// [`Error::Input`] where a field is not what [`Self::store`] wrote.
    pub fn restore(checkpoint: &TrainerCheckpoint, file: &Path) -> Result<Self> {
        let extra = &checkpoint.extra;
        let best = match (
            &checkpoint.best,
            number(extra, BEST_STEP, file)?,
            number(extra, BEST_LOSS, file)?,
        ) {
            (Some(tuned), Some(step), Some(loss)) => Some(Best {
                step,
                check: Check {
                    loss,
                    n_correct: number(extra, BEST_N_CORRECT, file)?,
                },
                tuned: tuned.clone(),
            }),
            _ => None,
        };
        Ok(Self {
            last_step: number(extra, VALIDATED_STEP, file)?,
            best,
            n_worse: number(extra, N_WORSE, file)?.unwrap_or(0),
        })
    }
}

fn number<T: FromStr>(
    extra: &BTreeMap<String, String>,
    key: &str,
    file: &Path,
) -> Result<Option<T>> {
    let Some(text) = extra.get(key) else {
        return Ok(None);
    };
    let number = text.parse().map(Some);
    number.map_err(|_| {
        Error::input(
            file,
            key,
            tr!("is not a number, {text}", text = format_args!("{text:?}")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> TrainerCheckpoint {
        let state = crate::tuning::states::state_file::TunedState {
            n_layer: 1,
            n_head: 1,
            head_size: 1,
            key_size: 1,
            layers: vec![vec![0.5]],
            shifts: None,
        };
        TrainerCheckpoint {
            step: 4,
            tuned: state.into(),
            layers: vec![0],
            moments: Vec::new(),
            best: None,
            extra: BTreeMap::new(),
        }
    }

    #[test]
    fn the_lowest_finite_loss_is_the_best() {
        let mut validations = Validations::default();
        let state = || Some(checkpoint().tuned);
        for (step, loss, best, n_worse) in [
            (0, f64::NAN, false, 1),
            (1, 2.0, true, 0),
            (2, 2.0, false, 1),
            (3, f64::INFINITY, false, 2),
            (4, 1.9, true, 0),
        ] {
            let check = Check {
                loss,
                n_correct: None,
            };
            let by_loss = SelectBy::ValidationLoss;
            assert_eq!(validations.is_best(check, by_loss), best, "step {step}");
            let state = if best { state() } else { None };
            validations.add(step, check, state);
            assert_eq!(validations.n_worse, n_worse, "step {step}");
        }
        assert_eq!(validations.best.map(|best| best.step), Some(4));
    }

    #[test]
    fn most_right_is_the_best_and_among_equals_the_lowest_loss() {
        let mut validations = Validations::default();
        for (step, loss, n_correct, best) in [
            (0, 2.0, 7, true),
            (1, 1.0, 6, false),
            (2, 3.0, 8, true),
            (3, 3.5, 8, false),
            (4, 2.5, 8, true),
            (5, f64::NAN, 9, false),
        ] {
            let check = Check {
                loss,
                n_correct: Some(n_correct),
            };
            let by_accuracy = SelectBy::ValidationAccuracy;
            assert_eq!(validations.is_best(check, by_accuracy), best, "step {step}");
            validations.add(step, check, best.then(|| checkpoint().tuned));
        }
        assert_eq!(validations.best.map(|best| best.step), Some(4));
    }

    #[test]
    fn a_checkpoint_carries_them_bit_for_bit() {
        let mut validations = Validations::default();
        for n_known in 0..3 {
            let mut stored = checkpoint();
            validations.store(&mut stored);
            let read = Validations::restore(&stored, Path::new("a")).unwrap();
            assert_eq!(read, validations, "{n_known}");
            let check = Check {
                loss: 0.1 + 0.2 / f64::from(n_known + 1),
                n_correct: Some(n_known as usize),
            };
            let state = (n_known == 0).then(|| checkpoint().tuned);
            validations.add(n_known as usize, check, state);
        }
    }

    #[test]
    fn a_field_that_is_no_number_is_refused() {
        let mut stored = checkpoint();
        stored.extra.insert(N_WORSE.into(), "many".into());
        let error = Validations::restore(&stored, Path::new("a.safetensors")).unwrap_err();
        let message = "a.safetensors: checks_without_improvement: is not a number, \"many\"";
        assert_eq!(error.to_string(), message);
    }
}
