//! The cards from which the method is chosen.

use crate::tuning::spec::{Layers, LiftSpec, Method, PaperLiteralSpec, StandardSpec, StartState};

/// A method as the user chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    Base,
    Standard,
    Lifted,
    Decorrelated,
    Literal,
}

impl Card {
    /// The paper's recurrence comes by a preset, and then has a card too.
    pub const OFFERED: [Self; 4] = [Self::Base, Self::Standard, Self::Lifted, Self::Decorrelated];

    /// Which one a method is.
    pub fn of(method: &Method) -> Self {
        match method {
            Method::Base => Self::Base,
            Method::Standard(_) => Self::Standard,
            Method::Lifted(lift) if lift.decorrelation.is_none() => Self::Lifted,
            Method::Lifted(_) => Self::Decorrelated,
            Method::PaperLiteral(_) => Self::Literal,
        }
    }

    /// The name the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "Base, untuned",
            Self::Standard => "Standard",
            Self::Lifted => "Lifted",
            Self::Decorrelated => "Lifted and decorrelated",
            Self::Literal => "The paper as printed",
        }
    }

    /// What it adds to the one above it.
    pub fn adds(self) -> &'static str {
        match self {
            Self::Base => "Trains nothing; measures the untuned model.",
            Self::Standard => "Trains the initial state S₀: y = S r",
            Self::Lifted => {
                "Adds a readout of M kernel features of the receptance: y = S r + Z φ(r)"
            }
            Self::Decorrelated => "Adds R, which decorrelates the features: z = R φ(r)",
            Self::Literal => "Replaces the model\u{2019}s recurrence by one over R φ: y = Z R φ(r)",
        }
    }

    /// The method as it is first.
    pub fn by_default(self) -> Method {
        self.method(&Method::Base)
    }

    /// The method, with what the one before had in common with it.
    pub fn method(self, before: &Method) -> Method {
        let (layers, start) = match before.tuned() {
            Some((layers, start)) => (layers.clone(), start.clone()),
            None => (Layers::All, StartState::Zero),
        };
        let lifted = || match before {
            Method::Lifted(lift) => lift.clone(),
            Method::Base | Method::Standard(_) | Method::PaperLiteral(_) => LiftSpec {
                layers: layers.clone(),
                start: start.clone(),
                ..LiftSpec::default()
            },
        };
        match self {
            Self::Base => Method::Base,
            Self::Standard => Method::Standard(StandardSpec { layers, start }),
            Self::Lifted => Method::Lifted(LiftSpec {
                decorrelation: None,
                ..lifted()
            }),
            Self::Decorrelated => {
                let lifted = lifted();
                let decorrelation = lifted.decorrelation.unwrap_or_default();
                Method::Lifted(LiftSpec {
                    decorrelation: Some(decorrelation),
                    ..lifted
                })
            }
            Self::Literal => Method::PaperLiteral(PaperLiteralSpec {
                layers,
                ..PaperLiteralSpec::default()
            }),
        }
    }
}
