//! One field of a form: its name, symbol and unit, what it does, the
//! control, whether it is as by default, and what is wrong with its value.

use std::ops::RangeInclusive;

use eframe::egui::{
    Align, DragValue, Layout, Response, RichText, Role, Sense, Shape, Slider, SliderClamping,
    Stroke, StrokeKind, TextStyle, TextWrapMode, Ui, Vec2, WidgetInfo, WidgetText, vec2,
};

use super::controls::{self, cut_label, named, wrong};
use super::numbers::plain;
use crate::language;
use crate::protocol::fields::field::Field;
use crate::protocol::fields::with_names;
use crate::ui::shell::theme::{CONTROL_HEIGHT, FOCUS_RING, palette};

/// Width of the names.
const NAME_WIDTH: f32 = 132.0;
/// Space between a name and its control.
const SPACING: f32 = 6.0;
/// Width of the button that puts the default back.
const BACK_WIDTH: f32 = 16.0;

/// Points of the arrow that turns back, the angles of its tip and of its end, and
/// its radius.
const N_ARC: usize = 16;
const ARC_START: f32 = -2.4;
const ARC_END: f32 = 2.4;
const ARC_RADIUS: f32 = 4.5;

/// Size of numbers that are typed or dragged.
pub const NUMBER_SIZE: Vec2 = vec2(72.0, CONTROL_HEIGHT);

/// Size of a number beside a slider.
const VALUE_SIZE: Vec2 = vec2(58.0, CONTROL_HEIGHT);

/// What is wrong with the draft, and at which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The dotted path of the field.
    pub field: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl Problem {
    fn is_at(&self, path: &str) -> bool {
        match self.field.strip_prefix(path) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        }
    }
}

/// What fields are by default.
pub trait FieldDefaults {
    /// Whether a field has something else than its default.
    fn is_other(&self, field: &Field) -> bool;
    /// The default as the user sees it.
    fn words(&self, field: &Field) -> String;
    /// What the user is told of the default, and of what else can be put there.
    fn told(&self, field: &Field) -> String;
    /// Notes that the user wants a field back as it is by default.
    fn ask_back(&self, field: &Field);
}

/// What is known of the fields besides their values.
#[derive(Clone, Copy, Default)]
pub struct FieldContext<'a> {
    /// What is wrong, and at which field.
    pub problem: Option<&'a Problem>,
    /// What the fields are by default, where they are those of a draft.
    pub defaults: Option<&'a dyn FieldDefaults>,
    /// The field that the user wants to see, by its dotted path.
    pub goes_to: Option<&'a str>,
}

impl FieldContext<'_> {
    /// The same for a field within another, which says what is wrong with both and is
    /// the one to go to.
    pub fn within(self) -> Self {
        Self {
            problem: None,
            goes_to: None,
            ..self
        }
    }
}

/// Draws a field. `control` fills the room at the right.
pub fn row(
    ui: &mut Ui,
    field: &Field,
    beside: FieldContext<'_>,
    control: impl FnOnce(&mut Ui, &Field) -> Response,
) {
    let FieldContext {
        problem,
        defaults,
        goes_to,
    } = beside;
    let problem = problem.filter(|problem| problem.is_at(field.path));
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = SPACING;
        let size = vec2(NAME_WIDTH, CONTROL_HEIGHT);
        let name = ui
            .allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(NAME_WIDTH);
                ui.spacing_mut().item_spacing.x = 5.0;
                name_ui(ui, field, defaults)
            })
            .inner;
        let hint = hint(field, defaults);
        let name = name.on_hover_text(&hint);
        let control = control(ui, field).labelled_by(name.id).on_hover_text(&hint);
        if goes_to == Some(field.path) {
            control.request_focus();
            control.scroll_to_me(Some(Align::Center));
        }
        if !field.unit.is_empty() {
            ui.label(RichText::new(language::text(field.unit)).small().weak());
        }
    });
    if let Some(Problem { reason, .. }) = problem {
        wrong(ui, &with_names(reason));
    }
}

/// Draws what belongs to the field above it, below its control.
pub fn within(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + SPACING);
        content(ui);
    });
}

