//! The value directions of a head in tokens.

use eframe::egui::{Grid, RichText, Spinner, Ui};

use super::context::StatesContext;
use super::settings::CompareWith;
use crate::language;
use crate::protocol::head_requests::LensToken;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::ui::shared::action::Action;
use crate::ui::widgets::controls::{group_title, weak_small};
use crate::ui::widgets::numbers::number;

/// What is left out, and so what the tokens are not.
const HOW: &str = mark!(
    "The left singular vectors of S₀, each through the norm of its head, the output matrix of the layer, the last norm and the head of the model. The gate, the biases and all later layers are left out, so this is an approximation. A direction and its opposite are the same to the state."
);

/// Draws them, of the state itself.
pub(super) fn lens_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let settings = &*look.settings;
    let is_state = settings.kind == MatrixKind::S0 && !settings.follows_text;
    if !is_state || settings.compare != CompareWith::Nothing {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        group_title(ui, tr!("Value directions in tokens"));
        weak_small(ui, tr!("logit lens, an approximation")).on_hover_text(language::text(HOW));
        if look.heads.reads_lens {
            ui.add(Spinner::new().size(14.0));
            return;
        }
        if look.heads.lens.is_none() {
            let button = eframe::egui::Button::new(tr!("Show tokens"));
            let button = ui.add_enabled(look.heads.is_stored, button);
            let button = button.on_hover_text(language::text(HOW));
            if button
                .on_disabled_hover_text(tr!("Once the run has ended"))
                .clicked()
            {
                look.asked = Some(Action::ReadLens);
            }
        }
    });
    let Some(lens) = look.heads.lens else { return };
    if lens.directions.is_empty() {
        weak_small(
            ui,
            tr!("The state of this head is zero; it points nowhere."),
        );
        return;
    }
    let room = ui.available_width();
    Grid::new("value directions")
        .spacing([14.0, 4.0])
        .show(ui, |ui| {
            for title in ["", tr!("one way"), tr!("the other way")] {
                ui.label(RichText::new(title).small().weak());
            }
            ui.end_row();
            let width = ((room - 90.0) / 2.0).max(120.0);
            for (idx, direction) in lens.directions.iter().enumerate() {
                let text = format!("{}. {}", idx + 1, number(direction.singular_value));
                ui.label(RichText::new(text).small())
                    .on_hover_text(tr!("Singular value"));
                tokens_ui(ui, &direction.along, width);
                tokens_ui(ui, &direction.against, width);
                ui.end_row();
            }
        });
}

fn tokens_ui(ui: &mut Ui, tokens: &[LensToken], width: f32) {
    ui.vertical(|ui| {
        ui.set_width(width);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            for token in tokens {
                // In quotes, for many tokens begin with a space.
                let text = format!("{:?}", token.text.text);
                let label = ui.label(RichText::new(text).monospace().small());
                let bytes = token.text.bytes.as_ref();
                let bytes = bytes.map_or(String::new(), |bytes| tr!("\nbytes {bytes}", bytes));
                label.on_hover_text(tr!(
                    "{} standard deviations above the mean logit{bytes}",
                    format_args!("{:+.1}", token.score),
                    bytes
                ));
            }
        });
    });
}
