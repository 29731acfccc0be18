//! `gosling sweep`: many runs from one specification to their tables.

mod forecast;
mod task;
mod tell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use crossbeam_channel::{Receiver, Sender, select, unbounded};

use super::follow::{INTERRUPTED, interrupts};
use super::plain_options::{Change, MemoryOptions, SourceOptions, StepOptions};
use super::progress::Progress;
use super::tune::print;
use super::{quoted, this_program};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::kernels::device::DeviceChoice;
use crate::report::TableFormat;
use crate::sweep::plan::SweepPlan;
use crate::sweep::queue::Queue;
use crate::sweep::results::SweepResults;
use crate::sweep::scheduler::{
    MAX_JOBS, Options, STOP_PATIENCE, SweepCommand, SweepEnd, SweepEvent, run_sweep,
};
use crate::sweep::spec::SweepSpec;
use crate::sweep::store::SweepFolder;
use crate::sweep::sweep_file::{print_sweep, read_sweep};
use forecast::forecast;
use task::do_task;
use tell::SweepProgress;

/// Which sweep, and what to do with it.
#[derive(Args)]
pub struct SweepArguments {
    /// A sweep: a RON file; four-runs or gsm8k-mini, which ship with the program; or
    /// the folder of a sweep that has started.
    sweep: PathBuf,
    /// Print the number of runs, their memory and time, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not time steps first if no earlier run shows how long they take.
    #[arg(long)]
    untimed: bool,
    /// Resume a sweep that has started.
    #[arg(long)]
    resume: bool,
    /// With --resume: retry failed runs.
    #[arg(long, requires = "resume")]
    retry: bool,
    /// Number of parallel runs, each in its own process, which is kept for the runs that
    /// follow. On one GPU they take turns, and 1 is best.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=MAX_JOBS as i64))]
    jobs: u16,
    /// The folder that holds the runs' folders.
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    #[command(flatten)]
    sources: SourceOptions,
    #[command(flatten)]
    steps: StepOptions,
    #[command(flatten)]
    memory: MemoryOptions,
    /// Set one field of every run, such as training.schedule.last=0.1; applied after
    /// all other options; can be repeated. Text can be put in single quotes.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Device of every run: auto, cpu, gpu or gpu:N.
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Give the sweep another name.
    #[arg(long)]
    name: Option<String>,
    /// Write the runs as cluster jobs instead of running them: slurm or jobs.
    #[arg(long, value_name = "KIND", conflicts_with_all = ["dry_run", "resume"])]
    emit: Option<EmitKind>,
    /// File for --emit; default: standard output.
    #[arg(long, requires = "emit")]
    output: Option<PathBuf>,
    /// Write the tables of the finished runs and exit.
    #[arg(long, conflicts_with_all = ["dry_run", "resume", "emit"])]
    gather: bool,
    /// Run one task of the sweep, as cluster jobs do.
    #[arg(long, conflicts_with_all = ["dry_run", "resume", "emit", "gather"])]
    task: Option<usize>,
    /// Skip the run with this number; can be repeated.
    #[arg(long, value_name = "N", requires = "resume")]
    skip: Vec<usize>,
    /// Print the sweep and exit.
    #[arg(long)]
    print_spec: bool,
    /// Print only the result.
    #[arg(long)]
    quiet: bool,
}

/// What jobs are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum EmitKind {
    /// An array job of SLURM.
    #[value(help = tr!("An array job of SLURM"))]
    Slurm,
    /// Plain command lines.
    #[value(help = tr!("Plain command lines"))]
    Jobs,
}

