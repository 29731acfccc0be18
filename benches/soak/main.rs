//! Short runs one after the other in one process, whose memory and handles have
//! to stay as they are: `cargo bench --bench soak -- --runs 1000 --secs 7200`.
//! `--device gpu` soaks a GPU. A few runs where nobody asks for more.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::{Duration, Instant};

use clap::Parser;
use gosling::data::Benchmark;
use gosling::kernels::device::DeviceChoice;
use gosling::protocol::command::Command;
use gosling::protocol::event::{Event, JobEvent, RunEvent, RunOutcome};
use gosling::protocol::run_spec::{DataSource, RunSpec};
use gosling::worker::Worker;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Runs between two lines.
const EVERY: usize = 50;

#[derive(Parser)]
struct Arguments {
    /// At most so many runs.
    #[arg(long, default_value_t = 4)]
    runs: usize,
    /// And at most so many seconds.
    #[arg(long, default_value_t = 7200)]
    secs: u64,
    /// cpu, gpu or gpu:N.
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    gosling::allocator::keep_freed_memory();
    let arguments = Arguments::parse();
    let (start, limit) = (Instant::now(), Duration::from_secs(arguments.secs));
    let worker = Worker::spawn(|| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    println!("runs  seconds  memory MB  files open  threads");
    let mut n_done = 0;
    let mut last = 0;
    while n_done < arguments.runs && start.elapsed() < limit {
        let spec = spec(arguments.device, n_done);
        let runs = folder.path().to_path_buf();
        let spec = Box::new(spec);
        worker
            .commands
            .send(Command::StartRun {
                spec,
                runs,
                accept_changes: false,
            })
            .unwrap();
        follow(&worker, n_done);
        std::fs::remove_dir_all(folder.path().join(format!("soak-{:04}", 1))).unwrap();
        n_done += 1;
        // The first few fill what is kept between runs.
        if n_done == 5 || n_done.is_multiple_of(EVERY) || n_done == arguments.runs {
            print_use(n_done, start);
            last = n_done;
        }
    }
    if last != n_done {
        print_use(n_done, start);
    }
}

/// Three steps of two short examples, with every file that a run writes.
fn spec(device: DeviceChoice, n: usize) -> RunSpec {
    let mut spec = RunSpec {
        name: "soak".into(),
        device,
        ..RunSpec::default()
    };
    spec.data.source = DataSource::Mini(Benchmark::ALL[n % 4]);
    spec.training.steps = 3;
    spec.training.batch = 2;
    spec.training.warmup_steps = 1;
    spec.training.validate_every = 2;
    spec.training.validation_limit = Some(2);
    spec.evaluation.before = false;
    spec.evaluation.after = n.is_multiple_of(5);
    spec.evaluation.few_shot = 0;
    spec.evaluation.limit = Some(4);
    spec.intervals.checkpoint = 1;
    spec.intervals.snapshot = 2;
    spec
}

/// Takes the run's events to its end; each tenth run is stopped on its way.
fn follow(worker: &gosling::worker::WorkerHandle, n: usize) {
    loop {
        match worker.events.recv().unwrap() {
            Event::Run(run, RunEvent::Started { .. }) if n % 10 == 9 => {
                worker.commands.send(Command::Stop(run)).unwrap();
            }
            Event::Run(_, RunEvent::Ended(outcome)) => {
                let is_stopped = matches!(outcome, RunOutcome::Stopped { .. });
                assert!(
                    is_stopped || outcome == RunOutcome::Finished,
                    "run {n}: {outcome:?}"
                );
                // What a window would take.
                worker.snapshots.take();
                return;
            }
            Event::Run(_, RunEvent::Failed { message, .. })
            | Event::Job(JobEvent::Failed { message, .. }) => panic!("run {n}: {message}"),
            _ => {}
        }
    }
}

fn print_use(n_done: usize, start: Instant) {
    let pid = Pid::from_u32(std::process::id());
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory().with_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    let Some(process) = system.process(pid) else {
        return;
    };
    let or_unknown = |n: Option<usize>| n.map_or("unknown".into(), |n| n.to_string());
    println!(
        "{n_done:>4}  {:>7.0}  {:>9.1}  {:>10}  {:>7}",
        start.elapsed().as_secs_f64(),
        process.memory() as f64 / 1e6,
        or_unknown(process.open_files()),
        or_unknown(process.tasks().map(std::collections::HashSet::len)),
    );
}
