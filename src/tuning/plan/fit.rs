//! Settings of a step that fit into the memory of a device.

use super::memory::{MemoryEstimate, StepShape};
use crate::kernels::device::Room;
use crate::model::{ModelConfig, Precision};
use crate::tuning::train::window::LONGEST_WHOLE;

/// Tokens of a micro-batch below which a device is hardly busy: rather than fewer,
/// activations are computed again.
const BUSY_TOKENS: usize = 2048;

/// Windows that are tried where whole texts do not fit, in tokens. Shorter ones save
/// little, since the states between them grow in number.
const WINDOWS: [usize; 5] = [4096, 2048, 1024, 512, 256];

/// What decides how much memory a step takes, its result aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Storage of the frozen matrices.
    pub precision: Precision,
    /// Examples of one micro-batch.
    pub batch: usize,
    /// Micro-batches of a step.
    pub accumulate: usize,
    /// Whether activations are computed again on the way back.
    pub recompute: bool,
    /// Tokens of a window; texts are whole without.
    pub window: Option<usize>,
}

/// Whether a step fits: all of it into the memory, and its largest tensor and that
/// of the model into what is bound at once.
pub fn holds(room: Room, estimate: &MemoryEstimate) -> bool {
    let fits = |n_bytes, most: Option<u64>| most.is_none_or(|most| n_bytes <= most);
    fits(estimate.total(), room.usable()) && fits(estimate.largest_tensor, room.max_tensor)
}

