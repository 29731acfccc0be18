use std::fs;
use std::path::Path;

use super::adapters::{Found, MIN_STORAGE_BUFFERS, arrange};
use super::*;
use cubecl::wgpu::{WgpuBackend, WgpuDeviceKind};

#[test]
fn choices_read_back() {
    for (text, choice) in [
        ("auto", DeviceChoice::Auto),
        ("cpu", DeviceChoice::Cpu),
        ("gpu", DeviceChoice::Gpu),
        ("gpu:0", DeviceChoice::GpuIndex(0)),
        ("gpu:12", DeviceChoice::GpuIndex(12)),
    ] {
        assert_eq!(text.parse::<DeviceChoice>().unwrap(), choice);
        assert_eq!(choice.to_string(), text);
    }
    for text in ["", "cuda", "gpu:", "gpu:-1", "gpu:x", "GPU", "gpu: 1"] {
        let message = text.parse::<DeviceChoice>().unwrap_err().to_string();
        assert!(
            message.contains("choose auto, cpu, gpu or gpu:N"),
            "{message}"
        );
    }
}

fn found(
    name: &str,
    device_type: wgpu::DeviceType,
    backend: wgpu::Backend,
    numbers: (u32, u32),
) -> Found {
    let mut info = wgpu::AdapterInfo::new(device_type, backend);
    info.name = name.into();
    (info.vendor, info.device) = numbers;
    Found {
        info,
        limits: wgpu::Limits {
            max_storage_buffers_per_shader_stage: 64,
            ..wgpu::Limits::default()
        },
        has_f16: true,
        memory_bytes: None,
    }
}

/// A laptop with two equal cards, an integrated GPU and a software adapter,
/// which DirectX sees again.
fn machine() -> Vec<Listed> {
    use wgpu::Backend::{Dx12, Vulkan};
    use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};
    let (card, chip) = ((0x10de, 0x2330), (0x8086, 0x46a6));
    arrange(vec![
        (
            WgpuBackend::Vulkan,
            vec![
                found("chip", IntegratedGpu, Vulkan, chip),
                found("card", DiscreteGpu, Vulkan, card),
                found("pipe", Cpu, Vulkan, (0x10005, 0)),
                found("second pipe", Cpu, Vulkan, (0x10006, 0)),
                found("card", DiscreteGpu, Vulkan, card),
            ],
        ),
        (
            WgpuBackend::Dx12,
            vec![
                found("card", DiscreteGpu, Dx12, card),
                found("newer card", DiscreteGpu, Dx12, (0x10de, 0x2331)),
                found("warp", Cpu, Dx12, (0x1414, 0x8c)),
            ],
        ),
    ])
}

#[test]
fn every_adapter_is_listed_once_with_what_opens_it() {
    let listed = machine();
    let got: Vec<_> = listed
        .iter()
        .map(|l| {
            (
                l.summary.name.as_str(),
                l.device.kind.clone(),
                l.device.backend,
            )
        })
        .collect();
    let vulkan = WgpuBackend::Vulkan;
    assert_eq!(
        got,
        [
            ("chip", WgpuDeviceKind::IntegratedGpu(0), vulkan),
            ("card", WgpuDeviceKind::DiscreteGpu(0), vulkan),
            ("pipe", WgpuDeviceKind::Cpu, vulkan),
            ("card", WgpuDeviceKind::DiscreteGpu(1), vulkan),
            (
                "newer card",
                WgpuDeviceKind::DiscreteGpu(1),
                WgpuBackend::Dx12
            ),
        ]
    );
    let n_listed = |n_buffers| {
        let mut weak = found("weak", wgpu::DeviceType::Other, wgpu::Backend::Gl, (0, 0));
        weak.limits.max_storage_buffers_per_shader_stage = n_buffers;
        arrange(vec![(WgpuBackend::Gl, vec![weak])]).len()
    };
    assert_eq!([8, 21, 22].map(n_listed), [0, 0, 1]);
}

/// Name and number of tensors of every kernel in the source files of a folder.
fn kernels_of(folder: &Path, found: &mut Vec<(String, usize)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kernels_of(&path, found);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for kernel in source.split("\n#[cube(launch").skip(1) {
            let (_, from_name) = kernel.split_once("fn ").unwrap();
            let (name, rest) = from_name.split_once('(').unwrap();
            let (parameters, _) = rest.split_once("\n}").unwrap();
            let (parameters, _) = parameters.split_once(") {\n").unwrap();
            let n_tensors = parameters.matches("Tensor<").count();
            found.push((name.into(), n_tensors));
        }
    }
}

