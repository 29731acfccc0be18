//! Which tensors of a file are a state's, whatever stands before their names
//! and beside them.

use super::{CheckpointFormat, TunedState};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, TensorView, shown};

/// How the name of a layer's state ends.
const END: &str = ".att.time_state";

/// How the names of a layer's token shifts end: that of time mixing, then that of
/// channel mixing.
pub(super) const SHIFT_ENDS: [&str; 2] = [".att.ts_state", ".ffn.ts_state"];

/// Names that one message repeats of the tensors that are left out.
const MAX_LISTED: usize = 3;

/// The tensor name of a layer's state.
pub(super) fn tensor_name(layer: usize) -> String {
    format!("blocks.{layer}{END}")
}

/// The tensor names of a layer's token shifts: time mixing, channel mixing.
pub(super) fn shift_names(layer: usize) -> [String; 2] {
    SHIFT_ENDS.map(|end| format!("blocks.{layer}{end}"))
}

/// What a file holds of a state.
pub(super) struct StateTensors<'a> {
    checkpoint: &'a Checkpoint,
    /// What stands before the usual names, such as `module.`.
    prefix: &'a str,
    /// Of a list: every how many items a matrix comes, and where the first is.
    stride: Option<(usize, usize)>,
    /// The one tensor [layers, heads, N, N] that holds all layers.
    stacked: Option<TensorView<'a>>,
    n_layer: usize,
    /// Whether it names token shifts.
    names_shifts: bool,
    /// The tensors that are no part of the state.
    others: Vec<&'a str>,
}

/// Whether the file is a state to look at: it has states of layers and is no
/// model.
pub fn is_state(checkpoint: &Checkpoint) -> bool {
    let is_model = checkpoint.names().any(|name| name.ends_with("emb.weight"));
    let has_states = || checkpoint.names().any(|name| name.ends_with(END));
    !is_model && (has_states() || list(checkpoint).is_some() || is_stacked(checkpoint))
}

/// Says which tensors of a state file are left out, since they are no part of a
/// state; none where there are none, or no state.
pub fn left_out(checkpoint: &Checkpoint) -> Option<String> {
    let found = StateTensors::find(checkpoint).ok()?;
    let names: Vec<String> = found
        .others
        .iter()
        .take(MAX_LISTED)
        .map(|name| shown(name))
        .collect();
    let n_others = found.others.len();
    let more = match n_others.checked_sub(MAX_LISTED) {
        Some(n_more) if n_more > 0 => tr!(" and {n_more} more", n_more),
        Some(_) | None => String::new(),
    };
    let list = names.join(", ");
    match n_others {
        0 => None,
        1 => Some(tr!(
            "1 tensor that is not part of a state is left out: {list}",
            list
        )),
        _ => Some(tr!(
            "{n_others} tensors that are not part of a state are left out: {list}{more}",
            n_others,
            list,
            more
        )),
    }
}

impl<'a> StateTensors<'a> {
    /// Finds the layers' states by their names, which may have one prefix, or in
    /// a list of tensors: one of matrices, or the one of the `rwkv` package, in
    /// which every matrix stands between the two token shifts of its layer.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that holds something else, or several states.
    pub(super) fn find(checkpoint: &'a Checkpoint) -> Result<Self> {
        let refuse =
            |place: String, reason: String| Err(Error::input(checkpoint.file(), place, reason));
        let mut prefix = None;
        let (mut n_layer, mut others) = (0, Vec::new());
        let mut names_shifts = false;
        for name in checkpoint.names() {
            let Some(found) = prefix_of(name, END) else {
                match SHIFT_ENDS.iter().any(|end| prefix_of(name, end).is_some()) {
                    true => names_shifts = true,
                    false => others.push(name),
                }
                continue;
            };
            match prefix {
                Some(first) if first != found => {
                    let reason = tr!(
                        "holds two states, \"{}\" and \"{}\"; save one of them to a file of its own",
                        shown(first),
                        shown(found)
                    );
                    return refuse(tr!("tensors").into(), reason);
                }
                Some(_) | None => prefix = Some(found),
            }
            n_layer += 1;
        }
        if let (None, Some(stacked)) = (prefix, stacked(checkpoint)) {
            return Ok(Self {
                checkpoint,
                prefix: "",
                stride: None,
                n_layer: stacked.shape[0],
                stacked: Some(stacked),
                names_shifts: false,
                others: Vec::new(),
            });
        }
        let listed = list(checkpoint);
        let Some(prefix) = prefix.or(listed.map(|_| "")) else {
            return match others.first() {
                Some(name) => {
                    let reason = tr!("holds {}; {}", shown(name), what_else(checkpoint));
                    refuse(tr!("tensors").into(), reason)
                }
                None => refuse(tr!("tensors").into(), tr!("{} is missing", tensor_name(0))),
            };
        };
        if n_layer > 0 {
            return Ok(Self {
                checkpoint,
                prefix,
                stride: None,
                stacked: None,
                n_layer,
                names_shifts,
                others,
            });
        }
        let stride = listed.unwrap_or((1, 0));
        Ok(Self {
            checkpoint,
            prefix,
            stride: Some(stride),
            stacked: None,
            n_layer: others.len() / stride.0,
            names_shifts: false,
            others: Vec::new(),
        })
    }

