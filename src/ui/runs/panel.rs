//! The list of runs: newest first, one row each.

use eframe::egui::style::ScrollAnimation;
use eframe::egui::{
    Align2, ComboBox, FontId, Frame, Id, Modifiers, Panel, Rect, Role, ScrollArea, Sense, Stroke,
    StrokeKind, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

use super::queued::{Queued, run_queue_ui};
use super::state::{RunSort, RunsPanel};
use crate::format::duration;
use crate::protocol::event::{EvaluationPhase, RunId};
use crate::runs::RunStore;
use crate::runs::eta::secs_left;
use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::shortcuts::START;
use crate::ui::shell::theme::{FOCUS_RING, blend, palette, run_colour};
use crate::ui::widgets::accuracy::headline;
use crate::ui::widgets::controls::{cut_middle, empty_state, from_right, group_title, weak_small};
use crate::ui::widgets::markdown::markdown_ui;
use crate::ui::widgets::run_menu::run_menu_ui;
use crate::ui::widgets::status_mark::{
    paint_status_mark, status_colour, status_sentence, status_share, status_word,
};

const ROW_HEIGHT: f32 = 46.0;
const ROW_GAP: f32 = 2.0;
/// From how many runs on a filter is worth its place.
const FILTER_FROM: usize = 8;

/// What the list says of the rest of the window.
pub(crate) struct Told<'a> {
    /// Whether runs of earlier sessions are still being read.
    pub is_reading: bool,
    /// Whether the configuration is shown.
    pub shows_form: bool,
    /// The active sweep, which runs wait for.
    pub sweep: Option<&'a str>,
}

/// Draws the list.
pub(crate) fn runs_panel_ui(
    ui: &mut Ui,
    workspace: &mut Workspace,
    panel: &mut RunsPanel,
    told: &Told<'_>,
) -> Vec<Action> {
    let Workspace {
        store,
        selection,
        queue,
        ..
    } = workspace;
    let queued = Queued {
        queue,
        sweep: told.sweep,
    };
    let n_runs = store.runs().len();
    ui.horizontal(|ui| {
        group_title(ui, tr!("Runs"));
        from_right(ui, |ui| {
            weak_small(ui, counted(n_runs, selection.selected.len()))
        });
    });
    let is_long = n_runs >= FILTER_FROM;
    if is_long {
        order_ui(ui, panel);
    }
    let mut actions = Vec::new();
    if !queued.queue.is_empty() {
        // Below the list, whose rows stay where they are when a run is prepared.
        Panel::bottom("run queue")
            .frame(Frame::new())
            .resizable(false)
            .show(ui, |ui| actions.extend(run_queue_ui(ui, &queued)));
    }
    if n_runs == 0 && queued.queue.is_empty() {
        if told.is_reading {
            empty_state(
                ui,
                tr!("Reading runs"),
                tr!("Runs of earlier sessions are read first."),
            );
        } else {
            let how = match told.shows_form {
                true => tr!("Press Start at the lower right.").to_owned(),
                false => tr!("{} starts one.", ui.ctx().format_shortcut(&START)),
            };
            let advice = tr!("{how} All runs stay here, also after a restart.", how);
            empty_state(ui, tr!("No runs yet"), &advice);
        }
        broken_ui(ui, store);
        return actions;
    }
    let listed = listed(store, panel);
    if listed.is_empty() && n_runs > 0 {
        weak_small(ui, tr!("No matching runs."));
    }
    broken_ui(ui, store);
    ui.spacing_mut().item_spacing.y = ROW_GAP;
    let goes_to = goes_to(&listed, selection, &mut panel.stands_at);
    ScrollArea::vertical()
        .auto_shrink([false, false])
        .show_rows(ui, ROW_HEIGHT, listed.len(), |ui, rows| {
            if let Some(place) = goes_to {
                let above = place as f32 - rows.start as f32;
                let top = ui.max_rect().top() + above * (ROW_HEIGHT + ROW_GAP);
                let row = Rect::from_x_y_ranges(ui.max_rect().x_range(), top..=top + ROW_HEIGHT);
                ui.scroll_to_rect_animation(row, None, ScrollAnimation::none());
            }
            for run in listed.get(rows).unwrap_or_default() {
                actions.extend(row_ui(ui, run, &listed, selection));
            }
        });
    actions
}

/// The place of the run that was chosen since the list was drawn last, as in
/// another view: the list scrolls to it.
fn goes_to(listed: &[&Run], selection: &Selection, stands_at: &mut Option<RunId>) -> Option<usize> {
    if selection.focused() == stands_at.as_ref() {
        return None;
    }
    *stands_at = selection.focused().cloned();
    let chosen = stands_at.as_ref()?;
    listed.iter().position(|run| run.id == *chosen)
}

