//! What the view of states looks at: which state, from where, and what is being
//! read or computed for it. While the view is not on screen the worker's slot
//! stays full, so that nothing is computed for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::head_grid::HeadGrid;
use super::images::MatrixImage;
use super::settings::StatesSettings;
use super::traced_text::TracedText;
use crate::error::Result;
use crate::persist::run_folder::snapshot_file;
use crate::protocol::event::RunId;
use crate::protocol::latest::{Latest, StateSnapshot};
use crate::protocol::trace::{TraceAnswer, TraceFrom, TraceRequest, Traced};
use crate::runs::run::Run;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::tuning::inspect::trajectory::Place;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::state_file::locate_state;

/// States that are kept for going to and fro.
const N_KEPT: usize = 12;
/// A text is followed once nobody has typed for so long.
const TYPING: Duration = Duration::from_millis(400);

/// A state, by where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateKey {
    pub run: RunId,
    /// Steps that made it.
    pub step: usize,
    pub source: Source,
}

/// Where a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// It came from the worker.
    Live,
    /// In the run's snapshots.
    Snapshot,
    /// What the run kept.
    Final,
}

/// What a matrix is computed of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MatrixImageKey {
    /// A head of a state, or its difference from another.
    State {
        of: StateKey,
        less: Option<StateKey>,
        place: Place,
        kind: MatrixKind,
    },
    /// After so many tokens of the text that was followed last.
    Token {
        traced: u64,
        n_tokens: usize,
        kind: MatrixKind,
    },
}

/// What a grid is computed of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GridKey {
    pub of: StateKey,
    pub less: Option<StateKey>,
    pub kind: MatrixKind,
    /// The text that is followed, and tokens of it that are done.
    pub token: Option<(u64, usize)>,
}

/// Something that is computed beside the window, one at a time.
#[derive(Debug)]
pub(crate) struct Computed<K, V> {
    value: Option<(K, Arc<V>)>,
    pending: Option<K>,
    /// What there is nothing of.
    absent: Option<K>,
    problem: Option<(K, String)>,
}

impl<K, V> Default for Computed<K, V> {
    fn default() -> Self {
        Self {
            value: None,
            pending: None,
            absent: None,
            problem: None,
        }
    }
}

impl<K: Clone + PartialEq, V> Computed<K, V> {
    /// Whether `key` is to be computed now; then it is taken to be under way.
    pub fn wants(&mut self, key: &K) -> bool {
        let is_known = matches!(&self.value, Some((known, _)) if known == key)
            || matches!(&self.problem, Some((known, _)) if known == key)
            || self.absent.as_ref() == Some(key);
        if is_known || self.pending.is_some() {
            return false;
        }
        self.pending = Some(key.clone());
        true
    }

    /// Takes in what was computed.
    pub fn take(&mut self, key: K, value: Result<Option<V>>) {
        (self.pending, self.problem, self.absent) = (None, None, None);
        match value {
            Ok(Some(value)) => self.value = Some((key, Arc::new(value))),
            Ok(None) => (self.value, self.absent) = (None, Some(key)),
            Err(error) => self.problem = Some((key, error.to_string())),
        }
    }

    /// The newest, which may be that of the key before.
    pub fn newest(&self) -> Option<(&K, &Arc<V>)> {
        self.value.as_ref().map(|(key, value)| (key, value))
    }

    /// What there is nothing of, as was found last.
    pub fn absent(&self) -> Option<&K> {
        self.absent.as_ref()
    }

    /// Why what was asked for last cannot be shown.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_ref().map(|(_, reason)| reason.as_str())
    }
}

/// Everything that the view of states looks at.
#[derive(Default)]
pub(crate) struct StatesData {
    /// The newest first.
    states: Vec<(StateKey, Arc<Tuned>)>,
    asked: Vec<StateKey>,
    problems: Vec<(StateKey, String)>,
    live: Option<StateKey>,
    pub shown: Computed<MatrixImageKey, MatrixImage>,
    /// The matrix that stands beside the one that is chosen.
    pub beside: Computed<MatrixImageKey, MatrixImage>,
    pub grid: Computed<GridKey, HeadGrid>,
    text: Option<TracedText>,
    asked_text: Option<TraceRequest>,
    /// A request that may still be typed, and since when it is as it is.
    typed: Option<(TraceRequest, Instant)>,
    n_texts: u64,
}

