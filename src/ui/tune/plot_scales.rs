//! The scales of a plot, and what it spans.

use egui_plot::PlotPoint;

use super::along::XAxis;
use super::plot_settings::PlotSettings;
use crate::ui::widgets::metric::Metric;

/// The scale of the steps and of the values of a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scales {
    /// What the plot runs over.
    pub axis: XAxis,
    /// Whether that is on a logarithmic scale.
    pub is_log_x: bool,
    /// Whether values are.
    pub is_log_y: bool,
}

/// The values that are in sight, as a plot shows them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// The steps.
    pub x: (f64, f64),
    /// The values.
    pub y: (f64, f64),
}

impl Extent {
    /// What spans both.
    pub fn with(self, other: Self) -> Self {
        let span = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        Self {
            x: span(self.x, other.x),
            y: span(self.y, other.y),
        }
    }
}

impl Scales {
    /// Those of a plot of this number.
    pub fn of(settings: &PlotSettings, metric: Metric) -> Self {
        Self {
            axis: settings.x,
            is_log_x: settings.is_log_x,
            is_log_y: settings.is_log && metric.can_be_log(),
        }
    }

    /// Where something stands that is so far along.
    pub fn place(self, x: f64) -> f64 {
        if self.is_log_x {
            x.max(1e-3).log10()
        } else {
            x
        }
    }

    /// How far along it is there.
    pub fn x(self, place: f64) -> f64 {
        if self.is_log_x {
            10_f64.powf(place)
        } else {
            place
        }
    }

    /// Where a value stands that far along.
    pub fn point(self, (x, value): (f64, f64)) -> PlotPoint {
        let y = if self.is_log_y { value.log10() } else { value };
        // Nothing at all, and not a line to infinity.
        let y = if y.is_finite() { y } else { f64::NAN };
        PlotPoint::new(self.place(x), y)
    }
}
