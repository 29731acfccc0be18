//! The choices of a method and of its training.

use std::path::PathBuf;

use super::{Choice, names};
use crate::language;
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, Layers, Method, MethodKind, OptimizerSpec, Schedule,
    StartState, TrainingSpec,
};

impl Choice for Method {
    fn names(&self) -> Vec<String> {
        MethodKind::ALL
            .map(|kind| language::text(kind.name()).to_owned())
            .into()
    }

    fn chosen(&self) -> usize {
        let kind = MethodKind::of(self);
        let all = MethodKind::ALL.iter();
        all.clone().position(|it| *it == kind).unwrap_or_default()
    }

    fn choose(&mut self, idx: usize) {
        *self = MethodKind::ALL[idx].method(self);
    }
}

impl Choice for Layers {
    fn names(&self) -> Vec<String> {
        names([tr!("All"), tr!("Only")])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Only(_) => 1,
        }
    }

    fn choose(&mut self, idx: usize) {
        *self = match idx {
            0 => Self::All,
            _ => Self::Only(vec![0]),
        };
    }
}

impl Choice for StartState {
    fn names(&self) -> Vec<String> {
        names([tr!("Zero"), tr!("State file"), tr!("State after a text")])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::Zero => 0,
            Self::File(_) => 1,
            Self::Text(_) => 2,
        }
    }

    fn choose(&mut self, idx: usize) {
        *self = match idx {
            0 => Self::Zero,
            1 => Self::File(PathBuf::new()),
            _ => Self::Text(String::new()),
        };
    }
}

impl Choice for OptimizerSpec {
    fn names(&self) -> Vec<String> {
        names(["Adam", "AdamW", "SGD"])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::Adam { .. } => 0,
            Self::AdamW { .. } => 1,
            Self::Sgd { .. } => 2,
        }
    }

    fn choose(&mut self, idx: usize) {
        let of = |optimizer| match optimizer {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
            }
            | Self::AdamW {
                beta1,
                beta2,
                epsilon,
                ..
            } => Some((beta1, beta2, epsilon)),
            Self::Sgd { .. } => None,
        };
        let default = || of(TrainingSpec::default().optimizer);
        let (beta1, beta2, epsilon) = of(*self).or_else(default).unwrap_or_default();
        *self = match idx {
            0 => Self::Adam {
                beta1,
                beta2,
                epsilon,
            },
            1 => Self::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay: 0.01,
            },
            _ => Self::Sgd { momentum: 0.9 },
        };
    }
}

impl Choice for Schedule {
    fn names(&self) -> Vec<String> {
        names([tr!("Cosine"), tr!("Linear"), tr!("Constant")])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::Cosine { .. } => 0,
            Self::Linear { .. } => 1,
            Self::Constant => 2,
        }
    }

    fn choose(&mut self, idx: usize) {
        let of = |schedule| match schedule {
            Self::Cosine { last } | Self::Linear { last } => Some(last),
            Self::Constant => None,
        };
        let default = || of(TrainingSpec::default().schedule);
        let last = of(*self).or_else(default).unwrap_or_default();
        *self = match idx {
            0 => Self::Cosine { last },
            1 => Self::Linear { last },
            _ => Self::Constant,
        };
    }
}

impl Choice for DecorrelationRule {
    fn names(&self) -> Vec<String> {
        names([tr!("Local rule"), tr!("Joint"), tr!("Scalar (control)")])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::LocalRule { .. } => 0,
            Self::Joint { .. } => 1,
            Self::ScalarRms { .. } => 2,
        }
    }

    fn choose(&mut self, idx: usize) {
        let of = |rule| match rule {
            Self::LocalRule { kappa, .. } | Self::Joint { kappa, .. } => Some(kappa),
            Self::ScalarRms { .. } => None,
        };
        let default = DecorrelationSpec::default().rule;
        let kappa = of(*self).or(of(default)).unwrap_or_default();
        let eta = match default {
            Self::LocalRule { eta, .. } | Self::ScalarRms { eta } => eta,
            Self::Joint { learning_rate, .. } => learning_rate,
        };
        *self = match idx {
            0 => Self::LocalRule { eta, kappa },
            1 => Self::Joint {
                lambda: 1.0,
                kappa,
                learning_rate: 0.003,
            },
            _ => Self::ScalarRms { eta: 0.025 },
        };
    }
}
