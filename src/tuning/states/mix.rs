//! Weighted sums of states, by layers if wanted.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::json;

use super::lift_bundle::{Exportable, exportable};
use super::state_file::{Metadata, TunedState};
use crate::error::{Error, Result};

/// One state of a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Its file, or a run's folder.
    pub state: PathBuf,
    /// What it is multiplied by.
    pub weight: f32,
    /// The layers that it is added in; all without.
    pub layers: Option<Vec<usize>>,
}

impl FromStr for Term {
    type Err = String;

    /// `FILE`, `FILE=0.5`, `FILE@0-5,8` or `FILE=0.5@0-5`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (rest, layers) = match text.rsplit_once('@') {
            Some((rest, layers)) if layers.starts_with(|c: char| c.is_ascii_digit()) => {
                (rest, Some(parse_layers(layers)?))
            }
            _ => (text, None),
        };
        let (state, weight) = match rest.rsplit_once('=') {
            Some((state, weight)) => match weight.parse::<f32>() {
                Ok(weight) => (state, weight),
                Err(_) => (rest, 1.0),
            },
            None => (rest, 1.0),
        };
        if state.is_empty() {
            return Err(tr!("names no state; write FILE=WEIGHT, as in a.pth=0.5").into());
        }
        if !weight.is_finite() {
            return Err(tr!("has the weight {weight}; a number is needed", weight));
        }
        Ok(Self {
            state: state.into(),
            weight,
            layers,
        })
    }
}

/// The layers of `0-5,8`, ascending.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_layers(text: &str) -> std::result::Result<Vec<usize>, String> {
    /// More layers than any model has.
    const MOST: usize = 4096;
    let fault = || tr!("`{text}` lists no layers; write them as in 0-5,8", text);
    let mut layers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| fault());
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last >= MOST {
            return Err(fault());
        }
        layers.extend(first..=last);
    }
    layers.sort_unstable();
    layers.dedup();
    Ok(layers)
}

/// A sum of states.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// The sum.
    pub state: TunedState,
    /// What all of them say alike; the terms stand in its figures.
    pub metadata: Metadata,
    /// What the user should know: where they differ.
    pub notes: Vec<String>,
}

/// The sum of the terms. Each state is read from a file of any format, or from a
/// run's folder.
///
/// # Errors
/// [`Error::Spec`] without terms, and for a layer that a state does not have;
/// [`Error::Input`] for states of other sizes or of another model, and as
/// [`exportable`].
pub fn mix(terms: &[Term]) -> Result<Mix> {
    let read = |term: &Term| -> Result<(PathBuf, Exportable)> {
        let file = super::state_file::locate_state(&term.state)?;
        let read = exportable(&file, None, 1.0)?;
        Ok((file, read))
    };
    let mut sum: Option<(PathBuf, Exportable)> = None;
    let mut notes = Vec::new();
    for term in terms {
        let (file, read) = read(term)?;
        if read.left_behind.is_some() {
            notes.push(tr!(
                "of {} only S_0 is mixed, without what was trained beside it",
                file.display()
            ));
        }
        let weights = term.weights(read.state.n_layer)?;
        let scaled = weighted(&read.state, &weights);
        match &mut sum {
            None => {
                let read = Exportable {
                    state: scaled,
                    ..read
                };
                sum = Some((file, read));
            }
            Some((first, sum)) => {
                check_alike(first, &sum.state, &file, &read.state)?;
                agree(first, &mut sum.metadata, &file, &read.metadata, &mut notes)?;
                add(&mut sum.state, &scaled);
            }
        }
    }
    let Some((_, sum)) = sum else {
        return Err(Error::spec(
            "states",
            tr!("there are none; name at least one"),
        ));
    };
    let of_term =
        |term: &Term| json!({ "state": term.state, "weight": term.weight, "layers": term.layers });
    let terms: Vec<_> = terms.iter().map(of_term).collect();
    let metadata = Metadata {
        method: Some("Mix".into()),
        data_fingerprint: None,
        spec_ron: None,
        metrics_json: Some(json!({ "mix": terms }).to_string()),
        ..sum.metadata
    };
    Ok(Mix {
        state: sum.state,
        metadata,
        notes,
    })
}

