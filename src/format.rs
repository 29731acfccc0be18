//! Numbers, times and foreign text as the user reads them, on the command line and in
//! the window.

use std::fmt::{self, Display, Formatter, Write};
use std::path::Path;

mod json;

pub(crate) use json::{json_fault, json_words};

/// Whether a screen obeys a character instead of showing it: a control character, a
/// line's end of Unicode or a mark that turns the direction of text.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is shown of text from outside, such as a path or a field of a file: on one
/// line, with `\u{a}` in place of a line's end. It is not `\n`, which cannot be
/// told from the folder `n` of a path on Windows.
pub(crate) struct Visible<T>(pub T);

impl<T: Display> Display for Visible<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'b>(&'a mut Formatter<'b>);
        impl Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for part in text.split_inclusive(is_hidden) {
                    match part.chars().next_back().filter(|last| is_hidden(*last)) {
                        Some(last) => {
                            self.0.write_str(&part[..part.len() - last.len_utf8()])?;
                            write!(self.0, "{}", last.escape_unicode())?;
                        }
                        None => self.0.write_str(part)?,
                    }
                }
                Ok(())
            }
        }
        write!(Escaping(f), "{}", self.0)
    }
}

/// A path as it is shown.
pub(crate) fn shown(path: &Path) -> Visible<std::path::Display<'_>> {
    Visible(path.display())
}

/// A number with three digits or so.
pub(crate) fn short(value: f64) -> String {
    match value {
        value if !value.is_finite() => "?".into(),
        value if value >= 100_000.0 => format!("{:.0}k", value / 1000.0),
        value if value >= 10_000.0 => format!("{:.1}k", value / 1000.0),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A number as it stands at an axis.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if !value.is_finite() {
        tr!("not finite").into()
    } else if size >= 1000.0 {
        short(value)
    } else if size < 0.001 {
        format!("{value:.1e}")
    } else {
        let n_decimals = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
        format!("{value:.n_decimals$}")
    }
}

/// As many digits as the number has, few where it is the result of dragging.
pub fn plain(value: f64) -> String {
    // What is written is a number again.
    let rounded: f64 = format!("{value:.8}").parse().unwrap_or(value);
    let text = format!("{rounded}");
    if text.len() > 9 { number(value) } else { text }
}

/// A text with another first letter, as by [`char::to_uppercase`].
pub(crate) fn with_first<I: Iterator<Item = char>>(text: &str, change: fn(char) -> I) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(change);
    first.chain(letters).collect()
}

/// Seconds as the user says them.
pub(crate) fn duration(secs: f64) -> String {
    let secs = if secs.is_finite() { secs.max(0.0) } else { 0.0 };
    let whole = secs.round() as u64;
    match whole {
        0..60 => tr!("{whole} s", whole),
        60..3600 => tr!("{} min {} s", whole / 60, format_args!("{:02}", whole % 60)),
        _ => tr!(
            "{} h {} min",
            whole / 3600,
            format_args!("{:02}", whole / 60 % 60)
        ),
    }
}

/// The unit that so many bytes are told in: powers of 1024, for files and for memory.
fn unit(n_bytes: u64) -> (f64, &'static str) {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match n_bytes {
        0..MIB => (1024.0, "KiB"),
        MIB..GIB => (MIB as f64, "MiB"),
        GIB.. => (GIB as f64, "GiB"),
    }
}

/// A size in its unit, with three digits or so.
fn in_unit(n_bytes: u64, unit: f64) -> String {
    match n_bytes as f64 / unit {
        size if size < 10.0 => format!("{size:.2}"),
        size if size < 100.0 => format!("{size:.1}"),
        size => format!("{size:.0}"),
    }
}

/// The size of a file or of memory: `3.10 GiB`, `252 MiB`, `0.40 KiB`.
pub(crate) fn byte_size(n_bytes: u64) -> String {
    let (unit, name) = unit(n_bytes);
    format!("{} {name}", in_unit(n_bytes, unit))
}

/// The same in GiB whatever it is, for sizes below each other: `0.4 GiB`.
pub(crate) fn gibibytes(n_bytes: u64) -> String {
    format!("{:.1} GiB", n_bytes as f64 / f64::from(1 << 30))
}

/// Bytes done of all, in the unit of all: `1.20 of 3.10 GiB`.
pub(crate) fn part_of_bytes(done: u64, total: u64) -> String {
    let (unit, name) = unit(total);
    tr!(
        "{done} of {total} {name}",
        done = in_unit(done, unit),
        total = in_unit(total, unit),
        name
    )
}

