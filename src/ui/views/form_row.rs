//! One field of the configuration: its name, symbol and unit, what it does, the
//! control, and what is wrong with its value.

use eframe::egui::{
    Align, DragValue, Layout, Response, RichText, Role, Slider, Ui, Vec2, WidgetInfo, emath, vec2,
};

use super::super::theme::{CONTROL_HEIGHT, palette};
use super::super::widgets::controls::cut_label;
use super::super::widgets::numbers::number;

/// Width of the names.
const NAME_WIDTH: f32 = 132.0;

/// Size of numbers that are typed or dragged.
pub const NUMBER_SIZE: Vec2 = vec2(72.0, CONTROL_HEIGHT);

/// What people are told of a field.
pub struct Field {
    /// Its dotted path in a specification; empty where it is of none.
    pub path: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its symbol in the literature, or nothing.
    pub symbol: &'static str,
    /// Its unit, or nothing.
    pub unit: &'static str,
    /// What it does, what can be chosen and where it comes from.
    pub hint: &'static str,
}

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

/// Draws a field. `control` fills the room at the right.
pub fn row(
    ui: &mut Ui,
    field: &Field,
    problem: Option<&Problem>,
    control: impl FnOnce(&mut Ui) -> Response,
) {
    let problem = problem.filter(|problem| problem.is_at(field.path));
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let size = vec2(NAME_WIDTH, CONTROL_HEIGHT);
        let name = ui
            .allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(NAME_WIDTH);
                ui.spacing_mut().item_spacing.x = 5.0;
                let name = cut_label(ui, field.name);
                if !field.symbol.is_empty() {
                    ui.label(RichText::new(field.symbol).italics().weak());
                }
                name
            })
            .inner;
        let hint = || match field.path {
            "" => field.hint.to_owned(),
            path => format!("{}\n\n{path}", field.hint),
        };
        let name = name.on_hover_text(hint());
        control(ui).labelled_by(name.id).on_hover_text(hint());
        if !field.unit.is_empty() {
            ui.label(RichText::new(field.unit).small().weak());
        }
    });
    if let Some(Problem { reason, .. }) = problem {
        wrong(ui, reason);
    }
}

/// What is wrong with a field that is drawn otherwise; not with one within it.
pub fn optional_note(ui: &mut Ui, field: &Field, problem: Option<&Problem>) {
    if let Some(problem) = problem.filter(|problem| problem.field == field.path) {
        wrong(ui, &problem.reason);
    }
}

fn wrong(ui: &mut Ui, reason: &str) {
    let bad = palette(ui.visuals()).bad;
    ui.label(RichText::new(format!("× {reason}")).small().color(bad));
}

/// A whole number.
pub fn count(ui: &mut Ui, value: &mut usize) -> Response {
    let speed = (*value as f64 * 0.02).max(0.1);
    let value = DragValue::new(value)
        .speed(speed)
        .range(0..=1_000_000_000_usize);
    ui.add_sized(NUMBER_SIZE, value)
}

/// A number on a linear scale, typed or dragged.
pub fn real(ui: &mut Ui, value: &mut f64) -> Response {
    let speed = (value.abs() * 0.02).max(0.001);
    let value = DragValue::new(value)
        .speed(speed)
        .custom_formatter(|value, _| plain(value))
        .range(0.0..=1e6);
    ui.add_sized(NUMBER_SIZE, value)
}

/// A number over several powers of ten.
pub fn log_slider(ui: &mut Ui, value: &mut f64, range: std::ops::RangeInclusive<f64>) -> Response {
    ui.spacing_mut().slider_width = 74.0;
    let slider = Slider::new(value, range)
        .logarithmic(true)
        .clamping(eframe::egui::SliderClamping::Never)
        .custom_formatter(|value, _| plain(value));
    ui.add(slider)
}

/// A number that can be left out.
pub fn optional<T: Copy>(
    ui: &mut Ui,
    name: &str,
    value: &mut Option<T>,
    default: T,
    absent: &str,
    control: impl FnOnce(&mut Ui, &mut T) -> Response,
) -> Response {
    let mut is_set = value.is_some();
    let check = ui.checkbox(&mut is_set, "");
    check.widget_info(|| {
        let name = format!("{name}, set a value");
        WidgetInfo::selected(Role::CheckBox, true, is_set, name)
    });
    if is_set != value.is_some() {
        *value = is_set.then_some(default);
    }
    match value {
        Some(value) => control(ui, value) | check,
        None => ui.label(RichText::new(absent).weak()) | check,
    }
}

/// As many digits as the number has, few where it is the result of dragging.
fn plain(value: f64) -> String {
    let rounded = emath::round_to_decimals(value, 8);
    let text = format!("{rounded}");
    if text.len() > 9 { number(value) } else { text }
}