impl StatesData {
    /// Takes the newest state that the worker put out.
    pub fn take_live(&mut self, slot: Option<&Latest<StateSnapshot>>) {
        let Some(StateSnapshot { run, step, tuned }) = slot.and_then(Latest::take) else {
            return;
        };
        let key = StateKey {
            run,
            step,
            source: Source::Live,
        };
        if let Some(old) = self.live.replace(key.clone()) {
            self.states.retain(|(of, _)| *of != old);
        }
        self.keep(key, Arc::new(tuned));
    }

    /// The state of a run after `step` steps, its newest one without; none
    /// where it has none yet.
    pub fn key(&self, run: &Run, step: Option<usize>) -> Option<StateKey> {
        let of = |step: usize, source| StateKey {
            run: run.id.clone(),
            step,
            source,
        };
        if let Some(step) = step.filter(|step| run.snapshots.contains(step)) {
            return Some(of(step, Source::Snapshot));
        }
        let live = self.live.as_ref().filter(|live| live.run == run.id);
        let handed_over = run
            .exported
            .last()
            .map(|state| of(state.step, Source::Final));
        let stored = run.snapshots.last().map(|step| of(*step, Source::Snapshot));
        match !run.is_on_here() {
            true => handed_over.or(stored).or(live.cloned()),
            false => live.cloned().or(stored),
        }
    }

    /// The text that is followed and the tokens of it that are done at the last state
    /// of every head that is known; none where nothing is followed.
    pub fn token(&self, settings: &StatesSettings) -> Option<((u64, usize), Arc<Traced>)> {
        let text = self.text.as_ref().filter(|_| settings.follows_text)?;
        let traced = text.traced.as_ref().ok()?;
        let all = traced.words.len();
        let n_tokens = settings.token.map_or(all, |token| token.min(all));
        let known = traced.trajectory.heads.as_ref()?.nearest(n_tokens)?;
        Some(((text.number, known), traced.clone()))
    }

    /// A state, if it is at hand.
    pub fn state(&self, key: &StateKey) -> Option<Arc<Tuned>> {
        let mut states = self.states.iter();
        states
            .find(|(of, _)| of == key)
            .map(|(_, state)| state.clone())
    }

    /// Why a state cannot be shown.
    pub fn problem(&self, key: &StateKey) -> Option<&str> {
        let mut problems = self.problems.iter();
        problems
            .find(|(of, _)| of == key)
            .map(|(_, reason)| reason.as_str())
    }

    /// Whether the state has to be read, which is said once.
    pub fn wants(&mut self, key: &StateKey) -> bool {
        let is_known = self.asked.contains(key)
            || self.problem(key).is_some()
            || self.state(key).is_some()
            || key.source == Source::Live;
        if !is_known {
            self.asked.push(key.clone());
        }
        !is_known
    }

    /// Takes in a state that was read.
    pub fn take_state(&mut self, key: StateKey, state: Result<Tuned>) {
        self.asked.retain(|of| *of != key);
        match state {
            Ok(state) => self.keep(key, Arc::new(state)),
            Err(error) => self.problems.push((key, error.to_string())),
        }
    }

    fn keep(&mut self, key: StateKey, state: Arc<Tuned>) {
        self.states.retain(|(of, _)| *of != key);
        self.states.insert(0, (key, state));
        self.states.truncate(N_KEPT);
    }

    /// What is to be asked of the worker for a text that the user may still be
    /// typing; once, and not before they pause.
    pub fn wants_text(&mut self, request: TraceRequest) -> Option<TraceRequest> {
        let is_new = !matches!(&self.typed, Some((typed, _)) if *typed == request);
        if is_new {
            self.typed = Some((request, Instant::now()));
            return None;
        }
        let (request, since) = self.typed.as_ref()?;
        let is_asked = self.asked_text.as_ref() == Some(request);
        if is_asked || since.elapsed() < TYPING {
            return None;
        }
        self.asked_text = Some(request.clone());
        self.asked_text.clone()
    }

    /// Whether a text waits for the user to pause.
    pub fn waits_for_typing(&self) -> bool {
        let typed = self.typed.as_ref().map(|(request, _)| request);
        typed.is_some() && typed != self.asked_text.as_ref()
    }

    /// Takes in a text that was followed.
    pub fn take_text(&mut self, slot: Option<&Latest<TraceAnswer>>) {
        let Some(TraceAnswer { request, traced }) = slot.and_then(Latest::take) else {
            return;
        };
        self.n_texts += 1;
        self.text = Some(TracedText::new(self.n_texts, request, traced));
    }

