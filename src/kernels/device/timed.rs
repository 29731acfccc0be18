//! What a GPU takes for a run of kernels.

use std::time::Duration;

use burn::tensor::{Device, Tensor};
use cubecl::future::block_on;

use super::is_cpu;
use crate::kernels::op::on_gpu;

/// What a GPU takes for all that `calls` queues, gaps between kernels included; none
/// where the device cannot say.
pub fn time_on_device(device: &Device, calls: impl FnOnce() + Send) -> Option<Duration> {
    if is_cpu(device) {
        return None;
    }
    let client = on_gpu(Tensor::<1>::zeros([1], device)).client;
    let ((), window) = client.profile(calls, "calls").ok()?;
    block_on(window.resolve()).map(|ticks| ticks.duration())
}
