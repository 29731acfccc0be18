//! Numbers and times as people read them, on the command line and in the window.

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

/// Seconds as people say them.
pub(crate) fn duration(secs: f64) -> String {
    let secs = if secs.is_finite() { secs.max(0.0) } else { 0.0 };
    let whole = secs.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
