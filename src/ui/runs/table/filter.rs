//! Which runs are listed: words that they have, and what values of theirs are.

use std::cmp::Ordering;

use super::column::Column;
use crate::language::{Language, chosen, in_english};
use crate::protocol::fields;
use crate::protocol::run_spec::RunSpec;
use crate::runs::run::Run;
use crate::ui::widgets::metric::Metric;

/// Words and conditions, all of which a run that is listed meets.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// A text that its name, tags, status, method, data or sweep has.
    Word(String),
    /// How a value compares.
    Condition(Column, Comparison, String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// The longer signs first, which begin as the shorter ones do.
const SIGNS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

impl Filter {
    /// Reads what is typed; what is no condition is a word.
    pub fn read(text: &str) -> Self {
        let terms = text.to_lowercase();
        let terms = terms
            .split_whitespace()
            .map(|word| condition(word).unwrap_or_else(|| Term::Word(word.to_owned())));
        Self {
            terms: terms.collect(),
        }
    }

    /// Whether a run is listed.
    pub fn keeps(&self, run: &Run, sweep: Option<&str>) -> bool {
        if self.terms.is_empty() {
            return true;
        }
        let mut spec = run.spec.clone();
        // What the user reads, or the English that files and the help have.
        let is_english = chosen() == Language::English;
        self.terms.iter().all(|term| {
            term.keeps(run, sweep, &mut spec)
                || !is_english && in_english(|| term.keeps(run, sweep, &mut spec))
        })
    }
}

impl Term {
    fn keeps(&self, run: &Run, sweep: Option<&str>, spec: &mut RunSpec) -> bool {
        match self {
            Self::Word(word) => {
                let columns = [
                    Column::Name,
                    Column::Tags,
                    Column::Status,
                    Column::Method,
                    Column::Data,
                    Column::Sweep,
                ];
                let has = |text: &str| text.to_lowercase().contains(word.as_str());
                let mut columns = columns.iter();
                has(&run.id.0) || columns.any(|of| has(&of.value(run, sweep, spec).text))
            }
            Self::Condition(column, comparison, wanted) => {
                let value = column.value(run, sweep, spec);
                match (value.number, wanted.parse::<f64>()) {
                    (Some(value), Ok(wanted)) => comparison.holds(value, wanted),
                    (None, Ok(_)) if value.text.is_empty() => false,
                    (_, _) if *comparison == Comparison::Equal => {
                        value.text.to_lowercase().contains(wanted.as_str())
                    }
                    (_, _) => false,
                }
            }
        }
    }
}

impl Comparison {
    fn holds(self, value: f64, wanted: f64) -> bool {
        let Some(order) = value.partial_cmp(&wanted) else {
            return false;
        };
        match self {
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::AtLeast => order != Ordering::Less,
            Self::More => order == Ordering::Greater,
        }
    }
}

fn condition(word: &str) -> Option<Term> {
    let at = word.find(['<', '>', '='])?;
    let (name, rest) = word.split_at(at);
    let (sign, comparison) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign))?;
    let wanted = &rest[sign.len()..];
    let column = column_named(name)?;
    (!wanted.is_empty()).then(|| Term::Condition(column, *comparison, wanted.to_owned()))
}

/// The column of a name in lower case: `accuracy`, `loss`, `gradient-norm`, the dotted
/// path of a field or the last part of one.
fn column_named(name: &str) -> Option<Column> {
    use crate::protocol::event::EvaluationPhase::{After, Before, FewShot};
    let known = match name {
        "name" | "run" => Column::Name,
        "status" => Column::Status,
        "sweep" => Column::Sweep,
        "method" => Column::Method,
        "data" => Column::Data,
        "steps" => Column::Steps,
        "time" => Column::Time,
        "tokens" => Column::Tokens,
        "tag" | "tags" => Column::Tags,
        "accuracy" => Column::Accuracy(After),
        "untuned" => Column::Accuracy(Before),
        "few-shot" => Column::Accuracy(FewShot),
        "loss" | "validation-loss" | "held-out-loss" => Column::HeldOutLoss,
        "last-loss" => Column::Last(Metric::Loss),
        _ => return other_column(name),
    };
    Some(known)
}

fn other_column(name: &str) -> Option<Column> {
    let mut metrics = Metric::SMALL.into_iter();
    if let Some(metric) = metrics.find(|of| {
        let title = in_english(|| of.title());
        title.to_lowercase().replace(' ', "-") == name
    }) {
        return Some(Column::Last(metric));
    }
    let paths = || fields::all().map(|field| field.path);
    let ends = |path: &&str| path.rsplit('.').next() == Some(name);
    // Of fields whose last part is the same, that of the training is meant.
    let path = paths()
        .find(|path| *path == name)
        .or_else(|| paths().find(|path| path.starts_with("training.") && ends(path)))
        .or_else(|| paths().find(ends))?;
    Some(Column::Field(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;

    fn run() -> Run {
        let mut run = Run::new(RunId("rate-0007".into()), RunSpec::default(), "a".into());
        run.spec.training.learning_rate = 0.8;
        run.spec.training.seed = 7;
        run.series.validation_loss.push(1, 0.5);
        run.labels.set_tags("paper");
        run
    }

    #[test]
    fn words_and_conditions_are_all_met() {
        let run = run();
        for (text, wanted) in [
            ("", true),
            ("RATE paper", true),
            ("rate draft", false),
            ("standard gsm8k", true),
            ("night", true),
            ("learning_rate=0.8", true),
            ("training.learning_rate>0.8", false),
            ("learning_rate>=0.8 seed=7", true),
            ("seed<7", false),
            ("seed<=7", true),
            ("loss<0.6", true),
            ("loss<0.5", false),
            // It has none, so it is neither above nor below.
            ("accuracy>0", false),
            ("accuracy<1", false),
            ("method=stand", true),
            ("method=lifted", false),
            // What is no condition is looked for as it is.
            ("what=7", false),
            ("seed=", false),
        ] {
            let kept = Filter::read(text).keeps(&run, Some("night"));
            assert_eq!(kept, wanted, "{text:?}");
        }
    }
}
