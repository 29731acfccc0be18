//! The GPUs of this machine that Burn can open.

use std::fmt;
use std::sync::OnceLock;

use cubecl::future::block_on;
use cubecl::wgpu::{WgpuBackend, WgpuDevice, WgpuDeviceKind};

/// What sort of adapter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// With memory of its own.
    Discrete,
    /// Shares the processor's memory.
    Integrated,
    /// A share of a GPU, in a virtual machine.
    Virtual,
    /// A GPU that does not say more.
    Other,
    /// The processor plays the GPU: llvmpipe, SwiftShader, WARP.
    Software,
}

impl AdapterKind {
    /// Whether computing happens on a GPU.
    pub fn is_real(self) -> bool {
        self != Self::Software
    }

    /// The order in which they are preferred, best first.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Discrete => 0,
            Self::Integrated => 1,
            Self::Virtual => 2,
            Self::Other => 3,
            Self::Software => 4,
        }
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Software => "software",
        })
    }
}

/// A GPU, as it is listed to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterSummary {
    /// N of `gpu:N`.
    pub index: usize,
    /// As its driver names it.
    pub name: String,
    /// The graphics interface it is reached through.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// What sort of adapter it is.
    pub kind: AdapterKind,
    /// The largest buffer that a kernel can read, in bytes.
    pub max_storage_bytes: u64,
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Whether kernels can compute in f16.
    pub has_f16: bool,
}

/// An adapter and what opens exactly it.
pub(super) struct Listed {
    pub(super) summary: AdapterSummary,
    pub(super) device: WgpuDevice,
    /// Its own memory, where its interface says so.
    pub(super) memory_bytes: Option<u64>,
}

/// Buffers that the largest kernel binds, the backward pass of the operator's
/// inputs, and the one that the runtime keeps for itself. A test counts those of
/// every kernel.
pub(super) const MIN_STORAGE_BUFFERS: u32 = 22;

/// The GPUs that can be opened, as they were when the program first looked.
/// An adapter that several interfaces offer is listed once.
pub fn list_adapters() -> Vec<AdapterSummary> {
    listed()
        .iter()
        .map(|adapter| adapter.summary.clone())
        .collect()
}

pub(super) fn listed() -> &'static [Listed] {
    static LISTED: OnceLock<Vec<Listed>> = OnceLock::new();
    LISTED.get_or_init(find)
}

/// The interfaces, best first. OpenGL comes last and only where none before it
/// has a GPU: it tells too little of an adapter to know it again.
pub(super) fn interfaces() -> Vec<(WgpuBackend, wgpu::Backend)> {
    if cfg!(target_os = "macos") {
        return vec![(WgpuBackend::Metal, wgpu::Backend::Metal)];
    }
    vec![
        (WgpuBackend::Vulkan, wgpu::Backend::Vulkan),
        (WgpuBackend::Dx12, wgpu::Backend::Dx12),
        (WgpuBackend::Gl, wgpu::Backend::Gl),
    ]
}

/// What one interface says of an adapter.
pub(super) struct Found {
    pub(super) info: wgpu::AdapterInfo,
    pub(super) limits: wgpu::Limits,
    pub(super) has_f16: bool,
    pub(super) memory_bytes: Option<u64>,
}

fn find() -> Vec<Listed> {
    let mut all: Vec<(WgpuBackend, Vec<Found>)> = Vec::new();
    for (pinned, backend) in interfaces() {
        if !wgpu::Instance::enabled_backend_features().contains(backend.into()) {
            continue;
        }
        let is_real = |found: &Found| kind_of(&found.info).is_real();
        if backend == wgpu::Backend::Gl && all.iter().flat_map(|(_, found)| found).any(is_real) {
            continue;
        }
        all.push((pinned, probe(backend)));
    }
    arrange(all)
}

pub(super) fn instance(backend: wgpu::Backend) -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backend.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    })
}

/// The interface that an adapter is pinned to, opened again.
pub(super) fn instance_of(pinned: WgpuBackend) -> Option<(wgpu::Instance, wgpu::Backend)> {
    let (_, backend) = interfaces()
        .into_iter()
        .find(|(known, _)| *known == pinned)?;
    Some((instance(backend), backend))
}

/// The adapters of one interface, in its order.
fn probe(backend: wgpu::Backend) -> Vec<Found> {
    let instance = instance(backend);
    let adapters = block_on(instance.enumerate_adapters(backend.into()));
    adapters
        .iter()
        .map(|adapter| Found {
            info: adapter.get_info(),
            limits: adapter.limits(),
            has_f16: adapter.features().contains(wgpu::Features::SHADER_F16),
            memory_bytes: adapter_memory(adapter, kind_of(&adapter.get_info())),
        })
        .collect()
}

