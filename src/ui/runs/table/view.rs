//! The table of runs, drawn: the rows in sight and no others.

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::style::ScrollAnimation;
use eframe::egui::{
    ComboBox, Key, Modifiers, PopupCloseBehavior, Rect, Role, ScrollArea, TextEdit, Ui, WidgetInfo,
};

use super::RunTable;
use super::column::Column;
use super::heading::{Places, heading_ui};
use super::order::{Row, RowKey, Rows, Sweeps};
use super::row::{Done, Drawn, ROW_HEIGHT, row_id, row_ui};
use super::saved::{merged, saved_rows};
use super::settings::{GroupBy, TableSettings};
use super::value::Value;
use crate::language;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::tab::Tab;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::pictures::PictureOf;
use crate::ui::widgets::controls::{empty_state, focus_first, from_right, weak_small, within};
use crate::ui::widgets::run_menu::run_menu_ui;

/// Height of the list of columns.
const COLUMNS_HEIGHT: f32 = 300.0;

/// Draws the view.
pub(crate) fn run_table_ui(
    ui: &mut Ui,
    workspace: &mut Workspace,
    table: &mut RunTable,
    sweeps: Sweeps<'_>,
) -> Vec<Action> {
    let Workspace {
        store, selection, ..
    } = workspace;
    let mut actions = Vec::new();
    if store.runs().is_empty() {
        let advice = tr!("Every run has a row here, with the columns that you choose.");
        empty_state(ui, tr!("No runs yet"), advice);
        return actions;
    }
    toolbar_ui(ui, table, store, sweeps, &mut actions);
    header_ends(ui);
    let RunTable {
        settings,
        rows,
        cursor,
        ..
    } = table;
    if let Some(left) = rows.update(store, settings, sweeps) {
        ui.ctx().request_repaint_after(left);
    }
    if rows.rows.is_empty() {
        let is_reading = rows.n_runs == 0 && settings.filter.trim().is_empty();
        match is_reading {
            true => empty_state(ui, tr!("Reading runs"), tr!("The rows are put in order.")),
            false => empty_state(ui, tr!("No matching runs"), language::text(FILTER_HELP)),
        }
        return actions;
    }
    let goes_to = moved(ui, rows, settings, cursor);
    let mut seen = Seen {
        store,
        selection,
        sweeps,
        actions: &mut actions,
    };
    let height = ui.available_height() - 22.0;
    ui.scope(|ui| {
        ui.set_max_height(height);
        rows_ui(ui, table, &mut seen, goes_to);
    });
    caption_ui(ui, &table.rows);
    actions
}

/// What can be typed into the filter.
const FILTER_HELP: &str = mark!(
    "Words that a run has in its name, tags, status, method, data or sweep, and conditions such as accuracy>0.5, loss<0.4, seed=1, learning_rate>=0.2, method=lifted"
);

fn toolbar_ui(
    ui: &mut Ui,
    table: &mut RunTable,
    store: &RunStore,
    sweeps: Sweeps<'_>,
    actions: &mut Vec<Action>,
) {
    ui.horizontal_wrapped(|ui| {
        let settings = &mut table.settings;
        let field = TextEdit::singleline(&mut settings.filter)
            .hint_text(tr!("Filter, as in accuracy>0.5"))
            .desired_width(170.0);
        let field = ui.add(field);
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, tr!("Filter the table")));
        field.on_hover_text(language::text(FILTER_HELP));
        let width = 96.0;
        let groups = ComboBox::from_id_salt("groups of the table")
            .width(width)
            .selected_text(settings.group_by.name());
        let groups = within(ui, width, |ui| {
            groups.show_ui(ui, |ui| {
                for by in GroupBy::ALL {
                    ui.selectable_value(&mut settings.group_by, by, by.name());
                }
            })
        });
        groups
            .response
            .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, tr!("Groups of the table")));
        ui.checkbox(&mut settings.folds_seeds, tr!("Seed means"))
            .on_hover_text(tr!("Runs that differ in their seed alone are one row: the mean with its 95% interval over seeds (Student's t, of accuracies on the logit scale)"));
        columns_ui(ui, table);
        ui.menu_button(tr!("Save"), |ui| {
            let RunTable { settings, rows, .. } = &*table;
            if ui.button(tr!("The rows as a table…")).clicked() {
                let saved = saved_rows(rows, &settings.shown(), store, sweeps);
                actions.push(Action::SaveTable(Box::new(saved), "runs".into()));
                ui.close();
            }
            if ui.button(tr!("This view as PNG or SVG…")).clicked() {
                actions.push(Action::SavePicture(PictureOf::View(Tab::Table)));
                ui.close();
            }
        })
        .response
        .on_hover_text(tr!("As .csv, .json, .tex, .md or .txt, or as a picture"));
        let n_runs = table.rows.n_runs;
        let all = store.runs().len();
        from_right(ui, |ui| {
            weak_small(ui, match n_runs == all {
                true => tr!("{all} runs", all),
                false => tr!("{n_runs} of {all} runs", n_runs, all),
            });
        });
    });
    ui.add_space(4.0);
}

