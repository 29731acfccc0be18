//! The forecast of a run: its data, and the memory of its largest step. Computed on the
//! processor, without the compute device, so that a form can show it while it is filled
//! in.

use super::fitting::fitting;
use super::step_memory::precision;
use super::step_shape::{Longest, step_memory};
use crate::data::Example;
use crate::error::{Error, Result};
use crate::kernels::device::Room;
use crate::model::{ModelConfig, Precision};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::plan::fit::Fit;
use crate::tuning::plan::memory::MemoryEstimate;
use crate::tuning::spec::Layers;
use crate::worker::run_data::RunData;
use crate::worker::session::{fitting_tokenizer, open_checkpoint};

/// The model and the data of a run, and the memory that it would take.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryForecast {
    /// The dimensions of the model.
    pub model: ModelConfig,
    /// Training examples.
    pub n_train: usize,
    /// Held-out examples that a validation loss is measured on.
    pub n_validation: usize,
    /// Items that are scored; none for a set of texts.
    pub n_items: Option<usize>,
    /// Tokens of a training example, on the average.
    pub example_tokens: f64,
    /// Things the user should know: examples left out.
    pub notes: Vec<String>,
    longest: Option<Longest>,
    /// The 16-bit type of the model's file.
    halves: Precision,
}

impl MemoryForecast {
    /// Reads the model's dimensions and the data, but no weights.
    ///
    /// # Errors
    /// What would refuse the run too: files that cannot be used, a vocabulary
    /// that is not the model's.
    pub fn read(spec: &RunSpec) -> Result<Self> {
        let source = &spec.model.checkpoint;
        let checkpoint = open_checkpoint(source)?;
        let model = ModelConfig::from_checkpoint(&checkpoint)?;
        let halves = Precision::halves_of(&checkpoint);
        let tokenizer = fitting_tokenizer(&spec.model, &model)?;
        let data = RunData::load(spec, &tokenizer)?;
        let n_tokens: usize = data.train.iter().map(Example::n_tokens).sum();
        Ok(Self {
            example_tokens: n_tokens as f64 / data.train.len().max(1) as f64,
            model,
            halves,
            n_train: data.train.len(),
            n_validation: data.validation.len(),
            n_items: data.benchmark.as_ref().map(|set| set.items.items.len()),
            longest: Longest::of(spec, &data),
            notes: data.notes,
        })
    }

    /// Whether the model allows what `spec` trains: a run would be refused when its
    /// model is loaded.
    ///
    /// # Errors
    /// [`Error::Spec`] with the field that the model does not allow.
    pub fn check(&self, spec: &RunSpec) -> Result<()> {
        spec.method.check_architecture(&self.model)?;
        let n = self.model.head_size;
        if let Some(lifting) = spec.method.lifting()
            && lifting.features.upscaled_size < n
        {
            let m = lifting.features.upscaled_size;
            let reason = tr!("must be at least the model's head size, {n}, is {m}", n, m);
            return Err(Error::spec("method.features.upscaled_size", reason));
        }
        if let Some((Layers::Only(chosen), _)) = spec.method.tuned()
            && let Some(layer) = chosen.iter().find(|layer| **layer >= self.model.n_layer)
        {
            let last = self.model.n_layer - 1;
            let reason = tr!(
                "has {layer}, but the model's layers are 0 to {last}",
                layer,
                last
            );
            return Err(Error::spec("method.layers", reason));
        }
        Ok(())
    }

    /// The memory of the largest step; none where nothing is trained. `spec`
    /// may differ from the one that was read in what is trained and how.
    pub fn memory(&self, spec: &RunSpec) -> Option<MemoryEstimate> {
        step_memory(spec, &self.model, self.longest?)
    }

    /// The settings nearest to those of `spec` that fit into `room`; none where
    /// nothing is trained or nothing fits.
    pub fn fit(&self, spec: &RunSpec, room: Room) -> Option<Fit> {
        fitting(spec, &self.model, self.halves, self.longest?, room)
    }

    /// `spec` with the precision that a run of it would choose.
    pub fn settled(&self, spec: &RunSpec, room: Room) -> RunSpec {
        let mut settled = spec.clone();
        let longest = self.longest;
        settled.model.precision = precision(spec, &self.model, self.halves, longest, room);
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_follows_the_batch_without_reading_again() {
        let mut spec = RunSpec::default();
        let seen = MemoryForecast::read(&spec).unwrap();
        assert_eq!((seen.n_train, seen.n_validation), (2000, 100));
        assert_eq!(seen.n_items, Some(500));
        let of_32 = seen.memory(&spec).unwrap();
        spec.training.batch = 8;
        let of_8 = seen.memory(&spec).unwrap();
        assert_eq!(of_32.activations, 4 * of_8.activations);
        assert_eq!(of_32.weights, of_8.weights);
    }

    #[test]
    fn what_would_refuse_the_run_is_said() {
        let mut spec = RunSpec::default();
        spec.data.context_length = 4;
        let message = MemoryForecast::read(&spec).unwrap_err().to_string();
        assert!(message.starts_with("data.context_length: "), "{message}");
    }

    #[test]
    fn what_the_model_does_not_allow_is_said_before_it_is_loaded() {
        let mut spec = crate::persist::presets::preset("lifted").unwrap();
        let seen = MemoryForecast::read(&spec).unwrap();
        assert!(seen.check(&spec).is_ok());
        let change = |assignment: &str| {
            let mut spec = spec.clone();
            crate::persist::spec_file::set_field(&mut spec, assignment).unwrap();
            seen.check(&spec).unwrap_err().to_string()
        };
        assert_eq!(
            change("method.features.upscaled_size=16"),
            "method.features.upscaled_size: must be at least the model's head size, 64, is 16"
        );
        assert_eq!(
            change("method.layers=Only([1, 6])"),
            "method.layers: has 6, but the model's layers are 0 to 5"
        );
        spec.method = crate::tuning::spec::Method::Base;
        assert!(seen.check(&spec).is_ok());
    }
}
