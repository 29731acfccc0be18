//! The methods as they are chosen, the decorrelated lift as one of its own.

use super::{Layers, LiftSpec, LoraSpec, Method, PaperLiteralSpec, StandardSpec, StartState};

/// A method as it is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    /// [`Method::Base`].
    Base,
    /// [`Method::Standard`].
    Standard,
    /// [`Method::Lifted`] without decorrelation.
    Lifted,
    /// [`Method::Lifted`] with decorrelation.
    Decorrelated,
    /// [`Method::PaperLiteral`].
    PaperLiteral,
    /// [`Method::Lora`].
    Lora,
}

impl MethodKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Base,
        Self::Standard,
        Self::Lifted,
        Self::Decorrelated,
        Self::PaperLiteral,
        Self::Lora,
    ];

    /// Which one a method is.
    pub fn of(method: &Method) -> Self {
        match method {
            Method::Base => Self::Base,
            Method::Standard(_) => Self::Standard,
            Method::Lifted(lift) if lift.decorrelation.is_none() => Self::Lifted,
            Method::Lifted(_) => Self::Decorrelated,
            Method::PaperLiteral(_) => Self::PaperLiteral,
            Method::Lora(_) => Self::Lora,
        }
    }

    /// The name that the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => mark!("Base, untuned"),
            Self::Standard => mark!("Standard"),
            Self::Lifted => mark!("Lifted"),
            Self::Decorrelated => mark!("Lifted and decorrelated"),
            Self::PaperLiteral => mark!("The paper as printed"),
            Self::Lora => "LoRA",
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
            Method::Base | Method::Standard(_) | Method::PaperLiteral(_) | Method::Lora(_) => {
                LiftSpec {
                    layers: layers.clone(),
                    start: start.clone(),
                    ..LiftSpec::default()
                }
            }
        };
        match self {
            Self::Base => Method::Base,
            Self::Standard => Method::Standard(StandardSpec {
                layers,
                start,
                ..StandardSpec::default()
            }),
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
            Self::PaperLiteral => Method::PaperLiteral(PaperLiteralSpec {
                layers,
                ..PaperLiteralSpec::default()
            }),
            Self::Lora => Method::Lora(LoraSpec {
                layers,
                start,
                ..LoraSpec::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_keeps_what_it_has_in_common_with_the_one_before() {
        let mut method = Method::Standard(StandardSpec {
            layers: Layers::Only(vec![2]),
            start: StartState::Text("a".into()),
            ..StandardSpec::default()
        });
        for kind in [
            MethodKind::Decorrelated,
            MethodKind::Lifted,
            MethodKind::Lora,
            MethodKind::Standard,
        ] {
            method = kind.method(&method);
            assert_eq!(MethodKind::of(&method), kind);
            let (layers, start) = method.tuned().unwrap();
            assert_eq!(*layers, Layers::Only(vec![2]));
            assert_eq!(*start, StartState::Text("a".into()));
        }
        let base = MethodKind::Base.method(&method);
        assert_eq!(MethodKind::of(&base), MethodKind::Base);
    }
}
