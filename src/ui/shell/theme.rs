//! Colours and spacing, dark and light. A run has one colour everywhere, and a
//! colour never carries a meaning alone: a word or a shape goes with it.

use eframe::egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle,
    Theme, ThemePreference, Vec2, Visuals, vec2,
};
use serde::{Deserialize, Serialize};

/// Space between groups of a panel.
pub const GAP: f32 = 12.0;
/// Space around the content of a panel.
pub const MARGIN: i8 = 12;
/// Height of a control.
pub const CONTROL_HEIGHT: f32 = 24.0;

/// Width of the ring around what has the focus of the keyboard.
pub const FOCUS_RING: f32 = 2.0;

/// Which look the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Appearance {
    /// As the system has it.
    #[default]
    System,
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

impl Appearance {
    /// Every look, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The name the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => tr!("System"),
            Self::Light => tr!("Light"),
            Self::Dark => tr!("Dark"),
        }
    }

    /// The one after it, for a key that goes through them.
    pub fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    /// Makes the window look so.
    pub fn apply(self, ctx: &Context) {
        ctx.set_theme(match self {
            Self::System => ThemePreference::System,
            Self::Light => ThemePreference::Light,
            Self::Dark => ThemePreference::Dark,
        });
    }
}

/// The colours that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// The panels at the sides.
    pub panel: Color32,
    /// The centre.
    pub surface: Color32,
    /// The ground of plots and text fields.
    pub sunken: Color32,
    /// Cards and controls.
    pub raised: Color32,
    /// Lines between things.
    pub border: Color32,
    /// Text.
    pub text: Color32,
    /// Titles.
    pub strong: Color32,
    /// Text that matters less; still 4.5 to 1 on every ground.
    pub weak: Color32,
    /// What can be acted on first.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Something went its way.
    pub good: Color32,
    /// Something to look at.
    pub warning: Color32,
    /// Something went wrong.
    pub bad: Color32,
}

const DARK: Palette = Palette {
    panel: Color32::from_rgb(0x1b, 0x1d, 0x22),
    surface: Color32::from_rgb(0x16, 0x18, 0x1c),
    sunken: Color32::from_rgb(0x10, 0x12, 0x15),
    raised: Color32::from_rgb(0x29, 0x2c, 0x33),
    border: Color32::from_rgb(0x33, 0x37, 0x3f),
    text: Color32::from_rgb(0xd2, 0xd6, 0xdd),
    strong: Color32::from_rgb(0xff, 0xff, 0xff),
    weak: Color32::from_rgb(0x9c, 0xa3, 0xaf),
    accent: Color32::from_rgb(0x6a, 0xa5, 0xff),
    on_accent: Color32::from_rgb(0x0b, 0x16, 0x28),
    good: Color32::from_rgb(0x5c, 0xbd, 0x9b),
    warning: Color32::from_rgb(0xe9, 0xb4, 0x4c),
    bad: Color32::from_rgb(0xff, 0x83, 0x78),
};

const LIGHT: Palette = Palette {
    panel: Color32::from_rgb(0xf3, 0xf4, 0xf6),
    surface: Color32::from_rgb(0xfb, 0xfb, 0xfc),
    sunken: Color32::from_rgb(0xff, 0xff, 0xff),
    raised: Color32::from_rgb(0xe6, 0xe8, 0xec),
    border: Color32::from_rgb(0xd3, 0xd7, 0xdd),
    text: Color32::from_rgb(0x2b, 0x30, 0x39),
    strong: Color32::from_rgb(0x00, 0x00, 0x00),
    weak: Color32::from_rgb(0x5a, 0x62, 0x6e),
    accent: Color32::from_rgb(0x1f, 0x62, 0xd0),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    good: Color32::from_rgb(0x18, 0x77, 0x48),
    warning: Color32::from_rgb(0x8c, 0x5a, 0x00),
    bad: Color32::from_rgb(0x93, 0x24, 0x24),
};

/// The colours of the look that the style has.
pub fn palette(visuals: &Visuals) -> &'static Palette {
    if visuals.dark_mode { &DARK } else { &LIGHT }
}

/// Colours of runs, each as it is on dark and on light, in the order in which
/// they are given out. Found by a search for the eight hues whose least distance
/// is largest, to people with usual colour vision and to those without one kind
/// of cone; the first four lie further apart still. A test holds how far. They are
/// told apart by lightness as much as by hue, and names are written in them, so
/// each has a contrast of 4.5 to 1 to every ground.
const RUN_COLOURS: [(Color32, Color32); 8] = [
    (rgb(0x527cfe), rgb(0x1d3879)),
    (rgb(0xfdad03), rgb(0x9d6313)),
    (rgb(0xe55149), rgb(0x721900)),
    (rgb(0x99edff), rgb(0x00799e)),
    (rgb(0xbc99ec), rgb(0x8840d9)),
    (rgb(0xf6e885), rgb(0x6d5100)),
    (rgb(0xad719d), rgb(0xce1f8c)),
    (rgb(0x2ad0a1), rgb(0x14674f)),
];

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The number of colours that runs are given at first.
pub const N_RUN_COLOURS: usize = RUN_COLOURS.len();

