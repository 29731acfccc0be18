//! What is in the folder of an adaptation, as it is shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::adapt::adaptation::Point;
use crate::adapt::folder::{CurveLine, Folder, ItemSeen, ScoreSeen};
use crate::adapt::outcome::{Outcome, Verdict, verdict};
use crate::adapt::spec::{AdaptSpec, GuideSpec, Mode};
use crate::error::Result;
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE};

/// An adaptation that is looked at.
#[derive(Debug, Clone)]
pub struct ShownAdaptation {
    /// Its folder.
    pub folder: PathBuf,
    /// What is done.
    pub spec: AdaptSpec,
    /// The figures so far.
    pub outcomes: Vec<Outcome>,
    /// What may be said; none where its guide reads labels, or before all that it is
    /// compared with is measured.
    pub verdict: Option<Verdict>,
    /// The steps of the part that came last.
    pub points: Vec<Point>,
    /// The first question of that part.
    pub part: usize,
    /// Scores on the way, as tokens a question and the share that is right.
    pub scores: Vec<[f64; 2]>,
    /// What came of each question that is done.
    pub items: Vec<ItemSeen>,
    /// Texts of the guide.
    pub n_guide_texts: usize,
    /// Files of states that were kept.
    pub states: BTreeSet<PathBuf>,
}

impl ShownAdaptation {
    /// Reads what is in a folder.
    ///
    /// # Errors
    /// What is wrong with its files.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = Folder::at(path);
        let spec = folder.spec()?;
        let outcomes = folder.outcomes()?;
        let curve = folder.curve()?;
        let part = curve.last().map_or(0, |line| line.part);
        let own = || curve.iter().filter(|line| line.part == part);
        let parts = folder.parts()?;
        let is_simulated = matches!(spec.guide, Some(GuideSpec::Simulated { .. }));
        // Before the last baseline is measured the best of them is not known.
        let may_claim = !is_simulated && spec.baselines.measure && folder.is_complete();
        Ok(Self {
            folder: path.to_path_buf(),
            verdict: verdict(&outcomes).filter(|_| may_claim),
            outcomes,
            points: latest(own().filter_map(|line| line.point.clone())),
            part,
            scores: scores(&curve, spec.mode),
            items: parts.into_iter().flat_map(|part| part.items).collect(),
            n_guide_texts: folder.guide_texts()?.len(),
            states: states_in(path),
            spec,
        })
    }
}

/// The files of states in a folder: that of a set, and those of single questions.
fn states_in(path: &Path) -> BTreeSet<PathBuf> {
    let of_set = ["state.safetensors", LIFTED_FILE, LORA_FILE].map(|name| path.join(name));
    let of_set = of_set.into_iter().filter(|file| file.is_file());
    // Not every adaptation keeps states.
    let of_items = std::fs::read_dir(path.join("states")).into_iter().flatten();
    let of_items = of_items.flatten().map(|entry| entry.path());
    of_set.chain(of_items).collect()
}

/// The points of the last time that a part was begun: steps ascend.
fn latest(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::new();
    for point in points {
        while kept.last().is_some_and(|last| last.step >= point.step) {
            kept.pop();
        }
        kept.push(point);
    }
    kept
}

/// Scores of all parts together: where each has one of the same step.
fn scores(curve: &[CurveLine], mode: Mode) -> Vec<[f64; 2]> {
    let mut by_step: std::collections::BTreeMap<usize, Vec<(usize, ScoreSeen)>> =
        std::collections::BTreeMap::new();
    for line in curve {
        if let Some(score) = line.score {
            let of = by_step.entry(score.step).or_default();
            of.retain(|(part, _)| *part != line.part);
            of.push((line.part, score));
        }
    }
    let most = by_step.values().map(Vec::len).max().unwrap_or(0);
    let whole = by_step
        .into_values()
        .filter(|of| of.len() == most || mode != Mode::Item);
    whole
        .map(|of| {
            let n: usize = of.iter().map(|(_, of)| of.n_items).sum();
            let right: usize = of.iter().map(|(_, of)| of.n_correct).sum();
            let tokens: f64 = of.iter().map(|(_, of)| of.cost.total()).sum();
            let n = n.max(1) as f64;
            [tokens / n, right as f64 / n]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::cost::Cost;
    use crate::adapt::folder::TABLE_FILE;
    use crate::adapt::outcome::Kind;

    fn outcome(kind: Kind, n_right: usize) -> Outcome {
        Outcome {
            name: format!("{kind:?}"),
            kind,
            right: (0..100).map(|idx| idx < n_right).collect(),
            valid: 1.0,
            cost: Cost::forward(1000),
            secs: 1.0,
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        }
    }

    /// A gain over the base alone is no gain: nothing is claimed before the last baseline
    /// is measured, which may be the best, and nothing where none is.
    #[test]
    fn nothing_is_claimed_before_all_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let claims = |measure: bool, is_complete: bool| {
            let path = folder.path().join(format!("{measure}-{is_complete}"));
            let mut spec = AdaptSpec::default();
            spec.baselines.measure = measure;
            let folder = Folder::open(&path, &spec).unwrap();
            for (kind, n_right) in [(Kind::Base, 40), (Kind::Adapted, 80), (Kind::Baseline, 50)] {
                folder.add_outcome(&outcome(kind, n_right)).unwrap();
            }
            if is_complete {
                std::fs::write(folder.file(TABLE_FILE), "what\n").unwrap();
            }
            let shown = ShownAdaptation::read(&path).unwrap();
            shown.verdict.is_some_and(|of| of.gains)
        };
        assert!(claims(true, true));
        assert!(!claims(true, false));
        assert!(!claims(false, true));
    }

    fn line(part: usize, step: usize, n_correct: usize) -> CurveLine {
        CurveLine {
            part,
            point: None,
            score: Some(ScoreSeen {
                step,
                cost: Cost::forward(100 * step),
                n_correct,
                n_items: 10,
            }),
        }
    }

    #[test]
    fn scores_of_parts_are_added_where_all_have_one() {
        let curve = [
            line(0, 2, 5),
            line(0, 4, 6),
            line(10, 2, 7),
            line(10, 4, 9),
            line(20, 2, 8),
        ];
        assert_eq!(scores(&curve, Mode::Item), [[20.0, 20.0 / 30.0]]);
        // A part that was begun anew counts once.
        let again = [line(0, 2, 5), line(0, 2, 9)];
        assert_eq!(scores(&again, Mode::Shared), [[20.0, 0.9]]);
    }
}
