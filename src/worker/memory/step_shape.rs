//! What the largest step of a run is made of.

use crate::data::Example;
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::plan::memory::{AdapterShape, BranchShape, MemoryEstimate, StepShape};
use crate::tuning::spec::Layers;
use crate::tuning::train::window::LONGEST_WHOLE;
use crate::worker::run_data::RunData;

/// The longest of the training examples, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) struct Longest {
    tokens: usize,
    counted: usize,
}

impl Longest {
    /// Of the examples of a run; none where there are none.
    pub fn of(spec: &RunSpec, data: &RunData) -> Option<Self> {
        let counted = |example: &Example| example.n_counted(spec.data.loss_on);
        Some(Self {
            tokens: data.train.iter().map(Example::n_tokens).max()?,
            counted: data.train.iter().map(counted).max()?,
        })
    }
}

impl Longest {
    /// Whether texts of this length can be trained: very long ones in windows only.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the field to set.
    pub fn check(self, spec: &RunSpec) -> Result<()> {
        if self.tokens <= LONGEST_WHOLE || spec.training.window.is_some() {
            return Ok(());
        }
        let reason = tr!(
            "must be set for texts of more than {LONGEST_WHOLE} tokens, and the longest has \
             {}; set it to 1024, or choose a shorter data.context_length",
            self.tokens,
            LONGEST_WHOLE
        );
        Err(Error::spec("training.window", reason))
    }
}

/// The memory of the largest step; none where nothing is trained.
pub(in crate::worker) fn step_memory(
    spec: &RunSpec,
    model: &ModelConfig,
    longest: Longest,
) -> Option<MemoryEstimate> {
    let shape = step_shape(spec, model, longest)?;
    Some(MemoryEstimate::new(model, &shape))
}

/// What the largest step is made of; none where nothing is trained.
pub(in crate::worker) fn step_shape(
    spec: &RunSpec,
    model: &ModelConfig,
    longest: Longest,
) -> Option<StepShape> {
    let (layers, _) = spec.method.tuned()?;
    let (first_layer, tuned_layers) = match layers {
        Layers::All => (0, model.n_layer),
        Layers::Only(chosen) => (chosen.iter().copied().min()?, chosen.len()),
    };
    let batch = spec.training.batch;
    Some(StepShape {
        batch,
        // Batches are padded to multiples of 16.
        tokens: longest.tokens.next_multiple_of(16),
        counted: batch * longest.counted,
        first_layer,
        tuned_layers,
        recompute: spec.training.activation_checkpointing,
        window: spec.training.window,
        precision: spec.model.precision,
        branch: BranchShape::of(&spec.method),
        adapters: AdapterShape::of(&spec.method),
        token_shifts: spec.method.shift_rate().is_some(),
    })
}
