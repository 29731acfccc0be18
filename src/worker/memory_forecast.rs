//! The forecast of a run: its data, and the memory of its largest step. Computed on the
//! processor, without the compute device, so that a form can show it while it is filled
//! in.

use super::run_data::RunData;
use super::session::{checkpoint_name, fitting_tokenizer, open_checkpoint};
use super::step_memory::{Longest, step_memory};
use crate::data::Example;
use crate::error::Result;
use crate::model::ModelConfig;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::plan::memory::MemoryEstimate;

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
}

impl MemoryForecast {
    /// Reads the model's dimensions and the data, but no weights.
    ///
    /// # Errors
    /// What would refuse the run too: files that cannot be used, a vocabulary
    /// that is not the model's.
    pub fn read(spec: &RunSpec) -> Result<Self> {
        let source = &spec.model.checkpoint;
        let model = ModelConfig::from_checkpoint(&open_checkpoint(source)?)?;
        let tokenizer = fitting_tokenizer(&spec.model, checkpoint_name(source), model.vocab_size)?;
        let data = RunData::load(spec, &tokenizer)?;
        let n_tokens: usize = data.train.iter().map(Example::n_tokens).sum();
        Ok(Self {
            example_tokens: n_tokens as f64 / data.train.len().max(1) as f64,
            model,
            n_train: data.train.len(),
            n_validation: data.validation.len(),
            n_items: data.benchmark.as_ref().map(|set| set.items.items.len()),
            longest: Longest::of(spec, &data),
            notes: data.notes,
        })
    }

    /// The memory of the largest step; none where nothing is trained. `spec`
    /// may differ from the one that was read in what is trained and how.
    pub fn memory(&self, spec: &RunSpec) -> Option<MemoryEstimate> {
        step_memory(spec, &self.model, self.longest?)
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
}
