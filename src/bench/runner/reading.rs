//! Reading texts of different lengths in one batch, each exactly to its end.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::lengths::BatchLayout;
use crate::model::Model;
use crate::model::state::ModelState;

/// Where texts of a batch have got to.
pub(crate) struct ReadTexts {
    /// The normalised residual stream at the last token of each, [B, C].
    pub hidden: Tensor<2>,
    /// The state there.
    pub state: ModelState,
}

impl ReadTexts {
    fn select(&self, rows: &[usize], device: &Device) -> Self {
        let rows = indices(rows, device);
        Self {
            hidden: self.hidden.clone().select(0, rows.clone()),
            state: self.state.select(rows),
        }
    }

    /// The texts of both, these first.
    pub(crate) fn behind(self, other: Self) -> Self {
        Self {
            hidden: Tensor::cat(vec![self.hidden, other.hidden], 0),
            state: ModelState::concatenate(vec![self.state, other.state]),
        }
    }
}

/// Reads `texts`, none of them empty, from the state `start` of one text, or of as
/// many as there are texts.
///
/// A state must not see padding, and a GPU should see few lengths. So all texts
/// read what the shortest has, rounded down there; then those with 2^k tokens or
/// more left over read 2^k, for falling k: every token is read once, no other is.
pub(crate) fn read(
    model: &Model,
    device: &Device,
    texts: &[&[u32]],
    start: &ModelState,
) -> ReadTexts {
    let shortest = texts.iter().map(|text| text.len()).min().unwrap_or(1);
    let mut n_read = vec![BatchLayout::of(device).whole_part(shortest); texts.len()];
    let first: Vec<&[u32]> = texts
        .iter()
        .zip(&n_read)
        .map(|(text, n)| &text[..*n])
        .collect();
    let mut reached = step(model, device, &first, start.fork(texts.len()));
    // The text of each row.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    let longest = texts.iter().zip(&n_read).map(|(text, n)| text.len() - n);
    let n_bits = longest
        .max()
        .and_then(usize::checked_ilog2)
        .map_or(0, |bit| bit + 1);
    for bit in (0..n_bits).rev() {
        let size = 1 << bit;
        let goes_on = |row: &usize| texts[order[*row]].len() - n_read[order[*row]] >= size;
        let (moving, waiting): (Vec<usize>, Vec<usize>) = (0..order.len()).partition(goes_on);
        if moving.is_empty() {
            continue;
        }
        let parts: Vec<&[u32]> = moving
            .iter()
            .map(|row| {
                let text = order[*row];
                &texts[text][n_read[text]..n_read[text] + size]
            })
            .collect();
        moving.iter().for_each(|row| n_read[order[*row]] += size);
        if waiting.is_empty() {
            reached = step(model, device, &parts, reached.state);
            continue;
        }
        let state = reached.select(&moving, device).state;
        let moved = step(model, device, &parts, state);
        reached = moved.behind(reached.select(&waiting, device));
        order = moving
            .iter()
            .chain(&waiting)
            .map(|row| order[*row])
            .collect();
    }
    if order.is_sorted() {
        return reached;
    }
    let mut rows = vec![0; order.len()];
    for (row, text) in order.iter().enumerate() {
        rows[*text] = row;
    }
    reached.select(&rows, device)
}

/// Reads texts of one length.
pub(crate) fn step(
    model: &Model,
    device: &Device,
    texts: &[&[u32]],
    state: ModelState,
) -> ReadTexts {
    let n_tokens = texts.first().map_or(1, |text| text.len());
    let (hidden, state) = model.hidden(tokens(texts, n_tokens, device), state);
    ReadTexts {
        hidden: hidden.narrow(1, n_tokens - 1, 1).squeeze_dim(1),
        state,
    }
}

/// Texts as one tensor [B, T], zeros behind the shorter ones.
pub(super) fn tokens(texts: &[&[u32]], n_tokens: usize, device: &Device) -> Tensor<2, Int> {
    let mut ids = vec![0_i32; texts.len() * n_tokens];
    for (row, text) in ids.chunks_exact_mut(n_tokens).zip(texts) {
        for (id, token) in row.iter_mut().zip(*text) {
            *id = token.cast_signed();
        }
    }
    Tensor::from_data(TensorData::new(ids, [texts.len(), n_tokens]), device)
}

/// Places as a tensor.
pub(crate) fn indices(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i32> = indices.iter().map(|index| *index as i32).collect();
    let len = indices.len();
    Tensor::from_data(TensorData::new(indices, [len]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;
    use crate::model::state::LayerState;

    fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
        tensor.clone().into_data().try_to_vec().unwrap()
    }

    fn check_close(got: &[f32], want: &[f32], what: &str) {
        assert_eq!(got.len(), want.len(), "{what}");
        for (got, want) in got.iter().zip(want) {
            assert!(
                (got - want).abs() < 1e-4 * (1.0 + want.abs()),
                "{what}: {got}, {want}"
            );
        }
    }

    #[test]
    fn each_text_is_read_exactly_to_its_end() {
        let device = Device::flex();
        let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let start = ModelState::zero(model.config(), 1, &device);
        let texts: Vec<Vec<u32>> = [21, 3, 17, 40, 17, 3]
            .iter()
            .enumerate()
            .map(|(text, len)| {
                (0..*len)
                    .map(|t| 1 + (t * 31 + text as u32 * 7) % 900)
                    .collect()
            })
            .collect();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let together = read(&model, &device, &texts, &start);
        for (row, text) in texts.iter().enumerate() {
            let alone = step(&model, &device, &[text], start.clone());
            let of_row = together.select(&[row], &device);
            check_close(&values(&of_row.hidden), &values(&alone.hidden), "hidden");
            for (got, want) in of_row.state.layers.iter().zip(&alone.state.layers) {
                check_close(&values(&got.wkv), &values(&want.wkv), "wkv");
                check_close(&values(&got.time_shift), &values(&want.time_shift), "shift");
                let shift = |of: &LayerState| values(of.channel_shift.as_ref().unwrap());
                check_close(&shift(got), &shift(want), "shift");
            }
        }
    }
}
