//! Bytes to tokens.

use divan::Bencher;
use divan::counter::BytesCount;
use gosling::data::{Benchmark, Split, Task, mini};
use gosling::model::tokenizer::Tokenizer;

fn text() -> String {
    let items = mini(Benchmark::Arc, Split::Train).unwrap();
    let questions = items.iter().map(|item| match &item.task {
        Task::Choose { question, .. } => question.as_str(),
        other => panic!("not a question of ARC, {other:?}"),
    });
    questions.collect()
}

fn encode(bencher: Bencher, tokenizer: &Tokenizer) {
    let text = text();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench_local(|| tokenizer.encode(&text));
}

#[divan::bench]
fn mini_vocabulary(bencher: Bencher) {
    encode(bencher, &Tokenizer::mini().unwrap());
}

#[divan::bench]
fn world_vocabulary(bencher: Bencher) {
    encode(bencher, &Tokenizer::world().unwrap());
}
