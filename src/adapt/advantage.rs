//! From rewards of a group of answers to what each of their tokens is worth.

/// What tokens are worth where an answer has one reward: that less the mean of the
/// others, the same for all its tokens. All zero where the rewards are alike.
pub fn of_answers(rewards: &[f64]) -> Vec<f64> {
    let n = rewards.len() as f64;
    if rewards.len() < 2 {
        return vec![0.0; rewards.len()];
    }
    let mean = rewards.iter().sum::<f64>() / n;
    if rewards.iter().all(|reward| *reward == rewards[0]) {
        return vec![0.0; rewards.len()];
    }
    let scale = n / (n - 1.0);
    rewards
        .iter()
        .map(|reward| (reward - mean) * scale)
        .collect()
}

/// What tokens are worth where each has a reward of its own: the discounted sum
/// of what comes from it on,
///
/// ```text
/// R_t = sum over u >= t of discount^(u - t) r_u,
/// ```
///
/// less the mean of the others at the same place, those that have ended counting 0.
pub fn of_tokens(rewards: &[Vec<f64>], discount: f64) -> Vec<Vec<f64>> {
    let n = rewards.len() as f64;
    let sums: Vec<Vec<f64>> = rewards.iter().map(|of| discounted(of, discount)).collect();
    if sums.len() < 2 {
        return sums.iter().map(|of| vec![0.0; of.len()]).collect();
    }
    let at = |of: &Vec<f64>, t: usize| of.get(t).copied().unwrap_or(0.0);
    let scale = n / (n - 1.0);
    let of_answer = |own: &Vec<f64>| {
        let tokens = own.iter().enumerate().map(|(t, sum)| {
            let mean = sums.iter().map(|of| at(of, t)).sum::<f64>() / n;
            (sum - mean) * scale
        });
        tokens.collect()
    };
    sums.iter().map(of_answer).collect()
}

/// The discounted sum from every place on.
fn discounted(rewards: &[f64], discount: f64) -> Vec<f64> {
    let mut sums = rewards.to_vec();
    for t in (0..sums.len().saturating_sub(1)).rev() {
        sums[t] += discount * sums[t + 1];
    }
    sums
}

/// 1 for every token up to the first that is not the guide's.
pub fn shared_prefix(tokens: &[u32], guide: &[u32]) -> Vec<f64> {
    let n = tokens
        .iter()
        .zip(guide)
        .take_while(|(own, of)| own == of)
        .count();
    (0..tokens.len())
        .map(|t| f64::from(u8::from(t < n)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reward_an_answer_is_compared_with_the_others() {
        // (1 - 1/3) 3/2 and (0 - 1/3) 3/2.
        assert_eq!(of_answers(&[1.0, 0.0, 0.0]), [1.0, -0.5, -0.5]);
        assert_eq!(of_answers(&[0.3, 0.3, 0.3]), [0.0; 3]);
        assert_eq!(of_answers(&[1.0]), [0.0]);
        let sum: f64 = of_answers(&[0.1, 0.9, 0.4, 0.4]).iter().sum();
        assert!(sum.abs() < 1e-12);
    }

    /// A group of three by hand. The guide says 5 6 7.
    ///
    /// | answer | r | R, discount 0.5 |
    /// |---|---|---|
    /// | 5 6 7 | 1 1 1 | 1.75 1.5 1 |
    /// | 5 9 | 1 0 | 1 0 |
    /// | 4 6 7 | 0 0 0 | 0 0 0 |
    ///
    /// Means over the three: 2.75/3, 0.5, 1/3.
    #[test]
    fn a_shared_prefix_by_hand() {
        let guide = [5, 6, 7];
        let answers: [&[u32]; 3] = [&[5, 6, 7], &[5, 9], &[4, 6, 7]];
        let rewards: Vec<Vec<f64>> = answers.iter().map(|of| shared_prefix(of, &guide)).collect();
        assert_eq!(rewards[0], [1.0, 1.0, 1.0]);
        assert_eq!(rewards[1], [1.0, 0.0]);
        assert_eq!(rewards[2], [0.0, 0.0, 0.0]);
        let got = of_tokens(&rewards, 0.5);
        let m = 2.75 / 3.0;
        let want = [
            vec![(1.75 - m) * 1.5, 1.5, 1.0],
            vec![(1.0 - m) * 1.5, -0.75],
            vec![-m * 1.5, -0.75, -0.5],
        ];
        for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
            assert!((got - want).abs() < 1e-12, "{got}, not {want}");
        }
    }

    #[test]
    fn without_a_discount_a_token_counts_itself_alone() {
        assert_eq!(discounted(&[1.0, 2.0, 4.0], 0.0), [1.0, 2.0, 4.0]);
        assert_eq!(discounted(&[1.0, 2.0, 4.0], 1.0), [7.0, 6.0, 4.0]);
    }
}