/// The number of different ones: where more runs are looked at together, the others
/// have paler ones.
pub const N_DISTINCT_COLOURS: usize = 2 * N_RUN_COLOURS;

/// How much paler.
const PALER: f32 = 0.45;

/// The colour of the run with this number.
pub fn run_colour(idx: usize, visuals: &Visuals) -> Color32 {
    let (on_dark, on_light) = RUN_COLOURS[idx % N_RUN_COLOURS];
    let (colour, towards) = match visuals.dark_mode {
        true => (on_dark, Color32::WHITE),
        false => (on_light, Color32::GRAY),
    };
    match idx / N_RUN_COLOURS % 2 {
        0 => colour,
        _ => blend(towards, colour, PALER),
    }
}

/// Gives both looks their colours, texts and spacing.
pub fn install(ctx: &Context) {
    ctx.all_styles_mut(set_spacing);
    ctx.set_visuals_of(Theme::Dark, visuals(Visuals::dark(), &DARK));
    ctx.set_visuals_of(Theme::Light, visuals(Visuals::light(), &LIGHT));
}

fn set_spacing(style: &mut Style) {
    let proportional = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, proportional(11.5)),
        (TextStyle::Body, proportional(13.0)),
        (TextStyle::Button, proportional(13.0)),
        (TextStyle::Heading, proportional(17.0)),
        (
            TextStyle::Monospace,
            FontId::new(12.0, FontFamily::Monospace),
        ),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 6.0);
    spacing.button_padding = vec2(10.0, 3.0);
    spacing.interact_size = Vec2::new(40.0, CONTROL_HEIGHT);
    spacing.window_margin = Margin::same(16);
    spacing.menu_margin = Margin::same(6);
    spacing.tooltip_width = 340.0;
    spacing.combo_width = 120.0;
    spacing.scroll.bar_width = 8.0;
    // Numbers do not need to jump about to be seen to change.
    style.animation_time = 0.08;
}

fn visuals(mut visuals: Visuals, palette: &Palette) -> Visuals {
    let radius = CornerRadius::same(5);
    visuals.panel_fill = palette.panel;
    visuals.window_fill = palette.panel;
    visuals.extreme_bg_color = palette.sunken;
    visuals.faint_bg_color = palette.panel;
    visuals.code_bg_color = palette.raised;
    visuals.window_stroke = Stroke::new(1.0, palette.border);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.weak_text_color = Some(palette.weak);
    visuals.warn_fg_color = palette.warning;
    visuals.error_fg_color = palette.bad;
    visuals.hyperlink_color = palette.accent;
    visuals.popup_shadow = Shadow {
        offset: [0, 4],
        blur: 12,
        spread: 0,
        color: Color32::from_black_alpha(60),
    };
    visuals.selection.bg_fill = blend(palette.accent, palette.panel, 0.28);
    visuals.selection.stroke = Stroke::new(1.0, palette.text);
    visuals.slider_trailing_fill = true;
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.fg_stroke.color = palette.text;
    widgets.noninteractive.bg_stroke.color = palette.border;
    let states = [
        (&mut widgets.inactive, palette.raised, palette.text),
        (
            &mut widgets.hovered,
            blend(palette.text, palette.raised, 0.1),
            palette.text,
        ),
        (
            &mut widgets.active,
            blend(palette.text, palette.raised, 0.2),
            palette.strong,
        ),
        (&mut widgets.open, palette.raised, palette.text),
    ];
    for (state, fill, text) in states {
        state.weak_bg_fill = fill;
        state.bg_fill = fill;
        state.fg_stroke.color = text;
        state.corner_radius = radius;
        state.bg_stroke = Stroke::new(1.0, palette.border);
        // Controls that grow under the pointer push their neighbours about.
        state.expansion = 0.0;
    }
    widgets.noninteractive.corner_radius = radius;
    // What has the focus of the keyboard is seen at once, also beside what is chosen.
    widgets.active.bg_stroke = Stroke::new(FOCUS_RING, palette.accent);
    visuals.selection.stroke.width = FOCUS_RING;
    visuals
}

/// `share` of one colour on the ground of another.
pub fn blend(colour: Color32, ground: Color32, share: f32) -> Color32 {
    ground.lerp_to_gamma(colour, share)
}

#[cfg(test)]
mod tests;
