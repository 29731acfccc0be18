//! What the user sees of the choices of a specification.

use super::card::Card;
use super::{hints, lift_hints, training_hints};
use crate::data::{MmluTemplate, Template};
use crate::kernels::device::{AdapterSummary, DeviceChoice};
use crate::model::checkpoint::has_ending_of_weights;
use crate::protocol::run_spec::{
    CheckpointSource, DataSource, EvaluationSplit, LeadingToken, Precision, RunSpec,
    VocabularySource,
};
use crate::tuning::spec::{
    DecorrelationRule, Dynamics, Layers, LossOn, Method, OptimizerSpec, Schedule, SelectBy,
    StartState, SupportVectors,
};
use crate::ui::widgets::field::Field;
use crate::ui::widgets::numbers::plain;

/// How the frozen matrices are stored.
pub const PRECISIONS: [(Precision, &str); 2] = [
    (Precision::F32, "32-bit floats"),
    (Precision::F16, "16-bit floats"),
];
/// What is put around a prompt.
pub const TEMPLATES: [(Template, &str); 2] = [
    (Template::Plain, "Plain"),
    (Template::UserAssistant, "User, Assistant"),
];
/// Which tokens the loss counts.
pub const LOSS_ON: [(LossOn, &str); 2] = [
    (LossOn::Answer, "The answer"),
    (LossOn::Everything, "Everything"),
];
/// What stands in front of a text.
pub const LEADING_TOKENS: [(LeadingToken, &str); 3] = [
    (LeadingToken::Zero, "Token 0"),
    (LeadingToken::None, "Nothing"),
    (LeadingToken::Both, "Both, drawn"),
];
/// What is scored.
pub const SPLITS: [(EvaluationSplit, &str); 2] = [
    (EvaluationSplit::Test, "Test"),
    (EvaluationSplit::Validation, "Validation"),
];
/// How official MMLU questions are put.
pub const MMLU: [(MmluTemplate, &str); 2] = [
    (MmluTemplate::LmEval, "As lm-eval"),
    (MmluTemplate::Rwkv, "As RWKV-LM"),
];
/// Which state a run keeps.
pub const SELECT_BY: [(SelectBy, &str); 3] = [
    (SelectBy::ValidationLoss, "lowest loss"),
    (SelectBy::ValidationAccuracy, "most right"),
    (SelectBy::LastStep, "last step"),
];
/// Where support vectors come from.
pub const SUPPORT_VECTORS: [(SupportVectors, &str); 2] = [
    (SupportVectors::Cluster, "Clusters"),
    (SupportVectors::Random, "Random"),
];
/// What happens from token to token.
pub const DYNAMICS: [(Dynamics, &str); 3] = [
    (Dynamics::Constant, "Constant"),
    (Dynamics::Decayed, "Decayed"),
    (Dynamics::Recurrent, "Recurrent"),
];
/// The checkpoints that can be chosen.
pub const CHECKPOINTS: [&str; 3] = ["Mini, 7 M", "File", "Folder"];
/// The vocabularies.
pub const VOCABULARIES: [&str; 4] = ["By the model", "Mini", "World", "File"];
/// Which layers are trained.
pub const LAYERS: [&str; 2] = ["All", "Only"];
/// What S_0 starts from.
pub const STARTS: [&str; 3] = ["Zero", "A state file", "The state after a text"];
/// The optimisers.
pub const OPTIMIZERS: [&str; 3] = ["Adam", "AdamW", "SGD"];
/// How the rate falls.
pub const SCHEDULES: [&str; 3] = ["Cosine", "Linear", "Constant"];
/// How R follows the features.
pub const RULES: [&str; 3] = [
    "The local rule",
    "The loss, jointly",
    "A scalar, as a control",
];

