//! Options for what most runs begin with, so that nobody has to write RON in a
//! shell: the model, the data, and the numbers that are changed most.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::data::{Benchmark, Layout, Split, Template, fitting_template, load, recognise};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::language;
use crate::protocol::fields::find;
use crate::protocol::run_spec::{CheckpointSource, DataSource, RunSpec};
use crate::worker::allow_memory;

/// The model and the data.
#[derive(Args, Debug, Default)]
pub(super) struct SourceOptions {
    /// The model: an RWKV-7 (x070) file (.pth, .safetensors, .st, .gguf, .bin), a Hugging
    /// Face folder, or mini for the one that ships with the program. With --resume: the
    /// new path of the weights.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// What to tune on: a file of chats, prompts or texts (JSON lines, a JSON array, a
    /// table, tokens) or a folder of text files; gsm8k, arc, mmlu or winogrande for the
    /// mini set of that name; or a folder of a benchmark's official files.
    #[arg(long, value_name = "FILE, NAME or FOLDER", conflicts_with = "train")]
    data: Option<String>,
    /// Training examples: a file as for --data; a --validation file goes with it.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Held-out examples in the same form; by their loss the best state is kept.
    #[arg(long, value_name = "FILE")]
    validation: Option<PathBuf>,
    /// The text around prompts, answers and turns: UserAssistant (RWKV-7's own), Think,
    /// FastThink, Alpaca, Plain and others, or a .ron file (data.source.template);
    /// default: UserAssistant for chats.
    #[arg(long, value_name = "NAME or FILE")]
    template: Option<Template>,
    #[arg(long, value_name = "N", alias = "batch-size", help = field_help("training.batch"))]
    batch: Option<usize>,
    #[arg(
        long,
        value_name = "RATE",
        aliases = ["lr", "learning-rate"],
        help = field_help("training.learning_rate"),
    )]
    pub rate: Option<f64>,
}

/// How many steps. A search for a rate has steps of its own.
#[derive(Args, Debug, Default)]
pub(super) struct StepOptions {
    #[arg(long, value_name = "N", help = steps_help())]
    steps: Option<usize>,
}

/// What the table of fields says of the field that an option sets, and its path.
pub(super) fn field_help(path: &str) -> String {
    let hint = find(path).map_or("", |field| language::text(field.hint));
    // A sentence of Chinese has an end of its own.
    let sentence = hint.split('。').next().unwrap_or_default();
    let sentence = sentence.split(". ").next().unwrap_or_default();
    format!("{} ({path})", sentence.trim_end_matches('.'))
}

fn steps_help() -> String {
    let own = field_help("training.steps");
    tr!(
        "{own}; a warm-up that would take all of them is cut to a tenth",
        own
    )
}

/// What is done where memory looks too small.
#[derive(Args, Debug, Default)]
pub(super) struct MemoryOptions {
    /// Start even if a step is estimated not to fit into memory; GOSLING_ALLOW_MEMORY=1
    /// does the same.
    #[arg(long)]
    allow_memory: bool,
}

impl MemoryOptions {
    /// Makes it so, before a worker is started.
    pub fn apply(&self) {
        if self.allow_memory {
            allow_memory();
        }
    }
}

/// A change of a run that a plain option makes.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// The option, as in `--model`.
    pub option: &'static str,
    /// The field's path.
    pub field: &'static str,
    /// Its value, as `--set` takes it.
    pub value: String,
}

impl Change {
    fn new(option: &'static str, field: &'static str, value: &impl Serialize) -> Result<Self> {
        let text = ron::to_string(value);
        let text =
            text.map_err(|_| Error::spec(option, tr!("is not Unicode text; rename the file")))?;
        Ok(Self {
            option,
            field,
            value: text,
        })
    }

    /// As `--set` takes it.
    pub fn assignment(&self) -> String {
        format!("{}={}", self.field, self.value)
    }
}

impl SourceOptions {
    /// Whether any of them is given.
    pub fn is_some(&self) -> bool {
        let Self {
            model,
            data,
            train,
            validation,
            template,
            batch,
            rate,
        } = self;
        let paths = [model, train, validation];
        paths.into_iter().any(Option::is_some)
            || data.is_some()
            || template.is_some()
            || batch.is_some()
            || rate.is_some()
    }

