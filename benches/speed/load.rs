//! A checkpoint from the page cache into tensors.

use burn::tensor::Device;
use divan::Bencher;
use divan::counter::BytesCount;
use gosling::model::mini;

#[divan::bench]
fn mini_f16(bencher: Bencher) {
    let device = Device::flex();
    let checkpoint = mini::checkpoint().unwrap();
    let bytes: usize = checkpoint
        .tensors()
        .map(|view| view.n_elements() * view.dtype.n_bytes())
        .sum();
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| super::mini_model(&device));
}