    /// The text that was followed last.
    pub fn text(&self) -> Option<&TracedText> {
        self.text.as_ref()
    }

    /// Whether an answer is still to come.
    pub fn follows_text(&self) -> bool {
        let answered = self.text.as_ref().map(|text| &text.request);
        self.asked_text.is_some() && self.asked_text.as_ref() != answered
    }
}

/// Reads a state from the disk.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read(key: &StateKey, folder: PathBuf) -> Result<Tuned> {
    let file = match key.source {
        Source::Snapshot => snapshot_file(&folder, key.step),
        Source::Final | Source::Live => locate_state(folder)?,
    };
    Ok(read_tuned(file, None)?.0)
}

/// Where the worker finds a state.
pub(super) fn state_from(run: &Run, of: &StateKey) -> TraceFrom {
    let folder = run.folder.clone();
    match of.source {
        Source::Snapshot => TraceFrom::Snapshot {
            folder,
            step: of.step,
        },
        Source::Live | Source::Final => TraceFrom::Newest {
            run: run.id.clone(),
            folder,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::run_spec::RunSpec;
    use crate::runs::run::{ExportedState, RunStatus};
    use crate::tuning::states::state_file::TunedState;

    fn run() -> Run {
        let mut run = Run::new(RunId("a".into()), RunSpec::default(), "a".into());
        run.snapshots = vec![0, 50];
        run
    }

    fn tuned() -> Tuned {
        let state = TunedState {
            n_layer: 1,
            n_head: 1,
            head_size: 1,
            key_size: 1,
            layers: vec![vec![1.0]],
            shifts: None,
        };
        state.into()
    }

    #[test]
    fn the_newest_state_is_live_while_a_run_is_on_and_handed_over_after() {
        let mut data = StatesData::default();
        let mut run = run();
        let source = |data: &StatesData, run: &Run, step| {
            data.key(run, step).map(|key| (key.step, key.source))
        };
        assert_eq!(source(&data, &run, None), Some((50, Source::Snapshot)));
        let slot = Latest::default();
        slot.publish(StateSnapshot {
            run: run.id.clone(),
            step: 61,
            tuned: tuned(),
        });
        data.take_live(Some(&slot));
        assert_eq!(source(&data, &run, None), Some((61, Source::Live)));
        assert_eq!(source(&data, &run, Some(50)), Some((50, Source::Snapshot)));
        // A step without a snapshot cannot be shown.
        assert_eq!(source(&data, &run, Some(7)), Some((61, Source::Live)));
        run.status = RunStatus::Finished;
        assert_eq!(source(&data, &run, None), Some((50, Source::Snapshot)));
        run.exported.push(ExportedState {
            step: 40,
            path: "state".into(),
            bytes: 1,
        });
        assert_eq!(source(&data, &run, None), Some((40, Source::Final)));
    }

    #[test]
    fn a_state_is_read_once_and_few_are_kept() {
        let mut data = StatesData::default();
        let key = |step| StateKey {
            run: RunId("a".into()),
            step,
            source: Source::Snapshot,
        };
        assert!(data.wants(&key(0)));
        assert!(!data.wants(&key(0)));
        for step in 0..2 * N_KEPT {
            data.take_state(key(step), Ok(tuned()));
        }
        assert!(data.state(&key(2 * N_KEPT - 1)).is_some());
        assert!(data.wants(&key(0)), "it was let go and is read again");
        let problem = crate::error::Error::Device("gone".into());
        data.take_state(key(0), Err(problem));
        assert_eq!(data.problem(&key(0)), Some("device: gone"));
        assert!(!data.wants(&key(0)));
    }

    #[test]
    fn one_thing_is_computed_at_a_time() {
        let mut computed: Computed<u32, u32> = Computed::default();
        assert!(computed.wants(&1));
        assert!(!computed.wants(&2));
        computed.take(1, Ok(Some(10)));
        assert!(!computed.wants(&1));
        assert_eq!(computed.newest().map(|(_, value)| **value), Some(10));
        assert!(computed.wants(&2));
        computed.take(2, Err(crate::error::Error::Device("no".into())));
        assert_eq!(computed.problem(), Some("device: no"));
        assert!(!computed.wants(&2));
    }
}
