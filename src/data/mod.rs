//! Benchmarks and training sets: from files to items, prompts and tokens.
//!
//! | file | what |
//! |---|---|
//! | `benchmark.rs` | which benchmark and which split |
//! | `item.rs` | one question of a benchmark |
//! | `example.rs` | one training example in tokens |
//! | `gsm8k.rs`, `arc.rs`, `mmlu.rs`, `winogrande.rs` | the official file formats |
//! | `mini.rs` | the mini benchmarks, part of the program |
//! | `text.rs` | training sets of your own, as JSON lines |
//! | `loaded.rs`, `lines.rs` | bad lines are listed and left out |
//! | `protocol.rs` | prompts, and which tokens are context and which target |
//! | `pairing.rs` | how two texts that follow each other become tokens |
//! | `preview.rs` | what a training set looks like in tokens |

mod arc;
mod benchmark;
mod example;
mod gsm8k;
mod item;
mod lines;
mod loaded;
mod mini;
mod mmlu;
mod pairing;
mod preview;
mod protocol;
mod text;
mod winogrande;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

pub use benchmark::{Benchmark, Split};
pub use example::Example;
pub use item::{Item, Task};
pub use loaded::{BadLine, Loaded};
pub use mini::{mini, mini_few_shot};
pub use pairing::Pairing;
pub use preview::{Marking, Preview, ShownToken};
pub use protocol::{MmluTemplate, Protocol};
pub use text::{Template, load_text_set, read_text_set};

use lines::Source;

/// Reads one split of a benchmark in its official file format. `path` is the
/// folder that holds the split's files, or the file itself; for MMLU the folder
/// that holds `test/`, `val/` and `dev/`, a folder of tables, or one table.
///
/// # Errors
/// [`Error::Input`] where the split is not there, where a file is no such file
/// at all, and where every line of it is bad. Single bad lines are listed in
/// the result.
pub fn load(benchmark: Benchmark, path: impl AsRef<Path>, split: Split) -> Result<Loaded<Item>> {
    let path = path.as_ref();
    let mut loaded = Loaded::default();
    match benchmark {
        Benchmark::Gsm8k => gsm8k::read(find(path, benchmark, split)?, split, &mut loaded)?,
        Benchmark::Arc => arc::read(find(path, benchmark, split)?, &mut loaded)?,
        Benchmark::WinoGrande => {
            winogrande::read(find(path, benchmark, split)?, &mut loaded)?;
        }
        Benchmark::Mmlu => mmlu::read_folder(path, mmlu::folders(split), &mut loaded)?,
    }
    loaded.check(path)
}

/// As [`load`], of one file of a benchmark that is in memory; `name` stands for
/// it in messages and names the subject of an MMLU table.
///
/// # Errors
/// As [`load`], less those of the system.
pub fn read_items(
    benchmark: Benchmark,
    name: impl AsRef<Path>,
    bytes: &[u8],
    split: Split,
) -> Result<Loaded<Item>> {
    let name = name.as_ref();
    let mut loaded = Loaded::default();
    let source = Source::embedded(name, bytes);
    match benchmark {
        Benchmark::Gsm8k => gsm8k::read(source, split, &mut loaded)?,
        Benchmark::Arc => arc::read(source, &mut loaded)?,
        Benchmark::WinoGrande => winogrande::read(source, &mut loaded)?,
        Benchmark::Mmlu => mmlu::read(name, bytes, &mut loaded)?,
    }
    loaded.check(name)
}

/// The first `n` solved questions that go in front of a prompt: from the
/// training split, for MMLU from `dev/` and `n` of each subject. The harness
/// draws those of GSM8K, ARC and WinoGrande at random; here they are the first,
/// so that a run can be repeated without its generator.
///
/// # Errors
/// As [`load`].
pub fn few_shot(benchmark: Benchmark, path: impl AsRef<Path>, n: usize) -> Result<Vec<Item>> {
    let path = path.as_ref();
    let items = match benchmark {
        Benchmark::Gsm8k | Benchmark::Arc | Benchmark::WinoGrande => {
            load(benchmark, path, Split::Train)?.items
        }
        Benchmark::Mmlu => {
            let mut loaded = Loaded::default();
            mmlu::read_folder(path, &["dev"], &mut loaded)?;
            loaded.check(path)?.items
        }
    };
    Ok(item::first_of_each_subject(items, n))
}

/// The file of a split: `path` itself, or the first known name in that folder.
fn find(path: &Path, benchmark: Benchmark, split: Split) -> Result<Source<'static>> {
    if !path.is_dir() {
        return Source::open(path);
    }
    let names = benchmark.file_names(split);
    let found: Option<PathBuf> = names
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.is_file());
    match found {
        Some(file) => Source::open(&file),
        None => Err(Error::input(
            path,
            format!("{split} split"),
            format!("no file of that split; looked for {}", names.join(", ")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder of official files, where it is there.
    fn official() -> Option<PathBuf> {
        let folder = std::env::var_os("GOSLING_OFFICIAL").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/official"),
            PathBuf::from,
        );
        if folder.is_dir() {
            return Some(folder);
        }
        eprintln!(
            "SKIPPED: no official files in {}; set GOSLING_OFFICIAL",
            folder.display()
        );
        None
    }

    fn check_official(benchmark: Benchmark, folder: &str, split: Split, n_items: usize) {
        let Some(official) = official() else { return };
        let loaded = load(benchmark, official.join(folder), split).unwrap();
        assert_eq!(loaded.bad_lines, [], "{folder}");
        assert_eq!(loaded.items.len(), n_items, "{folder}");
    }

    #[test]
    fn official_files_load_whole() {
        check_official(Benchmark::Gsm8k, "gsm8k", Split::Train, 7_473);
        check_official(Benchmark::Gsm8k, "gsm8k", Split::Test, 1_319);
        check_official(Benchmark::Arc, "arc_challenge", Split::Train, 1_119);
        check_official(Benchmark::Arc, "arc_challenge", Split::Validation, 299);
        check_official(Benchmark::Mmlu, "mmlu", Split::Test, 1_742);
        check_official(Benchmark::WinoGrande, "winogrande", Split::Train, 2_558);
        check_official(
            Benchmark::WinoGrande,
            "winogrande",
            Split::Validation,
            1_267,
        );
        let small = "winogrande/train_s.jsonl";
        check_official(Benchmark::WinoGrande, small, Split::Train, 640);
    }

    #[test]
    fn official_few_shot_items_are_the_first_of_each_subject() {
        let Some(official) = official() else { return };
        let dev = few_shot(Benchmark::Mmlu, official.join("mmlu"), 5).unwrap();
        assert_eq!(dev.len(), 57 * 5);
        assert_eq!(dev[0].subject(), Some("abstract_algebra"));
        let train = few_shot(Benchmark::Gsm8k, official.join("gsm8k"), 5).unwrap();
        assert_eq!(train.len(), 5);
        assert_eq!(train[0].id, "train/1");
    }

    #[test]
    fn a_missing_split_names_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let message = load(Benchmark::Gsm8k, folder.path(), Split::Test)
            .unwrap_err()
            .to_string();
        assert!(message.ends_with("test split: no file of that split; looked for test.jsonl"));
        let message = load(Benchmark::Mmlu, folder.path(), Split::Validation)
            .unwrap_err()
            .to_string();
        assert!(message.contains("looked for val, validation"), "{message}");
    }
}
