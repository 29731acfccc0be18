//! The benchmarks in the files of their publishers, and as the Hugging Face hub has them.
//!
//! | file | what |
//! |---|---|
//! | `files.rs` | where the files of a split are |
//! | `gsm8k.rs`, `arc.rs`, `winogrande.rs` | their rows |
//! | `mmlu.rs`, `mmlu_item.rs`, `mmlu_table.rs`, `python_list.rs` | the rows and tables of MMLU |

pub(super) mod arc;
pub(super) mod files;
pub(super) mod gsm8k;
pub(super) mod mmlu;
pub(super) mod mmlu_table;
pub(super) mod winogrande;

mod mmlu_item;
mod python_list;
