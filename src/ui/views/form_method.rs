//! What is trained: the methods as cards that say what each adds, and their
//! fields.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Atom, Button, FontId, Slider, TextEdit, Ui, vec2};

use super::super::dialogs::PathFor;
use super::super::theme::palette;
use super::form_choices as choose;
use super::form_fields::Form;
use super::form_hints as hints;
use super::form_lift_hints as lift_hints;
use super::form_row::{Problem, count, log_slider, optional_note, row};
use super::kernel_preview::kernel_preview_ui;
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, Dynamics, FeatureSpec, Gamma, Layers, LiftSpec, Method,
    PaperLiteralSpec, StandardSpec, StartState, SupportVectors,
};

/// A method as people choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Card {
    Base,
    Standard,
    Lifted,
    Decorrelated,
    Literal,
}

impl Card {
    /// The paper's recurrence comes by a preset, and then has a card too.
    const OFFERED: [Self; 4] = [Self::Base, Self::Standard, Self::Lifted, Self::Decorrelated];

    fn of(method: &Method) -> Self {
        match method {
            Method::Base => Self::Base,
            Method::Standard(_) => Self::Standard,
            Method::Lifted(lift) if lift.decorrelation.is_none() => Self::Lifted,
            Method::Lifted(_) => Self::Decorrelated,
            Method::PaperLiteral(_) => Self::Literal,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Base => "Base, untuned",
            Self::Standard => "Standard",
            Self::Lifted => "Lifted",
            Self::Decorrelated => "Lifted and decorrelated",
            Self::Literal => "The paper as printed",
        }
    }

    /// What it adds to the one above it.
    fn adds(self) -> &'static str {
        match self {
            Self::Base => "Trains nothing and measures the model as it is.",
            Self::Standard => "Trains S₀, which every text starts from: y = S r",
            Self::Lifted => {
                "Adds a readout of M kernel features of the receptance: y = S r + Z φ(r)"
            }
            Self::Decorrelated => {
                "Adds R, which takes the features\u{2019} correlations away: z = R φ(r)"
            }
            Self::Literal => "Replaces the model\u{2019}s recurrence by one of R φ: y = Z R φ(r)",
        }
    }

    /// The method, with what the one before had in common with it.
    fn method(self, before: &Method) -> Method {
        let (layers, start) = match before.tuned() {
            Some((layers, start)) => (layers.clone(), start.clone()),
            None => (Layers::All, StartState::Zero),
        };
        let lifted = || match before {
            Method::Lifted(lift) => lift.clone(),
            Method::Base | Method::Standard(_) | Method::PaperLiteral(_) => LiftSpec {
                layers: layers.clone(),
                start: start.clone(),
                ..LiftSpec::default()
            },
        };
        match self {
            Self::Base => Method::Base,
            Self::Standard => Method::Standard(StandardSpec { layers, start }),
            Self::Lifted => Method::Lifted(LiftSpec {
                decorrelation: None,
                ..lifted()
            }),
            Self::Decorrelated => {
                let lifted = lifted();
                let decorrelation = lifted.decorrelation.unwrap_or_default();
                Method::Lifted(LiftSpec {
                    decorrelation: Some(decorrelation),
                    ..lifted
                })
            }
            Self::Literal => Method::PaperLiteral(PaperLiteralSpec {
                layers,
                ..PaperLiteralSpec::default()
            }),
        }
    }
}

