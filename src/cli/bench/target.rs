//! What a measurement runs on: a device, and a model that is loaded there.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::cli::output::is_lost;
use crate::cli::progress::show_read;
use crate::error::{Error, Result};
use crate::kernels::device::{DeviceChoice, OpenDevice, open};
use crate::kernels::matrix;
use crate::model::checkpoint::Checkpoint;
use crate::model::random::{SHAPE_0_1B, SHAPE_0_4B, random_checkpoint};
use crate::model::{Model, ModelConfig, Precision, mini};

/// Where it runs, and where the figures go.
#[derive(Args)]
pub(super) struct TargetArguments {
    /// auto, cpu, gpu or gpu:N as `gosling devices` lists them.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Also write the tables and the device to a JSON file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl TargetArguments {
    /// Opens the device and says which it is.
    pub fn open(&self) -> Result<OpenDevice> {
        let opened = open(self.device)?;
        println!("{}", opened.description);
        if is_lost() && self.json.is_none() {
            return Err(Error::Stopped);
        }
        Ok(opened)
    }
}

/// The model.
#[derive(Args)]
pub(super) struct ModelArguments {
    /// The mini model, or random weights of an official size.
    #[arg(long, value_enum, default_value_t = Shape::Mini)]
    shape: Shape,
    /// A checkpoint to use instead.
    #[arg(long, value_name = "FILE", conflicts_with = "shape")]
    checkpoint: Option<PathBuf>,
    /// Storage of the frozen matrices.
    #[arg(long, value_enum, default_value_t = Storage::F32)]
    precision: Storage,
}

/// Storage of the frozen matrices.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Storage {
    /// 32-bit floats.
    #[value(help = tr!("32-bit floats"))]
    F32,
    /// 16-bit floats with 8 bits of precision.
    #[value(help = tr!("16-bit floats with 8 bits of precision"))]
    Bf16,
    /// 16-bit floats.
    #[value(help = tr!("16-bit floats"))]
    F16,
    /// 8 bits and a scale for every 32 numbers.
    #[value(help = tr!("8 bits and a scale for every 32 numbers"))]
    Int8,
    /// 4 bits and a scale for every 32 numbers.
    #[value(help = tr!("4 bits and a scale for every 32 numbers"))]
    Nf4,
}

impl Storage {
    /// As matrices of a layer have it.
    pub fn of_matrices(self) -> matrix::Storage {
        match self {
            Self::F32 => matrix::Storage::F32,
            Self::Bf16 => matrix::Storage::BF16,
            Self::F16 => matrix::Storage::F16,
            Self::Int8 => matrix::Storage::Int8,
            Self::Nf4 => matrix::Storage::NF4,
        }
    }
}

/// A size of model.
#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// 7 M parameters, the model that ships with the program.
    #[value(help = tr!("7 M parameters, the model that ships with the program"))]
    Mini,
    /// 12 layers of 768 channels.
    #[value(name = "0.1b")]
    #[value(help = tr!("12 layers of 768 channels"))]
    P1,
    /// 24 layers of 1024 channels.
    #[value(name = "0.4b")]
    #[value(help = tr!("24 layers of 1024 channels"))]
    P4,
}

impl ModelArguments {
    /// How its matrices are stored.
    pub fn precision(&self) -> Precision {
        match self.precision {
            Storage::F32 => Precision::F32,
            Storage::Bf16 => Precision::BF16,
            Storage::F16 => Precision::F16,
            Storage::Int8 => Precision::Int8,
            Storage::Nf4 => Precision::NF4,
        }
    }

    /// The weights, not yet on a device.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        match (&self.checkpoint, self.shape) {
            (Some(path), _) => Checkpoint::open(path),
            (None, Shape::Mini) => mini::checkpoint(),
            (None, Shape::P1) => random_checkpoint(&SHAPE_0_1B, 1),
            (None, Shape::P4) => random_checkpoint(&SHAPE_0_4B, 1),
        }
    }

    /// Loads the model and says how long that took.
    pub fn load(&self, opened: &OpenDevice) -> Result<Model> {
        let checkpoint = self.checkpoint()?;
        let config = ModelConfig::from_checkpoint(&checkpoint)?;
        let precision = self.precision();
        precision.check_device(&config, opened)?;
        let start = Instant::now();
        let model = Model::load_stored(&checkpoint, &opened.device, precision, &mut show_read)?;
        println!(
            "{}",
            tr!(
                "{} parameters loaded in {} s",
                config.n_params(),
                format_args!("{:.2}", start.elapsed().as_secs_f64())
            )
        );
        Ok(model)
    }
}

/// Three counts with commas between them, none of them zero.
pub(super) fn three_counts(text: &str) -> Option<[usize; 3]> {
    let counts: Option<Vec<usize>> = text.split(',').map(|part| part.parse().ok()).collect();
    let counts: [usize; 3] = counts?.try_into().ok()?;
    (!counts.contains(&0)).then_some(counts)
}

/// Refuses options that must not be zero.
pub(super) fn check_counts<const N: usize>(counts: [(&str, usize); N]) -> Result<()> {
    match counts.iter().find(|(_, value)| *value == 0) {
        Some((field, _)) => Err(Error::spec(*field, tr!("must be at least 1"))),
        None => Ok(()),
    }
}
