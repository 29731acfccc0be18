//! One token of the mini model, alone and in a batch.

use burn::tensor::{Device, Tensor, TensorData};
use criterion::{Criterion, Throughput};
use gosling::model::state::ModelState;

pub fn decode(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = super::mini_model(&device);
    let mut group = criterion.benchmark_group("decode");
    for n_batch in [1, 64] {
        let ids = vec![17_i32; n_batch];
        let tokens = Tensor::from_data(TensorData::new(ids, [n_batch, 1]), &device);
        let state = ModelState::zero(model.config(), n_batch, &device);
        group.throughput(Throughput::Elements(n_batch as u64));
        group.bench_function(format!("{n_batch} texts"), |bencher| {
            bencher.iter(|| {
                let (logits, state) = model.forward(tokens.clone(), state.clone());
                (logits.argmax(2).into_data(), state)
            });
        });
    }
    group.finish();
}
