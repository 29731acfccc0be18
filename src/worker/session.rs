//! The model on the compute device, kept from one run to the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Instant, SystemTime};

use burn::tensor::Device;

use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::{self, DeviceChoice, DeviceLimits, OpenDevice};
use crate::language;
use crate::model::checkpoint::{Checkpoint, stamp};
use crate::model::tokenizer::{TOKENIZER_JSON, Tokenizer};
use crate::model::{Model, ModelConfig, mini};
use crate::persist::known_weights;
use crate::protocol::event::{DeviceEvent, Event};
use crate::protocol::run_spec::{
    CheckpointSource, ModelSpec, Precision, RunSpec, VocabularySource,
};

/// Ids that a vocabulary may be short of the embedding's rows: released models
/// have 65536 rows for the World vocabulary's 65530 ids.
const MAX_SPARE_ROWS: usize = 64;

/// What the user is told of a lost device.
const LOST: &str = mark!(
    "the GPU was lost (a driver restart or a sleeping machine can cause this); the \
    next run opens it again"
);
/// What the user is told where memory ran out.
const NO_MEMORY: &str = mark!(
    "the device has no memory left; close other programs, choose a smaller \
    training.batch (training.accumulate makes up for it), or use training.activation_checkpointing or, for long texts, \
    training.window"
);

/// What the user should do about a tensor that is larger than the device binds.
const TOO_LARGE: &str = mark!(
    "a tensor is too large for this device; choose a smaller training.batch \
    (training.accumulate makes up for it), or read long texts in windows (training.window)"
);

/// What stays loaded between runs.
#[derive(Default)]
pub(super) struct Session {
    loaded: Option<(Key, LoadedModel)>,
}

/// A model that is ready to compute.
pub(super) struct LoadedModel {
    pub device: Device,
    pub model: Model,
    /// The checkpoint's file name.
    pub file: String,
    pub fingerprint: String,
    /// One line about the device and one about the model, for the log.
    pub lines: [String; 2],
    /// Things the user should know about the device.
    pub notes: Vec<String>,
    /// What a GPU refuses to hold; none on the CPU.
    pub limits: Option<DeviceLimits>,
    /// Whether a processor plays the GPU.
    pub is_software: bool,
}

/// What the model on the device was made from.
#[derive(PartialEq)]
struct Key {
    device: DeviceChoice,
    checkpoint: CheckpointSource,
    precision: Precision,
    /// Age and size of the checkpoint's files, which may be replaced.
    stamp: Option<(Option<SystemTime>, u64)>,
}

impl Session {
    /// Lets go of the model, for what is on the device cannot be trusted; what
    /// the user should know beside `message`, which told that something failed.
    pub fn lose(&mut self, message: &str) -> Option<&'static str> {
        let ran_out = device::take_refusal() || device::says_out_of_memory(message);
        let loaded = self.loaded.take();
        let device = loaded.as_ref().map(|(_, loaded)| loaded.device.clone());
        let is_lost = device.as_ref().is_some_and(device::is_lost);
        device::suspect_open_devices();
        // Tensors of a device that is gone may panic once more.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            drop(loaded);
            // What lay in them is kept for the next ones, in pieces of their size.
            if let Some(device) = device.filter(|_| ran_out && !is_lost) {
                device.memory_cleanup();
            }
        }));
        // A device that is out of memory may be lost by it.
        match (ran_out, is_lost) {
            (true, _) if device::says_too_large(message) => Some(language::text(TOO_LARGE)),
            (true, _) => Some(language::text(NO_MEMORY)),
            (false, true) => Some(language::text(LOST)),
            (false, false) => None,
        }
    }

    /// The model and the vocabulary of a run. The model is read only if
    /// another one is on the device; `report` hears of it, and its error ends
    /// the loading.
    ///
    /// # Errors
    /// Bad input and a device that cannot be opened; then nothing is loaded.
    pub fn load(
        &mut self,
        spec: &RunSpec,
        report: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<(&LoadedModel, Tokenizer)> {
        let mut key = Key::of(spec)?;
        if key.precision == Precision::Auto {
            key.precision = widest_precision(&spec.model.checkpoint, spec.device)?;
        }
        let is_loaded = matches!(&self.loaded, Some((loaded, _)) if *loaded == key);
        if !is_loaded {
            let checkpoint = open_checkpoint(&spec.model.checkpoint)?;
            // Before the weights, which take their time.
            fitting_tokenizer(&spec.model, &ModelConfig::from_checkpoint(&checkpoint)?)?;
            // Two models may not fit on the device.
            if let Some((_, LoadedModel { device, model, .. })) = self.loaded.take() {
                drop(model);
                device.memory_cleanup();
            }
            let model = load_model(spec.device, key.precision, &checkpoint, report)?;
            self.loaded = Some((key, model));
        }
        let Some((_, loaded)) = &self.loaded else {
            return Err(Error::Device(tr!("the model is not loaded").into()));
        };
        let tokenizer = fitting_tokenizer(&spec.model, loaded.model.config())?;
        Ok((loaded, tokenizer))
    }
}

