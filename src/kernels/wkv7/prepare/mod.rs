//! From the projections of a token to what the WKV-7 operator reads
//! (`RWKV-LM/RWKV-v7`, `RWKV_Tmix_x070`).
//!
//! ```text
//! w       = exp(-exp(-0.5) sigmoid(w0 + decay))
//! iclr    = sigmoid(a0 + iclr_in)
//! kk      = (key * k_k) / |key * k_k|              per head
//! k       = key * (1 + (iclr - 1) * k_a)
//! v       = value + (v_first - value) * sigmoid(v0 + share)
//! removal = -kk         write = kk * iclr
//! ```
//!
//! The first layer's value, `v_first`, comes before any tuned state has acted,
//! so no gradient of it is formed here. Where that value is trained itself, its
//! gradient is what that of `value` leaves of that of `v`.

mod cpu;
mod gpu;

use burn::tensor::{DType, Shape, Tensor, activation::sigmoid};

use super::Wkv7Inputs;
use crate::kernels::device::is_cpu;
use crate::kernels::op::{GpuTensor, from_gpu, on_gpu, queue, queue_together};

/// exp(-0.5): the decay lies between exp(-this) and 1 (RWKV-LM x070).
pub(crate) const DECAY_SCALE: f32 = 0.606_530_66;
/// Smallest norm that kk is divided by (`torch.nn.functional.normalize`).
pub(crate) const MIN_NORM: f32 = 1e-12;

/// The frozen parameters, `[C]` each.
#[derive(Debug, Clone)]
pub struct Prepare {
    /// Offset of the decay, w0.
    pub decay: Tensor<1>,
    /// Offset of the in-context learning rate, a0.
    pub iclr: Tensor<1>,
    /// Offset of the share of the first layer's value, v0; absent in the first layer.
    pub share: Option<Tensor<1>>,
    /// k_k.
    pub k_k: Tensor<1>,
    /// k_a.
    pub k_a: Tensor<1>,
}

/// The projections of every token, [B, T, C] each.
#[derive(Debug, Clone)]
pub struct Projections {
    /// Key.
    pub key: Tensor<3>,
    /// Value.
    pub value: Tensor<3>,
    /// The low-rank part of the decay.
    pub decay: Tensor<3>,
    /// The low-rank part of the in-context learning rate.
    pub iclr: Tensor<3>,
    /// The low-rank part of the share of the first layer's value, and that
    /// value; absent in the first layer.
    pub share: Option<(Tensor<3>, Tensor<3>)>,
}

/// What the operator makes of the projections, [B, T, H, N] each.
pub struct Prepared {
    /// Decay.
    pub w: Tensor<4>,
    /// Key.
    pub k: Tensor<4>,
    /// Value.
    pub v: Tensor<4>,
    /// -kk.
    pub removal: Tensor<4>,
    /// kk * iclr.
    pub write: Tensor<4>,
}

impl Prepared {
    /// With the receptance, which needs no preparing.
    pub fn with_receptance(self, r: Tensor<4>) -> Wkv7Inputs {
        let Self {
            w,
            k,
            v,
            removal,
            write,
        } = self;
        Wkv7Inputs {
            r,
            w,
            k,
            v,
            removal,
            write,
        }
    }
}

/// Gradients of the projections, [B, T, C] each.
pub struct ProjectionGradients {
    /// Of the key.
    pub key: Tensor<3>,
    /// Of the value.
    pub value: Tensor<3>,
    /// Of the low-rank part of the decay.
    pub decay: Tensor<3>,
    /// Of the low-rank part of the in-context learning rate.
    pub iclr: Tensor<3>,
    /// Of the low-rank part of the share, where there is one.
    pub share: Option<Tensor<3>>,
}

impl Prepare {
    /// For heads of `head_size` channels.
    pub fn forward(&self, projections: &Projections, head_size: usize) -> Prepared {
        if !is_cpu(&projections.key.device()) {
            return self.forward_gpu(projections, head_size);
        }
        self.forward_cpu(projections, head_size)
    }

