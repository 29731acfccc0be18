//! What a state is moved towards.

use serde::{Deserialize, Serialize};

use super::Mode;
use crate::data::Benchmark;
use crate::error::{Error, Result};

/// What a state is moved towards. Nothing here knows which answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Objective {
    /// Options: a low mean entropy of the distribution over them.
    OptionEntropy,
    /// Options: a low mean entropy, and a high one of the mean over the questions:
    /// each is decided, and no letter is preferred.
    Information,
    /// Letters: the option that is likeliest over cyclic orders of the options is the
    /// target of an order that is drawn.
    Views {
        /// How many orders.
        orders: usize,
    },
    /// The distribution that the model has behind solved questions, learned
    /// without them.
    ContextDistillation {
        /// Solved training questions in front, of the same subject where there are
        /// subjects.
        examples: usize,
        /// Draws of them that are averaged over.
        draws: usize,
    },
    /// Written answers: a low mean entropy of their tokens.
    Entropy,
    /// Written answers: 1 for the answer that most of the group have.
    Majority,
    /// Written answers: the share of the group that has the same answer.
    Share,
    /// Written answers: their mean log-probability.
    Confidence,
    /// Cross entropy on the written answers that agree with the majority.
    MajorityImitation,
    /// The guide's text, token by token.
    SingleStep {
        /// From cross entropy, 0, to the expected reward, 1.
        exponent: Exponent,
        /// In closed form, or by samples.
        estimator: Estimator,
    },
    /// The guide's own probabilities: of options those of each, of written answers those
    /// of the tokens along its text.
    Soft {
        /// Its likeliest tokens; the others are one bucket. None for all. Of options all
        /// count.
        top: Option<usize>,
    },
    /// Rollouts: log-probability of the guide less that of the model.
    ReverseKl {
        /// How much a token counts what comes after it, 0 to 1.
        discount: f64,
    },
    /// The divergence from the guide at every token of a rollout, in closed form.
    ReverseKlExact,
    /// Rollouts: 1 for every token up to the first that is not the guide's.
    Agreement {
        /// How much a token counts what comes after it, 0 to 1.
        discount: f64,
    },
    /// Rollouts: 1 for the guide's answer.
    Answer,
}

/// The exponent of [`Objective::SingleStep`]: the gradient of a token's cross
/// entropy counts its probability to this power.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Exponent {
    /// 0 where the base agrees with less than half of the guide's tokens, else 1, or
    /// 0.5 for a state that is shared.
    Auto,
    /// A number from 0 to 1.
    Is(f64),
}

/// How the gradient of the expected reward is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Estimator {
    /// In closed form.
    Exact,
    /// By the policy gradient over drawn tokens; for the record.
    Sampled {
        /// Tokens that are drawn at every position, at least 2.
        samples: usize,
    },
}

impl Objective {
    /// The name in figures and files.
    pub fn name(&self) -> String {
        match self {
            Self::OptionEntropy => "OptionEntropy".into(),
            Self::Information => "Information".into(),
            Self::Views { orders } => format!("Views of {orders}"),
            Self::ContextDistillation { examples, draws } => {
                format!("ContextDistillation of {examples}, {draws} draws")
            }
            Self::Entropy => "Entropy".into(),
            Self::Majority => "Majority".into(),
            Self::Share => "Share".into(),
            Self::Confidence => "Confidence".into(),
            Self::MajorityImitation => "MajorityImitation".into(),
            Self::SingleStep {
                exponent,
                estimator,
            } => {
                let exponent = match exponent {
                    Exponent::Auto => "auto".into(),
                    Exponent::Is(x) => x.to_string(),
                };
                match estimator {
                    Estimator::Exact => format!("SingleStep, exponent {exponent}"),
                    Estimator::Sampled { samples } => {
                        format!("SingleStep, {samples} samples")
                    }
                }
            }
            Self::Soft { top: None } => "Soft".into(),
            Self::Soft { top: Some(top) } => format!("Soft, top {top}"),
            Self::ReverseKl { discount } => format!("ReverseKl, discount {discount}"),
            Self::ReverseKlExact => "ReverseKlExact".into(),
            Self::Agreement { discount } => format!("Agreement, discount {discount}"),
            Self::Answer => "Answer".into(),
        }
    }

    /// Whether it uses texts or probabilities of a guide.
    pub fn is_guided(&self) -> bool {
        match self {
            Self::SingleStep { .. }
            | Self::Soft { .. }
            | Self::ReverseKl { .. }
            | Self::ReverseKlExact
            | Self::Agreement { .. }
            | Self::Answer => true,
            Self::OptionEntropy
            | Self::Information
            | Self::Views { .. }
            | Self::ContextDistillation { .. }
            | Self::Entropy
            | Self::Majority
            | Self::Share
            | Self::Confidence
            | Self::MajorityImitation => false,
        }
    }

    /// Whether it learns how likely a guide finds each option.
    pub fn needs_shares(&self, benchmark: Benchmark) -> bool {
        matches!(self, Self::Soft { .. }) && benchmark != Benchmark::Gsm8k
    }

    /// Whether it needs more of a guide than its texts: its probabilities, in the
    /// model's own tokens.
    pub fn needs_probabilities(&self) -> bool {
        matches!(
            self,
            Self::Soft { .. } | Self::ReverseKl { .. } | Self::ReverseKlExact
        )
    }

