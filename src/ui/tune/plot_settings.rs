//! The settings of the plots, kept over restarts.

use serde::{Deserialize, Serialize};

/// How plots are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlotSettings {
    /// Share of the average before that each point keeps, 0 to 0.99.
    pub smoothing: f64,
    /// Losses and norms on a logarithmic axis.
    pub is_log: bool,
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
            is_log_x: false,
            tail: None,
            shows_raw: true,
        }
    }
}