    /// The changes of a run. `base` says what the run has without them.
    ///
    /// # Errors
    /// [`Error::Spec`] with an option that names nothing, or that the data of the
    /// run has no use for.
    pub fn changes(&self, base: &RunSpec) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        if let Some(path) = &self.model {
            let is_mini = path == Path::new("mini") && !path.exists();
            let source = match is_mini {
                true => CheckpointSource::Mini,
                false => CheckpointSource::File(path.clone()),
            };
            changes.push(Change::new("--model", "model.checkpoint", &source)?);
        }
        if let Some((option, source)) = self.source(&base.data.source)? {
            changes.push(Change::new(option, "data.source", &source)?);
        }
        if let Some(batch) = &self.batch {
            changes.push(Change::new("--batch", "training.batch", batch)?);
        }
        if let Some(rate) = &self.rate {
            changes.push(Change::new("--rate", "training.learning_rate", rate)?);
        }
        Ok(changes)
    }

    /// The data, where an option names some, and that option.
    fn source(&self, base: &DataSource) -> Result<Option<(&'static str, DataSource)>> {
        let (option, mut source) = match (&self.data, &self.train, &self.validation) {
            (Some(name), _, _) => ("--data", named(name)?),
            (None, Some(path), _) => ("--train", trained_on(path.clone(), base)),
            (None, None, Some(_)) => ("--validation", base.clone()),
            (None, None, None) if self.template.is_some() => ("--template", base.clone()),
            (None, None, None) => return Ok(None),
        };
        if let Some(asked) = &self.template {
            match &mut source {
                DataSource::Jsonl { template, .. } => template.clone_from(asked),
                DataSource::Mini(_) | DataSource::Official { .. } => {
                    let reason = tr!(
                        "a benchmark has a wording of its own; leave this out, or name \
                                  your data with --data"
                    );
                    return Err(Error::spec("--template", reason));
                }
            }
        }
        if let Some(path) = &self.validation {
            match &mut source {
                DataSource::Jsonl { validation, .. } => *validation = Some(path.clone()),
                DataSource::Mini(_) | DataSource::Official { .. } => {
                    let reason = tr!(
                        "a benchmark has a validation split of its own; leave this out, \
                                  or name your training file with --train"
                    );
                    return Err(Error::spec("--validation", reason));
                }
            }
        }
        Ok(Some((option, source)))
    }
}

impl StepOptions {
    /// Whether it is given.
    pub fn is_some(&self) -> bool {
        self.steps.is_some()
    }

    /// The changes of a run. `base` says what the run has without them.
    ///
    /// # Errors
    /// None; numbers are judged with the whole run.
    pub fn changes(&self, base: &RunSpec) -> Result<Vec<Change>> {
        let Some(steps) = self.steps else {
            return Ok(Vec::new());
        };
        let mut changes = vec![Change::new("--steps", "training.steps", &steps)?];
        if base.training.warmup_steps >= steps {
            let warmup = steps / 10;
            changes.push(Change::new("--steps", "training.warmup_steps", &warmup)?);
        }
        Ok(changes)
    }
}

/// A file of one's own in place of the run's; what else is said of such files
/// stays.
fn trained_on(train: PathBuf, base: &DataSource) -> DataSource {
    match base {
        DataSource::Jsonl {
            train: _,
            validation,
            template,
        } => DataSource::Jsonl {
            validation: validation.clone(),
            template: fitting_template(&train, template.clone()),
            train,
        },
        DataSource::Mini(_) | DataSource::Official { .. } => lines_of(train),
    }
}

fn lines_of(train: PathBuf) -> DataSource {
    DataSource::Jsonl {
        template: fitting_template(&train, Template::default()),
        train,
        validation: None,
    }
}

/// What `--data` names.
fn named(name: &str) -> Result<DataSource> {
    let refuse = |reason: String| Err(Error::spec("--data", reason));
    let path = Path::new(name);
    let mini = Benchmark::ALL.into_iter().find(|it| it.mini_name() == name);
    if let (Some(benchmark), false) = (mini, path.exists()) {
        return Ok(DataSource::Mini(benchmark));
    }
    let benchmark = Benchmark::ALL.into_iter().find(|it| it.name() == name);
    match (benchmark, path.exists()) {
        (Some(benchmark), false) => return Ok(DataSource::Mini(benchmark)),
        (Some(benchmark), true) => {
            return refuse(tr!(
                "{name} is here too; write ./{name} for it, or {} for the set that ships with \
                 the program",
                benchmark.mini_name(),
                name
            ));
        }
        (None, _) => {}
    }
    // `gsm8k:C:\data` too.
    if let Some((of, folder)) = name.split_once(':')
        && let Some(benchmark) = Benchmark::ALL.into_iter().find(|it| it.name() == of)
    {
        return Ok(DataSource::Official {
            benchmark,
            folder: folder.into(),
        });
    }
    let is_texts = || recognise(path).is_ok_and(|it| it.layout == Some(Layout::Folder));
    if path.is_dir() && !is_texts() {
        return official(path);
    }
    if path.exists() {
        return Ok(lines_of(path.to_path_buf()));
    }
    let names = Benchmark::ALL.map(Benchmark::name).join(", ");
    refuse(tr!(
        "there is no file or folder {}; for a mini set name one of {names}",
        shown(path),
        names
    ))
}

/// The benchmark whose files are in a folder.
fn official(folder: &Path) -> Result<DataSource> {
    let splits = [Split::Train, Split::Test, Split::Validation];
    let is_in = |benchmark: &Benchmark| {
        let is_read = |split| load(*benchmark, folder, split).is_ok();
        splits.into_iter().any(is_read)
    };
    let found: Vec<Benchmark> = Benchmark::ALL.into_iter().filter(is_in).collect();
    match found.as_slice() {
        [benchmark] => Ok(DataSource::Official {
            benchmark: *benchmark,
            folder: folder.to_path_buf(),
        }),
        several => {
            let what = match several {
                [] => tr!("no files of a benchmark that can be read"),
                _ => tr!("files of several benchmarks"),
            };
            let reason = tr!(
                "{} has {what}; say which, as in --data gsm8k:{}",
                shown(folder),
                shown(folder),
                what
            );
            Err(Error::spec("--data", reason))
        }
    }
}

#[cfg(test)]
mod tests;
