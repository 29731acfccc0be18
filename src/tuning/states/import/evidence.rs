//! What texts say about which way round a state is.
//!
//! The wrong way round usually makes the model worse, but not always: on a text
//! of another kind than the state was tuned on, in the right orientation may do more
//! harm than the wrong one, and any change of the state moves the loss of some
//! texts a little. So nothing is concluded from the built-in text, and from
//! others only what is wide of chance: see [`Evidence::verdict`].

use burn::tensor::Device;

use super::StoredState;
use crate::data::Example;
use crate::error::{Error, Result};
use crate::model::state::Start;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, TextStart};
use crate::tuning::method::tuned::state_tensors;
use crate::tuning::spec::LossOn;
use crate::tuning::states::state_file::{Orientation, TunedState};
use crate::tuning::train::batch::Batch;
use crate::tuning::train::text_loss::token_losses;

/// What is read where nobody gives a text: questions, answers and prose.
pub const TEXT: &str = "User: What is the capital of France?\n\nAssistant: The capital of France \
    is Paris.\n\nQuestion: Tom has 3 apples and buys 4 more. How many apples does he have?\n\
    Answer: He has 3 + 4 = 7 apples.\n#### 7\n\nThe sun warms the sea, and water rises into the \
    air. High up it cools and becomes clouds, from which rain falls back to the land.\n\n";

/// Texts that are read at most.
pub const MAX_TEXTS: usize = 64;
/// Tokens of a text that are read at most.
pub const MAX_TOKENS: usize = 512;
/// Fewer texts conclude nothing: tokens of one text go together.
pub const MIN_TEXTS: usize = 8;
/// What one way round must be better than the other and than no state, in nats a
/// token, before texts speak against a file format. Over states of 60 steps of
/// four tasks, rates of 0.1 to 1.6, and 8 to 48 texts of their own and the other
/// tasks, a margin of 0.1 gave wrong verdicts (on texts of another task), 0.5
/// with [`STANDARD_ERRORS`] none.
pub const MARGIN: f64 = 0.5;
/// Half the width of an interval, in standard errors.
pub const STANDARD_ERRORS: f64 = 4.0;

/// The loss that stands for one that is not finite, in nats.
const NOT_FINITE: f64 = 100.0;
/// Texts that are computed at once.
const TEXTS_AT_ONCE: usize = 8;

/// Texts to compare the two ways round on.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportTexts {
    examples: Vec<Example>,
    /// How many there were before the first [`MAX_TEXTS`] were taken.
    pub n_given: usize,
    is_built_in: bool,
}

impl ImportTexts {
    /// The built-in text, which only advises.
    pub fn built_in(tokenizer: &Tokenizer) -> Self {
        let example = Example::new(Vec::new(), tokenizer.encode(TEXT));
        Self {
            examples: vec![example],
            n_given: 1,
            is_built_in: true,
        }
    }

    /// Texts of the kind that the state was tuned on. The first of them are
    /// read, and the beginning of a long one; what is counted is the target.
    pub fn of_its_kind(texts: Vec<Example>) -> Self {
        let n_given = texts.len();
        let shortened = texts.into_iter().filter_map(|mut text| {
            text.truncate(MAX_TOKENS);
            (text.n_counted(LossOn::Answer) > 0).then_some(text)
        });
        Self {
            examples: shortened.take(MAX_TEXTS).collect(),
            n_given,
            is_built_in: false,
        }
    }
}

/// A difference of two losses in nats a token, paired by tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The mean over tokens.
    pub mean: f64,
    /// The interval is `mean` plus and minus this; infinite for a single text.
    pub half: f64,
}

impl Difference {
    /// The difference `from` - `to` of the losses of each text's tokens, with
    /// [`STANDARD_ERRORS`] of the larger of two standard errors: that over
    /// tokens, and that over texts, whose tokens go together.
    fn new(from: &[Vec<f32>], to: &[Vec<f32>]) -> Self {
        let loss = |x: f32| {
            let x = f64::from(x);
            if x.is_finite() { x } else { NOT_FINITE }
        };
        let texts: Vec<Vec<f64>> = std::iter::zip(from, to)
            .map(|(from, to)| {
                let pairs = std::iter::zip(from, to);
                pairs.map(|(from, to)| loss(*from) - loss(*to)).collect()
            })
            .collect();
        let n_tokens: usize = texts.iter().map(Vec::len).sum();
        let n = n_tokens as f64;
        let mean = texts.iter().flatten().sum::<f64>() / n;
        let squares: f64 = texts.iter().flatten().map(|x| (x - mean).powi(2)).sum();
        let over_tokens = (squares / (n - 1.0) / n).sqrt();
        let of_text = |text: &Vec<f64>| text.iter().map(|x| x - mean).sum::<f64>().powi(2);
        let n_texts = texts.len() as f64;
        let between: f64 = texts.iter().map(of_text).sum();
        let over_texts = (between * n_texts / (n_texts - 1.0)).sqrt() / n;
        let error = over_tokens.max(over_texts);
        // One text, or one token, has no spread to see.
        let is_known = texts.len() > 1 && n_tokens > 1 && error.is_finite();
        Self {
            mean,
            half: if is_known {
                STANDARD_ERRORS * error
            } else {
                f64::INFINITY
            },
        }
    }

