//! Four options of each question of mmlu-mini against one forward pass over the
//! questions: the options of a letter cost next to nothing. `gosling bench
//! eval` prints the ratio, on any device.

use burn::tensor::Device;
use divan::Bencher;
use divan::counter::ItemsCount;
use gosling::bench::{LanguageModel as _, Request, Runner};
use gosling::data::{Benchmark, Protocol, Split, mini};
use gosling::model::tokenizer::Tokenizer;

/// Context and continuation of every option of the first 100 questions.
fn requests() -> Vec<Vec<Request>> {
    let tokenizer = Tokenizer::mini().unwrap();
    let items = mini(Benchmark::Mmlu, Split::Test).unwrap();
    let of_item = |item| {
        let prefix = Protocol::Mini.prefix(item, &[]);
        let pairs = Protocol::Mini.pairs(item).into_iter();
        let pairs = pairs.map(|(context, continuation)| {
            let context = format!("{prefix}{context}");
            Protocol::Mini
                .pairing()
                .encode(&tokenizer, &context, &continuation)
        });
        pairs.collect()
    };
    items.iter().take(100).map(of_item).collect()
}

#[divan::bench]
fn four_options(bencher: Bencher) {
    let device = Device::flex();
    let model = super::mini_model(&device);
    let mut runner = Runner::new(&model, &device);
    let groups = requests();
    bencher
        .counter(ItemsCount::new(groups.len()))
        .bench_local(|| runner.log_likelihoods(&groups, &mut |_, _| Ok(())).unwrap());
}

#[divan::bench]
fn contexts_alone(bencher: Bencher) {
    let device = Device::flex();
    let model = super::mini_model(&device);
    let mut runner = Runner::new(&model, &device);
    let contexts: Vec<Vec<u32>> = requests()
        .into_iter()
        .map(|group| [&[0], group[0].0.as_slice()].concat())
        .collect();
    bencher
        .counter(ItemsCount::new(contexts.len()))
        .bench_local(|| runner.forward_only(&contexts).unwrap());
}