    /// The gradients of the projections for those of what was made of them.
    pub fn backward(&self, projections: &Projections, upstream: Prepared) -> ProjectionGradients {
        let shape = projections.key.dims();
        let [_, _, _, head_size] = upstream.w.dims();
        let Prepared {
            w,
            k,
            v,
            removal,
            write,
        } = upstream;
        let upstream = [w, k, v, removal, write];
        let gradients = if is_cpu(&projections.key.device()) {
            self.backward_cpu(projections, &upstream, head_size)
        } else {
            self.backward_gpu(projections, upstream, head_size)
        };
        let [key, value, decay, iclr, share] = gradients;
        ProjectionGradients {
            key,
            value,
            decay,
            iclr,
            share: projections.share.as_ref().map(|_| share.reshape(shape)),
        }
    }

    /// As [`gpu::PrepareInputs`] has them.
    fn inputs(&self, projections: &Projections) -> Vec<GpuTensor> {
        let Projections {
            key,
            value,
            decay,
            iclr,
            share,
        } = projections;
        let (share, v_first) = share.as_ref().map_or((value, value), |(a, b)| (a, b));
        let projections = [key, value, decay, iclr, share, v_first];
        let offset = self.share.as_ref().unwrap_or(&self.k_k);
        let parameters = [&self.decay, &self.iclr, offset, &self.k_k, &self.k_a];
        let projections = projections.map(|x| on_gpu(x.clone()));
        let parameters = parameters.map(|x| on_gpu(x.clone()));
        projections.into_iter().chain(parameters).collect()
    }

    fn forward_gpu(&self, projections: &Projections, head_size: usize) -> Prepared {
        let [n_batch, n_tokens, n_embd] = projections.key.dims();
        let shape = [n_batch, n_tokens, n_embd / head_size, head_size];
        let has_share = projections.share.is_some();
        let shapes = std::array::from_fn(|_| Shape::from(shape));
        let inputs = self.inputs(projections);
        let outputs = queue("wkv7_prepare", inputs, shapes, move |x, out| {
            let inputs = std::array::from_fn(|i| &x[i]);
            gpu::prepare(inputs, head_size, has_share, out.each_ref());
        });
        let [w, k, v, removal, write] = outputs.map(from_gpu);
        Prepared {
            w,
            k,
            v,
            removal,
            write,
        }
    }

    fn backward_gpu(
        &self,
        projections: &Projections,
        upstream: [Tensor<4>; 5],
        head_size: usize,
    ) -> [Tensor<3>; 5] {
        let shape = projections.key.dims();
        let has_share = projections.share.is_some();
        let shapes = std::array::from_fn(|_| Shape::from(shape));
        let mut inputs = self.inputs(projections);
        inputs.extend(upstream.map(on_gpu));
        let (name, dtype) = ("wkv7_prepare_backward", DType::F32);
        let outputs = queue_together(name, inputs, shapes, dtype, move |x, out| {
            let inputs = std::array::from_fn(|i| &x[i]);
            let upstream = std::array::from_fn(|i| &x[11 + i]);
            gpu::prepare_backward(inputs, upstream, head_size, has_share, out.each_ref());
        });
        outputs.map(from_gpu)
    }

    /// The same in plain, differentiable Burn operations.
    pub fn reference(&self, projections: &Projections, head_size: usize) -> Prepared {
        let [n_batch, n_tokens, n_embd] = projections.key.dims();
        let heads = |x: Tensor<3>| x.reshape([n_batch, n_tokens, n_embd / head_size, head_size]);
        let row = |x: &Tensor<1>| x.clone().unsqueeze::<3>();
        let Projections {
            key,
            value,
            decay,
            iclr,
            share,
        } = projections.clone();
        let w = (sigmoid(decay + row(&self.decay)) * -DECAY_SCALE).exp();
        let iclr = sigmoid(iclr + row(&self.iclr));
        let kk = heads(key.clone() * row(&self.k_k));
        let norm = kk.clone().powi_scalar(2).sum_dim(3).sqrt();
        let kk = kk / norm.clamp_min(MIN_NORM);
        let k = key * ((iclr.clone() - 1.0) * row(&self.k_a) + 1.0);
        let v = match (share, &self.share) {
            (Some((share, v_first)), Some(offset)) => {
                value.clone() + (v_first - value) * sigmoid(share + row(offset))
            }
            _ => value,
        };
        Prepared {
            w: heads(w),
            k: heads(k),
            v: heads(v),
            removal: -kk.clone(),
            write: kk * heads(iclr),
        }
    }
}
