//! The search for a learning rate: which rates are tried, how far it is, and the
//! loss over them with what it suggests.

use std::ops::RangeInclusive;

use eframe::egui::{Align2, Button, Color32, Context, ProgressBar, Rect, RichText, Role, Ui, vec2};
use egui_plot::{
    GridInput, GridMark, Line, LineStyle, Plot, PlotPoint, PlotUi, Points, Text, VLine,
};

use super::{RateSearch, rounded};
use crate::language;
use crate::protocol::fields::MAX_RATE;
use crate::protocol::fields::field::Field;
use crate::protocol::fields::range::Range;
use crate::protocol::run_spec::RunSpec;
use crate::report::{Cell, Table};
use crate::tuning::train::rate_finder::{MAX_STEPS, MIN_STEPS, RateFinding, RatePoint};
use crate::ui::shared::action::Action;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{CONTROL_HEIGHT, GAP, Palette, blend, palette};
use crate::ui::widgets::controls::{
    cut_label, from_right, modal, named, primary_button, reserved, small_lines, weak_small, wrong,
};
use crate::ui::widgets::field_row::{FieldContext, count, real, row};
use crate::ui::widgets::numbers::{number, plain};

/// What is said where the configuration was changed since.
const OF_ANOTHER: &str =
    mark!("These rates belong to another configuration. Try rates again for the current one.");
const PLOT_HEIGHT: f32 = 190.0;
/// The names of what is suggested, at the plot and in words.
const STEEPEST: (&str, &str) = (
    mark!("steepest"),
    mark!("where the loss falls most steeply"),
);
const TENTH: (&str, &str) = (
    mark!("a tenth"),
    mark!("a tenth of the rate at the lowest loss"),
);

const FIRST: Field = Field::outside(mark!("First rate"), mark!("The rate of the first step."))
    .range(Range::above(0.0).up_to(MAX_RATE));
const LAST: Field = Field::outside(
    mark!("Last rate"),
    mark!("The rate of the last step. The search ends earlier if the loss diverges."),
)
.range(Range::above(0.0).up_to(MAX_RATE));
const STEPS: Field = Field::outside(
    mark!("Steps"),
    mark!("Number of rates to try, one step each."),
)
.range(Range::whole(MIN_STEPS, MAX_STEPS));

/// Draws the dialog, if it is open. `draft` is the configuration that a rate is
/// for, `progress` the steps done and in all of a search that is under way.
pub fn rate_ui(
    ctx: &Context,
    search: &mut Option<RateSearch>,
    draft: &RunSpec,
    progress: Option<(usize, usize)>,
) -> Vec<Action> {
    let Some(open) = search.as_mut().filter(|search| search.is_open) else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "rates").show(ctx, |ui| {
        ui.set_width(460.0);
        ui.heading(tr!("Find a learning rate"));
        weak_small(
            ui,
            tr!("A short trial raises the rate by the same factor at every step. The state learns fastest where the loss falls most steeply; where the loss is lowest, the rate is almost too large. The trial leaves no run."),
        );
        ui.add_space(GAP);
        ui.add_enabled_ui(!open.is_on, |ui| {
            let beside = FieldContext::default();
            row(ui, &FIRST, beside, |ui, field| real(ui, field, &mut open.range.first));
            row(ui, &LAST, beside, |ui, field| real(ui, field, &mut open.range.last));
            row(ui, &STEPS, beside, |ui, field| count(ui, field, &mut open.range.steps));
        });
        ui.add_space(GAP);
        let problem = open.problem(draft);
        let is_of_draft = open.is_of(draft);
        // The buttons stay where they are, whatever comes of it.
        let height = PLOT_HEIGHT + 2.0 * (CONTROL_HEIGHT + 6.0) + small_lines(ui, 3);
        reserved(ui, height, |ui| match (&problem, &open.outcome) {
            _ if open.is_on => {
                progress_ui(ui, progress);
                if !is_of_draft {
                    weak_small(ui, language::text(OF_ANOTHER));
                }
            }
            (Some(problem), _) => {
                weak_small(ui, problem.as_str());
            }
            (None, None) if open.name.is_some() => {
                weak_small(ui, tr!("Cancelled; no rate was found."));
            }
            (None, None) => {}
            (None, Some(Err(message))) => {
                wrong(ui, message);
            }
            (None, Some(Ok(found))) => {
                actions.extend(found_ui(ui, found, is_of_draft, &open.spec.data_name()));
            }
        });
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                if open.is_on {
                    // As large as what it stands in place of.
                    let button = Button::new(tr!("Cancel")).min_size(vec2(110.0, CONTROL_HEIGHT + 6.0));
                    if ui.add(button).clicked() {
                        actions.push(Action::StopFinding);
                    }
                } else if primary_button(ui, tr!("Try rates"), problem.is_none(), 110.0).clicked() {
                    actions.push(Action::FindRate);
                }
                let close = ui.button(tr!("Close"));
                if close.on_hover_text(tr!("Closing does not stop the job")).clicked() {
                    is_done = true;
                }
                if matches!(open.outcome, Some(Ok(_))) && !open.is_on {
                    let of = PictureOf::Chart(Chart::Rates);
                    ui.menu_button(tr!("Save"), |ui| charts::named_entries_ui(ui, of, tr!("The losses")));
                }
            });
        });
    });
    open.is_open = !(is_done || shown.should_close());
    actions
}

