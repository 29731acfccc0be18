//! The runs of the plots by name: their colours, their last losses, and which one is
//! pointed at.

use eframe::egui::{Align2, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::plot::{MAX_NAMED, Plotted};
use crate::protocol::event::RunId;
use crate::ui::shell::theme::{blend, palette, run_colour};
use crate::ui::widgets::controls::{cut_middle, weak_small};
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::numbers::number;

const NAME_WIDTH: f32 = 170.0;
const HEIGHT: f32 = 20.0;
const SWATCH: f32 = 14.0;

/// Draws the names; the run under the pointer, if any. Nothing for a single run.
pub fn legend_ui(ui: &mut Ui, plotted: &Plotted<'_>) -> Option<RunId> {
    let baseline = plotted.baseline.filter(|of| !plotted.has(&of.id));
    let runs = || plotted.runs.iter().rev().copied().chain(baseline);
    let n_runs = runs().count();
    if n_runs < 2 {
        return None;
    }
    let mut pointed = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(10.0, 2.0);
        for run in runs().take(MAX_NAMED) {
            let colours = palette(ui.visuals());
            let is_apart = baseline.is_some_and(|of| of.id == run.id);
            let colour = match is_apart {
                true => colours.weak,
                false => run_colour(plotted.selection.colour(&run.id), ui.visuals()),
            };
            let font = FontId::proportional(12.0);
            let name = cut_middle(ui, run.title(), &font, NAME_WIDTH);
            let last = Metric::Loss.series(run).last();
            let value = last.map_or(String::new(), |(_, loss)| number(loss));
            let width_of = |text: &str| {
                let galley = ui
                    .painter()
                    .layout_no_wrap(text.to_owned(), font.clone(), colour);
                galley.size().x
            };
            let name_width = width_of(&name);
            let width = SWATCH + 6.0 + name_width + 8.0 + width_of(&value) + 4.0;
            let (rect, entry) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::hover());
            entry.widget_info(|| {
                let text = format!("{} in the plots, loss {value}", run.title());
                WidgetInfo::labeled(Role::Label, true, text)
            });
            let is_lit = plotted.highlighted == Some(&run.id);
            if is_lit {
                let ground = blend(colours.accent, colours.surface, 0.18);
                ui.painter().rect_filled(rect, 4.0, ground);
            }
            let middle = rect.center().y;
            let height = if is_lit { 4.0 } else { 2.5 };
            let swatch = Rect::from_center_size(
                pos2(rect.left() + SWATCH / 2.0 + 2.0, middle),
                vec2(SWATCH, height),
            );
            ui.painter().rect_filled(swatch, 1.0, colour);
            let left = rect.left() + SWATCH + 6.0;
            let text = |x: f32, text: &str, colour| {
                let at = pos2(x, middle);
                ui.painter()
                    .text(at, Align2::LEFT_CENTER, text, font.clone(), colour);
            };
            text(left, &name, colours.text);
            text(left + name_width + 8.0, &value, colours.weak);
            if entry.hovered() {
                pointed = Some(run.id.clone());
            }
            entry.on_hover_text(format!("{}; the last loss", run.id.0));
        }
        if n_runs > MAX_NAMED {
            weak_small(ui, format!("and {} more", n_runs - MAX_NAMED));
        }
    });
    pointed
}
