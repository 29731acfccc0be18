//! How much memory a device has, where its interface says so.

use std::env;

use sysinfo::System;

use super::adapters::listed;
use super::{AdapterKind, DeviceChoice, choose};

/// The environment variable that lowers what a device is taken to have, in GB: for a
/// card that others use too, and to try what a smaller one would do.
pub const DEVICE_MEMORY: &str = "GOSLING_DEVICE_MEMORY_GB";

/// What a device holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Bytes of its memory, where that is told.
    pub memory: Option<u64>,
    /// Bytes of the largest tensor; none where there is no bound.
    pub max_tensor: Option<u64>,
    /// Bytes of it that a driver and the desktop take, about.
    pub taken: u64,
    /// Bytes that lie beside it on a disk.
    pub swap: u64,
}

impl Room {
    /// Bytes that a program may plan with.
    pub fn usable(self) -> Option<u64> {
        self.memory
            .map(|memory| (memory + self.swap).saturating_sub(self.taken))
    }
}

/// What the device of a choice holds.
pub fn room_of(choice: DeviceChoice) -> Room {
    let adapters = match choice {
        DeviceChoice::Cpu => &[],
        DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_) => listed(),
    };
    let adapter = choose(choice, adapters).ok().and_then(|of| of.adapter);
    let summary = adapter.map(|adapter| &adapter.summary);
    let memory = memory_of(choice);
    let (taken, swap) = match summary.map(|of| of.kind) {
        None | Some(AdapterKind::Software) => match by_environment() {
            None => (0, machine_memory().swap),
            Some(_) => (0, 0),
        },
        Some(AdapterKind::Integrated) => (0, 0),
        // Nobody tells how much of a card others have.
        Some(AdapterKind::Discrete | AdapterKind::Virtual | AdapterKind::Other) => {
            (memory.unwrap_or(0) / 16, 0)
        }
    };
    Room {
        memory,
        max_tensor: summary.map(|of| of.max_storage_bytes.min(of.max_buffer_bytes)),
        taken,
        swap,
    }
}

/// Bytes that the environment says a device has.
fn by_environment() -> Option<u64> {
    let gigabytes: f64 = env::var(DEVICE_MEMORY).ok()?.trim().parse().ok()?;
    (gigabytes > 0.0).then_some((gigabytes * 1e9) as u64)
}

/// Bytes of memory of the device that a choice comes to: a GPU's own, or the
/// machine's for the CPU and for GPUs that share it; none where it is not told. No
/// more than [`DEVICE_MEMORY`] says.
pub fn memory_of(choice: DeviceChoice) -> Option<u64> {
    match (told_of(choice), by_environment()) {
        (Some(told), Some(most)) => Some(told.min(most)),
        (told, most) => told.or(most),
    }
}

fn told_of(choice: DeviceChoice) -> Option<u64> {
    let adapters = match choice {
        DeviceChoice::Cpu => return Some(machine_memory().all),
        DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_) => listed(),
    };
    match choose(choice, adapters).ok()?.adapter {
        None => Some(machine_memory().all),
        Some(adapter) => match adapter.summary.kind {
            AdapterKind::Software => Some(machine_memory().all),
            // Metal and DirectX do not say; the memory is the machine's there too.
            AdapterKind::Integrated => adapter.memory_bytes.or(Some(machine_memory().all)),
            AdapterKind::Discrete | AdapterKind::Virtual | AdapterKind::Other => {
                adapter.memory_bytes
            }
        },
    }
}

/// What the programs on this machine share, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineMemory {
    /// The memory, or what a container may use of it.
    pub all: u64,
    /// What lies beside it on a disk.
    pub swap: u64,
    /// What no program uses now.
    pub free: u64,
}

/// This machine's memory.
pub fn machine_memory() -> MachineMemory {
    let mut system = System::new();
    system.refresh_memory();
    let (all, free) = (system.total_memory(), system.available_memory());
    let limits = system.cgroup_limits();
    let limits = limits.filter(|limits| limits.total_memory > 0);
    MachineMemory {
        all: limits
            .as_ref()
            .map_or(all, |limits| all.min(limits.total_memory)),
        swap: system.total_swap(),
        free: limits
            .as_ref()
            .map_or(free, |limits| free.min(limits.free_memory)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::adapters::usable;
    use super::*;

    #[test]
    fn the_machine_says_how_much_memory_it_has() {
        let bytes = memory_of(DeviceChoice::Cpu).unwrap();
        assert!(bytes > 64 << 20, "{bytes}");
        let MachineMemory { all, free, .. } = machine_memory();
        assert!(free > 0 && free <= all, "{free} of {all}");
    }

    #[test]
    fn an_integrated_gpu_shares_the_machine_s_memory() {
        const MIB: u64 = 1 << 20;
        // A laptop's chip with 512 MiB set aside, as its driver lists them.
        let chip = [(512 * MIB, true), (16_000 * MIB, false), (256 * MIB, true)];
        let usable = |kind, heaps: &[(u64, bool)]| usable(kind, heaps.iter().copied());
        assert_eq!(usable(AdapterKind::Integrated, &chip), Some(16_768 * MIB));
        // A card that can also reach the machine's memory, slowly.
        let card = [
            (24_000 * MIB, true),
            (32_000 * MIB, false),
            (256 * MIB, true),
        ];
        assert_eq!(usable(AdapterKind::Discrete, &card), Some(24_000 * MIB));
        assert_eq!(usable(AdapterKind::Integrated, &[]), None);
    }
}
