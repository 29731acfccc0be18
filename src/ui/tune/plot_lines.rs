//! The few points and the triangles of a run in one plot.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use eframe::egui::{Color32, Mesh, Pos2, Rect};
use egui_plot::{PlotPoint, PlotTransform};

use super::curve_mesh::{Pen, add_dashed, add_dot, add_line};
use super::plot_settings::PlotSettings;
use crate::runs::run::Run;
use crate::runs::series::{Series, Smoothed};
use crate::ui::shell::theme::blend;
use crate::ui::widgets::metric::Metric;

/// Stretches that a line is cut into at least.
pub(crate) const MIN_BUCKETS: usize = 16;

/// The scale of the steps and of the values of a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scales {
    /// Whether steps are on a logarithmic scale.
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
            is_log_x: settings.is_log_x,
            is_log_y: settings.is_log && metric.can_be_log(),
        }
    }

    /// Where a step stands.
    pub fn x(self, step: usize) -> f64 {
        let step = step as f64;
        if self.is_log_x { step.log10() } else { step }
    }

    /// The step that stands there.
    pub fn step(self, x: f64) -> f64 {
        if self.is_log_x { 10_f64.powf(x) } else { x }
    }

    fn point(self, (step, value): (usize, f64)) -> PlotPoint {
        let y = if self.is_log_y { value.log10() } else { value };
        // Nothing at all, and not a line to infinity.
        let y = if y.is_finite() { y } else { f64::NAN };
        PlotPoint::new(self.x(step), y)
    }
}

/// What the points of a line depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Made {
    pub n_points: usize,
    pub n_checks: usize,
    pub n_rewrites: usize,
    pub smoothing: f64,
    pub scales: Scales,
    pub steps: (usize, usize),
    pub n_buckets: usize,
    pub has_raw: bool,
}

/// The points of a run in one plot, few enough to draw.
#[derive(Debug)]
pub(crate) struct Lines {
    pub made: Made,
    pub smoothed: Smoothed,
    pub raw: Vec<PlotPoint>,
    pub smooth: Vec<PlotPoint>,
    pub checks: Vec<PlotPoint>,
    /// What they span; none where no value is finite.
    pub extent: Option<Extent>,
    /// Changes with the points; 0 while there are none.
    pub stamp: u64,
    /// The triangles of each layer, and what they were made for.
    pub meshes: [(u64, Arc<Mesh>); 2],
}

/// How a run is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its colour.
    pub colour: Color32,
    /// Whether the others are compared with it.
    pub is_baseline: bool,
}

/// Where and on what lines are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Canvas<'a> {
    /// Where values stand.
    pub transform: &'a PlotTransform,
    /// The colour behind the lines.
    pub ground: Color32,
    /// Width of a pixel, in points.
    pub soft: f32,
    /// Whether there are few enough runs for bold lines.
    pub is_bold: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Layer {
    Raw,
    Smooth,
}

impl Canvas<'_> {
    /// Everything that the triangles of every run depend on, in one number.
    pub(crate) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Rect { min, max } = *self.transform.frame();
        for value in [min.x, min.y, max.x, max.y, self.soft] {
            value.to_bits().hash(&mut hasher);
        }
        let bounds = self.transform.bounds();
        for value in bounds.min().into_iter().chain(bounds.max()) {
            value.to_bits().hash(&mut hasher);
        }
        (self.ground, self.is_bold).hash(&mut hasher);
        hasher.finish()
    }
}

impl Lines {
    pub fn none(made: Made) -> Self {
        Self {
            made,
            smoothed: Smoothed::new(made.smoothing),
            raw: Vec::new(),
            smooth: Vec::new(),
            checks: Vec::new(),
            extent: None,
            stamp: 0,
            meshes: [(0, Arc::default()), (0, Arc::default())],
        }
    }

    pub fn remake(&mut self, metric: Metric, run: &Run, made: Made, stamp: u64) {
        let series = metric.series(run);
        if self.made.smoothing != made.smoothing {
            self.smoothed = Smoothed::new(made.smoothing);
        }
        let smooth = if metric.is_noisy() {
            self.smoothed.follow(series)
        } else {
            series
        };
        self.smooth = points(smooth, made);
        self.raw = if made.has_raw {
            points(series, made)
        } else {
            Vec::new()
        };
        self.checks = if metric == Metric::Loss {
            let few = (made.n_buckets / 4).max(MIN_BUCKETS);
            points(
                &run.series.validation_loss,
                Made {
                    n_buckets: few,
                    ..made
                },
            )
        } else {
            Vec::new()
        };
        self.extent = None;
        for points in [&self.raw, &self.smooth, &self.checks] {
            for point in points.iter().filter(|point| point.y.is_finite()) {
                let of_point = Extent {
                    x: (point.x, point.x),
                    y: (point.y, point.y),
                };
                self.extent = Some(self.extent.map_or(of_point, |known| known.with(of_point)));
            }
        }
        self.made = made;
        self.stamp = stamp;
    }

