//! The runs of the plots by name: their colours, their last losses, and which one is
//! pointed at.

use eframe::egui::{Align2, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::plot::{MAX_NAMED, Plotted};
use super::plot_drawn::Drawn;
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
    let all = plotted.drawn(ui.visuals());
    if all.len() < 2 && all.iter().all(|of| of.members.is_empty()) {
        return None;
    }
    // In one order, whichever is lit and drawn over the others.
    let place = |of: &Drawn<'_>| plotted.runs.iter().rposition(|run| run.id == of.run.id);
    let mut all: Vec<(Option<usize>, &Drawn<'_>)> = all.iter().map(|of| (place(of), of)).collect();
    all.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    let n_runs = all.len();
    let mut pointed = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(10.0, 2.0);
        for (place, of) in all.into_iter().take(MAX_NAMED) {
            let run = of.run;
            let colours = palette(ui.visuals());
            let colour = match place {
                None => colours.weak,
                Some(_) => run_colour(plotted.selection.colour(&run.id), ui.visuals()),
            };
            let font = FontId::proportional(12.0);
            let title = of.title();
            let name = cut_middle(ui, &title, &font, NAME_WIDTH);
            let value = of.last(Metric::Loss).map_or(String::new(), number);
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
                let text = tr!("{title} in the plots, loss {value}", title, value);
                WidgetInfo::labeled(Role::Label, true, text)
            });
            let is_lit = of.runs().any(|run| plotted.highlighted == Some(&run.id));
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
            let names: Vec<&str> = of.runs().map(|run| run.id.0.as_str()).collect();
            let what = match of.members.is_empty() {
                true => tr!("the last loss"),
                false => {
                    tr!("the mean of the last losses, with a band from the lowest to the highest run")
                }
            };
            entry.on_hover_text(format!("{}; {what}", names.join(", ")));
        }
        if n_runs > MAX_NAMED {
            weak_small(ui, tr!("and {} more", n_runs - MAX_NAMED));
        }
    });
    pointed
}
