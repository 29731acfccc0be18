//! The fields that a sweep varies.

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{PopupCloseBehavior, RichText, Role, ScrollArea, TextEdit, Ui};

use super::action::SweepAction;
use super::parts::spoken;
use crate::language;
use crate::persist::spec_file::fields;
use crate::protocol::fields::field_name;
use crate::protocol::run_spec::{LeadingToken, RunSpec};
use crate::sweep::spec::Axis;
use crate::sweep::sweep_file::{SWEEPS, about};
use crate::sweep::values::{FieldValue, Values};
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{cut_label, focus_first, named, weak_small};

/// Fields that users search most.
const FIRST: [&str; 6] = [
    "training.learning_rate",
    "method.features.upscaled_size",
    "method.features.gamma",
    "method.decorrelation.rule.lambda",
    "method.decorrelation.rule.eta",
    "training.seed",
];

/// Draws ways to add a field: those that are searched most, and any other.
pub(super) fn add_axis_ui(ui: &mut Ui, part: usize, axes: &mut Vec<Axis>, base: &RunSpec) {
    let known = fields(base).unwrap_or_default();
    ui.horizontal_wrapped(|ui| {
        any_field_ui(ui, part, axes, &known);
        for path in FIRST {
            let Some((field, value)) = known.iter().find(|(field, _)| field == path) else {
                continue;
            };
            if has(axes, field) {
                continue;
            }
            let name = field_name(field);
            let button = ui.button(name.as_ref());
            named(&button, Role::Button, &tr!("Add {name}", name));
            if button.on_hover_text(field).clicked() {
                axes.push(axis(field, value));
            }
        }
    });
}

/// Says what a sweep does where nothing is chosen yet, and what to begin with.
pub(super) fn first_ui(ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.add_space(2.0 * GAP);
    ui.label(RichText::new(tr!("No fields to vary yet")).heading());
    ui.add_space(2.0);
    ui.label(
        RichText::new(
            tr!("A sweep runs every combination of the values of its fields. Add a field above; its range starts around the value in the configuration."),
        )
        .weak(),
    );
    ui.add_space(GAP);
    weak_small(ui, tr!("Or start from a sweep that ships with Gosling"));
    for (name, text) in SWEEPS {
        ui.horizontal(|ui| {
            let button = ui.button(*name);
            named(
                &button,
                Role::Button,
                &tr!("Start from the sweep {name}", name),
            );
            if button.clicked() {
                actions.push(Action::Sweep(SweepAction::UseShipped(name)));
            }
            let about = RichText::new(language::text(&about(text))).small().weak();
            cut_label(ui, about);
        });
    }
}

fn has(axes: &[Axis], field: &str) -> bool {
    axes.iter().any(|axis| axis.field == field)
}

fn axis(field: &str, value: &str) -> Axis {
    Axis {
        field: field.into(),
        values: first_values(field, value),
    }
}

/// A way to any field that a sweep can vary: the list is searched by name, symbol and
/// path.
fn any_field_ui(ui: &mut Ui, part: usize, axes: &mut Vec<Axis>, known: &[(String, String)]) {
    let id = ui.make_persistent_id(("add field", part));
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (button, _) = MenuButton::new(tr!("Add a field"))
        .config(config)
        .ui(ui, |ui| {
            ui.set_min_width(300.0);
            let mut typed: String = ui.data(|data| data.get_temp(id)).unwrap_or_default();
            let search = TextEdit::singleline(&mut typed)
                .hint_text(tr!("Search fields"))
                .desired_width(f32::INFINITY);
            let search = ui.add(search);
            spoken(&search, Role::TextInput, tr!("Search fields"));
            focus_first(ui, &search);
            if search.changed() {
                ui.data_mut(|data| data.insert_temp(id, typed.clone()));
            }
            let wanted = typed.to_lowercase();
            ScrollArea::vertical().max_height(260.0).show(ui, |ui| {
                for (field, value) in known {
                    if !is_searchable(field, value) || has(axes, field) {
                        continue;
                    }
                    let name = field_name(field);
                    let all = format!("{name} {field}").to_lowercase();
                    if !wanted.split_whitespace().all(|word| all.contains(word)) {
                        continue;
                    }
                    let text = format!("{name}   {value}");
                    let entry = ui.selectable_label(false, text);
                    if entry.on_hover_text(field).clicked() {
                        axes.push(axis(field, value));
                        ui.data_mut(|data| data.remove::<String>(id));
                        ui.close();
                    }
                }
            });
        });
    spoken(&button, Role::ComboBox, tr!("Add a field"));
}

