//! How a run is drawn, and on what.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use eframe::egui::{Color32, Rect};
use egui_plot::PlotTransform;

use crate::runs::run::Run;
use crate::ui::widgets::metric::Metric;

/// How a run, or the mean of some, is drawn.
#[derive(Debug, Clone)]
pub struct Drawn<'a> {
    /// The run; of a mean the last one of it.
    pub run: &'a Run,
    /// The runs that it is the mean of; none of a run alone.
    pub members: Vec<&'a Run>,
    /// Its colour.
    pub colour: Color32,
    /// Whether the others are compared with it.
    pub is_baseline: bool,
}

impl<'a> Drawn<'a> {
    /// The runs that the line is of.
    pub fn runs(&self) -> impl Iterator<Item = &'a Run> {
        let alone = self.members.is_empty().then_some(self.run);
        alone.into_iter().chain(self.members.iter().copied())
    }

    /// What it is called.
    pub fn title(&self) -> String {
        match self.members.len() {
            0 => self.run.title().to_owned(),
            n => tr!("mean of {n} seeds of {}", self.run.title(), n),
        }
    }

    /// The newest value; of a mean that of its runs.
    pub fn last(&self, metric: Metric) -> Option<f64> {
        let last = |run: &Run| metric.series(run).last().map(|(_, value)| value);
        let values: Vec<f64> = self.runs().filter_map(last).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
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