/// Which columns are shown.
fn columns_ui(ui: &mut Ui, table: &mut RunTable) {
    let RunTable {
        settings,
        column_search,
        ..
    } = table;
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    MenuButton::new(tr!("Columns")).config(config).ui(ui, |ui| {
        ui.set_width(240.0);
        let field = TextEdit::singleline(column_search)
            .hint_text(tr!("Search columns"))
            .desired_width(f32::INFINITY);
        let field = ui.add(field);
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, tr!("Search columns")));
        focus_first(ui, &field);
        let wanted = column_search.trim().to_lowercase();
        let height = COLUMNS_HEIGHT.min(ui.ctx().content_rect().height() - 220.0);
        ScrollArea::vertical()
            .max_height(height)
            .min_scrolled_height(height)
            .auto_shrink([false, false])
            .show(ui, |ui| {
                for column in Column::all().filter(|column| *column != Column::Name) {
                    let (name, hint) = (column.name(), column.hint());
                    let has = |text: &str| text.to_lowercase().contains(&wanted);
                    if !has(&name) && !has(&hint) {
                        continue;
                    }
                    let mut is_shown = settings.columns.contains(&column);
                    let entry = ui.checkbox(&mut is_shown, name.as_ref());
                    if entry.on_hover_text(hint).changed() {
                        settings.toggle(&column);
                    }
                }
            });
        if ui.button(tr!("Default columns")).clicked() {
            settings.columns = TableSettings::default().columns;
        }
    });
}

/// What all rows are drawn of.
struct Seen<'a> {
    store: &'a RunStore,
    selection: &'a mut Selection,
    sweeps: Sweeps<'a>,
    actions: &'a mut Vec<Action>,
}

fn rows_ui(ui: &mut Ui, table: &mut RunTable, seen: &mut Seen<'_>, goes_to: Option<usize>) {
    let mut places = Places::within(ui.available_width(), table.settings.shown());
    ui.spacing_mut().item_spacing.y = 0.0;
    let sideways = ScrollArea::horizontal().auto_shrink([false, false]);
    sideways.show(ui, |ui| {
        ui.set_min_width(places.width());
        places.sight = ui.clip_rect().x_range();
        heading_ui(ui, &places, &mut table.settings);
        let n_rows = table.rows.rows.len();
        let mut toggled = None;
        ScrollArea::vertical()
            .auto_shrink([false, false])
            .show_rows(ui, ROW_HEIGHT, n_rows, |ui, range| {
                if let Some(place) = goes_to {
                    let above = place as f32 - range.start as f32;
                    let top = ui.max_rect().top() + above * ROW_HEIGHT;
                    let x_range = places.sight;
                    let row = Rect::from_x_y_ranges(x_range, top..=top + ROW_HEIGHT);
                    ui.scroll_to_rect_animation(row, None, ScrollAnimation::none());
                }
                let RunTable { rows, cursor, .. } = table;
                for idx in range {
                    let Some(row) = rows.rows.get(idx).cloned() else {
                        break;
                    };
                    let done = one_row_ui(ui, &places, rows, &row, idx, seen, cursor);
                    if done == Some(Done::Toggled) {
                        toggled = Some(row.key);
                    }
                }
            });
        if let Some(key) = toggled {
            table.rows.toggle(&key, &table.settings);
        }
    });
}

