//! Attributes of SVG elements.

use eframe::egui::{Color32, Rect, Stroke};

/// Opacities below this are not seen.
pub(super) const FAINTEST: u8 = 3;

pub(super) fn place(rect: Rect) -> String {
    format!(
        "x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\"",
        rect.left(),
        rect.top(),
        rect.width(),
        rect.height()
    )
}

pub(super) fn plain_rect(rect: Rect, look: &str) -> String {
    format!("<rect {}{look}/>", place(rect))
}

pub(super) fn filled(colour: Color32) -> String {
    match colour.a() < FAINTEST {
        true => " fill=\"none\"".into(),
        false => painted("fill", colour),
    }
}

pub(super) fn stroked(stroke: Stroke) -> String {
    if stroke.width <= 0.0 || stroke.color.a() < FAINTEST {
        return String::new();
    }
    let colour = painted("stroke", stroke.color);
    format!("{colour} stroke-width=\"{:.2}\"", stroke.width)
}

pub(super) fn painted(what: &str, colour: Color32) -> String {
    let [r, g, b, a] = colour.to_srgba_unmultiplied();
    let opacity = match a {
        255 => String::new(),
        a => format!(" {what}-opacity=\"{:.3}\"", f32::from(a) / 255.0),
    };
    format!(" {what}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
