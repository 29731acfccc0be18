//! What an adaptation costs, in tokens of a forward pass.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Tokens; padding does not count, and a prompt counts once a group of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Read or written without a gradient.
    pub forward: u64,
    /// Of texts that a gradient was taken of.
    pub trained: u64,
    /// Of a guide: what it read, wrote and scored. Never a part of the others.
    #[serde(default)]
    pub guide: u64,
}

impl Cost {
    /// Of tokens that are read or written.
    pub fn forward(n: usize) -> Self {
        Self {
            forward: n as u64,
            ..Self::default()
        }
    }

    /// Of texts that a gradient is taken of.
    pub fn trained(n: usize) -> Self {
        Self {
            trained: n as u64,
            ..Self::default()
        }
    }

    /// Of a guide.
    pub fn guide(n: usize) -> Self {
        Self {
            guide: n as u64,
            ..Self::default()
        }
    }

    /// Forward-equivalent tokens: a backward pass is taken for two forward ones.
    pub fn total(self) -> f64 {
        self.forward as f64 + 3.0 * self.trained as f64
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            forward: self.forward + other.forward,
            trained: self.trained + other.trained,
            guide: self.guide + other.guide,
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trained_token_counts_three_and_a_guides_none() {
        let mut cost = Cost::forward(10) + Cost::trained(4) + Cost::guide(1000);
        cost += Cost::forward(1);
        assert_eq!(cost.total(), 23.0);
        assert_eq!(cost.guide, 1000);
    }
}
