//! The state of one head over the tokens of a text: how it changes with the words.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::every_head::{EveryHead, HeadsRecorder};
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::model::state::ModelState;
use crate::model::{Model, TextStart};
use crate::tuning::method::tuned::{LiftValues, Tuned};
use crate::tuning::spec::LiftKind;

/// Tokens that are followed at most.
pub const MAX_TOKENS: usize = 4096;
/// Tokens whose states are read back together.
const PART: usize = 16;

/// The states of one head before the first token and after every one.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// The layer.
    pub layer: usize,
    /// The head.
    pub head: usize,
    /// N, value channels.
    pub head_size: usize,
    /// K, key channels.
    pub key_size: usize,
    /// The text's, behind token 0 where the text begins with that.
    pub tokens: Vec<u32>,
    /// S_t, [value, key] row-major; the first is S_0.
    pub states: Vec<Vec<f32>>,
    /// The lifted state beside it, of a lifted run in a layer that has one.
    pub lifted: Option<LiftedTrajectory>,
    /// S_t of every head, where that was asked for and there is room.
    pub heads: Option<EveryHead>,
}

/// The lifted states of one head, Z_t = Q L_t.
#[derive(Debug, Clone, PartialEq)]
pub struct LiftedTrajectory {
    /// M.
    pub upscaled_size: usize,
    /// The seed of Q.
    pub projection_seed: u64,
    /// Z, [N, M] row-major.
    pub start: Vec<f32>,
    /// What becomes of it.
    pub course: LiftedCourse,
}

/// What becomes of a lifted state over the tokens of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum LiftedCourse {
    /// Nothing: Constant dynamics has no memory.
    Unchanging,
    /// What is left of every column, `[M]`, before the first token and after
    /// every one.
    Decaying(Vec<Vec<f32>>),
    /// Z_t itself, [N, M] row-major, before the first token and after every one.
    Moving(Vec<Vec<f32>>),
}

/// A head of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counted from 0.
    pub layer: usize,
    /// Counted from 0.
    pub head: usize,
}

/// What of a model is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follow {
    /// The head.
    pub place: Place,
    /// Bytes that the states of every head may take; 0 keeps none.
    pub every_head_bytes: usize,
}

impl From<Place> for Follow {
    fn from(place: Place) -> Self {
        Self {
            place,
            every_head_bytes: 0,
        }
    }
}

impl Trajectory {
    /// Takes `tokens`, behind `text_start`, through the model from what is tuned, the
    /// untuned model without it. `progress` hears the tokens done and in all, and can end it
    /// with an error.
    ///
    /// # Errors
    /// [`Error::Spec`] for a place that the model does not have, a text that is
    /// too long or tokens that it does not know; what the device and `progress`
    /// say.
    pub fn follow(
        model: &Model,
        device: &Device,
        tuned: Option<&Tuned>,
        text_start: TextStart,
        tokens: &[u32],
        follow: impl Into<Follow>,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let Follow {
            place,
            every_head_bytes,
        } = follow.into();
        check(model, tokens, place)?;
        let config = model.config();
        let Place { layer, head } = place;
        let mut state = match tuned {
            Some(tuned) => tuned.start(device).state(config, 1, device),
            None => ModelState::zero(config, 1, device),
        };
        let tokens = text_start.with(tokens);
        let mut recorder = Recorder::new(place);
        recorder.heads = HeadsRecorder::new(config, tokens.len(), every_head_bytes);
        recorder.take(&state);
        for (idx, token) in tokens.iter().enumerate() {
            let ids = TensorData::new(vec![token.cast_signed()], [1, 1]);
            let ids: Tensor<2, Int> = Tensor::from_data(ids, device);
            (_, state) = model.hidden(ids, state);
            recorder.take(&state);
            if idx % PART == PART - 1 {
                recorder.read()?;
                progress(idx + 1, tokens.len())?;
            }
        }
        recorder.read()?;
        progress(tokens.len(), tokens.len())?;
        let lift = tuned.and_then(|tuned| tuned.lift.as_ref());
        Ok(Self {
            layer,
            head,
            head_size: config.head_size,
            key_size: config.key_size(),
            tokens,
            lifted: lift.and_then(|lift| recorder.lifted(lift)),
            heads: recorder.heads.map(HeadsRecorder::done),
            states: recorder.states,
        })
    }

