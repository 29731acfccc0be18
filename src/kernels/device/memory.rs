//! How much memory a device has, where its interface says so.

use sysinfo::System;

use super::adapters::listed;
use super::{AdapterKind, DeviceChoice, choose};

/// Bytes of memory of the device that a choice comes to: a GPU's own, or the
/// machine's for the CPU and for GPUs without any; none where it is not told.
pub fn memory_of(choice: DeviceChoice) -> Option<u64> {
    let adapters = match choice {
        DeviceChoice::Cpu => return Some(machine_memory().all),
        DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_) => listed(),
    };
    match choose(choice, adapters).ok()?.adapter {
        None => Some(machine_memory().all),
        Some(adapter) => match adapter.summary.kind {
            AdapterKind::Software => Some(machine_memory().all),
            AdapterKind::Discrete
            | AdapterKind::Integrated
            | AdapterKind::Virtual
            | AdapterKind::Other => adapter.memory_bytes,
        },
    }
}

/// The memory that Vulkan calls local to the device: its largest heap.
#[cfg(any(target_os = "linux", target_os = "windows"))]
pub(super) fn adapter_memory(adapter: &wgpu::Adapter) -> Option<u64> {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`.
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the adapter is only asked for its properties and outlives the answer.
    let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let device = vulkan.raw_physical_device();
    let instance = vulkan.shared_instance().raw_instance();
    // SAFETY: the device is the adapter's own, of this instance.
    let properties = unsafe { instance.get_physical_device_memory_properties(device) };
    let heaps = properties
        .memory_heaps
        .iter()
        .take(properties.memory_heap_count as usize);
    heaps
        .filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0)
        .map(|heap| heap.size)
        .max()
}

/// Other interfaces do not say.
#[cfg(not(any(target_os = "linux", target_os = "windows")))]
pub(super) fn adapter_memory(_adapter: &wgpu::Adapter) -> Option<u64> {
    None
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
    use super::*;

    #[test]
    fn the_machine_says_how_much_memory_it_has() {
        let bytes = memory_of(DeviceChoice::Cpu).unwrap();
        assert!(bytes > 64 << 20, "{bytes}");
        let MachineMemory { all, free, .. } = machine_memory();
        assert!(free > 0 && free <= all, "{free} of {all}");
    }
}