/// Does the sweep and prints what came of it.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &SweepArguments) -> Result<ExitCode> {
    arguments.memory.apply();
    if arguments.task.is_some() || arguments.gather || arguments.resume {
        arguments.check_unchanged()?;
    }
    if let Some(task) = arguments.task {
        let folder = SweepFolder::read(&arguments.sweep)?;
        return do_task(&folder, task, arguments.quiet);
    }
    if arguments.gather {
        let folder = arguments.known()?;
        let queue = Queue::read(&folder)?;
        return conclude(&folder, &queue);
    }
    if arguments.print_spec {
        print(&print_sweep(&arguments.spec()?)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(kind) = arguments.emit {
        return arguments.emit(kind);
    }
    let mut progress = Progress::new(arguments.quiet);
    if arguments.dry_run {
        let plan = arguments.spec()?.plan()?;
        print(&arguments.forecast(&plan)?);
        return Ok(ExitCode::SUCCESS);
    }
    let folder = match arguments.resume {
        true => arguments.open()?,
        false => {
            let plan = arguments.spec()?.plan()?;
            progress.say(arguments.forecast(&plan)?.trim_end());
            SweepFolder::create(&arguments.runs, plan)?
        }
    };
    follow(&folder, arguments, &mut progress)
}

impl SweepArguments {
    fn n_jobs(&self) -> usize {
        usize::from(self.jobs)
    }

    fn forecast(&self, plan: &SweepPlan) -> Result<String> {
        forecast(plan, &self.runs, self.n_jobs(), !self.untimed)
    }

    /// The sweep as it is asked for.
    fn spec(&self) -> Result<SweepSpec> {
        let mut sweep = match self.is_folder() {
            true => SweepFolder::read(&self.sweep)?.plan.sweep,
            false => read_sweep(&self.sweep)?,
        };
        if let Some(name) = &self.name {
            sweep.name.clone_from(name);
        }
        let device = self.device.map(|device| match device {
            DeviceChoice::Auto => "device=Auto".to_owned(),
            DeviceChoice::Cpu => "device=Cpu".to_owned(),
            DeviceChoice::Gpu => "device=Gpu".to_owned(),
            DeviceChoice::GpuIndex(index) => format!("device=GpuIndex({index})"),
        });
        let changes = self.changes(&sweep)?;
        let changes: Vec<String> = changes.iter().map(Change::assignment).collect();
        // After the changes of the parts, so that these win.
        for part in &mut sweep.parts {
            let all = device.iter().chain(&changes).chain(&self.set);
            part.set.extend(all.cloned());
        }
        Ok(sweep)
    }

    /// What the plain options change in every run.
    fn changes(&self, sweep: &SweepSpec) -> Result<Vec<Change>> {
        let base = sweep.base_run()?;
        let mut changes = self.sources.changes(&base)?;
        changes.extend(self.steps.changes(&base)?);
        let searched = sweep.searched_fields();
        for Change { option, field, .. } in &changes {
            let is_same = |searched: &&String| {
                let below = searched.strip_prefix(field);
                below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if let Some(field) = searched.iter().find(is_same) {
                let reason = tr!(
                    "sets {field}, which the sweep itself changes; leave it out",
                    field
                );
                return Err(Error::spec(*option, reason));
            }
        }
        Ok(changes)
    }

    /// Refuses changes of runs that are there.
    fn check_unchanged(&self) -> Result<()> {
        let has_changes = !self.set.is_empty() || self.sources.is_some() || self.steps.is_some();
        if !self.is_folder() || !has_changes {
            return Ok(());
        }
        let reason = tr!(
            "a sweep that has started keeps its runs; leave out the options that change \
                      them, or start a new sweep"
        );
        Err(Error::input(&self.sweep, "options", reason))
    }

    fn is_folder(&self) -> bool {
        self.sweep.is_dir()
    }

    /// The folder of the sweep, to look at it.
    fn known(&self) -> Result<SweepFolder> {
        match self.is_folder() {
            true => SweepFolder::read(&self.sweep),
            false => SweepFolder::read(&SweepFolder::find(&self.runs, &self.spec()?.plan()?)?),
        }
    }

    /// The folder of the sweep, to continue with it.
    fn open(&self) -> Result<SweepFolder> {
        let path = match self.is_folder() {
            true => self.sweep.clone(),
            false => SweepFolder::find(&self.runs, &self.spec()?.plan()?)?,
        };
        let folder = SweepFolder::open(&path)?;
        if let Some(idx) = self.skip.iter().find(|idx| **idx >= folder.plan.runs.len()) {
            let last = folder.plan.runs.len() - 1;
            let reason = tr!("must be a run from 0 to {last}, is {idx}", last, idx);
            return Err(Error::spec("--skip", reason));
        }
        Ok(folder)
    }

    fn emit(&self, kind: EmitKind) -> Result<ExitCode> {
        let folder = match self.is_folder() {
            true => SweepFolder::read(&self.sweep)?,
            false => {
                let plan = self.spec()?.plan()?;
                match SweepFolder::find(&self.runs, &plan) {
                    Ok(path) => SweepFolder::read(&path)?,
                    Err(_) => SweepFolder::create(&self.runs, plan)?,
                }
            }
        };
        let program = this_program()?;
        let text = match kind {
            EmitKind::Slurm => {
                let n_jobs = (self.jobs > 1).then_some(self.n_jobs());
                folder.slurm_script(&program, n_jobs)?
            }
            EmitKind::Jobs => folder.job_lines(&program)?,
        };
        match &self.output {
            None => print(&text),
            Some(path) => {
                write_atomic(path, |writer| {
                    std::io::Write::write_all(writer, text.as_bytes())
                })?;
                eprintln!("{}", tr!("gosling: wrote {}", quoted(path)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs the sweep to its end, or until it is interrupted.
fn follow(
    folder: &SweepFolder,
    arguments: &SweepArguments,
    progress: &mut Progress,
) -> Result<ExitCode> {
    let (commands, taken) = unbounded();
    for idx in &arguments.skip {
        let _ = commands.send(SweepCommand::Skip(crate::sweep::task::Task::Run(*idx)));
    }
    let options = Options {
        program: this_program()?,
        n_jobs: arguments.n_jobs(),
        retry: arguments.retry,
        patience: STOP_PATIENCE,
    };
    let interrupts = interrupts()?;
    let (ended_to, ended) = unbounded();
    let mut teller = SweepProgress::new(&folder.plan, progress);
    let end = std::thread::scope(|scope| {
        let (events_to, events) = unbounded();
        scope.spawn(move || {
            let mut send = |event| {
                let _ = events_to.send(event);
            };
            let _ = ended_to.send(run_sweep(folder, &options, &taken, &mut send));
        });
        watch(&events, &ended, &interrupts, &commands, &mut teller)
    })?;
    progress.clear();
    let queue = Queue::read(folder)?;
    let code = conclude(folder, &queue)?;
    match end {
        SweepEnd::Complete => Ok(code),
        SweepEnd::Stopped => {
            eprintln!(
                "{}",
                tr!(
                    "gosling: stopped and saved; resume with gosling sweep {} --resume",
                    quoted(folder.path())
                )
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// Tells what happens until the sweep has ended.
fn watch(
    events: &Receiver<SweepEvent>,
    ended: &Receiver<Result<SweepEnd>>,
    interrupts: &Receiver<()>,
    commands: &Sender<SweepCommand>,
    teller: &mut SweepProgress<'_>,
) -> Result<SweepEnd> {
    loop {
        select! {
            recv(events) -> event => if let Ok(event) = event { teller.tell(event) },
            recv(ended) -> end => {
                for event in events.try_iter() {
                    teller.tell(event);
                }
                let gone = || Error::Device(tr!("the sweep exited without an error message").into());
                return end.unwrap_or_else(|_| Err(gone()));
            }
            recv(interrupts) -> _ => {
                teller.say(tr!("saving the active runs; press Ctrl-C again to quit at once"));
                let _ = commands.send(SweepCommand::Stop);
            }
            default(super::follow::TICK) => {}
        }
        teller.show();
    }
}

/// Writes the tables and prints the one that counts.
fn conclude(folder: &SweepFolder, queue: &Queue) -> Result<ExitCode> {
    let plan: &SweepPlan = &folder.plan;
    let results = SweepResults::new(folder, queue);
    results.write(plan, folder.path())?;
    let mut text = String::new();
    if results.rows.len() <= MAX_ROWS {
        text += &results.runs_table(false).render(TableFormat::Text);
        text.push('\n');
    }
    text += &results.best_table().render(TableFormat::Text);
    let importance = results.importance_table(plan);
    if !importance.rows.is_empty() {
        text.push('\n');
        text += &importance.render(TableFormat::Text);
    }
    text += &format!("\n{}\n", counts(queue, plan, folder.path()));
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// Runs that are still printed one by one.
const MAX_ROWS: usize = 60;

/// How many tasks came out how, and where the tables are.
fn counts(queue: &Queue, plan: &SweepPlan, path: &Path) -> String {
    tr!(
        "{}; tables as .csv, .json, .md and .tex in {}",
        queue.done_words(plan),
        quoted(path)
    )
}
