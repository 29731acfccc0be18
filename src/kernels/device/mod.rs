//! Which device computes: the choice, what this machine has, and what a device
//! cannot do, said before anything is loaded.

pub mod copy_rate;
pub(crate) mod matrix_units;
pub(crate) mod read_back;

mod adapters;
mod ahead;
mod details;
mod language;
mod memory;
mod open;
mod processor;
mod quiet;
mod refusal;
mod reopen;
#[cfg(test)]
mod tests;
mod timed;

use std::fmt;
use std::str::FromStr;

use burn::tensor::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::byte_size;
use adapters::{Listed, listed};
use open::open_adapter;

pub use adapters::{AdapterKind, AdapterSummary, list_adapters};
pub use ahead::build_ahead;
pub use cubecl::wgpu::{KernelStore, keep_kernels_in};
pub use details::{AdapterDetails, adapter_details};
pub use language::{
    BACKEND, Language, LanguageChoice, SpirvCheck, check_spirv_by, choose_language,
    language_choice, language_of,
};
pub use memory::{DEVICE_MEMORY, MachineMemory, Room, machine_memory, memory_of, room_of};
pub(super) use open::max_tensor_bytes;
pub use open::{destroy_open_devices, is_lost, room_on, suspect_open_devices};
pub use processor::{Processor, processor};
pub use quiet::quiet_drivers;
pub(super) use refusal::too_large;
pub use refusal::{says_out_of_memory, says_too_large, take_refusal};
pub use timed::time_on_device;

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

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Cpu => f.pad("cpu"),
            Self::Gpu => f.pad("gpu"),
            Self::GpuIndex(index) => f.pad(&format!("gpu:{index}")),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        let index = |text: &str| text.strip_prefix("gpu:")?.parse().ok();
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            other => index(other).map(Self::GpuIndex).ok_or_else(|| {
                let reason = tr!(
                    "`{other}` is unknown; choose auto, cpu, gpu or gpu:N with N as `gosling \
                     devices` lists them",
                    other
                );
                Error::spec("device", reason)
            }),
        }
    }
}

/// What a GPU refuses to hold. A CPU has no such limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLimits {
    /// The largest tensor, in bytes.
    pub max_tensor_bytes: u64,
}

/// A device that is ready to compute.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// What tensors are made on.
    pub device: Device,
    /// Its name, without the reason for choosing it.
    pub name: String,
    /// Its name and why it was chosen, as a sentence for the user.
    pub description: String,
    /// Whether a processor plays the GPU.
    pub is_software: bool,
    /// What it refuses to hold; none on the CPU.
    pub limits: Option<DeviceLimits>,
}

impl OpenDevice {
    /// Refuses a tensor of `n_bytes` that the device cannot hold. Asked before
    /// anything is loaded: a GPU that is given too large a tensor answers with
    /// wrong numbers later instead of an error now.
    ///
    /// # Errors
    /// [`Error::Device`] with the tensor, its size and the limit.
    pub fn check_tensor(&self, tensor: &str, n_bytes: u64) -> Result<()> {
        match self.limits {
            Some(limits) if n_bytes > limits.max_tensor_bytes => Err(Error::Device(tr!(
                "{tensor} takes {}, but {} holds at most {} in one tensor; use --device cpu \
                 or another GPU",
                byte_size(n_bytes),
                self.name,
                byte_size(limits.max_tensor_bytes),
                tensor
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses an element type that the device cannot compute in, where it
    /// would give wrong numbers without saying so.
    ///
    /// # Errors
    /// [`Error::Device`] with the type.
    pub fn check_dtype(&self, dtype: DType) -> Result<()> {
        if self.device.supports_dtype(dtype) {
            return Ok(());
        }
        Err(Error::Device(tr!(
            "{} cannot compute in {dtype}; use F32",
            self.name,
            dtype = format_args!("{dtype:?}")
        )))
    }
}

/// What a choice comes to on this machine.
struct Chosen {
    /// None is the CPU.
    adapter: Option<&'static Listed>,
    why: String,
}

/// Opens the device of a choice. The same adapter is opened once in a process
/// and shared after that, as long as it is not lost.
///
/// # Errors
/// [`Error::Device`] where the GPU that was asked for is not there or cannot be
/// used, with what to do.
pub fn open(choice: DeviceChoice) -> Result<OpenDevice> {
    // Looking for GPUs starts their drivers.
    let adapters = match choice {
        DeviceChoice::Cpu => &[],
        DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_) => listed(),
    };
    let Chosen { adapter, why } = choose(choice, adapters)?;
    match adapter {
        None => {
            let name = processor().to_string();
            Ok(OpenDevice {
                device: Device::flex(),
                description: format!("{name} ({why})"),
                name,
                is_software: false,
                limits: None,
            })
        }
        Some(adapter) => open_adapter(adapter, &why),
    }
}

/// What [`DeviceChoice::Auto`] opens and why, without opening it.
pub fn describe_auto() -> String {
    match choose(DeviceChoice::Auto, listed()) {
        Ok(Chosen { adapter, why }) => match adapter {
            Some(Listed { summary, .. }) => format!("gpu:{} ({why})", summary.index),
            None => format!("cpu ({why})"),
        },
        Err(error) => error.to_string(),
    }
}

fn choose(choice: DeviceChoice, adapters: &'static [Listed]) -> Result<Chosen> {
    let best = adapters
        .iter()
        .min_by_key(|adapter| adapter.summary.kind.rank());
    let refuse = |reason: String| Err(Error::Device(reason));
    let on = |adapter: &'static Listed, why: &str| {
        Ok(Chosen {
            adapter: Some(adapter),
            why: why.into(),
        })
    };
    let on_cpu = |why: String| Ok(Chosen { adapter: None, why });
    match (choice, best) {
        (DeviceChoice::Cpu, _) => on_cpu(tr!("as requested").into()),
        (DeviceChoice::Auto, None) => on_cpu(tr!("no GPU was found").into()),
        (DeviceChoice::Auto, Some(best)) => match best.summary.kind {
            AdapterKind::Software => on_cpu(tr!(
                "the only GPU, {}, is a software GPU and slower than the CPU",
                best.summary.name
            )),
            AdapterKind::Discrete => on(best, tr!("the first discrete GPU")),
            AdapterKind::Integrated => {
                on(best, tr!("the integrated GPU; there is no discrete one"))
            }
            AdapterKind::Virtual | AdapterKind::Other => on(best, tr!("the only GPU")),
        },
        (DeviceChoice::Gpu | DeviceChoice::GpuIndex(_), None) => refuse(
            tr!("no GPU was found; install its driver (Vulkan on Linux) or use --device cpu")
                .into(),
        ),
        (DeviceChoice::Gpu, Some(best)) => on(best, tr!("as requested")),
        (DeviceChoice::GpuIndex(index), Some(_)) => match adapters.get(index) {
            Some(adapter) => on(adapter, tr!("as requested")),
            None => refuse(tr!(
                "there is no gpu:{index}; `gosling devices` lists gpu:0 to gpu:{}",
                adapters.len() - 1,
                index
            )),
        },
    }
}

/// Whether tensors of this device live in Burn's Flex, on the CPU.
pub fn is_cpu(device: &Device) -> bool {
    matches!(device.as_dispatch(), burn::backend::DispatchDevice::Flex(_))
}
