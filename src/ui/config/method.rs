//! The methods as cards that say what each adds.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Atom, Button, FontId, Response, Role, Ui, WidgetInfo, vec2};

use crate::language;
use crate::protocol::fields::field::Field;
use crate::tuning::spec::{Method, MethodKind};
use crate::ui::shell::theme::palette;
use crate::ui::widgets::field_row::{FieldContext, hint, optional_note};

/// The paper's recurrence comes by a preset, and then has a card too.
const OFFERED: [MethodKind; 5] = [
    MethodKind::Base,
    MethodKind::Standard,
    MethodKind::Lifted,
    MethodKind::Decorrelated,
    MethodKind::Lora,
];

/// Draws the cards.
pub fn method_ui(ui: &mut Ui, field: &Field, method: &mut Method, beside: FieldContext<'_>) {
    let chosen = MethodKind::of(method);
    let literal = (chosen == MethodKind::PaperLiteral).then_some(chosen);
    let hint = hint(field, beside.defaults);
    for kind in OFFERED.into_iter().chain(literal) {
        let shown = card_ui(ui, kind, kind == chosen).on_hover_text(&hint);
        if shown.clicked() && kind != chosen {
            *method = kind.method(method);
        }
    }
    optional_note(ui, field, beside.problem);
}

/// What a method adds to the one above it; LoRA to Base.
fn adds(kind: MethodKind) -> &'static str {
    match kind {
        MethodKind::Base => tr!("Trains nothing; measures the untuned model."),
        MethodKind::Standard => tr!("Trains the initial state S₀: y = S r"),
        MethodKind::Lifted => {
            tr!("Adds a readout of M kernel features of the receptance: y = S r + Z φ(r)")
        }
        MethodKind::Decorrelated => tr!("Adds R, which decorrelates the features: z = R φ(r)"),
        MethodKind::PaperLiteral => {
            tr!("Replaces the model\u{2019}s recurrence by one over R φ: y = Z R φ(r)")
        }
        MethodKind::Lora => {
            tr!("Trains low-rank adapters: W x + (α / rank) B A x")
        }
    }
}

/// Draws a method.
fn card_ui(ui: &mut Ui, kind: MethodKind, is_chosen: bool) -> Response {
    let colours = palette(ui.visuals());
    let mut text = LayoutJob::default();
    let format = |size, color| TextFormat {
        font_id: FontId::proportional(size),
        color,
        ..TextFormat::default()
    };
    text.append(
        language::text(kind.name()),
        0.0,
        format(13.0, colours.strong),
    );
    text.append("\n", 0.0, format(11.5, colours.weak));
    text.append(adds(kind), 0.0, format(11.5, colours.text));
    let width = ui.available_width();
    // What grows behind the text keeps it at the left.
    let button = Button::selectable(is_chosen, (text, Atom::grow()))
        .wrap()
        .min_size(vec2(width, 40.0))
        .frame(true)
        .frame_when_inactive(true);
    let shown = ui.add(button);
    shown.widget_info(|| {
        let name = tr!("Method {}", language::text(kind.name()));
        WidgetInfo::selected(Role::RadioButton, true, is_chosen, name)
    });
    shown
}