impl Term {
    /// What each of `n_layer` layers is multiplied by.
    fn weights(&self, n_layer: usize) -> Result<Vec<f32>> {
        let Some(layers) = &self.layers else {
            return Ok(vec![self.weight; n_layer]);
        };
        let mut weights = vec![0.0; n_layer];
        for layer in layers {
            let Some(weight) = weights.get_mut(*layer) else {
                let reason = tr!(
                    "{} has layers 0 to {}, and no layer {layer}",
                    self.state.display(),
                    n_layer - 1,
                    layer
                );
                return Err(Error::spec("layers", reason));
            };
            *weight = self.weight;
        }
        Ok(weights)
    }
}

fn weighted(state: &TunedState, weights: &[f32]) -> TunedState {
    let mut state = state.clone();
    for (layer, weight) in state.layers.iter_mut().zip(weights) {
        layer.iter_mut().for_each(|value| *value *= weight);
    }
    for (layer, weight) in state.shifts.iter_mut().flatten().zip(weights) {
        layer.iter_mut().for_each(|value| *value *= weight);
    }
    state
}

fn add(sum: &mut TunedState, other: &TunedState) {
    let layers = sum.layers.iter_mut().zip(&other.layers);
    for (value, other) in layers.flat_map(|(sum, other)| sum.iter_mut().zip(other)) {
        *value += other;
    }
    match (&mut sum.shifts, &other.shifts) {
        (_, None) => {}
        // What a state does not have is zero.
        (own @ None, Some(other)) => *own = Some(other.clone()),
        (Some(own), Some(other)) => {
            let layers = own.iter_mut().zip(other);
            for (value, other) in layers.flat_map(|(own, other)| own.iter_mut().zip(other)) {
                *value += other;
            }
        }
    }
}

fn check_alike(first: &Path, a: &TunedState, file: &Path, b: &TunedState) -> Result<()> {
    let sizes = |of: &TunedState| (of.n_layer, of.shape());
    if sizes(a) == sizes(b) {
        return Ok(());
    }
    let words = |of: &TunedState| {
        tr!(
            "{} layers of {} heads of {}x{}",
            of.n_layer,
            of.n_head,
            of.head_size,
            of.key_size
        )
    };
    let reason = tr!(
        "has {}, and {} has {}; states of one model can be mixed",
        words(b),
        first.display(),
        words(a)
    );
    Err(Error::input(file, tr!("state"), reason))
}

