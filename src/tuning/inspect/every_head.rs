//! The states of every head over the tokens of a text, for pictures: in 16 bits, and
//! of every so many tokens where all of them would take too much room.

use burn::tensor::Tensor;
use half::bf16;

use crate::error::Result;
use crate::kernels::device::read_back::read_f32;
use crate::model::ModelConfig;
use crate::model::state::ModelState;

/// The states of every head before the first token and after some of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct EveryHead {
    /// Layers of the model.
    pub n_layer: usize,
    /// Heads of a layer.
    pub n_head: usize,
    /// N, value channels.
    pub head_size: usize,
    /// K, key channels.
    pub key_size: usize,
    /// The first state is that before the first token, the next one that after so many.
    pub stride: usize,
    /// S_t of all heads, [layer, head, value, key] row-major. bf16 has the range of f32.
    states: Vec<Vec<bf16>>,
}

impl EveryHead {
    /// Tokens that are done at the last state that is known after `n_tokens`; `None`
    /// where nothing is known.
    pub fn nearest(&self, n_tokens: usize) -> Option<usize> {
        let last = self.states.len().checked_sub(1)?;
        Some((n_tokens / self.stride).min(last) * self.stride)
    }

    /// The state of a head after so many tokens, as [`Self::nearest`] tells them:
    /// [value, key] row-major.
    pub fn head(&self, n_tokens: usize, layer: usize, head: usize) -> Option<Vec<f32>> {
        let state = self.states.get(n_tokens / self.stride)?;
        let n = self.head_size * self.key_size;
        let start = (layer * self.n_head + head) * n;
        let values = state.get(start..start + n)?;
        Some(values.iter().map(|x| x.to_f32()).collect())
    }
}

/// Takes the states of every head as a text is read.
pub(super) struct HeadsRecorder {
    heads: EveryHead,
    n_seen: usize,
    pending: Vec<Tensor<2>>,
}

impl HeadsRecorder {
    /// For a text of `n_tokens` within `n_bytes`; none where two states have no room.
    pub fn new(config: &ModelConfig, n_tokens: usize, n_bytes: usize) -> Option<Self> {
        let (n_layer, n_head) = (config.n_layer, config.n_head);
        let of_state = n_layer * config.n_state() * size_of::<bf16>();
        let n_kept = n_bytes / of_state;
        if n_kept < 2 {
            return None;
        }
        Some(Self {
            heads: EveryHead {
                n_layer,
                n_head,
                head_size: config.head_size,
                key_size: config.key_size(),
                stride: n_tokens.div_ceil(n_kept - 1).max(1),
                states: Vec::new(),
            },
            n_seen: 0,
            pending: Vec::new(),
        })
    }

    /// Takes the next state, if it is one of those that are kept.
    pub fn take(&mut self, state: &ModelState) {
        let is_kept = self.n_seen.is_multiple_of(self.heads.stride);
        self.n_seen += 1;
        if !is_kept {
            return;
        }
        let layers = state.layers.iter().map(|layer| {
            let [_, n_head, n, _] = layer.wkv.dims();
            layer.wkv.clone().reshape([1, n_head * n * n])
        });
        self.pending.push(Tensor::cat(layers.collect(), 1));
    }

    /// Reads what was taken back from the device.
    ///
    /// # Errors
    /// What the device reports.
    pub fn read(&mut self) -> Result<()> {
        for state in std::mem::take(&mut self.pending) {
            let values = read_f32(state)?;
            let values = values.into_iter().map(bf16::from_f32);
            self.heads.states.push(values.collect());
        }
        Ok(())
    }

    /// What was taken.
    pub fn done(self) -> EveryHead {
        self.heads
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use crate::model::{Model, TextStart, mini};
    use crate::tuning::inspect::trajectory::{Follow, Place, Trajectory};

    fn follow(n_bytes: usize, n_tokens: usize) -> Trajectory {
        let device = Device::flex();
        let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let follow = Follow {
            place: Place { layer: 2, head: 1 },
            every_head_bytes: n_bytes,
        };
        let tokens: Vec<u32> = (10..10 + n_tokens as u32).collect();
        let start = TextStart::None;
        Trajectory::follow(
            &model,
            &device,
            None,
            start,
            &tokens,
            follow,
            &mut |_, _| Ok(()),
        )
        .unwrap()
    }

    /// The mini model has 6 layers of 4 heads of 64 x 64.
    const STATE: usize = 6 * 4 * 64 * 64 * 2;

    #[test]
    fn every_head_is_what_one_head_is() {
        let of = follow(usize::MAX, 20);
        let heads = of.heads.as_ref().unwrap();
        assert_eq!(heads.stride, 1);
        for n_tokens in [0, 7, 20] {
            assert_eq!(heads.nearest(n_tokens), Some(n_tokens));
            let own = heads.head(n_tokens, 2, 1).unwrap();
            for (own, want) in own.iter().zip(&of.states[n_tokens]) {
                assert!(
                    (own - want).abs() <= 0.01 * want.abs() + 1e-6,
                    "{own} {want}"
                );
            }
        }
        let other = heads.head(20, 3, 0).unwrap();
        assert_ne!(other, heads.head(20, 2, 1).unwrap());
        assert_eq!(heads.head(20, 6, 0), None);
    }

    #[test]
    fn a_long_text_keeps_some_states_and_a_large_model_none() {
        let heads = follow(5 * STATE, 20).heads.unwrap();
        assert_eq!(heads.stride, 5);
        assert_eq!(heads.nearest(13), Some(10));
        assert_eq!(heads.nearest(20), Some(20));
        assert!(heads.head(20, 0, 0).is_some());
        assert_eq!(follow(STATE, 20).heads, None);
        assert_eq!(follow(0, 3).heads, None);
    }
}
