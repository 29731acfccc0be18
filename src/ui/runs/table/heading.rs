//! The names of the columns, by which rows are sorted.

use eframe::egui::{
    Align2, Color32, FontId, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo,
    pos2, vec2,
};

use super::column::Column;
use super::settings::TableSettings;
use crate::ui::shell::theme::{FOCUS_RING, palette};
use crate::ui::widgets::controls::cut_middle;

/// Height of the headings.
pub(super) const HEADING_HEIGHT: f32 = 26.0;
/// Room at both ends of a cell.
pub(super) const PAD: f32 = 8.0;

/// Where the columns of the table stand.
pub(super) struct Places {
    /// The columns, the name first.
    pub columns: Vec<Column>,
    /// Their widths.
    pub widths: Vec<f32>,
    /// What of the table is in sight, from left to right.
    pub sight: eframe::egui::Rangef,
}

impl Places {
    /// Columns within `room`; the name takes what they leave of it.
    pub fn within(room: f32, columns: Vec<Column>) -> Self {
        let mut widths: Vec<f32> = columns.iter().map(Column::width).collect();
        let left = room - widths.iter().sum::<f32>();
        if let Some(first) = widths.first_mut() {
            *first += left.max(0.0);
        }
        Self {
            columns,
            widths,
            sight: eframe::egui::Rangef::EVERYTHING,
        }
    }

    /// The width of a row.
    pub fn width(&self) -> f32 {
        self.widths.iter().sum()
    }

    /// Every column but the name with its place in `row`, as far as it is in sight.
    pub fn cells(&self, row: Rect) -> impl Iterator<Item = (usize, &Column, Rect)> {
        let mut left = row.left();
        let places = self.columns.iter().zip(&self.widths).enumerate();
        let cells = places.map(move |(idx, (column, width))| {
            let cell = Rect::from_min_size(pos2(left, row.top()), vec2(*width, row.height()));
            left += width;
            (idx, column, cell)
        });
        let pinned = self.pinned(row).right();
        let sight = self.sight;
        cells
            .skip(1)
            .filter(move |(_, _, cell)| cell.right() > pinned && cell.left() < sight.max)
    }

    /// Where the name stands, which stays in sight.
    pub fn pinned(&self, row: Rect) -> Rect {
        let left = row.left().max(self.sight.min);
        let width = self.widths.first().copied().unwrap_or_default();
        // In a narrow table what it is of is not all that can be seen.
        let width = match left > row.left() {
            true => width.min(0.5 * self.sight.span()),
            false => width,
        };
        Rect::from_min_size(pos2(left, row.top()), vec2(width, row.height()))
    }
}

/// Draws the headings.
pub(super) fn heading_ui(ui: &mut Ui, places: &Places, settings: &mut TableSettings) {
    let size = vec2(places.width(), HEADING_HEIGHT);
    let (row, _) = ui.allocate_exact_size(size, Sense::hover());
    let colours = palette(ui.visuals());
    let pinned = places.pinned(row);
    let cells: Vec<(Column, Rect)> = places
        .cells(row)
        .map(|(_, column, cell)| (column.clone(), cell))
        .collect();
    let clip = ui.clip_rect();
    ui.shrink_clip_rect(clip.with_min_x(pinned.right()));
    for (column, cell) in &cells {
        column_ui(ui, column, *cell, settings);
    }
    ui.set_clip_rect(clip);
    ui.painter().rect_filled(pinned, 0.0, colours.surface);
    column_ui(ui, &Column::Name, pinned, settings);
    let line = Stroke::new(1.0, colours.border);
    ui.painter().hline(row.x_range(), row.bottom(), line);
}

fn column_ui(ui: &mut Ui, column: &Column, cell: Rect, settings: &mut TableSettings) {
    let colours = palette(ui.visuals());
    let name = column.name();
    let id = ui.scope_id().with(("column", &name));
    let response = ui.interact(cell, id, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, tr!("Sort by {name}", name)));
    if response.clicked() {
        settings.sort_by(column);
    }
    let colour = match response.hovered() {
        true => colours.strong,
        false => colours.weak,
    };
    if response.has_focus() {
        let ring = Stroke::new(FOCUS_RING, colours.accent);
        let inner = eframe::egui::StrokeKind::Inside;
        ui.painter().rect_stroke(cell.shrink(1.0), 4.0, ring, inner);
    }
    let font = FontId::proportional(11.5);
    let room = cell.width() - 2.0 * PAD - 12.0;
    let text = cut_middle(ui, &column.heading(), &font, room);
    let sorted = settings.sort.as_ref().filter(|(of, _)| of == column);
    let painter = ui.painter().clone();
    let middle = cell.center().y;
    let drawn = match column.is_numeric() {
        true => {
            let at = pos2(cell.right() - PAD, middle);
            painter.text(at, Align2::RIGHT_CENTER, text, font, colour)
        }
        false => {
            let at = pos2(cell.left() + PAD, middle);
            painter.text(at, Align2::LEFT_CENTER, text, font, colour)
        }
    };
    if let Some((_, is_falling)) = sorted {
        let beside = match column.is_numeric() {
            true => drawn.left_center() - vec2(8.0, 0.0),
            false => drawn.right_center() + vec2(8.0, 0.0),
        };
        triangle(&painter, beside, *is_falling, colours.accent);
    }
    menu_ui(&response, column, settings);
    response.on_hover_text(format!("{name}\n{}", column.hint()));
}

/// What can be done with a column.
fn menu_ui(response: &Response, column: &Column, settings: &mut TableSettings) {
    response.context_menu(|ui| {
        for (name, is_falling) in [(tr!("Sort rising"), false), (tr!("Sort falling"), true)] {
            if ui.button(name).clicked() {
                settings.sort = Some((column.clone(), is_falling));
                ui.close();
            }
        }
        if *column == Column::Name {
            return;
        }
        for (name, by) in [(tr!("Move to the left"), -1), (tr!("Move to the right"), 1)] {
            if ui.button(name).clicked() {
                settings.shift(column, by);
                ui.close();
            }
        }
        if ui.button(tr!("Hide the column")).clicked() {
            settings.toggle(column);
            ui.close();
        }
    });
}

/// Points up where values rise, down where they fall.
fn triangle(painter: &eframe::egui::Painter, at: Pos2, is_falling: bool, colour: Color32) {
    let height = if is_falling { 3.0 } else { -3.0 };
    let points = vec![
        at + vec2(-4.0, -height),
        at + vec2(4.0, -height),
        at + vec2(0.0, height),
    ];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}
