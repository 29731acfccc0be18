//! Buttons and texts that look the same in every view.

use std::sync::Arc;

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    Align, Button, Color32, Context, FontId, Frame, Galley, Id, Label, Layout, Margin, Modal,
    Response, RichText, Role, ScrollArea, TextStyle, Ui, WidgetInfo, WidgetText, vec2,
};

use crate::ui::shell::theme::{CONTROL_HEIGHT, GAP, palette};

/// Space between choices that belong together.
const CLOSE: f32 = 2.0;

/// The button that is meant to be pressed first.
pub fn primary_button(ui: &mut Ui, text: &str, is_enabled: bool, width: f32) -> Response {
    let palette = palette(ui.visuals());
    let text = RichText::new(text).color(palette.on_accent).strong();
    let button = Button::new(text).fill(palette.accent);
    let size = vec2(width, CONTROL_HEIGHT + 6.0);
    let sized = |ui: &mut Ui| ui.add_sized(size, button);
    ui.add_enabled_ui(is_enabled, sized).inner
}

/// A question in front of everything else.
pub fn modal(ctx: &Context, name: &str) -> Modal {
    let frame = Frame::popup(&ctx.global_style()).inner_margin(Margin::same(20));
    Modal::new(Id::unique(name)).frame(frame)
}

/// The title of a group within a panel.
pub fn group_title(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).size(14.0).strong());
}

/// Text that matters less.
pub fn weak_small(ui: &mut Ui, text: impl Into<String>) -> Response {
    ui.label(RichText::new(text.into()).small().weak())
}

/// What is wrong, in one small line of the text.
pub fn wrong(ui: &mut Ui, reason: &str) -> Response {
    ui.label(wrong_text(ui, reason))
}

/// The same as a text, where it has to be cut.
pub fn wrong_text(ui: &Ui, reason: &str) -> RichText {
    let bad = palette(ui.visuals()).bad;
    RichText::new(format!("× {reason}")).small().color(bad)
}

/// One of several choices side by side; whether another was chosen.
pub fn choice<T: PartialEq + Copy>(ui: &mut Ui, value: &mut T, choices: &[(T, &str)]) -> bool {
    if ui.layout().is_vertical() {
        return ui.horizontal(|ui| choice(ui, value, choices)).inner;
    }
    let before = *value;
    // Not in a group of their own, so that they wrap where their row does.
    let spacing = ui.spacing().item_spacing.x;
    ui.spacing_mut().item_spacing.x = CLOSE;
    let is_from_right = ui.layout().prefer_right_to_left();
    for idx in 0..choices.len() {
        // They read from the left wherever they stand.
        let (choice, name) = match is_from_right {
            true => choices[choices.len() - 1 - idx],
            false => choices[idx],
        };
        ui.selectable_value(value, choice, name);
    }
    ui.spacing_mut().item_spacing.x = spacing;
    ui.add_space(spacing - CLOSE);
    before != *value
}

/// A line of text that is cut where it does not fit, with the whole in a
/// tooltip.
pub fn cut_label(ui: &mut Ui, text: impl Into<WidgetText>) -> Response {
    ui.add(Label::new(text).truncate())
}

/// One line of text to be painted; it ends in `…` where it is wider.
pub fn elided(
    ui: &Ui,
    text: impl Into<String>,
    font: FontId,
    colour: Color32,
    width: f32,
) -> Arc<Galley> {
    let mut job = LayoutJob::simple_singleline(text.into(), font, colour);
    job.wrap = TextWrapping::truncate_at_width(width);
    ui.painter().layout_job(job)
}

/// Room of one width for controls that would take more, such as a drop-down,
/// whose own width is only the least that it takes.
pub fn within<R>(ui: &mut Ui, width: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    let layout = Layout::left_to_right(Align::Center);
    let shown = ui.allocate_ui_with_layout(vec2(width, CONTROL_HEIGHT), layout, content);
    shown.inner
}

/// Room for a control of one width and the name in front of it, which stay on one line
/// where their row wraps.
pub fn with_name<R>(ui: &mut Ui, name: &str, width: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    let font = TextStyle::Body.resolve(ui.style());
    let name = ui
        .painter()
        .layout_no_wrap(name.to_owned(), font, Color32::WHITE);
    let width = name.size().x + ui.spacing().item_spacing.x + width;
    within(ui, width, content)
}

/// Room of one height, so that nothing around it moves with what comes and goes
/// within.
pub fn reserved<R>(ui: &mut Ui, height: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    let size = vec2(ui.available_width(), height);
    let layout = Layout::top_down(Align::Min);
    let shown = ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        content(ui)
    });
    shown.inner
}

/// The height of lines of small text below each other.
pub fn small_lines(ui: &Ui, n: usize) -> f32 {
    let line = ui.text_style_height(&TextStyle::Small);
    n as f32 * line + n.saturating_sub(1) as f32 * ui.spacing().item_spacing.y
}

/// A name cut in its middle, since runs differ at the end of theirs.
pub fn cut_middle(ui: &Ui, name: &str, font: &FontId, width: f32) -> String {
    let fits = |text: &str| {
        let galley = ui
            .painter()
            .layout_no_wrap(text.to_owned(), font.clone(), Color32::WHITE);
        galley.size().x <= width
    };
    if fits(name) {
        return name.to_owned();
    }
    let chars: Vec<char> = name.chars().collect();
    let cut = |n_kept: usize| {
        let n_end = n_kept.min(8) / 2 + n_kept.saturating_sub(8) / 3;
        let start = chars.iter().take(n_kept - n_end);
        let end = chars.iter().skip(chars.len() - n_end);
        start.chain(['…'].iter()).chain(end).collect::<String>()
    };
    // The more is kept, the wider it is.
    let (mut fitting, mut too_wide) = (0, chars.len());
    while too_wide - fitting > 1 {
        let middle = usize::midpoint(fitting, too_wide);
        if fits(&cut(middle)) {
            fitting = middle;
        } else {
            too_wide = middle;
        }
    }
    cut(fitting)
}

/// Says what to do where there is nothing to see.
pub fn empty_state(ui: &mut Ui, title: &str, advice: &str) {
    let height = ui.available_height();
    let width = ui.available_width();
    ui.vertical_centered(|ui| {
        ui.set_max_width(width.min(420.0));
        ui.add_space((height * 0.32).min(220.0));
        ui.label(RichText::new(title).heading());
        ui.add_space(4.0);
        ui.label(RichText::new(advice).weak());
        ui.add_space(GAP);
    });
}

/// What scrolls downwards, with room for the bar so that it covers nothing.
pub fn scrolled<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let area = ScrollArea::vertical().auto_shrink([false, false]);
    let scrolled = area.show(ui, |ui| {
        ui.set_max_width(ui.available_width() - 12.0);
        content(ui)
    });
    scrolled.inner
}

/// Lays out from the right.
pub fn from_right<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    ui.with_layout(Layout::right_to_left(Align::Center), content)
        .inner
}

/// Gives a control the focus in the first frame that it is drawn in, as when a menu
/// opens.
pub fn focus_first(ui: &Ui, control: &Response) {
    let id = control.id.with("drawn in pass");
    let pass = ui.ctx().cumulative_pass_nr();
    let last: Option<u64> = ui.data(|data| data.get_temp(id));
    ui.data_mut(|data| data.insert_temp(id, pass));
    if last.is_none_or(|last| last + 1 < pass) {
        control.request_focus();
    }
}

/// Gives something that was painted a name for those who do not see it.
pub fn named(response: &Response, kind: Role, name: &str) {
    response.widget_info(|| WidgetInfo::labeled(kind, true, name));
}
