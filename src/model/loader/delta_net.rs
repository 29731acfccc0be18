//! A layer of Gated DeltaNet from its tensors.

use burn::tensor::Tensor;

use super::Loader;
use crate::error::{Error, Result};
use crate::kernels::matrix::Matrix;
use crate::kernels::rms_norm::RmsNorm;
use crate::kernels::short_conv::ShortConv;
use crate::model::ModelConfig;
use crate::model::checkpoint::TensorView;
use crate::model::config::DeltaNetSettings as Settings;
use crate::model::delta_net::{DeltaBlock, FeedForward, Inputs, Mixing};
use crate::model::precision::Role;

impl Loader<'_> {
    /// A parameter of a row for every token, [V, C], in which token 0 and the one that
    /// ends a document in the file have changed places
    /// ([`ModelConfig::end_of_document`]).
    pub fn token_matrix(&mut self, name: &str, role: Role, config: &ModelConfig) -> Result<Matrix> {
        let end = config.end_of_document as usize;
        let view = self.view(name)?;
        if end == 0 {
            return self.matrix_of(&view, role);
        }
        let Some(bytes) = view.plain_bytes() else {
            let reason = tr!(
                "is stored in blocks, whose rows Gosling does not exchange; use the model as \
                 safetensors in 16 or 32 bits"
            );
            return Err(Error::input(self.checkpoint.file(), name, reason));
        };
        let mut bytes = bytes.to_vec();
        let row = bytes.len() / config.vocab_size;
        let (before, from_end) = bytes.split_at_mut(end * row);
        before[..row].swap_with_slice(&mut from_end[..row]);
        let exchanged = TensorView::new(view.name, view.dtype, view.shape, &bytes);
        self.matrix_of(&exchanged, role)
    }

    /// The layer of this index.
    pub fn delta_block(
        &mut self,
        layer: usize,
        config: &ModelConfig,
        settings: Settings,
    ) -> Result<DeltaBlock> {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        Ok(DeltaBlock {
            mixing: Mixing {
                norm: self.rms_norm(&name("attn_norm.weight"), settings)?,
                inputs: Inputs {
                    n_key_head: config.n_key_head(),
                    query: self.matrix(&name("attn.q_proj.weight"), Role::Layer)?,
                    key: self.matrix(&name("attn.k_proj.weight"), Role::Layer)?,
                    value: self.matrix(&name("attn.v_proj.weight"), Role::Layer)?,
                    conv: self.convolutions(
                        ["q", "k", "v"].map(|letter| name(&format!("attn.{letter}_conv1d.weight"))),
                    )?,
                    a: self.matrix(&name("attn.a_proj.weight"), Role::LowRank)?,
                    b: self.matrix(&name("attn.b_proj.weight"), Role::LowRank)?,
                    speed: self.vector(&name("attn.A_log"))?.exp(),
                    dt_bias: self.vector(&name("attn.dt_bias"))?,
                    largest_rate: settings.largest_rate,
                },
                gate: self.matrix(&name("attn.g_proj.weight"), Role::Layer)?,
                out_norm: self.rms_norm(&name("attn.o_norm.weight"), settings)?,
                output: self.matrix(&name("attn.o_proj.weight"), Role::Layer)?,
            },
            feed_forward: FeedForward {
                norm: self.rms_norm(&name("mlp_norm.weight"), settings)?,
                gate: self.matrix(&name("mlp.gate_proj.weight"), Role::Layer)?,
                up: self.matrix(&name("mlp.up_proj.weight"), Role::Layer)?,
                down: self.matrix(&name("mlp.down_proj.weight"), Role::Layer)?,
            },
        })
    }

    /// A norm without a mean.
    pub fn rms_norm(&mut self, name: &str, settings: Settings) -> Result<RmsNorm> {
        Ok(RmsNorm {
            weight: self.vector(name)?,
            epsilon: settings.norm_epsilon,
        })
    }

    /// Convolutions of [channels, 1, taps] each as one, over the channels of all.
    fn convolutions(&mut self, names: [String; 3]) -> Result<ShortConv> {
        let mut all = Vec::new();
        for name in names {
            let &[n_channels, _, n_taps] = self.shape(&name) else {
                unreachable!("the shapes were checked")
            };
            let of_one: Tensor<2> = self.tensor(&name, [n_channels, n_taps])?;
            all.push(of_one.transpose());
        }
        let all = Tensor::cat(all, 1);
        let [n_taps, n_channels] = all.dims();
        let taps = (0..n_taps).map(|tap| all.clone().narrow(0, tap, 1).reshape([n_channels]));
        Ok(ShortConv {
            taps: taps.collect(),
        })
    }
}
