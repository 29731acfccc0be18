//! A client of the worker, and what is asked of its events.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use gosling::data::Benchmark;
use gosling::kernels::device::{DeviceChoice, list_adapters};
use gosling::protocol::command::{Command, ResumeChanges};
use gosling::protocol::event::{
    EvaluationPhase, Event, FailureKind, JobEvent, RunEvent, RunId, RunOutcome,
};
use gosling::protocol::run_spec::{DataSource, RunSpec};
use gosling::runs::RunStore;
use gosling::runs::run::Run;
use gosling::tuning::states::state_file::{TunedState, read_state};
use gosling::worker::{Worker, WorkerHandle};

/// Longer than any of these runs takes; a worker that hangs is found out.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Held by tests that use the GPU, which one of them takes away.
static GPU: Mutex<()> = Mutex::new(());

/// The GPU for this test alone, be it a software one.
pub fn gpu() -> MutexGuard<'static, ()> {
    assert!(
        !list_adapters().is_empty(),
        "no GPU, nor a software one; install a Vulkan driver"
    );
    GPU.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Four steps of two short examples, eight items measured.
pub fn tiny() -> RunSpec {
    let mut spec = RunSpec {
        name: "tiny".into(),
        device: DeviceChoice::Cpu,
        ..RunSpec::default()
    };
    spec.data.source = DataSource::Mini(Benchmark::Arc);
    spec.training.steps = 4;
    spec.training.batch = 2;
    spec.training.warmup_steps = 1;
    spec.training.validate_every = 2;
    spec.training.validation_limit = Some(3);
    spec.evaluation.limit = Some(8);
    spec.evaluation.few_shot = 0;
    spec.intervals.checkpoint = 1;
    spec
}

/// A client that remembers every event. The worker waits in its wake-up until
/// the client has looked, so that what a test does at an event happens there.
pub struct Client {
    /// Before the worker, which waits for it while it is there.
    pub looked: Sender<()>,
    owes_look: bool,
    pub worker: WorkerHandle,
    pub store: RunStore,
    pub events: Vec<Event>,
    pub runs: tempfile::TempDir,
}

impl Client {
    pub fn new() -> Self {
        Self::waking(|| ())
    }

    pub fn waking(wake: impl Fn() + Send + 'static) -> Self {
        let (looked, looks) = bounded(1);
        let wake = move || {
            wake();
            let _ = looks.recv();
        };
        Self {
            looked,
            owes_look: false,
            worker: Worker::spawn(wake).unwrap(),
            store: RunStore::default(),
            events: Vec::new(),
            runs: tempfile::tempdir().unwrap(),
        }
    }

    pub fn send(&self, command: Command) {
        self.worker.commands.send(command).unwrap();
    }

    pub fn start(&self, spec: &RunSpec) {
        self.send(Command::StartRun {
            spec: Box::new(spec.clone()),
            runs: self.runs.path().join("runs"),
            accept_changes: false,
        });
    }

    pub fn resume(&mut self, folder: &Path) {
        self.resume_with(folder, ResumeChanges::default());
    }

    pub fn resume_with(&mut self, folder: &Path, changes: ResumeChanges) {
        self.events.clear();
        let folder = folder.to_path_buf();
        self.send(Command::ResumeRun { folder, changes });
    }

    /// Lets the worker continue from the last event.
    pub fn look(&mut self) {
        if std::mem::take(&mut self.owes_look) {
            self.looked.send(()).unwrap();
        }
    }

    /// Takes events until one is as wanted.
    pub fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            self.look();
            let event = self.worker.events.recv_timeout(PATIENCE).unwrap();
            self.owes_look = true;
            self.store.apply(event.clone());
            self.events.push(event.clone());
            if wanted(&event) {
                return event;
            }
            assert!(!is_failure(&event), "failed while waiting, {event:?}");
        }
    }

    pub fn until_started(&mut self) -> RunId {
        match self.until(|event| matches!(event, Event::Run(_, RunEvent::Started { .. }))) {
            Event::Run(run, RunEvent::Started { .. }) => run,
            other => panic!("{other:?}"),
        }
    }

    pub fn until_ended(&mut self) -> (RunOutcome, Run) {
        match self.until(|event| matches!(event, Event::Run(_, RunEvent::Ended(_)))) {
            Event::Run(run, RunEvent::Ended(outcome)) => {
                (outcome, self.store.get(&run).unwrap().clone())
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn until_failed(&mut self) -> (Option<RunId>, FailureKind, String) {
        match self.until(is_failure) {
            Event::Run(
                run,
                RunEvent::Failed {
                    kind,
                    during,
                    message,
                },
            ) => (Some(run), kind, format!("{during}: {message}")),
            Event::Job(JobEvent::Failed {
                name,
                kind,
                during,
                message,
            }) => (name, kind, format!("{during}: {message}")),
            other => panic!("{other:?}"),
        }
    }

    /// Starts a run, stops it at the first event that is as wanted, and gives
    /// what became of it.
    pub fn stop_at(
        &mut self,
        spec: &RunSpec,
        wanted: impl Fn(&Event) -> bool,
    ) -> (RunOutcome, Run) {
        self.start(spec);
        let run = self.until_started();
        self.until(wanted);
        self.send(Command::Stop(run));
        self.until_ended()
    }

    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    pub fn run_folders(&self) -> usize {
        fs::read_dir(self.runs.path().join("runs")).map_or(0, Iterator::count)
    }
}

pub fn is_failure(event: &Event) -> bool {
    matches!(
        event,
        Event::Run(_, RunEvent::Failed { .. }) | Event::Job(JobEvent::Failed { .. })
    )
}

pub fn is_step(event: &Event, wanted: usize) -> bool {
    matches!(event, Event::Run(_, RunEvent::Step(metrics)) if metrics.step == wanted)
}

pub fn is_scoring(event: &Event, wanted: EvaluationPhase) -> bool {
    matches!(event, Event::Run(_, RunEvent::EvaluationProgress { phase, .. }) if *phase == wanted)
}

/// The bits of everything that a run's steps and validations measured.
pub fn bits(run: &Run) -> Vec<(usize, u64)> {
    let series = &run.series;
    let all = [
        &series.loss,
        &series.grad_norm,
        &series.state_norm,
        &series.learning_rate,
        &series.tokens,
        &series.validation_loss,
    ];
    let points = all.into_iter().flat_map(|series| series.points());
    points
        .map(|(step, value)| (*step, value.to_bits()))
        .collect()
}

pub fn state_of(run: &Run) -> TunedState {
    read_state(run.folder.join("state.safetensors"), None)
        .unwrap()
        .0
}
