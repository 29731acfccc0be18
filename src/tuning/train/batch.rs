//! From examples to the batches of a step.

use crate::data::Example;
use crate::model::TextStart;
use crate::random::SplitMix64;
use crate::tuning::spec::LossOn;

/// Batches are padded to a multiple of this, so that few shapes occur.
const LENGTH_STEP: usize = 16;

/// Examples padded to a common length, each behind what it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Ids the model reads, [B, T] row-major.
    pub(crate) tokens: Vec<i32>,
    /// B.
    pub(crate) n_batch: usize,
    /// T.
    pub(crate) n_tokens: usize,
    /// Positions whose prediction is counted, `batch_idx * T + t`.
    pub(crate) at: Vec<u32>,
    /// What should be predicted there.
    pub(super) targets: Vec<u32>,
    /// Tokens of every row that are no padding.
    pub(super) lengths: Vec<usize>,
}

impl Batch {
    /// As [`Self::of`], token 0 in front of each example.
    pub fn new(examples: &[&Example], loss_on: LossOn) -> Self {
        let examples = examples.iter().map(|example| (*example, TextStart::Zero));
        Self::of(&examples.collect::<Vec<_>>(), loss_on)
    }

    /// Joins the examples; what follows the last token of one is padding, which
    /// comes after everything that is counted and so changes nothing. The first
    /// token of an example that nothing stands in front of is not predicted.
    pub fn of(examples: &[(&Example, TextStart)], loss_on: LossOn) -> Self {
        let longest = examples.iter().map(|(example, _)| example.n_tokens()).max();
        // The last token is only predicted, and token 0 may stand in front.
        let n_tokens = longest.unwrap_or(1).max(1).next_multiple_of(LENGTH_STEP);
        let mut batch = Self {
            tokens: vec![0; examples.len() * n_tokens],
            n_batch: examples.len(),
            n_tokens,
            at: Vec::new(),
            targets: Vec::new(),
            lengths: vec![0; examples.len()],
        };
        for (row, (example, start)) in examples.iter().enumerate() {
            batch.add(row, example, *start, loss_on);
        }
        batch
    }

    fn add(&mut self, row: usize, example: &Example, start: TextStart, loss_on: LossOn) {
        let text = example.tokens.iter().copied();
        let in_front = start.tokens();
        let inputs = in_front.iter().copied().chain(text.clone());
        let first_predicted = 1 - in_front.len();
        let mut counted = example.counted(loss_on).into_iter().peekable();
        let first = row * self.n_tokens;
        for (t, (input, next)) in inputs.zip(text.skip(first_predicted)).enumerate() {
            self.tokens[first + t] = input.cast_signed();
            self.lengths[row] += 1;
            let place = t + first_predicted;
            while counted.next_if(|range| range.end <= place).is_some() {}
            if counted.peek().is_some_and(|range| range.contains(&place)) {
                self.at.push((first + t) as u32);
                self.targets.push(next);
            }
        }
    }

    /// Tokens that the model computes for a reason, padding left out.
    pub fn n_real_tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// The positions that are no padding, `batch_idx * T + t`.
    pub fn real_positions(&self) -> Vec<u32> {
        let rows = self.lengths.iter().enumerate();
        rows.flat_map(|(row, len)| {
            let start = row * self.n_tokens;
            (start..start + len).map(|at| at as u32)
        })
        .collect()
    }

    /// Tokens whose prediction is counted.
    pub fn n_counted(&self) -> usize {
        self.at.len()
    }

    /// B and T.
    pub fn shape(&self) -> [usize; 2] {
        [self.n_batch, self.n_tokens]
    }
}

/// Which examples a batch has: every epoch is a fresh permutation that depends
/// on the seed and the epoch alone, so that a run can continue from any step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOrder {
    n_examples: usize,
    batch: usize,
    seed: u64,
    /// Tokens of every example, where batches are made of those of like length.
    lengths: Option<Vec<usize>>,
}

/// Batches whose examples are sorted by length together: enough that each is of like
/// length, and few enough that chance stays.
const GROUP: usize = 32;

impl DataOrder {
    /// Batches of `batch` of `n_examples` examples.
    ///
    /// # Panics
    /// Without examples.
    pub fn new(n_examples: usize, batch: usize, seed: u64) -> Self {
        assert!(n_examples > 0, "no examples to order");
        Self {
            n_examples,
            batch,
            seed,
            lengths: None,
        }
    }