/// The name of one of several.
pub fn name_of<T: PartialEq>(value: &T, choices: &[(T, &'static str)]) -> &'static str {
    let found = choices.iter().find(|(choice, _)| choice == value);
    found.map_or("", |(_, name)| name)
}

/// The name of a device.
pub fn device(device: DeviceChoice, adapters: &[AdapterSummary]) -> String {
    match device {
        DeviceChoice::Auto => "Automatic".into(),
        DeviceChoice::Cpu => "CPU".into(),
        DeviceChoice::Gpu => "First GPU".into(),
        DeviceChoice::GpuIndex(index) => {
            let known = adapters.iter().find(|adapter| adapter.index == index);
            known.map_or_else(|| device.to_string(), |adapter| adapter.name.clone())
        }
    }
}

/// The number of the name of weights.
pub fn checkpoint(checkpoint: &CheckpointSource) -> usize {
    match checkpoint {
        CheckpointSource::Mini => 0,
        // By its name, for this is asked in every frame.
        CheckpointSource::File(path) if !has_ending_of_weights(path) => 2,
        CheckpointSource::File(_) => 1,
    }
}

/// The number of the name of a vocabulary.
pub fn vocabulary(vocabulary: &VocabularySource) -> usize {
    match vocabulary {
        VocabularySource::Auto => 0,
        VocabularySource::Mini => 1,
        VocabularySource::World => 2,
        VocabularySource::File(_) => 3,
    }
}

/// The name of a data set.
pub fn source(source: &DataSource) -> String {
    match source {
        DataSource::Mini(of) => of.mini_name().to_owned(),
        DataSource::Official { benchmark, .. } => format!("{} (official files)", benchmark.name()),
        DataSource::Jsonl { .. } => "Texts of your own".into(),
    }
}

/// The number of the name of layers.
pub fn layers(layers: &Layers) -> usize {
    match layers {
        Layers::All => 0,
        Layers::Only(_) => 1,
    }
}

/// The number of the name of a start.
pub fn start(start: &StartState) -> usize {
    match start {
        StartState::Zero => 0,
        StartState::File(_) => 1,
        StartState::Text(_) => 2,
    }
}

/// The number of the name of an optimiser.
pub fn optimizer(optimizer: &OptimizerSpec) -> usize {
    match optimizer {
        OptimizerSpec::Adam { .. } => 0,
        OptimizerSpec::AdamW { .. } => 1,
        OptimizerSpec::Sgd { .. } => 2,
    }
}

/// The number of the name of a schedule.
pub fn schedule(schedule: &Schedule) -> usize {
    match schedule {
        Schedule::Cosine { .. } => 0,
        Schedule::Linear { .. } => 1,
        Schedule::Constant => 2,
    }
}

/// The number of the name of a rule.
pub fn rule(rule: &DecorrelationRule) -> usize {
    match rule {
        DecorrelationRule::LocalRule { .. } => 0,
        DecorrelationRule::Joint { .. } => 1,
        DecorrelationRule::ScalarRms { .. } => 2,
    }
}

/// What the user sees of the choice at a dotted path; nothing where there is none.
pub fn name_at(path: &str, spec: &RunSpec) -> Option<String> {
    let lifting = spec.method.lifting();
    let name = match path {
        "device" => return Some(device(spec.device, &[])),
        "data.source" => return Some(source(&spec.data.source)),
        "model.checkpoint" => CHECKPOINTS[checkpoint(&spec.model.checkpoint)],
        "model.vocabulary" => VOCABULARIES[vocabulary(&spec.model.vocabulary)],
        "model.precision" => name_of(&spec.model.precision, &PRECISIONS),
        "data.loss_on" => name_of(&spec.data.loss_on, &LOSS_ON),
        "data.leading_token" => name_of(&spec.data.leading_token, &LEADING_TOKENS),
        "data.source.validation" => "none",
        "data.source.template" => match &spec.data.source {
            DataSource::Jsonl { template, .. } => name_of(template, &TEMPLATES),
            DataSource::Mini(_) | DataSource::Official { .. } => return None,
        },
        "method" => Card::of(&spec.method).name(),
        "method.layers" => LAYERS[layers(spec.method.tuned()?.0)],
        "method.start" => STARTS[start(spec.method.tuned()?.1)],
        "method.features.support_vectors" => {
            name_of(&lifting?.features.support_vectors, &SUPPORT_VECTORS)
        }
        "method.dynamics" => match &spec.method {
            Method::Lifted(lift) => name_of(&lift.dynamics, &DYNAMICS),
            Method::Base | Method::Standard(_) | Method::PaperLiteral(_) => return None,
        },
        "method.decorrelation.rule" => RULES[rule(&lifting?.decorrelation?.rule)],
        "training.optimizer" => OPTIMIZERS[optimizer(&spec.training.optimizer)],
        "training.schedule" => SCHEDULES[schedule(&spec.training.schedule)],
        "training.select_by" => name_of(&spec.training.select_by, &SELECT_BY),
        "evaluation.split" => name_of(&spec.evaluation.split, &SPLITS),
        "evaluation.mmlu" => name_of(&spec.evaluation.mmlu, &MMLU),
        _ => return None,
    };
    Some(name.to_owned())
}

/// A number of a specification as a control shows it.
pub fn printed(value: &str) -> String {
    value.parse().map_or_else(|_| value.to_owned(), plain)
}

/// What the user is told of the field at a dotted path, where the form has it.
pub fn field_at(path: &str) -> Option<Field> {
    let all = hints::ALL.iter().chain(&training_hints::ALL);
    let mut all = all.chain(&lift_hints::ALL);
    all.find(|field| field.path == path).copied()
}

/// The name of a field with its symbol: `Learning rate η`; its dotted path where the
/// form has no such field.
pub fn field_name(path: &str) -> String {
    match field_at(path) {
        None => path.to_owned(),
        Some(field) if field.symbol.is_empty() => field.name.to_owned(),
        Some(field) => format!("{} {}", field.name, field.symbol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_names_and_symbols() {
        let rate = field_name("training.learning_rate");
        assert!(rate.starts_with("Learning rate "), "{rate}");
        assert_eq!(field_name("no.such.field"), "no.such.field");
    }
}
