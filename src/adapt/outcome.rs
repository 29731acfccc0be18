//! What came of an adaptation and of what it is compared with.

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::exam::Marks;
use crate::bench::{Accuracy, mcnemar_exact};

/// How much more than the adaptation a baseline may cost and still be at equal cost.
const COST_SLACK: f64 = 1.05;
/// The most likely chance that a gain is told from.
const MAX_P: f64 = 0.05;

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The base, as it is.
    Base,
    /// The adapted states.
    Adapted,
    /// Something that moves no state, or learns from labels that are known.
    Baseline,
    /// The guide's own answers.
    Guide,
    /// What the best choice among answers would give; no method.
    Ceiling,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What it is.
    pub name: String,
    /// Of what kind.
    pub kind: Kind,
    /// Whether each item is right.
    #[serde(with = "bits")]
    pub right: Vec<bool>,
    /// The share of items that have an answer.
    pub valid: f64,
    /// What it cost in all, answers included.
    pub cost: Cost,
    /// Wall time.
    pub secs: f64,
    /// What a reader has to know: how many of the test questions were seen, or why
    /// it stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Figures of parts: of questions that a guide answered, and of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<(String, Accuracy)>,
    /// Whether the adaptation's tokens buy more votes than were taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_capped: bool,
}

impl Outcome {
    /// Of marks.
    pub fn new(name: impl Into<String>, kind: Kind, marks: &Marks, secs: f64) -> Self {
        Self {
            name: name.into(),
            kind,
            right: marks.right.clone(),
            valid: marks.valid,
            cost: marks.cost,
            secs,
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        }
    }

    /// The share of right items.
    pub fn accuracy(&self) -> Accuracy {
        Accuracy::of(self.right.iter().copied())
    }

    /// Forward-equivalent tokens a question.
    pub fn tokens(&self) -> f64 {
        self.cost.total() / self.right.len().max(1) as f64
    }

    /// Items that are right here and wrong in `other`, the contrary, and how likely
    /// chance makes a split as uneven.
    pub fn against(&self, other: &Self) -> (usize, usize, f64) {
        let pairs = || self.right.iter().zip(&other.right);
        let fixed = pairs().filter(|(own, other)| **own && !**other).count();
        let broken = pairs().filter(|(own, other)| !**own && **other).count();
        (fixed, broken, mcnemar_exact(fixed, broken))
    }
}

/// What may be said of an adaptation.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The best baseline that costs no more; the base where there is no other.
    pub best: String,
    /// Whether the adaptation is above it, and more than chance.
    pub gains: bool,
    /// McNemar's p.
    pub p_value: f64,
    /// The sentence.
    pub sentence: String,
}

/// Compares an adaptation with everything that costs no more. Nothing is said where no
/// baseline was measured; the caller knows whether all of them are.
pub fn verdict(outcomes: &[Outcome]) -> Option<Verdict> {
    let adapted = outcomes.iter().find(|of| of.kind == Kind::Adapted)?;
    outcomes.iter().find(|of| of.kind == Kind::Baseline)?;
    let most = adapted.tokens() * COST_SLACK;
    let rivals = outcomes.iter().filter(|of| match of.kind {
        Kind::Base | Kind::Baseline => of.tokens() <= most,
        // Its tokens are a column of their own.
        Kind::Guide => true,
        Kind::Adapted | Kind::Ceiling => false,
    });
    let best = rivals.max_by_key(|of| of.accuracy().n_correct)?;
    let (fixed, broken, p_value) = adapted.against(best);
    let is_above = fixed > broken && p_value < MAX_P;
    // Without as many votes as its tokens buy nothing is at equal cost.
    let gains = is_above && !outcomes.iter().any(|of| of.is_capped);
    let share = |of: &Outcome| format!("{:.3}", of.accuracy().value());
    let (own, other) = (share(adapted), share(best));
    let sentence = if gains {
        tr!(
            "adaptation gains: {own} against {other} of {}, at no more tokens, p {p}",
            best.name,
            own,
            other,
            p = format_args!("{p_value:.2e}")
        )
    } else if is_above {
        tr!(
            "no gain is claimed: {own} against {other} of {}, p {p}, but the adaptation's tokens buy more votes than baselines.max_votes",
            best.name,
            own,
            other,
            p = format_args!("{p_value:.2e}")
        )
    } else {
        tr!(
            "no gain is shown: {own} against {other} of {}, at no more tokens, p {p}",
            best.name,
            own,
            other,
            p = format_args!("{p_value:.2}")
        )
    };
    Some(Verdict {
        best: best.name.clone(),
        gains,
        p_value,
        sentence,
    })
}

