//! One optimiser step and one forward pass of the mini model, 8 x 128 tokens,
//! the loss on every token: the work of `benches/peers/step.py`.

use burn::tensor::{Device, Tensor, TensorData};
use divan::Bencher;
use gosling::data::Example;
use gosling::model::state::ModelState;
use gosling::tuning::spec::{LossOn, Method, StandardSpec, TrainingSpec};
use gosling::tuning::states::state_file::TunedState;
use gosling::tuning::train::batch::Batch;
use gosling::tuning::train::trainer::Trainer;

const BATCH: usize = 8;
const TOKENS: usize = 128;

fn examples() -> Vec<Example> {
    let ids = |row: usize| (0..TOKENS).map(move |t| (1 + (row * 131 + t * 17) % 4095) as u32);
    (0..BATCH)
        .map(|row| Example::new(Vec::new(), ids(row).collect()))
        .collect()
}

#[divan::bench(sample_count = 20)]
fn step_8x128(bencher: Bencher) {
    let device = Device::flex();
    let model = super::mini_model(&device);
    let start = TunedState::zero(model.config());
    let method = Method::Standard(StandardSpec::default());
    let training = TrainingSpec::default();
    let mut trainer = Trainer::new(&model, &device, &method, &training, &start, &[]).unwrap();
    let examples = examples();
    let examples: Vec<&Example> = examples.iter().collect();
    let batch = [Batch::new(&examples, LossOn::Everything)];
    bencher.bench_local(|| {
        trainer.step_at(&batch, 0.01).unwrap();
        trainer.read_steps().unwrap()
    });
}

#[divan::bench(sample_count = 20)]
fn forward_8x128_without_logits(bencher: Bencher) {
    let device = Device::flex();
    let model = super::mini_model(&device);
    let ids: Vec<i32> = (0..BATCH * TOKENS)
        .map(|i| (i * 17 % 4096) as i32)
        .collect();
    let tokens = Tensor::from_data(TensorData::new(ids, [BATCH, TOKENS]), &device);
    bencher.bench_local(|| {
        let state = ModelState::zero(model.config(), BATCH, &device);
        model.hidden(tokens.clone(), state).0.into_data()
    });
}