    /// The dimensions of the state, without its numbers.
    ///
    /// # Errors
    /// [`Error::Input`] for a shape that no state has.
    pub(super) fn empty_state(&self) -> Result<TunedState> {
        let name = self.name(0);
        let refuse = |place: &str, reason: String| {
            Err(Error::input(self.checkpoint.file(), shown(place), reason))
        };
        let first = self.stacked.or_else(|| self.checkpoint.tensor(&name));
        let Some(first) = first else {
            return refuse(tr!("tensors"), tr!("{name} is missing", name));
        };
        let of_layer = match self.stacked {
            Some(stacked) => &stacked.shape[1..],
            None => matrices(first.shape),
        };
        match *of_layer {
            [n_head, head_size, key_size] if n_head > 0 && head_size > 0 && key_size > 0 => {
                Ok(TunedState {
                    n_layer: self.n_layer,
                    n_head,
                    head_size,
                    key_size,
                    layers: Vec::new(),
                    shifts: None,
                })
            }
            _ => {
                let reason = tr!(
                    "is {}, wanted [heads, values, keys]",
                    format_args!("{:?}", first.shape)
                );
                refuse(first.name, reason)
            }
        }
    }

    /// The numbers of a layer of `state`, as they are stored.
    ///
    /// # Errors
    /// [`Error::Input`] where they are missing, of another shape or no floats.
    pub(super) fn layer_values(&self, layer: usize, state: &TunedState) -> Result<Vec<f32>> {
        let name = self.name(layer);
        let refuse =
            |reason: String| Err(Error::input(self.checkpoint.file(), shown(&name), reason));
        if let Some(stacked) = self.stacked {
            let bytes = stacked.stored_bytes();
            let n_bytes = bytes.len() / self.n_layer;
            let bytes = &bytes[layer * n_bytes..(layer + 1) * n_bytes];
            let of_layer = TensorView::new(stacked.name, stacked.dtype, &stacked.shape[1..], bytes);
            return Ok(of_layer.to_f32());
        }
        let want = state.shape();
        match self.checkpoint.tensor(&name) {
            None => refuse(tr!(
                "is missing, though the file has {} states",
                state.n_layer
            )),
            Some(tensor) if matrices(tensor.shape) != want => refuse(tr!(
                "is {}, but that of layer 0 is {want}",
                format_args!("{:?}", tensor.shape),
                want = format_args!("{want:?}")
            )),
            Some(tensor) if !tensor.dtype.is_float() => {
                refuse(tr!("holds {}, wanted floats", tensor.dtype.name()))
            }
            Some(tensor) => Ok(tensor.to_f32()),
        }
    }

    /// The token shifts of `state`, as [`TunedState::shifts`] has them; none where all
    /// are zero. Those that the file leaves out are zero.
    ///
    /// # Errors
    /// [`Error::Input`] where they are of another size or no floats.
    pub(super) fn shifts(&self, state: &TunedState) -> Result<Option<Vec<Vec<f32>>>> {
        let n_embd = state.n_head * state.head_size;
        let mut layers = Vec::new();
        for layer in 0..self.n_layer {
            let names = match self.stride {
                // A list of the package: the matrix stands between the two.
                Some((3, 1)) => [3 * layer, 3 * layer + 2].map(|at| at.to_string()),
                None if self.names_shifts => {
                    shift_names(layer).map(|name| format!("{}{name}", self.prefix))
                }
                Some(_) | None => return Ok(None),
            };
            let mut both = Vec::with_capacity(2 * n_embd);
            for name in names {
                both.extend(match self.checkpoint.tensor(&name) {
                    Some(tensor) => self.shift(&name, &tensor, n_embd)?,
                    None => vec![0.0; n_embd],
                });
            }
            layers.push(both);
        }
        let is_zero = layers.iter().flatten().all(|value| *value == 0.0);
        Ok((!is_zero).then_some(layers))
    }

