//! The state of the plots: their settings and caches.

use std::collections::HashSet;

use eframe::egui::Visuals;

use super::arrange::Arranging;
use super::charts::ChartLayouts;
use super::plot::Plotted;
use super::plot_cache::PlotCache;
use super::plot_settings::PlotSettings;
use super::plot_svg::metric_svg;
use super::seed_band::SeedGroups;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::workspace::Workspace;
use crate::ui::widgets::metric::Metric;

/// The plots of the steps.
#[derive(Debug, Default)]
pub struct Tune {
    /// How plots are drawn.
    pub settings: PlotSettings,
    /// Which charts there are, and layouts of them.
    pub layouts: ChartLayouts,
    pub(crate) arranging: Arranging,
    pub(crate) cache: PlotCache,
}

impl Tune {
    /// Begins a frame in which these runs may be drawn.
    pub(crate) fn begin_frame(&mut self, selection: &Selection) {
        let drawn = selection.selected.iter().chain(&selection.baseline);
        let drawn: HashSet<&RunId> = drawn.collect();
        self.cache.keep(|run| drawn.contains(run));
        self.cache.begin_frame();
        self.cache.pointed = None;
    }

    /// A plot of these runs as a picture that scales.
    pub(crate) fn svg(&self, metric: Metric, runs: &[Run], workspace: &Workspace) -> String {
        let Workspace {
            store, selection, ..
        } = workspace;
        let baseline = selection.baseline.as_ref();
        let shown: Vec<&Run> = runs.iter().collect();
        let plotted = Plotted {
            runs: &shown,
            baseline: baseline.and_then(|id| store.get(id)),
            selection,
            groups: match self.settings.folds_seeds {
                true => SeedGroups::default().of(&shown),
                false => Vec::new(),
            },
            settings: self.settings,
            highlighted: None,
        };
        let drawn = plotted.drawn(&Visuals::light());
        metric_svg(metric, &drawn, &self.settings, self.cache.in_sight())
    }
}
