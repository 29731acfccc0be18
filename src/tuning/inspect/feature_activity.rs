//! What gamma does to the kernels: how many of them hardly ever fire, and how
//! many fire alike wherever they are looked at.

/// Root mean square below which a kernel hardly ever fires.
const DEAD_RMS: f64 = 0.02;
/// Standard deviation over the mean below which a kernel is a constant.
const SATURATED_SPREAD: f64 = 0.02;

/// The kernels of a run on the receptance vectors of the frozen model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureActivity {
    /// Mean of phi over kernels and positions, 0 to 1.
    pub mean: f64,
    /// Share of the kernels that hardly ever fire.
    pub dead: f64,
    /// Share of the kernels that are the same at every position.
    pub saturated: f64,
}

impl FeatureActivity {
    /// From the mean of every kernel and that of its square.
    pub fn new(mean: &[f32], square: &[f32]) -> Self {
        let (mut sum, mut n_dead, mut n_saturated) = (0.0, 0, 0);
        for (mean, square) in mean.iter().zip(square) {
            let (mean, square) = (f64::from(*mean), f64::from(*square));
            sum += mean;
            if square.sqrt() < DEAD_RMS {
                n_dead += 1;
            } else if (square - mean * mean).max(0.0).sqrt() < SATURATED_SPREAD * mean {
                n_saturated += 1;
            }
        }
        let n = mean.len().max(1) as f64;
        Self {
            mean: sum / n,
            dead: f64::from(n_dead) / n,
            saturated: f64::from(n_saturated) / n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_dead_saturated_or_neither() {
        // One of each, and one that fires at one position in a thousand.
        let activity = FeatureActivity::new(&[0.0, 0.999, 0.4, 1e-3], &[0.0, 0.998_001, 0.2, 1e-3]);
        assert_eq!((activity.dead, activity.saturated), (0.25, 0.25));
        assert!((activity.mean - 0.35).abs() < 1e-6);
    }
}