    /// The interval's lower end.
    pub fn low(self) -> f64 {
        self.mean - self.half
    }

    fn negated(self) -> Self {
        Self {
            mean: -self.mean,
            half: self.half,
        }
    }
}

/// The losses of texts by what the model starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// How many texts.
    pub n_texts: usize,
    /// Counted tokens of all of them.
    pub n_tokens: usize,
    /// Whether it is the built-in text, which only advises.
    pub is_built_in: bool,
    /// From the zero state, in nats a token.
    pub zero: f64,
    /// From the state, taken as value, key.
    pub value_key: f64,
    /// From the state, taken as key, value.
    pub key_value: f64,
    /// What value, key is better than the zero state.
    pub value_key_gain: Difference,
    /// What key, value is better than the zero state.
    pub key_value_gain: Difference,
    /// What value, key is better than key, value.
    pub value_key_lead: Difference,
}

impl Evidence {
    fn new(losses: [&[Vec<f32>]; 3], is_built_in: bool) -> Self {
        let [zero, value_key, key_value] = losses;
        let n_tokens = zero.iter().map(Vec::len).sum();
        let mean = |losses: &[Vec<f32>]| {
            losses.iter().flatten().copied().map(f64::from).sum::<f64>() / n_tokens as f64
        };
        Self {
            n_texts: zero.len(),
            n_tokens,
            is_built_in,
            zero: mean(zero),
            value_key: mean(value_key),
            key_value: mean(key_value),
            value_key_gain: Difference::new(zero, value_key),
            key_value_gain: Difference::new(zero, key_value),
            value_key_lead: Difference::new(key_value, value_key),
        }
    }

    /// The loss from the state that way round.
    pub fn of(&self, orientation: Orientation) -> f64 {
        match orientation {
            Orientation::ValueKey => self.value_key,
            Orientation::KeyValue => self.key_value,
        }
    }

    /// What the state is better that way round than the zero state.
    pub fn gain(&self, orientation: Orientation) -> Difference {
        match orientation {
            Orientation::ValueKey => self.value_key_gain,
            Orientation::KeyValue => self.key_value_gain,
        }
    }

    /// What the state is better that way round than the other.
    pub fn lead(&self, orientation: Orientation) -> Difference {
        match orientation {
            Orientation::ValueKey => self.value_key_lead,
            Orientation::KeyValue => self.value_key_lead.negated(),
        }
    }

    /// Which way round the texts say that the state is; none where they do not
    /// tell. They tell where at least [`MIN_TEXTS`] texts of its kind were read
    /// and the whole interval of both comparisons, with the zero state and with
    /// the other way round, lies above [`MARGIN`].
    pub fn verdict(&self) -> Option<Orientation> {
        if self.is_built_in || self.n_texts < MIN_TEXTS {
            return None;
        }
        let is_clear = |orientation: &Orientation| {
            self.gain(*orientation).low() > MARGIN && self.lead(*orientation).low() > MARGIN
        };
        [Orientation::ValueKey, Orientation::KeyValue]
            .into_iter()
            .find(is_clear)
    }

    /// Which way round has the lowest loss of the three, by however little.
    pub fn lowest(&self) -> Option<Orientation> {
        let is_lowest = |orientation: &Orientation| {
            self.gain(*orientation).mean > 0.0 && self.lead(*orientation).mean > 0.0
        };
        [Orientation::ValueKey, Orientation::KeyValue]
            .into_iter()
            .find(is_lowest)
    }
}

