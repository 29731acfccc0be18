//! Numbers as colours, the same in the window and in pictures on the disk. A
//! diverging map is neutral at zero, which is the ground of the look, so that
//! what is small recedes; a sequential one goes from the ground to what stands
//! out most from it.

/// A colour, red, green and blue.
pub type Rgb = [u8; 3];

/// Colours in a map.
pub const N_COLOURS: usize = 256;
/// What is no number stands out from every map, with any colour vision.
pub const NOT_FINITE: Rgb = [0x88, 0x00, 0xff];

const DIVERGING_ON_DARK: [Rgb; 5] = [
    [0x8c, 0xd0, 0xff],
    [0x2c, 0x70, 0xb8],
    [0x17, 0x19, 0x1d],
    [0xb8, 0x50, 0x28],
    [0xff, 0xc0, 0x8f],
];
const DIVERGING_ON_LIGHT: [Rgb; 5] = [
    [0x0b, 0x3c, 0x7d],
    [0x5a, 0x9b, 0xd5],
    [0xf6, 0xf6, 0xf6],
    [0xe5, 0x86, 0x50],
    [0x8a, 0x22, 0x0c],
];
const SEQUENTIAL_ON_DARK: [Rgb; 5] = [
    [0x17, 0x19, 0x1d],
    [0x2b, 0x3f, 0x6e],
    [0x2f, 0x7f, 0x93],
    [0x7d, 0xc4, 0x86],
    [0xf7, 0xf2, 0x9a],
];
const SEQUENTIAL_ON_LIGHT: [Rgb; 5] = [
    [0xf6, 0xf6, 0xf6],
    [0xb4, 0xdc, 0xc6],
    [0x52, 0xa5, 0xae],
    [0x2c, 0x63, 0x97],
    [0x1b, 0x1f, 0x55],
];

/// Which numbers the ends of a map stand for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Scale {
    /// From minus the largest magnitude to plus: zero is the ground.
    #[default]
    Symmetric,
    /// From the smallest number to the largest.
    Sequential,
}

/// The numbers that the ends of a map stand for.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// The number of the first colour.
    pub low: f32,
    /// The number of the last.
    pub high: f32,
}

/// A colour map as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColourMap(Vec<Rgb>);

impl Limits {
    /// The limits that show all of these numbers. Those that are not finite do
    /// not count.
    pub fn of<'a>(scale: Scale, values: impl IntoIterator<Item = &'a f32>) -> Self {
        let finite = values.into_iter().filter(|x| x.is_finite());
        let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| {
            (low.min(*x), high.max(*x))
        });
        match scale {
            _ if low > high => Self {
                low: 0.0,
                high: 0.0,
            },
            Scale::Symmetric => Self::symmetric(low.abs().max(high.abs())),
            Scale::Sequential => Self { low, high },
        }
    }

    /// From minus this to this.
    pub fn symmetric(limit: f32) -> Self {
        Self {
            low: -limit,
            high: limit,
        }
    }

    /// The limits that show what both show.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    /// Where a number stands, 0 to 1; the middle where the limits are one.
    pub fn share(&self, value: f32) -> f32 {
        let width = self.high - self.low;
        if width > 0.0 {
            ((value - self.low) / width).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }
}

impl ColourMap {
    /// The map of a scale, for dark or light ground.
    pub fn new(scale: Scale, is_dark: bool) -> Self {
        let stops = match (scale, is_dark) {
            (Scale::Symmetric, true) => DIVERGING_ON_DARK,
            (Scale::Symmetric, false) => DIVERGING_ON_LIGHT,
            (Scale::Sequential, true) => SEQUENTIAL_ON_DARK,
            (Scale::Sequential, false) => SEQUENTIAL_ON_LIGHT,
        };
        let of = |idx: usize| {
            let at = idx as f32 / (N_COLOURS - 1) as f32 * (stops.len() - 1) as f32;
            let below = (at as usize).min(stops.len() - 2);
            let share = at - below as f32;
            std::array::from_fn(|channel| {
                let (a, b) = (stops[below][channel], stops[below + 1][channel]);
                (f32::from(a) + share * (f32::from(b) - f32::from(a))).round() as u8
            })
        };
        Self((0..N_COLOURS).map(of).collect())
    }

    /// Every colour, the lowest number's first.
    pub fn colours(&self) -> &[Rgb] {
        &self.0
    }

    /// The colour of a number between these limits.
    pub fn colour(&self, value: f32, limits: Limits) -> Rgb {
        if !value.is_finite() {
            return NOT_FINITE;
        }
        let at = limits.share(value) * (N_COLOURS - 1) as f32;
        self.0[at.round() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_those_of_the_table() {
        for (is_dark, stops) in [(true, DIVERGING_ON_DARK), (false, DIVERGING_ON_LIGHT)] {
            let map = ColourMap::new(Scale::Symmetric, is_dark);
            let limits = Limits::symmetric(2.0);
            assert_eq!(map.colour(-2.0, limits), stops[0]);
            assert_eq!(map.colour(9.0, limits), stops[4]);
            assert_eq!(map.colour(f32::NAN, limits), NOT_FINITE);
            // Zero, and a state of zeros, are the ground but for rounding.
            for colour in [
                map.colour(0.0, limits),
                map.colour(0.0, Limits::symmetric(0.0)),
            ] {
                assert!(colour[0].abs_diff(stops[2][0]) <= 2, "{colour:?}");
            }
        }
    }

    #[test]
    fn limits_show_every_finite_number() {
        let values = [1.0, f32::NAN, -3.0, 2.0, f32::INFINITY];
        let (low, high) = (-3.0, 2.0);
        assert_eq!(
            Limits::of(Scale::Symmetric, &values),
            Limits::symmetric(3.0)
        );
        assert_eq!(Limits::of(Scale::Sequential, &values), Limits { low, high });
        assert_eq!(Limits::of(Scale::Sequential, &[]), Limits::symmetric(0.0));
        let both = Limits::symmetric(1.0).with(Limits { low, high: 0.0 });
        assert_eq!(both, Limits { low, high: 1.0 });
    }
}
