//! What a run remembers beside its trainer: the best state, and how long it
//! has not been beaten. It travels in the checkpoints.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::tuning::checkpoint_file::TrainerCheckpoint;
use crate::tuning::tuned::Tuned;

const VALIDATED_STEP: &str = "validated_step";
const BEST_STEP: &str = "best_step";
const BEST_LOSS: &str = "best_loss";
const N_WORSE: &str = "checks_without_improvement";

/// The validations of a run so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Validations {
    /// The step of the last one.
    pub last_step: Option<usize>,
    /// The lowest loss.
    pub best: Option<Best>,
    /// Validations since then.
    pub n_worse: usize,
}

/// The state with the lowest validation loss.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Best {
    pub step: usize,
    /// Mean nats a counted token.
    pub loss: f64,
    pub tuned: Tuned,
}

impl Validations {
    /// Whether `loss` would be the lowest so far. One that is not finite never is.
    pub fn is_best(&self, loss: f64) -> bool {
        let best = self.best.as_ref();
        loss.is_finite() && best.is_none_or(|best| loss < best.loss)
    }

    /// Takes a validation in; `tuned` is there if its loss is the lowest.
    pub fn add(&mut self, step: usize, loss: f64, tuned: Option<Tuned>) {
        self.last_step = Some(step);
        match tuned {
            Some(tuned) => {
                self.best = Some(Best { step, loss, tuned });
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
            put(BEST_LOSS, best.loss.to_string());
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
                loss,
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
    number.map_err(|_| Error::input(file, key, format!("is no number, {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> TrainerCheckpoint {
        let state = crate::tuning::state_file::TunedState {
            n_layer: 1,
            n_head: 1,
            head_size: 1,
            layers: vec![vec![0.5]],
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
            assert_eq!(validations.is_best(loss), best, "step {step}");
            let state = if best { state() } else { None };
            validations.add(step, loss, state);
            assert_eq!(validations.n_worse, n_worse, "step {step}");
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
            let loss = 0.1 + 0.2 / f64::from(n_known + 1);
            let state = (n_known == 0).then(|| checkpoint().tuned);
            validations.add(n_known as usize, loss, state);
        }
    }

    #[test]
    fn a_field_that_is_no_number_is_refused() {
        let mut stored = checkpoint();
        stored.extra.insert(N_WORSE.into(), "many".into());
        let error = Validations::restore(&stored, Path::new("a.safetensors")).unwrap_err();
        let message = "a.safetensors: checks_without_improvement: is no number, \"many\"";
        assert_eq!(error.to_string(), message);
    }
}
