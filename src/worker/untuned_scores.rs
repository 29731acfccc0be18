//! Scores of the untuned model that an earlier run beside a run has: the same model
//! on the same items, which comes to the same and takes its time.

use std::path::Path;

use super::run_data::BenchmarkSet;
use crate::persist::evaluation_file::{EvaluationFile, read_evaluation};
use crate::persist::run_folder::{evaluation_file, read_run_spec};
use crate::persist::run_history::run_folders;
use crate::protocol::event::EvaluationPhase;
use crate::protocol::run_spec::{EvaluationSpec, RunSpec};

/// Runs that are looked at, from the newest on.
const MAX_RUNS: usize = 100;

/// What the untuned model of `spec` scored in an earlier run in `runs`, if it was
/// measured there. What cannot be read is no such score.
pub(super) fn known_score(
    runs: &Path,
    spec: &RunSpec,
    phase: EvaluationPhase,
    fingerprint: &str,
    set: &BenchmarkSet,
) -> Option<EvaluationFile> {
    if phase == EvaluationPhase::After {
        return None;
    }
    let folders = run_folders(runs).ok()?;
    let mut files = folders.iter().rev().take(MAX_RUNS).filter_map(|folder| {
        let path = evaluation_file(folder, phase);
        let is_alike = path.exists() && same(&read_run_spec(folder).ok()?, spec, phase);
        is_alike.then(|| read_evaluation(&path).ok()).flatten()
    });
    files.find(|file| is_of(file, fingerprint, set))
}

/// Whether the runs measure the same of the same untuned model on the same device.
fn same(one: &RunSpec, other: &RunSpec, phase: EvaluationPhase) -> bool {
    let of_set = |spec: &RunSpec| EvaluationSpec {
        before: true,
        after: true,
        few_shot: match phase {
            EvaluationPhase::FewShot => spec.evaluation.few_shot,
            EvaluationPhase::Before | EvaluationPhase::After => 0,
        },
        ..spec.evaluation.clone()
    };
    one.device == other.device
        && one.model == other.model
        && one.data.source == other.data.source
        && of_set(one) == of_set(other)
}

/// Whether a file is that of these weights and these items.
fn is_of(file: &EvaluationFile, fingerprint: &str, set: &BenchmarkSet) -> bool {
    let EvaluationFile {
        scored, evaluation, ..
    } = file;
    let left_out = &evaluation.conditions.left_out;
    let items = &set.items.items;
    let known = |item: &crate::data::Item| left_out.iter().any(|out| out.id == item.id);
    let scored_items = items.iter().filter(|item| !known(item));
    !scored.is_tuned
        && scored.fingerprint == fingerprint
        && evaluation.records.len() + left_out.len() == items.len()
        && scored_items
            .zip(&evaluation.records)
            .all(|(item, record)| item.id == record.id)
}
