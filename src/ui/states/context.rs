//! What all parts of the states view share.

use super::data::{MatrixImageKey, StatesData};
use super::settings::{Beside, StatesSettings};
use crate::model::adapter::AdapterTarget;
use crate::protocol::head_requests::ValueLens;
use crate::runs::of_jobs::HeadAblation;
use crate::runs::run::Run;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::tuning::inspect::trajectory::Place;
use crate::tuning::spec::{Dynamics, Method};
use crate::ui::shared::action::Action;

/// What all parts of the states view share.
pub(crate) struct StatesContext<'a> {
    pub run: &'a Run,
    pub settings: &'a mut StatesSettings,
    pub data: &'a StatesData,
    /// Layers, and heads or matrices that can have an adapter, of the chosen kind.
    pub sizes: [usize; 2],
    /// The cell that is pointed at, in either of two matrices.
    pub cursor: &'a mut Option<[usize; 2]>,
    /// What is known of heads, and what was asked about them.
    pub heads: HeadsKnown<'a>,
    /// What the user asked for.
    pub asked: Option<Action>,
}

/// What is known of the heads of the state that is shown.
#[derive(Clone, Copy)]
pub(crate) struct HeadsKnown<'a> {
    /// The value directions of the chosen head.
    pub lens: Option<&'a ValueLens>,
    /// Whether they are being read.
    pub reads_lens: bool,
    /// What each head is worth.
    pub ablation: Option<&'a HeadAblation>,
    /// Whether the measurement waits for the model.
    pub waits: bool,
    /// Whether the state is one that the worker can read: not one that only it has.
    pub is_stored: bool,
}

/// The symbol of a matrix, at the start or over a text.
pub(crate) fn symbol(kind: MatrixKind, over_text: bool) -> &'static str {
    match (kind, over_text) {
        (MatrixKind::S0, false) => "S₀",
        (MatrixKind::S0, true) => "S",
        (MatrixKind::Z, _) => "Z",
        (MatrixKind::Lifted, false) => "L₀",
        (MatrixKind::Lifted, true) => "L",
        (MatrixKind::R, _) => "R",
        (MatrixKind::A, _) => "A",
        (MatrixKind::B, _) => "B",
        (MatrixKind::Product, _) => "B A",
    }
}

/// The frozen matrix at a place of adapters, by its official name.
pub(crate) fn module(place: Place) -> &'static str {
    let target = AdapterTarget::ALL.get(place.head);
    target.map_or("", |target| target.module())
}

/// The layer and the head, or the frozen matrix that the adapter stands beside, within a
/// sentence.
pub(crate) fn place_words(kind: MatrixKind, place: Place) -> String {
    let Place { layer, head } = place;
    match kind.is_of_adapter() {
        true => tr!("layer {layer}, {}", module(place), layer),
        false => tr!("layer {layer}, head {head}", layer, head),
    }
}

/// What the user should know of the matrix that is shown.
pub(crate) fn caveat(look: &StatesContext<'_>) -> Option<String> {
    let spec = match &look.run.spec.method {
        Method::Lifted(spec) => spec,
        Method::Lora(_) if look.settings.kind.is_of_adapter() => return adapter_caveat(look),
        Method::Lora(lora) if !lora.tune_s0 => {
            let text = tr!("This run trains adapters, A and B; S₀ stays as it started.");
            return Some(text.into());
        }
        Method::Base | Method::Standard(_) | Method::PaperLiteral(_) | Method::Lora(_) => {
            return None;
        }
    };
    let is_constant = spec.dynamics == Dynamics::Constant;
    let over_text = look.settings.follows_text;
    match look.settings.kind {
        MatrixKind::S0 | MatrixKind::R => None,
        MatrixKind::A | MatrixKind::B | MatrixKind::Product => None,
        MatrixKind::Z if !over_text => None,
        MatrixKind::Z => {
            is_constant.then(|| tr!("Constant: it does not change over tokens.").into())
        }
        MatrixKind::Lifted => {
            let unchanging = match (is_constant, over_text) {
                (true, true) => tr!(" Constant: it does not change over tokens."),
                (true, false) => tr!(" Constant dynamics: a static readout, no memory."),
                (false, _) => "",
            };
            Some(tr!(
                "Its rank is at most N, the head size.{unchanging}",
                unchanging
            ))
        }
    }
}

/// What the user should know of the matrix of an adapter.
fn adapter_caveat(look: &StatesContext<'_>) -> Option<String> {
    let lora = look.run.spec.method.lora()?;
    let (rank, alpha) = (lora.rank, lora.alpha);
    match look.settings.kind {
        MatrixKind::Product => Some(tr!(
            "(alpha / rank) B A, what is added to the frozen matrix; its rank is at most {rank}, alpha is {alpha}.",
            rank,
            alpha
        )),
        MatrixKind::A
        | MatrixKind::B
        | MatrixKind::S0
        | MatrixKind::Z
        | MatrixKind::Lifted
        | MatrixKind::R => None,
    }
}

/// Whether what was computed last is of the head and matrix that is chosen.
pub(crate) fn is_of_choice(key: &MatrixImageKey, settings: &StatesSettings) -> bool {
    match key {
        MatrixImageKey::State { place, kind, .. } => {
            *place == settings.place() && *kind == settings.kind && !settings.follows_text
        }
        MatrixImageKey::Token { kind, .. } => *kind == settings.kind && settings.follows_text,
    }
}

/// Whether a matrix is the one that is to stand beside the chosen one.
pub(crate) fn is_beside(key: &MatrixImageKey, settings: &StatesSettings) -> bool {
    let MatrixImageKey::State {
        of, place, kind, ..
    } = key
    else {
        return false;
    };
    let is_it = match &settings.beside {
        Beside::Nothing => false,
        Beside::Head(head) => place == head,
        Beside::Step(step) => of.step == *step && *place == settings.place(),
        Beside::Run(run) => of.run == *run && *place == settings.place(),
    };
    is_it && *kind == settings.kind && !settings.follows_text
}

/// What stands above a matrix that is shown beside another.
pub(crate) fn beside_words(key: &MatrixImageKey, run: &Run) -> String {
    match key {
        MatrixImageKey::State {
            of, place, kind, ..
        } => {
            let of_run = match of.run == run.id {
                true => String::new(),
                false => format!("{}, ", of.run.0),
            };
            let place = place_words(*kind, *place);
            tr!("{of_run}{place}, after step {}", of.step, of_run, place)
        }
        MatrixImageKey::Token { .. } => String::new(),
    }
}

/// Which run and step the matrix is of, for a picture that leaves the heading of
/// the view behind.
pub(crate) fn origin_words(key: &MatrixImageKey, run: &Run) -> String {
    let run = &run.id.0;
    match key {
        MatrixImageKey::State { of, less: None, .. } => tr!("{run}, after step {}", of.step, run),
        MatrixImageKey::State {
            of,
            less: Some(less),
            ..
        } => {
            let (step, other) = (of.step, &less.run.0);
            tr!(
                "{run}, after step {step}, minus {other}, after step {}",
                less.step,
                run,
                step,
                other
            )
        }
        MatrixImageKey::Token { n_tokens, .. } => {
            tr!("{run}, after {n_tokens} tokens of a text", run, n_tokens)
        }
    }
}
