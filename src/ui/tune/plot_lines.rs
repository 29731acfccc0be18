//! The few points and the triangles of a run in one plot.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use eframe::egui::{Mesh, Pos2};
use egui_plot::PlotPoint;

use super::along::Along;
use super::curve_mesh::{Pen, add_band, add_dashed, add_dot, add_line};
use super::plot_drawn::{Canvas, Drawn};
use super::plot_scales::{Extent, Scales};
use super::seed_band::{Member, spreads};
use crate::runs::run::Run;
use crate::runs::series::{Series, Smoothed};
use crate::ui::shell::theme::blend;
use crate::ui::widgets::metric::Metric;

/// Stretches that a line is cut into at least.
pub(crate) const MIN_BUCKETS: usize = 16;

/// How strong the colour of a band is.
const BAND: f32 = 0.2;

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
    /// Runs that it is the mean of; none of a run alone.
    pub n_members: usize,
}

/// The points of a run in one plot, few enough to draw.
#[derive(Debug)]
pub(crate) struct Lines {
    pub made: Made,
    pub smoothed: Smoothed,
    pub raw: Vec<PlotPoint>,
    pub smooth: Vec<PlotPoint>,
    pub checks: Vec<PlotPoint>,
    /// From the lowest to the highest run of a mean.
    pub band: Vec<(PlotPoint, PlotPoint)>,
    members: Vec<Smoothed>,
    /// What they span; none where no value is finite.
    pub extent: Option<Extent>,
    /// Changes with the points; 0 while there are none.
    pub stamp: u64,
    /// The triangles of each layer, and what they were made for.
    pub meshes: [(u64, Arc<Mesh>); 2],
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Layer {
    Raw,
    Smooth,
}

impl Lines {
    pub fn none(made: Made) -> Self {
        Self {
            made,
            smoothed: Smoothed::new(made.smoothing),
            raw: Vec::new(),
            smooth: Vec::new(),
            checks: Vec::new(),
            band: Vec::new(),
            members: Vec::new(),
            extent: None,
            stamp: 0,
            meshes: [(0, Arc::default()), (0, Arc::default())],
        }
    }

    pub fn remake(&mut self, metric: Metric, run: &Run, along: &Along, made: Made, stamp: u64) {
        let series = metric.series(run);
        if self.made.smoothing != made.smoothing {
            self.smoothed = Smoothed::new(made.smoothing);
        }
        let smooth = if metric.is_noisy() {
            self.smoothed.follow(series)
        } else {
            series
        };
        self.smooth = points(smooth, along, made);
        self.band.clear();
        self.raw = if made.has_raw {
            points(series, along, made)
        } else {
            Vec::new()
        };
        self.checks = if metric == Metric::Loss {
            let few = (made.n_buckets / 4).max(MIN_BUCKETS);
            points(
                &run.series.validation_loss,
                along,
                Made {
                    n_buckets: few,
                    ..made
                },
            )
        } else {
            Vec::new()
        };
        self.span(made, stamp);
    }

    /// The same of the mean of runs, each with how far it was at its steps.
    pub fn remake_mean(&mut self, metric: Metric, runs: &[(&Run, &Along)], made: Made, stamp: u64) {
        if self.made.smoothing != made.smoothing || self.members.len() != runs.len() {
            self.members = vec![Smoothed::new(made.smoothing); runs.len()];
        }
        if metric.is_noisy() {
            for (smoothed, (run, _)) in self.members.iter_mut().zip(runs) {
                smoothed.follow(metric.series(run));
            }
        }
        let lines: Vec<Member<'_>> = runs
            .iter()
            .zip(&self.members)
            .map(|((run, along), smoothed)| Member {
                series: match metric.is_noisy() {
                    true => smoothed.series(),
                    false => metric.series(run),
                },
                along,
            })
            .collect();
        let scales = made.scales;
        let spreads = spreads(&lines, made.steps);
        let point = |x: f64, y: f64| scales.point((x, y));
        self.smooth = spreads.iter().map(|of| point(of.x, of.mean)).collect();
        let band = spreads
            .iter()
            .map(|of| (point(of.x, of.low), point(of.x, of.high)));
        self.band = band.collect();
        self.raw.clear();
        self.checks = match metric {
            Metric::Loss => mean_checks(runs, made),
            _ => Vec::new(),
        };
        self.span(made, stamp);
    }

