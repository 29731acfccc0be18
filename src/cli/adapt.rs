//! `gosling adapt`: the state moves while a benchmark is answered, without its
//! answers, and is compared with what the same tokens buy without that.

mod load;
mod many;
mod over;
mod table;
mod tell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::follow::{INTERRUPTED, interrupts};
use crate::adapt::ask::{GuideQuestions, GuideSource};
use crate::adapt::engine::Engine;
use crate::adapt::folder::{Folder, fingerprint};
use crate::adapt::guide::{Guide, LocalGuide};
use crate::adapt::job::{Job, News};
use crate::adapt::spec::{AdaptSpec, Base, GuideSpec, Mode, PRESETS, preset};
use crate::adapt::states::States;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::DeviceChoice;
use crate::persist::spec_file::{parse_ron, print_ron, read_text, set_field};
use crate::protocol::run_spec::{CheckpointSource, ModelSpec};
use crate::report::TableFormat;
use crate::tuning::states::state_file::Metadata;
use load::{KeptModels, Loaded, Task, load_model};
use over::{CHOSEN, choose, over};
use tell::AdaptProgress;

/// What to adapt, to what, and how.
#[derive(Args)]
pub struct AdaptArguments {
    /// A specification, a RON file; without one, a preset.
    spec: Option<PathBuf>,
    /// An adaptation that ships with the program; --list names them.
    #[arg(long, conflicts_with = "spec", default_value = "mmlu-information")]
    preset: String,
    /// List the adaptations that ship with the program and exit.
    #[arg(long)]
    list: bool,
    /// Change one field, as in update.steps=20 or objective=Majority; can be repeated.
    /// --print-spec shows all fields.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// An official x070 checkpoint; default: the mini model.
    #[arg(long)]
    model: Option<PathBuf>,
    /// The state to start from instead of zero: a state file or a run's folder.
    #[arg(long, value_name = "STATE")]
    base: Option<PathBuf>,
    /// auto, cpu, gpu, or gpu:N as `gosling devices` lists them.
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// The folder for all results. The same command continues what is in it. Default: a
    /// folder in adaptations, named after the name and the specification.
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Run every adaptation of a file, one after the other in one process, and print a line
    /// of JSON for each. Each line is an object:
    /// {"preset": "NAME", "set": ["PATH=VALUE"], "out": "FOLDER"}; - reads them from standard
    /// input as they come.
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["spec", "out", "print_spec"])]
    many: Option<PathBuf>,
    /// Run every combination of the values, as in update.learning_rate=0.05,0.1; can be
    /// repeated.
    #[arg(long, value_name = "PATH=VALUE,VALUE", conflicts_with = "many")]
    over: Vec<String>,
    /// Try the combinations of --over on the validation split, and score only the best of
    /// them on the split of the specification, with its baselines.
    #[arg(long, requires = "over")]
    choose: bool,
    /// Output format: text, markdown, latex, csv or json. The folder has every one.
    #[arg(long, default_value = "text")]
    format: TableFormat,
    /// Print the specification and exit.
    #[arg(long)]
    print_spec: bool,
    /// Print only the result.
    #[arg(long)]
    quiet: bool,
    /// Stop and save when the standard input ends; the window uses this.
    #[arg(long, hide = true)]
    ends_with_input: bool,
}