/// Numbers and choices of how the state is trained, and not of where files are.
fn is_searchable(field: &str, value: &str) -> bool {
    let is_about = [
        "training.",
        "method.",
        "data.train_limit",
        "data.loss_on",
        "data.leading_token",
    ]
    .iter()
    .any(|start| field.starts_with(start));
    is_about && value.len() < 24 && !value.starts_with(['"', '[']) && !value.contains(['"', ':'])
}

/// A range around the present value.
fn first_values(field: &str, value: &str) -> Values {
    let number = FieldValue(value.to_owned()).number();
    let list = |values: &[&str]| {
        Values::List(
            values
                .iter()
                .map(|value| FieldValue((*value).into()))
                .collect(),
        )
    };
    match (field, number) {
        ("data.leading_token", _) => list(&LeadingToken::ALL.map(LeadingToken::name)),
        ("training.seed", Some(_)) => list(&["0", "1", "2"]),
        ("method.features.upscaled_size", Some(_)) => Values::Log {
            from: 64.0,
            to: 512.0,
            count: 4,
        },
        ("method.features.gamma", None) => list(&[value, "0.5", "1.0", "2.0"]),
        ("method.decorrelation.rule.lambda", Some(0.0)) => list(&["0.0", "0.01", "0.1", "1.0"]),
        (_, Some(number)) if number > 0.0 => Values::Log {
            from: number / 4.0,
            to: number * 4.0,
            count: 5,
        },
        _ => list(&[value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::presets::{PRESETS, preset};
    use crate::sweep::spec::{BaseRun, Search, SweepPart, SweepSpec};

    /// Every field that is offered first has a range that can be run, of more
    /// than one value.
    #[test]
    fn the_first_ranges_can_be_run() {
        let mut n_offered = 0;
        for (name, _) in PRESETS {
            let base = preset(name).unwrap();
            let known = fields(&base).unwrap();
            for path in FIRST {
                let Some((field, value)) = known.iter().find(|(field, _)| field == path) else {
                    continue;
                };
                n_offered += 1;
                let part = SweepPart {
                    search: Search::Grid(vec![axis(field, value)]),
                    ..SweepPart::default()
                };
                let sweep = SweepSpec {
                    base: BaseRun::Run(Box::new(base.clone())),
                    parts: vec![part],
                    ..SweepSpec::default()
                };
                let plan = sweep.plan().unwrap();
                assert!(plan.runs.len() >= 3, "{name}, {path}");
            }
        }
        assert!(n_offered > 2 * PRESETS.len());
    }

    #[test]
    fn a_sweep_over_the_leading_token_has_every_form_and_can_be_run() {
        let base = RunSpec::default();
        let known = fields(&base).unwrap();
        let (field, value) = known
            .iter()
            .find(|(field, _)| field == "data.leading_token")
            .unwrap();
        assert!(is_searchable(field, value));
        let part = SweepPart {
            search: Search::Grid(vec![axis(field, value)]),
            ..SweepPart::default()
        };
        let sweep = SweepSpec {
            base: BaseRun::Run(Box::new(base)),
            parts: vec![part],
            ..SweepSpec::default()
        };
        let plan = sweep.plan().unwrap();
        let forms: Vec<_> = plan
            .runs
            .iter()
            .map(|run| run.spec.data.leading_token)
            .collect();
        assert_eq!(forms, LeadingToken::ALL);
    }

    #[test]
    fn a_width_by_the_median_is_compared_with_numbers() {
        let first = first_values("method.features.gamma", "Median");
        let Values::List(values) = first else {
            panic!("a list");
        };
        assert_eq!(values[0].0, "Median");
        assert_eq!(values[1].number(), Some(0.5));
    }
}
