//! The cache of the plots, kept until the data changes: a few points of every run, and
//! the triangles of their lines.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::Mesh;

use super::plot_lines::{Canvas, Drawn, Extent, Layer, Lines, MIN_BUCKETS, Made, Scales};
use super::plot_settings::PlotSettings;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::widgets::metric::Metric;

/// Points of width that one stretch of steps takes.
const BUCKET_WIDTH: f32 = 3.0;
/// Stretches for every point of width, of all lines of a plot together.
const ALL_BUCKETS_PER_WIDTH: f32 = 2.0;
/// More runs than this are drawn with thin lines and without their raw numbers.
const MAX_BOLD_RUNS: usize = 12;
/// What lines that were never drawn may take of a frame; the rest come in the
/// next ones.
const MAX_FIRST: Duration = Duration::from_millis(3);

/// Points and triangles that are made anew only when something changed.
#[derive(Debug, Default)]
pub struct PlotCache {
    lines: HashMap<RunId, HashMap<Metric, Lines>>,
    /// When this frame began to make lines that were never drawn.
    first_since: Option<Instant>,
    /// Whether lines were left for the next frame.
    has_more: bool,
    /// The steps that are in sight, where the user zoomed in.
    in_sight: Option<(usize, usize)>,
    n_stamps: u64,
    /// Whether the plots followed the newest steps in the last frame.
    pub was_following: bool,
    /// The run that was pointed at in the last frame.
    pub highlighted: Option<RunId>,
}

impl PlotCache {
    /// Makes the points of a plot that is `width` wide, and says what they span.
    pub fn make(
        &mut self,
        metric: Metric,
        runs: &[Drawn<'_>],
        settings: &PlotSettings,
        scales: Scales,
        width: f32,
    ) -> Option<Extent> {
        let n_runs = runs.len().max(1);
        let all = (ALL_BUCKETS_PER_WIDTH * width) as usize;
        let of_width = (width / BUCKET_WIDTH) as usize;
        let n_buckets = of_width.min(all / n_runs).max(MIN_BUCKETS);
        let has_raw = settings.shows_raw && metric.is_noisy() && is_bold(n_runs);
        let mut extent: Option<Extent> = None;
        for drawn in runs {
            let run = drawn.run;
            let series = metric.series(run);
            let made = Made {
                n_points: series.len(),
                n_checks: run.series.validation_loss.len(),
                n_rewrites: series.n_rewrites(),
                smoothing: settings.smoothing,
                scales,
                steps: self.in_sight.unwrap_or((0, usize::MAX)),
                n_buckets,
                has_raw,
            };
            if let Some(lines) = self.lines_of(metric, run, made) {
                extent = match (extent, lines.extent) {
                    (Some(known), Some(own)) => Some(known.with(own)),
                    (known, own) => known.or(own),
                };
            }
        }
        extent
    }

    /// The points of a run; none if they have to wait for the next frame.
    fn lines_of(&mut self, metric: Metric, run: &Run, made: Made) -> Option<&Lines> {
        if !self.lines.contains_key(&run.id) {
            self.lines.insert(run.id.clone(), HashMap::new());
        }
        let of_run = self.lines.get_mut(&run.id)?;
        let lines = of_run.entry(metric).or_insert_with(|| Lines::none(made));
        if lines.stamp == 0 {
            let since = self.first_since.get_or_insert_with(Instant::now);
            if since.elapsed() > MAX_FIRST {
                self.has_more = true;
                return None;
            }
        }
        if lines.made != made || lines.stamp == 0 {
            self.n_stamps += 1;
            lines.remake(metric, run, made, self.n_stamps);
        }
        Some(lines)
    }

    /// The triangles of the lines: faint ones first, so that none covers a
    /// strong one.
    pub fn meshes(
        &mut self,
        metric: Metric,
        runs: &[Drawn<'_>],
        canvas: Canvas<'_>,
    ) -> Vec<Arc<Mesh>> {
        let mut meshes = Vec::with_capacity(2 * runs.len());
        let of_all = canvas.key();
        for layer in [Layer::Raw, Layer::Smooth] {
            for drawn in runs {
                let of_run = self.lines.get_mut(&drawn.run.id);
                if let Some(lines) = of_run.and_then(|of| of.get_mut(&metric)) {
                    let mesh = lines.mesh(layer, drawn, canvas, of_all);
                    if !mesh.is_empty() {
                        meshes.push(mesh);
                    }
                }
            }
        }
        meshes
    }

    /// Begins a frame.
    pub fn begin_frame(&mut self) {
        self.first_since = None;
        self.has_more = false;
    }

    /// Whether lines were left for the next frame.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// The steps that the user zoomed in on.
    pub fn in_sight(&self) -> Option<(usize, usize)> {
        self.in_sight
    }

    /// Remembers what the user zoomed in on; points are made for that.
    pub fn look_at(&mut self, sight: Option<(f64, f64)>) {
        // One step more at each side, so that lines leave the picture.
        self.in_sight = sight.map(|(first, last)| {
            let first = (first.max(0.0) as usize).saturating_sub(1);
            (first, (last.max(0.0) as usize).saturating_add(2))
        });
    }

    /// Forgets runs that are not looked at any more.
    pub fn keep(&mut self, is_kept: impl Fn(&RunId) -> bool) {
        self.lines.retain(|run, _| is_kept(run));
    }
}

/// Whether so many runs can have bold lines and raw numbers.
pub fn is_bold(n_runs: usize) -> bool {
    n_runs <= MAX_BOLD_RUNS
}
