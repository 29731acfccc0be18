//! A number of several runs over their steps.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use eframe::egui::{Id, Ui, Vec2b, vec2};
use egui_plot::{
    AxisHints, GridInput, GridMark, HoverPosition, Line, LineStyle, Plot, PlotPoint, PlotPoints,
    Points, VLine, uniform_grid_spacer,
};

use super::super::theme::{Palette, blend, palette, run_colour};
use super::super::ui_state::{PlotSettings, UiState};
use super::numbers::number;
use super::plot_marks::marks;
use crate::runs::run::Run;
use crate::runs::series::{Series, decimate};
use crate::worker::event::RunId;

/// A number that is plotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Training and validation loss.
    Loss,
    /// Gradient norm before clipping.
    GradNorm,
    /// Norm of S_0.
    StateNorm,
    /// Learning rate.
    LearningRate,
    /// Tokens a second.
    TokensPerSec,
}

impl Metric {
    /// What people see above the plot.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::GradNorm => "Gradient norm",
            Self::StateNorm => "State norm",
            Self::LearningRate => "Learning rate",
            Self::TokensPerSec => "Speed",
        }
    }

    /// Its unit, or what it is.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Loss => "nats a token; dots are held-out examples",
            Self::GradNorm => "before clipping",
            Self::StateNorm => "|S₀| over all layers",
            Self::LearningRate => "η",
            Self::TokensPerSec => "tokens a second",
        }
    }

    fn series(self, run: &Run) -> &Series {
        match self {
            Self::Loss => &run.series.loss,
            Self::GradNorm => &run.series.grad_norm,
            Self::StateNorm => &run.series.state_norm,
            Self::LearningRate => &run.series.learning_rate,
            Self::TokensPerSec => &run.series.tokens_per_sec,
        }
    }

    /// Whether the logarithmic axis is for it, and whether it is noisy.
    fn is_log(self, settings: &PlotSettings) -> bool {
        match self {
            Self::Loss | Self::GradNorm | Self::StateNorm => settings.is_log,
            Self::LearningRate | Self::TokensPerSec => false,
        }
    }

    /// Pairs of points across the plot that eyes can tell apart.
    fn n_buckets(self) -> usize {
        match self {
            Self::Loss => 360,
            Self::GradNorm | Self::StateNorm | Self::LearningRate | Self::TokensPerSec => 160,
        }
    }

    fn is_noisy(self) -> bool {
        match self {
            Self::Loss | Self::GradNorm | Self::TokensPerSec => true,
            Self::StateNorm | Self::LearningRate => false,
        }
    }
}

/// What the points of a line depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Made {
    n_points: usize,
    n_checks: usize,
    last: Option<(usize, f64)>,
    smoothing: f64,
    is_log: bool,
    steps: (usize, usize),
}

/// The points of a run in one plot, few enough to draw.
#[derive(Debug)]
struct Lines {
    made: Made,
    raw: Vec<PlotPoint>,
    smooth: Vec<PlotPoint>,
    checks: Vec<PlotPoint>,
}

/// Points that are made anew only when something changed.
#[derive(Debug, Default)]
pub struct PlotCache {
    lines: HashMap<(Metric, RunId), Lines>,
    /// The steps that are in sight, where people zoomed in.
    in_sight: HashMap<Metric, (usize, usize)>,
}

impl PlotCache {
    fn make(&mut self, metric: Metric, run: &Run, settings: &PlotSettings) {
        let series = metric.series(run);
        let made = Made {
            n_points: series.len(),
            n_checks: run.series.validation_loss.len(),
            last: series.last(),
            smoothing: settings.smoothing,
            is_log: metric.is_log(settings),
            steps: self
                .in_sight
                .get(&metric)
                .copied()
                .unwrap_or((0, usize::MAX)),
        };
        let key = (metric, run.id.clone());
        if self.lines.get(&key).is_some_and(|lines| lines.made == made) {
            return;
        }
        let (first, last) = made.steps;
        let points = |series: &Series| -> Vec<PlotPoint> {
            let few = decimate(series.between(first, last), metric.n_buckets());
            few.into_iter()
                .filter_map(|(step, value)| plotted(step, value, made.is_log))
                .collect()
        };
        let smooth = if metric.is_noisy() {
            points(&series.smoothed(settings.smoothing))
        } else {
            points(series)
        };
        let checks = match metric {
            Metric::Loss => points(&run.series.validation_loss),
            Metric::GradNorm | Metric::StateNorm | Metric::LearningRate | Metric::TokensPerSec => {
                Vec::new()
            }
        };
        let raw = points(series);
        let lines = Lines {
            made,
            raw,
            smooth,
            checks,
        };
        self.lines.insert(key, lines);
    }

