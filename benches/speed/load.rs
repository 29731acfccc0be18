//! A checkpoint from the page cache into tensors.

use burn::tensor::Device;
use criterion::{Criterion, Throughput};
use gosling::model::mini;

pub fn load(criterion: &mut Criterion) {
    let device = Device::flex();
    let checkpoint = mini::checkpoint().unwrap();
    let bytes: usize = checkpoint
        .tensors()
        .map(|view| view.n_elements() * view.dtype.n_bytes())
        .sum();
    let mut group = criterion.benchmark_group("load");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("mini, f16", |bencher| {
        bencher.iter(|| super::mini_model(&device));
    });
    group.finish();
}
