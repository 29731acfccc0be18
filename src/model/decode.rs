//! Writing: one token of a few texts at a time, in few launches a layer.

use burn::tensor::Tensor;

use super::block::Block;
use super::layer::Layer;
use super::low_rank::LowRank;
use super::state::{LayerState, ModelState};
use crate::kernels::decode::{Carried, Declined, DecodeLayer, LayerParts, MOST_TEXTS, Token};
use crate::kernels::matrix::Matrix;

/// The layers of a model as the kernels of [`crate::kernels::decode`] take them.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    layers: Vec<DecodeLayer>,
}

impl Decoder {
    /// Of all layers of a model.
    ///
    /// # Errors
    /// Why they are not taken.
    pub fn new(layers: &[Layer]) -> Result<Self, Declined> {
        let layers = layers.iter().map(|layer| match layer {
            Layer::Rwkv7(block) => DecodeLayer::new(&parts(block)),
            Layer::DeltaNet(_) => Err(Declined::Architecture),
        });
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// Takes one token of every text, the residual stream `x` [B, C], through all layers;
    /// `state` is one that [`check`] lets through.
    pub fn stream(&self, x: Tensor<2>, state: ModelState) -> (Tensor<2>, ModelState) {
        let mut token = Token::new(x);
        let both = self.layers.iter().zip(state.layers);
        let layers = both.map(|(layer, before)| {
            let Some(channel_shift) = before.channel_shift else {
                unreachable!("the state is that of RWKV-7")
            };
            let before = Carried {
                time_shift: before.time_shift,
                wkv: before.wkv,
                channel_shift,
            };
            let after = layer.step(&mut token, before);
            LayerState {
                time_shift: after.time_shift,
                wkv: after.wkv,
                channel_shift: Some(after.channel_shift),
                branch: None,
                adapters: None,
            }
        });
        let layers = layers.collect();
        (token.behind(), ModelState { layers })
    }
}

/// Whether `n_tokens` of each of `n_texts` that stand at `state` can be one step here.
///
/// # Errors
/// Why they cannot.
pub(super) fn check([n_texts, n_tokens]: [usize; 2], state: &ModelState) -> Result<(), Declined> {
    let is_bare = |layer: &LayerState| layer.branch.is_none() && layer.adapters.is_none();
    if n_tokens != 1 {
        return Err(Declined::Tokens);
    }
    if n_texts > MOST_TEXTS {
        return Err(Declined::Texts);
    }
    match state.layers.iter().all(is_bare) {
        true => Ok(()),
        false => Err(Declined::Beside),
    }
}

fn parts(block: &Block) -> LayerParts<'_> {
    let (time, channel) = (&block.time_mix, &block.channel_mix);
    LayerParts {
        time_mix: &time.mix,
        receptance: &time.receptance,
        key: &time.key,
        value: &time.value,
        output: &time.output,
        decay: both(&time.decay),
        iclr: both(&time.iclr),
        share: time.share.as_ref().map(both),
        gate: both(&time.gate),
        prepare: &time.prepare,
        readout: &time.readout,
        channel_mix: &channel.mix,
        channel_key: &channel.key,
        channel_value: &channel.value,
    }
}

/// The factors of a low-rank map.
fn both(map: &LowRank) -> [&Matrix; 2] {
    [&map.down, &map.up]
}

#[cfg(test)]
mod tests;
