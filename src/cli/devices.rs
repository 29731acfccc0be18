//! `gosling devices`: what this machine can compute on.

use super::table::table;
use crate::format::byte_size;
use crate::kernels::device::{
    AdapterSummary, describe_auto, language_of, list_adapters, processor,
};

/// Prints the devices and which one is taken by default.
pub fn run() {
    let mut rows = vec![[
        "cpu".into(),
        processor().to_string(),
        "native".into(),
        "Flex".into(),
        "-".into(),
        "-".into(),
        "-".into(),
        "-".into(),
    ]];
    rows.extend(list_adapters().into_iter().map(row));
    let heading = [
        tr!("device"),
        tr!("name"),
        tr!("kind"),
        tr!("through"),
        tr!("driver"),
        tr!("largest tensor"),
        tr!("largest buffer"),
        "f16",
    ];
    print!("{}", table(heading, &rows, &[5, 6]));
    for adapter in list_adapters() {
        println!(
            "{}",
            tr!(
                "gpu:{} has kernels in {}",
                adapter.index,
                language_of(&adapter)
            )
        );
    }
    println!("{}", tr!("auto selects {}", describe_auto()));
}

fn row(adapter: AdapterSummary) -> [String; 8] {
    let AdapterSummary {
        index,
        name,
        backend,
        driver,
        kind,
        max_storage_bytes,
        max_buffer_bytes,
        has_f16,
    } = adapter;
    [
        format!("gpu:{index}"),
        name,
        kind.to_string(),
        backend,
        driver,
        byte_size(max_storage_bytes.min(max_buffer_bytes)),
        byte_size(max_buffer_bytes),
        if has_f16 { tr!("yes") } else { tr!("no") }.into(),
    ]
}
