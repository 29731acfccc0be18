//! What a column of the table shows of a run.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::value::Value;
use crate::format::{duration, number, with_first};
use crate::language::{self, in_english};
use crate::protocol::event::EvaluationPhase;
use crate::protocol::fields;
use crate::protocol::fields::slot::Number;
use crate::protocol::run_spec::{DataSource, RunSpec};
use crate::runs::run::Run;
use crate::tuning::spec::MethodKind;
use crate::ui::widgets::accuracy::headline;
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::status_mark::{status_share, status_word};

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Column {
    /// The title of the run.
    Name,
    /// What it does, or how it ended.
    Status,
    /// The sweep that it is a part of.
    Sweep,
    /// The method.
    Method,
    /// The data set.
    Data,
    /// Steps done.
    Steps,
    /// The time of the steps.
    Time,
    /// Tokens of the steps.
    Tokens,
    /// The tags.
    Tags,
    /// An accuracy, with its interval.
    Accuracy(EvaluationPhase),
    /// The lowest loss on held-out examples.
    HeldOutLoss,
    /// The newest value of a metric.
    Last(Metric),
    /// A field of the specification, by its dotted path.
    Field(String),
}

/// The width that a heading may ask for.
const WIDEST_HEADING: f32 = 190.0;

/// Every phase, the most wanted first.
const PHASES: [EvaluationPhase; 3] = [
    EvaluationPhase::After,
    EvaluationPhase::Before,
    EvaluationPhase::FewShot,
];

impl Column {
    /// Every column that can be shown, in the order in which they are offered.
    pub fn all() -> impl Iterator<Item = Self> {
        let first = [
            Self::Name,
            Self::Status,
            Self::Sweep,
            Self::Method,
            Self::Data,
            Self::Steps,
            Self::Time,
            Self::Tokens,
            Self::Tags,
        ];
        let metrics = [Metric::Loss].into_iter().chain(Metric::SMALL);
        // The second of two rows with one path is what the choice in the first one needs.
        let mut last = "";
        let fields = fields::all().filter_map(move |field| {
            let is_new = field.path != std::mem::replace(&mut last, field.path);
            let is_shown_otherwise = matches!(field.path, "name" | "method" | "data.source");
            (is_new && !is_shown_otherwise).then(|| Self::Field(field.path.to_owned()))
        });
        first
            .into_iter()
            .chain(PHASES.map(Self::Accuracy))
            .chain([Self::HeldOutLoss])
            .chain(metrics.map(Self::Last))
            .chain(fields)
    }

    /// Whether there is such a column; a field may be one of another version.
    pub fn exists(&self) -> bool {
        match self {
            Self::Field(path) => fields::find(path).is_some(),
            _ => true,
        }
    }

