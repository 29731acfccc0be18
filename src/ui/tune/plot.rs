//! A plot of one metric of several runs.

use eframe::egui::{
    Align, Color32, Direction, FontId, Label, Layout, Rect, RichText, Role, Shape, Ui, UiBuilder,
    Vec2b, Visuals, vec2,
};
use egui_plot::{LineStyle, PlotPoint, PlotResponse, VLine};

use super::along::XAxis;
use super::plot_axes::plot;
use super::plot_cache::{PlotCache, is_bold};
use super::plot_drawn::{Canvas, Drawn};
use super::plot_marks::marks;
use super::plot_menu::{Placed, plot_menu_ui};
use super::plot_scales::Scales;
use super::plot_settings::PlotSettings;
use super::plot_table::{data_words, metric_table};
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{PictureOf, is_taken};
use crate::ui::shell::theme::{blend, palette, run_colour};
use crate::ui::widgets::controls::{cut_label, from_right, group_title, named, weak_small};
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::numbers::number;

/// Height of the title, with the space below it.
const TITLE_HEIGHT: f32 = 26.0;
/// Runs that are named beside the plots; more are told by their number.
pub const MAX_NAMED: usize = 24;
/// How near a line the pointer is at it.
const REACH: f32 = 10.0;
/// Share of its colour that a run has beside one that is pointed at.
const FAINT: f32 = 0.3;
/// Runs whose numbers are written beside the pointer.
const MAX_READ: usize = 10;

/// What a plot is of.
pub struct Plotted<'a> {
    /// The runs; the last is the one that buttons act on, whose steps are
    /// marked.
    pub runs: &'a [&'a Run],
    /// The run that the others are compared with, whether it is among them or
    /// not.
    pub baseline: Option<&'a Run>,
    /// The colours of runs.
    pub selection: &'a Selection,
    /// The runs in groups that differ in their seed alone, where they are drawn as
    /// their means; else nothing.
    pub groups: Vec<Vec<&'a Run>>,
    /// How plots are drawn.
    pub settings: PlotSettings,
    /// The run that is pointed at, beside which the others are faint.
    pub highlighted: Option<&'a RunId>,
}

impl<'a> Plotted<'a> {
    /// How each run is drawn on a light or a dark ground: the baseline first, so
    /// that the others are drawn over it.
    pub fn drawn(&self, visuals: &Visuals) -> Vec<Drawn<'a>> {
        let is_baseline = |run: &Run| self.baseline.is_some_and(|of| of.id == run.id);
        let one = |run: &'a Run, members: &[&'a Run]| Drawn {
            run,
            // One run has no mean.
            members: match members.len() {
                0 | 1 => Vec::new(),
                _ => members.to_vec(),
            },
            colour: run_colour(self.selection.colour(&run.id), visuals),
            is_baseline: is_baseline(run),
        };
        let alone = self.runs.iter().filter(|_| self.groups.is_empty());
        let means = self
            .groups
            .iter()
            .filter_map(|group| Some(one(group.last()?, group)));
        let shown = alone.map(|run| one(run, &[])).chain(means);
        let is_shown = |of: &&Run| self.runs.iter().any(|run| run.id == of.id);
        let apart = self.baseline.filter(|of| !is_shown(of)).map(|run| Drawn {
            run,
            members: Vec::new(),
            colour: palette(visuals).weak,
            is_baseline: true,
        });
        let mut drawn: Vec<Drawn<'a>> = apart.into_iter().chain(shown).collect();
        let is_lit = |of: &Drawn<'_>| of.runs().any(|run| self.highlighted == Some(&run.id));
        if drawn.iter().any(is_lit) {
            let ground = palette(visuals).sunken;
            for of in drawn.iter_mut().filter(|of| !is_lit(of)) {
                of.colour = blend(of.colour, ground, FAINT);
            }
            // Over all others.
            drawn.sort_by_key(|of| is_lit(of));
        }
        drawn
    }
}

/// What the user did to the steps that are in sight.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Handled {
    /// They moved or zoomed by hand, which ends following the newest steps.
    pub is_moved: bool,
    /// What they asked for by the menu.
    pub asked: Option<Action>,
    /// The run whose line they point at.
    pub pointed: Option<RunId>,
}

impl Handled {
    /// Adds what was done to another plot.
    pub fn add(&mut self, other: Self) {
        self.is_moved |= other.is_moved;
        self.asked = self.asked.take().or(other.asked);
        self.pointed = self.pointed.take().or(other.pointed);
    }
}

