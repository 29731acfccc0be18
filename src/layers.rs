//! Nothing points up: which layer names which, read from the source.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

mod rings;

/// The layers from the ground up. A layer names those in earlier rows only, so
/// that no two of them need each other.
const LAYERS: &[&[&str]] = &[
    &["language"],
    &[
        "random",
        "format",
        "shell",
        "colormap",
        "allocator",
        "file_names",
    ],
    &["error"],
    &["atomic", "kernels", "text_file"],
    &["model"],
    &["data"],
    &["bench", "tuning"],
    &["hub", "protocol", "selftest"],
    &["runs"],
    &["persist"],
    &["adapt"],
    &["report", "sample_data", "worker"],
    &["sweep"],
    &["ui"],
    &["cli"],
];

/// The row of a layer.
fn row(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

/// The names that follow `crate::` in the code, in its comments and its tests
/// excepted: a test may look anywhere.
fn named(code: &str) -> Vec<String> {
    let own = code.split("#[cfg(test)]\nmod tests {").next();
    let lines = own.unwrap_or_default().lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    let names = lines.flat_map(|line| line.split("crate::").skip(1));
    let first_word = |rest: &str| {
        let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
        rest.chars().take_while(is_word).collect()
    };
    names.map(first_word).collect()
}

/// The files of every layer, those of tests excepted.
fn files(folder: &Path, layer: Option<&str>, found: &mut BTreeMap<String, Vec<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let layer = layer.unwrap_or(stem);
        if path.is_dir() {
            files(&path, Some(layer), found);
        } else if path.extension().is_some_and(|it| it == "rs") && !stem.ends_with("tests") {
            let code = fs::read_to_string(&path).unwrap();
            found.entry(layer.to_owned()).or_default().push(code);
        }
    }
}

#[test]
fn no_layer_names_one_above_it() {
    let mut found = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&source, None, &mut found);
    // The crate itself, and what exists for tests only.
    for outside in ["lib", "main", "layers", "fuzz"] {
        assert!(found.remove(outside).is_some(), "{outside} is gone");
    }
    let mut forbidden = Vec::new();
    for (layer, codes) in &found {
        let Some(own) = row(layer) else {
            panic!("{layer} has no row");
        };
        for name in codes.iter().flat_map(|code| named(code)) {
            // `crate::Error` is that of `error`.
            let is_below = row(&name).is_none_or(|row| row < own);
            if name != *layer && !is_below {
                forbidden.push(format!("{layer} names {name}"));
            }
        }
    }
    forbidden.sort_unstable();
    forbidden.dedup();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
    let all: usize = LAYERS.iter().map(|row| row.len()).sum();
    assert_eq!(found.len(), all, "a row names a layer that is gone");
}

#[test]
fn only_the_window_names_what_draws_it() {
    let mut found = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&source, None, &mut found);
    found.remove("layers");
    for (layer, codes) in &found {
        let draws = codes.iter().any(|code| code.contains("egui::"));
        assert_eq!(draws, layer == "ui", "{layer}");
    }
}

#[test]
fn comments_and_tests_are_not_counted() {
    let code = "use crate::model::X;\n// crate::ui\nfn f() { crate::data::g(crate::error::h) }\n";
    let tests = "#[cfg(test)]\nmod tests {\n use crate::cli;\n}\n";
    assert_eq!(named(&format!("{code}{tests}")), ["model", "data", "error"]);
}
