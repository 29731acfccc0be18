//! Kernels that are built before they are launched, several at a time. A launch builds its
//! kernel where it stands, so that those of a first step are built one after the other;
//! a pass that only has them built puts all of them to work at once.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Tensor};
use cubecl::client::Client;
use cubecl::wgpu::set_only_builds;

use super::is_cpu;
use crate::kernels::op::on_gpu;

thread_local! {
    /// Whether this thread is in a pass ahead.
    static IS_AHEAD: Cell<bool> = const { Cell::new(false) };
}

/// Has the kernels of all launches of `run` built, on several threads, and returns while
/// they are: a launch waits for its kernel. `run` computes nothing: what it makes has no
/// numbers, and what it reads back means nothing, so that it must not go by any. On the
/// CPU, and in another such pass, it does not run.
pub fn build_ahead(device: &Device, run: impl FnOnce()) {
    if is_cpu(device) || IS_AHEAD.get() {
        return;
    }
    let client = on_gpu(Tensor::<1>::empty([1], device)).client;
    // What was launched before runs. A device that cannot says so when it is read.
    if client.flush().is_err() {
        return;
    }
    set_only_builds(true);
    IS_AHEAD.set(true);
    let _until_done = OnlyBuilds(&client);
    // What fails here fails again where it counts.
    let _ = catch_unwind(AssertUnwindSafe(run));
}

/// While it lives, launches of this thread only have their kernels built.
struct OnlyBuilds<'a>(&'a Client);

impl Drop for OnlyBuilds<'_> {
    fn drop(&mut self) {
        // No launch of the pass may still be on its way when launches count again.
        let _ = self.0.flush();
        set_only_builds(false);
        IS_AHEAD.set(false);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::DeviceKind;

    use super::*;
    use crate::kernels::silu::silu;

    #[test]
    fn a_pass_ahead_launches_nothing_and_what_follows_is_right() {
        let device = Device::wgpu(DeviceKind::Cpu);
        let numbers = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
        let ones = Tensor::<2>::ones([3, 5], &device);
        // Launched before the pass, and counts.
        let twos = ones.clone() + 1.0;
        let (mut made, mut quadrupled) = (None, None);
        build_ahead(&device, || {
            made = Some(silu(ones.clone()));
            // In place, for nothing else has the tensor.
            quadrupled = Some(twos * 4.0);
        });
        assert_eq!(made.expect("the pass has run").dims(), [3, 5]);
        // It would be 8 where it was launched.
        assert_eq!(numbers(quadrupled.expect("the pass has run")), [2.0; 15]);
        let want = 1.0 / (1.0 + (-1.0_f32).exp());
        for got in numbers(silu(ones)) {
            assert!((got - want).abs() < 1e-6, "{got}, not {want}");
        }
    }

    #[test]
    fn a_pass_that_panics_leaves_the_device_as_it_was() {
        let device = Device::wgpu(DeviceKind::Cpu);
        build_ahead(&device, || panic!("shapes differ"));
        let sum = (Tensor::<1>::ones([4], &device) + 2.0).into_data();
        assert_eq!(sum.try_to_vec::<f32>().unwrap(), [3.0; 4]);
    }

    #[test]
    fn on_the_cpu_nothing_runs() {
        build_ahead(&Device::flex(), || panic!("it ran"));
    }
}
