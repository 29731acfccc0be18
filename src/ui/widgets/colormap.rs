//! Numbers as colours: a diverging map, neutral at zero, which is the ground of
//! the look, so that what is small recedes.

use eframe::egui::Color32;

/// Colours from the lowest value to the highest, on dark.
const ON_DARK: [[u8; 3]; 5] = [
    [0x8c, 0xd0, 0xff],
    [0x2c, 0x70, 0xb8],
    [0x17, 0x19, 0x1d],
    [0xb8, 0x50, 0x28],
    [0xff, 0xc0, 0x8f],
];
/// The same on light.
const ON_LIGHT: [[u8; 3]; 5] = [
    [0x0b, 0x3c, 0x7d],
    [0x5a, 0x9b, 0xd5],
    [0xf6, 0xf6, 0xf6],
    [0xe5, 0x86, 0x50],
    [0x8a, 0x22, 0x0c],
];
/// What is no number stands out from both.
const NOT_FINITE: Color32 = Color32::from_rgb(0xff, 0x00, 0xc8);

const N_COLOURS: usize = 256;

/// A diverging colour map as a table.
pub struct Diverging([Color32; N_COLOURS]);

impl Diverging {
    /// The map for dark or light ground.
    pub fn new(is_dark: bool) -> Self {
        let stops = if is_dark { ON_DARK } else { ON_LIGHT };
        Self(std::array::from_fn(|idx| {
            let at = idx as f32 / (N_COLOURS - 1) as f32 * (stops.len() - 1) as f32;
            let below = (at as usize).min(stops.len() - 2);
            let share = at - below as f32;
            let mixed = |channel: usize| {
                let (a, b) = (stops[below][channel], stops[below + 1][channel]);
                (f32::from(a) + share * (f32::from(b) - f32::from(a))).round() as u8
            };
            Color32::from_rgb(mixed(0), mixed(1), mixed(2))
        }))
    }

    /// The colour of `value` where the ends of the map are -`limit` and
    /// `limit`.
    pub fn colour(&self, value: f32, limit: f32) -> Color32 {
        if !value.is_finite() {
            return NOT_FINITE;
        }
        let share = if limit > 0.0 { value / limit } else { 0.0 };
        let at = (share.clamp(-1.0, 1.0) + 1.0) / 2.0 * (N_COLOURS - 1) as f32;
        self.0[at.round() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_those_of_the_table() {
        for (is_dark, stops) in [(true, ON_DARK), (false, ON_LIGHT)] {
            let map = Diverging::new(is_dark);
            let rgb = |[r, g, b]: [u8; 3]| Color32::from_rgb(r, g, b);
            assert_eq!(map.colour(-2.0, 2.0), rgb(stops[0]));
            assert_eq!(map.colour(9.0, 2.0), rgb(stops[4]));
            assert_eq!(map.colour(f32::NAN, 2.0), NOT_FINITE);
            // Zero, and a state of zeros, are the ground but for rounding.
            for colour in [map.colour(0.0, 2.0), map.colour(0.0, 0.0)] {
                assert!(colour.r().abs_diff(stops[2][0]) <= 2, "{colour:?}");
            }
        }
    }
}