fn order_ui(ui: &mut Ui, panel: &mut RunsPanel) {
    ui.horizontal(|ui| {
        let sort = ComboBox::from_id_salt("order of runs")
            .width(92.0)
            .selected_text(panel.sort.name())
            .show_ui(ui, |ui| {
                for sort in RunSort::ALL {
                    ui.selectable_value(&mut panel.sort, sort, sort.name());
                }
            });
        sort.response.on_hover_text(tr!("Order of the runs"));
        let field = TextEdit::singleline(&mut panel.filter)
            .hint_text(tr!("Filter"))
            .desired_width(f32::INFINITY);
        let field = ui.add(field);
        field.widget_info(|| {
            let name = tr!("Filter runs by name, tag or status");
            WidgetInfo::labeled(Role::TextInput, true, name)
        });
        field.on_hover_text(tr!("Part of a name, a tag or a status"));
    });
}

/// The runs that are listed, in their order.
pub fn listed<'a>(store: &'a RunStore, panel: &RunsPanel) -> Vec<&'a Run> {
    let wanted = panel.filter.trim().to_lowercase();
    let newest = store.runs().iter().rev();
    if store.runs().len() < FILTER_FROM {
        return newest.collect();
    }
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let is_wanted = |run: &&Run| {
        wanted.is_empty()
            || has(&run.id.0)
            || has(&run.labels.title)
            || has(status_word(&run.status))
            || run.labels.tags.iter().any(|tag| has(tag))
    };
    let mut listed: Vec<&Run> = newest.filter(is_wanted).collect();
    match panel.sort {
        RunSort::Newest => {}
        RunSort::Title => listed.sort_by_cached_key(|run| run.title().to_lowercase()),
        RunSort::Accuracy => {
            let accuracy = |run: &Run| {
                headline(run, EvaluationPhase::After).map_or(-1.0, |accuracy| accuracy.value())
            };
            listed.sort_by(|a, b| accuracy(b).total_cmp(&accuracy(a)));
        }
        RunSort::Loss => {
            let loss = |run: &Run| run.best_validation().map_or(f64::INFINITY, |best| best.1);
            listed.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
        }
    }
    listed
}

fn counted(n_runs: usize, n_selected: usize) -> String {
    match (n_runs, n_selected) {
        (0, _) => String::new(),
        (n_runs, 0 | 1) => format!("{n_runs}"),
        (n_runs, n_selected) => tr!("{n_selected} of {n_runs} shown", n_selected, n_runs),
    }
}

fn broken_ui(ui: &mut Ui, store: &RunStore) {
    if !store.broken.is_empty() {
        let n = store.broken.len();
        let text = if n == 1 {
            tr!("1 folder cannot be read").into()
        } else {
            tr!("{n} folders cannot be read", n)
        };
        let reasons: Vec<&str> = store
            .broken
            .iter()
            .map(|broken| broken.reason.as_str())
            .collect();
        let warning = palette(ui.visuals()).warning;
        ui.colored_label(warning, text)
            .on_hover_text(reasons.join("\n\n"));
    }
}

fn row_ui(ui: &mut Ui, run: &Run, listed: &[&Run], selection: &mut Selection) -> Vec<Action> {
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let id = Id::unique(("run", &run.id.0));
    let response = ui.interact(rect, id, Sense::click());
    let is_selected = selection.is_selected(&run.id);
    response.widget_info(|| {
        let name = tr!("Run {}, {}", run.title(), status_word(&run.status));
        WidgetInfo::selected(Role::Button, true, is_selected, name)
    });
    if response.clicked() {
        let modifiers = ui.input(|input| input.modifiers);
        select(run, listed, selection, modifiers);
    }
    if response.hovered() {
        selection.point_at(&run.id);
    }
    let is_lit = response.hovered() || selection.pointed() == Some(&run.id);
    let palette = palette(ui.visuals());
    let is_focused = selection.focused() == Some(&run.id);
    if is_selected || is_lit {
        let share = match (is_selected, is_lit) {
            (true, true) => 0.24,
            (true, false) => 0.16,
            (false, _) => 0.07,
        };
        let fill = blend(palette.accent, palette.panel, share);
        ui.painter().rect_filled(rect, 5.0, fill);
    }
    if is_focused || response.has_focus() {
        let width = if response.has_focus() {
            FOCUS_RING
        } else {
            1.0
        };
        let stroke = Stroke::new(width, palette.accent);
        ui.painter()
            .rect_stroke(rect, 5.0, stroke, StrokeKind::Inside);
    }
    paint_row(ui, rect, run, selection);
    let mut actions = Vec::new();
    response.context_menu(|ui| {
        if !selection.is_selected(&run.id) {
            selection.select_only(&run.id);
        }
        actions.extend(run_menu_ui(ui, run, selection));
    });
    response.on_hover_ui(|ui| hover_ui(ui, run));
    actions
}

