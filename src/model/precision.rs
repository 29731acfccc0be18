//! How the frozen matrices are stored.

use serde::{Deserialize, Serialize};

/// Storage of the frozen matrices, and with it the factors of products. Sums,
/// activations, the state and its recurrence are 32-bit floats always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats, on GPUs with matrix units for them.
    F16,
}