fn progress_ui(ui: &mut Ui, progress: Option<(usize, usize)>) {
    let (share, text) = match progress {
        Some((done, total)) => (
            done as f32 / total.max(1) as f32,
            tr!("{done} of {total} steps", done, total),
        ),
        // Before the first step, or behind what the worker does at the moment.
        None => (
            0.0,
            tr!("Waiting for the worker or loading the model").to_owned(),
        ),
    };
    ui.add(ProgressBar::new(share).desired_height(6.0));
    weak_small(ui, text);
}

/// The losses and what they suggest; `of` says of what data they are.
fn found_ui(ui: &mut Ui, found: &RateFinding, is_of_draft: bool, of: &str) -> Vec<Action> {
    let RateFinding {
        points,
        steepest,
        tenth_of_lowest,
        still_falls,
        broke,
    } = found;
    let suggested =
        [(STEEPEST, *steepest), (TENTH, *tenth_of_lowest)].map(|((name, words), rate)| {
            let told = (language::text(name), language::text(words));
            (told, rate.map(rounded))
        });
    plot_ui(ui, points, &suggested, of);
    let mut actions = Vec::new();
    for ((_, words), rate) in suggested {
        ui.horizontal(|ui| match rate {
            Some(rate) => {
                let text = plain(rate);
                let button = ui.add_enabled(is_of_draft, Button::new(tr!("Use it")));
                named(&button, Role::Button, &tr!("Use {text}, {words}", text, words));
                let hint = tr!("Sets the learning rate of the configuration; the rate of a branch keeps its ratio to it, as in the trial");
                if button.on_hover_text(hint).clicked() {
                    actions.push(Action::UseRate(rate));
                }
                ui.label(RichText::new(text).strong());
                cut_label(ui, words);
            }
            None => {
                cut_label(ui, RichText::new(tr!("Not found: {words}", words)).weak());
            }
        });
    }
    if !is_of_draft {
        weak_small(ui, language::text(OF_ANOTHER));
    }
    if let Some(why) = broke {
        weak_small(ui, tr!("The trial ended early: {why}.", why));
    }
    if *still_falls {
        weak_small(
            ui,
            tr!("The loss is still falling at the last rate. Try a larger last rate."),
        );
    }
    weak_small(
        ui,
        tr!("Both are first guesses. Choose the final rate on the validation split."),
    );
    actions
}

