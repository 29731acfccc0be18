//! Evaluations that were made after the runs, such as of other benchmarks.

use std::sync::Arc;

use crate::language::Bilingual;
use crate::persist::evaluation_file::{EvaluationFile, written_answers};
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::shared::evaluations::name_of;
use crate::ui::widgets::accuracy::phase_of;
use crate::ui::widgets::accuracy_bars::Bar;

/// An evaluation of one of the runs that are looked at.
pub(super) struct RunEvaluation<'a> {
    pub run: &'a Run,
    pub file: Arc<EvaluationFile>,
}

/// A run, and the bars of evaluations that were made after it.
pub type LaterBars = (RunId, Vec<Bar>);

/// Bars of evaluations that were made after the runs, such as of other benchmarks.
pub(super) fn later_bars(shown: &[RunEvaluation<'_>]) -> Vec<LaterBars> {
    let mut groups: Vec<LaterBars> = Vec::new();
    for RunEvaluation { run, file } in shown {
        let stem = file.path.file_stem().unwrap_or_default();
        if ["before", "few_shot", "after"]
            .iter()
            .any(|name| stem == *name)
        {
            continue;
        }
        let (conditions, headline) = (&file.evaluation.conditions, file.evaluation.headline());
        let n_scored = headline.accuracy.n_items + conditions.left_out.len();
        let bar = Bar {
            phase: phase_of(file),
            label: Bilingual::of(|| name_of(file)),
            accuracy: headline.accuracy,
            n_total: Some(conditions.n_total).filter(|n_total| *n_total > n_scored),
            note: written_answers(&file.evaluation).map(|of| Bilingual::of(|| of.words())),
        };
        match groups.iter_mut().find(|(of, _)| *of == run.id) {
            Some((_, bars)) => bars.push(bar),
            None => groups.push((run.id.clone(), vec![bar])),
        }
    }
    groups
}
