//! `gosling bench storage`: what storing the matrices in fewer bits changes in a
//! model's predictions.

use burn::tensor::{Device, Int, Tensor, TensorData};
use clap::Args;

use super::report::report;
use super::target::{ModelArguments, TargetArguments, check_counts};
use crate::data::{Benchmark, Protocol, Split, mini as mini_set};
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::model::state::ModelState;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, ModelConfig, Precision};
use crate::report::{Cell, Table};

/// What is measured.
#[derive(Args)]
pub(super) struct StorageArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    model: ModelArguments,
    /// Questions of the mini gsm8k that are read, answers included.
    #[arg(long, default_value_t = 20)]
    texts: usize,
}

/// What a model says of a text.
struct Predictions {
    /// [tokens, V].
    logits: Vec<f32>,
    /// Nats of every next token.
    losses: Vec<f64>,
    /// The likeliest next token.
    likeliest: Vec<usize>,
}

/// Reads the texts in every storage and compares the logits.
///
/// # Errors
/// A device that cannot be used, or a model that cannot be read.
pub(super) fn run(arguments: &StorageArguments) -> Result<()> {
    check_counts([("--texts", arguments.texts)])?;
    let opened = arguments.target.open()?;
    let checkpoint = arguments.model.checkpoint()?;
    let config = ModelConfig::from_checkpoint(&checkpoint)?;
    let texts = texts(&config, arguments.texts)?;
    let mut table = Table::new(
        "Storage of the matrices",
        [
            "precision",
            "weights, MB",
            "largest difference of a logit",
            "root mean square",
            "that of the logits",
            "loss a token",
            "same likeliest token, %",
        ],
    );
    let mut single: Vec<Predictions> = Vec::new();
    for precision in Precision::ALL {
        precision.check_device(&config, &opened)?;
        let model = Model::load_stored(&checkpoint, &opened.device, precision, &mut |_| Ok(()))?;
        let all: Result<Vec<_>> = texts
            .iter()
            .map(|text| Predictions::of(&model, &opened.device, text))
            .collect();
        let all = all?;
        if single.is_empty() {
            table.push(row(precision, &config, &all, &all));
            single = all;
        } else {
            table.push(row(precision, &config, &all, &single));
        }
    }
    let notes = "differences are those from 32-bit floats on the same device";
    table.notes.push(notes.into());
    report(&arguments.target, &opened, &[table])
}

/// Questions with their answers, token 0 in front.
fn texts(config: &ModelConfig, n: usize) -> Result<Vec<Vec<u32>>> {
    let tokenizer = Tokenizer::for_embedding(config.vocab_size)?;
    let items = mini_set(Benchmark::Gsm8k, Split::Test)?;
    let text = |item| {
        let example = Protocol::Mini.training_example(item, &tokenizer);
        [&[0], &*example.tokens].concat()
    };
    Ok(items.iter().take(n).map(text).collect())
}

impl Predictions {
    fn of(model: &Model, device: &Device, text: &[u32]) -> Result<Self> {
        let n_vocab = model.config().vocab_size;
        let ids: Vec<i32> = text.iter().map(|id| id.cast_signed()).collect();
        let ids = TensorData::new(ids, [1, text.len()]);
        let ids: Tensor<2, Int> = Tensor::from_data(ids, device);
        let state = ModelState::zero(model.config(), 1, device);
        let (logits, _) = model.forward(ids, state);
        let logits = read_f32(logits.reshape([text.len(), n_vocab]))?;
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(Error::Device(tr!("a logit is not finite").into()));
        }
        let rows = || logits.chunks_exact(n_vocab);
        let likeliest = rows().map(likeliest).collect();
        let next = text[1..].iter().zip(rows());
        let losses = next.map(|(id, row)| loss(row, *id as usize)).collect();
        Ok(Self {
            logits,
            losses,
            likeliest,
        })
    }
}

fn likeliest(row: &[f32]) -> usize {
    let largest = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    largest.map_or(0, |(id, _)| id)
}

fn loss(row: &[f32], id: usize) -> f64 {
    let peak = row.iter().fold(f32::NEG_INFINITY, |peak, x| peak.max(*x));
    let sum: f64 = row.iter().map(|x| f64::from(x - peak).exp()).sum();
    sum.ln() + f64::from(peak - row[id])
}

fn row(
    precision: Precision,
    config: &ModelConfig,
    all: &[Predictions],
    single: &[Predictions],
) -> [Cell; 7] {
    let pairs = || {
        let both = all.iter().zip(single);
        both.flat_map(|(a, b)| a.logits.iter().zip(&b.logits))
    };
    let largest = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let n_logits = pairs().count().max(1) as f64;
    let rms = |of: fn((&f32, &f32)) -> f32| {
        let sum: f64 = pairs().map(|pair| f64::from(of(pair)).powi(2)).sum();
        (sum / n_logits).sqrt()
    };
    let losses: Vec<f64> = all.iter().flat_map(|of| of.losses.clone()).collect();
    let tokens = || {
        let both = all.iter().zip(single);
        both.flat_map(|(a, b)| a.likeliest.iter().zip(&b.likeliest))
    };
    let same = tokens().filter(|(a, b)| a == b).count() as f64;
    [
        Cell::text(precision.name()),
        Cell::number(precision.weight_bytes(config) as f64 / 1e6, 1),
        Cell::number(f64::from(largest), 4),
        Cell::number(rms(|(a, b)| a - b), 5),
        Cell::number(rms(|(_, b)| *b), 3),
        Cell::number(losses.iter().sum::<f64>() / losses.len().max(1) as f64, 4),
        Cell::number(100.0 * same / tokens().count().max(1) as f64, 2),
    ]
}