/// The loss over the rates on a logarithmic axis: as it is faint, averaged with
/// its neighbours strong.
fn plot_ui(
    ui: &mut Ui,
    points: &[RatePoint],
    suggested: &[((&str, &str), Option<f64>)],
    data: &str,
) {
    let visuals = ui.visuals().clone();
    let colours = palette(&visuals);
    let smoothed = || points.iter().map(|point| point.smoothed);
    let low = smoothed().fold(f64::INFINITY, f64::min);
    let high = smoothed().fold(f64::NEG_INFINITY, f64::max);
    if points.len() < 2 || !(low.is_finite() && high.is_finite()) {
        weak_small(
            ui,
            tr!("The trial ended before there was anything to plot."),
        );
        return;
    }
    // A single loss may lie far above; what is averaged is in sight.
    let margin = 0.15 * (high - low).max(0.01 * high.abs()).max(1e-6);
    let (bottom, top) = (low - margin, high + 2.0 * margin);
    let of = PictureOf::Chart(Chart::Rates);
    let corner = ui.cursor().min;
    charts::origin_ui(ui, of, || {
        tr!("Loss, nats per token, over rates; {data}", data)
    });
    let plot = Plot::new("loss over rates")
        .height(PLOT_HEIGHT)
        .show_x(false)
        .show_y(false)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .grid_color(colours.border)
        .x_grid_spacer(decades)
        .x_axis_formatter(rate_at)
        .x_axis_label(axis_name(tr!("Learning rate")))
        .y_axis_label(axis_name(tr!("Loss, nats per token")))
        .y_axis_formatter(|mark, _| number(mark.value));
    let shown = plot.show(ui, |plot| {
        plot.set_plot_bounds_y(bottom..=top);
        curves(plot, points, colours);
        marks(plot, suggested, top - 0.6 * margin, colours.good);
    });
    named(
        &shown.response,
        Role::Image,
        tr!("Loss against learning rate"),
    );
    let whole = Rect::from_min_max(corner, shown.response.rect.max);
    charts::leaves(ui, of, whole, || rates_table(points, data));
    charts::menu(&shown.response, of);
}

/// What stands at an axis.
fn axis_name(text: &str) -> RichText {
    RichText::new(text).size(11.0)
}

/// What is drawn, a row for each rate.
fn rates_table(points: &[RatePoint], data: &str) -> Table {
    let columns = [tr!("learning rate"), tr!("loss"), tr!("averaged loss")];
    let mut table = Table::new(tr!("Loss over learning rates, {data}", data), columns);
    for point in points {
        table.push([
            Cell::Scientific(point.learning_rate),
            Cell::number(point.loss, 6),
            Cell::number(point.smoothed, 6),
        ]);
    }
    table
        .notes
        .push(tr!("Losses in nats per token; one step for each rate.").into());
    table
}

/// Where the suggestions are. They may lie close together, so the names stand on
/// either side.
fn marks(
    plot: &mut PlotUi<'_>,
    suggested: &[((&str, &str), Option<f64>)],
    y: f64,
    colour: Color32,
) {
    let mut marked: Vec<(&str, f64)> = suggested
        .iter()
        .filter_map(|((name, _), rate)| Some((*name, (*rate)?)))
        .collect();
    marked.sort_by(|a, b| a.1.total_cmp(&b.1));
    let sides = [Align2::RIGHT_CENTER, Align2::LEFT_CENTER];
    for ((name, rate), side) in marked.into_iter().zip(sides) {
        let line = VLine::new(name, rate.log10())
            .color(colour)
            .width(1.0)
            .style(LineStyle::dashed_dense());
        plot.vline(line.allow_hover(false));
        let text = RichText::new(format!(" {name} ")).size(11.0).color(colour);
        let at = PlotPoint::new(rate.log10(), y);
        plot.text(Text::new(name, at, text).anchor(side).allow_hover(false));
    }
}

fn curves(plot: &mut PlotUi<'_>, points: &[RatePoint], colours: &Palette) {
    let of = |value: fn(&RatePoint) -> f64| -> Vec<[f64; 2]> {
        let place = |point: &RatePoint| [point.learning_rate.log10(), value(point)];
        points.iter().map(place).collect()
    };
    let faint = blend(colours.accent, colours.sunken, 0.45);
    let each = Points::new(tr!("losses"), of(|point| point.loss));
    plot.points(each.color(faint).radius(2.0).allow_hover(false));
    let line = Line::new(tr!("averaged"), of(|point| point.smoothed));
    plot.line(line.color(colours.accent).width(2.0).allow_hover(false));
}

/// A line at every power of ten.
fn decades(input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let powers = low.ceil() as i32..=high.floor() as i32;
    let mark = |power| GridMark {
        value: f64::from(power),
        step_size: 1.0,
    };
    powers.map(mark).collect()
}

fn rate_at(mark: GridMark, _: &RangeInclusive<f64>) -> String {
    plain(10_f64.powf(mark.value))
}
