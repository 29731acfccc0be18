//! What the drivers of this machine say of its GPUs, those that cannot be used
//! included: for a report to someone who has no such GPU.

use std::collections::BTreeMap;

use cubecl::future::block_on;
use serde::Serialize;

use super::adapters::{MIN_STORAGE_BUFFERS, instance, interfaces, is_usable, kind_of};

/// An adapter as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterDetails {
    /// The interface, such as `Vulkan`.
    pub backend: String,
    /// As its driver names it.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `other` or `software`.
    pub kind: String,
    /// The name of the driver.
    pub driver: String,
    /// Its version.
    pub driver_info: String,
    /// The vendor's PCI number.
    pub vendor: u32,
    /// The model's PCI number.
    pub device: u32,
    /// Why Gosling does not list it as a device; none where it may. An adapter that
    /// several interfaces offer is listed once.
    pub left_out: Option<String>,
    /// Features that wgpu finds, by wgpu's names.
    pub features: Vec<String>,
    /// Limits that wgpu finds, by wgpu's names.
    pub limits: BTreeMap<String, String>,
}

/// Every adapter of every interface that this program can use. Takes some
/// milliseconds for each interface, for each is opened.
pub fn adapter_details() -> Vec<AdapterDetails> {
    let mut all = Vec::new();
    for (_, backend) in interfaces() {
        if !wgpu::Instance::enabled_backend_features().contains(backend.into()) {
            continue;
        }
        let adapters = block_on(instance(backend).enumerate_adapters(backend.into()));
        all.extend(adapters.iter().map(details));
    }
    all
}

fn details(adapter: &wgpu::Adapter) -> AdapterDetails {
    let info = adapter.get_info();
    let limits = adapter.limits();
    AdapterDetails {
        backend: format!("{:?}", info.backend),
        name: info.name.clone(),
        kind: kind_of(&info).to_string(),
        driver: info.driver.clone(),
        driver_info: info.driver_info.clone(),
        vendor: info.vendor,
        device: info.device,
        left_out: (!is_usable(&limits)).then(|| {
            format!(
                "kernels bind up to {MIN_STORAGE_BUFFERS} storage buffers, the adapter offers {}",
                limits.max_storage_buffers_per_shader_stage
            )
        }),
        features: adapter
            .features()
            .iter_names()
            .map(|(name, _)| name.to_owned())
            .collect(),
        limits: fields(&format!("{limits:#?}")),
    }
}

/// The fields of a struct, as `{:#?}` prints it: wgpu lists its limits nowhere else.
fn fields(printed: &str) -> BTreeMap<String, String> {
    let lines = printed.lines().filter_map(|line| {
        let (name, value) = line.trim().trim_end_matches(',').split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::super::list_adapters;
    use super::*;

    #[test]
    fn limits_are_listed_by_name() {
        let limits = wgpu::Limits::default();
        let listed = fields(&format!("{limits:#?}"));
        assert_eq!(
            listed["max_storage_buffer_binding_size"],
            limits.max_storage_buffer_binding_size.to_string()
        );
        assert!(listed.len() > 20, "{listed:?}");
    }

    #[test]
    fn every_device_is_among_the_adapters() {
        let details = adapter_details();
        for device in list_adapters() {
            let found = details.iter().find(|of| of.name == device.name);
            let found = found.unwrap_or_else(|| panic!("no {} in {details:?}", device.name));
            assert_eq!(found.left_out, None);
            assert_eq!(
                found.features.iter().any(|name| name == "SHADER_F16"),
                device.has_f16
            );
        }
    }
}
