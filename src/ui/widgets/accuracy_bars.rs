//! Accuracies as bars with their 95% intervals. How a bar is filled says what
//! was measured: outline, untuned; light, untuned with examples; full, tuned.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use eframe::egui::{
    Align2, Color32, CornerRadius, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    pos2, vec2,
};

use super::controls::{cut_middle, elided};
use crate::bench::Accuracy;
use crate::language::Bilingual;
use crate::protocol::event::EvaluationPhase;
use crate::report::{Cell, Estimate, Table};
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{blend, palette};

const BAR_HEIGHT: f32 = 14.0;
const BAR_GAP: f32 = 5.0;
const LABEL_WIDTH: f32 = 150.0;
const FIGURE_WIDTH: f32 = 262.0;
const NARROW_FIGURE_WIDTH: f32 = 60.0;
/// Less room than this is for figures without their intervals.
const NARROW_BELOW: f32 = 540.0;
const AXIS_HEIGHT: f32 = 18.0;
const NOTE_HEIGHT: f32 = 14.0;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What was measured.
    pub phase: EvaluationPhase,
    /// What stands in front of it.
    pub label: Bilingual,
    /// The share, with its count.
    pub accuracy: Accuracy,
    /// Items of the whole, where a part was scored.
    pub n_total: Option<usize>,
    /// What stands in small letters below it; nothing where there is nothing to say.
    pub note: Option<Bilingual>,
}

impl Bar {
    /// The room that it takes, with what stands below it.
    fn height(&self) -> f32 {
        let note = if self.note.is_some() {
            NOTE_HEIGHT
        } else {
            0.0
        };
        BAR_HEIGHT + BAR_GAP + note
    }

    /// The share with its interval, and on how many items of how many.
    fn figure(&self) -> String {
        match self.n_total {
            Some(n_total) => tr!("{} of {n_total}", self.accuracy, n_total),
            None => self.accuracy.to_string(),
        }
    }
}

/// The bars of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct BarGroup {
    /// The run's colour.
    pub colour: Color32,
    /// What stands above the bars; nothing where one run is shown.
    pub title: Option<Bilingual>,
    /// The bars from top to bottom.
    pub bars: Vec<Bar>,
}

/// Draws the groups below each other on one axis from 0 to 1. `title` says of what they
/// are: benchmark and split. As a picture they have it above them.
pub fn accuracy_bars_ui(ui: &mut Ui, title: &str, groups: &[BarGroup]) {
    let of = PictureOf::Chart(Chart::Accuracies(number_of(title)));
    let corner = ui.cursor().min;
    charts::origin_ui(ui, of, || title.to_owned());
    let row = BAR_HEIGHT + BAR_GAP;
    let bars = groups.iter().flat_map(|group| &group.bars);
    let of_bars: f32 = bars.map(Bar::height).sum();
    let n_titles = groups.iter().filter(|group| group.title.is_some()).count();
    let height = of_bars + (row + 4.0) * n_titles as f32 + AXIS_HEIGHT;
    let width = ui.available_width();
    // The pointer has a menu there; the Tab key does not stop at it.
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::CLICK);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, spoken(groups)));
    let whole = Rect::from_min_max(corner, rect.max);
    charts::leaves(ui, of, whole, || bars_table(title, groups));
    charts::menu(&response, of);
    if !ui.is_rect_visible(rect) {
        return;
    }
    let is_narrow = is_narrow(width);
    let axis = axis_within(rect);
    let mut y = rect.top() + BAR_GAP / 2.0;
    for group in groups {
        if let Some(title) = &group.title {
            let line = Rect::from_min_size(pos2(rect.left(), y), vec2(rect.width(), row));
            if ui.is_rect_visible(line) {
                paint_title(ui, line, group.colour, title.text());
            }
            y += row + 4.0;
        }
        let bottom = y + group.bars.iter().map(Bar::height).sum::<f32>();
        let bars = Rect::from_x_y_ranges(axis.x_range(), y..=bottom);
        if ui.is_rect_visible(bars) {
            paint_grid(ui, bars);
        }
        for bar in &group.bars {
            let line = Rect::from_x_y_ranges(rect.x_range(), y..=y + bar.height());
            if ui.is_rect_visible(line) {
                let room = label_width(width);
                paint_bar(ui, axis, y, group.colour, bar, is_narrow, room);
                if let Some(note) = &bar.note {
                    let below = line.with_min_y(y + BAR_HEIGHT + 1.0);
                    paint_note(ui, below.with_min_x(axis.left()), note.text());
                }
            }
            y += bar.height();
        }
    }
    paint_numbers(ui, axis);
}