/// Draws the plot, unless it is scrolled out of sight.
pub fn metric_plot_ui(
    ui: &mut Ui,
    placed: &Placed,
    plotted: &Plotted<'_>,
    cache: &mut PlotCache,
    height: f32,
) -> Handled {
    let metric = placed.place.metric;
    let size = vec2(ui.available_width(), height + TITLE_HEIGHT);
    let rect = Rect::from_min_size(ui.cursor().min, size);
    let of = PictureOf::Plot(metric);
    charts::leaves(ui, of, rect, || {
        let baseline = plotted.baseline.filter(|of| {
            let mut shown = plotted.runs.iter();
            shown.all(|run| run.id != of.id)
        });
        let runs: Vec<&Run> = plotted.runs.iter().copied().chain(baseline).collect();
        metric_table(metric, &runs)
    });
    if !ui.is_rect_visible(rect) {
        ui.allocate_space(size);
        return Handled::default();
    }
    let is_picture = is_taken(ui, of);
    title_ui(ui, metric, plotted, is_picture);
    let visuals = ui.visuals().clone();
    let colours = palette(&visuals);
    let drawn = plotted.drawn(&visuals);
    let settings = &plotted.settings;
    let scales = Scales::of(settings, metric);
    let extent = cache.make(metric, &drawn, settings, scales, size.x);
    // Where a mean is drawn, the steps of one of its runs say nothing.
    let marked = plotted.runs.last().filter(|run| {
        let mut means = drawn.iter().filter(|of| !of.members.is_empty());
        !means.any(|of| of.run.id == run.id)
    });
    let mut marks = marked.map(|run| marks(metric, run)).unwrap_or_default();
    if let Some(run) = marked {
        let along = cache.along(scales.axis, run);
        for mark in &mut marks {
            mark.place = scales.place(along.x(mark.step));
        }
    }
    let tail = settings.tail.and_then(|n_steps| {
        let newest = plotted.runs.iter().max_by_key(|run| run.step)?;
        let first = newest.step.saturating_sub(n_steps).max(1);
        let along = cache.along(scales.axis, newest);
        let place = |step: usize| scales.place(along.x(step));
        let (first, last) = (place(first), place(newest.step.max(first + 1)));
        (last > first).then_some(first..=last)
    });
    let stops_following = cache.run_over(scales.axis) || (tail.is_none() && cache.was_following);
    let mut plot = plot(metric, scales, height, colours, extent);
    if scales.axis == XAxis::Steps {
        plot = plot.include_x(scales.place(last_step(plotted.runs) as f64));
    }
    let response = plot.show(ui, |plot| {
        for (idx, mark) in marks.iter().enumerate() {
            let line = VLine::new(mark.text.as_str(), mark.place)
                .width(1.0)
                .color(mark.colour(&visuals));
            let style = if mark.is_trouble {
                LineStyle::Solid
            } else {
                LineStyle::dashed_dense()
            };
            plot.vline(line.style(style).allow_hover(false).id(("mark", idx)));
        }
        if let Some(range) = tail {
            plot.set_plot_bounds_x(range);
        } else if stops_following {
            plot.set_auto_bounds(Vec2b::TRUE);
        }
        !plot.auto_bounds().x
    });
    paint(ui, metric, &drawn, cache, &response, colours.sunken);
    for mark in &marks {
        mark.write(ui, response.response.rect, &response.transform);
    }
    if let Some(words) = empty_words(metric, &drawn) {
        empty_ui(ui, words, response.response.rect);
    }
    let pointed = match is_picture {
        true => {
            names_ui(ui, &drawn, response.response.rect);
            None
        }
        false => read_ui(metric, &drawn, scales, &response, cache),
    };
    named(&response.response, Role::Image, metric.title());
    // Plots span the same; the first that is drawn says what.
    if cache.leads() {
        let bounds = response.transform.bounds();
        let sight = (scales.x(bounds.min()[0]), scales.x(bounds.max()[0]));
        cache.look_at(response.inner.then_some(sight));
    }
    let pointer = &response.response;
    let is_zoomed = pointer.hovered() && ui.input(|input| input.zoom_delta() != 1.0);
    let is_moved = pointer.dragged() || pointer.double_clicked() || is_zoomed;
    Handled {
        is_moved,
        asked: plot_menu_ui(pointer, placed),
        pointed,
    }
}

