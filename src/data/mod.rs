//! Benchmarks and training sets: from files to items, prompts and tokens.
//!
//! | file | what |
//! |---|---|
//! | `benchmark.rs` | which benchmark and which split |
//! | `item.rs` | one question of a benchmark |
//! | `official/` | the official file formats, and where a split's files are |
//! | `rows.rs` | the rows of a file, whatever its format |
//! | `parquet_rows.rs` | rows of Parquet files, with the feature `parquet` |
//! | `mini.rs` | the mini benchmarks, part of the program |
//! | `text.rs` | training sets of the user's own |
//! | `chat.rs`, `binidx.rs` | how chats, instructions and texts are written; tokens |
//! | `checked.rs` | prompts whose answers can be checked |
//! | `template.rs`, `prompt_format.rs` | what stands around prompts, answers and turns |
//! | `loaded.rs`, `lines.rs` | bad lines are listed and left out |
//! | `entries.rs`, `row.rs` | the entries of JSON lines, of a JSON array, of a table |
//! | `json_values.rs`, `mended.rs`, `table.rs` | where JSON values and rows begin and end |
//! | `recognised.rs` | which benchmark a file is, and in which form |
//! | `python_random.rs` | which solved questions lm-evaluation-harness draws |
//! | `protocol.rs` | prompts, and which tokens are context and which target |
//! | `example.rs` | one training example in tokens, and which of them the loss counts |
//! | `tokens.rs` | the tokens of examples, in memory or in a file |
//! | `learnt.rs` | what is learnt of examples that nothing stands in front of |
//! | `split.rs` | which examples are held out |
//! | `pairing.rs` | how two texts that follow each other become tokens |
//! | `preview.rs` | what a training set looks like in tokens |

mod benchmark;
mod binidx;
mod chat;
#[cfg(test)]
mod chat_tests;
mod checked;
mod entries;
mod example;
mod item;
mod json_values;
mod learnt;
mod lines;
mod loaded;
mod long_texts;
mod mended;
mod mini;
mod official;
mod pairing;
#[cfg(feature = "parquet")]
mod parquet_rows;
mod preview;
mod prompt_format;
mod protocol;
mod python_random;
mod recognised;
mod row;
mod rows;
mod split;
mod table;
mod template;
mod text;
mod tokens;

use std::path::Path;

use crate::error::Result;

pub use benchmark::{Benchmark, Split};
#[cfg(test)]
pub(crate) use binidx::{binidx, documents};
pub use chat::{Layout, Message, messages_of};
pub use checked::{Asking, Check, CheckedPrompt, load_checked, read_checked};
pub use example::{Example, LossOn, Role, Turn};
pub use item::{Item, Task};
pub(crate) use learnt::leave_out_single_tokens;
pub use loaded::{BadLine, Loaded};
pub use long_texts::LongTexts;
pub use mini::{mini, mini_few_shot};
pub use pairing::Pairing;
pub use preview::{Marking, Preview, ShownToken};
pub use prompt_format::{PromptFormat, Thought};
pub use protocol::{MmluTemplate, Protocol};
pub use recognised::{Recognised, fitting_template, recognise};
pub use split::{folds, hold_out};
pub use template::Template;
#[cfg(test)]
pub(crate) use template::parse_format;
pub use text::{endless_note, load_text_set, read_text_set};
pub use tokens::Tokens;

pub(crate) use lines::Source;
use official::files::{self, SplitFile};
use official::{arc, gsm8k, mmlu, winogrande};
use python_random::PythonRandom;
use rows::Rows;

/// Where lm-evaluation-harness starts its draws of solved questions.
const FEW_SHOT_SEED: u32 = 1234;

