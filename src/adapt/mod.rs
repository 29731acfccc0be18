//! Test-time adaptation: the state moves while questions are answered, and no
//! answer is known to what moves it. The fourth method of arXiv 2504.05097, as far
//! as it is known, and forms of our own; [`paper`] says what came out.
//!
//! | file | what |
//! |---|---|
//! | `spec.rs`, `spec/` | every choice, as plain data |
//! | `question.rs`, `prompts.rs` | questions without their answers, and what is read of them |
//! | `states.rs` | the states that move, one a question or one for all |
//! | `rows.rs`, `engine.rs`, `distributions.rs` | texts, their probabilities and gradients |
//! | `rollout.rs`, `votes.rs`, `advantage.rs` | answers that the model writes, and rewards |
//! | `option_losses.rs`, `objective.rs` | from an objective to the gradient of a step |
//! | `guide.rs`, `guide/` | texts of another model, and where they come from |
//! | `adaptation.rs`, `monitor.rs` | the steps, what is seen of them, and when they stop |
//! | `checkpoint.rs` | what goes on after a process has ended |
//! | `cost.rs` | tokens, in those of a forward pass |
//! | `exam.rs`, `answering.rs` | labels and marks; nothing that moves a state names the first |
//! | `baselines.rs`, `baselines/` | what the same tokens buy without moving a state |
//! | `ask.rs` | from where a guide is to its texts |
//! | `job.rs`, `outcome.rs`, `folder.rs` | a whole adaptation, its figures and its files |

pub mod adaptation;
pub mod advantage;
pub mod answering;
pub mod ask;
pub mod baselines;
pub mod cost;
pub mod distributions;
pub mod engine;
pub mod exam;
pub mod folder;
pub mod guide;
pub mod job;
pub mod objective;
pub mod option_losses;
pub mod outcome;
pub mod paper;
pub mod prompts;
pub mod question;
pub mod rollout;
pub mod rows;
pub mod spec;
pub mod states;
pub mod votes;

mod checkpoint;
mod monitor;