impl Key {
    fn of(spec: &RunSpec) -> Result<Self> {
        let ModelSpec {
            checkpoint,
            vocabulary: _,
            precision,
        } = &spec.model;
        let stamp = match checkpoint {
            CheckpointSource::Mini => None,
            CheckpointSource::File(path) => Some(stamp(path)?),
        };
        Ok(Self {
            device: spec.device,
            checkpoint: checkpoint.clone(),
            precision: *precision,
            stamp,
        })
    }
}

/// The widest storage whose weights leave a quarter of the device free.
fn widest_precision(source: &CheckpointSource, device: DeviceChoice) -> Result<Precision> {
    let checkpoint = open_checkpoint(source)?;
    let config = ModelConfig::from_checkpoint(&checkpoint)?;
    let room = device::room_of(device);
    Ok(Precision::widest(
        &config,
        Precision::halves_of(&checkpoint),
        room.usable(),
    ))
}

/// Opens the file of a model.
pub(super) fn open_checkpoint(source: &CheckpointSource) -> Result<Checkpoint> {
    match source {
        CheckpointSource::Mini => mini::checkpoint(),
        CheckpointSource::File(path) => Checkpoint::open(path),
    }
}

/// The vocabulary of a model, of which the dimensions are read and no weights.
///
/// # Errors
/// Files that cannot be used, and a vocabulary that is not the model's.
pub(super) fn tokenizer_of(model: &ModelSpec) -> Result<Tokenizer> {
    let checkpoint = open_checkpoint(&model.checkpoint)?;
    fitting_tokenizer(model, &ModelConfig::from_checkpoint(&checkpoint)?)
}

pub(super) fn checkpoint_name(source: &CheckpointSource) -> &Path {
    match source {
        CheckpointSource::Mini => Path::new("the mini model"),
        CheckpointSource::File(path) => path,
    }
}