/// Reads one split of a benchmark in its official file format, or as Parquet. `path`
/// is the folder that holds the split's files, or a file itself; for MMLU the
/// folder that holds `test/`, `val/` and `dev/`, a folder of tables, or a table.
///
/// # Errors
/// [`crate::error::Error::Input`] where the split is not there, where a file is no such file
/// at all, and where every line of it is bad. Single bad lines are listed in
/// the result.
pub fn load(benchmark: Benchmark, path: impl AsRef<Path>, split: Split) -> Result<Loaded<Item>> {
    let path = path.as_ref();
    let mut loaded = Loaded::default();
    for rows in files::find(path, benchmark, SplitFile::of(split))? {
        read(benchmark, rows, split, &mut loaded)?;
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
    let rows = Rows::of(Source::held(name, bytes)?, benchmark == Benchmark::Mmlu);
    read(benchmark, rows, split, &mut loaded)?;
    loaded.check(name)
}

/// Whether the files of a split are there, whatever is in them.
pub fn has_split(benchmark: Benchmark, path: impl AsRef<Path>, split: Split) -> bool {
    files::paths(path.as_ref(), benchmark, SplitFile::of(split)).is_ok()
}

/// The first `n` solved questions that go in front of a prompt: from the
/// training split, for MMLU from `dev/` and `n` of each subject.
///
/// # Errors
/// As [`load`].
pub fn few_shot(benchmark: Benchmark, path: impl AsRef<Path>, n: usize) -> Result<Vec<Item>> {
    let path = path.as_ref();
    let wanted = match benchmark {
        Benchmark::Gsm8k | Benchmark::Arc | Benchmark::WinoGrande => SplitFile::of(Split::Train),
        Benchmark::Mmlu => SplitFile::FewShot,
    };
    let mut loaded = Loaded::default();
    for rows in files::find(path, benchmark, wanted)? {
        read(benchmark, rows, Split::Train, &mut loaded)?;
    }
    Ok(item::first_of_each_subject(loaded.check(path)?.items, n))
}

/// Places in a pool of `n_pool` solved questions: for each of `n_items` questions
/// in turn the `n` that lm-evaluation-harness draws, whose generator starts from
/// 1234.
pub fn few_shot_draws(n_pool: usize, n: usize, n_items: usize) -> Vec<Vec<usize>> {
    let mut random = PythonRandom::new(FEW_SHOT_SEED);
    (0..n_items).map(|_| random.sample(n_pool, n)).collect()
}

fn read(
    benchmark: Benchmark,
    rows: Rows<'_>,
    split: Split,
    loaded: &mut Loaded<Item>,
) -> Result<()> {
    match benchmark {
        Benchmark::Gsm8k => gsm8k::read(rows, split, loaded),
        Benchmark::Arc => arc::read(rows, loaded),
        Benchmark::WinoGrande => winogrande::read(rows, split, loaded),
        Benchmark::Mmlu => mmlu::read_rows(rows, loaded),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The folder of official files.
    fn official() -> PathBuf {
        let folder = std::env::var_os("GOSLING_OFFICIAL").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/official"),
            PathBuf::from,
        );
        assert!(folder.is_dir(), "{} is not there", folder.display());
        folder
    }

    fn check_official(benchmark: Benchmark, folder: &str, split: Split, n_items: usize) {
        let loaded = load(benchmark, official().join(folder), split).unwrap();
        assert_eq!(loaded.bad_lines, [], "{folder}");
        assert_eq!(loaded.items.len(), n_items, "{folder}");
    }

    #[test]
    #[ignore = "needs official files; GOSLING_OFFICIAL names their folder"]
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
    #[ignore = "needs official files; GOSLING_OFFICIAL names their folder"]
    fn official_few_shot_items_are_the_first_of_each_subject() {
        let official = official();
        let dev = few_shot(Benchmark::Mmlu, official.join("mmlu"), 5).unwrap();
        assert_eq!(dev.len(), 57 * 5);
        assert_eq!(dev[0].subject(), Some("abstract_algebra"));
        let train = few_shot(Benchmark::Gsm8k, official.join("gsm8k"), 5).unwrap();
        assert_eq!(train.len(), 5);
        assert_eq!(train[0].id, "train/1");
    }

    #[test]
    fn a_split_that_cannot_be_read_is_there_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("validation.jsonl");
        std::fs::write(file, b"GGUF\x03\0\0\0").unwrap();
        let (benchmark, split) = (Benchmark::Gsm8k, Split::Validation);
        assert!(has_split(benchmark, folder.path(), split));
        assert!(!has_split(benchmark, folder.path(), Split::Test));
        let message = load(benchmark, folder.path(), split).unwrap_err();
        assert!(message.to_string().contains("is a GGUF model"), "{message}");
    }

    #[test]
    fn a_missing_split_names_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let message = load(Benchmark::Gsm8k, folder.path(), Split::Test)
            .unwrap_err()
            .to_string();
        let expected = "test split: no file for it here; save it as test.jsonl or \
                        test-00000-of-00001.parquet; GSM8K is published at \
                        github.com/openai/grade-school-math";
        assert!(message.contains(expected), "{message}");
        let message = load(Benchmark::Mmlu, folder.path(), Split::Validation)
            .unwrap_err()
            .to_string();
        let expected = "validation split: no file for it here; save it as val/<subject>_val.csv or";
        assert!(message.contains(expected), "{message}");
        let missing = folder.path().join("nowhere");
        let message = load(Benchmark::Arc, &missing, Split::Test).unwrap_err();
        assert!(
            message.to_string().contains("no such file or folder"),
            "{message}"
        );
    }
}