    /// The same in batches of examples of like length: of every few dozen batches the
    /// examples are sorted, and the batches that this makes are read in random order.
    ///
    /// # Panics
    /// Where there is not a length for every example.
    #[must_use]
    pub fn by_length(self, lengths: Vec<usize>) -> Self {
        assert_eq!(lengths.len(), self.n_examples, "a length for every example");
        Self {
            lengths: Some(lengths),
            ..self
        }
    }

    /// The examples of batch number `idx`, counted from 0. A batch may end one
    /// epoch and begin the next.
    pub fn batch(&self, idx: usize) -> Vec<usize> {
        let first = idx * self.batch;
        let mut epoch = first / self.n_examples;
        let mut order = self.arranged(epoch, first % self.n_examples);
        (first..first + self.batch)
            .map(|position| {
                if position / self.n_examples != epoch {
                    epoch = position / self.n_examples;
                    order = self.arranged(epoch, position % self.n_examples);
                }
                order[position % self.n_examples]
            })
            .collect()
    }

    /// The order of an epoch, in which the group around the place `at` is arranged.
    fn arranged(&self, epoch: usize, at: usize) -> Vec<usize> {
        let mut order = self.permutation(epoch);
        let (n, batch) = (self.n_examples, self.batch);
        let Some(lengths) = self.lengths.as_ref().filter(|_| batch < n) else {
            return order;
        };
        // The first examples may end the last batch of the epoch before.
        let lead = (batch - epoch * n % batch) % batch;
        let Some(behind) = at.checked_sub(lead) else {
            return order;
        };
        let start = lead + behind / (GROUP * batch) * (GROUP * batch);
        let group = &mut order[start..n.min(start + GROUP * batch)];
        group.sort_by_key(|idx| lengths[*idx]);
        let of_epoch = SplitMix64::mix(self.seed, epoch as u64);
        let mut random = SplitMix64::new(SplitMix64::mix(of_epoch, start as u64));
        // A batch that the next epoch completes stays the last one.
        for last in (1..group.len() / batch).rev() {
            let other = random.below(last + 1);
            let (front, back) = group.split_at_mut(last * batch);
            if other < last {
                front[other * batch..][..batch].swap_with_slice(&mut back[..batch]);
            }
        }
        order
    }

