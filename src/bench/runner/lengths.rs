//! Lengths and batch sizes that a device sees. A GPU sees few, so that it
//! prepares for each of them once and not for every prompt; the CPU prepares for
//! nothing, and padding costs it as much as tokens do.

use burn::tensor::Device;

use crate::kernels::device::is_cpu;

/// Tokens of one batch, padding included: bounds the memory of an evaluation.
const BATCH_TOKENS: usize = 16_384;
/// Enough for every thread of a CPU; texts of like length stand together in few. With
/// 16,384 the padding made the options of mmlu-mini take up to 1.6 times as long as one
/// pass over their contexts, with 4096 it is 0.7 times (`benches/RESULTS.md`).
const CPU_BATCH_TOKENS: usize = 4096;
/// Texts leave a batch on the CPU when one in so many has ended.
const CPU_ENDED_SHARE: usize = 8;
/// The most that a length is rounded by is one part in this many, above 16.
const STEPS_PER_OCTAVE: usize = 8;

/// How texts are laid out for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLayout {
    /// Tokens of one batch whose texts are padded to the longest.
    pub batch_tokens: usize,
    /// Tokens that are saved where a short beginning is read once and not with
    /// every text: a pass of its own costs a fast device as much as a batch does.
    pub min_saved_by_short: usize,
    /// Whether lengths are rounded to few.
    rounds: bool,
}

impl BatchLayout {
    const GPU: Self = Self {
        batch_tokens: BATCH_TOKENS,
        min_saved_by_short: 8192,
        rounds: true,
    };
    const CPU: Self = Self {
        batch_tokens: CPU_BATCH_TOKENS,
        min_saved_by_short: 256,
        rounds: false,
    };

    /// The layout for a device.
    pub fn of(device: &Device) -> Self {
        if is_cpu(device) { Self::CPU } else { Self::GPU }
    }

    /// The least length that the device sees and that is not below `n`.
    pub fn padded(self, n: usize) -> usize {
        if self.rounds { padded(n) } else { n }
    }

    /// How many of `n_rows` rows a batch of texts keeps where `n_live` of them continue.
    /// The CPU drops the others when they are one in eight, since it copies the rest.
    pub fn kept(self, n_rows: usize, n_live: usize) -> usize {
        if self.rounds {
            return batch_size(n_live).min(n_rows);
        }
        let n_ended = n_rows - n_live;
        match n_ended * CPU_ENDED_SHARE >= n_rows {
            true => n_live,
            false => n_rows,
        }
    }

    /// The largest length that the device sees and that is not above `n`.
    pub fn whole_part(self, n: usize) -> usize {
        if self.rounds { whole_part(n) } else { n }
    }
}

/// The least of the lengths 0 to 16, 18, 20 … 32, 36, 40 … 64, 72 … that is not
/// below `n`.
fn padded(n: usize) -> usize {
    n.next_multiple_of(step(n.saturating_sub(1)))
}

/// The largest of the same lengths that is not above `n`.
fn whole_part(n: usize) -> usize {
    n - n % step(n)
}

fn step(n: usize) -> usize {
    match n.checked_ilog2() {
        Some(octave) => ((1 << octave) / STEPS_PER_OCTAVE).max(1),
        None => 1,
    }
}

/// The least of 1, 2, 3, 4, 6, 8, 12, 16, 24 … that is not below `n`: how many
/// rows a batch keeps when texts end.
fn batch_size(n: usize) -> usize {
    let power = n.max(1).next_power_of_two();
    let smaller = power / 4 * 3;
    if smaller >= n.max(1) { smaller } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_by_an_eighth_at_most() {
        for n in 0..3000 {
            let (above, below) = (padded(n), whole_part(n));
            assert!(above >= n && (above - n) * 8 <= n, "{n}: {above}");
            assert!(below <= n && (n - below) * 8 <= n, "{n}: {below}");
            assert_eq!((padded(above), whole_part(above)), (above, above), "{n}");
            assert_eq!(padded(below), below, "{n}");
        }
        let lengths: std::collections::BTreeSet<usize> = (1..=4096).map(padded).collect();
        assert_eq!(lengths.len(), 16 + 8 * 8);
    }

    #[test]
    fn texts_that_have_ended_leave_the_batch() {
        for n_live in 1..=64 {
            let kept = BatchLayout::CPU.kept(64, n_live);
            assert!(
                kept == n_live || (kept == 64 && n_live > 56),
                "{n_live}: {kept}"
            );
            let kept = BatchLayout::GPU.kept(64, n_live);
            assert!(
                (n_live..=64).contains(&kept) && kept * 2 <= n_live * 3,
                "{n_live}: {kept}"
            );
        }
        assert_eq!(BatchLayout::GPU.kept(5, 5), 5);
    }

    #[test]
    fn batches_shrink_in_steps() {
        let sizes: Vec<usize> = (1..=13).map(batch_size).collect();
        assert_eq!(sizes, [1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12, 16]);
        assert_eq!(batch_size(0), 1);
    }
}