    /// One token shift, [C], whatever dimensions of one stand around it.
    fn shift(&self, name: &str, tensor: &TensorView<'_>, n_embd: usize) -> Result<Vec<f32>> {
        let refuse =
            |reason: String| Err(Error::input(self.checkpoint.file(), shown(name), reason));
        if tensor.n_elements() != n_embd {
            return refuse(tr!(
                "is {}, and a token shift of this state is [{n_embd}]",
                format_args!("{:?}", tensor.shape),
                n_embd
            ));
        }
        match tensor.dtype.is_float() {
            true => Ok(tensor.to_f32()),
            false => refuse(tr!("holds {}, wanted floats", tensor.dtype.name())),
        }
    }

    fn name(&self, layer: usize) -> String {
        match self.stride {
            Some((stride, first)) => (layer * stride + first).to_string(),
            None => format!("{}{}", self.prefix, tensor_name(layer)),
        }
    }
}

/// What stands before `blocks.0.att.time_state`, whose `end` is `.att.time_state`; none
/// for another name.
fn prefix_of<'a>(name: &'a str, end: &str) -> Option<&'a str> {
    let (prefix, layer) = name.strip_suffix(end)?.rsplit_once("blocks.")?;
    let is_whole = prefix.is_empty() || prefix.ends_with('.');
    (is_whole && layer.parse::<usize>().is_ok()).then_some(prefix)
}

/// Why a file without a layer's state is not a state.
fn what_else(checkpoint: &Checkpoint) -> &'static str {
    let format = checkpoint.metadata().get("format").map(String::as_str);
    if checkpoint.names().any(|name| name.ends_with("emb.weight")) {
        tr!("it is a model, not a tuned state")
    } else if format == Some("gosling-checkpoint") {
        tr!("it is the checkpoint of a run; resume the run with gosling tune --resume")
    } else {
        tr!("it is not a tuned state, which has only blocks.….att.time_state")
    }
}

/// A shape without leading dimensions of one, as far as three remain.
fn matrices(shape: &[usize]) -> &[usize] {
    let n_more = shape.len().saturating_sub(3);
    let n_ones = shape[..n_more]
        .iter()
        .take_while(|size| **size == 1)
        .count();
    &shape[n_ones..]
}

/// Whether one tensor holds the states of all layers, [layers, heads, N, K] or
/// [layers, heads, K, N].
pub(super) fn is_stacked(checkpoint: &Checkpoint) -> bool {
    stacked(checkpoint).is_some()
}

fn stacked(checkpoint: &Checkpoint) -> Option<TensorView<'_>> {
    let mut all = checkpoint.tensors();
    let (only, None) = (all.next()?, all.next()) else {
        return None;
    };
    // With a single layer it may as well be one layer's with a leading dimension.
    let has_layers = matches!(*only.shape, [n_layer, _, _, _] if n_layer > 1);
    let is_plain = only.dtype.is_float() && only.plain_bytes().is_some();
    (has_layers && is_plain).then_some(only)
}

/// Of a list of tensors, which are named 0, 1, 2 and so on: every how many of
/// them a matrix comes, and where the first is; none for anything else. s0-tuning
/// names them so in a `.safetensors`.
fn list(checkpoint: &Checkpoint) -> Option<(usize, usize)> {
    let n_items = checkpoint.names().len();
    let has_lists = [CheckpointFormat::Torch, CheckpointFormat::Safetensors];
    if !has_lists.contains(&checkpoint.format()) || n_items == 0 {
        return None;
    }
    let mut is_matrix = Vec::with_capacity(n_items);
    for at in 0..n_items {
        let shape = checkpoint.tensor(&at.to_string())?.shape;
        is_matrix.push(matrices(shape).len() == 3);
    }
    let every = |stride: usize, first: usize| {
        let fits = |(at, is): (usize, &bool)| *is == (at % stride == first);
        n_items.is_multiple_of(stride) && is_matrix.iter().enumerate().all(fits)
    };
    [(1, 0), (3, 1)]
        .into_iter()
        .find(|(stride, first)| every(*stride, *first))
}