    /// The triangles of a layer; `of_all` is the key of the canvas.
    pub fn mesh(
        &mut self,
        layer: Layer,
        drawn: &Drawn<'_>,
        canvas: Canvas<'_>,
        of_all: u64,
    ) -> Arc<Mesh> {
        let mut hasher = DefaultHasher::new();
        (of_all, self.stamp, drawn.colour, drawn.is_baseline).hash(&mut hasher);
        let key = hasher.finish();
        let idx = match layer {
            Layer::Raw => 0,
            Layer::Smooth => 1,
        };
        if self.meshes[idx].0 != key {
            self.meshes[idx] = (key, Arc::new(self.drawn(layer, drawn, canvas)));
        }
        self.meshes[idx].1.clone()
    }

    fn drawn(&self, layer: Layer, drawn: &Drawn<'_>, canvas: Canvas<'_>) -> Mesh {
        let Canvas {
            transform,
            ground,
            soft,
            is_bold,
        } = canvas;
        let place = |points: &[PlotPoint]| -> Vec<Pos2> {
            points
                .iter()
                .map(|point| transform.position_from_point(point))
                .collect()
        };
        let pen = |colour, width| Pen {
            colour,
            width,
            soft,
        };
        let (colour, width) = (drawn.colour, if is_bold { 1.8 } else { soft });
        let mut mesh = Mesh::default();
        match layer {
            Layer::Raw => {
                let faint = blend(colour, ground, 0.34);
                add_line(&mut mesh, place(&self.raw), pen(faint, soft));
            }
            Layer::Smooth => {
                let smooth = place(&self.smooth);
                if drawn.is_baseline {
                    add_dashed(&mut mesh, &smooth, pen(colour, 1.8));
                } else {
                    add_line(&mut mesh, smooth, pen(colour, width));
                }
                let checks = place(&self.checks);
                add_line(&mut mesh, checks.iter().copied(), pen(colour, soft));
                if is_bold {
                    for check in checks.into_iter().filter(|check| check.is_finite()) {
                        add_dot(&mut mesh, check, 3.5, pen(colour, soft));
                    }
                }
            }
        }
        mesh
    }
}

fn points(series: &Series, made: Made) -> Vec<PlotPoint> {
    let Made {
        scales,
        steps: (first, last),
        n_buckets,
        ..
    } = made;
    if !scales.is_log_x {
        let few = series.decimated(first, last, n_buckets);
        return few.into_iter().map(|point| scales.point(point)).collect();
    }
    // Each doubling of the step has the same width.
    let newest = series.last().map_or(0, |(step, _)| step).min(last);
    let n_octaves = newest.max(1).ilog2() as usize + 1;
    let of_octave = (n_buckets / n_octaves).max(8);
    let mut all = Vec::new();
    for octave in 0..n_octaves {
        let from = (1_usize << octave).max(first);
        let to = (1_usize << octave).saturating_mul(2).saturating_sub(1);
        let few = series.decimated(from, to.min(last), of_octave);
        all.extend(few.into_iter().map(|point| scales.point(point)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: Scales = Scales {
        is_log_x: false,
        is_log_y: false,
    };

    fn made(scales: Scales) -> Made {
        Made {
            n_points: 0,
            n_checks: 0,
            n_rewrites: 0,
            smoothing: 0.0,
            scales,
            steps: (0, usize::MAX),
            n_buckets: 100,
            has_raw: true,
        }
    }

    #[test]
    fn what_has_no_place_is_a_gap() {
        assert!(LINEAR.point((1, f64::INFINITY)).y.is_nan());
        let log = Scales {
            is_log_y: true,
            is_log_x: true,
        };
        assert!(log.point((1, 0.0)).y.is_nan());
        assert_eq!(log.point((1000, 100.0)), PlotPoint::new(3.0, 2.0));
        assert_eq!(log.step(3.0), 1000.0);
    }

    #[test]
    fn a_logarithmic_axis_keeps_the_first_steps() {
        let mut series = Series::default();
        for step in 1..=100_000 {
            series.push(step, 1.0 / step as f64);
        }
        let log = Scales {
            is_log_x: true,
            is_log_y: false,
        };
        let points = points(&series, made(log));
        assert!(points.len() < 500, "{}", points.len());
        assert!(points.windows(2).all(|pair| pair[0].x < pair[1].x));
        assert!(points.iter().filter(|point| point.x < 1.0).count() >= 8);
        assert_eq!(points.last().map(|point| point.x), Some(5.0));
    }
}