/// What a plot without a value says; nothing where there is one.
fn empty_words(metric: Metric, drawn: &[Drawn<'_>]) -> Option<&'static str> {
    let mut runs = drawn.iter().flat_map(Drawn::runs);
    if runs.any(|run| !metric.series(run).is_empty()) {
        return None;
    }
    let goes_on = |of: &&Drawn<'_>| !of.run.status.is_over();
    Some(match drawn.iter().rev().find(goes_on).map(|of| of.run) {
        None => tr!("No values"),
        Some(run) if run.step > 0 => tr!("Waiting for the first value"),
        Some(_) => tr!("Waiting for the first step"),
    })
}

/// Writes it in the middle of the plot, without room of its own.
fn empty_ui(ui: &mut Ui, words: &str, plot: Rect) {
    let middle = Rect::from_center_size(plot.center(), vec2(plot.width(), 18.0));
    let layout = Layout::centered_and_justified(Direction::TopDown);
    let mut over = ui.new_child(UiBuilder::new().max_rect(middle).layout(layout));
    over.add(Label::new(RichText::new(words).small().weak()).selectable(false));
}

/// The names of the runs, for a picture that leaves the list of them behind.
fn names_ui(ui: &Ui, drawn: &[Drawn<'_>], rect: Rect) {
    let mut at = rect.right_top() + vec2(-8.0, 6.0);
    let mut write = |text: &str, colour: Color32| {
        let font = FontId::proportional(11.5);
        let galley = ui.painter().layout_no_wrap(text.into(), font, colour);
        let size = galley.size();
        ui.painter().galley(at - vec2(size.x, 0.0), galley, colour);
        at.y += size.y + 1.0;
    };
    for of in drawn.iter().rev().take(MAX_READ) {
        write(&of.title(), of.colour);
    }
    if drawn.len() > MAX_READ {
        let more = tr!("and {} more", drawn.len() - MAX_READ);
        write(&more, palette(ui.visuals()).weak);
    }
}

/// Where the plot ends: while a run is on a little after its newest step, so
/// that the axis moves now and then and not with every step.
fn last_step(runs: &[&Run]) -> usize {
    let end = |run: &&Run| {
        if run.status.is_over() {
            return run.step;
        }
        let total = run.spec.training.steps;
        let coarse = (run.step.max(16).next_power_of_two() / 16).max(1);
        run.step.next_multiple_of(coarse).min(total).max(run.step)
    };
    runs.iter().map(end).max().unwrap_or(1).max(1)
}

fn paint(
    ui: &Ui,
    metric: Metric,
    drawn: &[Drawn<'_>],
    cache: &mut PlotCache,
    response: &PlotResponse<bool>,
    ground: Color32,
) {
    let canvas = Canvas {
        transform: &response.transform,
        ground,
        soft: 1.0 / ui.pixels_per_point(),
        is_bold: is_bold(drawn.len()),
    };
    let meshes = cache.meshes(metric, drawn, canvas);
    let painter = ui.painter().with_clip_rect(*response.transform.frame());
    painter.extend(meshes.into_iter().map(Shape::Mesh));
}

/// The numbers of every run at the step under the pointer; the run whose line is
/// there.
fn read_ui(
    metric: Metric,
    drawn: &[Drawn<'_>],
    scales: Scales,
    response: &PlotResponse<bool>,
    cache: &PlotCache,
) -> Option<RunId> {
    let pointer = response.response.hover_pos()?;
    let place = response.transform.value_from_position(pointer).x;
    let x = match scales.axis {
        XAxis::Steps => scales.x(place).round().max(0.0),
        XAxis::Tokens | XAxis::Seconds => scales.x(place),
    };
    let found: Vec<(&Drawn<'_>, f64)> = drawn
        .iter()
        .rev()
        .filter_map(|drawn| Some((drawn, cache.value(metric, drawn, x)?)))
        .collect();
    if found.is_empty() {
        return None;
    }
    let distance = |value: f64| {
        let y = if scales.is_log_y {
            value.log10()
        } else {
            value
        };
        let at = PlotPoint::new(place, y);
        (response.transform.position_from_point(&at).y - pointer.y).abs()
    };
    let nearest = found
        .iter()
        .map(|(of, value)| (distance(*value), &of.run.id))
        .filter(|(distance, _)| *distance <= REACH)
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let pointed = nearest
        .filter(|_| found.len() > 1 && found.len() <= MAX_NAMED)
        .map(|(_, run)| run.clone());
    response.response.clone().on_hover_ui_at_pointer(|ui| {
        ui.label(RichText::new(scales.axis.words(x)).strong());
        for (drawn, value) in found.iter().take(MAX_READ) {
            ui.horizontal(|ui| {
                ui.monospace(format!("{:>9}", number(*value)));
                let name = match (drawn.is_baseline, drawn.members.is_empty()) {
                    (true, _) => tr!("{} (baseline)", drawn.run.id.0),
                    (false, true) => drawn.run.id.0.clone(),
                    (false, false) => drawn.title(),
                };
                ui.label(RichText::new(name).color(drawn.colour));
            });
        }
        if found.len() > MAX_READ {
            weak_small(ui, tr!("and {} more", found.len() - MAX_READ));
        }
    });
    pointed
}

/// The title, and the newest number of the run that buttons act on. What the numbers
/// are of is told where they come from the data alone, and in a picture.
fn title_ui(ui: &mut Ui, metric: Metric, plotted: &Plotted<'_>, is_picture: bool) {
    let run = plotted.runs.last().copied();
    let unit = match is_picture || metric.is_of_data() {
        true => format!(
            "{}, {}",
            data_words(plotted.runs.iter().copied()),
            metric.unit()
        ),
        false => metric.unit().to_owned(),
    };
    ui.horizontal(|ui| {
        group_title(ui, metric.title());
        let newest = run.and_then(|run| metric.series(run).last());
        // The number is there first; what it is of is cut where both do not fit.
        from_right(ui, |ui| {
            if let Some((_, value)) = newest {
                ui.monospace(number(value));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                cut_label(ui, RichText::new(unit).small().weak());
            });
        });
    });
}

#[cfg(test)]
mod tests;
