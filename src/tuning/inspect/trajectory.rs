//! The state of one head over the tokens of a text: how it changes with the words.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::model::state::ModelState;
use crate::model::{Rwkv7, TextStart};
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
    /// N.
    pub head_size: usize,
    /// The text's, behind token 0 where the text begins with that.
    pub tokens: Vec<u32>,
    /// S_t, [value, key] row-major; the first is S_0.
    pub states: Vec<Vec<f32>>,
    /// The lifted state beside it, of a lifted run in a layer that has one.
    pub lifted: Option<LiftedTrajectory>,
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
        model: &Rwkv7,
        device: &Device,
        tuned: Option<&Tuned>,
        text_start: TextStart,
        tokens: &[u32],
        place: Place,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        check(model, tokens, place)?;
        let config = model.config();
        let Place { layer, head } = place;
        let mut state = match tuned {
            Some(tuned) => tuned.start(device).state(config, 1, device),
            None => ModelState::zero(config, 1, device),
        };
        let tokens = text_start.with(tokens);
        let mut recorder = Recorder::new(place);
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
            tokens,
            lifted: lift.and_then(|lift| recorder.lifted(lift)),
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

fn check(model: &Rwkv7, tokens: &[u32], place: Place) -> Result<()> {
    let config = model.config();
    for (name, idx, n) in [
        ("layer", place.layer, config.n_layer),
        ("head", place.head, config.n_head),
    ] {
        if idx >= n {
            let reason = format!("must be 0 to {}, is {idx}", n - 1);
            return Err(Error::spec(name, reason));
        }
    }
    if tokens.len() > MAX_TOKENS {
        let reason = format!(
            "has {} tokens; the states of at most {MAX_TOKENS} are kept, shorten it",
            tokens.len()
        );
        return Err(Error::spec("text", reason));
    }
    let unknown = tokens
        .iter()
        .find(|token| **token as usize >= config.vocab_size);
    match unknown {
        Some(token) => {
            let reason = format!(
                "has the token {token}, the model only {}",
                config.vocab_size
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
}

impl Recorder {
    fn new(place: Place) -> Self {
        Self {
            place,
            pending: Vec::new(),
            pending_course: Vec::new(),
            states: Vec::new(),
            course: Vec::new(),
        }
    }

    fn take(&mut self, state: &ModelState) {
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
mod tests {
    use super::*;
    use crate::model::mini;
    use crate::tuning::states::state_file::TunedState;

    const PLACE: Place = Place { layer: 2, head: 1 };

    fn model(device: &Device) -> Rwkv7 {
        Rwkv7::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap()
    }

    /// A state and a decaying branch that are not zero.
    fn tuned(model: &Rwkv7) -> Tuned {
        let mut state = TunedState::zero(model.config());
        for (idx, value) in state.layers.iter_mut().flatten().enumerate() {
            *value = ((idx % 97) as f32 - 48.0) * 0.01;
        }
        let (h, n, m) = (4, 64, 64);
        let numbers = |count: usize| (0..count).map(|i| (i as f32 * 0.7).sin() * 0.1).collect();
        let mut unit = vec![0.0; h * m * n];
        unit.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
        Tuned {
            state,
            lift: Some(LiftValues {
                layers: vec![2],
                n_head: h,
                head_size: n,
                upscaled_size: m,
                kind: LiftKind::Decayed,
                gate: None,
                projection_seed: 1,
                weights: numbers(h * n * m),
                support_vectors: unit,
                gamma: vec![1.0; h],
                decorrelation: None,
                mean: None,
            }),
        }
    }

    fn follow(model: &Rwkv7, tuned: Option<&Tuned>, tokens: &[u32]) -> Result<Trajectory> {
        let device = Device::flex();
        let zero = TextStart::Zero;
        Trajectory::follow(model, &device, tuned, zero, tokens, PLACE, &mut |_, _| {
            Ok(())
        })
    }

    fn assert_close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!(
                (got - want).abs() <= 1e-4 * want.abs() + 1e-5,
                "{got} {want}"
            );
        }
    }

    #[test]
    fn the_last_state_is_that_of_the_whole_text_at_once() {
        let device = Device::flex();
        let model = model(&device);
        let tuned = tuned(&model);
        let text: Vec<u32> = (10..45).collect();
        let got = follow(&model, Some(&tuned), &text).unwrap();
        assert_eq!((got.tokens.len(), got.states.len()), (36, 37));
        let of_head = |state: &TunedState| state.layers[2][64 * 64..][..64 * 64].to_vec();
        assert_eq!(got.states[0], of_head(&tuned.state));
        assert_eq!(
            got.lifted_at(0).unwrap(),
            got.lifted.as_ref().unwrap().start
        );
        // The parallel path, whose state after the text is known.
        let ids: Vec<i32> = got.tokens.iter().map(|id| id.cast_signed()).collect();
        let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [1, 36]), &device);
        let start = tuned.start(&device).state(model.config(), 1, &device);
        let (_, after) = model.hidden(ids, start);
        let layer = &after.layers[2];
        let wkv = read_f32(layer.wkv.clone().narrow(1, 1, 1)).unwrap();
        assert_close(&got.states[36], &wkv);
        let left = layer.branch.as_ref().unwrap().left().unwrap();
        let left = read_f32(left.clone().narrow(1, 1, 1)).unwrap();
        assert!(left.iter().any(|x| *x < 0.9), "nothing decays");
        let start = &got.lifted.as_ref().unwrap().start;
        let want: Vec<f32> = start
            .iter()
            .enumerate()
            .map(|(i, z)| z * left[i % 64])
            .collect();
        assert_close(&got.lifted_at(36).unwrap(), &want);
    }

    /// The lifted state of a recurrence after a text, token by token and at once.
    #[test]
    fn a_moving_branch_is_followed() {
        let device = Device::flex();
        let model = model(&device);
        let mut tuned = tuned(&model);
        if let Some(lift) = &mut tuned.lift {
            lift.kind = LiftKind::Recurrent;
            lift.gate = Some(vec![0.5; 4]);
        }
        let text: Vec<u32> = (10..30).collect();
        let got = follow(&model, Some(&tuned), &text).unwrap();
        let ids: Vec<i32> = got.tokens.iter().map(|id| id.cast_signed()).collect();
        let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [1, 21]), &device);
        let start = tuned.start(&device).state(model.config(), 1, &device);
        let (_, after) = model.hidden(ids, start);
        let state = after.layers[2].branch.as_ref().unwrap().state().unwrap();
        let want = read_f32(state.clone().narrow(1, 1, 1)).unwrap();
        assert_close(&got.lifted_at(21).unwrap(), &want);
        assert_ne!(got.lifted_at(0), got.lifted_at(21));
    }

    #[test]
    fn a_constant_branch_does_not_change_and_the_untuned_model_has_none() {
        let model = model(&Device::flex());
        let mut lifted = tuned(&model);
        if let Some(lift) = &mut lifted.lift {
            lift.kind = LiftKind::Constant;
        }
        let got = follow(&model, Some(&lifted), &[5, 6]).unwrap();
        assert_eq!(got.lifted_at(0), got.lifted_at(2));
        let (device, none) = (Device::flex(), TextStart::None);
        let without = Trajectory::follow(
            &model,
            &device,
            Some(&lifted),
            none,
            &[5, 6],
            PLACE,
            &mut |_, _| Ok(()),
        );
        assert_eq!(without.unwrap().tokens, [5, 6]);
        let untuned = follow(&model, None, &[5, 6]).unwrap();
        assert_eq!(untuned.lifted, None);
        assert!(untuned.states[0].iter().all(|x| *x == 0.0));
        assert_ne!(untuned.states[1], untuned.states[2]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let device = Device::flex();
        let model = model(&device);
        let refuse = |tokens: &[u32], layer, head| {
            let place = Place { layer, head };
            let zero = TextStart::Zero;
            let followed =
                Trajectory::follow(&model, &device, None, zero, tokens, place, &mut |_, _| {
                    Ok(())
                });
            followed.unwrap_err().to_string()
        };
        assert_eq!(refuse(&[1], 6, 0), "layer: must be 0 to 5, is 6");
        assert_eq!(refuse(&[1], 0, 4), "head: must be 0 to 3, is 4");
        assert!(refuse(&[1; MAX_TOKENS + 1], 0, 0).starts_with("text: has 4097 tokens"));
        assert!(refuse(&[4096], 0, 0).starts_with("vocabulary: has the token 4096"));
        let mut stop = |_, _| Err(Error::Stopped);
        let none = TextStart::None;
        let stopped = Trajectory::follow(&model, &device, None, none, &[1; 40], PLACE, &mut stop);
        assert!(matches!(stopped, Err(Error::Stopped)));
    }
}