    /// Fisher and Yates' shuffle.
    fn permutation(&self, epoch: usize) -> Vec<usize> {
        let mut random =
            SplitMix64::new(self.seed ^ (epoch as u64).wrapping_mul(0xD1B5_4A32_D192_ED03));
        let mut order: Vec<usize> = (0..self.n_examples).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Role;

    fn example(context: &[u32], target: &[u32]) -> Example {
        Example::new(context.to_vec(), target.to_vec())
    }

    #[test]
    fn token_0_stands_in_front_and_answers_are_counted() {
        let (a, b) = (example(&[5, 6], &[7, 8]), example(&[], &[9]));
        let batch = Batch::new(&[&a, &b], LossOn::Answer);
        assert_eq!(batch.shape(), [2, 16]);
        assert_eq!(batch.tokens[..5], [0, 5, 6, 7, 0]);
        assert_eq!(batch.tokens[16..18], [0, 0]);
        assert_eq!(batch.at, [2, 3, 16]);
        assert_eq!(batch.targets, [7, 8, 9]);
        assert_eq!((batch.n_real_tokens(), batch.n_counted()), (5, 3));
        assert_eq!(batch.real_positions(), [0, 1, 2, 3, 16]);
    }

    #[test]
    fn everything_counts_from_the_first_token() {
        let a = example(&[5, 6], &[7]);
        let batch = Batch::new(&[&a], LossOn::Everything);
        assert_eq!(batch.at, [0, 1, 2]);
        assert_eq!(batch.targets, [5, 6, 7]);
    }

    #[test]
    fn every_answer_of_a_chat_is_counted_and_nothing_between() {
        let turn = |tokens: &[u32], role| (tokens.to_vec(), role, None);
        let chat = Example::of_turns([
            turn(&[5, 6], Role::User),
            turn(&[7, 8], Role::Assistant),
            turn(&[9], Role::User),
            turn(&[4], Role::Assistant),
        ]);
        let batch = Batch::new(&[&chat], LossOn::Answer);
        assert_eq!(
            (&batch.at[..], &batch.targets[..]),
            (&[2, 3, 5][..], &[7, 8, 4][..])
        );
        let last = Batch::of(&[(&chat, TextStart::None)], LossOn::LastAnswer);
        assert_eq!((&last.at[..], &last.targets[..]), (&[4][..], &[4][..]));
        assert_eq!(Batch::new(&[&chat], LossOn::Marked).n_counted(), 0);
    }

    /// Row by row what is read, and what is to be predicted after which of it.
    #[test]
    fn without_token_0_the_first_token_is_read_and_not_predicted() {
        let (a, b) = (example(&[5, 6], &[7, 8]), example(&[], &[9, 4, 3]));
        let (without, with) = (TextStart::None, TextStart::Zero);
        let both = [(&a, without), (&b, without), (&a, with)];
        let batch = Batch::of(&both, LossOn::Answer);
        assert_eq!(batch.tokens[..4], [5, 6, 7, 0]);
        assert_eq!(batch.tokens[16..19], [9, 4, 0]);
        assert_eq!(batch.tokens[32..36], [0, 5, 6, 7]);
        assert_eq!(batch.at, [1, 2, 16, 17, 34, 35]);
        assert_eq!(batch.targets, [7, 8, 4, 3, 7, 8]);
        assert_eq!(batch.real_positions(), [0, 1, 2, 16, 17, 32, 33, 34, 35]);
        let all = Batch::of(&both[..1], LossOn::Everything);
        assert_eq!(
            (&all.at[..], &all.targets[..]),
            (&[0, 1, 2][..], &[6, 7, 8][..])
        );
        // The same, said of the examples: then every form counts the same tokens.
        for start in [without, with] {
            let read = [a.behind(without), b.behind(without)];
            let read: Vec<_> = read.iter().map(|text| (text, start)).collect();
            assert_eq!(Batch::of(&read, LossOn::Answer).targets, [7, 8, 4, 3]);
        }
        let one = example(&[], &[9]);
        assert_eq!(Batch::of(&[(&one, without)], LossOn::Answer).n_counted(), 0);
    }

    #[test]
    fn every_epoch_has_every_example_once() {
        let order = DataOrder::new(10, 4, 3);
        let mut seen: Vec<usize> = (0..5).flat_map(|idx| order.batch(idx)).collect();
        assert_eq!(seen.len(), 20);
        assert_ne!(seen[..10], seen[10..]);
        for epoch in seen.chunks_mut(10) {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..10).collect::<Vec<_>>());
        }
    }

    /// Every epoch has every example once, whatever is left over, and batches are of
    /// like length.
    #[test]
    fn batches_by_length_have_every_example_once_an_epoch() {
        for (n, batch) in [(1000, 8), (997, 8), (100, 32), (7, 3), (5, 8)] {
            let lengths: Vec<usize> = (0..n).map(|idx| 10 + idx * idx * 7 % 1009).collect();
            let plain = DataOrder::new(n, batch, 3);
            let grouped = plain.clone().by_length(lengths.clone());
            let n_batches = (3 * n).div_ceil(batch);
            let all = |order: &DataOrder| -> Vec<usize> {
                (0..n_batches).flat_map(|idx| order.batch(idx)).collect()
            };
            let mut seen = all(&grouped);
            assert_eq!(seen, all(&grouped));
            for epoch in seen[..3 * n].chunks_mut(n) {
                epoch.sort_unstable();
                assert_eq!(epoch, (0..n).collect::<Vec<_>>(), "{n} {batch}");
            }
            let padding = |order: &DataOrder| -> usize {
                let of_batch = |idx| {
                    let lengths: Vec<_> = order.batch(idx).iter().map(|at| lengths[*at]).collect();
                    lengths.len() * lengths.iter().max().unwrap() - lengths.iter().sum::<usize>()
                };
                (0..n_batches).map(of_batch).sum()
            };
            if n > 500 {
                let (before, after) = (padding(&plain), padding(&grouped));
                assert!(after * 8 < before, "{after} of {before}");
                // Long and short ones follow each other by chance.
                let longest = |idx| grouped.batch(idx).iter().map(|at| lengths[*at]).max();
                let rises = (1..30)
                    .filter(|idx| longest(*idx) > longest(idx - 1))
                    .count();
                assert!((8..22).contains(&rises), "{rises}");
            }
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_index_alone() {
        let order = DataOrder::new(100, 8, 1);
        assert_eq!(order.batch(30), DataOrder::new(100, 8, 1).batch(30));
        assert_ne!(order.batch(30), DataOrder::new(100, 8, 2).batch(30));
    }
}