/// Tells the bars of one title from those of another.
pub fn number_of(title: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    title.hash(&mut hasher);
    hasher.finish()
}

/// What is drawn, a row for each bar.
fn bars_table(title: &str, groups: &[BarGroup]) -> Table {
    let columns = [tr!("run"), tr!("model"), tr!("accuracy"), tr!("answers")];
    let mut table = Table::new(title, columns);
    for group in groups {
        for bar in &group.bars {
            let accuracy = match bar.n_total {
                Some(n_total) => Cell::Estimate(Estimate {
                    n_total,
                    ..bar.accuracy.into()
                }),
                None => bar.accuracy.into(),
            };
            let words = |text: &Option<Bilingual>| match text {
                Some(text) => Cell::text(text.text()),
                None => Cell::Empty,
            };
            table.push([
                words(&group.title),
                Cell::text(bar.label.text()),
                accuracy,
                words(&bar.note),
            ]);
        }
    }
    table.notes.push(
        tr!("Share of correct answers with the 95% interval (Wilson) and the number of items.")
            .into(),
    );
    table
}

fn is_narrow(width: f32) -> bool {
    width < NARROW_BELOW
}

/// The room in front of the bars, in so much room for all.
fn label_width(width: f32) -> f32 {
    LABEL_WIDTH.min(0.45 * width)
}

/// The part of a row's room in which bars reach from 0 to 1.
pub fn axis_within(rect: Rect) -> Rect {
    let right = match is_narrow(rect.width()) {
        true => NARROW_FIGURE_WIDTH,
        false => FIGURE_WIDTH,
    };
    let left = rect.left() + label_width(rect.width());
    let right = rect.right() - right;
    rect.with_min_x(left).with_max_x(right.max(left + 40.0))
}

/// The bars in words.
fn spoken(groups: &[BarGroup]) -> String {
    let bars = groups.iter().flat_map(|group| {
        let title = group.title.as_ref().map_or("", Bilingual::text);
        group.bars.iter().map(move |bar| {
            let note = bar.note.as_ref();
            let note = note.map_or(String::new(), |note| format!(", {}", note.text()));
            format!("{title} {} {}{note}", bar.label.text(), bar.figure())
        })
    });
    bars.collect::<Vec<_>>().join("; ")
}

/// Where the axis has a line, and what stands below it.
const QUARTERS: [(f32, &str); 5] = [
    (0.0, "0"),
    (0.25, "0.25"),
    (0.5, "0.50"),
    (0.75, "0.75"),
    (1.0, "1"),
];

/// Every how many quarters have room for a number.
fn every(axis: Rect) -> usize {
    if axis.width() < 150.0 { 2 } else { 1 }
}

/// The lines behind the bars of a run, which its title is free of.
fn paint_grid(ui: &Ui, bars: Rect) {
    let palette = palette(ui.visuals());
    let line = Stroke::new(1.0, blend(palette.border, palette.surface, 0.7));
    for (share, _) in QUARTERS.into_iter().step_by(every(bars)) {
        let x = bars.left() + share * bars.width();
        ui.painter()
            .vline(x, bars.top() - 2.0..=bars.bottom(), line);
    }
}

fn paint_numbers(ui: &Ui, axis: Rect) {
    let weak = palette(ui.visuals()).weak;
    let y = axis.bottom() - AXIS_HEIGHT + 3.0;
    for (share, text) in QUARTERS.into_iter().step_by(every(axis)) {
        let at = pos2(axis.left() + share * axis.width(), y);
        let font = FontId::proportional(10.5);
        ui.painter().text(at, Align2::CENTER_TOP, text, font, weak);
    }
}

fn paint_title(ui: &Ui, line: Rect, colour: Color32, title: &str) {
    let y = line.center().y;
    ui.painter()
        .circle_filled(pos2(line.left() + 5.0, y), 4.5, colour);
    let at = pos2(line.left() + 16.0, y);
    let font = FontId::proportional(12.5);
    let shown = cut_middle(ui, title, &font, line.right() - at.x);
    let is_cut = shown != title;
    let text = palette(ui.visuals()).text;
    ui.painter()
        .text(at, Align2::LEFT_CENTER, shown, font, text);
    if is_cut {
        whole_on_hover(ui, line, title);
    }
}

/// The whole of a text that is cut at this place.
fn whole_on_hover(ui: &Ui, place: Rect, text: &str) {
    let id = ui.scope_id().with(("whole", place.top() as i32, text));
    ui.interact(place, id, Sense::hover()).on_hover_text(text);
}

