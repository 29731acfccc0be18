//! How much each field matters for a metric, as bars.

use eframe::egui::{Align2, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::protocol::fields::field_name;
use crate::sweep::plan::SweepPlan;
use crate::sweep::results::{Metric, SweepResults};
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{cut_middle, group_title, scrolled, weak_small};

const ROW_HEIGHT: f32 = 24.0;
const NAME_WIDTH: f32 = 230.0;

/// Draws it.
pub(super) fn importance_ui(ui: &mut Ui, plan: &SweepPlan, results: &SweepResults, metric: Metric) {
    scrolled(ui, |ui| {
        for (part, title) in results.parts.iter().enumerate() {
            group_title(ui, title);
            let found = results.importance(plan, part, metric);
            if found.is_empty() {
                weak_small(
                    ui,
                    tr!(
                        "This needs at least four measured runs of this part with different results."
                    ),
                );
            }
            for (field, importance) in found {
                let direction = match importance.rank_correlation {
                    Some(rho) => tr!("rank correlation {rho}", rho = format_args!("{rho:+.2}")),
                    None => tr!("choices").into(),
                };
                let ratio = importance.rank_ratio;
                let ratio = ratio.map_or_else(String::new, |ratio| {
                    tr!(", rank ratio {ratio}", ratio = format_args!("{ratio:.2}"))
                });
                let text = format!("{direction}{ratio}, n = {}", importance.n);
                bar_ui(ui, &field_name(&field), importance.strength() as f32, &text);
            }
            ui.add_space(GAP);
        }
        weak_small(
            ui,
            tr!(
                "Rank correlation (Spearman) shows whether the metric rises or falls with the field. The rank ratio also detects a best value in the middle; it is adjusted for the number of values. Fields that vary together share the credit; no model is fitted."
            ),
        );
    });
}

fn bar_ui(ui: &mut Ui, field: &str, share: f32, text: &str) {
    let colours = palette(ui.visuals());
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{field}, {text}")));
    let font = FontId::proportional(12.5);
    let name = cut_middle(ui, field, &font, NAME_WIDTH - 8.0);
    let at = pos2(rect.left(), rect.center().y);
    ui.painter()
        .text(at, Align2::LEFT_CENTER, name, font, colours.text);
    let width = (rect.width() - NAME_WIDTH - 250.0).max(40.0);
    let bar = Rect::from_min_size(
        pos2(rect.left() + NAME_WIDTH, rect.center().y - 6.0),
        vec2(width, 12.0),
    );
    ui.painter().rect_filled(bar, 3.0, colours.sunken);
    let filled = Rect::from_min_size(bar.min, vec2(width * share.clamp(0.0, 1.0), 12.0));
    ui.painter().rect_filled(filled, 3.0, colours.accent);
    let at = pos2(bar.right() + 10.0, rect.center().y);
    ui.painter().text(
        at,
        Align2::LEFT_CENTER,
        text,
        FontId::proportional(11.5),
        colours.weak,
    );
}
