//! Every reader of foreign bytes under mutated input: no panic, no memory
//! beyond a multiple of the input, no hang.
//!
//! `cargo test` gives each reader a few thousand inputs made from good ones.
//! `.ci/fuzz SECONDS` has libFuzzer make them, which follows the code that they
//! reach: for that the last compilation alone, that of this crate, is told to
//! count its edges. Its inputs are kept in `gosling-fuzz` in the folder for temporary
//! files, from where the next run continues. What a run finds lies beside them, and
//! belongs into `readers.rs` or `readers/data.rs` as a seed.
//!
//! Not bolero: it chooses its engine by a `--cfg` for all crates, so that those
//! that compute would be compiled anew for it, and counted too.

mod dictionary;
mod engine;
mod feed;
mod good_files;
#[cfg(feature = "fuzz")]
mod libfuzzer;
mod readers;
