//! What every field of the configuration is by default, as a specification has
//! it and as the user sees it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::card::Card;
use super::names;
use crate::data::Template;
use crate::persist::spec_file::fields;
use crate::protocol::run_spec::{DataSource, RunSpec};
use crate::tuning::spec::{DecorrelationRule, DecorrelationSpec, Method, OptimizerSpec, Schedule};
use crate::ui::widgets::field::{Field, Takes};
use crate::ui::widgets::field_row::FieldDefaults;

/// Choices with fields of their own: they are as by default where the choice is,
/// whatever those fields are.
const WITH_FIELDS: [&str; 3] = [
    "training.schedule",
    "training.optimizer",
    "method.decorrelation.rule",
];
/// The choice that the fields of data depend on.
const SOURCE: &str = "data.source";
/// The method, whose fields are told as it has them first.
const METHOD: &str = "method";

/// The defaults of the fields that a draft has, and which it differs in.
#[derive(Debug, Default)]
pub struct Defaults {
    of: Option<RunSpec>,
    /// By the dotted paths of the fields.
    known: BTreeMap<String, Known>,
    /// The field that the user wants back.
    asked: Cell<Option<&'static str>>,
}

/// The default of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// As a specification has it.
    value: String,
    /// Whether the draft has something else.
    is_other: bool,
    /// What the user sees of a choice.
    name: Option<String>,
}

impl Defaults {
    /// Those of a draft.
    #[cfg(test)]
    pub fn of(draft: &RunSpec) -> Self {
        let mut defaults = Self::default();
        defaults.look_at(draft);
        defaults
    }

    /// Goes over to another draft.
    pub fn look_at(&mut self, draft: &RunSpec) {
        if self.of.as_ref() == Some(draft) {
            return;
        }
        self.of = Some(draft.clone());
        let (first, like) = (first_choices(draft), like(draft));
        // A path that is not Unicode has no text, and then nothing is marked.
        let present: BTreeMap<String, String> =
            fields(draft).unwrap_or_default().into_iter().collect();
        let mut known = BTreeMap::new();
        for (of, is_choice) in [(&like, false), (&first, true)] {
            for (path, value) in fields(of).unwrap_or_default() {
                let is_of_choice = WITH_FIELDS.contains(&path.as_str()) || path == SOURCE;
                if is_of_choice != is_choice {
                    continue;
                }
                let head = |value: &str| match WITH_FIELDS.contains(&path.as_str()) {
                    true => value.split('(').next().unwrap_or_default().to_owned(),
                    false => value.to_owned(),
                };
                let is_other = present
                    .get(&path)
                    .is_some_and(|present| head(present) != head(&value));
                let default = Known {
                    is_other,
                    name: names::name_at(&path, of),
                    value,
                };
                known.insert(path, default);
            }
        }
        if let (Some(method), default) = (known.get_mut(METHOD), RunSpec::default()) {
            method.name = names::name_at(METHOD, &default);
        }
        self.known = known;
    }

    /// The default of a field as a specification has it.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.known.get(path).map(|default| default.value.as_str())
    }

    /// The field that the user wants back, once.
    pub fn take_asked(&self) -> Option<&'static str> {
        self.asked.take()
    }
}

impl FieldDefaults for Defaults {
    /// Whether the draft has something else than the default.
    fn is_other(&self, field: &Field) -> bool {
        field.takes != Takes::Own
            && self
                .known
                .get(field.path)
                .is_some_and(|default| default.is_other)
    }

    /// The default as the user sees it.
    fn words(&self, field: &Field) -> String {
        let Some(default) = self.known.get(field.path) else {
            return String::new();
        };
        let value = default.value.as_str();
        match field.takes {
            Takes::Own => String::new(),
            Takes::Text => value.trim_matches('"').to_owned(),
            Takes::Switch => match value {
                "true" => "on".into(),
                _ => "off".into(),
            },
            Takes::Choice => default.name.clone().unwrap_or_default(),
            Takes::Number(_) => names::printed(value),
            Takes::Optional(_, absent) => {
                let number = value.rsplit(['(', ':']).next().unwrap_or_default();
                let number = number.trim_end_matches(')');
                match number.parse::<f64>() {
                    Ok(_) => names::printed(number),
                    Err(_) => absent.to_owned(),
                }
            }
        }
    }

    /// What the user is told of the default, and of what else can be put there.
    fn told(&self, field: &Field) -> String {
        field.told(&self.words(field))
    }

