//! The mini benchmarks: part of the program, in the official file formats.

use super::benchmark::{Benchmark, Split};
use super::item::{Item, first_of_each_subject};
use super::lines::Source;
use super::loaded::Loaded;
use super::official::{arc, gsm8k, mmlu_table, winogrande};
use super::rows::Rows;
use crate::error::{Error, Result};

/// An embedded file: its name and bytes.
type Embedded = (&'static str, &'static [u8]);

/// Embeds files of `assets/mini/bench/`.
macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../assets/mini/bench/", $name)))),*]
    };
}

/// Train, validation, test.
const GSM8K: [Embedded; 3] = embed!(
    "gsm8k/train.jsonl",
    "gsm8k/validation.jsonl",
    "gsm8k/test.jsonl",
);

/// Train, validation, test.
const ARC: [Embedded; 3] = embed!("arc/train.jsonl", "arc/validation.jsonl", "arc/test.jsonl",);

/// Train, validation, test.
const WINO_GRANDE: [Embedded; 3] = embed!(
    "winogrande/train.jsonl",
    "winogrande/validation.jsonl",
    "winogrande/test.jsonl",
);

const MMLU_TRAIN: [Embedded; 6] = embed!(
    "mmlu/train/biology_train.csv",
    "mmlu/train/everyday_train.csv",
    "mmlu/train/geography_train.csv",
    "mmlu/train/language_train.csv",
    "mmlu/train/mathematics_train.csv",
    "mmlu/train/science_train.csv",
);

const MMLU_VALIDATION: [Embedded; 6] = embed!(
    "mmlu/validation/biology_validation.csv",
    "mmlu/validation/everyday_validation.csv",
    "mmlu/validation/geography_validation.csv",
    "mmlu/validation/language_validation.csv",
    "mmlu/validation/mathematics_validation.csv",
    "mmlu/validation/science_validation.csv",
);

const MMLU_TEST: [Embedded; 6] = embed!(
    "mmlu/test/biology_test.csv",
    "mmlu/test/everyday_test.csv",
    "mmlu/test/geography_test.csv",
    "mmlu/test/language_test.csv",
    "mmlu/test/mathematics_test.csv",
    "mmlu/test/science_test.csv",
);

/// One split of a mini benchmark: 2,000, 200 and 500 items.
///
/// # Errors
/// None in practice: the files are part of the program.
pub fn mini(benchmark: Benchmark, split: Split) -> Result<Vec<Item>> {
    let split_idx = match split {
        Split::Train => 0,
        Split::Validation => 1,
        Split::Test => 2,
    };
    let mut loaded = Loaded::default();
    let source = |files: [Embedded; 3]| {
        let (name, bytes) = files[split_idx];
        Source::held(name, bytes).map(Rows::Entries)
    };
    match benchmark {
        Benchmark::Gsm8k => gsm8k::read(source(GSM8K)?, split, &mut loaded)?,
        Benchmark::Arc => arc::read(source(ARC)?, &mut loaded)?,
        Benchmark::WinoGrande => winogrande::read(source(WINO_GRANDE)?, split, &mut loaded)?,
        Benchmark::Mmlu => {
            for (name, bytes) in [MMLU_TRAIN, MMLU_VALIDATION, MMLU_TEST][split_idx] {
                mmlu_table::read_table(Source::held(name, bytes)?, &mut loaded)?;
            }
        }
    }
    match loaded.bad_lines.first() {
        Some(bad) => Err(Error::input(
            &bad.file,
            tr!("line {}", bad.line),
            &bad.reason,
        )),
        None => Ok(loaded.items),
    }
}

/// The first `n` training items of a mini benchmark, for MMLU of each subject:
/// the solved questions that go in front of a prompt.
///
/// # Errors
/// As [`mini`].
pub fn mini_few_shot(benchmark: Benchmark, n: usize) -> Result<Vec<Item>> {
    Ok(first_of_each_subject(mini(benchmark, Split::Train)?, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_split_has_its_items() {
        for benchmark in Benchmark::ALL {
            for (split, n_items) in Split::ALL.into_iter().zip([2_000, 200, 500]) {
                let items = mini(benchmark, split).unwrap();
                assert_eq!(items.len(), n_items, "{benchmark} {split}");
            }
        }
    }

    #[test]
    fn few_shot_items_are_the_first_of_the_training_split() {
        let gsm8k = mini(Benchmark::Gsm8k, Split::Train).unwrap();
        assert_eq!(mini_few_shot(Benchmark::Gsm8k, 5).unwrap(), gsm8k[..5]);
        let mmlu = mini_few_shot(Benchmark::Mmlu, 2).unwrap();
        let ids: Vec<_> = mmlu.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids[..3], ["biology/1", "biology/2", "everyday/1"]);
        assert_eq!(ids.len(), 12);
    }
}
