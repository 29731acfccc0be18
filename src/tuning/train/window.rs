//! Windows of a batch of long texts: the state goes from one to the next, and its
//! gradient back, so that what is held of a text at once is one window of it.

use super::batch::Batch;

/// Texts of more tokens than this are read in windows only: some software adapters
/// stop counting there, and a GPU would be asked for more than it binds at once.
pub const LONGEST_WHOLE: usize = 65_535;

/// Some tokens of every text of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first one, counted in the batch.
    start: usize,
    /// T of the batch.
    n_tokens_of_batch: usize,
    /// The texts between two boundaries, as a batch.
    pub part: Batch,
    /// Which of the batch's counted predictions these are.
    pub counted: Vec<usize>,
}

impl Window {
    /// Those of `positions`, `batch_idx * T + t` of the whole batch, that lie in the
    /// window: their places in the list, and where they lie in the window.
    pub fn positions(&self, positions: &[u32]) -> (Vec<usize>, Vec<u32>) {
        let places = positions.iter().enumerate();
        let here = places.filter_map(|(idx, at)| Some((idx, self.place(*at)?)));
        here.unzip()
    }

    /// Where a position of the batch lies in the window, if it does.
    fn place(&self, at: u32) -> Option<u32> {
        let (row, t) = (
            at as usize / self.n_tokens_of_batch,
            at as usize % self.n_tokens_of_batch,
        );
        let t = t.checked_sub(self.start)?;
        (t < self.part.n_tokens).then_some((row * self.part.n_tokens + t) as u32)
    }
}

/// The windows of a batch, of `longest` tokens each but for the last one; without,
/// the batch itself.
pub(crate) fn windows(batch: &Batch, longest: Option<usize>) -> Vec<Window> {
    let n_tokens = batch.n_tokens;
    let longest = longest.unwrap_or(n_tokens).clamp(1, n_tokens);
    let starts = (0..n_tokens).step_by(longest);
    starts
        .map(|start| window(batch, start, longest.min(n_tokens - start)))
        .collect()
}

fn window(batch: &Batch, start: usize, len: usize) -> Window {
    let rows = batch.tokens.chunks_exact(batch.n_tokens);
    let mut window = Window {
        start,
        n_tokens_of_batch: batch.n_tokens,
        part: Batch {
            tokens: rows
                .flat_map(|row| &row[start..start + len])
                .copied()
                .collect(),
            n_batch: batch.n_batch,
            n_tokens: len,
            at: Vec::new(),
            targets: Vec::new(),
            lengths: batch
                .lengths
                .iter()
                .map(|n| n.saturating_sub(start).min(len))
                .collect(),
        },
        counted: Vec::new(),
    };
    let (counted, at) = window.positions(&batch.at);
    window.part.targets = counted.iter().map(|idx| batch.targets[*idx]).collect();
    (window.counted, window.part.at) = (counted, at);
    window
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Example;
    use crate::tuning::spec::LossOn;

    /// Every token, prediction and position of the batch, by hand.
    #[test]
    fn windows_have_every_token_once_and_at_its_place() {
        let example =
            |context: &[u32], target: &[u32]| Example::new(context.to_vec(), target.to_vec());
        let long: Vec<u32> = (1..=20).collect();
        let (a, b) = (example(&long, &[30, 31, 32]), example(&[5], &[6]));
        let batch = Batch::new(&[&a, &b], LossOn::Answer);
        assert_eq!(
            (batch.shape(), &batch.at[..]),
            ([2, 32], &[20, 21, 22, 33][..])
        );
        let parts = windows(&batch, Some(16));
        assert_eq!(parts.len(), 2);
        let [first, last] = &parts[..] else {
            panic!("there are two");
        };
        assert_eq!((first.part.shape(), last.part.shape()), ([2, 16], [2, 16]));
        assert_eq!(first.part.tokens[..4], [0, 1, 2, 3]);
        assert_eq!(first.part.tokens[16..19], [0, 5, 0]);
        assert_eq!(last.part.tokens[..8], [16, 17, 18, 19, 20, 30, 31, 0]);
        assert_eq!(
            (&first.part.at[..], &first.part.targets[..]),
            (&[17][..], &[6][..])
        );
        assert_eq!(last.part.at, [4, 5, 6]);
        assert_eq!(last.part.targets, [30, 31, 32]);
        assert_eq!(
            (&first.counted[..], &last.counted[..]),
            (&[3][..], &[0, 1, 2][..])
        );
        assert_eq!(last.part.real_positions(), (0..7).collect::<Vec<u32>>());
        assert_eq!(
            first.part.n_real_tokens() + last.part.n_real_tokens(),
            batch.n_real_tokens()
        );
        assert_eq!(last.positions(&[3, 16, 33, 60]), (vec![1, 3], vec![0, 28]));
    }

    #[test]
    fn a_window_that_is_longer_than_the_texts_is_all_of_them() {
        let text = Example::new(vec![1, 2], vec![3]);
        let batch = Batch::new(&[&text], LossOn::Answer);
        for longest in [None, Some(16), Some(4096)] {
            let whole = windows(&batch, longest);
            assert_eq!(whole.len(), 1);
            assert_eq!(whole[0].part, batch);
        }
    }
}