impl Form<'_> {
    /// What is trained.
    pub fn method_ui(&mut self, ui: &mut Ui, method: &mut Method) {
        let problem = self.problem;
        let chosen = Card::of(method);
        let literal = (chosen == Card::Literal).then_some(Card::Literal);
        for card in Card::OFFERED.into_iter().chain(literal) {
            if card_ui(ui, card, card == chosen) && card != chosen {
                *method = card.method(method);
            }
        }
        optional_note(ui, &hints::METHOD, problem);
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
            problem, actions, ..
        } = self;
        row(ui, &hints::METHOD_LAYERS, *problem, |ui| {
            choose::layers(ui, layers)
        });
        if let Layers::Only(chosen) = layers {
            row(ui, &hints::METHOD_LAYERS_DETAIL, None, |ui| {
                choose::numbers(ui, chosen)
            });
        }
        row(ui, &hints::METHOD_START, *problem, |ui| {
            choose::start(ui, start, actions)
        });
        match start {
            StartState::Zero => {}
            StartState::File(path) => {
                row(ui, &hints::METHOD_START_DETAIL, None, |ui| {
                    choose::path(ui, path, PathFor::StartState, actions)
                });
            }
            StartState::Text(text) => {
                row(ui, &hints::METHOD_START_DETAIL_2, None, |ui| {
                    ui.add(
                        TextEdit::multiline(text)
                            .desired_rows(2)
                            .desired_width(f32::INFINITY),
                    )
                });
            }
        }
    }

    fn features_ui(&mut self, ui: &mut Ui, features: &mut FeatureSpec) {
        let problem = self.problem;
        row(ui, &lift_hints::UPSCALED_SIZE, problem, |ui| {
            ui.spacing_mut().slider_width = 92.0;
            let slider = Slider::new(&mut features.upscaled_size, 64..=1024);
            ui.add(slider.logarithmic(true).step_by(16.0))
        });
        let choices = [
            (SupportVectors::Cluster, "Clusters"),
            (SupportVectors::Random, "Random"),
        ];
        row(ui, &lift_hints::SUPPORT_VECTORS, problem, |ui| {
            choose::combo(
                ui,
                "support vectors",
                &mut features.support_vectors,
                &choices,
            )
        });
        row(ui, &lift_hints::GAMMA, problem, |ui| {
            gamma_ui(ui, &mut features.gamma)
        });
        let features = *features;
        self.actions
            .extend(kernel_preview_ui(ui, &features, self.distances));
    }

    fn literal_ui(&mut self, ui: &mut Ui, literal: &mut PaperLiteralSpec) {
        let problem = self.problem;
        self.features_ui(ui, &mut literal.features);
        row(ui, &lift_hints::LEARNING_RATE, problem, |ui| {
            log_slider(ui, &mut literal.learning_rate_lift, 1e-4..=1.0)
        });
        if let Some(decorrelation) = &mut literal.decorrelation {
            decorrelation_ui(ui, problem, decorrelation);
        }
    }

    fn lift_ui(&mut self, ui: &mut Ui, lift: &mut LiftSpec) {
        let problem = self.problem;
        self.features_ui(ui, &mut lift.features);
        let choices = [
            (Dynamics::Constant, "Constant"),
            (Dynamics::Decayed, "Decayed"),
            (Dynamics::Recurrent, "Recurrent"),
        ];
        row(ui, &lift_hints::DYNAMICS, problem, |ui| {
            choose::combo(ui, "dynamics", &mut lift.dynamics, &choices)
        });
        row(ui, &lift_hints::LEARNING_RATE, problem, |ui| {
            log_slider(ui, &mut lift.learning_rate_lift, 1e-4..=1.0)
        });
        row(ui, &lift_hints::TUNE_S0, problem, |ui| {
            ui.checkbox(&mut lift.tune_s0, "on")
        });
        if let Some(decorrelation) = &mut lift.decorrelation {
            decorrelation_ui(ui, problem, decorrelation);
        }
    }
}

/// Draws a method; whether it was clicked.
fn card_ui(ui: &mut Ui, card: Card, is_chosen: bool) -> bool {
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
    shown.clicked()
}