/// As lists of files do it: a click alone, with Ctrl one more, with Shift all
/// between.
fn select(run: &Run, listed: &[&Run], selection: &mut Selection, modifiers: Modifiers) {
    let place = |id: &RunId| listed.iter().position(|listed| listed.id == *id);
    let anchor = selection.focused().and_then(place);
    if modifiers.shift
        && let (Some(from), Some(to)) = (anchor, place(&run.id))
    {
        for between in &listed[from.min(to)..=from.max(to)] {
            selection.selected.retain(|id| *id != between.id);
            selection.selected.push(between.id.clone());
        }
        selection.selected.retain(|id| *id != run.id);
        selection.selected.push(run.id.clone());
    } else if modifiers.command {
        selection.toggle(&run.id);
    } else {
        selection.select_only(&run.id);
    }
}

fn paint_row(ui: &Ui, rect: Rect, run: &Run, selection: &Selection) {
    let colours = palette(ui.visuals());
    let painter = ui.painter().with_clip_rect(rect);
    let colour = run_colour(selection.colour(&run.id), ui.visuals());
    let bar = Rect::from_min_size(rect.min + vec2(6.0, 8.0), vec2(4.0, ROW_HEIGHT - 16.0));
    painter.rect_filled(bar, 2.0, colour);
    let (left, right) = (rect.left() + 18.0, rect.right() - 8.0);
    let (upper, lower) = (rect.top() + 14.0, rect.top() + 32.0);
    let figure =
        headline(run, EvaluationPhase::After).map(|accuracy| format!("{:.3}", accuracy.value()));
    let mut name_right = right;
    if let Some(figure) = figure {
        let font = FontId::monospace(12.0);
        let drawn = painter.text(
            pos2(right, upper),
            Align2::RIGHT_CENTER,
            figure,
            font,
            colours.text,
        );
        name_right = drawn.left() - 8.0;
    }
    let font = FontId::proportional(13.0);
    let name = cut_middle(ui, run.title(), &font, name_right - left);
    painter.text(
        pos2(left, upper),
        Align2::LEFT_CENTER,
        name,
        font,
        colours.text,
    );

    let status = status_colour(&run.status, ui.visuals());
    paint_status_mark(&painter, pos2(left + 4.0, lower), &run.status, status);
    let font = FontId::proportional(11.5);
    let word = status_word(&run.status);
    let drawn = painter.text(
        pos2(left + 14.0, lower),
        Align2::LEFT_CENTER,
        word,
        font.clone(),
        status,
    );
    if let Some(share) = status_share(&run.status) {
        let text = match secs_left(run) {
            Some(secs) => tr!("{} left", duration(secs)),
            None => format!("{:.0}%", 100.0 * share),
        };
        painter.text(
            pos2(right, lower),
            Align2::RIGHT_CENTER,
            text,
            font,
            colours.weak,
        );
        paint_progress(ui, rect, left, right, share, status);
    } else {
        let is_baseline = selection.baseline.as_ref() == Some(&run.id);
        let text = match (&run.labels.tags[..], is_baseline) {
            (_, true) => tr!("baseline").into(),
            ([], false) => tr!("{} steps", run.step),
            (tags, false) => tags.join(", "),
        };
        let text = cut_middle(ui, &text, &font, right - drawn.right() - 10.0);
        let room = right - drawn.right();
        if room > 70.0 {
            painter.text(
                pos2(right, lower),
                Align2::RIGHT_CENTER,
                text,
                font,
                colours.weak,
            );
        }
    }
}

fn paint_progress(
    ui: &Ui,
    rect: Rect,
    left: f32,
    right: f32,
    share: f32,
    colour: eframe::egui::Color32,
) {
    let y = rect.bottom() - 4.0;
    let whole = Rect::from_x_y_ranges(left..=right, y..=y + 2.0);
    let border = palette(ui.visuals()).border;
    ui.painter().rect_filled(whole, 1.0, border);
    let done = whole.with_max_x(left + share.clamp(0.0, 1.0) * (right - left));
    ui.painter().rect_filled(done, 1.0, colour);
}

fn hover_ui(ui: &mut Ui, run: &Run) {
    ui.strong(run.title());
    ui.label(status_sentence(run));
    for (phase, summary) in &run.evaluations {
        if let Some(accuracy) = headline(run, *phase) {
            ui.label(format!(
                "{}, {}, {accuracy}",
                summary.benchmark,
                phase.words()
            ));
        }
    }
    if !run.labels.tags.is_empty() {
        weak_small(ui, run.labels.tags_text());
    }
    if !run.labels.note.is_empty() {
        markdown_ui(ui, &run.labels.note);
    }
    weak_small(ui, run.folder.display().to_string());
}
