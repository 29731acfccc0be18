//! What a later run goes on from.

use burn::tensor::Tensor;

use super::{Trainer, sound};
use crate::error::{Error, Result};
use crate::tuning::method::tuned::{shift_tensors, state_tensors};
use crate::tuning::states::checkpoint_file::TrainerCheckpoint;
use crate::tuning::train::step_record::Pending;

impl Trainer<'_> {
    /// Everything a later run needs to continue from here.
    ///
    /// # Errors
    /// [`Error::Device`] if it cannot be read.
    pub fn checkpoint(&self) -> Result<TrainerCheckpoint> {
        let mut moments = vec![self.state.moments()?];
        if let Some(shifts) = &self.shifts {
            moments.push(shifts.moments()?);
        }
        if let Some(lift) = &self.lift {
            moments.extend(lift.parameter_moments()?);
        }
        if let Some(lora) = &self.lora {
            moments.extend(lora.parameter_moments()?);
        }
        Ok(TrainerCheckpoint {
            step: self.steps_taken,
            tuned: self.tuned()?,
            layers: self.layers.clone(),
            moments,
            best: None,
            extra: std::collections::BTreeMap::new(),
        })
    }

    /// Goes on from a checkpoint of the same run.
    ///
    /// # Errors
    /// [`Error::Spec`] if it is that of another model, other layers or another
    /// method.
    pub fn restore(&mut self, checkpoint: &TrainerCheckpoint) -> Result<()> {
        checkpoint.tuned.check_fits(self.model.config())?;
        if checkpoint.layers != self.layers {
            let reason = tr!(
                "tunes layers {}, this run layers {}",
                format_args!("{:?}", checkpoint.layers),
                format_args!("{:?}", self.layers)
            );
            return Err(Error::spec("checkpoint", reason));
        }
        let Some((of_state, of_others)) = checkpoint.moments.split_first() else {
            return Err(Error::spec("checkpoint", tr!("has no moments")));
        };
        match (&mut self.lift, &checkpoint.tuned.lift) {
            (Some(lift), Some(values)) => lift.restore(values, of_others)?,
            (None, None) => {}
            (Some(_), None) => {
                let reason = tr!("has no lifted state, but this run has one");
                return Err(Error::spec("checkpoint", reason));
            }
            (None, Some(_)) => {
                let reason = tr!("has a lifted state, but this run has none");
                return Err(Error::spec("checkpoint", reason));
            }
        }
        match (&mut self.lora, &checkpoint.tuned.lora) {
            (Some(lora), Some(values)) => lora.restore(values, of_others)?,
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => {
                let reason = tr!("has adapters and this run has none, or the other way round");
                return Err(Error::spec("checkpoint", reason));
            }
        }
        let shifts = shift_tensors(&checkpoint.tuned.state, self.device);
        if let Some(own) = &mut self.shifts {
            if shifts.is_empty() {
                let reason = tr!("has no token shifts, which this run trains");
                return Err(Error::spec("checkpoint", reason));
            }
            let chosen = self.layers.iter().map(|layer| shifts[*layer].clone());
            own.restore(chosen.collect(), of_others)?;
        }
        let whole = state_tensors(&checkpoint.tuned.state, self.device);
        let chosen = self.layers.iter().map(|layer| whole[*layer].clone());
        self.state
            .set(Tensor::cat(chosen.collect(), 0), of_state, "checkpoint")?;
        self.sound = sound(self.device);
        self.steps_taken = checkpoint.step;
        self.pending = Pending::new(self.layers.clone(), self.model.config().n_head);
        Ok(())
    }
}