    /// Whether it does nothing without a guide's texts.
    pub fn needs_texts(&self) -> bool {
        // A local guide says how likely it finds the model's own answers.
        let is_of_rollouts = matches!(self, Self::ReverseKl { .. } | Self::ReverseKlExact);
        self.is_guided() && !is_of_rollouts
    }

    /// Whether it trains what the model writes itself.
    pub fn is_on_policy(&self) -> bool {
        match self {
            Self::Entropy
            | Self::Majority
            | Self::Share
            | Self::Confidence
            | Self::MajorityImitation
            | Self::ReverseKl { .. }
            | Self::ReverseKlExact
            | Self::Agreement { .. }
            | Self::Answer => true,
            Self::OptionEntropy
            | Self::Information
            | Self::Views { .. }
            | Self::ContextDistillation { .. }
            | Self::SingleStep { .. }
            | Self::Soft { .. } => false,
        }
    }

    /// Whether it chooses among options.
    pub fn is_of_options(&self) -> bool {
        matches!(
            self,
            Self::OptionEntropy | Self::Information | Self::Views { .. }
        )
    }

    /// Whether what one answer is worth depends on the others of its group.
    pub fn compares_answers(&self) -> bool {
        match self {
            Self::Majority
            | Self::Share
            | Self::Confidence
            | Self::ReverseKl { .. }
            | Self::Agreement { .. }
            | Self::Answer => true,
            Self::OptionEntropy
            | Self::Information
            | Self::Views { .. }
            | Self::ContextDistillation { .. }
            | Self::Entropy
            | Self::MajorityImitation
            | Self::SingleStep { .. }
            | Self::Soft { .. }
            | Self::ReverseKlExact => false,
        }
    }

    /// Whether it needs the answers of a group to be read out.
    pub fn reads_answers(&self) -> bool {
        matches!(
            self,
            Self::Majority | Self::Share | Self::MajorityImitation | Self::Answer
        )
    }

    /// 0.6 for rewards on answers: votes of a small model at temperature 1 are worse
    /// than its likeliest answer.
    pub fn default_temperature(&self) -> f32 {
        if self.reads_answers() { 0.6 } else { 1.0 }
    }

    /// Whether it fits the mode and the benchmark.
    ///
    /// # Errors
    /// [`Error::Spec`] of `objective`.
    pub(super) fn check(&self, mode: Mode, benchmark: Benchmark) -> Result<()> {
        let refuse = |reason: String| Err(Error::spec("objective", reason));
        let writes = benchmark == Benchmark::Gsm8k;
        if self.is_of_options() && writes {
            let name = self.name();
            return refuse(tr!(
                "{name} chooses among options, but {benchmark} has none",
                name,
                benchmark
            ));
        }
        if self.is_on_policy() && !writes {
            let name = self.name();
            return refuse(tr!(
                "{name} needs written answers, but {benchmark} has options",
                name,
                benchmark
            ));
        }
        if self.is_guided() && benchmark == Benchmark::WinoGrande {
            return refuse(tr!(
                "{benchmark} scores the rest of a sentence, which is no answer that a guide \
                 writes",
                benchmark
            ));
        }
        match *self {
            Self::Information if mode == Mode::Item => {
                refuse(tr!("Information compares questions; a state for each sees only one").into())
            }
            Self::Views { .. } if benchmark != Benchmark::Mmlu => refuse(tr!(
                "Views reorders lettered options; {benchmark} has none",
                benchmark
            )),
            Self::Views { orders } if !(2..=4).contains(&orders) => {
                refuse(tr!("Views needs 2 to 4 orders, has {orders}", orders))
            }
            Self::ContextDistillation { examples, draws } if examples == 0 || draws == 0 => {
                refuse(tr!("ContextDistillation needs at least one example and one draw").into())
            }
            Self::SingleStep {
                exponent: Exponent::Is(x),
                ..
            } if !(0.0..=1.0).contains(&x) => {
                refuse(tr!("the exponent must be from 0 to 1, is {x}", x))
            }
            Self::SingleStep {
                exponent,
                estimator: Estimator::Sampled { samples },
            } => match (exponent, samples) {
                (Exponent::Is(1.0), 2..) => Ok(()),
                (Exponent::Is(1.0), _) => {
                    refuse(tr!("the number of samples must be at least 2").into())
                }
                _ => refuse(tr!("Sampled needs the exponent Is(1.0)").into()),
            },
            Self::Soft { top: Some(_) } if !writes => {
                refuse(tr!("Soft counts all options; write top: None").into())
            }
            Self::Soft { top: Some(0) } => refuse(tr!("Soft needs at least 1 token").into()),
            Self::ReverseKl { discount } | Self::Agreement { discount }
                if !(0.0..=1.0).contains(&discount) =>
            {
                refuse(tr!(
                    "the discount must be from 0 to 1, is {discount}",
                    discount
                ))
            }
            Self::OptionEntropy
            | Self::Information
            | Self::Views { .. }
            | Self::ContextDistillation { .. }
            | Self::Entropy
            | Self::Majority
            | Self::Share
            | Self::Confidence
            | Self::MajorityImitation
            | Self::SingleStep { .. }
            | Self::Soft { .. }
            | Self::ReverseKl { .. }
            | Self::ReverseKlExact
            | Self::Agreement { .. }
            | Self::Answer => Ok(()),
        }
    }
}
