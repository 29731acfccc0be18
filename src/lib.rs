//! Gosling, a workbench for RWKV-7 state tuning: it trains only the recurrent
//! state that a frozen RWKV-7 language model starts from (arXiv 2504.05097). Gated
//! DeltaNet is a second model under the same roof.
//!
//! # Layers
//!
//! - [`language`]: English or Chinese, and the messages of the latter.
//! - [`data`] reads benchmarks and training sets, and turns items into tokens.
//! - [`kernels`]: the operators that decide the speed, on the CPU and on a GPU.
//! - [`model`] reads checkpoints and vocabularies. It knows nothing of tuning.
//! - [`tuning`] trains the state: the paper in code; no threads, no clock.
//! - [`bench`](mod@bench) scores a language model; no threads, no training.
//! - [`hub`]: the published models, and downloads of them.
//! - [`protocol`]: what a run is, and what is said of it, as plain data.
//! - [`worker`] owns the compute device: commands in, events out.
//! - [`runs`] folds events into what is known of each run.
//! - [`report`]: tables of results in formats for users and for programs.
//! - [`persist`] is the only place that writes documents.
//! - [`adapt`] moves the state while questions are answered, without their answers.
//! - [`sample_data`]: answers that a model writes, checked, as training data.
//! - [`sweep`]: many runs, each in a process beside this one, and what came of them.
//! - `ui`, with the feature `gui`: the window, the only place that names egui.
//! - [`selftest`] compares what a device computes with the truth.
//!
//! Nothing points up: `model` uses `kernels`; `tuning`, `bench` and `data` use
//! `model`; `worker` uses them all and has [`cli`] and the window as clients.
//!
//! # Glossary
//!
//! | symbol | name | shape |
//! |---|---|---|
//! | L, C, H, N, T, B | `n_layer`, `n_embd`, `n_head`, `head_size`, `n_tokens`, `n_batch` | H·N = C in RWKV-7 |
//! | r, w, k, v, a, g | receptance, decay, key, value, in-context learning rate, gate | [B, T, H, N] |
//! | S_t | `wkv_state`, rows = value channels, columns = key channels | [H, N, K] |
//! | S_0 | the tuned state, `blocks.{i}.att.time_state` in files | [H, N, K] |
//! | K | `key_size`, key channels of a head | N in RWKV-7 |

#[macro_use]
pub mod language;

pub mod adapt;
pub mod allocator;
pub mod atomic;
pub mod bench;
pub mod cli;
pub mod colormap;
pub mod data;
pub mod error;
mod file_names;
mod format;
#[cfg(test)]
mod fuzz;
pub mod hub;
pub mod kernels;
#[cfg(test)]
mod layers;
pub mod model;
pub mod persist;
pub mod protocol;
mod random;
pub mod report;
pub mod runs;
pub mod sample_data;
pub mod selftest;
pub mod shell;
pub mod sweep;
mod text_file;
pub mod tuning;
#[cfg(feature = "gui")]
pub mod ui;
pub mod worker;

#[doc = include_str!("guide.md")]
pub mod guide {}

pub use error::{Error, Result};
