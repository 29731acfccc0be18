//! The cache of the plots, kept until the data changes: a few points of every run, and
//! the triangles of their lines.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::Mesh;

use super::along::{Along, XAxis};
use super::plot_drawn::{Canvas, Drawn};
use super::plot_lines::{Layer, Lines, MIN_BUCKETS, Made};
use super::plot_scales::{Extent, Scales};
use super::plot_settings::PlotSettings;
use super::seed_band::{Member, SeedGroups, spread};
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
    alongs: HashMap<RunId, Along>,
    groups: SeedGroups,
    /// When this frame began to make lines that were never drawn.
    first_since: Option<Instant>,
    /// Whether lines were left for the next frame.
    has_more: bool,
    /// What is in sight, where the user zoomed in: from how far along to how far.
    in_sight: Option<(f64, f64)>,
    /// What the plots ran over in the last frame.
    axis: XAxis,
    n_stamps: u64,
    /// Whether a plot was drawn in this frame.
    has_drawn: bool,
    /// Whether the plots followed the newest steps in the last frame.
    pub was_following: bool,
    /// The run that is pointed at in the plots.
    pub pointed: Option<RunId>,
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
            for run in drawn.runs() {
                self.follow(scales.axis, run);
            }
            let of = |count: &dyn Fn(&Run) -> usize| drawn.runs().map(count).sum::<usize>();
            let n_points = of(&|run| metric.series(run).len());
            let made = Made {
                n_points: n_points - n_points % coarse(drawn, metric),
                n_checks: of(&|run| run.series.validation_loss.len()),
                n_rewrites: of(&|run| metric.series(run).n_rewrites()),
                smoothing: settings.smoothing,
                scales,
                steps: self.steps_in_sight(drawn.run),
                n_buckets,
                has_raw: has_raw && drawn.members.is_empty(),
                n_members: drawn.members.len(),
            };
            if let Some(lines) = self.lines_of(metric, drawn, made) {
                extent = match (extent, lines.extent) {
                    (Some(known), Some(own)) => Some(known.with(own)),
                    (known, own) => known.or(own),
                };
            }
        }
        extent
    }

    /// The points of a run; none if they have to wait for the next frame.
    fn lines_of(&mut self, metric: Metric, drawn: &Drawn<'_>, made: Made) -> Option<&Lines> {
        let run = drawn.run;
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
            let along = |run: &Run| self.alongs.get(&run.id);
            match &drawn.members[..] {
                [] => lines.remake(metric, run, along(run)?, made, self.n_stamps),
                members => {
                    let members = members.iter().filter_map(|run| Some((*run, along(run)?)));
                    let members: Vec<_> = members.collect();
                    lines.remake_mean(metric, &members, made, self.n_stamps);
                }
            }
        }
        Some(lines)
    }

    /// Takes in how far a run has come.
    fn follow(&mut self, axis: XAxis, run: &Run) {
        match self.alongs.get_mut(&run.id) {
            Some(along) => along.follow(axis, run),
            None => {
                self.alongs.insert(run.id.clone(), Along::of(axis, run));
            }
        }
    }

    /// How far a run was at its steps.
    pub fn along(&mut self, axis: XAxis, run: &Run) -> &Along {
        self.follow(axis, run);
        &self.alongs[&run.id]
    }

    /// The value of a run or of a mean where it is so far along; none beyond its end.
    pub fn value(&self, metric: Metric, drawn: &Drawn<'_>, x: f64) -> Option<f64> {
        let member = |run| {
            Some(Member {
                series: metric.series(run),
                along: self.alongs.get(&run.id)?,
            })
        };
        if drawn.members.is_empty() {
            let Member { series, along } = member(drawn.run)?;
            let step = along.step(x);
            // Beyond its end a run has no number.
            let is_within = series.last().is_some_and(|(last, _)| x <= along.x(last));
            return series
                .at(step)
                .filter(|_| is_within)
                .map(|(_, value)| value);
        }
        let members: Vec<Member<'_>> = drawn.runs().filter_map(member).collect();
        spread(&members, x).map(|of| of.mean)
    }

    /// The runs in groups that differ in their seed alone.
    pub fn groups<'a>(&mut self, runs: &[&'a Run]) -> Vec<Vec<&'a Run>> {
        self.groups.of(runs)
    }

    /// The steps of a run that are in sight.
    fn steps_in_sight(&self, run: &Run) -> (usize, usize) {
        match (self.in_sight, self.alongs.get(&run.id)) {
            (Some(sight), Some(along)) => steps_in(sight, along),
            _ => (0, usize::MAX),
        }
    }

    /// Notes what the plots run over; whether it is another thing than before, so that
    /// what was in sight is not any more.
    pub fn run_over(&mut self, axis: XAxis) -> bool {
        let is_other = std::mem::replace(&mut self.axis, axis) != axis;
        if is_other {
            self.in_sight = None;
        }
        is_other
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
        self.has_drawn = false;
    }

    /// Whether lines were left for the next frame.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether this plot is the first one of the frame.
    pub fn leads(&mut self) -> bool {
        !std::mem::replace(&mut self.has_drawn, true)
    }

    /// What the user zoomed in on.
    pub fn in_sight(&self) -> Option<(f64, f64)> {
        self.in_sight
    }

    /// Remembers what the user zoomed in on; points are made for that.
    pub fn look_at(&mut self, sight: Option<(f64, f64)>) {
        self.in_sight = sight;
    }

    /// Forgets runs that are not looked at any more.
    pub fn keep(&mut self, is_kept: impl Fn(&RunId) -> bool) {
        self.lines.retain(|run, _| is_kept(run));
        self.alongs.retain(|run, _| is_kept(run));
        self.groups.keep(is_kept);
    }
}

/// The steps of a run that are in sight.
pub(super) fn steps_in((first, last): (f64, f64), along: &Along) -> (usize, usize) {
    // One step more at each side, so that lines leave the picture.
    let first = along.step(first.max(0.0)).saturating_sub(1);
    (first, along.step(last.max(0.0)).saturating_add(2))
}

/// The number of points that are new before a mean is made again: it looks at all of
/// its runs.
fn coarse(drawn: &Drawn<'_>, metric: Metric) -> usize {
    let longest = drawn
        .members
        .iter()
        .map(|run| metric.series(run).len())
        .max();
    longest.map_or(1, |longest| (drawn.members.len() * longest / 200).max(1))
}

/// Whether so many runs can have bold lines and raw numbers.
pub fn is_bold(n_runs: usize) -> bool {
    n_runs <= MAX_BOLD_RUNS
}
