//! `gosling bench decode`: how fast a model writes, one token a text at a time,
//! beside the time that reading its weights and states takes.

use burn::tensor::{Device, Int, Tensor};
use clap::Args;

use super::report::{Spread, report};
use super::target::{ModelArguments, TargetArguments, check_counts};
use crate::error::{Error, Result};
use crate::kernels::decode::Declined;
use crate::kernels::device::copy_rate::copy_rate;
use crate::kernels::measure;
use crate::model::Model;
use crate::model::state::ModelState;
use crate::report::{Cell, Table};

/// What is measured.
#[derive(Args)]
pub(super) struct DecodeArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    model: ModelArguments,
    /// Number of texts that are generated in parallel; can be repeated.
    #[arg(long, default_values_t = [1, 64])]
    batch: Vec<usize>,
    /// Tokens that are timed, of every text.
    #[arg(long, default_value_t = 64)]
    tokens: usize,
}

/// Untimed tokens: the first of each batch size compile kernels.
const WARMUP: usize = 4;

/// Writes the likeliest tokens and prints the milliseconds of each.
///
/// # Errors
/// A device that cannot be used, or numbers that cannot be run.
pub(super) fn run(arguments: &DecodeArguments) -> Result<()> {
    let least = arguments.batch.iter().copied().min().unwrap_or(0);
    check_counts([("--batch", least), ("--tokens", arguments.tokens)])?;
    let opened = arguments.target.open()?;
    let model = arguments.model.load(&opened)?;
    let config = model.config();
    // A token reads one row of the embedding.
    let precision = arguments.model.precision();
    let shape = [config.vocab_size, config.n_embd];
    let embedding = precision
        .storage_of("emb.weight", &shape)
        .n_bytes(shape[0] * shape[1]);
    let weights = precision.weight_bytes(config) - embedding as u64;
    let state = config.n_layer * config.n_state() * size_of::<f32>();
    let rate = copy_rate(&opened.device);
    let columns = [
        "texts",
        "a token of each, median, ms",
        "lower quartile",
        "upper quartile",
        "tokens/s",
        "weights, MB",
        "weights and states moved, ms",
        "times that",
        "launches a token",
    ];
    let mut table = Table::new("Writing", columns);
    for batch in &arguments.batch {
        let Writing { ms, launches, why } =
            Writing::time(&model, &opened.device, *batch, arguments.tokens)?;
        if let Some(why) = why {
            let texts = *batch;
            let note = tr!("{texts} texts, operator by operator: {why}", texts, why);
            table.notes.push(note);
        }
        // States are read and written.
        let floor = rate.map(|rate| 1e3 * (weights as f64 + (2 * batch * state) as f64) / rate);
        let [median, lower, upper] = ms.cells(3);
        table.push([
            Cell::Count(*batch as u64),
            median,
            lower,
            upper,
            Cell::number(1e3 * *batch as f64 / ms.median, 0),
            Cell::number(weights as f64 / 1e6, 0),
            floor.map_or(Cell::Empty, |ms| Cell::number(ms, 3)),
            floor.map_or(Cell::Empty, |floor| Cell::number(ms.median / floor, 1)),
            match launches {
                0 => Cell::Empty,
                n => Cell::Count(n as u64),
            },
        ]);
    }
    if let Some(rate) = rate {
        let note = tr!(
            "the device copies {} TB/s, read and written",
            format_args!("{:.2}", rate / 1e12)
        );
        table.notes.push(note);
    }
    report(&arguments.target, &opened, &[table])
}

/// What was seen of writing a token of every text.
struct Writing {
    /// With its number read back.
    ms: Spread,
    /// Of our kernels, Burn's own not among them; 0 on the CPU.
    launches: usize,
    /// Why layers are not in few launches.
    why: Option<Declined>,
}

impl Writing {
    fn time(model: &Model, device: &Device, batch: usize, tokens: usize) -> Result<Self> {
        let mut state = ModelState::zero(model.config(), batch, device);
        let why = model.takes_few_launches([batch, 1], &state).err();
        let mut ids = Tensor::<2, Int>::zeros([batch, 1], device);
        let mut write = || {
            let (hidden, next) = model.hidden(ids.clone(), state.clone());
            state = next;
            ids = model.logits(hidden.squeeze_dim(1)).argmax(1);
            match ids.clone().try_into_data() {
                Ok(_) => Ok(()),
                Err(error) => Err(Error::Device(tr!(
                    "no token can be read back: {error}",
                    error = format_args!("{error:?}")
                ))),
            }
        };
        for _ in 0..WARMUP {
            write()?;
        }
        measure::start();
        let counted = write();
        let kernels = measure::stop().kernels;
        counted?;
        Ok(Self {
            ms: Spread::of_calls(tokens, write)?,
            launches: kernels.values().map(|kernel| kernel.n_launches).sum(),
            why,
        })
    }
}
