//! Bytes to tokens.

use criterion::{Criterion, Throughput};
use gosling::data::{Benchmark, Split, Task, mini};
use gosling::model::tokenizer::Tokenizer;

pub fn encode(criterion: &mut Criterion) {
    let text: String = mini(Benchmark::Arc, Split::Train)
        .unwrap()
        .iter()
        .map(|item| match &item.task {
            Task::Choose { question, .. } => question.as_str(),
            other => panic!("not a question of ARC, {other:?}"),
        })
        .collect();
    let mut group = criterion.benchmark_group("tokenizer");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for (name, tokenizer) in [("mini", Tokenizer::mini()), ("world", Tokenizer::world())] {
        let tokenizer = tokenizer.unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| tokenizer.encode(&text)));
    }
    group.finish();
}