/// Numbers the adapters and leaves out those that cannot be opened, that
/// cannot run the kernels or that an earlier interface has.
pub(super) fn arrange(all: Vec<(WgpuBackend, Vec<Found>)>) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    let mut infos: Vec<(WgpuBackend, wgpu::AdapterInfo)> = Vec::new();
    for (backend, adapters) in all {
        // The runtime counts each sort of adapter of an interface on its own.
        let mut n_of_kind = [0; 5];
        for found in adapters {
            let kind = kind_of(&found.info);
            let n_before = n_of_kind[usize::from(kind.rank())];
            n_of_kind[usize::from(kind.rank())] += 1;
            let is_known = infos
                .iter()
                .any(|(earlier, info)| *earlier != backend && is_same(info, &found.info));
            if is_known || !is_usable(&found.limits) {
                continue;
            }
            let Some(selector) = selector(kind, n_before) else {
                continue;
            };
            listed.push(Listed {
                summary: summary(listed.len(), kind, &found),
                device: WgpuDevice::new(selector).on(backend),
                memory_bytes: found.memory_bytes,
            });
            infos.push((backend, found.info));
        }
    }
    listed
}

fn summary(index: usize, kind: AdapterKind, found: &Found) -> AdapterSummary {
    let Found {
        info,
        limits,
        has_f16,
        memory_bytes: _,
    } = found;
    AdapterSummary {
        index,
        name: info.name.clone(),
        backend: match info.backend {
            wgpu::Backend::Vulkan => "Vulkan",
            wgpu::Backend::Metal => "Metal",
            wgpu::Backend::Dx12 => "DirectX 12",
            wgpu::Backend::Gl => "OpenGL",
            wgpu::Backend::BrowserWebGpu => "WebGPU",
            wgpu::Backend::Noop => "none",
        }
        .into(),
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .into(),
        kind,
        max_storage_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        has_f16: *has_f16,
    }
}

pub(super) fn kind_of(info: &wgpu::AdapterInfo) -> AdapterKind {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Other => AdapterKind::Other,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
    }
}

/// What makes the runtime open the adapter with `n_before` of its kind before
/// it; of software adapters it reaches only the first.
fn selector(kind: AdapterKind, n_before: usize) -> Option<WgpuDeviceKind> {
    match kind {
        AdapterKind::Discrete => Some(WgpuDeviceKind::DiscreteGpu(n_before)),
        AdapterKind::Integrated => Some(WgpuDeviceKind::IntegratedGpu(n_before)),
        AdapterKind::Virtual => Some(WgpuDeviceKind::VirtualGpu(n_before)),
        AdapterKind::Other => Some(WgpuDeviceKind::Other(n_before)),
        AdapterKind::Software => (n_before == 0).then_some(WgpuDeviceKind::Cpu),
    }
}

pub(super) fn is_usable(limits: &wgpu::Limits) -> bool {
    limits.max_compute_invocations_per_workgroup > 0
        && limits.max_storage_buffers_per_shader_stage >= MIN_STORAGE_BUFFERS
}

/// Whether two interfaces describe one adapter. OpenGL has no numbers, so there
/// any software adapter is taken for any other.
fn is_same(one: &wgpu::AdapterInfo, other: &wgpu::AdapterInfo) -> bool {
    let is_software = |info| kind_of(info) == AdapterKind::Software;
    let has_numbers = one.vendor != 0 && one.device != 0;
    let same_numbers = (one.vendor, one.device) == (other.vendor, other.device);
    (is_software(one) && is_software(other)) || (has_numbers && same_numbers)
}

/// The memory that a GPU can use, of its Vulkan heaps.
#[cfg(any(target_os = "linux", target_os = "windows"))]
fn adapter_memory(adapter: &wgpu::Adapter, kind: AdapterKind) -> Option<u64> {
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
    usable(
        kind,
        heaps.map(|heap| (heap.size, heap.flags.as_raw() & DEVICE_LOCAL != 0)),
    )
}

/// Other interfaces do not say.
#[cfg(not(any(target_os = "linux", target_os = "windows")))]
fn adapter_memory(_adapter: &wgpu::Adapter, _kind: AdapterKind) -> Option<u64> {
    None
}

/// Of heaps, each with its bytes and whether it is local to the device: the largest
/// local one, which is a card's own memory. An integrated GPU uses every heap as well;
/// what is local to it may be a small part that the firmware has set aside.
#[cfg_attr(
    not(any(target_os = "linux", target_os = "windows", test)),
    expect(dead_code, reason = "other interfaces have no heaps")
)]
pub(crate) fn usable(kind: AdapterKind, heaps: impl Iterator<Item = (u64, bool)>) -> Option<u64> {
    match kind {
        AdapterKind::Integrated => heaps.map(|(bytes, _)| bytes).reduce(u64::saturating_add),
        AdapterKind::Discrete
        | AdapterKind::Virtual
        | AdapterKind::Other
        | AdapterKind::Software => heaps
            .filter_map(|(bytes, is_local)| is_local.then_some(bytes))
            .max(),
    }
}
