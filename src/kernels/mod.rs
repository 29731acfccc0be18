//! The operators that decide the speed. Each has a fast form for the CPU and
//! for the GPU, and a reference in plain Burn operations that reads like the
//! equation and is the oracle of the tests.
//!
//! Operators here are plain functions, forward and backward apart: state tuning
//! needs no weight gradients, so the model writes its backward pass out and
//! keeps only what that pass reads.
//!
//! | folder | operator |
//! |---|---|
//! | [`wkv7`] | the recurrence, its inputs (`prepare`) and what follows it (`readout`) |
//! | [`lifted`] | the recurrence with a rectangular state, and its vectors |
//! | [`rectangular`] | the recurrence for heads of any two sizes, on the two above |
//! | [`features`] | kernel features of a vector |
//! | [`norm`], [`token_mix`] | layer norm; layer norm and token shift in one |
//! | [`matrix`] | frozen matrices in 32, 16, 8 or 4 bits |
//! | [`product`] | products of matrices, with what is done before and after |
//! | [`decode`] | one token of a few texts through a layer, in few launches |
//! | [`loss`] | cross entropy and its gradient |
//! | [`dropout`] | dropout by a mask that follows from the place |
//! | [`rms_norm`], [`short_conv`], [`silu`] | what Gated DeltaNet has beside them, in Burn operations on every device |
//!
//! In every folder `mod.rs` has the types, the choice between CPU and GPU and the
//! reference, `cpu` the code for the CPU, `gpu/mod.rs` the launches and the other
//! files of `gpu` what runs on the device.
//!
//! | shared | what |
//! |---|---|
//! | [`device`] | adapters, limits, memory, and what a device can do |
//! | `op.rs` | how a kernel is queued |
//! | `joint.rs` | tensors in one piece of memory |
//! | [`measure`] | how long kernels take |
//! | `cpu` | tensors as slices, rows for threads, SIMD |
//! | `halves.rs` | numbers in 16 bits between kernels of a GPU |
//! | `sums.rs` | sums over the units of a cube |

pub mod decode;
pub mod device;
pub mod dropout;
pub mod features;
pub mod lifted;
pub mod loss;
pub mod matrix;
pub mod measure;
pub mod norm;
pub mod product;
pub mod rectangular;
pub mod rms_norm;
pub mod short_conv;
pub mod silu;
pub mod token_mix;
pub mod wkv7;

mod cpu;
mod halves;
mod joint;
pub(crate) mod op;
mod sums;
