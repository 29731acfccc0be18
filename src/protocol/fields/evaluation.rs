//! The fields of evaluation and of what is written down.

use super::field::{Field, choice, slot};
use super::range::Range;
use super::run::MAX_CONTEXT;
use super::training::MAX_STEPS;
use crate::data::Benchmark;
use crate::protocol::run_spec::{DataSource, RunSpec};

/// The most few-shot examples.
pub const MAX_FEW_SHOT: usize = 1000;
/// 16 TiB.
const MAX_SNAPSHOT_MIB: usize = 1 << 24;

pub(super) const EVALUATION: &[Field] = &[
    Field::new("evaluation.before", "Evaluate untuned", |spec| {
        slot(&mut spec.evaluation.before)
    })
    .hint("Evaluates the untuned model before training."),
    Field::new("evaluation.after", "Evaluate tuned", |spec| {
        slot(&mut spec.evaluation.after)
    })
    .hint("Evaluates the tuned model at the end."),
    Field::new("evaluation.few_shot", "Few-shot examples", |spec| {
        slot(&mut spec.evaluation.few_shot)
    })
    .range(Range::whole(0, MAX_FEW_SHOT))
    .hint("Also evaluates the untuned model with this many solved examples in the prompt, since its zero-shot failures are partly a matter of format. 0: does not."),
    Field::new("evaluation.limit", "Test items", |spec| {
        slot(&mut spec.evaluation.limit)
    })
    .symbol("n")
    .range(Range::from(1.0))
    .optional("all", 200.0)
    .hint("At most this many items of the split, the first ones. Fewer items are faster and give wider intervals."),
    Field::new("evaluation.split", "Evaluation split", |spec| {
        choice(&mut spec.evaluation.split)
    })
    .hint("Choose rates and sizes on the validation split, and report the test split once."),
    Field::new("evaluation.context_length", "Longest item", |spec| {
        slot(&mut spec.evaluation.context_length)
    })
    .used_if(|spec| benchmark(spec).is_some())
    .unit("tokens")
    .range(Range::from(1.0))
    .optional("unlimited", 2048.0)
    .hint("Items with more tokens than this, token 0 and the answer included, are left out, counted and listed."),
    Field::new("evaluation.max_new_tokens", "Longest answer", |spec| {
        slot(&mut spec.evaluation.max_new_tokens)
    })
    .used_if(|spec| benchmark(spec) == Some(Benchmark::Gsm8k))
    .unit("tokens")
    .range(Range::whole(1, MAX_CONTEXT))
    .optional("auto", 256.0)
    .hint("Where generated answers are cut off. Auto: a quarter more than the longest gold answer of the training split. Accuracies under different limits cannot be compared."),
    Field::new("evaluation.mmlu", "MMLU prompt", |spec| {
        choice(&mut spec.evaluation.mmlu)
    })
    .used_if(|spec| {
        let is_official = matches!(spec.data.source, DataSource::Official { .. });
        is_official && benchmark(spec) == Some(Benchmark::Mmlu)
    })
    .hint("The wording of official MMLU questions: that of lm-evaluation-harness, or that of RWKV-LM's own evaluation (rwkv_mmlu_eval.py). Accuracies under different wordings cannot be compared."),
];

pub(super) const INTERVALS: &[Field] = &[
    Field::new("intervals.log", "Log every", |spec| slot(&mut spec.intervals.log))
        .unit("steps")
        .range(Range::whole(0, MAX_STEPS))
        .hint("Steps from one logged loss to the next. 1 logs every step and costs little. 0: never."),
    Field::new("intervals.checkpoint", "Checkpoint every", |spec| {
        slot(&mut spec.intervals.checkpoint)
    })
    .unit("steps")
    .range(Range::whole(0, MAX_STEPS))
    .hint("Steps from one checkpoint to the next. An interrupted run resumes from its last one. 0: never."),
    Field::new("intervals.snapshot", "Snapshot every", |spec| {
        slot(&mut spec.intervals.snapshot)
    })
    .unit("steps")
    .range(Range::whole(0, MAX_STEPS))
    .hint("Steps from one snapshot of the state to the next, to look at later. 0: never. The States view works without snapshots."),
    Field::new("intervals.snapshot_mib", "Snapshot limit", |spec| {
        slot(&mut spec.intervals.snapshot_mib)
    })
    .unit("MiB")
    .range(Range::whole(1, MAX_SNAPSHOT_MIB))
    .hint("The disk space of all snapshots of the run together. Fewer are stored if they would take more."),
    Field::new("intervals.tensorboard", "TensorBoard events", |spec| {
        slot(&mut spec.intervals.tensorboard)
    })
    .hint("Also writes the numbers as an event file into the run's folder while it runs. tensorboard --logdir runs shows them."),
];

/// The benchmark whose items are scored.
fn benchmark(spec: &RunSpec) -> Option<Benchmark> {
    match spec.data.source {
        DataSource::Mini(benchmark) | DataSource::Official { benchmark, .. } => Some(benchmark),
        DataSource::Jsonl { .. } => None,
    }
}