impl StoredState {
    /// Compares the zero state, the state as it is stored and the state
    /// transposed on texts. `model` lives on `device`. The state reads a text as it
    /// was trained, the untuned model behind token 0; the same tokens are counted.
    ///
    /// # Errors
    /// [`Error::Spec`] for texts without tokens or with tokens that the model
    /// does not have; [`Error::Device`].
    pub fn evidence(
        &self,
        model: &Model,
        device: &Device,
        texts: &ImportTexts,
    ) -> Result<Evidence> {
        let n_vocab = model.config().vocab_size;
        let ids = |text: &Example| text.tokens.iter().copied().max();
        let highest = texts.examples.iter().filter_map(ids).max();
        if highest.is_none_or(|id| id as usize >= n_vocab) {
            let reason = tr!(
                "has no token in the first {MAX_TOKENS} that counts, or one that the model \
                 does not have",
                MAX_TOKENS
            );
            return Err(Error::spec("text", reason));
        }
        let text_start = self.metadata.text_start();
        let counted = texts.examples.iter().map(|text| text.behind(text_start));
        let counted: Vec<Example> = counted
            .filter(|text| text.n_counted(LossOn::Answer) > 0)
            .collect();
        if counted.is_empty() {
            let reason = tr!("has a single token, so there is nothing to predict");
            return Err(Error::spec("text", reason));
        }
        let losses = |state: &TunedState, text_start: TextStart| {
            let start = Start::from(state_tensors(state, device));
            let mut losses = Vec::with_capacity(counted.len());
            for part in counted.chunks(TEXTS_AT_ONCE) {
                let examples: Vec<_> = part.iter().map(|text| (text, text_start)).collect();
                let batch = Batch::of(&examples, LossOn::Answer);
                let mut rest = token_losses(model, device, &start, &batch, None)?;
                for text in part {
                    let after = rest.split_off(text.n_counted(LossOn::Answer).min(rest.len()));
                    losses.push(std::mem::replace(&mut rest, after));
                }
            }
            Ok::<_, Error>(losses)
        };
        let zero = losses(&TunedState::zero(model.config()), TextStart::Zero)?;
        let value_key = losses(&self.oriented(Orientation::ValueKey), text_start)?;
        let key_value = losses(&self.oriented(Orientation::KeyValue), text_start)?;
        let all = [&zero[..], &value_key, &key_value];
        Ok(Evidence::new(all, texts.is_built_in))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_wider_error() {
        // Hand: differences 1, 3 | 2, 2. Mean 2; over tokens sqrt(2 / 3 / 4);
        // the texts' sums do not differ from the mean.
        let from = [vec![1.0, 3.0], vec![2.0, 2.0]];
        let zero = [vec![0.0; 2], vec![0.0; 2]];
        let difference = Difference::new(&from, &zero);
        assert_eq!(difference.mean, 2.0);
        let error = (2.0_f64 / 3.0 / 4.0).sqrt();
        assert!((difference.half - STANDARD_ERRORS * error).abs() < 1e-12);
        // Differences 1, 1 | 3, 3: over texts sqrt((4 + 4) * 2) / 4 = 1, over
        // tokens sqrt(4 / 3 / 4) less.
        let from = [vec![1.0, 1.0], vec![3.0, 3.0]];
        let difference = Difference::new(&from, &zero);
        assert!((difference.half - STANDARD_ERRORS).abs() < 1e-12);
        assert!((difference.low() - (2.0 - STANDARD_ERRORS)).abs() < 1e-12);
        let single = Difference::new(&from[..1], &zero[..1]);
        assert_eq!((single.mean, single.half), (1.0, f64::INFINITY));
    }

    /// Evidence of `n_texts` texts of 4 tokens whose losses are these, a little
    /// different from text to text.
    fn evidence(n_texts: usize, zero: f32, value_key: f32, key_value: f32) -> Evidence {
        let texts = |loss: f32| -> Vec<Vec<f32>> {
            let of = |text: usize| (0..4).map(move |t| loss + 0.01 * (text * 4 + t) as f32 * loss);
            (0..n_texts).map(|text| of(text).collect()).collect()
        };
        let all = [texts(zero), texts(value_key), texts(key_value)];
        Evidence::new([&all[0], &all[1], &all[2]], false)
    }

    #[test]
    fn only_a_wide_margin_over_several_texts_is_a_verdict() {
        let check = |n_texts, losses: [f32; 3], expected| {
            let [zero, value_key, key_value] = losses;
            let evidence = evidence(n_texts, zero, value_key, key_value);
            assert_eq!(evidence.verdict(), expected, "{losses:?} {evidence:?}");
        };
        check(8, [3.0, 1.0, 4.0], Some(Orientation::ValueKey));
        check(8, [3.0, 4.0, 1.0], Some(Orientation::KeyValue));
        check(7, [3.0, 1.0, 4.0], None);
        // Both comparisons count.
        check(8, [1.1, 1.0, 4.0], None);
        check(8, [4.0, 1.0, 1.1], None);
        // On a text of another kind the wrong way round may do less harm.
        check(8, [1.0, 6.0, 2.0], None);
        check(8, [3.0, 1.0, f32::NAN], Some(Orientation::ValueKey));
        check(8, [3.0, f32::NAN, f32::INFINITY], None);
        let built_in = Evidence {
            is_built_in: true,
            ..evidence(8, 3.0, 1.0, 4.0)
        };
        assert_eq!(built_in.verdict(), None);
        assert_eq!(built_in.lowest(), Some(Orientation::ValueKey));
    }

    #[test]
    fn texts_are_bounded() {
        let text = |n_context, n_target| Example::new(vec![1; n_context], vec![2; n_target]);
        let mut texts = vec![text(600, 5), text(500, 50), text(0, 9)];
        texts.extend((0..MAX_TEXTS).map(|_| text(1, 1)));
        let texts = ImportTexts::of_its_kind(texts);
        assert_eq!(texts.n_given, MAX_TEXTS + 3);
        assert_eq!(texts.examples.len(), MAX_TEXTS);
        assert_eq!(texts.examples[0], text(500, 12));
        assert_eq!(texts.examples[1], text(0, 9));
    }
}