/// The name and the symbol, and a way back where the field is not as by default.
fn name_ui(ui: &mut Ui, field: &Field, defaults: Option<&dyn FieldDefaults>) -> Response {
    let other = defaults.filter(|defaults| defaults.is_other(field));
    let of_back = match other {
        Some(_) => BACK_WIDTH + ui.spacing().item_spacing.x,
        None => 0.0,
    };
    let size = vec2(NAME_WIDTH - of_back, CONTROL_HEIGHT);
    let name = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(size.x);
        if field.symbol.is_empty() {
            return cut_label(ui, language::text(field.label));
        }
        let symbol = RichText::new(field.symbol).italics().weak();
        let symbol = WidgetText::from(symbol);
        let symbol = symbol.into_galley(ui, Some(TextWrapMode::Extend), 0.0, TextStyle::Body);
        // What does not fit is cut off the name.
        let room = size.x - symbol.size().x - ui.spacing().item_spacing.x;
        let name = controls::within(ui, room, |ui| cut_label(ui, language::text(field.label)));
        ui.label(symbol);
        name
    });
    if let Some(defaults) = other {
        let back = back_button(ui);
        let label = tr!("{}, back to the default", language::text(field.label));
        named(&back, Role::Button, &label);
        let hint = tr!("Back to the default, {}", defaults.words(field));
        if back.on_hover_text(hint).clicked() {
            defaults.ask_back(field);
        }
    }
    name.inner
}

