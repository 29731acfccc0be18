//! One token of the mini model, alone and in a batch.

use burn::tensor::{Device, Tensor, TensorData};
use divan::Bencher;
use divan::counter::ItemsCount;
use gosling::model::state::ModelState;

#[divan::bench(args = [1, 64])]
fn texts(bencher: Bencher, n_batch: usize) {
    let device = Device::flex();
    let model = super::mini_model(&device);
    let ids = vec![17_i32; n_batch];
    let tokens = Tensor::from_data(TensorData::new(ids, [n_batch, 1]), &device);
    let state = ModelState::zero(model.config(), n_batch, &device);
    bencher.counter(ItemsCount::new(n_batch)).bench_local(|| {
        let (logits, state) = model.forward(tokens.clone(), state.clone());
        (logits.argmax(2).into_data(), state)
    });
}
