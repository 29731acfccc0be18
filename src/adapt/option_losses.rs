//! Losses of the distribution over the options of questions, and their gradients in
//! the options' scores. Of every question come the scores of its options, summed
//! log-probabilities; the distribution is their softmax.

/// The distribution over options with these scores.
pub fn distribution(scores: &[f64]) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// Nats; 0 log 0 is 0.
pub fn entropy(p: &[f64]) -> f64 {
    -p.iter().map(|p| p * safe_log(*p)).sum::<f64>()
}

fn safe_log(p: f64) -> f64 {
    p.max(f64::MIN_POSITIVE).ln()
}

/// The mean of the questions' losses, and its gradient in every score.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionLoss {
    /// Nats.
    pub loss: f64,
    /// A gradient a score, in the order of questions and options.
    pub gradient: Vec<Vec<f64>>,
}

/// The mean entropy.
pub fn option_entropy(distributions: &[Vec<f64>]) -> OptionLoss {
    let n = distributions.len() as f64;
    let gradient = distributions.iter().map(|p| entropy_gradient(p, 1.0 / n));
    OptionLoss {
        loss: distributions.iter().map(|p| entropy(p)).sum::<f64>() / n,
        gradient: gradient.collect(),
    }
}

/// The mean entropy less the entropy of the mean over the questions: minus the
/// mutual information of question and letter.
pub fn information(distributions: &[Vec<f64>]) -> OptionLoss {
    let n = distributions.len() as f64;
    let mean = mean(distributions);
    let OptionLoss { loss, mut gradient } = option_entropy(distributions);
    for (p, gradient) in distributions.iter().zip(&mut gradient) {
        let log_mean: Vec<f64> = mean.iter().map(|m| safe_log(*m)).collect();
        let expected: f64 = p.iter().zip(&log_mean).map(|(p, log)| p * log).sum();
        for ((gradient, p), log) in gradient.iter_mut().zip(p).zip(&log_mean) {
            *gradient += p * (log - expected) / n;
        }
    }
    OptionLoss {
        loss: loss - entropy(&mean),
        gradient,
    }
}

/// The mean cross entropy to `targets`, distributions of as many options.
pub fn cross_entropy(distributions: &[Vec<f64>], targets: &[Vec<f64>]) -> OptionLoss {
    let n = distributions.len() as f64;
    let pairs = distributions.iter().zip(targets);
    let loss = pairs.clone().map(|(p, q)| {
        let of_options = p.iter().zip(q).map(|(p, q)| q * safe_log(*p));
        -of_options.sum::<f64>()
    });
    let loss = loss.sum::<f64>() / n;
    let gradient = pairs.map(|(p, q)| p.iter().zip(q).map(|(p, q)| (p - q) / n).collect());
    OptionLoss {
        loss,
        gradient: gradient.collect(),
    }
}

/// The mean probability of each place; places that some questions have not count 0
/// there.
pub fn mean(distributions: &[Vec<f64>]) -> Vec<f64> {
    let n_places = distributions.iter().map(Vec::len).max().unwrap_or(0);
    let mut mean = vec![0.0; n_places];
    for p in distributions {
        for (mean, p) in mean.iter_mut().zip(p) {
            *mean += p / distributions.len() as f64;
        }
    }
    mean
}

/// dH / dscore = -p (log p + H), times `scale`.
fn entropy_gradient(p: &[f64], scale: f64) -> Vec<f64> {
    let h = entropy(p);
    p.iter().map(|p| -scale * p * (safe_log(*p) + h)).collect()
}

/// The place of the largest, the first of equal ones.
pub fn likeliest(p: &[f64]) -> usize {
    let mut best = 0;
    for (idx, value) in p.iter().enumerate() {
        if *value > p[best] {
            best = idx;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Vec<Vec<f64>> {
        vec![
            vec![0.3, -1.0, 0.5, 0.2],
            vec![-2.0, 0.1, 0.0, 1.2],
            vec![0.4, 0.4, -0.7],
        ]
    }

    fn check_gradient(name: &str, loss: impl Fn(&[Vec<f64>]) -> OptionLoss) {
        let of = |scores: &[Vec<f64>]| {
            let distributions: Vec<_> = scores.iter().map(|of| distribution(of)).collect();
            loss(&distributions)
        };
        let got = of(&scores()).gradient;
        for question in 0..3 {
            for option in 0..got[question].len() {
                let moved = |by: f64| {
                    let mut scores = scores();
                    scores[question][option] += by;
                    of(&scores).loss
                };
                let want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let got = got[question][option];
                assert!((got - want).abs() < 1e-8, "{name}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_the_losses() {
        check_gradient("entropy", option_entropy);
        check_gradient("information", information);
        let targets = vec![
            vec![0.1, 0.2, 0.3, 0.4],
            vec![1.0, 0.0, 0.0, 0.0],
            vec![0.5, 0.5, 0.0],
        ];
        check_gradient("cross entropy", move |p| cross_entropy(p, &targets));
    }

    /// By hand: two sure and different questions know all, two alike ones nothing.
    #[test]
    fn information_is_what_the_question_tells_of_the_letter() {
        let sure = [vec![1.0, 0.0], vec![0.0, 1.0]];
        assert!((information(&sure).loss + 2.0_f64.ln()).abs() < 1e-12);
        let alike = [vec![0.3, 0.7], vec![0.3, 0.7]];
        assert!(information(&alike).loss.abs() < 1e-12);
        let always_a = [vec![1.0, 0.0], vec![1.0, 0.0]];
        assert!(information(&always_a).loss.abs() < 1e-12);
    }

    #[test]
    fn far_scores_give_no_nan() {
        let p = distribution(&[-1e4, 0.0, -3e4]);
        assert_eq!(p, [0.0, 1.0, 0.0]);
        let OptionLoss { loss, gradient } = information(&[p.clone(), p]);
        assert!(loss.is_finite() && gradient.iter().flatten().all(|x| x.is_finite()));
    }
}