    /// What stands above it.
    pub fn heading(&self) -> Cow<'static, str> {
        match self {
            Self::Field(path) => match fields::find(path) {
                Some(field) => field.short_name().into(),
                None => path.clone().into(),
            },
            Self::Last(metric) => metric.title().into(),
            other => other.name(),
        }
    }

    /// Its whole name.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Name => tr!("Run").into(),
            Self::Status => tr!("Status").into(),
            Self::Sweep => tr!("Sweep").into(),
            Self::Method => tr!("Method").into(),
            Self::Data => tr!("Data").into(),
            Self::Steps => tr!("Steps done").into(),
            Self::Time => tr!("Time").into(),
            Self::Tokens => tr!("Tokens").into(),
            Self::Tags => tr!("Tags").into(),
            Self::Accuracy(EvaluationPhase::After) => tr!("Accuracy, tuned").into(),
            Self::Accuracy(EvaluationPhase::Before) => tr!("Accuracy, untuned").into(),
            Self::Accuracy(EvaluationPhase::FewShot) => tr!("Accuracy, few-shot").into(),
            Self::HeldOutLoss => tr!("Validation loss").into(),
            Self::Last(metric) => {
                // As in "Last state norm", for fields are called so too.
                tr!("Last {}", with_first(metric.title(), char::to_lowercase)).into()
            }
            Self::Field(path) => match fields::find(path) {
                Some(field) => field.name().into(),
                None => path.clone().into(),
            },
        }
    }

    /// What programs call it, in every language and version: a field by its path.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Name => "run".into(),
            Self::Status => "status".into(),
            Self::Sweep => "sweep".into(),
            Self::Method => "method".into(),
            Self::Data => "data".into(),
            Self::Steps => "steps".into(),
            Self::Time => "secs".into(),
            Self::Tokens => "tokens".into(),
            Self::Tags => "tags".into(),
            Self::Accuracy(EvaluationPhase::After) => "tuned accuracy".into(),
            Self::Accuracy(EvaluationPhase::Before) => "untuned accuracy".into(),
            Self::Accuracy(EvaluationPhase::FewShot) => "few-shot accuracy".into(),
            Self::HeldOutLoss => "validation loss".into(),
            Self::Last(metric) => {
                let title = in_english(|| metric.title());
                format!("last {}", with_first(title, char::to_lowercase)).into()
            }
            Self::Field(path) => path.into(),
        }
    }

    /// What it shows, in a sentence.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Name => tr!("The name, or the title that the run was given").into(),
            Self::Status => tr!("What the run does, or how it ended").into(),
            Self::Sweep => tr!("The sweep that the run is a part of").into(),
            Self::Method => tr!("What is tuned").into(),
            Self::Data => tr!("What the state is tuned on").into(),
            Self::Steps => tr!("Steps done").into(),
            Self::Time => tr!("The time of all steps, without scoring").into(),
            Self::Tokens => tr!("Tokens that all steps computed").into(),
            Self::Tags => tr!("The tags of the run").into(),
            Self::Accuracy(_) => tr!(
                "With its 95% interval (Wilson), and over seeds with that of the mean (Student's t on the logit scale)"
            )
            .into(),
            Self::HeldOutLoss => {
                tr!("The lowest loss on held-out examples, in nats per token").into()
            }
            Self::Last(metric) => tr!("The newest value, {}", metric.unit()).into(),
            Self::Field(path) => path.clone().into(),
        }
    }

    /// Its least width, in points: the heading fits, with the mark of the order.
    pub fn width(&self) -> f32 {
        let heading = self.heading();
        let letters = heading
            .chars()
            .map(|c| if c.is_ascii() { 6.6 } else { 12.0 });
        let of_heading = (28.0 + letters.sum::<f32>()).min(WIDEST_HEADING);
        self.width_of_values().max(of_heading)
    }

    /// The width that its values need.
    fn width_of_values(&self) -> f32 {
        match self {
            Self::Name => 176.0,
            Self::Status => 104.0,
            Self::Sweep | Self::Method | Self::Data | Self::Tags => 112.0,
            Self::Steps => 84.0,
            Self::Time => 84.0,
            Self::Tokens => 88.0,
            Self::Accuracy(_) => 142.0,
            Self::HeldOutLoss => 156.0,
            Self::Last(_) => 126.0,
            // "12 values" fits.
            Self::Field(_) => 72.0,
        }
    }

    /// Whether it ends at the right edge, as numbers do.
    pub fn is_numeric(&self) -> bool {
        match self {
            Self::Steps
            | Self::Time
            | Self::Tokens
            | Self::Accuracy(_)
            | Self::HeldOutLoss
            | Self::Last(_) => true,
            Self::Name
            | Self::Status
            | Self::Sweep
            | Self::Method
            | Self::Data
            | Self::Tags
            | Self::Field(_) => false,
        }
    }

    /// What it shows of a run. `sweep` is the sweep that it is a part of; `spec` is a
    /// copy of its specification, which fields are looked up in.
    pub(super) fn value(&self, run: &Run, sweep: Option<&str>, spec: &mut RunSpec) -> Value {
        match self {
            Self::Name => Value::text(run.title()),
            Self::Status => Value::text(status_text(run)),
            Self::Sweep => Value::text(sweep.unwrap_or_default()),
            Self::Method => Value::text(language::text(MethodKind::of(&run.spec.method).name())),
            Self::Data => Value::text(data_name(&run.spec)),
            Self::Steps => Value::number(run.step as f64, run.step.to_string()),
            Self::Time => {
                let secs = run.series.step_secs.points().iter().map(|point| point.1);
                let secs: f64 = secs.sum();
                match run.series.step_secs.is_empty() {
                    true => Value::default(),
                    false => Value::number(secs, duration(secs)),
                }
            }
            Self::Tokens => match run.n_tokens() {
                n_tokens if n_tokens > 0.0 => Value::number(n_tokens, number(n_tokens)),
                _ => Value::default(),
            },
            Self::Tags => Value::text(run.labels.tags_text()),
            Self::Accuracy(phase) => {
                headline(run, *phase).map_or_else(Value::default, Value::accuracy)
            }
            Self::HeldOutLoss => match run.best_validation() {
                Some((_, loss)) => Value::number(loss, format!("{loss:.4}")),
                None => Value::default(),
            },
            Self::Last(metric) => match metric.series(run).last() {
                Some((_, value)) => Value::number(value, number(value)),
                None => Value::default(),
            },
            Self::Field(path) => field_value(path, spec),
        }
    }
}

