//! Numbers as they stand at axes and in tables.

use eframe::egui::emath;

use crate::format::short;

/// A number as it stands at an axis.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if !value.is_finite() {
        "not finite".into()
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
    let rounded = emath::round_to_decimals(value, 8);
    let text = format!("{rounded}");
    if text.len() > 9 { number(value) } else { text }
}

/// `0.031`, and `1.2e-9` below a thousandth.
pub fn p_value(p: f64) -> String {
    match p < 0.001 {
        true => format!("{p:.0e}"),
        false => format!("{p:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