/// A new kernel that binds more would fail where its pipeline is made, on an
/// adapter that was listed as one that can be used.
#[test]
fn an_adapter_binds_the_buffers_of_every_kernel() {
    let mut kernels = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernels");
    kernels_of(&folder, &mut kernels);
    let n_tensors = |wanted: &str| {
        let found = kernels.iter().find(|(name, _)| name == wanted);
        found
            .unwrap_or_else(|| panic!("no {wanted} among {kernels:?}"))
            .1
    };
    assert_eq!(
        (n_tensors("copy"), n_tensors("layer_norm_backward")),
        (2, 4)
    );
    let most = kernels.iter().map(|(_, n)| *n).max().unwrap();
    // WebGPU's runtime keeps one buffer for itself.
    assert_eq!(MIN_STORAGE_BUFFERS as usize, most + 1, "{kernels:?}");
}

fn check_choice(choice: DeviceChoice, adapters: Vec<Listed>, want: &str) {
    let got = match choose(choice, adapters.leak()) {
        Ok(Chosen { adapter, why }) => {
            let name = adapter.map_or("CPU", |a| a.summary.name.as_str());
            format!("{name} ({why})")
        }
        Err(error) => error.to_string(),
    };
    assert!(got.contains(want), "{choice}: {got}, not {want}");
}

#[test]
fn a_choice_takes_what_it_says() {
    let software = || {
        let pipe = found(
            "pipe",
            wgpu::DeviceType::Cpu,
            wgpu::Backend::Vulkan,
            (0x10005, 0),
        );
        arrange(vec![(WgpuBackend::Vulkan, vec![pipe])])
    };
    check_choice(DeviceChoice::Auto, machine(), "card (the first discrete");
    check_choice(DeviceChoice::Gpu, machine(), "card (as requested)");
    check_choice(DeviceChoice::Cpu, machine(), "CPU (as requested)");
    check_choice(DeviceChoice::GpuIndex(2), machine(), "pipe (as requested)");
    check_choice(
        DeviceChoice::GpuIndex(5),
        machine(),
        "there is no gpu:5; `gosling devices` lists gpu:0 to gpu:4",
    );
    check_choice(
        DeviceChoice::Auto,
        software(),
        "CPU (the only GPU, pipe, is a software GPU",
    );
    check_choice(DeviceChoice::Gpu, software(), "pipe (as requested)");
    check_choice(DeviceChoice::Auto, Vec::new(), "CPU (no GPU was found)");
    check_choice(DeviceChoice::Gpu, Vec::new(), "no GPU was found; install");
    check_choice(DeviceChoice::GpuIndex(0), Vec::new(), "use --device cpu");
}

#[test]
fn the_cpu_opens_and_has_no_limits() {
    let open = open(DeviceChoice::Cpu).unwrap();
    assert!(open.description.contains("(as requested)"), "{open:?}");
    assert!(super::is_cpu(&open.device));
    open.check_tensor("head.weight", u64::MAX).unwrap();
    open.check_dtype(DType::F32).unwrap();
}

#[test]
fn a_tensor_beyond_the_limit_is_refused_with_both_sizes() {
    let open = OpenDevice {
        device: Device::flex(),
        name: "pipe".into(),
        description: String::new(),
        is_software: true,
        limits: Some(DeviceLimits {
            max_tensor_bytes: 128 << 20,
        }),
    };
    open.check_tensor("head.weight", 128 << 20).unwrap();
    let message = open
        .check_tensor("head.weight", 192 << 20)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "device: head.weight takes 192 MiB, but pipe holds at most 128 MiB in one tensor; use --device cpu or another GPU"
    );
}

/// The software adapter of the test machine, opened twice.
#[test]
fn the_listed_adapter_is_the_one_that_opens() {
    let Some(pipe) = list_adapters().into_iter().find(|a| !a.kind.is_real()) else {
        panic!("no software adapter; install mesa-vulkan-drivers");
    };
    for _ in 0..2 {
        let open = open(DeviceChoice::GpuIndex(pipe.index)).unwrap();
        assert!(open.is_software);
        assert!(open.name.starts_with(&pipe.name), "{}", open.name);
        assert!(!super::is_cpu(&open.device));
        assert_eq!(
            open.limits.unwrap().max_tensor_bytes,
            pipe.max_storage_bytes.min(pipe.max_buffer_bytes)
        );
        assert!(open.check_dtype(DType::BF16).is_err());
    }
}
