//! Pixels of the window within a picture that scales.

use eframe::egui::{ColorImage, Rect};

/// The pixels of a part of an image, whole ones only.
pub(super) fn cut(image: &ColorImage, rect: Rect) -> Option<([usize; 2], Vec<[u8; 3]>)> {
    let [width, height] = image.size;
    let within = |value: f32, most: usize| (value.max(0.0) as usize).min(most);
    let (left, right) = (
        within(rect.left().ceil(), width),
        within(rect.right().floor(), width),
    );
    let (top, bottom) = (
        within(rect.top().ceil(), height),
        within(rect.bottom().floor(), height),
    );
    if right <= left || bottom <= top {
        return None;
    }
    let rows = (top..bottom).map(|row| &image.pixels[row * width + left..row * width + right]);
    let pixels = rows
        .flatten()
        .map(|pixel| [pixel.r(), pixel.g(), pixel.b()]);
    Some(([right - left, bottom - top], pixels.collect()))
}

/// RFC 4648, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |idx: usize| u32::from(chunk.get(idx).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            match digit <= chunk.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}