/// How fast bytes come: `9.54 MiB/s`.
pub(crate) fn byte_rate(bytes_per_sec: f64) -> String {
    // A rate is told as coarsely as a size.
    format!("{}/s", byte_size(bytes_per_sec.max(0.0) as u64))
}

/// A range of seconds as one says it: with one unit, and no more exactly than it is
/// known.
pub(crate) fn duration_range(low: f64, high: f64) -> String {
    let low = if low.is_finite() { low.max(0.0) } else { 0.0 };
    let high = if high.is_finite() { high.max(low) } else { low };
    let (low, high, unit) = match high {
        high if high < 90.0 => (low, high, "s"),
        high if high < 5400.0 => (low / 60.0, high / 60.0, tr!("min")),
        high if high < 172_800.0 => (low / 3600.0, high / 3600.0, "h"),
        high => (low / 86_400.0, high / 86_400.0, tr!("days")),
    };
    let number = |value: f64| match (unit, value) {
        ("s", value) => format!("{value:.0}"),
        (_, value) if value >= 9.95 => format!("{value:.0}"),
        (_, value) => {
            let text = format!("{value:.1}");
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
    };
    let (low, high) = (number(low), number(high));
    match low == high {
        true => format!("{high} {unit}"),
        false => tr!("{low} to {high} {unit}", low, high, unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_the_unit_of_all_of_them() {
        for (done, total, expected) in [
            (0, 0, "0.00 of 0.00 KiB"),
            (1 << 20, 1000 << 20, "1.00 of 1000 MiB"),
            (14_736, 3_100_000_000, "0.00 of 2.89 GiB"),
        ] {
            assert_eq!(part_of_bytes(done, total), expected);
        }
        for (n_bytes, expected) in [
            (0, "0.00 KiB"),
            (393_216, "384 KiB"),
            (1 << 20, "1.00 MiB"),
            (29_349_888, "28.0 MiB"),
            ((1 << 30) - 1, "1024 MiB"),
            (26_540_868_485, "24.7 GiB"),
            (133_000_000_000, "124 GiB"),
        ] {
            assert_eq!(byte_size(n_bytes), expected);
        }
        assert_eq!(gibibytes(382_169_088), "0.4 GiB");
        assert_eq!(gibibytes(133_000_000_000), "123.9 GiB");
        assert_eq!(byte_rate(10_000_000.0), "9.54 MiB/s");
        assert_eq!(byte_rate(-1.0), "0.00 KiB/s");
    }

    #[test]
    fn ranges_of_time_are_no_more_exact_than_they_are_known() {
        for (low, high, expected) in [
            (10.0, 30.0, "10 to 30 s"),
            (0.0, 0.2, "0 s"),
            (70.0, 100.0, "1.2 to 1.7 min"),
            (640.0, 900.0, "11 to 15 min"),
            (3000.0, 7200.0, "0.8 to 2 h"),
            (50_000.0, 260_000.0, "0.6 to 3 days"),
            (f64::NAN, f64::INFINITY, "0 s"),
        ] {
            assert_eq!(duration_range(low, high), expected);
        }
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (secs, expected) in [
            (0.2, "0 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (3599.0, "59 min 59 s"),
            (7325.0, "2 h 02 min"),
            (f64::NAN, "0 s"),
        ] {
            assert_eq!(duration(secs), expected);
        }
    }

    #[test]
    fn what_a_screen_would_obey_is_shown() {
        for (text, expected) in [
            (
                "D:\new\train\rwkv7.pth",
                "D:\\u{a}ew\\u{9}rain\\u{d}wkv7.pth",
            ),
            ("C:\\new\\träin 7.pth", "C:\\new\\träin 7.pth"),
            ("\u{1b}[2J\u{202e}x\u{7f}", "\\u{1b}[2J\\u{202e}x\\u{7f}"),
            ("", ""),
        ] {
            assert_eq!(Visible(text).to_string(), expected);
            assert_eq!(shown(Path::new(text)).to_string(), expected);
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.5, "0.50"),
            (12.34, "12.3"),
            (5123.4, "5123"),
            (51_234.0, "51.2k"),
            (512_340.0, "512k"),
            (f64::INFINITY, "?"),
        ] {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (0.5, "0.500"),
            (4.094, "4.09"),
            (617.4, "617"),
            (0.0110, "0.0110"),
            (0.000_02, "2.0e-5"),
            (12_345.0, "12.3k"),
            (-0.25, "-0.250"),
            (f64::NAN, "not finite"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (value, expected) in [
            (0.8, "0.8"),
            (300.0, "300"),
            (1e-8, "1.0e-8"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.333"),
            (100_000_000.0, "100000000"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(plain(value), expected);
        }
    }
}