/// Marks as a text of 0 and 1.
mod bits {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        bits: &[bool],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text: String = bits
            .iter()
            .map(|bit| if *bit { '1' } else { '0' })
            .collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<bool>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bit = |c| match c {
            '1' => Ok(true),
            '0' => Ok(false),
            _ => Err(D::Error::custom("expected 0 and 1")),
        };
        text.chars().map(bit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, kind: Kind, n_right: usize, tokens: u64) -> Outcome {
        Outcome {
            name: name.into(),
            kind,
            right: (0..100).map(|idx| idx < n_right).collect(),
            valid: 1.0,
            cost: Cost::forward(100 * tokens as usize),
            secs: 1.0,
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        }
    }

    /// The base alone is no rival that was looked for, and votes that were cut short are
    /// not those of equal cost.
    #[test]
    fn no_gain_is_claimed_before_its_rivals_are_known() {
        let base = outcome("base", Kind::Base, 40, 10);
        let adapted = outcome("adapted", Kind::Adapted, 60, 1000);
        let votes = outcome("votes", Kind::Baseline, 45, 900);
        assert!(verdict(&[base.clone(), adapted.clone()]).is_none());
        let all = [base.clone(), adapted.clone(), votes.clone()];
        assert!(verdict(&all).unwrap().gains);
        let capped = Outcome {
            is_capped: true,
            ..votes
        };
        let of = verdict(&[base, adapted, capped]).unwrap();
        assert!(!of.gains && of.sentence.contains("baselines.max_votes"));
        assert!(!of.sentence.contains("adaptation gains"), "{}", of.sentence);
    }

    #[test]
    fn only_a_significant_gain_at_equal_cost_is_called_one() {
        let check = |rival: (Kind, usize, u64), best: &str, gains: bool| {
            let (kind, n_right, tokens) = rival;
            let all = [
                outcome("base", Kind::Base, 40, 10),
                outcome("adapted", Kind::Adapted, 60, 1000),
                // Without any baseline nothing is said.
                outcome("weak", Kind::Baseline, 10, 900),
                outcome("rival", kind, n_right, tokens),
            ];
            let verdict = verdict(&all).unwrap();
            assert_eq!(
                (verdict.best.as_str(), verdict.gains),
                (best, gains),
                "{rival:?}"
            );
            assert_eq!(verdict.sentence.starts_with("adaptation gains"), gains);
        };
        check((Kind::Baseline, 30, 900), "base", true);
        check((Kind::Baseline, 58, 900), "rival", false);
        check((Kind::Baseline, 58, 5000), "base", true);
        check((Kind::Ceiling, 90, 900), "base", true);
        check((Kind::Guide, 58, 90_000), "rival", false);
        check((Kind::Baseline, 70, 900), "rival", false);
    }

    #[test]
    fn an_outcome_reads_back() {
        let mut of = outcome("x", Kind::Adapted, 3, 7);
        of.parts.push(("seen".into(), Accuracy::of([true, false])));
        let text = serde_json::to_string(&of).unwrap();
        assert!(text.contains("\"right\":\"111000"), "{text}");
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), of);
    }
}
