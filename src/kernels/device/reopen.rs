//! A second device on an adapter whose first one was lost, with the features
//! and limits that the runtime asks for itself (`cubecl-wgpu`, `backend/`).

use cubecl::future::block_on;
use cubecl::wgpu::{WgpuDeviceKind, WgpuSetup};

use super::adapters::{Listed, instance_of, kind_of};
use super::language::language_of;

/// Opens the adapter anew.
///
/// # Errors
/// In words, why it could not be.
pub(super) fn fresh_setup(adapter: &Listed) -> Result<WgpuSetup, String> {
    let n_before = match adapter.device.kind {
        WgpuDeviceKind::DiscreteGpu(n)
        | WgpuDeviceKind::IntegratedGpu(n)
        | WgpuDeviceKind::VirtualGpu(n)
        | WgpuDeviceKind::Other(n) => n,
        _ => 0,
    };
    let (instance, backend) = instance_of(adapter.device.backend)
        .ok_or_else(|| tr!("this program does not support its graphics interface"))?;
    let found = block_on(instance.enumerate_adapters(backend.into()))
        .into_iter()
        .filter(|found| kind_of(&found.get_info()) == adapter.summary.kind)
        .nth(n_before)
        .ok_or_else(|| tr!("the adapter is no longer there"))?;
    let (device, queue) = request(&found, language_of(&adapter.summary).is_spirv)?;
    Ok(WgpuSetup {
        instance,
        adapter: found,
        device,
        queue,
        backend,
    })
}

fn request(adapter: &wgpu::Adapter, is_spirv: bool) -> Result<(wgpu::Device, wgpu::Queue), String> {
    #[cfg(not(target_os = "macos"))]
    if is_spirv {
        // SPIR-V kernels want more of Vulkan than wgpu asks for.
        let requested = cubecl::wgpu::vulkan::try_request_vulkan_device(adapter);
        let requested = block_on(requested).map_err(|error| error.to_string())?;
        if let Some(opened) = requested {
            return Ok(opened);
        }
    }
    let features = adapter.features();
    let requested = adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: features.difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS),
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        // SAFETY: the features asked for are those that the adapter offers and
        // that the runtime enables for its first device too.
        experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
        ..wgpu::DeviceDescriptor::default()
    });
    block_on(requested).map_err(|error| error.to_string())
}
