//! The memory that a run's largest step takes, told before it starts.

use super::run_data::RunData;
use super::run_spec::RunSpec;
use crate::data::Example;
use crate::model::ModelConfig;
use crate::tuning::memory::{MemoryEstimate, StepShape};
use crate::tuning::spec::{Layers, LossOn};

/// One line about the memory of the largest step that this run could take;
/// none where nothing is trained.
pub(super) fn memory_note(spec: &RunSpec, model: &ModelConfig, data: &RunData) -> Option<String> {
    let (layers, _) = spec.method.tuned()?;
    let (first_layer, tuned_layers) = match layers {
        Layers::All => (0, model.n_layer),
        Layers::Only(chosen) => (chosen.iter().copied().min()?, chosen.len()),
    };
    let batch = spec.training.batch;
    let counted = |example: &Example| match spec.data.loss_on {
        LossOn::Answer => example.target.len(),
        LossOn::Everything => example.n_tokens(),
    };
    let shape = StepShape {
        batch,
        // Batches are padded to multiples of 16.
        tokens: longest(data, Example::n_tokens)?.next_multiple_of(16),
        counted: batch * longest(data, counted)?,
        first_layer,
        tuned_layers,
        recompute: spec.training.activation_checkpointing,
    };
    let estimate = MemoryEstimate::new(model, &shape);
    Some(format!("the largest step takes about {estimate} of memory"))
}

fn longest(data: &RunData, len: impl Fn(&Example) -> usize) -> Option<usize> {
    data.train.iter().map(len).max()
}
