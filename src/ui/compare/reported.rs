//! What the paper reports, drawn hollow and apart from everything measured.

use eframe::egui::{Align2, CollapsingHeader, FontId, Rect, Role, Sense, Stroke, Ui, pos2, vec2};

use crate::bench::{PAPER, Reported};
use crate::ui::shell::theme::palette;
use crate::ui::widgets::accuracy_bars::axis_within;
use crate::ui::widgets::controls::{named, weak_small};

const ROW: f32 = 17.0;
/// Lengths of a dash and of the gap behind it.
const DASH: [f32; 2] = [4.0, 3.0];

/// Draws the section.
pub fn reported_ui(ui: &mut Ui) {
    let title = tr!("Reported by the paper, not measured here");
    // Not indented, so that it has the axis of the bars above.
    CollapsingHeader::new(title).default_open(true).show_unindented(ui, |ui| {
        weak_small(
            ui,
            tr!("From arXiv 2504.05097: official benchmarks and a model that is not public, without \
             items, intervals or prompts. Not comparable with the figures above."),
        );
        for reported in &PAPER {
            let Reported {
                benchmark,
                untuned,
                best,
            } = reported;
            let bars = [(tr!("untuned"), untuned), (tr!("best method"), best)];
            let known: Vec<(&str, f64)> = bars
                .iter()
                .filter_map(|(name, share)| Some((*name, (**share)?)))
                .collect();
            if known.is_empty() {
                unknown_ui(ui, benchmark.title());
            }
            for (name, percent) in known {
                bar_ui(ui, benchmark.title(), name, percent);
            }
        }
    });
}

/// A benchmark without figures, on the axis of the others.
fn unknown_ui(ui: &mut Ui, benchmark: &str) {
    let size = vec2(ui.available_width(), ROW);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let said = tr!("no figures known");
    named(&response, Role::Label, &format!("{benchmark}, {said}"));
    let weak = palette(ui.visuals()).weak;
    let (left, middle) = (axis_within(rect).left(), rect.center().y);
    let font = FontId::proportional(12.0);
    let painter = ui.painter();
    let at = pos2(left - 10.0, middle);
    painter.text(at, Align2::RIGHT_CENTER, benchmark, font.clone(), weak);
    painter.text(pos2(left, middle), Align2::LEFT_CENTER, said, font, weak);
}

fn bar_ui(ui: &mut Ui, benchmark: &str, name: &str, percent: f64) {
    let size = vec2(ui.available_width(), ROW);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let label = format!("{benchmark}, {name}");
    named(
        &response,
        Role::Image,
        &tr!(
            "{label}, reported {percent} percent",
            label,
            percent = format_args!("{percent:.1}")
        ),
    );
    let palette = palette(ui.visuals());
    let painter = ui.painter();
    let middle = rect.center().y;
    let axis = axis_within(rect);
    let (left, width) = (axis.left(), axis.width());
    let font = FontId::proportional(12.0);
    let at = pos2(left - 10.0, middle);
    painter.text(at, Align2::RIGHT_CENTER, label, font, palette.weak);
    let body = Rect::from_min_max(
        pos2(left, middle - 6.0),
        pos2(left + width * (percent / 100.0) as f32, middle + 6.0),
    );
    let corners = [
        body.left_top(),
        body.right_top(),
        body.right_bottom(),
        body.left_bottom(),
        body.left_top(),
    ];
    let stroke = Stroke::new(1.2, palette.weak);
    painter.extend(eframe::egui::Shape::dashed_line(
        &corners, stroke, DASH[0], DASH[1],
    ));
    let at = pos2(left + width + 12.0, middle);
    let text = format!("{:.3}", percent / 100.0);
    painter.text(
        at,
        Align2::LEFT_CENTER,
        text,
        FontId::monospace(11.0),
        palette.weak,
    );
}
