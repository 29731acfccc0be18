//! The operators that decide the speed. Each has a fast form for the CPU and
//! for the GPU, and a reference in plain Burn operations that reads like the
//! equation and is the oracle of the tests.
//!
//! Operators here are plain functions, forward and backward apart: state tuning
//! needs no weight gradients, so the model writes its backward pass out and
//! keeps only what that pass reads.

pub mod copy_rate;
pub mod cross_entropy;
pub mod device;
pub mod layer_norm;
pub mod lifted_vectors;
pub mod lifted_wkv;
pub mod matmul;
pub mod measure;
pub mod radial_features;
pub mod squared_relu;
pub mod token_mix;
pub mod wkv7;
pub mod wkv7_prepare;
pub mod wkv7_readout;

mod cpu_tensor;
mod fused_gpu;
pub(crate) mod gpu_op;
mod lifted_wkv_cpu;
mod lifted_wkv_gpu;
mod product_gpu;
mod rows;
mod segments;
mod simd;
mod wkv7_cpu;
mod wkv7_gpu;
