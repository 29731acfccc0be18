//! What the draft would have to do with, read once for every choice of model
//! and data.

use crate::error::{Error, Result};
use crate::kernels::device::{DeviceChoice, Room};
use crate::protocol::run_spec::{CheckpointSource, RunSpec, VocabularySource};
use crate::tuning::plan::memory::MemoryEstimate;
use crate::tuning::spec::TrainingSpec;
use crate::ui::widgets::field_row::Problem;
use crate::worker::memory::forecast::MemoryForecast;

/// The last answer, and whether another is under way.
#[derive(Default)]
pub(crate) struct DraftForecast {
    asked: Option<RunSpec>,
    answer: Option<(RunSpec, Result<Box<MemoryForecast>, Problem>)>,
    /// How often the files changed, when it was asked, and when the answer was.
    n_changes: [u64; 3],
    /// What the device that was asked about last holds, once it is known.
    device: Option<(DeviceChoice, Option<Room>)>,
}

impl DraftForecast {
    /// The specification to read, if the draft is of another model or other
    /// data than what is known. One is read at a time.
    pub fn wants(&mut self, draft: &RunSpec) -> Option<RunSpec> {
        let key = key(draft);
        let [now, asked, answered] = &mut self.n_changes;
        let is_known = matches!(&self.answer, Some((known, _)) if *known == key && now == answered);
        if is_known || self.asked.is_some() || draft.check().is_err() {
            return None;
        }
        *asked = *now;
        self.asked = Some(key.clone());
        Some(key)
    }

    /// Has the files read again, since they may have changed; what is known of them
    /// stays until then.
    pub fn forget(&mut self) {
        self.n_changes[0] += 1;
    }

    /// Takes an answer in.
    pub fn take(&mut self, key: RunSpec, seen: Result<Box<MemoryForecast>>) {
        self.asked = None;
        self.n_changes[2] = self.n_changes[1];
        let seen = seen.map_err(|error| problem(&key, error));
        self.answer = Some((key, seen));
    }

    /// The device to ask the memory of, if it is not that of the draft.
    pub fn wants_memory_of(&mut self, draft: &RunSpec) -> Option<DeviceChoice> {
        let is_known = matches!(self.device, Some((known, _)) if known == draft.device);
        if is_known {
            return None;
        }
        self.device = Some((draft.device, None));
        Some(draft.device)
    }

    /// Takes in what a device holds.
    pub fn take_memory(&mut self, device: DeviceChoice, room: Room) {
        if let Some((asked, known)) = &mut self.device
            && *asked == device
        {
            *known = Some(room);
        }
    }

    /// What the draft's device holds, once it is known.
    pub fn room(&self, draft: &RunSpec) -> Option<Room> {
        let (device, room) = self.device?;
        room.filter(|_| device == draft.device)
    }

    /// Bytes of memory of the draft's device, where that is told.
    pub fn device_memory(&self, draft: &RunSpec) -> Option<u64> {
        self.room(draft)?.memory
    }

    /// What is known of the draft's model and data, or why they cannot be used.
    pub fn of(&self, draft: &RunSpec) -> Option<Result<&MemoryForecast, &Problem>> {
        match &self.answer {
            Some((known, seen)) if *known == key(draft) => Some(seen.as_deref()),
            Some(_) | None => None,
        }
    }

    /// Why the draft's model and data cannot be used.
    pub fn problem(&self, draft: &RunSpec) -> Option<Problem> {
        match self.of(draft)? {
            Err(problem) => Some(problem.clone()),
            Ok(seen) => seen.check(draft).err().map(|error| problem(draft, error)),
        }
    }

    /// The memory of the draft's largest step, in the precision that it would have.
    pub fn memory(&self, draft: &RunSpec) -> Option<MemoryEstimate> {
        let seen = self.of(draft)?.ok()?;
        match self.room(draft) {
            Some(room) => seen.memory(&seen.settled(draft, room)),
            None => seen.memory(draft),
        }
    }
}

/// The field that an error is about: that of the file, where it is one.
fn problem(spec: &RunSpec, error: Error) -> Problem {
    let file = match &error {
        Error::Spec { field, reason } => {
            let (field, reason) = (field.clone(), reason.clone());
            return Problem { field, reason };
        }
        Error::Input { file, .. } | Error::Changed { file, .. } | Error::Io { file, .. } => {
            Some(file)
        }
        Error::Device(_) | Error::Stopped => None,
    };
    let field = match (&spec.model.checkpoint, &spec.model.vocabulary) {
        (CheckpointSource::File(path), _) if Some(path) == file => "model.checkpoint",
        (_, VocabularySource::File(path)) if Some(path) == file => "model.vocabulary",
        (CheckpointSource::Mini | CheckpointSource::File(_), _) => "data.source",
    };
    Problem {
        field: field.into(),
        reason: error.to_string(),
    }
}

/// The draft without what changes neither the model nor the data.
fn key(draft: &RunSpec) -> RunSpec {
    RunSpec {
        model: draft.model.clone(),
        data: draft.data.clone(),
        evaluation: draft.evaluation.clone(),
        training: TrainingSpec {
            validation_limit: draft.training.validation_limit,
            validate_every: draft.training.validate_every,
            ..TrainingSpec::default()
        },
        ..RunSpec::default()
    }
}