    /// Notes that the user wants a field back as it is by default.
    fn ask_back(&self, field: &Field) {
        self.asked.set(Some(field.path));
    }
}

/// The default run with the method of the draft, which has fields that others
/// have not.
fn first_choices(draft: &RunSpec) -> RunSpec {
    RunSpec {
        method: Card::of(&draft.method).by_default(),
        ..RunSpec::default()
    }
}

/// The default run with every choice of the draft that has fields of its own.
fn like(draft: &RunSpec) -> RunSpec {
    let mut like = first_choices(draft);
    like.data.source = match &draft.data.source {
        DataSource::Mini(benchmark) => DataSource::Mini(*benchmark),
        DataSource::Official { benchmark, .. } => DataSource::Official {
            benchmark: *benchmark,
            folder: PathBuf::new(),
        },
        DataSource::Jsonl { .. } => texts(),
    };
    let training = &mut like.training;
    let (schedule, optimizer) = (&draft.training.schedule, &draft.training.optimizer);
    training.schedule = schedules(training.schedule)[names::schedule(schedule)];
    training.optimizer = optimizers(training.optimizer)[names::optimizer(optimizer)];
    let rule = |method: &Method| {
        let lifting = method.lifting()?;
        Some(lifting.decorrelation?.rule)
    };
    if let Some(of) = rule(&draft.method)
        && let Some(decorrelation) = decorrelation_mut(&mut like.method)
    {
        decorrelation.rule = rules(decorrelation.rule)[names::rule(&of)];
    }
    like
}

fn decorrelation_mut(method: &mut Method) -> Option<&mut DecorrelationSpec> {
    match method {
        Method::Base | Method::Standard(_) => None,
        Method::Lifted(lift) => lift.decorrelation.as_mut(),
        Method::PaperLiteral(literal) => literal.decorrelation.as_mut(),
    }
}

/// Texts of the user's own, before any file is chosen.
pub fn texts() -> DataSource {
    DataSource::Jsonl {
        train: PathBuf::new(),
        validation: None,
        template: Template::default(),
    }
}

/// Every schedule, with the last rate of `beside` where it has one.
pub fn schedules(beside: Schedule) -> [Schedule; 3] {
    let of = |schedule| match schedule {
        Schedule::Cosine { last } | Schedule::Linear { last } => Some(last),
        Schedule::Constant => None,
    };
    let default = || of(RunSpec::default().training.schedule);
    let last = of(beside).or_else(default).unwrap_or_default();
    [
        Schedule::Cosine { last },
        Schedule::Linear { last },
        Schedule::Constant,
    ]
}

/// Every optimiser, with the constants of Adam of `beside` where it has some.
pub fn optimizers(beside: OptimizerSpec) -> [OptimizerSpec; 3] {
    let of = |optimizer| match optimizer {
        OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        }
        | OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            ..
        } => Some((beta1, beta2, epsilon)),
        OptimizerSpec::Sgd { .. } => None,
    };
    let default = || of(RunSpec::default().training.optimizer);
    let (beta1, beta2, epsilon) = of(beside).or_else(default).unwrap_or_default();
    [
        OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        },
        OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay: 0.01,
        },
        OptimizerSpec::Sgd { momentum: 0.9 },
    ]
}

/// Every rule of R, with the share of unit variance of `beside` where it has one.
pub fn rules(beside: DecorrelationRule) -> [DecorrelationRule; 3] {
    let of = |rule| match rule {
        DecorrelationRule::LocalRule { kappa, .. } | DecorrelationRule::Joint { kappa, .. } => {
            Some(kappa)
        }
        DecorrelationRule::ScalarRms { .. } => None,
    };
    let default = DecorrelationSpec::default().rule;
    let kappa = of(beside).or(of(default)).unwrap_or_default();
    let eta = match default {
        DecorrelationRule::LocalRule { eta, .. } | DecorrelationRule::ScalarRms { eta } => eta,
        DecorrelationRule::Joint { learning_rate, .. } => learning_rate,
    };
    [
        DecorrelationRule::LocalRule { eta, kappa },
        DecorrelationRule::Joint {
            lambda: 1.0,
            kappa,
            learning_rate: 0.003,
        },
        DecorrelationRule::ScalarRms { eta: 0.025 },
    ]
}

#[cfg(test)]
mod tests;
