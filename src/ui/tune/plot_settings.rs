//! The settings of the plots, kept over restarts.

use serde::{Deserialize, Serialize};

use super::along::XAxis;

/// How plots are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlotSettings {
    /// Share of the average before that each point keeps, 0 to 0.99.
    pub smoothing: f64,
    /// Losses and norms on a logarithmic axis.
    pub is_log: bool,
    /// What the plots run over.
    pub x: XAxis,
    /// Runs that differ in their seed alone as their mean, with a band.
    pub folds_seeds: bool,
    /// Steps on a logarithmic axis.
    pub is_log_x: bool,
    /// Only the last so many steps, moving along with them.
    pub tail: Option<usize>,
    /// The numbers as they are, faint behind the smoothed ones.
    pub shows_raw: bool,
}

impl Default for PlotSettings {
    fn default() -> Self {
        Self {
            smoothing: 0.8,
            is_log: false,
            x: XAxis::default(),
            folds_seeds: false,
            is_log_x: false,
            tail: None,
            shows_raw: true,
        }
    }
}
