//! The paper's recurrence as it is printed, and what it has in common with the
//! residual formulation.

use serde::{Deserialize, Serialize};

use super::{
    DecorrelationRule, DecorrelationSpec, Dynamics, FeatureSpec, Layers, LiftSpec, Method,
    StartState,
};

/// The paper's recurrence as it is printed, in place of the model's own:
///
/// ```text
/// S_t = S_{t-1} (diag(R phi(w)) - R phi(kk) (R phi(a) * R phi(kk))^T) + R phi(v) (R phi(k))^T
/// y_t = Q S_t R phi(r)
/// ```
///
/// Vectors are not made unit vectors before the kernels. Step 0 is not the
/// untuned model, and a decay outside 0 to 1 is clamped. S_0 starts from zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaperLiteralSpec {
    /// The layers whose recurrence is replaced.
    pub layers: Layers,
    /// What is made of r, w, k, v, kk and the in-context learning rate.
    pub features: FeatureSpec,
    /// The decorrelation of the features; none without it.
    pub decorrelation: Option<DecorrelationSpec>,
    /// Peak learning rate of S_0.
    pub learning_rate_lift: f64,
}

impl Default for PaperLiteralSpec {
    fn default() -> Self {
        Self {
            layers: Layers::All,
            features: FeatureSpec::default(),
            decorrelation: Some(DecorrelationSpec::default()),
            learning_rate_lift: 0.03,
        }
    }
}

/// What happens to a lifted state from token to token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LiftKind {
    /// [`Dynamics::Constant`].
    Constant,
    /// [`Dynamics::Decayed`].
    Decayed,
    /// [`Dynamics::Recurrent`].
    Recurrent,
    /// [`Method::PaperLiteral`].
    PaperLiteral,
}

impl From<Dynamics> for LiftKind {
    fn from(dynamics: Dynamics) -> Self {
        match dynamics {
            Dynamics::Constant => Self::Constant,
            Dynamics::Decayed => Self::Decayed,
            Dynamics::Recurrent => Self::Recurrent,
        }
    }
}

impl LiftKind {
    /// Whether the state moves by a recurrence of N x M, and is no readout of
    /// the present token.
    pub fn is_recurrence(self) -> bool {
        match self {
            Self::Constant | Self::Decayed => false,
            Self::Recurrent | Self::PaperLiteral => true,
        }
    }

    /// Vectors that are lifted of every token: r; with k and kk; with w, the
    /// in-context learning rate and v too.
    pub fn n_lifted(self) -> usize {
        match self {
            Self::Constant | Self::Decayed => 1,
            Self::Recurrent => 3,
            Self::PaperLiteral => 6,
        }
    }
}

/// The learning rates of a step beside that of S_0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiftRates {
    /// Of the lifted state.
    pub lift: f64,
    /// Of R, where there is one: it follows the schedule where R is trained and is
    /// the same in every step where R follows the features by a rule.
    pub decorrelation: Option<f64>,
}

/// What every lifted run has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lifting<'a> {
    /// What happens from token to token.
    pub kind: LiftKind,
    /// The layers that have a lifted state.
    pub layers: &'a Layers,
    /// Train the plain S_0 beside it.
    pub tune_s0: bool,
    /// The kernel features.
    pub features: FeatureSpec,
    /// Their decorrelation.
    pub decorrelation: Option<DecorrelationSpec>,
    /// Peak learning rate of the lifted state.
    pub learning_rate_lift: f64,
}

impl Lifting<'_> {
    /// The rates of a step in which S_0 has `share` of its peak.
    pub fn rates(&self, share: f64) -> LiftRates {
        let of_rule = |rule| match rule {
            DecorrelationRule::Joint { learning_rate, .. } => share * learning_rate,
            DecorrelationRule::LocalRule { eta, .. } | DecorrelationRule::ScalarRms { eta } => eta,
        };
        LiftRates {
            lift: share * self.learning_rate_lift,
            decorrelation: self.decorrelation.map(|of| of_rule(of.rule)),
        }
    }
}

impl Method {
    /// The layers that are trained and what S_0 starts from; none where nothing is.
    pub fn tuned(&self) -> Option<(&Layers, &StartState)> {
        match self {
            Self::Base => None,
            Self::Standard(standard) => Some((&standard.layers, &standard.start)),
            Self::Lifted(lifted) => Some((&lifted.layers, &lifted.start)),
            Self::PaperLiteral(literal) => Some((&literal.layers, &StartState::Zero)),
            Self::Lora(lora) => Some((&lora.layers, &lora.start)),
        }
    }

    /// As [`Self::tuned`], to change it; none where S_0 cannot be chosen.
    pub fn tuned_mut(&mut self) -> Option<(&mut Layers, &mut StartState)> {
        match self {
            Self::Base | Self::PaperLiteral(_) => None,
            Self::Standard(standard) => Some((&mut standard.layers, &mut standard.start)),
            Self::Lifted(lifted) => Some((&mut lifted.layers, &mut lifted.start)),
            Self::Lora(lora) => Some((&mut lora.layers, &mut lora.start)),
        }
    }

    /// What S_0 starts from, to change it; none where that cannot be chosen.
    pub fn start_mut(&mut self) -> Option<&mut StartState> {
        self.tuned_mut().map(|(_, start)| start)
    }
    /// The lifted state of a method that has one.
    pub fn lifting(&self) -> Option<Lifting<'_>> {
        match self {
            Self::Base | Self::Standard(_) | Self::Lora(_) => None,
            Self::Lifted(LiftSpec {
                layers,
                start: _,
                tune_s0,
                features,
                dynamics,
                decorrelation,
                learning_rate_lift,
            }) => Some(Lifting {
                kind: (*dynamics).into(),
                layers,
                tune_s0: *tune_s0,
                features: *features,
                decorrelation: *decorrelation,
                learning_rate_lift: *learning_rate_lift,
            }),
            Self::PaperLiteral(PaperLiteralSpec {
                layers,
                features,
                decorrelation,
                learning_rate_lift,
            }) => Some(Lifting {
                kind: LiftKind::PaperLiteral,
                layers,
                tune_s0: false,
                features: *features,
                decorrelation: *decorrelation,
                learning_rate_lift: *learning_rate_lift,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_that_of_s0_or_their_rule() {
        let rates = |rule: Option<DecorrelationRule>, share: f64| {
            let decorrelation = rule.map(|rule| DecorrelationSpec {
                rule,
                ..DecorrelationSpec::default()
            });
            let method = Method::Lifted(LiftSpec {
                learning_rate_lift: 0.04,
                decorrelation,
                ..LiftSpec::default()
            });
            method.lifting().map(|lifting| lifting.rates(share))
        };
        let expect = |lift: f64, decorrelation: Option<f64>| {
            Some(LiftRates {
                lift,
                decorrelation,
            })
        };
        let (eta, kappa, lambda) = (0.001, 0.5, 1.0);
        let local = DecorrelationRule::LocalRule { eta, kappa };
        let joint = DecorrelationRule::Joint {
            lambda,
            kappa,
            learning_rate: 0.02,
        };
        assert_eq!(rates(None, 0.5), expect(0.02, None));
        assert_eq!(rates(Some(local), 0.5), expect(0.02, Some(eta)));
        assert_eq!(rates(Some(joint), 0.5), expect(0.02, Some(0.01)));
        assert_eq!(Method::Base.lifting(), None);
    }
}
