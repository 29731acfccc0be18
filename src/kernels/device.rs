//! Which device computes.

use serde::{Deserialize, Serialize};

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// Burn's Flex with the native operators.
    Cpu,
    /// The first GPU, software adapters included.
    Gpu,
    /// The n-th adapter as `gosling devices` lists them.
    GpuIndex(usize),
}