fn load_model(
    choice: DeviceChoice,
    precision: Precision,
    checkpoint: &Checkpoint,
    report: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<LoadedModel> {
    let open = device::open(choice)?;
    precision.check_device(&ModelConfig::from_checkpoint(checkpoint)?, &open)?;
    let OpenDevice {
        device,
        name,
        description,
        is_software,
        limits,
    } = open;
    report(Event::Device(DeviceEvent::Ready {
        device: description.clone(),
    }))?;
    let notes = if is_software {
        vec![tr!(
            "{name} is a software GPU; --device cpu is faster",
            name
        )]
    } else {
        Vec::new()
    };
    let start = Instant::now();
    let model = Model::load_stored(checkpoint, &device, precision, &mut |read| {
        report(Event::Device(DeviceEvent::Loading { read }))
    })?;
    let config = model.config();
    let file = checkpoint.file().file_name().unwrap_or_default();
    let file = file.to_string_lossy().into_owned();
    let size = match config.keys {
        Some(_) => format!("{}x{}", config.head_size, config.key_size()),
        None => config.head_size.to_string(),
    };
    let line = tr!(
        "{}, {} M parameters, {} layers, {} heads of {}",
        file,
        format_args!("{:.1}", config.n_params() as f64 / 1e6),
        config.n_layer,
        config.n_head,
        size
    );
    report(Event::Device(DeviceEvent::ModelLoaded {
        model: line.clone(),
        bytes: precision.weight_bytes(config),
        secs: start.elapsed().as_secs_f64(),
    }))?;
    Ok(LoadedModel {
        device,
        file,
        fingerprint: known_weights::fingerprint(checkpoint),
        model,
        lines: [tr!("device {description}", description), line],
        notes,
        limits,
        is_software,
    })
}

/// The vocabulary, if it is the model's; what ends a document is its token 0.
///
/// # Errors
/// A file that cannot be used, and as [`check_vocabulary`].
pub(crate) fn fitting_tokenizer(spec: &ModelSpec, config: &ModelConfig) -> Result<Tokenizer> {
    let model = checkpoint_name(&spec.checkpoint);
    let (tokenizer, name) = match &spec.vocabulary {
        VocabularySource::Auto => {
            let tokenizer = Tokenizer::of_model(model, config)?;
            if !tokenizer.is_tokenizer_json() {
                return Ok(tokenizer);
            }
            (tokenizer, TOKENIZER_JSON.to_owned())
        }
        VocabularySource::Mini => (Tokenizer::mini()?, tr!("the mini vocabulary").to_owned()),
        VocabularySource::World => (Tokenizer::world()?, tr!("the World vocabulary").to_owned()),
        VocabularySource::File(path) => (Tokenizer::from_file(path)?, shown(path).to_string()),
    };
    check_vocabulary(&tokenizer, &name, model, config.vocab_size)?;
    Ok(tokenizer.with_end(config.end_of_document))
}

/// Whether the vocabulary that the user calls `name` can be that of `model`, whose
/// embedding has `n_rows` rows.
///
/// # Errors
/// [`Error::Spec`] of `model.vocabulary` where it cannot.
pub(crate) fn check_vocabulary(
    tokenizer: &Tokenizer,
    name: &str,
    model: &Path,
    n_rows: usize,
) -> Result<()> {
    let n_ids = tokenizer.vocab_size();
    let may_be_short = tokenizer.is_tokenizer_json();
    if n_ids <= n_rows && (may_be_short || n_rows - n_ids <= MAX_SPARE_ROWS) {
        return Ok(());
    }
    Err(Error::spec(
        "model.vocabulary",
        tr!(
            "{name} has {n_ids} tokens, but {} has {n_rows}; use Auto or the model's own",
            shown(model),
            name,
            n_ids,
            n_rows
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::SHAPE_0_1B;

    fn check(vocabulary: VocabularySource, n_rows: usize, expected: Result<usize, &str>) {
        let spec = ModelSpec {
            vocabulary,
            checkpoint: CheckpointSource::File("model.pth".into()),
            ..ModelSpec::default()
        };
        let config = ModelConfig {
            vocab_size: n_rows,
            ..SHAPE_0_1B
        };
        let got = fitting_tokenizer(&spec, &config);
        match (got, expected) {
            (Ok(tokenizer), Ok(n_ids)) => assert_eq!(tokenizer.vocab_size(), n_ids),
            (Err(error), Err(message)) => assert_eq!(error.to_string(), message),
            (Ok(_), Err(message)) => panic!("fits, expected {message}"),
            (Err(error), Ok(_)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_vocabulary_fits_its_own_models_only() {
        use VocabularySource::{Auto, Mini, World};
        check(Auto, 4_096, Ok(4_096));
        check(Auto, 65_536, Ok(65_530));
        check(Mini, 4_096, Ok(4_096));
        check(World, 65_536, Ok(65_530));
        let tail = "use Auto or the model's own";
        check(
            World,
            4_096,
            Err(&format!(
                "model.vocabulary: the World vocabulary has 65530 tokens, but model.pth has 4096; {tail}"
            )),
        );
        check(
            Mini,
            65_536,
            Err(&format!(
                "model.vocabulary: the mini vocabulary has 4096 tokens, but model.pth has 65536; {tail}"
            )),
        );
    }

    #[test]
    fn a_model_is_loaded_once() {
        let mut session = Session::default();
        let spec = RunSpec {
            device: DeviceChoice::Cpu,
            ..RunSpec::default()
        };
        let mut n_loaded = 0;
        for _ in 0..2 {
            let mut report = |event| {
                n_loaded += usize::from(matches!(
                    event,
                    Event::Device(DeviceEvent::ModelLoaded { .. })
                ));
                Ok(())
            };
            session.load(&spec, &mut report).unwrap();
        }
        assert_eq!(n_loaded, 1);
        // Loading that is ended leaves nothing half loaded.
        let mut other = Session::default();
        let ended = other.load(&spec, &mut |_| Err(Error::Stopped));
        assert!(matches!(ended, Err(Error::Stopped)));
        assert!(other.loaded.is_none());
    }
}
