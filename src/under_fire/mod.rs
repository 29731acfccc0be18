//! Every reader of foreign bytes under mutated input: no panic, no memory
//! beyond a multiple of the input, no hang.
//!
//! `cargo test` gives each reader a few thousand inputs made from good ones.
//! With `RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/coverage-rustc` this crate is
//! compiled so that the mutations follow the code they reach, on a stable
//! compiler and without compiling the compute libraries again, as cargo-fuzz
//! and bolero would. `GOSLING_FUZZ_INPUTS` is the number of inputs for each
//! reader, `GOSLING_FUZZ_SECS` ends it earlier, `GOSLING_FUZZ_SEED` varies it.
//! What a run finds lies in the folder for temporary files, and belongs into
//! `readers.rs` as a seed.

mod coverage;
mod engine;
mod good_files;
mod mutation;
mod readers;
mod words;
