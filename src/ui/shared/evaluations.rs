//! The evaluations of runs and their comparisons, read and computed on other threads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::background::{Background, Threads};
use crate::bench::{Comparison, FewShotOrder, Rule, compare};
use crate::error::{Error, Result};
use crate::format::with_first;
use crate::persist::evaluation_file::{EvaluationFile, read_evaluation};
use crate::protocol::event::RunId;
use crate::report::compared::evaluations_of;
use crate::runs::run::Run;

/// Tells one reading of a run's evaluations from the next: what was measured
/// when they were read, and whether the run was over.
type Stamp = (Vec<u64>, bool);

/// What came of reading a run's evaluations: those that could be read, and why
/// the first other one could not.
#[derive(Debug, Default)]
struct EvaluationFiles {
    pub files: Vec<Arc<EvaluationFile>>,
    pub problem: Option<String>,
}

impl EvaluationFiles {
    /// Reads every evaluation in a run's folder.
    pub fn read(folder: &Path) -> Self {
        let mut read = Self::default();
        let paths = evaluations_of(folder).unwrap_or_else(|error| {
            read.problem = Some(error.to_string());
            Vec::new()
        });
        for path in paths {
            match read_evaluation(&path) {
                Ok(file) => read.files.push(Arc::new(file)),
                Err(error) => {
                    read.problem.get_or_insert_with(|| error.to_string());
                }
            }
        }
        read
    }
}

/// Two evaluations to compare.
#[derive(Debug, Clone)]
pub(crate) struct EvaluationPair {
    pub first: Arc<EvaluationFile>,
    pub second: Arc<EvaluationFile>,
    pub rule: Rule,
}

/// Where the two lie and the rule: as long as both are held, no other pair has it.
type Key = (usize, usize, Rule);

impl EvaluationPair {
    fn key(&self) -> Key {
        let at = |file: &Arc<EvaluationFile>| Arc::as_ptr(file) as usize;
        (at(&self.first), at(&self.second), self.rule)
    }
}

/// The files of the two evaluations whose items are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsPair {
    /// The evaluation that is compared with.
    pub first: Option<PathBuf>,
    /// The evaluation that is compared.
    pub second: Option<PathBuf>,
}

/// How two evaluations compare.
#[derive(Debug, Clone)]
pub(crate) enum Compared {
    /// It is being worked out.
    Pending,
    /// They are of the same items.
    Done(Arc<Comparison>),
    /// They are not, and why.
    Refused(String),
}

enum Reading {
    Requested,
    Done(EvaluationFiles),
}

/// What came of work beside the window.
enum Answer {
    Read(RunId, Stamp, EvaluationFiles),
    Compared(Box<EvaluationPair>, Result<Comparison>),
}

/// What is known of evaluations.
pub(crate) struct EvaluationCache {
    background: Background<Answer>,
    runs: HashMap<RunId, (Stamp, Reading)>,
    pairs: HashMap<Key, (EvaluationPair, Compared)>,
    asked: Vec<EvaluationPair>,
    /// Counts up with everything that comes in.
    pub revision: u64,
}

impl EvaluationCache {
    /// Nothing is known yet.
    pub fn new(threads: &Threads) -> Self {
        Self {
            background: Background::new(threads),
            runs: HashMap::new(),
            pairs: HashMap::new(),
            asked: Vec::new(),
            revision: 0,
        }
    }

    /// Has every evaluation of a run read, if there are any that are not known.
    pub fn read(&mut self, run: &Run) {
        if let Some((stamp, folder)) = self.wants(run) {
            let run = run.id.clone();
            let read = move || Answer::Read(run, stamp, EvaluationFiles::read(&folder));
            self.background.start(move || Some(read()));
        }
    }

    /// Has compared what was asked for.
    pub fn compare_asked(&mut self) {
        for pair in std::mem::take(&mut self.asked) {
            self.background.start(move || {
                let EvaluationPair {
                    first,
                    second,
                    rule,
                } = &pair;
                let comparison = compare(&first.evaluation, &second.evaluation, *rule);
                Some(Answer::Compared(Box::new(pair), comparison))
            });
        }
    }

    /// Takes in what was read and worked out.
    pub fn take_answers(&mut self) {
        for answer in self.background.answers() {
            match answer {
                Answer::Read(run, stamp, files) => {
                    self.take(&run, &stamp, files);
                    self.keep_current();
                }
                Answer::Compared(pair, comparison) => self.take_pair(&pair, comparison),
            }
        }
    }