/// What the run does, and how far it is.
fn status_text(run: &Run) -> String {
    let word = status_word(&run.status);
    match status_share(&run.status) {
        Some(share) => format!("{word}, {:.0}%", 100.0 * share),
        None => word.to_owned(),
    }
}

/// The data set, a file by its name.
fn data_name(spec: &RunSpec) -> String {
    match &spec.data.source {
        DataSource::Mini(benchmark) => benchmark.mini_name().to_owned(),
        DataSource::Official { benchmark, .. } => benchmark.name().to_owned(),
        DataSource::Jsonl { train, .. } => {
            let name = train.file_name().unwrap_or(train.as_os_str());
            name.to_string_lossy().into_owned()
        }
    }
}

fn field_value(path: &str, spec: &mut RunSpec) -> Value {
    let Some(field) = fields::find(path) else {
        return Value::default();
    };
    let Some(text) = field.words(spec) else {
        return Value::default();
    };
    match field.slot(spec).map(|slot| slot.number()) {
        Some(Number::Is(value)) => Value::number(value, text),
        Some(Number::No | Number::Absent) | None => Value::text(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::protocol::event::RunId;

    #[test]
    fn columns_have_names_of_their_own_and_values_of_a_run() {
        let names: Vec<String> = Column::all().map(|of| of.name().into_owned()).collect();
        let different: HashSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        let columns: Vec<Column> = Column::all().collect();
        let keys: HashSet<_> = columns.iter().map(Column::key).collect();
        assert_eq!(keys.len(), names.len(), "{keys:?}");
        assert!(keys.iter().all(|key| key.is_ascii()), "{keys:?}");
        let rate = Column::Field("training.learning_rate".into());
        assert_eq!(rate.key(), "training.learning_rate");
        let mut run = Run::new(RunId("a".into()), RunSpec::default(), "a".into());
        run.spec.training.learning_rate = 0.25;
        run.series.validation_loss.push(5, 2.0);
        run.series.validation_loss.push(9, 1.5);
        let value = |column: Column| column.value(&run, None, &mut run.spec.clone());
        assert_eq!(value(Column::HeldOutLoss).number, Some(1.5));
        let rate = value(Column::Field("training.learning_rate".into()));
        assert_eq!((rate.number, rate.text.as_str()), (Some(0.25), "0.25"));
        assert_eq!(
            value(Column::Accuracy(EvaluationPhase::After)),
            Value::default()
        );
        assert_eq!(value(Column::Method).text, "Standard");
        assert!(Column::all().all(|column| column.exists()));
        assert!(!Column::Field("training.speed_of_light".into()).exists());
    }
}
