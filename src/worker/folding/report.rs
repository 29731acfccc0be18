//! What a fold measured, for the user and for the file beside the state.

use serde::Serialize;

use crate::bench::Accuracy;
use crate::language;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary};

/// The run as it is.
pub(super) const LIFTED: &str = "lifted";
/// The S_0 of it without its branch, as other programs load it.
pub(super) const S0_ALONE: &str = "S_0 alone";
/// The plain state that was fitted.
pub(super) const FOLDED: &str = "folded";

/// What was measured of one start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoldFigures {
    /// Which: `lifted`, `S_0 alone` or `folded`.
    pub of: &'static str,
    /// Nats a counted token on the examples of the checks.
    pub loss: f64,
    /// Accuracy, where the run has a benchmark.
    pub evaluation: Option<EvaluationSummary>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoldReport {
    /// Steps that were taken.
    pub steps: usize,
    /// Steps that made the state that is kept: the one that diverges least at a check.
    pub best_step: usize,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// Mean divergence of the predictions of S_0 alone from those of the lifted model,
    /// nats a counted token.
    pub divergence_before: f64,
    /// That of the folded state.
    pub divergence_after: f64,
    /// What the checks look at: `held-out examples` or `training examples`.
    pub checked_on: &'static str,
    /// How many of them.
    pub n_checked: usize,
    /// The lifted model, S_0 alone, the folded state.
    pub figures: Vec<FoldFigures>,
}

impl FoldReport {
    /// Lines for the user: what was fitted, and how near it comes.
    pub fn lines(&self) -> Vec<String> {
        let Self {
            steps,
            best_step,
            learning_rate,
            divergence_before,
            divergence_after,
            checked_on,
            n_checked,
            figures,
        } = self;
        let mut lines = vec![tr!(
            "divergence from the lifted model, nats a token on {n_checked} {checked_on}: {divergence_before} with S_0 alone, {divergence_after} folded (step {best_step} of {steps}, rate {learning_rate})",
            n_checked,
            checked_on = language::text(checked_on),
            divergence_before = format_args!("{divergence_before:.4}"),
            divergence_after = format_args!("{divergence_after:.4}"),
            best_step,
            steps,
            learning_rate
        )];
        for FoldFigures {
            of,
            loss,
            evaluation,
        } in figures
        {
            let mut line = format!("{of:<10} loss {loss:.4}");
            if let Some(summary) = evaluation
                && let Some(score) = summary.scores.first()
            {
                let accuracy = Accuracy {
                    n_correct: score.n_correct,
                    n_items: score.n_items,
                };
                line += &format!(", {} {} {accuracy}", summary.benchmark, score.name);
            }
            lines.push(line);
        }
        if *best_step == 0 {
            lines.push(tr!("no step came nearer to the lifted model, so the state is S_0 alone; try another --fold-rate").into());
        }
        lines
    }

    /// The figures as a state has them: those of a run, of the folded state, and all of the
    /// fold.
    pub fn metrics(&self) -> serde_json::Value {
        let folded = self.figures.iter().find(|of| of.of == FOLDED);
        let evaluation = folded.and_then(|of| of.evaluation.as_ref());
        let evaluations: Vec<_> = evaluation
            .map(|summary| (EvaluationPhase::After, summary))
            .into_iter()
            .collect();
        serde_json::json!({ "fold": self, "evaluations": evaluations })
    }
}
