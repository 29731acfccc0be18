//! Where the value of a field lies in a specification.

use std::path::PathBuf;

use super::choice::Choice;
use crate::format::{plain, shown};
use crate::tuning::spec::{EarlyStopping, Gamma};

/// The value of a field, to be read and changed in its place.
pub enum Slot<'a> {
    /// A whole number.
    Count(&'a mut usize),
    /// A seed.
    Seed(&'a mut u64),
    /// A number.
    Real(&'a mut f64),
    /// A whole number that can be left out.
    OptionalCount(&'a mut Option<usize>),
    /// A number that can be left out.
    OptionalReal(&'a mut Option<f64>),
    /// The same of early stopping.
    Patience(&'a mut Option<EarlyStopping>),
    /// The same of a sharpness, which is then found by the program.
    Gamma(&'a mut Gamma),
    /// On or off.
    Switch(&'a mut bool),
    /// One of several.
    Choice(&'a mut dyn Choice),
    /// A text.
    Text(&'a mut String),
    /// A file or a folder.
    Path(&'a mut PathBuf),
    /// A file that can be left out.
    OptionalPath(&'a mut Option<PathBuf>),
    /// Layers, counted from 0.
    Layers(&'a mut Vec<usize>),
}

/// A number and whether it is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// The field takes no number.
    No,
    /// It is left out.
    Absent,
    /// It is there.
    Is(f64),
}

impl Slot<'_> {
    /// The number that stands there. A count or a seed is rounded to 53 bits, which
    /// no range is so fine as to notice.
    pub fn number(&self) -> Number {
        let of = |value: Option<f64>| value.map_or(Number::Absent, Number::Is);
        match self {
            Self::Count(value) => Number::Is(**value as f64),
            Self::Seed(value) => Number::Is(**value as f64),
            Self::Real(value) => Number::Is(**value),
            Self::OptionalCount(value) => of(value.map(|value| value as f64)),
            Self::OptionalReal(value) => of(**value),
            Self::Patience(value) => of(value.map(|it| it.patience as f64)),
            Self::Gamma(Gamma::Value(value)) => Number::Is(*value),
            Self::Gamma(Gamma::Median) => Number::Absent,
            Self::Switch(_)
            | Self::Choice(_)
            | Self::Text(_)
            | Self::Path(_)
            | Self::OptionalPath(_)
            | Self::Layers(_) => Number::No,
        }
    }

    /// The value as the user sees it; nothing where it is left out.
    pub fn words(&self) -> Option<String> {
        Some(match self {
            Self::Count(value) => value.to_string(),
            Self::Seed(value) => value.to_string(),
            Self::Real(value) => plain(**value),
            Self::OptionalCount(value) => (**value)?.to_string(),
            Self::OptionalReal(value) => plain((**value)?),
            Self::Patience(value) => (**value)?.patience.to_string(),
            Self::Gamma(Gamma::Value(value)) => plain(*value),
            Self::Gamma(Gamma::Median) => return None,
            Self::Switch(is_on) => if **is_on { tr!("on") } else { tr!("off") }.to_owned(),
            Self::Choice(value) => value.name(),
            Self::Text(value) => (**value).clone(),
            Self::Path(path) => shown(path).to_string(),
            Self::OptionalPath(path) => shown(path.as_ref()?).to_string(),
            Self::Layers(layers) => {
                let layers: Vec<String> = layers.iter().map(usize::to_string).collect();
                layers.join(", ")
            }
        })
    }
}

/// A slot of whatever lies there.
macro_rules! slots {
    ($($kind:ident: $of:ty),* $(,)?) => {$(
        impl<'a> From<&'a mut $of> for Slot<'a> {
            fn from(value: &'a mut $of) -> Self {
                Self::$kind(value)
            }
        }
    )*};
}

slots! {
    Count: usize,
    Seed: u64,
    Real: f64,
    OptionalCount: Option<usize>,
    OptionalReal: Option<f64>,
    Patience: Option<EarlyStopping>,
    Gamma: Gamma,
    Switch: bool,
    Text: String,
    Path: PathBuf,
    OptionalPath: Option<PathBuf>,
    Layers: Vec<usize>,
}