    /// What to read of a run, once for everything that it has measured.
    fn wants(&mut self, run: &Run) -> Option<(Stamp, PathBuf)> {
        let secs = run.evaluations.iter().map(|(_, of)| of.secs.to_bits());
        let stamp: Stamp = (secs.collect(), run.status.is_over());
        if matches!(self.runs.get(&run.id), Some((known, _)) if *known == stamp) {
            return None;
        }
        // What was read stays until it is replaced.
        match self.runs.get_mut(&run.id) {
            Some((known, _)) => *known = stamp.clone(),
            None => {
                self.runs
                    .insert(run.id.clone(), (stamp.clone(), Reading::Requested));
            }
        }
        Some((stamp, run.folder.clone()))
    }

    /// Has the evaluations of a run read again, since there are more.
    pub fn read_again(&mut self, run: &RunId) {
        if let Some((known, _)) = self.runs.get_mut(run) {
            // No run that is over has it, so that it differs from the next one.
            known.1 = false;
        }
    }

    /// Takes in what was read.
    fn take(&mut self, run: &RunId, stamp: &Stamp, files: EvaluationFiles) {
        let Some((known, reading)) = self.runs.get_mut(run) else {
            return;
        };
        if known != stamp {
            return;
        }
        *reading = Reading::Done(files);
        self.revision += 1;
    }

    /// The evaluations of a run; none while they are being read.
    pub fn files(&self, run: &RunId) -> Option<&[Arc<EvaluationFile>]> {
        match self.runs.get(run) {
            Some((_, Reading::Done(read))) => Some(&read.files),
            Some((_, Reading::Requested)) | None => None,
        }
    }

    /// Whether something is being read or worked out.
    pub fn is_waiting(&self) -> bool {
        let is_asked = |(_, reading): &(Stamp, Reading)| matches!(reading, Reading::Requested);
        let is_waiting =
            |(_, compared): &(EvaluationPair, Compared)| matches!(compared, Compared::Pending);
        self.runs.values().any(is_asked) || self.pairs.values().any(is_waiting)
    }

    /// Why one of a run's evaluations cannot be read.
    pub fn problem(&self, run: &RunId) -> Option<&str> {
        match self.runs.get(run) {
            Some((_, Reading::Done(read))) => read.problem.as_deref(),
            Some((_, Reading::Requested)) | None => None,
        }
    }

    /// How two evaluations compare; asks for it where it is not known.
    pub fn compared(&mut self, pair: &EvaluationPair) -> Compared {
        if let Some((_, compared)) = self.pairs.get(&pair.key()) {
            return compared.clone();
        }
        self.pairs
            .insert(pair.key(), (pair.clone(), Compared::Pending));
        self.asked.push(pair.clone());
        Compared::Pending
    }

    /// Takes in a comparison.
    fn take_pair(&mut self, pair: &EvaluationPair, comparison: Result<Comparison>) {
        let compared = match comparison {
            Ok(comparison) => Compared::Done(Arc::new(comparison)),
            // What is compared is in the title above.
            Err(Error::Spec { reason, .. }) => {
                Compared::Refused(with_first(&reason, char::to_uppercase))
            }
            Err(error) => Compared::Refused(error.to_string()),
        };
        self.pairs.insert(pair.key(), (pair.clone(), compared));
        self.revision += 1;
    }

    /// Forgets comparisons of files that have been replaced.
    fn keep_current(&mut self) {
        let current: Vec<usize> = self
            .runs
            .values()
            .filter_map(|(_, reading)| match reading {
                Reading::Done(read) => Some(&read.files),
                Reading::Requested => None,
            })
            .flatten()
            .map(|file| Arc::as_ptr(file) as usize)
            .collect();
        self.pairs
            .retain(|(first, second, _), _| current.contains(first) && current.contains(second));
    }
}

/// What an evaluation of a run is called: "untuned", "tuned", and for those that
/// were made later under which conditions.
pub(crate) fn name_of(file: &EvaluationFile) -> String {
    let conditions = &file.evaluation.conditions;
    let tuned = match file.scored.is_tuned {
        true => tr!("tuned"),
        false => tr!("untuned"),
    };
    let drawn = match conditions.few_shot_order {
        Some(FewShotOrder::Drawn) => tr!(" (drawn)"),
        Some(FewShotOrder::First) | None => "",
    };
    match conditions.few_shot {
        0 => tuned.into(),
        n => tr!("{tuned}, {n}-shot{drawn}", tuned, n, drawn),
    }
}
