//! From logits to the next token.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::random::SplitMix64;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Sampling {
    /// The likeliest; the first of several.
    #[default]
    Greedy,
    /// By chance.
    Random {
        /// What logits are divided by: below 1 the likely grow likelier.
        temperature: f32,
        /// Only the likeliest tokens that together have this share, in (0, 1].
        top_p: f32,
        /// The same seed gives the same tokens.
        seed: u64,
    },
}

/// What is taken off the logits of tokens that were chosen already, as the OpenAI
/// interface has it; and how many tokens are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Taken off once.
    pub presence: f32,
    /// Taken off for every time.
    pub frequency: f32,
    /// Only so many of the likeliest tokens are drawn from; 0 is all of them.
    pub top_k: usize,
}

/// Chooses tokens one after the other.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    generator: SplitMix64,
    limits: Limits,
    /// How often each token was chosen.
    counts: HashMap<usize, u32>,
}

impl Sampler {
    /// A sampler at the start of its random numbers.
    ///
    /// # Errors
    /// [`Error::Spec`] for a temperature or share that means nothing.
    pub fn new(sampling: Sampling) -> Result<Self> {
        let seed = match sampling {
            Sampling::Greedy => 0,
            Sampling::Random {
                temperature,
                top_p,
                seed,
            } => {
                if !(temperature > 0.0 && temperature.is_finite()) {
                    let reason = tr!("must be above 0, is {temperature}", temperature);
                    return Err(Error::spec("temperature", reason));
                }
                if !(top_p > 0.0 && top_p <= 1.0) {
                    let reason = tr!("must be above 0 and at most 1, is {top_p}", top_p);
                    return Err(Error::spec("top-p", reason));
                }
                seed
            }
        };
        Ok(Self {
            sampling,
            generator: SplitMix64::new(seed),
            limits: Limits::default(),
            counts: HashMap::new(),
        })
    }

    /// The same with penalties, and with fewer tokens to draw from.
    ///
    /// # Errors
    /// [`Error::Spec`] for a penalty that is no number.
    pub fn limited(mut self, limits: Limits) -> Result<Self> {
        for (name, penalty) in [
            ("presence", limits.presence),
            ("frequency", limits.frequency),
        ] {
            if !penalty.is_finite() {
                let reason = tr!("must be a number, is {penalty}", penalty);
                return Err(Error::spec(format!("{name} penalty"), reason));
            }
        }
        self.limits = limits;
        Ok(self)
    }

    /// The next token after `logits`, one a token of the vocabulary.
    ///
    /// # Errors
    /// [`Error::Device`] where no logit is a number.
    pub fn pick(&mut self, logits: &[f32]) -> Result<u32> {
        let penalised = self.penalised(logits);
        let logits = penalised.as_deref().unwrap_or(logits);
        let picked = match self.sampling {
            Sampling::Greedy => likeliest(logits),
            Sampling::Random {
                temperature, top_p, ..
            } => self.draw(logits, temperature, top_p),
        };
        match picked {
            Some(token) => {
                *self.counts.entry(token).or_default() += 1;
                Ok(token as u32)
            }
            None => Err(Error::Device(
                tr!("the model's logits are not finite; a state that diverged can cause this")
                    .into(),
            )),
        }
    }

    /// The logits without what repeating costs; none where it costs nothing.
    fn penalised(&self, logits: &[f32]) -> Option<Vec<f32>> {
        let Limits {
            presence,
            frequency,
            ..
        } = self.limits;
        if presence == 0.0 && frequency == 0.0 {
            return None;
        }
        let mut logits = logits.to_vec();
        for (token, count) in &self.counts {
            logits[*token] -= presence + frequency * *count as f32;
        }
        Some(logits)
    }

