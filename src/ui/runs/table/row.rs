//! One row of the table, drawn.

use eframe::egui::{
    Align, Align2, Button, Color32, EventFilter, FontId, Id, Layout, Pos2, Rect, Response, Role,
    Sense, Shape, Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::heading::{PAD, Places};
use super::order::{Row, RowKey};
use super::value::Value;
use crate::language;
use crate::runs::run::Run;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::tab::Tab;
use crate::ui::shell::theme::{FOCUS_RING, blend, palette, run_colour};
use crate::ui::widgets::controls::{cut_middle, elided};
use crate::ui::widgets::status_mark::{paint_status_mark, status_colour};

/// Height of a row.
pub(super) const ROW_HEIGHT: f32 = 26.0;
/// Width of a level of rows below others.
const INDENT: f32 = 16.0;
/// Width of the buttons at the end of a row.
const BUTTONS: f32 = 196.0;

/// What is drawn of a row.
pub(super) struct Drawn<'a> {
    pub row: &'a Row,
    /// The run, where it is one.
    pub run: Option<&'a Run>,
    /// What the columns show.
    pub values: &'a [Value],
    /// Whether the rows below it are shown.
    pub is_open: bool,
}

/// What the user did to a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Done {
    /// They chose it.
    Chosen,
    /// They show or hide the rows below it.
    Toggled,
    /// They look at its runs in a view.
    Opened(Tab),
}

/// The widget of a row, by which the keyboard finds it.
pub(super) fn row_id(key: &RowKey) -> Id {
    Id::unique(("row of the table of runs", key))
}