    /// Notes what the points span, and what they were made of.
    fn span(&mut self, made: Made, stamp: u64) {
        let ends = self.band.iter().flat_map(|(low, high)| [low, high]);
        let all = self
            .raw
            .iter()
            .chain(&self.smooth)
            .chain(&self.checks)
            .chain(ends);
        let mut extent: Option<Extent> = None;
        for point in all.filter(|point| point.y.is_finite()) {
            let of_point = Extent {
                x: (point.x, point.x),
                y: (point.y, point.y),
            };
            extent = Some(extent.map_or(of_point, |known| known.with(of_point)));
        }
        self.extent = extent;
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
                let at = |point: &PlotPoint| transform.position_from_point(point);
                let band: Vec<(Pos2, Pos2)> = self
                    .band
                    .iter()
                    .map(|(low, high)| (at(low), at(high)))
                    .collect();
                add_band(&mut mesh, &band, colour.gamma_multiply(BAND));
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

/// The mean losses on held-out examples, of the runs that have one at a step.
fn mean_checks(runs: &[(&Run, &Along)], made: Made) -> Vec<PlotPoint> {
    let checks = |run: &Run| run.series.validation_loss.len();
    let longest = runs.iter().max_by_key(|(run, _)| checks(run));
    let Some((longest, along)) = longest else {
        return Vec::new();
    };
    let (first, last) = made.steps;
    let few = longest
        .series
        .validation_loss
        .decimated(first, last, MIN_BUCKETS);
    let mean = |step: usize| {
        let at = |(run, _): &(&Run, &Along)| {
            let (found, loss) = run.series.validation_loss.at(step)?;
            (found == step && loss.is_finite()).then_some(loss)
        };
        let losses: Vec<f64> = runs.iter().filter_map(at).collect();
        losses.iter().sum::<f64>() / losses.len() as f64
    };
    few.into_iter()
        .map(|(step, _)| made.scales.point((along.x(step), mean(step))))
        .collect()
}

fn points(series: &Series, along: &Along, made: Made) -> Vec<PlotPoint> {
    let point = |(step, value): (usize, f64)| made.scales.point((along.x(step), value));
    let Made {
        scales,
        steps: (first, last),
        n_buckets,
        ..
    } = made;
    if !scales.is_log_x {
        let few = series.decimated(first, last, n_buckets);
        return few.into_iter().map(point).collect();
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
        all.extend(few.into_iter().map(point));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::along::XAxis;
    use super::*;

    const LINEAR: Scales = Scales {
        axis: XAxis::Steps,
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
            n_members: 0,
        }
    }

    #[test]
    fn what_has_no_place_is_a_gap() {
        assert!(LINEAR.point((1.0, f64::INFINITY)).y.is_nan());
        let log = Scales {
            axis: XAxis::Steps,
            is_log_y: true,
            is_log_x: true,
        };
        assert!(log.point((1.0, 0.0)).y.is_nan());
        assert_eq!(log.point((1000.0, 100.0)), PlotPoint::new(3.0, 2.0));
        assert_eq!(log.x(3.0), 1000.0);
    }

    #[test]
    fn a_logarithmic_axis_keeps_the_first_steps() {
        let mut series = Series::default();
        for step in 1..=100_000 {
            series.push(step, 1.0 / step as f64);
        }
        let log = Scales {
            axis: XAxis::Steps,
            is_log_x: true,
            is_log_y: false,
        };
        let points = points(&series, &Along::default(), made(log));
        assert!(points.len() < 500, "{}", points.len());
        assert!(points.windows(2).all(|pair| pair[0].x < pair[1].x));
        assert!(points.iter().filter(|point| point.x < 1.0).count() >= 8);
        assert_eq!(points.last().map(|point| point.x), Some(5.0));
    }
}
