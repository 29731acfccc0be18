//! The memory of a step, by arithmetic, so that it is known before a run
//! starts. No gradient of a frozen weight is in it: none is ever formed.

mod adapters;

use std::fmt;

use crate::kernels::lifted::checkpoint_interval;
use crate::model::{Architecture, ModelConfig, Precision, positions_of_a_part};
use crate::tuning::spec::{LiftKind, Method};

pub use adapters::AdapterShape;

/// Bytes of a number that is computed.
const BYTES: u64 = size_of::<f32>() as u64;

/// Rows of a head's state that a backward pass makes anew at a time.
const MAX_SCRATCH_ROWS: usize = 32;

/// What a step is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepShape {
    /// Examples of one micro-batch.
    pub batch: usize,
    /// Tokens of the longest of them.
    pub tokens: usize,
    /// Predictions that are counted.
    pub counted: usize,
    /// The first layer whose S_0 is tuned.
    pub first_layer: usize,
    /// How many layers are tuned.
    pub tuned_layers: usize,
    /// Whether activations are computed again on the way back.
    pub recompute: bool,
    /// Tokens of a window, where texts are read in windows.
    pub window: Option<usize>,
    /// Storage of the frozen matrices.
    pub precision: Precision,
    /// Whether the token shifts of the tuned layers are trained too.
    pub token_shifts: bool,
    /// The branch of a lifted run, if it is one.
    pub branch: Option<BranchShape>,
    /// The adapters of a LoRA run, if it is one.
    pub adapters: Option<AdapterShape>,
}

/// What the branch of a tuned layer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BranchShape {
    /// M.
    pub upscaled_size: usize,
    /// Whether R mixes the features.
    pub has_decorrelation: bool,
    /// Whether the mean of the features is taken off.
    pub is_centred: bool,
    /// What happens from token to token.
    pub kind: LiftKind,
}

impl StepShape {
    /// Windows of the longest text.
    fn n_windows(&self) -> usize {
        match self.window {
            Some(window) => self.tokens.div_ceil(window.max(1)).max(1),
            None => 1,
        }
    }

    /// What is computed at once: the same with the tokens of one window.
    fn at_once(&self) -> Self {
        let tokens = self.tokens.min(self.window.unwrap_or(self.tokens));
        Self {
            tokens,
            counted: self.counted.min(self.batch * tokens),
            window: None,
            ..*self
        }
    }

    /// Numbers that one text hands from a window to the next.
    fn carried_values(&self, config: &ModelConfig) -> u64 {
        let beside: usize = config.shift_sizes().iter().sum();
        let of_state = config.n_state() + beside;
        let of_branch = self.branch.map_or(0, |branch| {
            let m = branch.upscaled_size;
            match branch.kind {
                LiftKind::Constant => 0,
                LiftKind::Decayed => config.n_head * m,
                LiftKind::Recurrent | LiftKind::PaperLiteral => {
                    config.n_head * config.head_size * m
                }
            }
        });
        (config.n_layer * of_state + self.tuned_layers * of_branch) as u64
    }
}

impl BranchShape {
    /// Of a method; none where it has no branch.
    pub fn of(method: &Method) -> Option<Self> {
        let lifting = method.lifting()?;
        Some(Self {
            upscaled_size: lifting.features.upscaled_size,
            has_decorrelation: lifting.decorrelation.is_some(),
            is_centred: lifting.decorrelation.is_some_and(|of| of.center),
            kind: lifting.kind,
        })
    }

    /// Whether there is a branch whose recurrence stands in place of the
    /// model's own.
    fn replaces(shape: &StepShape) -> bool {
        shape
            .branch
            .is_some_and(|branch| branch.kind == LiftKind::PaperLiteral)
    }

    /// Numbers that the tape of one layer keeps: the features of all vectors
    /// that are lifted and what R makes of them, then a factor and a product of
    /// decays, or the removed values and the states of every chunk.
    fn layer_values(&self, config: &ModelConfig, shape: &StepShape) -> u64 {
        let (n, m) = (config.head_size, self.upscaled_size);
        // A constant branch has R folded into its readout.
        let mixes = self.has_decorrelation && self.kind != LiftKind::Constant;
        let per_vector = 1 + usize::from(self.is_centred || mixes);
        let tokens = shape.batch * shape.tokens;
        let lifted = self.kind.n_lifted() * per_vector * tokens * m;
        let moving = match self.kind {
            LiftKind::Constant => 0,
            LiftKind::Decayed => 2 * tokens * m,
            LiftKind::Recurrent | LiftKind::PaperLiteral => {
                let chunks = shape.batch * shape.tokens.div_ceil(checkpoint_interval(n, m));
                tokens * n + chunks * n * m
            }
        };
        (config.n_head * (lifted + moving)) as u64
    }

