//! What the form keeps beside the configuration: what it was before, its defaults,
//! and what is known of its model, data and device.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use super::defaults::Defaults;
use super::forecast::DraftForecast;
use super::history::DraftHistory;
use super::kernel_preview::Distances;
use super::origin::DraftOrigin;
use crate::error::Result;
use crate::kernels::device::{AdapterSummary, DeviceChoice, Room, list_adapters, room_of};
use crate::persist::spec_file::{read_spec, set_field};
use crate::protocol::command::Command;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::time_ahead::Measured;
use crate::tuning::spec::Method;
use crate::ui::shared::background::{Background, Threads};
use crate::ui::shared::workspace::Workspace;
use crate::worker::memory::forecast::MemoryForecast;

/// Runs that times are learned from, the newest ones.
const MAX_LEARNED: usize = 100;
/// Steps of a run after which it is learned from again.
const LEARN_EVERY: usize = 10;

/// What came of work beside the window.
enum Answer {
    Adapters(Vec<AdapterSummary>),
    Spec(Result<Box<RunSpec>>),
    Forecast(Box<RunSpec>, Result<Box<MemoryForecast>>),
    Memory(DeviceChoice, Room),
}

/// The configuration form.
pub struct Config {
    /// What the draft was before.
    pub(crate) history: DraftHistory,
    /// The run that the draft is a changed copy of.
    pub(crate) origin: Option<DraftOrigin>,
    /// What the fields of the draft are by default.
    pub(crate) defaults: Defaults,
    pub(crate) forecast: DraftForecast,
    /// What runs of before took.
    pub(crate) measured: Measured,
    /// Tells what they took from what they take later.
    measured_of: u64,
    /// The GPUs of this machine, once they are known.
    pub(crate) adapters: Option<Vec<AdapterSummary>>,
    /// Whether distances are being measured.
    pub(crate) measures: bool,
    /// The field that the form goes to when it is drawn next, by its dotted path.
    pub(crate) goes_to: Option<String>,
    background: Background<Answer>,
}

impl Config {
    /// Of a configuration with nothing before it.
    pub(crate) fn new(draft: &RunSpec, threads: &Threads) -> Self {
        Self {
            history: DraftHistory::new(draft.clone()),
            origin: None,
            defaults: Defaults::default(),
            forecast: DraftForecast::default(),
            measured: Measured::default(),
            measured_of: 0,
            adapters: None,
            measures: false,
            goes_to: None,
            background: Background::new(threads),
        }
    }

    /// Looks for GPUs, which starts their drivers.
    pub(crate) fn list_adapters(&self) {
        self.background
            .start(|| Some(Answer::Adapters(list_adapters())));
    }

    /// Reads a specification, which becomes the configuration.
    pub(crate) fn read_spec(&self, path: PathBuf) {
        self.background
            .start(move || Some(Answer::Spec(read_spec(path).map(Box::new))));
    }

    /// Has read what the form will want.
    pub(crate) fn look_ahead(&mut self, workspace: &Workspace) {
        let draft = &workspace.draft;
        self.defaults.look_at(draft);
        self.measure(&workspace.store);
        if let Some(spec) = self.forecast.wants(draft) {
            self.background.start(move || {
                let seen = MemoryForecast::read(&spec).map(Box::new);
                Some(Answer::Forecast(Box::new(spec), seen))
            });
        }
        // A window without a worker knows no machine.
        if workspace.worker.is_some()
            && let Some(device) = self.forecast.wants_memory_of(draft)
        {
            self.background
                .start(move || Some(Answer::Memory(device, room_of(device))));
        }
    }

    /// Learns what steps and scoring take, when there is something new.
    fn measure(&mut self, store: &RunStore) {
        let mut hasher = DefaultHasher::new();
        for run in store.runs() {
            // Steps of a run that is on tell little that is new.
            (run.step / LEARN_EVERY, run.evaluations.len()).hash(&mut hasher);
        }
        let of = hasher.finish();
        if self.measured_of != of {
            self.measured_of = of;
            let newest = store.runs().len().saturating_sub(MAX_LEARNED);
            self.measured = Measured::of(store.runs()[newest..].iter());
        }
    }

    /// Takes in what was read; whether the configuration is that of a file now.
    pub(crate) fn take_answers(&mut self, workspace: &mut Workspace) -> bool {
        let mut is_replaced = false;
        for answer in self.background.answers() {
            match answer {
                Answer::Adapters(adapters) => self.adapters = Some(adapters),
                Answer::Spec(Ok(spec)) => {
                    workspace.draft = *spec;
                    self.origin = None;
                    is_replaced = true;
                }
                Answer::Spec(Err(error)) => workspace.complain(&error),
                Answer::Forecast(spec, seen) => self.forecast.take(*spec, seen),
                Answer::Memory(device, room) => self.forecast.take_memory(device, room),
            }
        }
        is_replaced
    }

    /// Makes the configuration what it was before its last change; whether there
    /// was one.
    pub(crate) fn undo(&mut self, draft: &mut RunSpec) -> bool {
        let is_undone = replace(draft, self.history.undo());
        self.origin.take_if(|origin| origin.is_undone(draft));
        is_undone
    }

    /// Makes that change again; whether there is one.
    pub(crate) fn redo(&mut self, draft: &mut RunSpec) -> bool {
        replace(draft, self.history.redo())
    }

    /// Puts a field back as it is by default, by its dotted path.
    pub(crate) fn reset_field(&self, path: &str, workspace: &mut Workspace) {
        let Some(value) = self.defaults.value(path) else {
            return;
        };
        let assignment = format!("{path}={value}");
        if let Err(error) = set_field(&mut workspace.draft, &assignment) {
            workspace.complain(&error);
        }
    }

    /// Has the worker measure what the kernels of the configuration would see.
    pub(crate) fn measure_distances(&mut self, workspace: &mut Workspace) {
        let spec = Box::new(workspace.draft.clone());
        self.measures = true;
        workspace.send_other(Command::MeasureDistances(spec));
    }

    /// What is known of the distances of the draft's kernels.
    pub(crate) fn distances<'a>(&self, store: &'a RunStore, draft: &RunSpec) -> Distances<'a> {
        let is_same = |of: &RunSpec| {
            let (Method::Lifted(known), Method::Lifted(wanted)) = (&of.method, &draft.method)
            else {
                return false;
            };
            let (a, b) = (&known.features, &wanted.features);
            a.upscaled_size == b.upscaled_size
                && a.support_vectors == b.support_vectors
                && known.layers == wanted.layers
                && of.model == draft.model
                && of.data == draft.data
        };
        match &store.distances {
            Some((of, known)) if is_same(of) => Distances::Known(known),
            Some(_) | None if self.measures => Distances::Measuring,
            Some(_) | None => Distances::Unknown,
        }
    }
}

fn replace(draft: &mut RunSpec, other: Option<RunSpec>) -> bool {
    let is_there = other.is_some();
    if let Some(other) = other {
        *draft = other;
    }
    is_there
}
