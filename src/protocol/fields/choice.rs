//! The choices of a specification, with the names that the user sees.

mod training;

use std::path::PathBuf;

use crate::data::{Benchmark, MmluTemplate, Template};
use crate::kernels::device::DeviceChoice;
use crate::language;
use crate::model::checkpoint::has_ending_of_weights;
use crate::protocol::run_spec::{
    CheckpointSource, DataSource, EvaluationSplit, HeldOut, LeadingToken, LongTexts, Precision,
    VocabularySource,
};
use crate::tuning::spec::{Dynamics, LossOn, SelectBy, SupportVectors, TunedParts};

/// One of several.
pub trait Choice {
    /// The names of all of them.
    fn names(&self) -> Vec<String>;
    /// The number of the one that is chosen.
    fn chosen(&self) -> usize;
    /// Chooses another by its number; fields that both have keep their values.
    fn choose(&mut self, idx: usize);

    /// The name of the one that is chosen.
    fn name(&self) -> String {
        self.names().swap_remove(self.chosen())
    }
}

/// Choices without fields of their own.
macro_rules! plain_choices {
    ($($of:ty { $($variant:ident => $name:expr),* $(,)? })*) => {$(
        impl Choice for $of {
            fn names(&self) -> Vec<String> {
                [$($name),*].map(|name| language::text(name).to_owned()).into()
            }

            fn chosen(&self) -> usize {
                let all = [$(Self::$variant),*];
                all.iter().position(|it| it == self).unwrap_or_default()
            }

            fn choose(&mut self, idx: usize) {
                *self = [$(Self::$variant),*][idx];
            }
        }
    )*};
}

plain_choices! {
    Precision {
        Auto => mark!("The widest that fits"),
        F32 => mark!("32-bit floats"),
        BF16 => "bfloat16",
        F16 => mark!("16-bit floats"),
        Int8 => mark!("8-bit integers"),
        NF4 => mark!("4-bit NF4"),
    }
    LossOn {
        Answer => mark!("Every answer"),
        LastAnswer => mark!("The last answer"),
        Marked => mark!("Marked turns"),
        Everything => mark!("Every token"),
    }
    LeadingToken {
        Zero => mark!("Token 0"),
        None => mark!("None"),
        Both => mark!("Both, at random"),
    }
    LongTexts {
        Auto => mark!("Split or leave out"),
        Drop => mark!("Leave out"),
        Cut => mark!("Cut at the end"),
        Split => mark!("Split"),
    }
    EvaluationSplit {
        Test => mark!("Test"),
        Validation => mark!("Validation"),
    }
    MmluTemplate {
        LmEval => "lm-eval",
        Rwkv => "RWKV-LM",
    }
    SelectBy {
        ValidationLoss => mark!("Best loss"),
        ValidationAccuracy => mark!("Best accuracy"),
        LastStep => mark!("Last"),
    }
    SupportVectors {
        Cluster => mark!("Clusters"),
        Random => mark!("Random"),
    }
    TunedParts {
        S0 => "S₀",
        S0AndShift => mark!("S₀ and token shifts"),
    }
    Dynamics {
        Constant => mark!("Constant"),
        Decayed => mark!("Decayed"),
        Recurrent => mark!("Recurrent"),
    }
}

/// Names as a list of them.
fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).into()
}

impl Choice for DeviceChoice {
    fn names(&self) -> Vec<String> {
        let mut all = names([tr!("Automatic"), "CPU", tr!("First GPU")]);
        if let Self::GpuIndex(index) = self {
            all.push(format!("GPU {index}"));
        }
        all
    }

    fn chosen(&self) -> usize {
        match self {
            Self::Auto => 0,
            Self::Cpu => 1,
            Self::Gpu => 2,
            Self::GpuIndex(_) => 3,
        }
    }

    fn choose(&mut self, idx: usize) {
        match idx {
            0 => *self = Self::Auto,
            1 => *self = Self::Cpu,
            2 => *self = Self::Gpu,
            _ => {}
        }
    }
}

