//! How much memory a device has, where its interface says so.

use super::adapters::listed;
use super::{AdapterKind, DeviceChoice, choose};

/// Bytes of memory of the device that a choice comes to: a GPU's own, or the
/// machine's for the CPU and for GPUs without any; none where it is not told.
pub fn memory_of(choice: DeviceChoice) -> Option<u64> {
    let adapters = match choice {
        DeviceChoice::Cpu => return machine_memory(),
        DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_) => listed(),
    };
    match choose(choice, adapters).ok()?.adapter {
        None => machine_memory(),
        Some(adapter) => match adapter.summary.kind {
            AdapterKind::Software => machine_memory(),
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

/// The machine's memory, less what a container may not use.
#[cfg(target_os = "linux")]
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
    Some((kibibytes * 1024).min(limit.unwrap_or(u64::MAX)))
}

#[cfg(not(target_os = "linux"))]
fn machine_memory() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_says_how_much_memory_it_has() {
        let bytes = memory_of(DeviceChoice::Cpu).unwrap();
        assert!(bytes > 64 << 20, "{bytes}");
    }
}
