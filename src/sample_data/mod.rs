//! Training data from the model itself: it answers questions several times, a checker
//! that knows the right answers of the training split picks those that are right, and
//! a state is tuned on them (rejection sampling; STaR, arXiv 2203.14465; the recipe
//! that arXiv 2604.01168 tunes states with).
//!
//! | file | what |
//! |---|---|
//! | `question.rs` | what is asked, and what makes an answer right |
//! | `source.rs` | where questions come from |
//! | `settings.rs` | all that decides the result, and its counts |
//! | `job.rs` | the answers, batch by batch |
//! | `files.rs` | what is written, and how it is gone on with |

mod files;
mod job;
mod question;
mod settings;
mod source;

pub use files::{Files, Written};
pub use job::{ANSWERS_OF_A_PART, Job, Progress};
pub use question::{Kind, Question};
pub use settings::{Answer, Counts, ModelMark, Sampled, Settings, SourceMark, StateMark};
pub use source::{Source, Task, TaskOptions};