    /// Z after `n_tokens` tokens, [N, M] row-major, where there is one.
    pub fn lifted_at(&self, n_tokens: usize) -> Option<Vec<f32>> {
        let LiftedTrajectory {
            upscaled_size,
            start,
            course,
            ..
        } = self.lifted.as_ref()?;
        match course {
            LiftedCourse::Unchanging => Some(start.clone()),
            LiftedCourse::Decaying(left) => {
                let left = left.get(n_tokens)?;
                let rows = start.chunks_exact(*upscaled_size);
                let scaled = rows.flat_map(|row| row.iter().zip(left).map(|(z, left)| z * left));
                Some(scaled.collect())
            }
            LiftedCourse::Moving(states) => states.get(n_tokens).cloned(),
        }
    }
}

fn check(model: &Model, tokens: &[u32], place: Place) -> Result<()> {
    let config = model.config();
    for (name, idx, n) in [
        ("layer", place.layer, config.n_layer),
        ("head", place.head, config.n_head),
    ] {
        if idx >= n {
            let reason = tr!("must be 0 to {}, is {idx}", n - 1, idx);
            return Err(Error::spec(name, reason));
        }
    }
    if tokens.len() > MAX_TOKENS {
        let reason = tr!(
            "has {} tokens; the states of at most {MAX_TOKENS} are kept, shorten it",
            tokens.len(),
            MAX_TOKENS
        );
        return Err(Error::spec("text", reason));
    }
    let unknown = tokens
        .iter()
        .find(|token| **token as usize >= config.vocab_size);
    match unknown {
        Some(token) => {
            let reason = tr!(
                "has the token {token}, the model only {}",
                config.vocab_size,
                token
            );
            Err(Error::spec("vocabulary", reason))
        }
        None => Ok(()),
    }
}

/// States on their way from the device.
struct Recorder {
    place: Place,
    pending: Vec<Tensor<2>>,
    /// Of the branch: what is left of it, or its state.
    pending_course: Vec<Tensor<2>>,
    states: Vec<Vec<f32>>,
    course: Vec<Vec<f32>>,
    heads: Option<HeadsRecorder>,
}

impl Recorder {
    fn new(place: Place) -> Self {
        Self {
            place,
            pending: Vec::new(),
            pending_course: Vec::new(),
            states: Vec::new(),
            course: Vec::new(),
            heads: None,
        }
    }

    fn take(&mut self, state: &ModelState) {
        if let Some(heads) = &mut self.heads {
            heads.take(state);
        }
        let Place { layer, head } = self.place;
        let layer = &state.layers[layer];
        let [_, _, n, _] = layer.wkv.dims();
        let wkv = layer.wkv.clone().narrow(1, head, 1);
        self.pending.push(wkv.reshape([1, n * n]));
        let Some(branch) = &layer.branch else {
            return;
        };
        if let Some(left) = branch.left() {
            let left = left.clone().narrow(1, head, 1);
            self.pending_course.push(left.squeeze_dim(1));
        }
        if let Some(state) = branch.state() {
            let [_, _, n, m] = state.dims();
            let state = state.clone().narrow(1, head, 1);
            self.pending_course.push(state.reshape([1, n * m]));
        }
    }

    fn read(&mut self) -> Result<()> {
        if let Some(heads) = &mut self.heads {
            heads.read()?;
        }
        read_rows(&mut self.pending, &mut self.states)?;
        read_rows(&mut self.pending_course, &mut self.course)
    }

    /// The lifted states; none where this layer has none.
    fn lifted(&mut self, lift: &LiftValues) -> Option<LiftedTrajectory> {
        let idx = lift.layers.iter().position(|of| *of == self.place.layer)?;
        Some(LiftedTrajectory {
            upscaled_size: lift.upscaled_size,
            projection_seed: lift.projection_seed,
            start: lift.head_weights(idx, self.place.head)?.to_vec(),
            course: match lift.kind {
                LiftKind::Constant => LiftedCourse::Unchanging,
                LiftKind::Decayed => LiftedCourse::Decaying(std::mem::take(&mut self.course)),
                LiftKind::Recurrent | LiftKind::PaperLiteral => {
                    LiftedCourse::Moving(std::mem::take(&mut self.course))
                }
            },
        })
    }
}

/// Reads rows [1, n] back and adds them to `to`.
fn read_rows(rows: &mut Vec<Tensor<2>>, to: &mut Vec<Vec<f32>>) -> Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let [_, n] = first.dims();
    let values = read_f32(Tensor::cat(std::mem::take(rows), 0))?;
    to.extend(values.chunks_exact(n).map(<[f32]>::to_vec));
    Ok(())
}

#[cfg(test)]
mod tests;