    fn look_at(&mut self, metric: Metric, sight: Option<(f64, f64)>) {
        match sight {
            // One step more at each side, so that lines leave the picture.
            Some((first, last)) => {
                let steps = (
                    (first.max(0.0) as usize).saturating_sub(1),
                    last.max(0.0) as usize + 2,
                );
                self.in_sight.insert(metric, steps);
            }
            None => {
                self.in_sight.remove(&metric);
            }
        }
    }

    /// Forgets runs that are not looked at any more.
    pub fn keep(&mut self, is_kept: impl Fn(&RunId) -> bool) {
        self.lines.retain(|(_, run), _| is_kept(run));
    }
}

/// What is not finite has no place in a plot and is marked instead.
fn plotted(step: usize, value: f64, is_log: bool) -> Option<PlotPoint> {
    let y = if is_log { value.log10() } else { value };
    y.is_finite().then(|| PlotPoint::new(step as f64, y))
}

/// Draws the plot. The last of `runs` is the one whose steps are marked.
pub fn metric_plot_ui(
    ui: &mut Ui,
    metric: Metric,
    runs: &[&Run],
    state: &UiState,
    cache: &mut PlotCache,
    height: f32,
) {
    title_ui(ui, metric, runs.last().copied());
    for run in runs {
        cache.make(metric, run, &state.plots);
    }
    let (is_log, lines) = (metric.is_log(&state.plots), &cache.lines);
    let visuals = ui.visuals().clone();
    let ground = palette(&visuals).sunken;
    let response = plot(metric, is_log, height, palette(&visuals)).show(ui, |plot| {
        for run in runs {
            let Some(lines) = lines.get(&(metric, run.id.clone())) else {
                continue;
            };
            let colour = run_colour(state.colour(&run.id), &visuals);
            let name = run.id.0.as_str();
            if state.plots.shows_raw && metric.is_noisy() {
                let faint = blend(colour, ground, 0.34);
                let raw = Line::new(name, PlotPoints::Borrowed(&lines.raw));
                plot.line(
                    raw.color(faint)
                        .width(1.0)
                        .allow_hover(false)
                        .id(("raw", name)),
                );
            }
            let smooth = Line::new(name, PlotPoints::Borrowed(&lines.smooth));
            plot.line(smooth.color(colour).width(1.8).id(("smooth", name)));
            let dashed = Line::new(name, PlotPoints::Borrowed(&lines.checks));
            plot.line(
                dashed
                    .color(colour)
                    .width(1.0)
                    .style(LineStyle::dashed_loose())
                    .allow_hover(false)
                    .id(("checks", name)),
            );
            let checks = Points::new(
                format!("{name}, held-out"),
                PlotPoints::Borrowed(&lines.checks),
            );
            plot.points(checks.color(colour).radius(3.5).id(("dots", name)));
        }
        let marks = runs
            .last()
            .map(|run| marks(metric, run))
            .unwrap_or_default();
        for (idx, mark) in marks.iter().enumerate() {
            let line = VLine::new(mark.text.as_str(), mark.step as f64)
                .width(1.0)
                .color(mark.colour(&visuals));
            let style = if mark.is_trouble {
                LineStyle::Solid
            } else {
                LineStyle::dashed_dense()
            };
            plot.vline(line.style(style).allow_hover(false).id(("mark", idx)));
        }
        let bounds = plot.plot_bounds();
        let sight = (!plot.auto_bounds().x).then(|| (bounds.min()[0], bounds.max()[0]));
        (marks, sight)
    });
    let (marks, sight) = response.inner;
    let rect = response.response.rect;
    for mark in &marks {
        mark.write(ui, rect, &response.transform);
    }
    super::controls::named(
        &response.response,
        eframe::egui::Role::Image,
        metric.title(),
    );
    cache.look_at(metric, sight);
}

