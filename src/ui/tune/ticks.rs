//! Where the numbers of an axis stand.

/// Fewer decades than this have room for twice and five times each.
const FEW_DECADES: f64 = 2.5;

/// The next of 1, 2 and 5 times a power of ten.
pub fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let times = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|times| times * power >= least);
    times.unwrap_or(10.0) * power
}

/// Round numbers from `low` to `high`, at most `n_most` + 1 of them and at least
/// `smallest` apart.
pub fn linear_ticks(low: f64, high: f64, n_most: usize, smallest: f64) -> Vec<f64> {
    let least = (high - low) / n_most.max(1) as f64;
    if !(least.is_finite() && least > 0.0) {
        return Vec::new();
    }
    let step = round_step(least).max(smallest);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|idx| idx as f64 * step).collect()
}

/// Powers of ten from 10^`low` to 10^`high`, with twice and five times them where
/// there are few, and fewer of them where there are more than `n_most`; as powers.
pub fn log_ticks(low: f64, high: f64, n_most: usize) -> Vec<f64> {
    if !(low.is_finite() && high.is_finite() && low <= high) {
        return Vec::new();
    }
    let every = ((high - low) / n_most.max(1) as f64).ceil().max(1.0) as i32;
    let times: &[f64] = match high - low < FEW_DECADES {
        true => &[1.0, 2.0, 5.0],
        false => &[1.0],
    };
    let decades = (low.floor() as i32..=high.ceil() as i32).filter(|at| at % every == 0);
    let all = decades.flat_map(|at| times.iter().map(move |times| f64::from(at) + times.log10()));
    all.filter(|at| (low..=high).contains(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_not_too_close() {
        for (least, expected) in [(1.0, 1.0), (1.2, 2.0), (0.021, 0.05), (60.0, 100.0)] {
            let got = round_step(least);
            assert!(
                (got - expected).abs() < 1e-9 * expected,
                "{least} gives {got}"
            );
        }
    }

    #[test]
    fn linear_ticks_are_round_and_inside() {
        assert_eq!(
            linear_ticks(0.0, 60.0, 6, 1.0),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
        assert_eq!(linear_ticks(-0.3, 4.4, 5, 0.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        // Steps are whole.
        assert_eq!(linear_ticks(0.0, 2.0, 6, 1.0), [0.0, 1.0, 2.0]);
        assert_eq!(linear_ticks(1.0, 1.0, 5, 0.0), [0.0; 0]);
        assert_eq!(linear_ticks(0.0, f64::NAN, 5, 0.0), [0.0; 0]);
    }

    #[test]
    fn log_ticks_are_decades_with_more_between_where_they_are_few() {
        let values = |low: f64, high: f64| -> Vec<f64> {
            let ticks = log_ticks(low.log10(), high.log10(), 6);
            ticks
                .iter()
                .map(|at| (10_f64.powf(*at) * 1e6).round() / 1e6)
                .collect()
        };
        assert_eq!(values(0.15, 6.0), [0.2, 0.5, 1.0, 2.0, 5.0]);
        assert_eq!(values(0.001, 100.0), [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]);
        assert_eq!(
            log_ticks(-20.0, 4.0, 6),
            [-20.0, -16.0, -12.0, -8.0, -4.0, 0.0, 4.0]
        );
        assert_eq!(log_ticks(f64::NEG_INFINITY, 0.0, 6), [0.0; 0]);
    }
}