impl Choice for CheckpointSource {
    fn names(&self) -> Vec<String> {
        names([tr!("Mini, 7 M"), tr!("File"), tr!("Folder")])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::Mini => 0,
            // By its name, for this is asked in every frame.
            Self::File(path) if has_ending_of_weights(path) => 1,
            Self::File(_) => 2,
        }
    }

    fn choose(&mut self, idx: usize) {
        *self = match idx {
            0 => Self::Mini,
            // Names that stand for what is chosen then.
            1 => Self::File("model.pth".into()),
            _ => Self::File("model".into()),
        };
    }
}

impl Choice for VocabularySource {
    fn names(&self) -> Vec<String> {
        names([tr!("Auto"), tr!("Mini"), "World", tr!("File")])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::Auto => 0,
            Self::Mini => 1,
            Self::World => 2,
            Self::File(_) => 3,
        }
    }

    fn choose(&mut self, idx: usize) {
        *self = match idx {
            0 => Self::Auto,
            1 => Self::Mini,
            2 => Self::World,
            _ => Self::File(PathBuf::new()),
        };
    }
}

impl Choice for Template {
    fn names(&self) -> Vec<String> {
        names([
            tr!("Plain"),
            tr!("User, Assistant"),
            tr!("Thoughts"),
            tr!("Thoughts (think)"),
            tr!("Thoughts (think a bit)"),
            tr!("Thoughts (think a lot)"),
            tr!("Empty thoughts"),
            tr!("Empty thoughts, one line"),
            "Alpaca",
            tr!("File"),
        ])
    }

    fn chosen(&self) -> usize {
        let built_in = Self::BUILT_IN.iter().position(|it| it == self);
        built_in.unwrap_or(Self::BUILT_IN.len())
    }

    fn choose(&mut self, idx: usize) {
        let built_in = Self::BUILT_IN.get(idx).cloned();
        *self = built_in.unwrap_or_else(|| Self::File(PathBuf::new()));
    }
}

impl Choice for HeldOut {
    fn names(&self) -> Vec<String> {
        names([
            tr!("Automatic"),
            tr!("None"),
            tr!("A share"),
            tr!("A number"),
        ])
    }

    fn chosen(&self) -> usize {
        match self {
            Self::Auto => 0,
            Self::None => 1,
            Self::Share(_) => 2,
            Self::Count(_) => 3,
        }
    }

    fn choose(&mut self, idx: usize) {
        *self = match idx {
            0 => Self::Auto,
            1 => Self::None,
            2 => Self::Share(0.1),
            _ => Self::Count(50),
        };
    }
}

impl DataSource {
    /// Every kind of source, without its files.
    pub fn all() -> Vec<Self> {
        let mini = Benchmark::ALL.map(Self::Mini);
        let official = Benchmark::ALL.map(|benchmark| Self::Official {
            benchmark,
            folder: PathBuf::new(),
        });
        let texts = Self::Jsonl {
            train: PathBuf::new(),
            validation: None,
            template: Template::default(),
        };
        mini.into_iter().chain(official).chain([texts]).collect()
    }
}

impl Choice for DataSource {
    fn names(&self) -> Vec<String> {
        let name = |of: &Self| match of {
            Self::Mini(of) => of.mini_name().to_owned(),
            Self::Official { benchmark, .. } => tr!("{} (official files)", benchmark.name()),
            Self::Jsonl { .. } => tr!("Your own texts").into(),
        };
        Self::all().iter().map(name).collect()
    }

    fn chosen(&self) -> usize {
        let is_like = |of: &Self| match (of, self) {
            (Self::Mini(a), Self::Mini(b)) => a == b,
            (Self::Official { benchmark: a, .. }, Self::Official { benchmark: b, .. }) => a == b,
            (Self::Jsonl { .. }, Self::Jsonl { .. }) => true,
            (Self::Mini(_) | Self::Official { .. } | Self::Jsonl { .. }, _) => false,
        };
        Self::all().iter().position(is_like).unwrap_or_default()
    }

    fn choose(&mut self, idx: usize) {
        *self = Self::all().swap_remove(idx);
    }
}
