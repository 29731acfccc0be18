//! An axis of a sweep: a field and a range of values, as they are edited.

use eframe::egui::{Align, DragValue, Layout, Response, RichText, Role, TextEdit, Ui};

use super::parts::spoken;
use crate::persist::spec_file::field_value;
use crate::protocol::fields::field_name;
use crate::protocol::run_spec::RunSpec;
use crate::sweep::spec::Axis;
use crate::sweep::values::{FieldValue, Rounding, Values};
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{choice, cut_label, from_right, weak_small, wrong};

/// Values of a preview at most.
const MAX_SHOWN: usize = 12;

/// How the values are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Linear,
    Log,
}

/// Draws an axis; whether it is to go. `text` is the list that is edited, `base` the
/// run that its field is of, where that is known.
pub(super) fn axis_ui(
    ui: &mut Ui,
    place: (usize, usize),
    axis: &mut Axis,
    text: &mut String,
    is_random: bool,
    base: Option<&RunSpec>,
) -> bool {
    let mut is_removed = false;
    let present = base.map(|base| field_value(base, &axis.field));
    let is_foreign = matches!(present, Some(Err(_)));
    let present = present.and_then(Result::ok).unwrap_or_default();
    let rounding = Rounding::of(&axis.field, &present);
    ui.push_id(place, |ui| {
        ui.horizontal(|ui| {
            // From the right, so that nothing covers them in little room.
            from_right(ui, |ui| {
                let remove = ui.small_button(tr!("Remove"));
                is_removed = remove
                    .on_hover_text(tr!("Remove {}", field_name(&axis.field)))
                    .clicked();
                kind_ui(ui, axis, text, rounding);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let name = RichText::new(field_name(&axis.field));
                    let name = match is_foreign {
                        true => name.color(palette(ui.visuals()).bad),
                        false => name,
                    };
                    cut_label(ui, name).on_hover_text(&axis.field);
                });
            });
        });
        if is_foreign {
            wrong(
                ui,
                tr!("The method of the configuration has no such field; remove it or choose the method again."),
            );
        }
        ui.horizontal_wrapped(|ui| {
            values_ui(ui, axis, text, is_random);
            preview_ui(ui, axis, rounding, is_random);
        });
        ui.add_space(4.0);
    });
    is_removed
}

fn kind_ui(ui: &mut Ui, axis: &mut Axis, text: &mut String, rounding: Rounding) {
    let mut kind = match axis.values {
        Values::List(_) => Kind::List,
        Values::Linear { .. } => Kind::Linear,
        Values::Log { .. } => Kind::Log,
    };
    let kinds = [
        (Kind::List, tr!("list")),
        (Kind::Linear, tr!("linear")),
        (Kind::Log, tr!("log")),
    ];
    if !choice(ui, &mut kind, &kinds) {
        return;
    }
    let (from, to, count) = ends(&axis.values);
    axis.values = match kind {
        Kind::Linear => Values::Linear { from, to, count },
        Kind::Log => Values::Log {
            from: if from > 0.0 { from } else { 1e-3 },
            to: if to > 0.0 { to } else { 1.0 },
            count,
        },
        Kind::List => {
            let values = axis.values.all(&axis.field, rounding).unwrap_or_default();
            let words: Vec<&str> = values.iter().map(|value| value.0.as_str()).collect();
            *text = words.join(", ");
            Values::List(values)
        }
    };
}

/// The ends of a range, or of the numbers of a list.
fn ends(values: &Values) -> (f64, f64, usize) {
    match values {
        Values::Linear { from, to, count } | Values::Log { from, to, count } => {
            (*from, *to, *count)
        }
        Values::List(values) => {
            let numbers = || values.iter().filter_map(FieldValue::number);
            let low = numbers().fold(f64::INFINITY, f64::min);
            let high = numbers().fold(f64::NEG_INFINITY, f64::max);
            match low.is_finite() {
                true => (low, high, values.len().max(2)),
                false => (0.1, 1.0, 3),
            }
        }
    }
}

fn values_ui(ui: &mut Ui, axis: &mut Axis, text: &mut String, is_random: bool) {
    let number = |ui: &mut Ui, value: &mut f64, name: &str| {
        let speed = (value.abs() * 0.02).max(1e-6);
        labelled(ui, name, DragValue::new(value).speed(speed).max_decimals(6));
    };
    match &mut axis.values {
        Values::List(values) => {
            let width = ui.available_width();
            let field = TextEdit::singleline(text)
                .desired_width(width)
                .hint_text("0.1, 0.2, 0.4");
            let field = ui.add(field);
            spoken(
                &field,
                Role::TextInput,
                &tr!("Values of {}", field_name(&axis.field)),
            );
            if field.changed() {
                *values = parse_list(text);
            }
        }
        Values::Linear { from, to, count } | Values::Log { from, to, count } => {
            number(ui, from, tr!("from"));
            number(ui, to, tr!("to"));
            if !is_random {
                labelled(
                    ui,
                    tr!("values"),
                    DragValue::new(count).range(1..=1000).speed(0.05),
                );
            }
        }
    }
}

/// A number behind its name.
pub(super) fn labelled(ui: &mut Ui, name: &str, value: DragValue<'_>) -> Response {
    let label = weak_small(ui, name).id;
    ui.add(value).labelled_by(label)
}

/// The values of a list: commas between them, but not inside parentheses.
fn parse_list(text: &str) -> Vec<FieldValue> {
    let mut depth = 0;
    let is_between = |c: char| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth <= 0
    };
    let values = text.split(is_between).map(str::trim);
    values
        .filter(|value| !value.is_empty())
        .map(|value| FieldValue(value.into()))
        .collect()
}

fn preview_ui(ui: &mut Ui, axis: &Axis, rounding: Rounding, is_random: bool) {
    if matches!(axis.values, Values::List(_)) || is_random {
        return;
    }
    match axis.values.all(&axis.field, rounding) {
        Err(error) => {
            ui.colored_label(palette(ui.visuals()).bad, error.to_string());
        }
        Ok(values) => {
            let shown: Vec<&str> = values
                .iter()
                .take(MAX_SHOWN)
                .map(|value| value.0.as_str())
                .collect();
            let more = match values.len() > MAX_SHOWN {
                true => tr!(", … ({} values)", values.len()),
                false => String::new(),
            };
            weak_small(ui, format!("{}{more}", shown.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_outside_parentheses() {
        let values = parse_list("0.1, Value(2.0),Adam(beta1: 0.9, beta2: 0.99, epsilon: 1e-8), ,");
        let values: Vec<&str> = values.iter().map(|value| value.0.as_str()).collect();
        assert_eq!(
            values,
            [
                "0.1",
                "Value(2.0)",
                "Adam(beta1: 0.9, beta2: 0.99, epsilon: 1e-8)"
            ]
        );
    }
}
