//! The GPUs that are open: each once in a process, and once more after it was
//! lost, for a lost device never comes back but its adapter may.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use cubecl::wgpu::{
    AutoGraphicsApi, RuntimeOptions, WgpuDevice, WgpuSetup, try_init_device, try_init_setup,
};

use super::adapters::{AdapterKind, Listed, listed};
use super::language::language_of;
use super::memory::{Room, room_of};
use super::reopen::fresh_setup;
use super::{DeviceChoice, DeviceLimits, OpenDevice, is_cpu, refusal};
use crate::error::{Error, Result};

struct Opened {
    /// What the adapter is listed as.
    adapter: WgpuDevice,
    open: OpenDevice,
    raw: wgpu::Device,
    /// Something failed on it, so that it is tried before it is used again.
    is_suspect: bool,
}

static OPEN: Mutex<Vec<Opened>> = Mutex::new(Vec::new());

/// Opens the adapter, or gives the device that is open and well.
pub(super) fn open_adapter(adapter: &Listed, why: &str) -> Result<OpenDevice> {
    let Listed {
        summary, device, ..
    } = adapter;
    // Settled before the runtime looks at the adapter.
    language_of(summary);
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let position = all.iter().position(|known| known.adapter == *device);
    let mut is_first = true;
    if let Some(position) = position {
        let known = &mut all[position];
        if !known.is_suspect || answers(&known.open.device) {
            known.is_suspect = false;
            return Ok(described(&known.open, why));
        }
        is_first = false;
        all.remove(position);
    }
    let opened = open_new(adapter, is_first)?;
    let answer = described(&opened.open, why);
    all.push(opened);
    Ok(answer)
}

/// Something failed on a GPU: the devices that are open are tried before they
/// are used again, and those that do not answer are opened anew.
pub fn suspect_open_devices() {
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    for known in all.iter_mut() {
        known.is_suspect = true;
    }
}

/// Whether a GPU that is open has stopped to answer.
pub fn is_lost(device: &Device) -> bool {
    let all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known = all.iter();
    known.any(|known| known.open.device == *device) && !answers(device)
}

/// The largest tensor, in bytes, that a GPU which was opened here binds; none
/// for another device.
pub(crate) fn max_tensor_bytes(device: &Device) -> Option<u64> {
    let all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().find(|known| known.open.device == *device)?;
    known.open.limits.map(|limits| limits.max_tensor_bytes)
}

/// What a device holds, by what its adapter says.
pub fn room_on(device: &Device) -> Room {
    if is_cpu(device) {
        return room_of(DeviceChoice::Cpu);
    }
    let all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let adapter = all.iter().find(|known| known.open.device == *device);
    let adapter = adapter.map(|known| known.adapter.clone());
    drop(all);
    let listed = listed()
        .iter()
        .find(|listed| Some(&listed.device) == adapter.as_ref());
    listed.map_or(Room::default(), |listed| {
        room_of(DeviceChoice::GpuIndex(listed.summary.index))
    })
}

/// Loses every GPU that is open on purpose, as a driver's reset would. For
/// tests of what follows.
#[doc(hidden)]
pub fn destroy_open_devices() {
    let all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    for known in all.iter() {
        known.raw.destroy();
    }
}

fn described(open: &OpenDevice, why: &str) -> OpenDevice {
    OpenDevice {
        description: format!("{} ({why})", open.name),
        ..open.clone()
    }
}

/// Whether the device still adds 1 and 1.
fn answers(device: &Device) -> bool {
    let sum = || {
        let ones = Tensor::<1>::ones([4], device);
        (ones.clone() + ones).into_data().try_to_vec::<f32>()
    };
    // A device that is lost panics in some places and reports in others.
    matches!(catch_unwind(AssertUnwindSafe(sum)), Ok(Ok(sums)) if sums == [2.0; 4])
}

fn open_new(adapter: &Listed, is_first: bool) -> Result<Opened> {
    let Listed {
        summary, device, ..
    } = adapter;
    let refuse = |reason: String| Error::Device(format!("{}: {reason}", summary.name));
    refusal::watch();
    let options = RuntimeOptions::try_default().map_err(|error| refuse(error.to_string()))?;
    let (setup, selector) = if is_first {
        let setup = try_init_setup::<AutoGraphicsApi>(device, options)
            .map_err(|error| refuse(tr!("could not be opened: {error}", error)))?;
        (setup, device.clone())
    } else {
        // The runtime opens a selector once; a device of ours it takes as new.
        let setup = fresh_setup(adapter).map_err(|error| {
            refuse(tr!(
                "was lost and could not be opened again: {error}",
                error
            ))
        })?;
        let selector = try_init_device(setup.clone(), options).map_err(|error| {
            refuse(tr!(
                "was lost and could not be opened again: {error}",
                error
            ))
        })?;
        (setup, selector)
    };
    let WgpuSetup {
        adapter: got,
        device: raw,
        ..
    } = setup;
    let got = got.get_info().name;
    if got != summary.name {
        return Err(refuse(tr!("{got} was opened in its place", got)));
    }
    let limits = raw.limits();
    Ok(Opened {
        adapter: device.clone(),
        open: OpenDevice {
            device: Device::new(selector),
            name: format!("{}, {}", summary.name, summary.backend),
            description: String::new(),
            is_software: summary.kind == AdapterKind::Software,
            limits: Some(DeviceLimits {
                max_tensor_bytes: limits
                    .max_storage_buffer_binding_size
                    .min(limits.max_buffer_size),
            }),
        },
        raw,
        is_suspect: false,
    })
}
