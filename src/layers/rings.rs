//! No two files need each other: which file names which, read from the source.
//!
//! A file names another where a path in its code leads there, in a `use` or
//! written out. Four things do not count:
//!
//! - A `mod` or a `pub use` is a door: who goes through it names the file behind
//!   it, and the file with the door names nothing.
//! - What a file names of the modules that it lies in. It is a part of them that
//!   was cut off to stay short, as a function is, and their private items are
//!   there for it. What they name of it counts, so that a ring that leads through
//!   a third file is found.
//! - Comments and tests.
//! - What a glob brings in: outside tests there are only those of other crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

/// A path in the code: from the root of the crate, where it has been resolved.
type Segments = Vec<String>;

/// One file.
struct Source {
    /// Its own path, such as kernels, wkv7.
    module: Segments,
    /// The items and modules that it defines.
    defined: BTreeSet<String>,
    /// What it imports, by the name that it has here.
    imports: BTreeMap<String, Segments>,
    /// What it names.
    named: Vec<Segments>,
}

/// The files of the crate by their modules.
struct Crate(BTreeMap<Segments, Source>);

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// The code without its tests, comments and strings.
fn bare(code: &str) -> String {
    let own = code.split("#[cfg(test)]\nmod tests {").next();
    // One pass over both, for either may hold what looks like the other.
    let skipped = pattern(
        r####"(?s)//[^\n]*|/\*.*?\*/|r#+".*?"#+|r"[^"]*"|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'"####,
    );
    let own = own.unwrap_or_default();
    skipped.replace_all(own, " ").into_owned()
}

/// The paths of a `use`, each with the name that it brings in.
fn expand(front: &str, tree: &str, found: &mut Vec<(Segments, String)>) {
    let tree = tree.trim();
    if let Some((head, parts)) = tree.split_once('{') {
        let parts = parts.strip_suffix('}').unwrap();
        let mut depth = 0;
        let parts = parts.split(|c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        for part in parts.filter(|part| !part.trim().is_empty()) {
            expand(&format!("{front}{}", head.trim()), part, found);
        }
        return;
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim())),
        None => (tree, None),
    };
    let path = format!("{front}{path}");
    let path = path.strip_suffix("::self").unwrap_or(&path);
    let path: Segments = path.split("::").map(str::to_owned).collect();
    let name = alias.unwrap_or(path.last().unwrap()).to_owned();
    found.push((path, name));
}

/// A path of `module` from the root; none where it leads to another crate.
fn resolve(module: &[String], children: &BTreeSet<String>, path: &[String]) -> Option<Segments> {
    let n_up = path.iter().take_while(|part| *part == "super").count();
    let (from, rest) = match path[0].as_str() {
        "crate" => (&[][..], &path[1..]),
        "self" => (module, &path[1..]),
        "super" => (&module[..module.len().checked_sub(n_up)?], &path[n_up..]),
        child if children.contains(child) => (module, path),
        _ => return None,
    };
    Some([from, rest].concat())
}

impl Source {
    fn new(module: Segments, code: &str) -> Self {
        let code = bare(code);
        let item = pattern(r"\b(?:fn|struct|enum|trait|type|const|static)\s+(\w+)");
        let child = pattern(r"\bmod\s+(\w+)\s*;");
        let names = |pattern: &Regex| -> BTreeSet<String> {
            let found = pattern.captures_iter(&code);
            found.map(|found| found[1].to_owned()).collect()
        };
        let children = names(&child);
        let (mut imports, mut named) = (BTreeMap::new(), Vec::new());
        let import = pattern(r"(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);");
        for found in import.captures_iter(&code) {
            let mut paths = Vec::new();
            expand("", &found[2].replace('\n', " "), &mut paths);
            for (path, name) in paths {
                if let Some(path) = resolve(&module, &children, &path) {
                    if found.get(1).is_none() {
                        named.push(path.clone());
                    }
                    imports.insert(name, path);
                }
            }
        }
        let rest = import.replace_all(&code, " ");
        let written_out = pattern(r"\w+(?:::\w+)+");
        named.extend(written_out.find_iter(&rest).filter_map(|path| {
            let path: Segments = path.as_str().split("::").map(str::to_owned).collect();
            resolve(&module, &children, &path)
        }));
        Self {
            module,
            defined: &names(&item) | &children,
            imports,
            named,
        }
    }
}

impl Crate {
    /// Of files such as `kernels/wkv7/mod.rs`, with their code.
    fn new(files: &[(String, String)]) -> Self {
        let sources = files.iter().map(|(path, code)| {
            let path = path.strip_suffix(".rs").unwrap();
            let path = path.strip_suffix("/mod").unwrap_or(path);
            let module: Segments = match path {
                "lib" => Vec::new(),
                path => path.split('/').map(str::to_owned).collect(),
            };
            (module.clone(), Source::new(module, code))
        });
        Self(sources.collect())
    }

