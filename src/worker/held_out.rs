//! Training items that are held out for the validation loss if a benchmark has no
//! validation split.

use std::path::Path;

use crate::data::{Benchmark, Item, Split, has_split};

/// Training examples held out, one of so many, where a benchmark has no
/// validation split that could be used.
const HELD_OUT_SHARE: usize = 10;
/// The most that are held out.
const MAX_HELD_OUT: usize = 200;

/// Whether the validation loss of official files is measured on training items.
pub(super) fn is_held_out(benchmark: Benchmark, folder: &Path) -> bool {
    match benchmark {
        Benchmark::Gsm8k => !has_split(benchmark, folder, Split::Validation),
        Benchmark::WinoGrande => true,
        Benchmark::Arc | Benchmark::Mmlu => false,
    }
}

/// Takes the last training items out, to measure the validation loss on.
pub(super) fn hold_out(train: &mut Vec<Item>, notes: &mut Vec<String>) -> Vec<Item> {
    let n_held_out = (train.len() / HELD_OUT_SHARE).min(MAX_HELD_OUT);
    notes.push(tr!(
        "there is no validation split, so the last {n_held_out} training items are held out",
        n_held_out
    ));
    train.split_off(train.len() - n_held_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mini;

    #[test]
    fn the_last_items_are_held_out() {
        let mut items = mini(Benchmark::Arc, Split::Train).unwrap();
        let mut notes = Vec::new();
        let held_out = hold_out(&mut items, &mut notes);
        assert_eq!((items.len(), held_out.len()), (1800, 200));
        assert_eq!(notes.len(), 1);
    }
}