fn one_row_ui(
    ui: &mut Ui,
    places: &Places,
    rows: &mut Rows,
    row: &Row,
    idx: usize,
    seen: &mut Seen<'_>,
    cursor: &mut Option<RowKey>,
) -> Option<Done> {
    let first = row.runs.first().and_then(|run| seen.store.get(run));
    let is_open = rows.is_open(&row.key);
    let values = match &row.key {
        RowKey::Group(_) => Vec::new(),
        RowKey::Run(_) | RowKey::Seeds(_) => values(rows, row, places, seen),
    };
    let drawn = Drawn {
        row,
        run: first.filter(|_| !matches!(row.key, RowKey::Group(_))),
        values: &values,
        is_open,
    };
    let (response, done) = row_ui(ui, places, &drawn, seen.selection);
    if let (true, RowKey::Run(run)) = (response.hovered(), &row.key) {
        seen.selection.point_at(run);
    }
    if response.has_focus() {
        *cursor = Some(row.key.clone());
    }
    match done {
        Some(Done::Chosen) => choose(ui, rows, row, idx, seen),
        Some(Done::Opened(tab)) => {
            seen.actions.push(Action::SelectAll(row.runs.clone()));
            seen.actions.push(Action::Open(tab));
        }
        Some(Done::Toggled) | None => {}
    }
    if let (RowKey::Run(_), Some(run)) = (&row.key, first) {
        response.context_menu(|ui| {
            if !seen.selection.is_selected(&run.id) {
                seen.selection.select_only(&run.id);
            }
            seen.actions.extend(run_menu_ui(ui, run, seen.selection));
        });
    }
    done
}

/// What the columns show of a row.
fn values(rows: &mut Rows, row: &Row, places: &Places, seen: &Seen<'_>) -> Vec<Value> {
    let runs: Vec<&Run> = row
        .runs
        .iter()
        .filter_map(|run| seen.store.get(run))
        .collect();
    if let [alone] = runs[..] {
        let sweep = (seen.sweeps.of)(&alone.id);
        return rows.cells(alone, sweep, &places.columns).to_vec();
    }
    let all: Vec<Vec<Value>> = runs
        .iter()
        .map(|run| {
            rows.cells(run, (seen.sweeps.of)(&run.id), &places.columns)
                .to_vec()
        })
        .collect();
    merged(&all, &places.columns)
}

/// As lists of files do it: a click alone, with Ctrl one more, with Shift all between.
fn choose(ui: &Ui, rows: &Rows, row: &Row, idx: usize, seen: &mut Seen<'_>) {
    let modifiers = ui.input(|input| input.modifiers);
    let selection = &mut *seen.selection;
    let anchor = selection.focused().and_then(|focused| {
        let is_it = |row: &Row| matches!(&row.key, RowKey::Run(run) if run == focused);
        rows.rows.iter().position(is_it)
    });
    if let (true, Some(from)) = (modifiers.shift, anchor) {
        let between = &rows.rows[from.min(idx)..=from.max(idx)];
        let runs: Vec<RunId> = between.iter().flat_map(|row| row.runs.clone()).collect();
        selection.selected.retain(|run| !runs.contains(run));
        selection.selected.extend(runs);
    } else if modifiers.command {
        for run in &row.runs {
            selection.toggle(run);
        }
    } else {
        selection.selected = row.runs.clone();
    }
}

/// Moves the keyboard from row to row; the row that it has moved to.
fn moved(
    ui: &Ui,
    rows: &mut Rows,
    settings: &TableSettings,
    cursor: &mut Option<RowKey>,
) -> Option<usize> {
    let key = cursor.clone()?;
    if ui.memory(|memory| memory.focused()) != Some(row_id(&key)) {
        return None;
    }
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let at = |rows: &Rows| rows.rows.iter().position(|row| row.key == key);
    let page = (ui.available_height() / ROW_HEIGHT).max(2.0) as isize - 1;
    let is_open = rows.is_open(&key);
    if (pressed(Key::ArrowLeft) && is_open) || (pressed(Key::ArrowRight) && !is_open) {
        rows.toggle(&key, settings);
        return None;
    }
    let moves = [
        (Key::ArrowDown, 1),
        (Key::ArrowUp, -1),
        (Key::PageDown, page),
        (Key::PageUp, -page),
        (Key::Home, isize::MIN / 2),
        (Key::End, isize::MAX / 2),
    ];
    let by = moves.into_iter().find(|(key, _)| pressed(*key))?.1;
    let last = rows.rows.len().checked_sub(1)?;
    let to = (at(rows)? as isize)
        .saturating_add(by)
        .clamp(0, last as isize) as usize;
    let next = rows.rows.get(to)?.key.clone();
    ui.memory_mut(|memory| memory.request_focus(row_id(&next)));
    *cursor = Some(next);
    Some(to)
}

/// What the accuracies are of.
fn caption_ui(ui: &mut Ui, rows: &Rows) {
    if !rows.caption.is_empty() {
        let text = tr!("Accuracy of {}, with 95% intervals", rows.caption);
        let text = eframe::egui::RichText::new(text).small().weak();
        crate::ui::widgets::controls::cut_label(ui, text);
    }
}
