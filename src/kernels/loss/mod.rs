//! Cross entropy of logits against the right tokens, with its gradient in the
//! same pass: the logits are the largest tensor of a step and are read once.

mod gpu;

use std::ops::Range;

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Shape, Tensor};

use super::cpu::rows::{Rows, Unwritten};
use super::cpu::simd::{self, Task};
use super::cpu::tensor::{Flat, for_rows, written};
use super::device::is_cpu;
use super::op::{from_gpu, integers_on_gpu, on_gpu, queue_and_one};

/// RWKV-LM's L2Wrap: the weight of the squared largest logit of a position,
/// halved, whose gradient is added to that of the cross entropy.
const L2WRAP: f32 = 1e-4;

/// The gradient that is wanted of [`cross_entropy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gradient {
    /// None: validation needs the losses alone, and the gradient is as large as
    /// the logits.
    None,
    /// That of the summed losses.
    OfLoss,
    /// It, and the pull on the largest logit of every row, which the losses do
    /// not count (`RWKV-LM`, `L2Wrap`).
    WithL2Wrap,
}

/// The losses of all rows and the gradient of their sum.
pub struct CrossEntropy {
    /// Nats a row, `[rows]`.
    pub losses: Tensor<1>,
    /// Gradient of the logits of the summed loss, [rows, V], where it is wanted.
    pub dlogits: Option<Tensor<2>>,
}

/// `logits`: [rows, V]; `targets`: `[rows]`.
///
/// # Panics
/// Where there is not one target for every row.
pub fn cross_entropy(logits: Tensor<2>, targets: &[u32], wanted: Gradient) -> CrossEntropy {
    let [n_rows, n_vocab] = logits.dims();
    assert_eq!(n_rows, targets.len(), "a target for every row");
    if !is_cpu(&logits.device()) {
        // The kernel reads four logits at once.
        return if n_vocab.is_multiple_of(4) {
            fused(logits, targets, wanted, DType::F32)
        } else {
            plain(logits, targets, wanted)
        };
    }
    let logits = Flat::new(&logits);
    let mut losses = Unwritten::new(n_rows);
    let loss_rows = losses.rows();
    let mut dlogits = (wanted != Gradient::None).then(|| Unwritten::new(n_rows * n_vocab));
    let gradient_rows = dlogits.as_mut().map(Unwritten::rows);
    for_rows(n_rows, |rows| RowsOfLogits {
        logits: logits.slice(),
        targets,
        losses: &loss_rows,
        dlogits: gradient_rows.as_ref(),
        n_vocab,
        l2wrap: wanted == Gradient::WithL2Wrap,
        rows,
    });
    CrossEntropy {
        // SAFETY: the tasks above wrote every row.
        losses: unsafe { written(losses, [n_rows]) },
        // SAFETY: the tasks above wrote every row.
        dlogits: dlogits.map(|dlogits| unsafe { written(dlogits, [n_rows, n_vocab]) }),
    }
}

/// As [`cross_entropy`], on a GPU, with the gradient in 16 bits, for a product alone to
/// read (`product::reads_halves`). V is a multiple of 8.
///
/// # Panics
/// Where there is not one target for every row.
pub fn cross_entropy_in_halves(
    logits: Tensor<2>,
    targets: &[u32],
    wanted: Gradient,
) -> CrossEntropy {
    assert_eq!(logits.dims()[0], targets.len(), "a target for every row");
    fused(logits, targets, wanted, DType::F16)
}

/// The loss alone, in plain, differentiable Burn operations: `[rows]`.
pub fn cross_entropy_reference(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let picked = log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
    -picked.squeeze_dim(1)
}

fn ids(targets: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = targets.iter().map(|id| id.cast_signed()).collect();
    Tensor::from_data(ids.as_slice(), device)
}

fn fused(logits: Tensor<2>, targets: &[u32], wanted: Gradient, dtype: DType) -> CrossEntropy {
    let [n_rows, n_vocab] = logits.dims();
    let targets = ids(targets, &logits.device());
    let inputs = vec![on_gpu(logits), integers_on_gpu(targets)];
    let has_gradient = wanted != Gradient::None;
    let of_gradient = match has_gradient {
        true => [n_rows, n_vocab],
        // Stands for it and is not written.
        false => [1, 4],
    };
    let ([dlogits], losses) = queue_and_one(
        "cross_entropy",
        inputs,
        [Shape::from(of_gradient)],
        dtype,
        Shape::from([n_rows]),
        move |x, [dlogits], losses| {
            let pull = (wanted == Gradient::WithL2Wrap).then_some(L2WRAP);
            gpu::cross_entropy(&x[0], &x[1], has_gradient, pull, losses, dlogits);
        },
    );
    CrossEntropy {
        losses: from_gpu(losses),
        dlogits: has_gradient.then(|| from_gpu(dlogits)),
    }
}

fn plain(logits: Tensor<2>, targets: &[u32], wanted: Gradient) -> CrossEntropy {
    let device = logits.device();
    let targets = ids(targets, &device);
    let n_rows = targets.dims()[0];
    let columns = targets.unsqueeze_dim::<2>(1);
    let log_probabilities = log_softmax(logits.clone(), 1);
    let losses = -log_probabilities.clone().gather(1, columns.clone());
    let of_loss = || {
        let minus_one = Tensor::<2>::full([n_rows, 1], -1.0, &device);
        let add = IndexingUpdateOp::Add;
        log_probabilities.exp().scatter(1, columns, minus_one, add)
    };
    let dlogits = match wanted {
        Gradient::None => None,
        Gradient::OfLoss => Some(of_loss()),
        Gradient::WithL2Wrap => {
            let (largest, at) = logits.max_dim_with_indices(1);
            let pull = largest * L2WRAP;
            Some(of_loss().scatter(1, at, pull, IndexingUpdateOp::Add))
        }
    };
    CrossEntropy {
        losses: losses.squeeze_dim(1),
        dlogits,
    }
}

struct RowsOfLogits<'a> {
    logits: &'a [f32],
    targets: &'a [u32],
    losses: &'a Rows<'a>,
    /// Where the gradient is wanted.
    dlogits: Option<&'a Rows<'a>>,
    n_vocab: usize,
    l2wrap: bool,
    rows: Range<usize>,
}

impl Task for RowsOfLogits<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let v = self.n_vocab;
        for row in self.rows.clone() {
            let logits = &self.logits[row * v..][..v];
            let target = self.targets[row] as usize;
            let peak = simd::largest(logits);
            // SAFETY: every task writes the rows of its own range.
            let loss = unsafe { self.losses.slice(row, 1) };
            let loss_of = |total: f32| total.ln() + peak - logits[target];
            let Some(dlogits) = self.dlogits else {
                loss[0] = loss_of(simd::sum(logits, |logit| simd::exp::<FMA>(logit - peak)));
                continue;
            };
            // SAFETY: as above.
            let gradient = unsafe { dlogits.slice(row * v, v) };
            for (gradient, logit) in gradient.iter_mut().zip(logits) {
                *gradient = simd::exp::<FMA>(logit - peak);
            }
            let total = simd::sum(gradient, |x| x);
            loss[0] = loss_of(total);
            let scale = 1.0 / total;
            for gradient in gradient.iter_mut() {
                *gradient *= scale;
            }
            gradient[target] -= 1.0;
            if self.l2wrap
                && let Some(at) = logits.iter().position(|logit| *logit == peak)
            {
                gradient[at] += L2WRAP * peak;
            }
        }
    }
}
