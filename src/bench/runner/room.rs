//! What one batch of an evaluation may take: bounds by the memory of the device, and
//! smaller batches where it refuses memory all the same. Batching changes no result.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use burn::tensor::Device;

use super::lengths::BatchLayout;
use crate::error::{Error, Result};
use crate::kernels::device::{room_on, says_out_of_memory, take_refusal};
use crate::model::Model;
use crate::model::branch::Branch;
use crate::model::state::Start;

/// Bytes of the states of one batch where the device does not say what it has.
const STATE_BYTES: u64 = 2 << 30;
/// The least that a batch is given: a device that has no more says so.
const LEAST_BYTES: u64 = 64 << 20;
/// Numbers of the width C that a layer holds of a token while it computes: the
/// stream, what is mixed, projected and prepared of it, and what is made of that.
const WIDTHS: u64 = 26;
/// States of a batch that are held at once: before and after a layer's pass, and
/// once more while rows are chosen.
const STATES: u64 = 3;

/// Bounds of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchRoom {
    /// Tokens, padding included.
    pub tokens: usize,
    /// Rows, each with a state of its own.
    pub rows: usize,
}

impl BatchRoom {
    /// For texts that a model reads from `start`, the zero state if none.
    pub fn of(model: &Model, device: &Device, start: Option<&Start>) -> Self {
        let room = room_on(device);
        let free = room.usable().map(|all| all.saturating_sub(model.n_bytes()));
        let most = BatchLayout::of(device).batch_tokens;
        Self::within(model, start, free, room.max_tensor, most)
    }

    fn within(
        model: &Model,
        start: Option<&Start>,
        free: Option<u64>,
        max_tensor: Option<u64>,
        most_tokens: usize,
    ) -> Self {
        let config = model.config();
        let heads = config.head_channels() as u64;
        let keys = config.operator_key_channels() as u64;
        let c = heads.max(keys).max(config.n_embd as u64);
        let lifted = start.map_or(0, |start| {
            start.branches.iter().flatten().map(n_lifted).sum()
        });
        let of_row = 4 * ((config.n_layer * config.n_state()) as u64 + lifted);
        let of_token = 4 * (WIDTHS * c + 2 * config.n_ffn as u64 + n_features(start));
        let of_states = free.map_or(STATE_BYTES, |free| {
            (free / 4).clamp(LEAST_BYTES, STATE_BYTES)
        });
        let of_tokens = free.map_or(u64::MAX, |free| (free / 4).max(LEAST_BYTES));
        // The convolutions of some architectures take q, k and v as one.
        let widest = 4
            * (config.n_ffn as u64)
                .max(3 * heads)
                .max(config.convolved_channels() as u64)
                .max(n_features(start));
        let bound = max_tensor.map_or(u64::MAX, |most| most / widest);
        let tokens = (of_tokens / of_token).min(bound).min(most_tokens as u64);
        Self {
            tokens: tokens.max(1) as usize,
            rows: (of_states / (STATES * of_row)).max(1) as usize,
        }
    }
}

/// Numbers of the state of a branch, of one text.
fn n_lifted(branch: &Branch) -> u64 {
    match branch {
        Branch::Readout(_) => 0,
        Branch::Lifted(branch) => {
            let [_, n_head, n, m] = branch.state.dims();
            (n_head * n * m) as u64
        }
    }
}

/// Numbers of the lifted vectors of one token, where there are some.
fn n_features(start: Option<&Start>) -> u64 {
    let branches = start
        .into_iter()
        .flat_map(|start| start.branches.iter().flatten());
    let of_one = |branch: &Branch| match branch {
        Branch::Readout(_) => 0,
        Branch::Lifted(branch) => {
            let [_, n_head, _, m] = branch.state.dims();
            // Of every vector that is lifted, what R makes of it, and its factors.
            (6 * n_head * m) as u64
        }
    };
    branches.map(of_one).max().unwrap_or(0)
}

/// Does `work` with all of `batch`, or with half of it, a quarter and so on where the
/// device refuses memory. Gives how many were done, and what came of them.
///
/// # Errors
/// Those of `work`; those of memory when one is left.
pub(super) fn halving<Q, T>(
    batch: &[Q],
    device: &Device,
    mut work: impl FnMut(&[Q]) -> Result<T>,
) -> Result<(usize, T)> {
    let mut n = batch.len();
    loop {
        let part = &batch[..n];
        let done = catch_unwind(AssertUnwindSafe(|| work(part)));
        let said = match &done {
            Ok(Ok(_)) | Ok(Err(Error::Stopped)) => String::new(),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()))
                .unwrap_or_default(),
        };
        let has_failed = !matches!(done, Ok(Ok(_) | Err(Error::Stopped)));
        // Who asks takes the refusal: with one text left others want to hear of it.
        if has_failed && n > 1 && (says_out_of_memory(&said) || take_refusal()) {
            n = n.div_ceil(2);
            device.memory_cleanup();
            continue;
        }
        return match done {
            Ok(done) => done.map(|done| (n, done)),
            Err(panic) => resume_unwind(panic),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;

    #[test]
    fn memory_that_is_refused_halves_the_batch() {
        let device = Device::flex();
        let batch: Vec<usize> = (0..20).collect();
        let mut tried = Vec::new();
        let done = halving(&batch, &device, |part: &[usize]| {
            tried.push(part.len());
            match part.len() {
                11.. => panic!("Out of Memory"),
                4..=10 => Err(Error::Device("not enough memory left".into())),
                _ => Ok(part.to_vec()),
            }
        });
        assert_eq!(done.unwrap(), (3, vec![0, 1, 2]));
        assert_eq!(tried, [20, 10, 5, 3]);
        let mut n_tried = 0;
        let refused: Result<(usize, ())> = halving(&batch[..2], &device, |_: &[usize]| {
            n_tried += 1;
            Err(Error::Device("out of memory".into()))
        });
        assert!(refused.is_err());
        assert_eq!(n_tried, 2);
        // Other trouble is not tried again.
        n_tried = 0;
        let other: Result<(usize, ())> = halving(&batch, &device, |_: &[usize]| {
            n_tried += 1;
            Err(Error::Stopped)
        });
        assert!(matches!(other, Err(Error::Stopped)));
        assert_eq!(n_tried, 1);
    }

    #[test]
    fn less_memory_makes_smaller_batches_and_never_empty_ones() {
        let device = Device::flex();
        let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let of = |free, max_tensor| BatchRoom::within(&model, None, free, max_tensor, 16_384);
        let whole = of(None, None);
        assert_eq!(whole.tokens, 16_384);
        let mut last = whole;
        for shift in (0..40).rev() {
            let now = of(Some(1 << shift), None);
            assert!(
                now.tokens <= last.tokens && now.rows <= last.rows,
                "{shift}"
            );
            assert!(now.tokens > 0 && now.rows > 0, "{shift}");
            last = now;
        }
        assert!(last.tokens < whole.tokens);
        // The widest tensor of a batch is one that the device binds.
        let bound = of(None, Some(1 << 20));
        assert!(bound.tokens * model.config().n_ffn * 4 <= 1 << 20);
    }
}