/// The settings nearest to those of `wanted`, with `accumulate` micro-batches, that
/// fit: as many examples a step, in `precisions` from the first one on. A wider
/// precision goes before a larger micro-batch as long as the device stays busy, and
/// windows, which cost a forward pass and change no result, before a narrower one.
pub fn fit(
    config: &ModelConfig,
    wanted: &StepShape,
    accumulate: usize,
    precisions: &[Precision],
    room: Room,
) -> Option<Fit> {
    let n_examples = wanted.batch * accumulate;
    let holds = |precision, window, batch, recompute| {
        let shape = StepShape {
            batch,
            counted: (wanted.counted / wanted.batch.max(1)) * batch,
            recompute,
            window,
            precision,
            ..*wanted
        };
        holds(room, &MemoryEstimate::new(config, &shape))
    };
    // A micro-batch that was not asked for is no larger than the one that was.
    let batches = || {
        (1..=wanted.batch)
            .rev()
            .filter(|n| n_examples.is_multiple_of(*n))
    };
    let largest =
        |precision, window, recompute| batches().find(|n| holds(precision, window, *n, recompute));
    let at_once = |window: Option<usize>| wanted.tokens.min(window.unwrap_or(wanted.tokens));
    let busy_at = |tokens: usize| BUSY_TOKENS.div_ceil(tokens.max(1)).min(wanted.batch);
    let of_window = |precision: Precision, window: Option<usize>| {
        let busy = busy_at(at_once(window));
        let plain = match wanted.recompute {
            true => None,
            false => largest(precision, window, false),
        };
        let again = largest(precision, window, true);
        let (batch, recompute) = match (plain, again) {
            (Some(plain), _) if plain >= busy => (plain, false),
            (Some(plain), Some(again)) if again < 2 * plain => (plain, false),
            (_, Some(again)) => (again, true),
            (Some(plain), None) => (plain, false),
            (None, None) => return None,
        };
        Some(Fit {
            precision,
            batch,
            accumulate: n_examples / batch,
            recompute,
            window,
        })
    };
    let asked = at_once(wanted.window);
    let shorter = WINDOWS.iter().filter(|tokens| **tokens < asked);
    let windows: Vec<_> = std::iter::once(wanted.window)
        .filter(|window| window.is_some() || wanted.tokens <= LONGEST_WHOLE)
        .chain(shorter.map(|tokens| Some(*tokens)))
        .collect();
    let of_precision = |precision: Precision| {
        let mut all = windows.iter().filter_map(|of| of_window(precision, *of));
        all.next()
    };
    let all = || precisions.iter().copied().filter_map(of_precision);
    // Where none keeps the device busy, the narrowest comes nearest to it.
    all()
        .find(|fit| fit.batch >= busy_at(at_once(fit.window)))
        .or_else(|| all().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::SHAPE_0_4B;

    fn wanted(batch: usize, tokens: usize) -> StepShape {
        StepShape {
            batch,
            tokens,
            counted: batch * tokens,
            first_layer: 0,
            tuned_layers: SHAPE_0_4B.n_layer,
            recompute: false,
            window: None,
            precision: Precision::F32,
            branch: None,
            adapters: None,
            token_shifts: false,
        }
    }

    fn of(wanted: &StepShape, gigabytes: f64) -> Option<Fit> {
        let room = Room {
            memory: Some((gigabytes * 1e9) as u64),
            ..Room::default()
        };
        let fit = fit(&SHAPE_0_4B, wanted, 2, &Precision::ALL, room)?;
        // What is chosen fits, and takes as many examples.
        let shape = StepShape {
            batch: fit.batch,
            counted: wanted.counted / wanted.batch * fit.batch,
            recompute: fit.recompute,
            window: fit.window,
            precision: fit.precision,
            ..*wanted
        };
        let total = MemoryEstimate::new(&SHAPE_0_4B, &shape).total();
        assert!(total as f64 <= gigabytes * 1e9, "{fit:?}: {total}");
        assert_eq!(fit.batch * fit.accumulate, 2 * wanted.batch);
        Some(fit)
    }

    #[test]
    fn what_fits_stays_and_what_does_not_gives_way_step_by_step() {
        let wanted = wanted(8, 512);
        let asked = Fit {
            precision: Precision::F32,
            batch: 8,
            accumulate: 2,
            recompute: false,
            window: None,
        };
        assert_eq!(of(&wanted, 64.0), Some(asked));
        let mut n_precisions = 0;
        let mut last = Some(asked);
        for tenths in (5..200).rev() {
            let now = of(&wanted, f64::from(tenths) / 10.0);
            let place = |fit: Fit| Precision::ALL.iter().position(|it| *it == fit.precision);
            if let (Some(last), Some(now)) = (last, now) {
                assert!(
                    place(now) >= place(last),
                    "{tenths}: {now:?} after {last:?}"
                );
                n_precisions += usize::from(place(now) != place(last));
            }
            // Less memory never makes something fit.
            assert!(last.is_some() || now.is_none(), "{tenths}: {now:?}");
            last = now;
        }
        assert!(
            n_precisions >= 2 && last.is_none(),
            "{n_precisions} {last:?}"
        );
    }

    #[test]
    fn a_device_is_kept_busy_by_computing_again() {
        let wanted = wanted(16, 512);
        let whole = MemoryEstimate::new(&SHAPE_0_4B, &wanted).total() as f64 / 1e9;
        let fit = of(&wanted, whole * 0.3).unwrap();
        assert!(fit.recompute && fit.batch * 512 >= BUSY_TOKENS, "{fit:?}");
    }

    /// Rather than narrower weights, windows; the larger the memory the longer they are.
    #[test]
    fn a_long_text_is_read_in_windows() {
        let wanted = wanted(1, 25_600);
        let whole = MemoryEstimate::new(&SHAPE_0_4B, &wanted).total() as f64 / 1e9;
        let mut last = None;
        let mut seen = Vec::new();
        for tenths in (20..(whole * 10.0) as usize + 2).rev() {
            let Some(fit) = of(&wanted, tenths as f64 / 10.0) else {
                break;
            };
            if fit.precision != Precision::F32 {
                break;
            }
            let tokens = fit.window.unwrap_or(wanted.tokens);
            assert!(last.is_none_or(|last| tokens <= last), "{tenths}: {fit:?}");
            last = Some(tokens);
            seen.push(fit.window);
        }
        seen.dedup();
        assert_eq!(seen.first(), Some(&None));
        assert!(seen.len() > 2, "{seen:?}");
        // What cannot be read whole is not, whatever the memory.
        let longer = StepShape {
            tokens: 100_000,
            counted: 100_000,
            ..wanted
        };
        let fit = of(&longer, 1e6).unwrap();
        assert_eq!(fit.window, Some(4096));
    }

    #[test]
    fn a_tensor_that_cannot_be_bound_does_not_fit() {
        let wanted = wanted(4, 512);
        let estimate = MemoryEstimate::new(&SHAPE_0_4B, &wanted);
        let mut room = Room {
            max_tensor: Some(estimate.largest_tensor),
            ..Room::default()
        };
        assert!(holds(room, &estimate));
        room.max_tensor = Some(estimate.largest_tensor - 1);
        assert!(!holds(room, &estimate));
    }
}
