use super::*;
use crate::colormap::{ColourMap, Limits, Scale};

/// Red, green and blue as shares of light.
type Light = [f64; 3];

/// What people without one kind of cone see of [`Light`]: protanopia,
/// deuteranopia and tritanopia at severity 1.0 (Machado, Oliveira and
/// Fernandes 2009).
const MISSING_CONES: [(&str, [Light; 3]); 3] = [
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn times(matrix: &[Light; 3], of: Light) -> Light {
    matrix.map(|row| row.iter().zip(of).map(|(a, b)| a * b).sum())
}

fn light(colour: Color32) -> Light {
    [colour.r(), colour.g(), colour.b()].map(|value| {
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// OKLab (Ottosson 2020), in which equal distances look about equal; 0.02 is
/// what can just be seen.
fn oklab(light: Light) -> [f64; 3] {
    let cones = times(
        &[
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ],
        light,
    );
    times(
        &[
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ],
        cones.map(f64::cbrt),
    )
}

/// The least distance between two of `colours` to anybody, and to whom.
fn least_distance(colours: &[Color32]) -> (f64, String) {
    let mut least = (f64::INFINITY, String::new());
    let mut look = |name: &str, see: &dyn Fn(Light) -> Light| {
        let seen: Vec<_> = colours
            .iter()
            .map(|of| oklab(see(light(*of)).map(|share| share.clamp(0.0, 1.0))))
            .collect();
        for (i, a) in seen.iter().enumerate() {
            for (j, b) in seen.iter().enumerate().take(i) {
                let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
                let distance = squares.sum::<f64>().sqrt();
                if distance < least.0 {
                    least = (distance, format!("{j} and {i}, {name}"));
                }
            }
        }
    };
    look("all cones", &|light| light);
    for (name, matrix) in &MISSING_CONES {
        look(name, &|light| times(matrix, light));
    }
    least
}

#[test]
fn runs_are_told_apart_with_any_colour_vision() {
    let on_dark = RUN_COLOURS.map(|(on_dark, _)| on_dark);
    let on_light = RUN_COLOURS.map(|(_, on_light)| on_light);
    for (colours, n, floor) in [
        (on_dark, 8, 0.12),
        (on_light, 8, 0.08),
        (on_dark, 4, 0.18),
        (on_light, 4, 0.18),
    ] {
        let (least, between) = least_distance(&colours[..n]);
        assert!(
            least >= floor,
            "{least:.3} of the first {n}, between {between}"
        );
    }
}

/// What the user sees of a colour, in [`oklab`].
type Seeing = Box<dyn Fn(Color32) -> [f64; 3]>;

/// Every way of seeing, with its name.
fn visions() -> impl Iterator<Item = (&'static str, Seeing)> {
    let whole = ("all cones", None);
    let missing = MISSING_CONES.iter().map(|(name, of)| (*name, Some(of)));
    [whole].into_iter().chain(missing).map(|(name, matrix)| {
        let see = move |colour: Color32| {
            let seen = matrix.map_or(light(colour), |matrix| times(matrix, light(colour)));
            oklab(seen.map(|share| share.clamp(0.0, 1.0)))
        };
        (name, Box::new(see) as Seeing)
    })
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// What numbers are drawn in, from the lowest to the highest.
fn colours_of(scale: Scale, is_dark: bool) -> Vec<Color32> {
    let map = ColourMap::new(scale, is_dark);
    let limits = Limits {
        low: 0.0,
        high: 1.0,
    };
    let colour = |place: u8| {
        let [r, g, b] = map.colour(f32::from(place) / 20.0, limits);
        Color32::from_rgb(r, g, b)
    };
    (0..=20).map(colour).collect()
}

#[test]
fn numbers_as_colours_are_read_with_any_colour_vision() {
    for is_dark in [true, false] {
        let one_way = colours_of(Scale::Sequential, is_dark);
        let two_ways = colours_of(Scale::Symmetric, is_dark);
        for (name, see) in visions() {
            // Lightness alone tells how large a number is.
            let lightness = |colours: &[Color32]| -> Vec<f64> {
                let towards = if is_dark { 1.0 } else { -1.0 };
                colours.iter().map(|of| towards * see(*of)[0]).collect()
            };
            let grows = |of: &[f64]| of.windows(2).all(|pair| pair[1] > pair[0]);
            let all = lightness(&one_way);
            assert!(grows(&all) && all[20] - all[0] > 0.5, "{name}: {all:?}");
            let all = lightness(&two_ways);
            let (below, above) = all.split_at(10);
            let below: Vec<f64> = below.iter().rev().copied().collect();
            assert!(grows(&below) && grows(above), "{name}: {all:?}");
            // Hue tells the sign of two numbers of one size.
            for size in 3..=10 {
                let (a, b) = (see(two_ways[10 - size]), see(two_ways[10 + size]));
                assert!(
                    distance(a, b) > 0.08,
                    "{name}: sizes of {size}, {a:?} {b:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_no_number_stands_out_of_every_map() {
    let [r, g, b] = crate::colormap::NOT_FINITE;
    let odd = Color32::from_rgb(r, g, b);
    for (scale, is_dark) in [
        (Scale::Symmetric, true),
        (Scale::Symmetric, false),
        (Scale::Sequential, true),
        (Scale::Sequential, false),
    ] {
        for (name, see) in visions() {
            for colour in colours_of(scale, is_dark) {
                let got = distance(see(odd), see(colour));
                assert!(
                    got > 0.1,
                    "{name}: {colour:?} of {scale:?} is {got:.3} away"
                );
            }
        }
    }
}

/// Marks and words say it too.
#[test]
fn good_and_bad_are_told_apart_with_any_colour_vision() {
    for palette in [&DARK, &LIGHT] {
        let Palette {
            good, warning, bad, ..
        } = *palette;
        let (least, between) = least_distance(&[good, warning, bad]);
        assert!(least >= 0.06, "{least:.3} between {between}");
    }
}

/// Relative luminance as the Web Content Accessibility Guidelines have it.
fn luminance(colour: Color32) -> f64 {
    let [red, green, blue] = light(colour);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(a: Color32, b: Color32) -> f64 {
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}

#[test]
fn text_can_be_read_on_every_ground() {
    for palette in [&DARK, &LIGHT] {
        let Palette {
            panel,
            surface,
            sunken,
            raised,
            border: _,
            text,
            strong,
            weak,
            accent,
            on_accent,
            good,
            warning,
            bad,
        } = *palette;
        for ground in [panel, surface, sunken] {
            for colour in [text, strong, weak, accent, good, warning, bad] {
                let got = contrast(colour, ground);
                assert!(got >= 4.5, "{colour:?} on {ground:?} has {got:.2}");
            }
        }
        assert!(contrast(text, raised) >= 7.0);
        assert!(contrast(on_accent, accent) >= 4.5);
    }
}

#[test]
fn runs_can_be_read_on_every_ground() {
    for (on_dark, on_light) in RUN_COLOURS {
        for (colour, of) in [(on_dark, DARK), (on_light, LIGHT)] {
            for ground in [of.panel, of.surface, of.sunken] {
                let got = contrast(colour, ground);
                assert!(got >= 4.5, "{colour:?} on {ground:?} has {got:.2}");
            }
        }
    }
}