    fn draw(&mut self, logits: &[f32], temperature: f32, top_p: f32) -> Option<usize> {
        let most = logits[likeliest(logits)?];
        let weight = |logit: f32| f64::from((logit - most) / temperature).exp();
        let mut weights: Vec<(usize, f64)> = logits
            .iter()
            .map(|logit| weight(*logit))
            .enumerate()
            // Also leaves out what is not a number.
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        let top_k = self.limits.top_k;
        if top_p < 1.0 || top_k > 0 {
            weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        if top_k > 0 {
            weights.truncate(top_k);
        }
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut kept = total;
        if top_p < 1.0 {
            kept = 0.0;
            let mut n_kept = 0;
            while n_kept < weights.len() && kept < f64::from(top_p) * total {
                kept += weights[n_kept].1;
                n_kept += 1;
            }
            weights.truncate(n_kept);
        }
        let mut left = self.generator.share() * kept;
        let drawn = weights.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave a little over after the last.
        drawn.or(weights.last()).map(|(token, _)| *token)
    }
}

/// The first of the largest numbers; none where there is no number.
fn likeliest(logits: &[f32]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (token, logit) in logits.iter().enumerate() {
        if !logit.is_nan() && best.is_none_or(|best| *logit > logits[best]) {
            best = Some(token);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_the_likeliest() {
        let check = |logits: &[f32], want: u32| {
            let mut sampler = Sampler::new(Sampling::Greedy).unwrap();
            assert_eq!(sampler.pick(logits).unwrap(), want, "{logits:?}");
        };
        check(&[0.0, 2.0, 2.0], 1);
        check(&[f32::NAN, -1.0, -2.0], 1);
        check(&[f32::NEG_INFINITY], 0);
        let mut sampler = Sampler::new(Sampling::Greedy).unwrap();
        assert!(sampler.pick(&[f32::NAN]).is_err());
        assert!(sampler.pick(&[]).is_err());
    }

    fn counts(sampling: Sampling, logits: &[f32], n: usize) -> Vec<usize> {
        let mut sampler = Sampler::new(sampling).unwrap();
        let mut counts = vec![0; logits.len()];
        for _ in 0..n {
            counts[sampler.pick(logits).unwrap() as usize] += 1;
        }
        counts
    }

    fn random(temperature: f32, top_p: f32) -> Sampling {
        Sampling::Random {
            temperature,
            top_p,
            seed: 7,
        }
    }

    #[test]
    fn shares_follow_the_softmax() {
        let logits = [0.0, 1.0, 2.0, f32::NAN];
        let n = 20_000;
        let weights = logits[..3].iter().map(|x| f64::from(*x / 0.5).exp());
        let total: f64 = weights.clone().sum();
        let got = counts(random(0.5, 1.0), &logits, n);
        for (got, weight) in got.iter().zip(weights) {
            let want = weight / total;
            let error = (*got as f64 / n as f64 - want).abs();
            assert!(
                error < 4.0 * (want / n as f64).sqrt(),
                "{got} of {n}, {want}"
            );
        }
        assert_eq!(got[3], 0);
    }

    #[test]
    fn top_p_leaves_out_the_tail() {
        // Shares 0.64, 0.24, 0.09, 0.03.
        let logits = [3.0, 2.0, 1.0, 0.0];
        for (top_p, n_kept) in [(0.5, 1), (0.7, 2), (0.9, 3), (1.0, 4)] {
            let got = counts(random(1.0, top_p), &logits, 2_000);
            let n_drawn = got.iter().filter(|n| **n > 0).count();
            assert_eq!(n_drawn, n_kept, "{top_p}: {got:?}");
        }
    }

    #[test]
    fn what_was_chosen_costs_and_the_tail_is_left_out() {
        let limited = |limits| {
            Sampler::new(Sampling::Greedy)
                .unwrap()
                .limited(limits)
                .unwrap()
        };
        let logits = [3.0, 2.0, 0.5];
        let picked = |mut sampler: Sampler, n| -> Vec<u32> {
            (0..n).map(|_| sampler.pick(&logits).unwrap()).collect()
        };
        let presence = Limits {
            presence: 1.5,
            ..Limits::default()
        };
        // 3, then 1.5 below 2, then 1.5 above 0.5.
        assert_eq!(picked(limited(presence), 4), [0, 1, 0, 0]);
        let frequency = Limits {
            frequency: 1.0,
            ..Limits::default()
        };
        // Equal ones: the first of them.
        assert_eq!(picked(limited(frequency), 6), [0, 0, 1, 0, 1, 2]);
        let top_k = Limits {
            top_k: 2,
            ..Limits::default()
        };
        let mut sampler = Sampler::new(random(5.0, 1.0))
            .unwrap()
            .limited(top_k)
            .unwrap();
        let drawn: Vec<u32> = (0..500).map(|_| sampler.pick(&logits).unwrap()).collect();
        assert!(drawn.contains(&0) && drawn.contains(&1) && !drawn.contains(&2));
        let nan = Limits {
            presence: f32::NAN,
            ..Limits::default()
        };
        assert!(
            Sampler::new(Sampling::Greedy)
                .unwrap()
                .limited(nan)
                .is_err()
        );
    }

    #[test]
    fn a_seed_gives_its_tokens_again() {
        let logits: Vec<f32> = (0..50).map(|i| (i as f32).sin()).collect();
        let draw = |seed| {
            let sampling = Sampling::Random {
                temperature: 1.0,
                top_p: 0.95,
                seed,
            };
            let mut sampler = Sampler::new(sampling).unwrap();
            let tokens = (0..20).map(|_| sampler.pick(&logits).unwrap());
            tokens.collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        for (temperature, top_p, want) in [
            (0.0, 1.0, "temperature: must be above 0, is 0"),
            (f32::NAN, 1.0, "temperature: must be above 0, is NaN"),
            (1.0, 0.0, "top-p: must be above 0 and at most 1, is 0"),
            (1.0, 1.5, "top-p: must be above 0 and at most 1, is 1.5"),
        ] {
            let error = Sampler::new(random(temperature, top_p)).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
    }
}
