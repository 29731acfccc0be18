//! What is trained: the methods as cards that say what each adds, and their
//! fields.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Atom, Button, FontId, Response, TextEdit, Ui, vec2};

use super::card::Card;
use super::choices as choose;
use super::fields::Form;
use super::hints;
use super::kernel_preview::kernel_preview_ui;
use super::lift_hints;
use super::names;
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, FeatureSpec, Gamma, Layers, LiftSpec, Method,
    PaperLiteralSpec, StartState,
};
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::choices;
use crate::ui::widgets::field::Field;
use crate::ui::widgets::field_row::{
    FieldContext, count, hint, log_slider, optional_note, row, set_check, share_slider, size_slider,
};

impl Form<'_> {
    /// What is trained.
    pub fn method_ui(&mut self, ui: &mut Ui, method: &mut Method) {
        let beside = self.beside;
        let chosen = Card::of(method);
        let literal = (chosen == Card::Literal).then_some(Card::Literal);
        let hint = hint(&hints::METHOD, beside.defaults);
        for card in Card::OFFERED.into_iter().chain(literal) {
            let shown = card_ui(ui, card, card == chosen).on_hover_text(&hint);
            if shown.clicked() && card != chosen {
                *method = card.method(method);
            }
        }
        optional_note(ui, &hints::METHOD, beside.problem);
        if let Some((layers, start)) = method.tuned_mut() {
            self.start_ui(ui, layers, start);
        }
        match method {
            Method::Base | Method::Standard(_) => {}
            Method::Lifted(lift) => self.lift_ui(ui, lift),
            Method::PaperLiteral(literal) => self.literal_ui(ui, literal),
        }
    }

    fn start_ui(&mut self, ui: &mut Ui, layers: &mut Layers, start: &mut StartState) {
        let Self {
            beside, actions, ..
        } = self;
        row(ui, &hints::METHOD_LAYERS, *beside, |ui, _| {
            choose::layers(ui, layers)
        });
        if let Layers::Only(chosen) = layers {
            row(
                ui,
                &hints::METHOD_LAYERS_DETAIL,
                beside.within(),
                |ui, _| choose::numbers(ui, chosen),
            );
        }
        row(ui, &hints::METHOD_START, *beside, |ui, _| {
            choose::start(ui, start, actions)
        });
        match start {
            StartState::Zero => {}
            StartState::File(path) => {
                row(ui, &hints::METHOD_START_DETAIL, beside.within(), |ui, _| {
                    choices::path(ui, path, PathFor::StartState, actions)
                });
            }
            StartState::Text(text) => {
                row(
                    ui,
                    &hints::METHOD_START_DETAIL_2,
                    beside.within(),
                    |ui, _| {
                        ui.add(
                            TextEdit::multiline(text)
                                .desired_rows(2)
                                .desired_width(f32::INFINITY),
                        )
                    },
                );
            }
        }
    }

    fn features_ui(&mut self, ui: &mut Ui, features: &mut FeatureSpec) {
        let beside = self.beside;
        row(ui, &lift_hints::UPSCALED_SIZE, beside, |ui, field| {
            size_slider(ui, field, &mut features.upscaled_size, 16.0)
        });
        row(ui, &lift_hints::SUPPORT_VECTORS, beside, |ui, _| {
            choices::combo(
                ui,
                "support vectors",
                &mut features.support_vectors,
                &names::SUPPORT_VECTORS,
            )
        });
        row(ui, &lift_hints::GAMMA, beside, |ui, field| {
            gamma_ui(ui, field, &mut features.gamma)
        });
        let features = *features;
        self.actions
            .extend(kernel_preview_ui(ui, &features, self.distances));
    }

    fn literal_ui(&mut self, ui: &mut Ui, literal: &mut PaperLiteralSpec) {
        let beside = self.beside;
        self.features_ui(ui, &mut literal.features);
        row(ui, &lift_hints::LEARNING_RATE, beside, |ui, field| {
            log_slider(ui, field, &mut literal.learning_rate_lift, 1e-4..=1.0)
        });
        if let Some(decorrelation) = &mut literal.decorrelation {
            decorrelation_ui(ui, beside, decorrelation);
        }
    }

    fn lift_ui(&mut self, ui: &mut Ui, lift: &mut LiftSpec) {
        let beside = self.beside;
        self.features_ui(ui, &mut lift.features);
        row(ui, &lift_hints::DYNAMICS, beside, |ui, _| {
            choices::combo(ui, "dynamics", &mut lift.dynamics, &names::DYNAMICS)
        });
        row(ui, &lift_hints::LEARNING_RATE, beside, |ui, field| {
            log_slider(ui, field, &mut lift.learning_rate_lift, 1e-4..=1.0)
        });
        row(ui, &lift_hints::TUNE_S0, beside, |ui, _| {
            ui.checkbox(&mut lift.tune_s0, "on")
        });
        if let Some(decorrelation) = &mut lift.decorrelation {
            decorrelation_ui(ui, beside, decorrelation);
        }
    }
}