/// Draws the row; what was done to it.
pub(super) fn row_ui(
    ui: &mut Ui,
    places: &Places,
    drawn: &Drawn<'_>,
    selection: &Selection,
) -> (Response, Option<Done>) {
    let size = vec2(places.width(), ROW_HEIGHT);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let id = row_id(&drawn.row.key);
    let seen = rect.intersect(ui.clip_rect());
    // Before the row is, which gives the focus on when the Tab key is pressed.
    let has_focus = has_focus_in(ui, seen);
    let response = ui.interact(seen, id, Sense::click());
    let runs = &drawn.row.runs;
    let is_selected = !runs.is_empty() && runs.iter().all(|run| selection.is_selected(run));
    let name = row_name(drawn);
    response.widget_info(|| {
        WidgetInfo::selected(Role::Button, true, is_selected, spoken(&name, drawn))
    });
    let mut done = response.clicked().then_some(Done::Chosen);
    if response.double_clicked() {
        done = Some(Done::Opened(Tab::Tune));
    }
    if response.has_focus() {
        let filter = EventFilter {
            vertical_arrows: true,
            horizontal_arrows: true,
            ..EventFilter::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    }
    let colours = palette(ui.visuals());
    let is_group = matches!(drawn.row.key, RowKey::Group(_));
    let ground = match (is_selected, is_group) {
        (true, _) => blend(colours.accent, colours.surface, 0.2),
        (false, true) => colours.panel,
        (false, false) => colours.surface,
    };
    let is_under_pointer = ui.rect_contains_pointer(seen);
    let is_pointed = runs.iter().any(|run| selection.pointed() == Some(run));
    let is_lit = is_under_pointer || (is_pointed && !is_group);
    let ground = match is_lit {
        true => blend(colours.text, ground, 0.07),
        false => ground,
    };
    ui.painter().rect_filled(rect, 0.0, ground);
    let pinned = places.pinned(rect);
    if !is_group {
        cells_ui(ui, places, rect, drawn, pinned);
    }
    ui.painter().rect_filled(pinned, 0.0, ground);
    let is_toggled = name_ui(ui, pinned, &name, drawn, selection);
    if is_toggled {
        done = Some(Done::Toggled);
    }
    if is_under_pointer || has_focus {
        let asked = buttons_ui(ui, seen, ground, &name, id);
        done = asked.map(Done::Opened).or(done);
    }
    if response.has_focus() {
        let ring = Stroke::new(FOCUS_RING, colours.accent);
        let inner = StrokeKind::Inside;
        ui.painter().rect_stroke(seen, 3.0, ring, inner);
    }
    (response, done)
}

/// What a row is called.
fn row_name(drawn: &Drawn<'_>) -> String {
    let n_runs = drawn.row.runs.len();
    match (&drawn.row.key, drawn.run) {
        (RowKey::Group(name), _) => {
            let name = if name.is_empty() { tr!("None") } else { name };
            tr!("{name}, {n} run" | "{name}, {n} runs" % n_runs, name)
        }
        (RowKey::Seeds(_), Some(run)) => tr!("{n_runs} seeds of {}", run.title(), n_runs),
        (RowKey::Seeds(_), None) => tr!("{n_runs} seeds", n_runs),
        (RowKey::Run(id), None) => id.0.clone(),
        (RowKey::Run(_), Some(run)) => run.title().to_owned(),
    }
}

/// The same for those who do not see it.
fn spoken(name: &str, drawn: &Drawn<'_>) -> String {
    match &drawn.row.key {
        RowKey::Group(_) => tr!("Group {name}", name),
        RowKey::Seeds(_) => tr!("Row {name}", name),
        RowKey::Run(_) => tr!("Row of {name}", name),
    }
}

fn cells_ui(ui: &Ui, places: &Places, rect: Rect, drawn: &Drawn<'_>, pinned: Rect) {
    let colours = palette(ui.visuals());
    let clip = ui.clip_rect().with_min_x(pinned.right());
    let painter = ui.painter().with_clip_rect(clip);
    let font = FontId::proportional(12.5);
    for (idx, column, cell) in places.cells(rect) {
        let Some(value) = drawn.values.get(idx).filter(|value| !value.text.is_empty()) else {
            continue;
        };
        let colour = match (column, drawn.run, &drawn.row.key) {
            (super::column::Column::Status, Some(run), RowKey::Run(_)) => {
                status_colour(&run.status, ui.visuals())
            }
            _ => colours.text,
        };
        let room = cell.width() - 2.0 * PAD;
        let galley = elided(ui, value.text.as_str(), font.clone(), colour, room);
        let top = cell.center().y - galley.size().y / 2.0;
        let left = match column.is_numeric() {
            true => cell.right() - PAD - galley.size().x,
            false => cell.left() + PAD,
        };
        painter.galley(pos2(left, top), galley, colour);
    }
}

/// The name with its colour; whether the rows below were shown or hidden.
fn name_ui(ui: &mut Ui, cell: Rect, name: &str, drawn: &Drawn<'_>, selection: &Selection) -> bool {
    let colours = palette(ui.visuals());
    let clip = ui.clip_rect().intersect(cell);
    let painter = ui.painter().with_clip_rect(clip);
    let mut left = cell.left() + PAD + INDENT * drawn.row.depth as f32;
    let middle = cell.center().y;
    let mut is_toggled = false;
    let font = FontId::proportional(12.5);
    match (&drawn.row.key, drawn.run) {
        (RowKey::Run(_), Some(run)) => {
            let colour = run_colour(selection.colour(&run.id), ui.visuals());
            let bar = Rect::from_center_size(pos2(left + 2.0, middle), vec2(4.0, 14.0));
            painter.rect_filled(bar, 2.0, colour);
            let status = status_colour(&run.status, ui.visuals());
            paint_status_mark(&painter, pos2(left + 14.0, middle), &run.status, status);
            left += 24.0;
        }
        (RowKey::Run(_), None) => {}
        (RowKey::Group(_) | RowKey::Seeds(_), _) => {
            let spot = Rect::from_center_size(pos2(left + 4.0, middle), vec2(16.0, 20.0));
            let id = row_id(&drawn.row.key).with("open");
            // The arrow keys do it too, so that it is no stop of its own.
            let sense = Sense::CLICK;
            let response = ui.interact(spot, id, sense);
            is_toggled = response.clicked();
            let colour = match response.hovered() {
                true => colours.strong,
                false => colours.weak,
            };
            triangle(&painter, spot.center(), drawn.is_open, colour);
            left += 16.0;
        }
    }
    let text = cut_middle(ui, name, &font, cell.right() - PAD - left);
    let colour = match drawn.row.key {
        RowKey::Group(_) => colours.strong,
        RowKey::Seeds(_) | RowKey::Run(_) => colours.text,
    };
    painter.text(pos2(left, middle), Align2::LEFT_CENTER, text, font, colour);
    is_toggled
}

/// Points down where the rows below are shown, to the right where they are not.
fn triangle(painter: &eframe::egui::Painter, at: Pos2, is_open: bool, colour: Color32) {
    let points = match is_open {
        true => vec![
            at + vec2(-4.0, -2.5),
            at + vec2(4.0, -2.5),
            at + vec2(0.0, 3.5),
        ],
        false => vec![
            at + vec2(-2.5, -4.0),
            at + vec2(-2.5, 4.0),
            at + vec2(3.5, 0.0),
        ],
    };
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// The views that a row leads to, and what their buttons say.
const VIEWS: [(Tab, &str); 3] = [
    (Tab::Tune, mark!("Curves")),
    (Tab::States, mark!("States")),
    (Tab::Items, mark!("Items")),
];

/// Whether the keyboard stands at the row or at one of its buttons.
fn has_focus_in(ui: &Ui, row: Rect) -> bool {
    let focused = ui.memory(|memory| memory.focused());
    let focused = focused.and_then(|id| ui.ctx().read_response(id));
    focused.is_some_and(|of| row.contains(of.rect.center()) && of.layer_id == ui.layer_id())
}

/// The ways from a row to what its runs are looked at in.
fn buttons_ui(ui: &mut Ui, seen: Rect, ground: Color32, name: &str, id: Id) -> Option<Tab> {
    let mut asked = None;
    let width = BUTTONS.min(0.5 * seen.width());
    let room = seen.with_min_x(seen.right() - width);
    ui.painter().rect_filled(room, 0.0, ground);
    let place = UiBuilder::new()
        .scope_id(id.with("buttons"))
        .max_rect(room.shrink2(vec2(6.0, 2.0)))
        .layout(Layout::left_to_right(Align::Center));
    let mut inner = ui.new_child(place);
    inner.shrink_clip_rect(room);
    inner.spacing_mut().item_spacing.x = 4.0;
    // From the left, as the Tab key goes through them.
    for (tab, text) in VIEWS.map(|(tab, text)| (tab, language::text(text))) {
        let button = inner.add(Button::new(text).small());
        let name = tr!("{text} of {name}", text, name);
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        if button.on_hover_text(tab.purpose()).clicked() {
            asked = Some(tab);
        }
    }
    asked
}