    /// The file that a path from the root leads to, through every door.
    fn behind(&self, path: &[String], n_doors: usize) -> Option<&Source> {
        let n_modules = (0..=path.len()).rfind(|n| self.0.contains_key(&path[..*n]))?;
        let source = &self.0[&path[..n_modules]];
        let rest = &path[n_modules..];
        match rest.first().and_then(|name| source.imports.get(name)) {
            Some(door) if n_doors < 8 && !source.defined.contains(&rest[0]) => {
                let further = [door, &rest[1..]].concat();
                self.behind(&further, n_doors + 1)
            }
            Some(_) | None => Some(source),
        }
    }

    /// The modules that each names, those that it lies in excepted.
    fn arrows(&self) -> BTreeMap<&[String], BTreeSet<&[String]>> {
        let of = |source: &Source| {
            let others = source.named.iter().filter_map(|path| self.behind(path, 0));
            let others = others.map(|other| other.module.as_slice());
            let others = others.filter(|other| !source.module.starts_with(other));
            others.collect()
        };
        let sources = self.0.values();
        sources
            .map(|source| (source.module.as_slice(), of(source)))
            .collect()
    }

    /// Files that need each other, each ring once.
    fn rings(&self) -> BTreeSet<Vec<String>> {
        let arrows = self.arrows();
        let reached = |from: &[String]| {
            let mut seen = BTreeSet::new();
            let mut ahead = vec![from];
            while let Some(module) = ahead.pop() {
                let new = arrows[module].iter().filter(|other| seen.insert(**other));
                ahead.extend(new.copied().collect::<Vec<_>>());
            }
            seen
        };
        let reached: BTreeMap<_, _> = arrows.keys().map(|from| (*from, reached(from))).collect();
        let mut rings = BTreeSet::new();
        for (module, others) in &reached {
            let ring = others
                .iter()
                .filter(|other| reached[**other].contains(module));
            let ring: Vec<_> = ring.map(|other| other.join("::")).collect();
            if !ring.is_empty() {
                rings.insert(ring);
            }
        }
        rings
    }
}

/// Every file below `folder`, those of tests excepted.
fn read(folder: &Path, front: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let place = format!("{front}{name}");
        let is_test = name.ends_with("tests.rs") || ["fuzz", "layers"].contains(&name);
        if path.is_dir() && !is_test {
            read(&path, &format!("{place}/"), files);
        } else if name.ends_with(".rs") && !is_test && place != "main.rs" {
            files.push((place, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn no_two_files_need_each_other() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    read(&source, "", &mut files);
    let rings = Crate::new(&files).rings();
    assert!(rings.is_empty(), "{rings:#?}");
}

/// The rings of a crate of a few files.
fn rings_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let owned = |(path, code): &(&str, &str)| ((*path).to_owned(), (*code).to_owned());
    let files: Vec<_> = files.iter().map(owned).collect();
    Crate::new(&files).rings().into_iter().collect()
}

#[test]
fn a_ring_is_found_through_doors_and_by_any_kind_of_path() {
    let ring = rings_of(&[
        ("lib.rs", "mod a;\nmod b;\npub use a::first::First;\n"),
        ("a/mod.rs", "pub mod first;\nmod second;\n"),
        (
            "a/first.rs",
            "use super::second::{self, Second as Other};\n",
        ),
        ("a/second.rs", "fn f() { crate::b::g() }\n"),
        ("b.rs", "pub fn g() { let it: crate::First; }\n"),
    ]);
    assert_eq!(ring, [["a::first", "a::second", "b"]]);
}

#[test]
fn a_ring_that_leads_through_a_part_is_found_and_a_part_alone_is_none() {
    let whole = "mod part;\npub struct Shared;\nfn f() { part::g() }\n";
    let part = "use super::Shared;\nuse crate::other::Other;\n";
    let files = |other| {
        rings_of(&[
            ("lib.rs", "mod other;\nmod whole;\n"),
            ("whole.rs", whole),
            ("whole/part.rs", part),
            ("other.rs", other),
        ])
    };
    assert_eq!(
        files("use crate::whole::Shared;\npub struct Other;\n"),
        [["other", "whole", "whole::part"]]
    );
    assert!(files("pub struct Other;\n").is_empty());
}

#[test]
fn comments_strings_and_tests_name_nothing() {
    let rings = rings_of(&[
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a.rs", "use crate::b::B;\npub struct A;\n"),
        (
            "b.rs",
            "// crate::a::A\npub struct B;\nconst C: &str = \"// crate::a::A\";\n\
             #[cfg(test)]\nmod tests {\n use crate::a::A;\n}\n",
        ),
    ]);
    assert!(rings.is_empty(), "{rings:?}");
}