/// Draws a method.
fn card_ui(ui: &mut Ui, card: Card, is_chosen: bool) -> Response {
    let colours = palette(ui.visuals());
    let mut text = LayoutJob::default();
    let format = |size, color| TextFormat {
        font_id: FontId::proportional(size),
        color,
        ..TextFormat::default()
    };
    text.append(card.name(), 0.0, format(13.0, colours.strong));
    text.append("\n", 0.0, format(11.5, colours.weak));
    text.append(card.adds(), 0.0, format(11.5, colours.text));
    let width = ui.available_width();
    // What grows behind the text keeps it at the left.
    let button = Button::selectable(is_chosen, (text, Atom::grow()))
        .wrap()
        .min_size(vec2(width, 40.0))
        .frame(true)
        .frame_when_inactive(true);
    let shown = ui.add(button);
    shown.widget_info(|| {
        eframe::egui::WidgetInfo::selected(
            eframe::egui::Role::RadioButton,
            true,
            is_chosen,
            format!("Method {}", card.name()),
        )
    });
    shown
}

fn gamma_ui(ui: &mut Ui, field: &Field, gamma: &mut Gamma) -> Response {
    let mut is_number = matches!(gamma, Gamma::Value(_));
    let check = set_check(ui, field, &mut is_number);
    match (is_number, &gamma) {
        (true, Gamma::Median) => *gamma = Gamma::Value(1.0),
        (false, Gamma::Value(_)) => *gamma = Gamma::Median,
        (true, Gamma::Value(_)) | (false, Gamma::Median) => {}
    }
    match gamma {
        Gamma::Value(value) => log_slider(ui, field, value, 0.01..=100.0) | check,
        Gamma::Median => ui.label(field.absent()) | check,
    }
}

fn decorrelation_ui(ui: &mut Ui, beside: FieldContext<'_>, spec: &mut DecorrelationSpec) {
    row(ui, &lift_hints::RULE, beside, |ui, _| {
        choose::rule(ui, &mut spec.rule)
    });
    let kappa = match &mut spec.rule {
        DecorrelationRule::LocalRule { eta, kappa } => {
            row(ui, &lift_hints::ETA, beside, |ui, field| {
                log_slider(ui, field, eta, 1e-4..=1.0)
            });
            Some(kappa)
        }
        DecorrelationRule::ScalarRms { eta } => {
            row(ui, &lift_hints::ETA, beside, |ui, field| {
                log_slider(ui, field, eta, 1e-4..=1.0)
            });
            None
        }
        DecorrelationRule::Joint {
            lambda,
            kappa,
            learning_rate,
        } => {
            row(ui, &lift_hints::LAMBDA, beside, |ui, field| {
                log_slider(ui, field, lambda, 1e-4..=100.0)
            });
            row(ui, &lift_hints::RULE_RATE, beside, |ui, field| {
                log_slider(ui, field, learning_rate, 1e-5..=0.1)
            });
            Some(kappa)
        }
    };
    if let Some(kappa) = kappa {
        row(ui, &lift_hints::KAPPA, beside, |ui, field| {
            share_slider(ui, field, kappa)
        });
    }
    row(ui, &lift_hints::CENTER, beside, |ui, _| {
        ui.checkbox(&mut spec.center, "on")
    });
    row(ui, &lift_hints::INTERVAL, beside, |ui, field| {
        count(ui, field, &mut spec.interval)
    });
    row(ui, &lift_hints::SAMPLE, beside, |ui, field| {
        share_slider(ui, field, &mut spec.sample)
    });
    row(ui, &lift_hints::SHARED, beside, |ui, _| {
        ui.checkbox(&mut spec.shared, "on")
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::spec::StandardSpec;

    #[test]
    fn a_method_keeps_what_it_has_in_common_with_the_one_before() {
        let mut method = Method::Standard(StandardSpec {
            layers: Layers::Only(vec![2]),
            start: StartState::Text("a".into()),
        });
        for card in [Card::Decorrelated, Card::Lifted, Card::Standard] {
            method = card.method(&method);
            assert_eq!(Card::of(&method), card);
            let (layers, start) = method.tuned().unwrap();
            assert_eq!(*layers, Layers::Only(vec![2]));
            assert_eq!(*start, StartState::Text("a".into()));
        }
        assert_eq!(Card::of(&Card::Base.method(&method)), Card::Base);
    }
}
