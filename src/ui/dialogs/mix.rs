//! A weighted sum of the states of runs.

pub(crate) mod view;

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::format::shown;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::tuning::states::mix::{Mix, Term, mix, parse_layers};
use crate::tuning::states::state_file::{ExportFormat, export};
use crate::ui::shared::background::{Background, Threads};

/// A run whose state can be a part of the sum.
#[derive(Debug, Clone, PartialEq)]
pub struct MixTerm {
    /// The run.
    pub run: RunId,
    /// What the user calls it.
    pub title: String,
    /// Its folder, which holds the state.
    pub folder: PathBuf,
    /// Whether it is a part of the sum.
    pub is_in: bool,
    /// What its state is multiplied by.
    pub weight: f64,
    /// The layers that it is added in, as in `0-5,8`; all where it is empty.
    pub layers: String,
}

/// What the user is mixing.
#[derive(Debug, Clone, PartialEq)]
pub struct MixDialog {
    /// Every run that has a state.
    pub terms: Vec<MixTerm>,
    /// The file of the sum, as it is typed.
    pub path: String,
    /// Whether a file that is there may be replaced.
    pub overwrites: bool,
    /// Whether it is being written.
    pub is_busy: bool,
    /// What came of it: what was written, or why not.
    pub outcome: Option<Result<String, String>>,
}

impl MixDialog {
    /// Of the runs that have a state; `chosen` take part with equal weights.
    pub fn new(store: &RunStore, chosen: &[RunId]) -> Self {
        let runs = store.runs().iter().filter(|run| !run.exported.is_empty());
        let mut terms: Vec<MixTerm> = runs
            .map(|run| MixTerm {
                run: run.id.clone(),
                title: run.title().to_owned(),
                folder: run.folder.clone(),
                is_in: chosen.contains(&run.id),
                weight: 1.0,
                layers: String::new(),
            })
            .collect();
        let n_in = terms.iter().filter(|term| term.is_in).count().max(1);
        for term in terms.iter_mut().filter(|term| term.is_in) {
            term.weight = 1.0 / n_in as f64;
        }
        let folder = terms
            .iter()
            .find(|term| term.is_in)
            .map(|term| term.folder.clone());
        let path = folder.unwrap_or_default().join("mix.safetensors");
        Self {
            terms,
            path: path.to_string_lossy().into_owned(),
            overwrites: false,
            is_busy: false,
            outcome: None,
        }
    }

    /// What is added up.
    ///
    /// # Errors
    /// [`Error::Spec`] where layers are not written as such.
    fn chosen(&self) -> Result<Vec<Term>> {
        let chosen = self.terms.iter().filter(|term| term.is_in);
        let term = |of: &MixTerm| {
            let layers = of.layers.trim();
            let layers = match layers.is_empty() {
                true => None,
                false => {
                    let parsed = parse_layers(layers);
                    Some(parsed.map_err(|reason| Error::spec(of.title.clone(), reason))?)
                }
            };
            Ok(Term {
                state: of.folder.clone(),
                weight: of.weight as f32,
                layers,
            })
        };
        chosen.map(term).collect()
    }
}

/// The dialog, and the writing behind it.
pub struct Mixes {
    /// What is being mixed, if the question is open.
    pub open: Option<MixDialog>,
    background: Background<Result<String>>,
}

impl Mixes {
    /// Nothing is mixed yet.
    pub(crate) fn new(threads: &Threads) -> Self {
        Self {
            open: None,
            background: Background::new(threads),
        }
    }

    /// Writes the sum as was asked for, on a thread of its own.
    pub(crate) fn write(&mut self) {
        let Some(mixing) = &mut self.open else {
            return;
        };
        (mixing.is_busy, mixing.outcome) = (true, None);
        let mixing = mixing.clone();
        self.background.start(move || Some(write(&mixing)));
    }

    /// Takes in what came of it.
    pub(crate) fn take_answers(&mut self) {
        for outcome in self.background.answers() {
            if let Some(mixing) = &mut self.open {
                mixing.is_busy = false;
                mixing.outcome = Some(outcome.map_err(|error| error.to_string()));
            }
        }
    }
}

/// Writes the sum in the format of the file's ending, which is read back and compared.
fn write(mixing: &MixDialog) -> Result<String> {
    let Mix {
        state,
        metadata,
        notes,
    } = mix(&mixing.chosen()?)?;
    let ending = mixing.path.rsplit('.').next().unwrap_or_default();
    let format: ExportFormat = ending.parse()?;
    let (report, _) = export(&state, &metadata, format, &mixing.path, mixing.overwrites)?;
    let notes: String = notes
        .iter()
        .map(|note| tr!("; note that {note}", note))
        .collect();
    Ok(tr!(
        "Saved {}, {} bytes, read back and compared{notes}",
        shown(&report.path),
        report.bytes,
        notes
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::states::state_file::{Metadata, TunedState, read_state, write_safetensors};

    fn term(folder: PathBuf, weight: f64, layers: &str) -> MixTerm {
        MixTerm {
            run: RunId("a".into()),
            title: "a".into(),
            folder,
            is_in: true,
            weight,
            layers: layers.into(),
        }
    }

    #[test]
    fn the_sum_is_written_as_its_ending_says() {
        let folder = tempfile::tempdir().unwrap();
        let state = TunedState {
            n_layer: 2,
            n_head: 1,
            head_size: 1,
            key_size: 1,
            layers: vec![vec![2.0], vec![4.0]],
            shifts: None,
        };
        let file = folder.path().join("state.safetensors");
        write_safetensors(&state, &file, &Metadata::default()).unwrap();
        let mut mixing = MixDialog {
            terms: vec![
                term(folder.path().into(), 0.5, ""),
                term(folder.path().into(), 3.0, "1"),
            ],
            path: folder.path().join("mix.pth").to_string_lossy().into_owned(),
            overwrites: false,
            is_busy: false,
            outcome: None,
        };
        assert!(write(&mixing).unwrap().starts_with("Saved "));
        let read = read_state(&mixing.path, None).unwrap().0;
        assert_eq!(read.layers, [vec![1.0], vec![14.0]]);
        assert!(
            write(&mixing)
                .unwrap_err()
                .to_string()
                .contains("exists already")
        );
        mixing.terms[0].layers = "x".into();
        assert!(
            write(&mixing)
                .unwrap_err()
                .to_string()
                .contains("lists no layers")
        );
        mixing.terms.iter_mut().for_each(|term| term.is_in = false);
        assert!(write(&mixing).is_err());
    }
}
