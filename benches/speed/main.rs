//! How fast the parts that decide the speed are, on the CPU: `cargo bench`.
//! `benches/peers/step.py` is the same step in PyTorch.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod decode;
mod evaluation;
mod load;
mod step;
mod tokenizer;
mod wkv7;

use burn::tensor::Device;
use gosling::model::{Model, mini};

fn main() {
    gosling::allocator::keep_freed_memory();
    divan::main();
}

fn mini_model(device: &Device) -> Model {
    Model::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap()
}