/// Adapts, compares, and prints the table.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &AdaptArguments) -> Result<ExitCode> {
    if arguments.list {
        for (name, text) in PRESETS {
            let about = text.lines().next().unwrap_or_default();
            println!("{name:<23} {}", about.trim_start_matches("// "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &arguments.many {
        return many::many(arguments, path);
    }
    let spec = arguments.spec()?;
    if arguments.print_spec {
        println!("{}", print_ron(&spec)?);
        return Ok(ExitCode::SUCCESS);
    }
    spec.check()?;
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None => {
            let hash = fingerprint(&spec)?;
            Path::new("adaptations").join(format!("{}-{}", spec.name, &hash[..8]))
        }
    };
    let interrupts = interrupts()?;
    let is_one_of_many = !arguments.over.is_empty();
    let mut teller = AdaptProgress::new(arguments.quiet, is_one_of_many, interrupts);
    teller.print_as(arguments.format);
    if arguments.ends_with_input {
        teller.end_with_input();
    }
    let done = match is_one_of_many {
        false => {
            let folder = Folder::open(&path, &spec)?;
            adapt(&spec, &folder, &mut teller, &mut KeptModels::default())
        }
        true => sweep(&spec, arguments, &path, &mut teller),
    };
    match done {
        Ok(()) => {
            let line = tr!("{}  all results", shown(&path));
            match arguments.format {
                TableFormat::Text => println!("{line}"),
                // What a program reads has nothing behind it.
                _ => eprintln!("{line}"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(Error::Stopped) => {
            teller.clear();
            eprintln!(
                "{}",
                tr!(
                    "gosling: stopped; the same command with --out {} continues from here",
                    super::quoted(&path)
                )
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
        Err(error) => {
            teller.clear();
            Err(error)
        }
    }
}

/// Every combination of `--over`, their table, and with `--choose` that of the best.
fn sweep(
    spec: &AdaptSpec,
    arguments: &AdaptArguments,
    path: &Path,
    teller: &mut AdaptProgress,
) -> Result<()> {
    let all = &arguments.over;
    let mut kept = KeptModels::default();
    let mut one = |spec: &AdaptSpec, folder: &Folder, teller: &mut AdaptProgress| {
        adapt(spec, folder, teller, &mut kept)
    };
    let table = match arguments.choose {
        false => over(spec, all, path, teller, &mut one)?,
        true => choose(spec, all, path, teller, &mut one)?,
    };
    table::write_lines(&table, &path.join("over.jsonl"))?;
    table::write_all(&table, path, "over")?;
    if !arguments.choose || arguments.format == TableFormat::Text {
        print!("{}", table.render(arguments.format));
    }
    if arguments.choose {
        let name = format!("results.{}", arguments.format.extension());
        let file = path.join(CHOSEN).join(name);
        let text = std::fs::read_to_string(&file);
        print!(
            "{}",
            text.map_err(|source| Error::io("read", &file, source))?
        );
    }
    Ok(())
}

impl AdaptArguments {
    fn spec(&self) -> Result<AdaptSpec> {
        let mut spec = match &self.spec {
            Some(path) => parse_ron(&read_text(path)?, path)?,
            None => preset(&self.preset)?,
        };
        if let Some(model) = &self.model {
            spec.model.checkpoint = CheckpointSource::File(model.clone());
        }
        if let Some(base) = &self.base {
            spec.base = Base::File(base.clone());
        }
        if let Some(device) = self.device {
            spec.device = device;
        }
        for assignment in &self.set {
            set_field(&mut spec, assignment)?;
        }
        Ok(spec)
    }
}

/// Adapts, with models that the adaptation before may have left on the device. After an
/// error none is left: the device may be in any state.
fn adapt(
    spec: &AdaptSpec,
    folder: &Folder,
    teller: &mut AdaptProgress,
    kept: &mut KeptModels,
) -> Result<()> {
    let done = adapt_with(spec, folder, teller, kept);
    if done.is_err() {
        kept.let_go();
    }
    done
}

fn adapt_with(
    spec: &AdaptSpec,
    folder: &Folder,
    teller: &mut AdaptProgress,
    kept: &mut KeptModels,
) -> Result<()> {
    let state = match &spec.base {
        Base::Zero => None,
        Base::File(path) => Some(path.as_path()),
    };
    let loaded = load_model(&spec.model, spec.device, state, None, kept)?;
    teller.say(&format!("{}, {}", loaded.file, loaded.device.description));
    let task = Task::load(&spec.task, &loaded.tokenizer, spec.baselines.examples)?;
    let exam = task.exam(&loaded.tokenizer);
    let prompts = task.prompts(&loaded.tokenizer, loaded.text_start);
    let engine = Engine::new(&loaded.model, &loaded.device.device);
    let scored = exam.questions();
    let pool = task.pool();
    let questions = match spec.mode {
        Mode::Pool => &pool,
        Mode::Item | Mode::Shared => &scored,
    };
    let other = local_model(spec, &loaded, kept)?;
    let asking = GuideQuestions {
        prompts: &prompts,
        questions,
        limit: spec.stops.guide_calls,
        solved: &task.solved,
        seed: spec.seed,
        needs_texts: spec.objective.needs_texts(),
        needs_shares: spec.objective.needs_shares(spec.task.benchmark),
    };
    let items = match spec.mode {
        Mode::Pool => &task.pool,
        Mode::Item | Mode::Shared => exam.labelled(),
    };
    let source = match &spec.guide {
        None => None,
        Some(GuideSpec::Local {
            checkpoint,
            examples,
            ..
        }) => {
            let of = other.as_ref().unwrap_or(&loaded);
            // The same weights with the same state would be read twice for nothing.
            let local = LocalGuide {
                engine: Engine::new(&of.model, &loaded.device.device),
                states: States::new(&of.model, &loaded.device.device, &of.base, 1)?,
                text_start: of.text_start,
                solved: task.solved.clone(),
                examples: *examples,
                name: match checkpoint {
                    // Goes into the files of the adaptation.
                    CheckpointSource::Mini => "the mini model".into(),
                    CheckpointSource::File(path) => shown(path).to_string(),
                },
            };
            Some(GuideSource::Local(Box::new(local)))
        }
        Some(GuideSpec::Http(http)) => Some(GuideSource::Http(http)),
        Some(GuideSpec::Recorded { path }) => Some(GuideSource::Recorded(path)),
        Some(GuideSpec::Simulated { right }) => Some(GuideSource::Simulated {
            right: *right,
            items,
        }),
    };
    let guide: Option<Guide<'_>> = match source {
        None => None,
        Some(source) => {
            let heard = std::cell::RefCell::new(&mut *teller);
            let mut say = |line: &str| {
                heard.borrow_mut().say(line);
                Ok(())
            };
            let mut alive = || heard.borrow_mut().tell(News::Alive);
            Some(asking.guide(source, folder, &mut say, &mut alive)?)
        }
    };
    let job = Job {
        spec,
        engine,
        prompts: &prompts,
        base: &loaded.base,
        exam: &exam,
        pool: pool.clone(),
        solved: &task.solved,
        few_shot: task.few_shot.clone(),
        guide,
        is_simulated: matches!(spec.guide, Some(GuideSpec::Simulated { .. })),
        metadata: Metadata {
            method: Some(format!("adapted, {}", spec.objective.name())),
            template: Some(task.protocol.prompt_format(spec.task.benchmark)),
            ..loaded.metadata()
        },
    };
    let summary = job.run(folder, &mut |news| teller.tell(news))?;
    teller.clear();
    let table = table::table(spec, &summary);
    teller.table(&table);
    table::write_all(&table, folder.path(), "results")
}

/// The model of a local guide, where it is not the one that is adapted.
fn local_model(spec: &AdaptSpec, loaded: &Loaded, kept: &mut KeptModels) -> Result<Option<Loaded>> {
    let Some(GuideSpec::Local {
        checkpoint, state, ..
    }) = &spec.guide
    else {
        return Ok(None);
    };
    let model = ModelSpec {
        checkpoint: checkpoint.clone(),
        ..spec.model.clone()
    };
    let (device, state) = (Some(&loaded.device), state.as_deref());
    let other = load_model(&model, spec.device, state, device, kept)?;
    if other.tokenizer.fingerprint() != loaded.tokenizer.fingerprint() {
        let reason = tr!(
            "has a different vocabulary than the adapted model; serve the guide with its own program and use Http"
        );
        return Err(Error::spec("guide.checkpoint", reason));
    }
    Ok(Some(other))
}