    /// Numbers that one layer needs besides while it goes back: what the
    /// operator reads and its gradients, those of the lifted vectors, and the
    /// states of a chunk.
    fn working_values(&self, config: &ModelConfig, shape: &StepShape) -> u64 {
        let m = self.upscaled_size;
        let tokens = shape.batch * shape.tokens;
        let of_operator = match self.kind.is_recurrence() {
            true => {
                let states = checkpoint_interval(config.head_size, m) * MAX_SCRATCH_ROWS;
                10 * tokens + shape.batch * states
            }
            false => 0,
        };
        let of_vectors = 3 * self.kind.n_lifted() * tokens;
        (config.n_head * m * (of_operator + of_vectors)) as u64
    }

    /// Numbers of the largest tensor: the vectors that are lifted, stacked; of a
    /// recurrence also the gradients of what it reads, packed into one, and the states
    /// of all chunks.
    fn largest(&self, config: &ModelConfig, shape: &StepShape) -> usize {
        let (n, m) = (config.head_size, self.upscaled_size);
        let tokens = shape.batch * shape.tokens;
        let stacked = self.kind.n_lifted() * tokens * m;
        let of_recurrence = match self.kind.is_recurrence() {
            true => {
                let chunks = shape.batch * shape.tokens.div_ceil(checkpoint_interval(n, m));
                (tokens * (5 * m + n)).max(chunks * n * m)
            }
            false => 0,
        };
        config.n_head * stacked.max(of_recurrence)
    }

    /// Z, its gradient, two moments and the support vectors; R, its successor
    /// and two moments of the features.
    fn parameter_values(&self, config: &ModelConfig) -> u64 {
        let m = self.upscaled_size;
        let of_r = if self.has_decorrelation { 4 * m * m } else { 0 };
        (config.n_head * (5 * m * config.head_size + of_r)) as u64
    }
}

/// Bytes of a step by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The frozen weights.
    pub weights: u64,
    /// S_0 and what is tuned beside it, gradients and moments.
    pub state: u64,
    /// Activations that the backward pass reads.
    pub activations: u64,
    /// The states between windows, and their gradients.
    pub carried: u64,
    /// What one layer and the logits need while they are computed.
    pub working: u64,
    /// The largest single tensor, which some devices bound.
    pub largest_tensor: u64,
}

impl MemoryEstimate {
    /// Of a step of this shape.
    pub fn new(config: &ModelConfig, shape: &StepShape) -> Self {
        let carried = match shape.n_windows() {
            1 => 0,
            // A state in front of every window but the first, and two gradients: that
            // which a window was given and that which it makes.
            n => (n + 1) as u64 * shape.batch as u64 * shape.carried_values(config),
        };
        let shape = &shape.at_once();
        let per_layer = config.n_state() as u64;
        let tokens = (shape.batch * shape.tokens) as u64;
        let stream = tokens * config.n_embd as u64;
        let above = config.n_layer.saturating_sub(shape.first_layer + 1) as u64;
        let tuned_layers = shape.tuned_layers as u64;
        let branch = shape.branch.as_ref();
        let adapters = shape.adapters.as_ref();
        let of_branch = branch.map_or(0, |branch| branch.layer_values(config, shape));
        let of_adapters = adapters.map_or(0, |adapters| adapters.layer_values(config, shape));
        let beside = of_branch + of_adapters;
        let activations = if shape.recompute {
            stream * (above + 1) + layer_values(config, shape) + beside
        } else {
            let goes_below = adapters.is_some() || shape.token_shifts;
            let first = match (goes_below, shape.first_layer) {
                (false, _) => first_layer_values(config, shape),
                // The model's first layer mixes in no other value.
                (true, 0) => layer_values(config, shape) - stream,
                (true, _) => layer_values(config, shape),
            };
            first + above * layer_values(config, shape) + tuned_layers * beside
        };
        let parameters = branch.map_or(0, |branch| branch.parameter_values(config))
            + adapters.map_or(0, |adapters| adapters.parameter_values(config));
        // Two vectors a layer, their gradients and two moments.
        let of_shifts = match shape.token_shifts {
            true => 4 * 2 * config.n_embd as u64,
            false => 0,
        };
        let parameters = parameters + of_shifts;
        // Six gradients of the operator, six mixed inputs, the feed-forward
        // layer's gradient and a few of the stream's width; of convolutions their
        // padded inputs and gradients, tap by tap, and twice as much inside SwiGLU.
        let layer = match config.architecture {
            Architecture::Rwkv7 => stream * 16 + 2 * tokens * config.n_ffn as u64,
            Architecture::GatedDeltaNet => {
                let wide = 8 * config.convolved_channels() + 4 * config.n_ffn;
                stream * 16 + tokens * wide as u64 + block_values(config, shape)
            }
        };
        let layer = layer
            + branch.map_or(0, |branch| branch.working_values(config, shape))
            + adapters.map_or(0, |adapters| adapters.working_values(config, shape));
        // The logits of a part, their gradient and the product that made them.
        let counted = shape.counted.min(positions_of_a_part(config.vocab_size));
        let logits = 3 * (counted * config.vocab_size) as u64;
        Self {
            weights: shape.precision.weight_bytes(config),
            state: tuned_layers * (4 * per_layer + parameters) * BYTES,
            activations: activations * BYTES,
            carried: carried * BYTES,
            working: layer.max(logits) * BYTES,
            largest_tensor: largest_tensor(config, shape) * BYTES,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        let Self {
            weights,
            state,
            activations,
            carried,
            working,
            largest_tensor: _,
        } = self;
        weights + state + activations + carried + working
    }
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64, digits| format!("{:.digits$}", bytes as f64 / (1 << 20) as f64);
        let total = mib(self.total(), 0);
        let weights = mib(self.weights, 0);
        let activations = mib(self.activations, 0);
        let working = mib(self.working, 0);
        let state = mib(self.state, 1);
        let text = match self.carried {
            0 => tr!(
                "{total} MiB (weights {weights}, activations {activations}, working space {working}, state and moments {state})",
                total,
                weights,
                activations,
                working,
                state
            ),
            carried => tr!(
                "{total} MiB (weights {weights}, activations {activations}, working space {working}, state and moments {state}, states between windows {carried})",
                total,
                weights,
                activations,
                working,
                state,
                carried = mib(carried, 1)
            ),
        };
        f.write_str(&text)
    }
}

