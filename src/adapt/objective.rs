//! From an objective to the gradient of one step.

use burn::tensor::Tensor;

use super::cost::Cost;
use super::engine::Engine;
use super::guide::Guide;
use super::prompts::Prompts;
use super::question::Question;
use super::spec::Objective;
use super::states::States;
use crate::data::Item;
use crate::error::Result;
use crate::random::SplitMix64;

mod distilled;
mod group;
mod options;
mod ratios;
mod taught;
mod written;

pub use options::{OptionRows, all_rows, distributions, mean_view, option_rows};

/// A question and the state that moves for it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'q> {
    /// Which state.
    pub state: usize,
    /// The question.
    pub question: &'q Question,
}

/// All that an objective reads besides the states.
pub struct Method<'a> {
    /// The model.
    pub engine: Engine<'a>,
    /// How questions become tokens.
    pub prompts: &'a Prompts<'a>,
    /// What the state is moved towards.
    pub objective: Objective,
    /// The exponent of [`Objective::SingleStep`], as a number.
    pub exponent: f64,
    /// What logits are divided by where answers are drawn and trained.
    pub temperature: f32,
    /// Answers of a group.
    pub group: usize,
    /// Fixes every draw.
    pub seed: u64,
    /// The state that all start from: one.
    pub base: &'a States,
    /// Solved training questions.
    pub solved: &'a [Item],
    /// Texts and probabilities of another model.
    pub guide: Option<&'a Guide<'a>>,
}

/// What is seen of a question in a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuestionReadings {
    /// The mean loss of what is trained, nats.
    pub loss: Option<f64>,
    /// The mean reward.
    pub reward: Option<f64>,
    /// The share of the guide's tokens that are the likeliest.
    pub agreement: Option<f64>,
    /// The mean entropy of the tokens, or that of the options.
    pub entropy: Option<f64>,
    /// The share of the group that has the most frequent answer.
    pub majority: Option<f64>,
    /// Different answers of the group.
    pub n_different: Option<f64>,
    /// The mean length of the group's answers.
    pub length: Option<f64>,
    /// The share of the group that has an answer.
    pub valid: Option<f64>,
    /// What it cost.
    pub cost: Cost,
    /// Whether it told its state anything.
    pub has_gradient: bool,
    /// The group's answers, as they were written.
    pub answers: Vec<String>,
}

/// What a step found.
pub struct StepGradient {
    /// [I, L H, N, N]; none where no question told anything.
    pub gradient: Option<Tensor<4>>,
    /// Of every target.
    pub seen: Vec<QuestionReadings>,
}

impl Method<'_> {
    /// The gradient of the states for `targets` in step `step`: for each state that
    /// of the mean over what its targets train. `progress` is asked now and then; its
    /// error ends the work.
    ///
    /// # Errors
    /// What the device or `progress` reports.
    pub fn gradient(
        &self,
        states: &States,
        targets: &[Target<'_>],
        step: usize,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<StepGradient> {
        progress()?;
        match self.objective {
            Objective::OptionEntropy | Objective::Information => self.sure(states, targets),
            Objective::Views { orders } => self.views(states, targets, orders, step),
            Objective::ContextDistillation { examples, draws } => {
                self.distilled(states, targets, examples, draws, progress)
            }
            Objective::SingleStep { estimator, .. } => {
                self.single_step(states, targets, estimator, step)
            }
            Objective::Soft { top } => self.soft(states, targets, top),
            Objective::Entropy
            | Objective::Majority
            | Objective::Share
            | Objective::Confidence
            | Objective::MajorityImitation
            | Objective::ReverseKl { .. }
            | Objective::ReverseKlExact
            | Objective::Agreement { .. }
            | Objective::Answer => self.written(states, targets, step, progress),
        }
    }

    /// The seed of what is drawn for a question in a step.
    pub fn seed_of(&self, question: &Question, step: usize) -> u64 {
        seed_of(self.seed, &question.id, step)
    }
}

/// A seed for each run, question and step, whatever else is in a batch.
pub fn seed_of(run: u64, id: &str, step: usize) -> u64 {
    // Fowler, Noll and Vo's hash of the id.
    let of_id = id.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    SplitMix64::mix(SplitMix64::mix(run, of_id), step as u64)
}

/// How many of `of` belong to each of `n` states, one count a target.
fn counts(n: usize, of: impl Iterator<Item = (usize, usize)>) -> Vec<f32> {
    let mut counts = vec![0.0; n];
    for (state, count) in of {
        counts[state] += count as f32;
    }
    counts
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}