fn gamma_ui(ui: &mut Ui, gamma: &mut Gamma) -> eframe::egui::Response {
    let mut is_number = matches!(gamma, Gamma::Value(_));
    let check = ui.checkbox(&mut is_number, "");
    check.widget_info(|| {
        eframe::egui::WidgetInfo::selected(
            eframe::egui::Role::CheckBox,
            true,
            is_number,
            "Kernel width, set a value",
        )
    });
    match (is_number, &gamma) {
        (true, Gamma::Median) => *gamma = Gamma::Value(1.0),
        (false, Gamma::Value(_)) => *gamma = Gamma::Median,
        (true, Gamma::Value(_)) | (false, Gamma::Median) => {}
    }
    match gamma {
        Gamma::Value(value) => log_slider(ui, value, 0.01..=100.0) | check,
        Gamma::Median => ui.label("by the median") | check,
    }
}

fn decorrelation_ui(ui: &mut Ui, problem: Option<&Problem>, spec: &mut DecorrelationSpec) {
    #[derive(Clone, Copy, PartialEq)]
    enum Rule {
        Local,
        Joint,
        Scalar,
    }
    let (rule, kappa) = match spec.rule {
        DecorrelationRule::LocalRule { kappa, .. } => (Rule::Local, kappa),
        DecorrelationRule::Joint { kappa, .. } => (Rule::Joint, kappa),
        DecorrelationRule::ScalarRms { .. } => (Rule::Scalar, 0.5),
    };
    let mut chosen = rule;
    row(ui, &lift_hints::RULE, problem, |ui| {
        let choices = [
            (Rule::Local, "The local rule"),
            (Rule::Joint, "The loss, jointly"),
            (Rule::Scalar, "A scalar, as a control"),
        ];
        choose::combo(ui, "rule of R", &mut chosen, &choices)
    });
    if chosen != rule {
        spec.rule = match chosen {
            Rule::Local => DecorrelationRule::LocalRule { eta: 0.05, kappa },
            Rule::Scalar => DecorrelationRule::ScalarRms { eta: 0.025 },
            Rule::Joint => DecorrelationRule::Joint {
                lambda: 1.0,
                kappa,
                learning_rate: 0.003,
            },
        };
    }
    let kappa = match &mut spec.rule {
        DecorrelationRule::LocalRule { eta, kappa } => {
            row(ui, &lift_hints::ETA, problem, |ui| {
                log_slider(ui, eta, 1e-4..=1.0)
            });
            Some(kappa)
        }
        DecorrelationRule::ScalarRms { eta } => {
            row(ui, &lift_hints::ETA, problem, |ui| {
                log_slider(ui, eta, 1e-4..=1.0)
            });
            None
        }
        DecorrelationRule::Joint {
            lambda,
            kappa,
            learning_rate,
        } => {
            row(ui, &lift_hints::LAMBDA, problem, |ui| {
                log_slider(ui, lambda, 1e-4..=100.0)
            });
            row(ui, &lift_hints::RULE_RATE, problem, |ui| {
                log_slider(ui, learning_rate, 1e-5..=0.1)
            });
            Some(kappa)
        }
    };
    if let Some(kappa) = kappa {
        row(ui, &lift_hints::KAPPA, problem, |ui| {
            ui.spacing_mut().slider_width = 74.0;
            ui.add(Slider::new(kappa, 0.0..=1.0).fixed_decimals(2))
        });
    }
    row(ui, &lift_hints::CENTER, problem, |ui| {
        ui.checkbox(&mut spec.center, "on")
    });
    row(ui, &lift_hints::INTERVAL, problem, |ui| {
        count(ui, &mut spec.interval)
    });
    row(ui, &lift_hints::SAMPLE, problem, |ui| {
        ui.spacing_mut().slider_width = 74.0;
        ui.add(Slider::new(&mut spec.sample, 0.01..=1.0).fixed_decimals(2))
    });
    row(ui, &lift_hints::SHARED, problem, |ui| {
        ui.checkbox(&mut spec.shared, "on")
    });
}

#[cfg(test)]
mod tests {
    use super::*;

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