/// An arrow that turns back.
fn back_button(ui: &mut Ui) -> Response {
    let size = vec2(BACK_WIDTH, CONTROL_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let colours = palette(ui.visuals());
    let colour = match response.hovered() || response.has_focus() {
        true => colours.strong,
        false => colours.accent,
    };
    let at = |angle: f32, radius: f32| rect.center() + radius * Vec2::angled(angle);
    let points = (0..=N_ARC).map(|idx| {
        let share = idx as f32 / N_ARC as f32;
        at(ARC_START + share * (ARC_END - ARC_START), ARC_RADIUS)
    });
    let stroke = Stroke::new(1.5, colour);
    let painter = ui.painter();
    painter.add(Shape::line(points.collect(), stroke));
    let tip = [
        at(ARC_START, ARC_RADIUS - 3.0),
        at(ARC_START, ARC_RADIUS + 3.0),
        at(ARC_START - 0.9, ARC_RADIUS),
    ];
    painter.add(Shape::convex_polygon(tip.to_vec(), colour, Stroke::NONE));
    if response.has_focus() {
        let around = Stroke::new(FOCUS_RING, colours.accent);
        painter.rect_stroke(
            rect.shrink2(vec2(0.0, 4.0)),
            3.0,
            around,
            StrokeKind::Inside,
        );
    }
    response
}

/// What the user is told of the field under the pointer; the last line is of its
/// default.
pub fn hint(field: &Field, defaults: Option<&dyn FieldDefaults>) -> String {
    let (path, hint) = (field.path, language::text(field.hint));
    match defaults {
        Some(defaults) => format!("{hint}\n\n{path}\n{}", defaults.told(field)),
        None if path.is_empty() => hint.to_owned(),
        None => format!("{hint}\n\n{path}"),
    }
}

/// What is wrong with a field that is drawn otherwise; not with one within it.
pub fn optional_note(ui: &mut Ui, field: &Field, problem: Option<&Problem>) {
    if let Some(problem) = problem.filter(|problem| problem.field == field.path) {
        wrong(ui, &problem.reason);
    }
}

/// A whole number. What was opened stays as it is, and is said to be wrong where
/// the field does not take it; what is typed or dragged is kept within.
pub fn count(ui: &mut Ui, field: &Field, value: &mut usize) -> Response {
    let speed = (*value as f64 * 0.02).max(0.1);
    let drag = DragValue::new(value)
        .speed(speed)
        .range(field.range.span())
        .clamp_existing_to_range(false);
    ui.add_sized(NUMBER_SIZE, drag)
}

/// The same of a seed, which moves by one.
pub fn seed(ui: &mut Ui, field: &Field, value: &mut u64) -> Response {
    let drag = DragValue::new(value)
        .speed(0.1)
        .range(field.range.span())
        .clamp_existing_to_range(false);
    ui.add_sized(NUMBER_SIZE, drag)
}

/// A number on a linear scale, typed or dragged.
pub fn real(ui: &mut Ui, field: &Field, value: &mut f64) -> Response {
    let before = *value;
    let drag = DragValue::new(value)
        .speed((before.abs() * 0.02).max(0.001))
        .custom_formatter(|value, _| plain(value))
        .range(field.range.span())
        .clamp_existing_to_range(false);
    let response = ui.add_sized(NUMBER_SIZE, drag);
    keep_within(field, value, before);
    response
}

/// A number over several powers of ten: the slider has those of `usual`, and any
/// other that the field takes can be typed.
pub fn log_slider(
    ui: &mut Ui,
    field: &Field,
    value: &mut f64,
    usual: RangeInclusive<f64>,
) -> Response {
    let before = *value;
    fill_slider(ui);
    let slider = Slider::new(value, usual)
        .logarithmic(true)
        .clamping(SliderClamping::Never)
        .show_value(false);
    let response = ui.add(slider);
    let drag = DragValue::new(value)
        .speed((before.abs() * 0.02).max(1e-6))
        .custom_formatter(|value, _| plain(value));
    let typed = ui
        .add_sized(VALUE_SIZE, drag)
        .accessible_name(language::text(field.label));
    keep_within(field, value, before);
    response | typed
}

/// Leaves the room beside a slider that its number takes, and no more: all end at one
/// edge.
fn fill_slider(ui: &mut Ui) {
    let room = ui.available_width() - VALUE_SIZE.x - ui.spacing().item_spacing.x;
    ui.spacing_mut().slider_width = room.max(40.0);
}

/// A number on a slider over the range of its field.
pub fn slider(ui: &mut Ui, field: &Field, value: &mut f64) -> Response {
    let before = *value;
    fill_slider(ui);
    let span = field.range.span();
    let slider = Slider::new(value, span.clone())
        .clamping(SliderClamping::Edits)
        .show_value(false);
    let response = ui.add(slider);
    let drag = DragValue::new(value)
        .speed(0.01)
        .range(span)
        .fixed_decimals(2);
    let typed = ui
        .add_sized(VALUE_SIZE, drag)
        .accessible_name(language::text(field.label));
    keep_within(field, value, before);
    response | typed
}

/// A whole number on a logarithmic slider, which has those of `usual`; any other that
/// the field takes can be typed.
pub fn whole_slider(
    ui: &mut Ui,
    field: &Field,
    value: &mut usize,
    usual: RangeInclusive<usize>,
) -> Response {
    fill_slider(ui);
    let step = field.range.step().unwrap_or(1.0);
    let slider = Slider::new(value, usual)
        .clamping(SliderClamping::Edits)
        .logarithmic(true)
        .step_by(step)
        .show_value(false);
    let response = ui.add(slider);
    let drag = DragValue::new(value)
        .speed(step / 4.0)
        .range(field.range.span());
    let drag = drag.clamp_existing_to_range(false);
    response
        | ui.add_sized(VALUE_SIZE, drag)
            .accessible_name(language::text(field.label))
}

fn keep_within(field: &Field, value: &mut f64, before: f64) {
    if value.to_bits() != before.to_bits() {
        *value = field.range.fit(*value, before);
    }
}

/// A number that can be left out; `first` stands there when it is put in.
pub fn optional<T: Copy>(
    ui: &mut Ui,
    field: &Field,
    value: &mut Option<T>,
    first: T,
    control: impl FnOnce(&mut Ui, &Field, &mut T) -> Response,
) -> Response {
    let mut is_set = value.is_some();
    let check = set_check(ui, field, &mut is_set);
    if is_set != value.is_some() {
        *value = is_set.then_some(first);
    }
    match value {
        Some(value) => control(ui, field, value) | check,
        None => ui.label(RichText::new(language::text(field.absent)).weak()) | check,
    }
}

/// Whether a number stands there.
pub fn set_check(ui: &mut Ui, field: &Field, is_set: &mut bool) -> Response {
    let check = ui.checkbox(is_set, "");
    check.widget_info(|| {
        let name = tr!("{}, set a value", language::text(field.label));
        WidgetInfo::selected(Role::CheckBox, true, *is_set, name)
    });
    check
}
