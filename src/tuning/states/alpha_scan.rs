//! The strength of a state: its losses on held-out examples when it is multiplied by
//! numbers around 1.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::state_file::locate_state;
use crate::model::checkpoint::Checkpoint;

/// What a state is multiplied by; 0 is the untuned model.
pub const ALPHAS: [f32; 7] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5];

/// The loss of a state times `alpha`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlphaLoss {
    /// What the state is multiplied by.
    pub alpha: f32,
    /// Mean nats a counted token of the held-out examples.
    pub loss: f64,
}

/// The one with the lowest loss; none where no loss is finite.
pub fn best_alpha(losses: &[AlphaLoss]) -> Option<AlphaLoss> {
    let finite = losses.iter().filter(|of| of.loss.is_finite());
    finite.copied().min_by(|a, b| a.loss.total_cmp(&b.loss))
}

/// A sentence where another strength than 1 has a lower loss.
pub fn alpha_note(losses: &[AlphaLoss]) -> Option<String> {
    let best = best_alpha(losses)?;
    let own = losses.iter().find(|of| of.alpha == 1.0)?;
    if best.loss >= own.loss {
        return None;
    }
    Some(tr!(
        "multiplied by {} the state has a lower loss on the held-out examples, {} instead of {}; export it with that factor (--alpha {})",
        best.alpha,
        format_args!("{:.4}", best.loss),
        format_args!("{:.4}", own.loss),
        best.alpha
    ))
}

/// The losses that the state of a run has in its file; empty where there are none.
pub fn scanned_alphas(folder: &Path) -> Vec<AlphaLoss> {
    let file = locate_state(folder).and_then(Checkpoint::open);
    let figures = file
        .ok()
        .and_then(|file| file.metadata().get("metrics_json").cloned());
    figures.map_or(Vec::new(), |json| alphas_in(&json))
}

/// The losses that stand in the figures of a state, `metrics_json`; empty where
/// there are none.
pub fn alphas_in(metrics_json: &str) -> Vec<AlphaLoss> {
    #[derive(Deserialize)]
    struct Figures {
        #[serde(default)]
        alpha: Vec<AlphaLoss>,
    }
    let figures = serde_json::from_str(metrics_json);
    figures.map_or(Vec::new(), |figures: Figures| figures.alpha)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_loss_is_offered() {
        let losses = |losses: [f64; 3]| -> Vec<AlphaLoss> {
            let alphas = [0.0, 0.5, 1.0].into_iter().zip(losses);
            alphas
                .map(|(alpha, loss)| AlphaLoss { alpha, loss })
                .collect()
        };
        let scanned = losses([2.0, 1.25, 1.5]);
        let note = alpha_note(&scanned).unwrap();
        assert!(
            note.contains("multiplied by 0.5") && note.contains("1.2500 instead of 1.5000"),
            "{note}"
        );
        assert_eq!(alpha_note(&losses([2.0, 1.5, 1.25])), None);
        assert_eq!(
            best_alpha(&losses([f64::NAN, f64::INFINITY, 3.0]))
                .unwrap()
                .alpha,
            1.0
        );
        assert_eq!(best_alpha(&[]), None);
        let json = serde_json::json!({ "step": 3, "alpha": scanned }).to_string();
        assert_eq!(alphas_in(&json), scanned);
        assert_eq!(alphas_in("{\"step\": 3}"), []);
        assert_eq!(alphas_in("no json"), []);
    }
}