fn plot<'a>(metric: Metric, is_log: bool, height: f32, colours: &Palette) -> Plot<'a> {
    let (grid, cursor) = (colours.border, blend(colours.weak, colours.sunken, 0.6));
    let link = Id::unique("steps of runs");
    let value = move |y: f64| number(if is_log { 10_f64.powf(y) } else { y });
    let hover = move |at: &HoverPosition<'_>| match at {
        HoverPosition::NearDataPoint {
            plot_name,
            position,
            ..
        } => Some(format!(
            "{plot_name}\nstep {:.0}, {}",
            position.x,
            value(position.y)
        )),
        HoverPosition::Elsewhere { .. } => None,
    };
    let step = |mark: GridMark, _: &RangeInclusive<f64>| {
        let is_whole = mark.value >= 0.0 && mark.value.fract().abs() < 1e-9;
        if is_whole {
            format!("{:.0}", mark.value)
        } else {
            String::new()
        }
    };
    let x_axis = AxisHints::new_x()
        .formatter(step)
        .label_spacing(34.0..=70.0);
    let y_axis = AxisHints::new_y()
        .formatter(move |mark, _| value(mark.value))
        .min_thickness(46.0)
        // Small plots have room for few numbers.
        .label_spacing(14.0..=40.0);
    Plot::new(metric.title())
        .height(height)
        .link_axis(link, Vec2b::new(true, false))
        .link_cursor(link, Vec2b::new(true, false))
        .allow_scroll(false)
        .allow_drag(Vec2b::new(true, false))
        .allow_zoom(Vec2b::new(true, false))
        .set_margin_fraction(vec2(0.01, 0.08))
        .include_x(0.0)
        .grid_color(grid)
        .cursor_color(cursor)
        .custom_x_axes(vec![x_axis])
        .x_grid_spacer(spacer(7.0, 1.0))
        .y_grid_spacer(spacer(3.5, 0.0))
        .custom_y_axes(vec![y_axis])
        .label_formatter(hover)
}

/// Lines at 1, 2 or 5 times a power of ten, `wide` times as far apart as the
/// closest ones could be and not below `smallest`.
fn spacer(wide: f64, smallest: f64) -> impl Fn(GridInput) -> Vec<GridMark> {
    uniform_grid_spacer(move |input| {
        let step = round_step(input.base_step_size * wide).max(smallest);
        [step, 5.0 * step, 10.0 * step]
    })
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let times = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|times| times * power >= least);
    times.unwrap_or(10.0) * power
}

/// The title, and the newest number of the run that buttons act on.
fn title_ui(ui: &mut Ui, metric: Metric, run: Option<&Run>) {
    ui.horizontal(|ui| {
        super::controls::group_title(ui, metric.title());
        super::controls::weak_small(ui, metric.unit());
        let newest = run.and_then(|run| metric.series(run).last());
        if let Some((_, value)) = newest {
            super::controls::from_right(ui, |ui| ui.monospace(number(value)));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_not_too_close() {
        for (least, expected) in [(1.0, 1.0), (1.2, 2.0), (0.021, 0.05), (60.0, 100.0)] {
            let got = round_step(least);
            assert!(
                (got - expected).abs() < 1e-9 * expected,
                "{least} gives {got}"
            );
        }
    }

    #[test]
    fn what_is_not_finite_is_not_drawn() {
        assert!(plotted(1, f64::NAN, false).is_none());
        assert!(plotted(1, 0.0, true).is_none());
        assert_eq!(plotted(3, 100.0, true), Some(PlotPoint::new(3.0, 2.0)));
    }
}
