//! What a sweep is, as plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values::Values;
use crate::protocol::run_spec::RunSpec;

/// Many runs, each a change of one. Fields that are left out of a RON file take
/// their defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepSpec {
    /// A short name, that of the sweep's folder and the start of its runs' names.
    pub name: String,
    /// The run that all others are changes of.
    pub base: BaseRun,
    /// Changes to it that hold for every run, as `--set` takes them.
    pub set: Vec<String>,
    /// The searches, one after another.
    pub parts: Vec<SweepPart>,
    /// What the best run of a part is chosen by; both are measured on
    /// validation data.
    pub choose_by: ChooseBy,
    /// Score the best run of every part on the test split, once.
    pub test: bool,
}

/// The run that all others are changes of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum BaseRun {
    /// One that ships with the program.
    Preset(String),
    /// A run specification, a RON file.
    File(PathBuf),
    /// This one.
    Run(Box<RunSpec>),
}

/// A search, whose best run is found apart from those of other parts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepPart {
    /// What the part is called in tables.
    pub name: String,
    /// Changes that hold for its runs.
    pub set: Vec<String>,
    /// Which runs.
    pub search: Search,
    /// Give up the worse ones early.
    pub halving: Option<Halving>,
}

/// Which runs a part has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Search {
    /// Every combination; the first axis changes slowest.
    Grid(Vec<Axis>),
    /// Combinations drawn at random: evenly over a linear range, evenly in the
    /// logarithm over a logarithmic one, evenly among the values of a list.
    Random {
        /// What is drawn.
        axes: Vec<Axis>,
        /// How many combinations.
        n_runs: usize,
        /// Seed of the draws.
        seed: u64,
    },
    /// These changes, a list for every run, as `--set` takes them.
    List(Vec<Vec<String>>),
}

/// A field and the values it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The field's path, as in `training.learning_rate`.
    pub field: String,
    /// Its values.
    pub values: Values,
}

/// Successive halving (Jamieson and Talwalkar 2016): all runs of a part take
/// `first_steps`, those with the lowest validation loss continue to `factor` times
/// as many, and so on to the end. The learning rate of every run follows the
/// schedule of its whole length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// Steps that every run takes; a multiple of `training.validate_every`.
    pub first_steps: usize,
    /// One run of so many continues, with so many times the steps.
    pub factor: usize,
}

/// What the best run is chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ChooseBy {
    /// The lowest validation loss of any step.
    #[default]
    ValidationLoss,
    /// The highest accuracy of the tuned model on the validation split.
    ValidationAccuracy,
}

impl Default for SweepSpec {
    fn default() -> Self {
        Self {
            name: "sweep".into(),
            base: BaseRun::Preset("standard".into()),
            set: Vec::new(),
            parts: Vec::new(),
            choose_by: ChooseBy::default(),
            test: true,
        }
    }
}

impl SweepSpec {
    /// The fields that runs differ in, as they are written; a field may be there
    /// more than once.
    pub fn searched_fields(&self) -> Vec<String> {
        let of_part = |part: &SweepPart| -> Vec<String> {
            match &part.search {
                Search::Grid(axes) | Search::Random { axes, .. } => {
                    axes.iter().map(|axis| axis.field.clone()).collect()
                }
                Search::List(runs) => {
                    let changes = runs.iter().flatten();
                    let field = |change: &String| change.split('=').next().map(str::to_owned);
                    let fields = changes.filter_map(field);
                    fields.map(|field| field.trim().to_owned()).collect()
                }
            }
        };
        self.parts.iter().flat_map(of_part).collect()
    }
}

impl Default for Search {
    fn default() -> Self {
        Self::Grid(Vec::new())
    }
}

impl ChooseBy {
    /// In words, as in "chosen by".
    pub fn words(self) -> &'static str {
        match self {
            Self::ValidationLoss => mark!("the lowest validation loss"),
            Self::ValidationAccuracy => mark!("the highest accuracy on the validation split"),
        }
    }
}
