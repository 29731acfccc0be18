//! Questions about the heads of a state: which tokens its directions point to, and what
//! each head is worth. Asked for by someone who watches.

use super::run_id::RunId;
use super::run_spec::RunSpec;
use super::trace::TraceFrom;
use crate::model::tokenizer::TokenText;
use crate::tuning::inspect::trajectory::Place;

/// Which tokens the value directions of a head point to.
#[derive(Debug, Clone, PartialEq)]
pub struct LensRequest {
    /// The model, the vocabulary and the device are those of this run.
    pub spec: Box<RunSpec>,
    /// Whose state it is.
    pub from: TraceFrom,
    /// The head.
    pub place: Place,
}

/// The value directions of a head, the strongest first.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueLens {
    /// What was asked.
    pub request: LensRequest,
    /// The left singular vectors of S_0 with the largest singular values.
    pub directions: Vec<ValueDirection>,
}

/// A left singular vector of a head's state, in tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueDirection {
    /// Its singular value.
    pub singular_value: f64,
    /// The tokens with the highest logits along it, the highest first.
    pub along: Vec<LensToken>,
    /// The same against it.
    pub against: Vec<LensToken>,
}

/// A token that a direction points to.
#[derive(Debug, Clone, PartialEq)]
pub struct LensToken {
    /// As it is read.
    pub text: TokenText,
    /// Its logit less the mean of all, in the standard deviation of all.
    pub score: f32,
}

/// What each head is worth: the loss on held-out examples with the state of one head
/// set to zero.
#[derive(Debug, Clone, PartialEq)]
pub struct AblationRequest {
    /// The run.
    pub of: RunId,
    /// The model, the data and the device are those of this run.
    pub spec: Box<RunSpec>,
    /// Whose state it is.
    pub from: TraceFrom,
    /// Held-out examples at most.
    pub max_examples: usize,
}

/// What came of it so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Ablation {
    /// What was asked.
    pub request: AblationRequest,
    /// L.
    pub n_layer: usize,
    /// H.
    pub n_head: usize,
    /// Held-out examples.
    pub n_examples: usize,
    /// Tokens of them that count.
    pub n_tokens: usize,
    /// The loss of the whole state, in nats per token, once it is known.
    pub whole: Option<f64>,
    /// The loss without each head, [L, H], as far as they are known.
    pub without: Vec<Option<f64>>,
    /// Whether it goes on.
    pub is_on: bool,
}

impl Ablation {
    /// By how much the loss rises without a head, in nats per token.
    pub fn rise(&self, place: Place) -> Option<f64> {
        let idx = place.layer * self.n_head + place.head;
        let without = self.without.get(idx).copied().flatten()?;
        Some(without - self.whole?)
    }

    /// The largest change of the loss by a head.
    pub fn largest(&self) -> Option<f64> {
        let whole = self.whole?;
        let changes = self
            .without
            .iter()
            .flatten()
            .map(|loss| (loss - whole).abs());
        changes
            .filter(|change| change.is_finite())
            .max_by(f64::total_cmp)
    }

    /// Losses that are known and in all, that of the whole state among them.
    pub fn progress(&self) -> (usize, usize) {
        let known = self.without.iter().flatten().count();
        (
            known + usize::from(self.whole.is_some()),
            self.without.len() + 1,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_worth_what_the_loss_rises_by_without_it() {
        let ablation = Ablation {
            request: AblationRequest {
                of: RunId("a".into()),
                spec: Box::default(),
                from: TraceFrom::Untuned,
                max_examples: 4,
            },
            n_layer: 2,
            n_head: 2,
            n_examples: 4,
            n_tokens: 9,
            whole: Some(1.0),
            without: vec![Some(1.5), None, Some(0.25), Some(f64::NAN)],
            is_on: true,
        };
        let rise = |layer, head| ablation.rise(Place { layer, head });
        assert_eq!(
            (rise(0, 0), rise(0, 1), rise(1, 0)),
            (Some(0.5), None, Some(-0.75))
        );
        assert_eq!(rise(2, 0), None);
        assert_eq!(ablation.largest(), Some(0.75));
        assert_eq!(ablation.progress(), (4, 5));
    }
}