/// Draws a bar with its figure, and its label within `room`.
fn paint_bar(ui: &Ui, axis: Rect, y: f32, colour: Color32, bar: &Bar, is_narrow: bool, room: f32) {
    let palette = palette(ui.visuals());
    let painter = ui.painter();
    let middle = y + BAR_HEIGHT / 2.0;
    let x = |share: f64| axis.left() + share as f32 * axis.width();
    let value = bar.accuracy.value();
    let font = FontId::proportional(12.0);
    let label = elided(ui, bar.label.text(), font, palette.weak, room - 10.0);
    let place = Rect::from_min_size(
        pos2(
            axis.left() - 10.0 - label.size().x,
            middle - label.size().y / 2.0,
        ),
        label.size(),
    );
    if label.elided {
        whole_on_hover(ui, place, bar.label.text());
    }
    painter.galley(place.min, label, palette.weak);
    if value.is_finite() {
        // A share of 0 still has a bar to see.
        let body = Rect::from_x_y_ranges(
            axis.left()..=x(value).max(axis.left() + 2.0),
            y..=y + BAR_HEIGHT,
        );
        let radius = CornerRadius {
            nw: 0,
            sw: 0,
            ne: 2,
            se: 2,
        };
        let light = blend(colour, palette.surface, 0.35);
        match bar.phase {
            EvaluationPhase::Before => {}
            EvaluationPhase::FewShot => {
                painter.rect_filled(body, radius, light);
            }
            EvaluationPhase::After => {
                painter.rect_filled(body, radius, colour);
            }
        }
        painter.rect_stroke(body, radius, Stroke::new(1.2, colour), StrokeKind::Inside);
        paint_interval(ui, bar, middle, x);
    }
    let figure = if is_narrow {
        format!("{value:.3}")
    } else {
        bar.figure()
    };
    let at = pos2(axis.right() + 12.0, middle);
    painter.text(
        at,
        Align2::LEFT_CENTER,
        figure,
        FontId::monospace(11.0),
        palette.text,
    );
}

fn paint_note(ui: &Ui, line: Rect, note: &str) {
    let weak = palette(ui.visuals()).weak;
    let font = FontId::proportional(10.5);
    let shown = elided(ui, note, font, weak, line.width());
    if shown.elided {
        whole_on_hover(ui, line, note);
    }
    // The lines of the grid would cross the letters.
    let place = Rect::from_min_size(line.left_top(), shown.size());
    let ground = palette(ui.visuals()).surface;
    ui.painter().rect_filled(place.expand(1.0), 2.0, ground);
    ui.painter().galley(place.min, shown, weak);
}

fn paint_interval(ui: &Ui, bar: &Bar, middle: f32, x: impl Fn(f64) -> f32) {
    let (low, high) = bar.accuracy.interval95();
    let palette = palette(ui.visuals());
    let painter = ui.painter();
    let line = |wide: f32, stroke: Stroke| {
        painter.hline(x(low) - wide..=x(high) + wide, middle, stroke);
        for end in [low, high] {
            painter.vline(x(end), middle - 3.5 - wide..=middle + 3.5 + wide, stroke);
        }
    };
    if bar.phase == EvaluationPhase::After {
        // Once in the ground's colour, so that it shows on the bar.
        line(1.0, Stroke::new(3.5, palette.surface));
    }
    line(0.0, Stroke::new(1.5, palette.text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_saved_with_their_items_of_all() {
        let bar = |label: &str, n_total, note: Option<&str>| Bar {
            phase: EvaluationPhase::After,
            label: Bilingual::name(label),
            accuracy: Accuracy {
                n_correct: 30,
                n_items: 200,
            },
            n_total,
            note: note.map(Bilingual::name),
        };
        let group = BarGroup {
            colour: Color32::RED,
            title: Some(Bilingual::name("a")),
            bars: vec![
                bar("untuned", Some(500), Some("191 of 200 ended")),
                bar("tuned", None, None),
            ],
        };
        let table = bars_table("gsm8k-mini, test", &[group]);
        let texts = |row: usize| -> Vec<String> {
            let cells = table.rows[row].iter();
            cells.map(Cell::to_string).collect()
        };
        assert_eq!(table.title, "gsm8k-mini, test");
        let first = texts(0);
        assert_eq!((first[0].as_str(), first[1].as_str()), ("a", "untuned"));
        assert!(first[2].starts_with("0.150 [") && first[2].ends_with("n = 200 of 500"));
        assert_eq!(first[3], "191 of 200 ended");
        let second = texts(1);
        assert!(second[2].ends_with("n = 200") && second[3].is_empty());
        assert_ne!(number_of("gsm8k-mini, test"), number_of("gsm8k-mini, val"));
    }
}