/// Numbers of the largest tensor: the inside of channel mixing, the states of
/// every chunk, the logits of a part, or the largest of a branch.
fn largest_tensor(config: &ModelConfig, shape: &StepShape) -> u64 {
    let tokens = shape.batch * shape.tokens;
    let chunks = n_chunks(config, shape);
    let counted = shape.counted.min(positions_of_a_part(config.vocab_size));
    let of_branch = shape
        .branch
        .map_or(0, |branch| branch.largest(config, shape));
    // Those beside one matrix of all layers are one tensor.
    let of_adapters = shape.adapters.map_or(0, |adapters| {
        shape.tuned_layers * config.n_ffn * adapters.rank
    });
    let all = [
        tokens * config.n_ffn,
        chunks * config.n_state(),
        tokens * config.convolved_channels(),
        tokens * packed_values(config),
        counted * config.vocab_size,
        of_branch,
        of_adapters,
    ];
    all.into_iter().max().unwrap_or(0) as u64
}

/// States that the model's own recurrence keeps of a head, of all texts.
fn n_chunks(config: &ModelConfig, shape: &StepShape) -> usize {
    let interval = config.blocks().checkpoint_interval(config.key_size());
    shape.batch * shape.tokens.div_ceil(interval)
}

/// Numbers that the recurrence needs besides where it takes heads in blocks: the keys of
/// every block, which are five, and their gradients; where blocks are not square, also
/// the states of a chunk that are made anew.
fn block_values(config: &ModelConfig, shape: &StepShape) -> u64 {
    let blocks = config.blocks();
    if blocks.n == 1 && blocks.is_square {
        return 0;
    }
    let interval = blocks.checkpoint_interval(config.key_size());
    let of_chunk = match blocks.is_square {
        true => 0,
        false => interval * MAX_SCRATCH_ROWS,
    };
    let of_text = 10 * shape.tokens + of_chunk;
    (shape.batch * of_text * config.operator_key_channels()) as u64
}

/// Numbers of a token in the gradients of what the recurrence reads, where they are
/// packed into one tensor.
fn packed_values(config: &ModelConfig) -> usize {
    match config.blocks().is_square {
        true => 0,
        false => 5 * config.operator_key_channels() + config.head_channels(),
    }
}

/// Numbers that the first tuned layer keeps: the six inputs of the operator, five of
/// them on the side of the keys, its output, the gate, and those of channel mixing or SwiGLU.
fn first_layer_values(config: &ModelConfig, shape: &StepShape) -> u64 {
    let tokens = (shape.batch * shape.tokens) as u64;
    let inner = match config.architecture {
        Architecture::Rwkv7 => config.n_ffn,
        Architecture::GatedDeltaNet => 2 * config.n_ffn,
    };
    let keys = 5 * config.n_head * config.key_size();
    tokens * (keys + 3 * config.head_channels() + config.n_embd + inner) as u64
}

/// Numbers that a layer above it keeps: also the stream in front, the five
/// projections, the removed values, the states of every chunk, and the inside
/// of two low-rank maps; or what stands around the convolutions, and two numbers a
/// head. Where another recurrence stands in its place, the operator keeps nothing.
fn layer_values(config: &ModelConfig, shape: &StepShape) -> u64 {
    let tokens = shape.batch * shape.tokens;
    let states = n_chunks(config, shape) * config.n_state();
    let of_operator = match BranchShape::replaces(shape) {
        true => 0,
        false => tokens * config.head_channels() + states,
    };
    let (wide, once) = match config.architecture {
        Architecture::Rwkv7 => (6 * config.n_embd + config.decay_rank + config.gate_rank, 0),
        Architecture::GatedDeltaNet => (
            config.n_embd + 2 * config.convolved_channels() + 2 * config.n_head,
            config.shift_sizes()[0],
        ),
    };
    let beside = tokens * wide + shape.batch * once + of_operator;
    first_layer_values(config, shape) + beside as u64
}

#[cfg(test)]
mod tests;
