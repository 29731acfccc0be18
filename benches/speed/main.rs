//! How fast the parts that decide the speed are, on the CPU: `cargo bench`.
//! `benches/peers/step.py` is the same step in PyTorch.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod decode;
mod load;
mod step;
mod tokenizer;
mod wkv7;

use burn::tensor::Device;
use criterion::{criterion_group, criterion_main};
use gosling::model::{Rwkv7, mini};

/// Tensors of a megabyte come and go thousands of times a second; the system's
/// allocator would give each back and fetch it again, page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn mini_model(device: &Device) -> Rwkv7 {
    Rwkv7::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap()
}

criterion_group!(
    benches,
    step::step,
    step::forward,
    wkv7::operator,
    decode::decode,
    tokenizer::encode,
    load::load
);
criterion_main!(benches);
