//! [`crate::kernels::wkv7`] on the CPU: one task per batch entry and head, the state in
//! the first-level cache, every row a vector. Reference twin:
//! [`crate::kernels::wkv7::reference::wkv7_reference`].

mod backward;
mod forward;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{CHECKPOINT_INTERVAL, Wkv7Inputs};
use crate::kernels::cpu::simd::{Task, mul_add, run};
use crate::kernels::cpu::tensor::Flat;

/// Sizes of one call.
#[derive(Clone, Copy)]
struct Dims {
    n_batch: usize,
    n_tokens: usize,
    n_head: usize,
    head_size: usize,
    /// 1 where the batch shares the initial state.
    n_states: usize,
}

impl Dims {
    fn new(r: &Tensor<4>, n_states: usize) -> Self {
        let [n_batch, n_tokens, n_head, head_size] = r.dims();
        Self {
            n_batch,
            n_tokens,
            n_head,
            head_size,
            n_states,
        }
    }

    fn n_chunks(&self) -> usize {
        self.n_tokens.div_ceil(CHECKPOINT_INTERVAL)
    }

    /// Where token `t` of a head starts in a [B, T, H, N] tensor.
    fn offset(&self, batch_idx: usize, t: usize, head_idx: usize) -> usize {
        ((batch_idx * self.n_tokens + t) * self.n_head + head_idx) * self.head_size
    }
}

/// The six inputs as slices, [B, T, H, N].
struct Slices<'a> {
    dims: Dims,
    r: &'a [f32],
    w: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    removal: &'a [f32],
    write: &'a [f32],
}

/// The vectors of one token and head.
struct Token<'a, const N: usize> {
    r: &'a [f32; N],
    w: &'a [f32; N],
    k: &'a [f32; N],
    v: &'a [f32; N],
    removal: &'a [f32; N],
    write: &'a [f32; N],
}

#[inline(always)]
fn vector<const N: usize>(values: &[f32], start: usize) -> &[f32; N] {
    match values[start..start + N].first_chunk() {
        Some(vector) => vector,
        None => unreachable!("the range has N elements"),
    }
}

impl<'a> Slices<'a> {
    #[inline(always)]
    fn token<const N: usize>(&self, start: usize) -> Token<'a, N> {
        Token {
            r: vector(self.r, start),
            w: vector(self.w, start),
            k: vector(self.k, start),
            v: vector(self.v, start),
            removal: vector(self.removal, start),
            write: vector(self.write, start),
        }
    }
}

/// [N, N] with rows and columns exchanged.
#[inline(always)]
fn transpose(from: &[f32], to: &mut [f32], n: usize) {
    for (row, to) in to.chunks_exact_mut(n).enumerate() {
        for (to, from) in to.iter_mut().zip(from[row..].iter().step_by(n)) {
            *to = *from;
        }
    }
}

/// One element of S_t.
#[inline(always)]
fn next<const FMA: bool>(s: f32, removed: f32, value: f32, w: f32, write: f32, k: f32) -> f32 {
    mul_add::<FMA>(value, k, mul_add::<FMA>(removed, write, s * w))
}

/// Runs `task` for every batch entry and head on all threads.
fn for_each_head(dims: Dims, task: impl Fn(usize, usize) + Sync) {
    (0..dims.n_batch * dims.n_head)
        .into_par_iter()
        .for_each(|head| task(head / dims.n_head, head % dims.n_head));
}

/// A head's task with its size known when the program is compiled.
struct Head<T, const N: usize>(T);

fn run_head<T: Copy>(task: T, head_size: usize)
where
    Head<T, 16>: Task,
    Head<T, 32>: Task,
    Head<T, 64>: Task,
    Head<T, 128>: Task,
{
    match head_size {
        16 => run(&Head::<T, 16>(task)),
        32 => run(&Head::<T, 32>(task)),
        64 => run(&Head::<T, 64>(task)),
        128 => run(&Head::<T, 128>(task)),
        other => unreachable!("head size {other} was refused before"),
    }
}

fn with_slices<T>(inputs: &Wkv7Inputs, dims: Dims, body: impl FnOnce(&Slices) -> T) -> T {
    let flat = [
        &inputs.r,
        &inputs.w,
        &inputs.k,
        &inputs.v,
        &inputs.removal,
        &inputs.write,
    ]
    .map(Flat::new);
    let [r, w, k, v, removal, write] = flat.each_ref().map(Flat::slice);
    body(&Slices {
        dims,
        r,
        w,
        k,
        v,
        removal,
        write,
    })
}

pub(super) use backward::{backward, state_gradient};
pub(super) use forward::forward;