/// Keeps what both say alike.
fn agree(
    first: &Path,
    sum: &mut Metadata,
    file: &Path,
    other: &Metadata,
    notes: &mut Vec<String>,
) -> Result<()> {
    if let (Some(a), Some(b)) = (&sum.base_fingerprint, &other.base_fingerprint)
        && a != b
    {
        let reason = tr!(
            "was tuned for other weights than {}; states of one model can be mixed",
            first.display()
        );
        return Err(Error::input(file, tr!("base model"), reason));
    }
    let mut differ = |what: &str| {
        notes.push(tr!(
            "{} and {} differ in their {what}; the mix records that of the first",
            first.display(),
            file.display(),
            what
        ));
    };
    if sum.template.is_some() && other.template.is_some() && sum.template != other.template {
        differ(tr!("template"));
    }
    if sum.text_start() != other.text_start() {
        differ(tr!("leading token"));
    }
    if sum.vocabulary.is_some() && other.vocabulary.is_some() && sum.vocabulary != other.vocabulary
    {
        differ(tr!("vocabulary"));
    }
    let said = |mine: &mut Option<String>, theirs: &Option<String>| {
        if mine.is_none() {
            mine.clone_from(theirs);
        }
    };
    said(&mut sum.base_fingerprint, &other.base_fingerprint);
    said(&mut sum.base_model, &other.base_model);
    said(&mut sum.base_sha256, &other.base_sha256);
    if sum.template.is_none() {
        sum.template.clone_from(&other.template);
    }
    if sum.vocabulary.is_none() {
        sum.vocabulary.clone_from(&other.vocabulary);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LeadingToken;
    use crate::tuning::states::state_file::{PthDType, write_pth, write_safetensors};

    fn state(first: f32) -> TunedState {
        let layer = |layer: usize| (0..4).map(|i| first + (layer * 4 + i) as f32).collect();
        TunedState {
            n_layer: 2,
            n_head: 1,
            head_size: 2,
            key_size: 2,
            layers: (0..2).map(layer).collect(),
            shifts: None,
        }
    }

    fn term(text: &str) -> Term {
        text.parse().unwrap()
    }

    #[test]
    fn terms_are_read_from_the_right() {
        let check = |text: &str, state: &str, weight: f32, layers: Option<&[usize]>| {
            let expected = Term {
                state: state.into(),
                weight,
                layers: layers.map(<[usize]>::to_vec),
            };
            assert_eq!(text.parse::<Term>().unwrap(), expected, "{text}");
        };
        check("a.pth", "a.pth", 1.0, None);
        check("a=b.pth=-0.5", "a=b.pth", -0.5, None);
        check("me@home.pth", "me@home.pth", 1.0, None);
        check("a.pth=0.5@0-2,5", "a.pth", 0.5, Some(&[0, 1, 2, 5]));
        check("a.pth@3,1,3", "a.pth", 1.0, Some(&[1, 3]));
        for bad in ["=0.5", "a=inf", "a@1-", "a@2-1", "a@0-99999999"] {
            assert!(bad.parse::<Term>().is_err(), "{bad}");
        }
    }

    #[test]
    fn states_are_added_by_weights_and_layers() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let metadata = Metadata {
            base_fingerprint: Some("ab".into()),
            base_model: Some("m.pth".into()),
            leading_token: Some(LeadingToken::Zero),
            ..Metadata::default()
        };
        write_safetensors(&state(0.0), path("a.safetensors"), &metadata).unwrap();
        write_pth(&state(10.0), path("b.pth"), PthDType::F32).unwrap();
        let at = |name: &str, rest: &str| term(&format!("{}{rest}", path(name).display()));
        let mixed = mix(&[at("a.safetensors", "=0.5"), at("b.pth", "=2@1")]).unwrap();
        let expected = [vec![0.0, 0.5, 1.0, 1.5], vec![30.0, 32.5, 35.0, 37.5]];
        assert_eq!(mixed.state.layers, expected);
        assert_eq!(mixed.metadata.base_fingerprint.as_deref(), Some("ab"));
        assert_eq!(mixed.metadata.method.as_deref(), Some("Mix"));
        // The .pth says nothing, which stands for nothing in front.
        assert!(
            mixed.notes[0].contains("differ in their leading token"),
            "{:?}",
            mixed.notes
        );
        let figures = mixed.metadata.metrics_json.unwrap();
        assert!(figures.contains("\"weight\":2.0"), "{figures}");
        // Token shifts are added too; a state without any has zeros.
        let mut shifted = state(0.0);
        shifted.shifts = Some(vec![vec![1.0, 2.0, 3.0, 4.0]; 2]);
        write_pth(&shifted, path("c.pth"), PthDType::F32).unwrap();
        let both = mix(&[at("b.pth", ""), at("c.pth", "=0.5@1"), at("c.pth", "")]).unwrap();
        let expected = [vec![1.0, 2.0, 3.0, 4.0], vec![1.5, 3.0, 4.5, 6.0]];
        assert_eq!(both.state.shifts.unwrap(), expected);
        // A state times 1 is itself, and a sum with its opposite is the untuned model.
        let same = mix(&[at("b.pth", "")]).unwrap();
        assert_eq!(same.state, state(10.0));
        let none = mix(&[at("b.pth", ""), at("b.pth", "=-1")]).unwrap();
        assert!(
            none.state
                .layers
                .iter()
                .flatten()
                .all(|value| *value == 0.0)
        );
        let message = mix(&[at("b.pth", "@7")]).unwrap_err().to_string();
        assert!(message.contains("no layer 7"), "{message}");
        assert!(mix(&[]).is_err());
    }

    #[test]
    fn states_of_two_models_are_not_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, fingerprint) in [("a.safetensors", "ab"), ("b.safetensors", "cd")] {
            let metadata = Metadata {
                base_fingerprint: Some(fingerprint.into()),
                ..Metadata::default()
            };
            write_safetensors(&state(0.0), path(name), &metadata).unwrap();
        }
        let mut small = state(0.0);
        (small.n_layer, small.layers) = (1, small.layers[..1].to_vec());
        write_pth(&small, path("c.pth"), PthDType::F32).unwrap();
        let with = |name: &str| {
            let at = |name: &str| term(&path(name).display().to_string());
            mix(&[at("a.safetensors"), at(name)])
                .unwrap_err()
                .to_string()
        };
        assert!(with("b.safetensors").contains("was tuned for other weights"));
        assert!(with("c.pth").contains("has 1 layers of 1 heads of 2x2, and"));
    }
}
