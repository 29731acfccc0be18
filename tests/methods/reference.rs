//! The whole objective of a lifted run or a LoRA run in plain, differentiable
//! operations on the tensors of the checkpoint, and the gradients that Burn finds of
//! it. Adapters are merged into the weights here: W + (alpha / rank) B A.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use gosling::kernels::loss::cross_entropy_reference;
use gosling::kernels::norm::LayerNorm;
use gosling::kernels::product::squared_relu::squared_relu_reference;
use gosling::kernels::token_mix::TokenMix;
use gosling::kernels::wkv7::Wkv7Inputs;
use gosling::kernels::wkv7::prepare::{Prepare, Projections};
use gosling::kernels::wkv7::readout::{Readout, ReadoutInputs};
use gosling::kernels::wkv7::reference::{lifted_wkv_reference, wkv7_reference};
use gosling::model::branch::reference::{
    HeadFeatures, LiteralMap, TokenVectors, paper_literal, recurrent,
};
use gosling::model::checkpoint::Checkpoint;
use gosling::model::{ModelConfig, mini};
use gosling::tuning::method::lift_tensors::LiftTensors;
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::spec::LiftKind;

use crate::support::values;

/// What is tuned, as leaves of a graph.
struct Leaves {
    /// S_0 of every layer, [1, H, N, N] each.
    state: Vec<Tensor<4>>,
    /// The last inputs of time mixing and of channel mixing before the text, [2, C] a
    /// layer; zero where there are none.
    shifts: Vec<Tensor<2>>,
    /// Z, [layers, H, N, M], of a lifted run.
    weights: Option<Tensor<4>>,
    /// The write gates, [layers, H].
    gate: Option<Tensor<2>>,
    /// R, [layers, H or 1, M, M].
    r: Option<Tensor<4>>,
}

/// The loss and its gradients, flat, by name; those of S_0 of every layer.
pub struct Differentiated {
    pub loss: f64,
    pub state: Vec<f32>,
    pub weights: Vec<f32>,
    pub gate: Vec<f32>,
    pub r: Vec<f32>,
}

impl Leaves {
    /// The last input of time mixing, 0, or of channel mixing, 1, before the text: [1, C].
    fn before(&self, layer: usize, of: usize, n_embd: usize) -> Tensor<2> {
        match self.shifts.get(layer) {
            Some(shifts) => shifts.clone().narrow(0, of, 1),
            None => constant(Tensor::zeros([1, n_embd], &Device::flex())),
        }
    }
}

fn leaf<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::<D>::from_inner(x).require_grad()
}

fn constant<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(x)
}

/// `x`: [B, T, in]; `matrix`: [in, out].
fn times(x: Tensor<3>, matrix: Tensor<2>) -> Tensor<3> {
    x.matmul(matrix.unsqueeze())
}

/// The mini model, untracked.
struct Model {
    checkpoint: Checkpoint,
    config: ModelConfig,
    adapters: Vec<LeafAdapter>,
}

/// An adapter as leaves of a graph.
struct LeafAdapter {
    /// The linear layer beside which it stands.
    name: String,
    /// A, [rank, in].
    a: Tensor<2>,
    /// B, [out, rank].
    b: Tensor<2>,
    /// alpha / rank.
    scale: f64,
}

impl Model {
    fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        let values = self.checkpoint.tensor(name).unwrap().to_f32();
        let data = TensorData::new(values, shape);
        constant(Tensor::from_data(data, &Device::flex()))
    }

    fn matrix(&self, name: &str) -> Tensor<2> {
        let shape = self.checkpoint.tensor(name).unwrap().shape;
        self.tensor(name, [shape[0], shape[1]])
    }

    /// Of a linear layer, which a file has as [out, in].
    fn linear(&self, x: Tensor<3>, name: &str) -> Tensor<3> {
        let plain = self.matrix(&format!("{name}.weight"));
        let adapter = self.adapters.iter().find(|adapter| adapter.name == name);
        let weight = match adapter {
            Some(LeafAdapter { a, b, scale, .. }) => plain + b.clone().matmul(a.clone()) * *scale,
            None => plain,
        };
        times(x, weight.transpose())
    }

    fn vector(&self, name: &str) -> Tensor<1> {
        let len = self.checkpoint.tensor(name).unwrap().shape.iter().product();
        self.tensor(name, [len])
    }

    fn norm(&self, name: &str, epsilon: f64) -> LayerNorm {
        LayerNorm {
            weight: self.vector(&format!("{name}.weight")),
            bias: self.vector(&format!("{name}.bias")),
            epsilon,
        }
    }

    fn mix<const K: usize>(&self, norm: &str, mix: [String; K]) -> TokenMix<K> {
        TokenMix {
            norm: self.norm(norm, 1e-5),
            mix: mix.map(|name| self.vector(&name)),
        }
    }

    fn low_rank(&self, x: Tensor<3>, name: &str, between: fn(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        let low = between(times(x, self.matrix(&format!("{name}1"))));
        times(low, self.matrix(&format!("{name}2")))
    }

    /// Time mixing of layer `layer`, added to the stream `x` [B, T, C].
    fn time_mix(
        &self,
        layer: usize,
        x: Tensor<3>,
        v_first: &mut Option<Tensor<3>>,
        leaves: &Leaves,
        tensors: Option<&LiftTensors>,
    ) -> Tensor<3> {
        let att = |name: &str| format!("blocks.{layer}.att.{name}");
        let letters = ["r", "w", "k", "v", "a", "g"].map(|letter| att(&format!("x_{letter}")));
        let mix = self.mix(&format!("blocks.{layer}.ln1"), letters);
        let [n_batch, n_tokens, n_embd] = x.dims();
        assert_eq!(n_batch, 1);
        let before = leaves.before(layer, 0, n_embd);
        let [xr, xw, xk, xv, xa, xg] = mix.reference(x.clone(), before).mixed;
        let value = self.linear(xv.clone(), &att("value"));
        let same = |x| x;
        let share = v_first
            .clone()
            .map(|first| (self.low_rank(xv, &att("v"), same), first));
        v_first.get_or_insert_with(|| value.clone());
        let iclr = self.low_rank(xa, &att("a"), same);
        let (n_head, head_size) = (self.config.n_head, self.config.head_size);
        let shape = [n_batch, n_tokens, n_head, head_size];
        let r = self.linear(xr, &att("receptance")).reshape(shape);
        let prepare = Prepare {
            decay: self.vector(&att("w0")),
            iclr: self.vector(&att("a0")),
            share: share.is_some().then(|| self.vector(&att("v0"))),
            k_k: self.vector(&att("k_k")),
            k_a: self.vector(&att("k_a")),
        };
        let rate = sigmoid(iclr.clone() + prepare.iclr.clone().unsqueeze::<3>());
        let projections = Projections {
            key: self.linear(xk, &att("key")),
            value,
            decay: self.low_rank(xw, &att("w"), Tensor::tanh),
            iclr,
            share,
        };
        let prepared = prepare.reference(&projections, head_size);
        let inputs = Wkv7Inputs {
            r: r.clone(),
            w: prepared.w,
            k: prepared.k,
            v: prepared.v,
            removal: prepared.removal,
            write: prepared.write,
        };
        let (own, _) = wkv7_reference(&inputs, leaves.state[layer].clone());
        let branch_of = |tensors: &LiftTensors| {
            let mut layers = tensors.layers.iter();
            layers.position(|tuned| *tuned == layer)
        };
        let of_lift = tensors.and_then(|tensors| Some((tensors, branch_of(tensors)?)));
        let y = match of_lift {
            None => own,
            Some((tensors, idx)) => {
                let added = branch(idx, &inputs, rate.reshape(shape), leaves, tensors);
                match tensors.kind {
                    LiftKind::Constant | LiftKind::Decayed | LiftKind::Recurrent => own + added,
                    LiftKind::PaperLiteral => added,
                }
            }
        };
        let readout = Readout {
            norm: self.norm(&att("ln_x"), 64e-5),
            r_k: self.tensor(&att("r_k"), [n_head, head_size]),
        };
        let out = readout.reference(&ReadoutInputs {
            y,
            r,
            k: inputs.k,
            v: inputs.v,
            gate: self.low_rank(xg, &att("g"), sigmoid),
        });
        x + self.linear(out, &att("output"))
    }

    /// Summed nats of predicting every token of `ids` but the first.
    fn loss(&self, ids: &[i32], leaves: &Leaves, tensors: Option<&LiftTensors>) -> Tensor<1> {
        let n_tokens = ids.len();
        let device = Device::flex().autodiff();
        let chosen: Tensor<1, Int> = Tensor::from_data(ids, &device);
        let x = self.matrix("emb.weight").select(0, chosen.clone());
        let x = self.norm("blocks.0.ln0", 1e-5).reference(x);
        let mut x: Tensor<3> = x.unsqueeze();
        let mut v_first = None;
        for layer in 0..self.config.n_layer {
            x = self.time_mix(layer, x, &mut v_first, leaves, tensors);
            let ffn = |name: &str| format!("blocks.{layer}.ffn.{name}");
            let mix = self.mix(&format!("blocks.{layer}.ln2"), [ffn("x_k")]);
            let before = leaves.before(layer, 1, self.config.n_embd);
            let [input] = mix.reference(x.clone(), before).mixed;
            let key = squared_relu_reference(self.linear(input, &ffn("key")));
            x = x + self.linear(key, &ffn("value"));
        }
        let x = self.norm("ln_out", 1e-5).reference(x);
        let logits = self.linear(x, "head").squeeze_dim::<2>(0);
        let predicted = logits.narrow(0, 0, n_tokens - 1);
        cross_entropy_reference(predicted, chosen.narrow(0, 1, n_tokens - 1)).sum()
    }
}

/// What the branch of the tuned layer `idx` gives, [B, T, H, N].
fn branch(
    idx: usize,
    inputs: &Wkv7Inputs,
    iclr: Tensor<4>,
    leaves: &Leaves,
    tensors: &LiftTensors,
) -> Tensor<4> {
    let one = |x: &Tensor<4>| x.clone().narrow(0, idx, 1).squeeze_dim::<3>(0);
    let projector = &tensors.projector;
    let support_vectors = one(&projector.support_vectors);
    let [n_head, m, _] = support_vectors.dims();
    let gamma = projector.gamma.clone().narrow(0, idx, 1).squeeze_dim(0);
    let r = match &leaves.r {
        Some(r) => one(r).expand([n_head, m, m]),
        None => constant(
            Tensor::<2>::eye(m, &Device::flex())
                .unsqueeze::<3>()
                .expand([n_head, m, m]),
        ),
    };
    let mean = tensors
        .mean
        .as_ref()
        .map(|mean| mean.clone().narrow(0, idx, 1).squeeze_dim(0));
    let features = HeadFeatures {
        map: LiteralMap::Radial {
            support_vectors: constant(support_vectors.clone()),
            gamma: constant(gamma),
            normalizes: tensors.kind != LiftKind::PaperLiteral,
        },
        mean: mean.map(constant),
        r,
    };
    // P, the squares of the support vectors, whose rows sum to 1.
    let averages = constant(support_vectors.powi_scalar(2));
    let weights = one(leaves.weights.as_ref().unwrap());
    let tokens = TokenVectors {
        r: inputs.r.clone(),
        w: inputs.w.clone(),
        k: inputs.k.clone(),
        v: inputs.v.clone(),
        kk: -inputs.removal.clone(),
        iclr,
    };
    match tensors.kind {
        LiftKind::Constant => read_out(features.lift(tokens.r), weights),
        LiftKind::Decayed => {
            let average = HeadFeatures {
                map: LiteralMap::Identity,
                mean: None,
                r: averages,
            };
            let factors = average.lift(tokens.w);
            let mut left = factors.clone().narrow(1, 0, 1).ones_like();
            let mut all = Vec::new();
            for t in 0..factors.dims()[1] {
                left = left * factors.clone().narrow(1, t, 1);
                all.push(left.clone());
            }
            read_out(features.lift(tokens.r) * Tensor::cat(all, 1), weights)
        }
        LiftKind::Recurrent => {
            let gate = leaves.gate.as_ref().unwrap().clone();
            let beta = gate.narrow(0, idx, 1).squeeze_dim(0);
            let inputs = recurrent(&tokens, &features, averages, beta);
            lifted_wkv_reference(&inputs, weights.unsqueeze()).0
        }
        LiftKind::PaperLiteral => {
            let q = constant(tensors.projection.clone().unwrap());
            let (inputs, _) = paper_literal(&tokens, &features, q);
            lifted_wkv_reference(&inputs, weights.unsqueeze()).0
        }
    }
}

/// `z` [B, T, H, M] by Z, [H, N, M] → [B, T, H, N].
fn read_out(z: Tensor<4>, weights: Tensor<3>) -> Tensor<4> {
    let by_head = z
        .swap_dims(1, 2)
        .matmul(weights.swap_dims(1, 2).unsqueeze());
    by_head.swap_dims(1, 2)
}

fn gradient<const D: usize>(x: &Tensor<D>, gradients: &Gradients) -> Vec<f32> {
    match x.grad(gradients) {
        Some(gradient) => values(gradient),
        // The recurrence that S_0 belongs to was replaced.
        None => vec![0.0; x.dims().iter().product()],
    }
}

/// The loss of predicting `ids` from a tuned state, and its gradients.
pub fn differentiate(tuned: &Tuned, ids: &[i32]) -> Differentiated {
    let device = Device::flex();
    let tensors = tuned.lift.as_ref().unwrap().tensors(&device);
    let leaves = Leaves {
        state: tuned.start(&device).wkv.into_iter().map(leaf).collect(),
        shifts: Vec::new(),
        weights: Some(leaf(tensors.weights.clone())),
        gate: tensors.gate.clone().map(leaf),
        r: tensors.r.clone().map(leaf),
    };
    let checkpoint = mini::checkpoint().unwrap();
    let config = ModelConfig::from_checkpoint(&checkpoint).unwrap();
    let model = Model {
        checkpoint,
        config,
        adapters: Vec::new(),
    };
    let loss = model.loss(ids, &leaves, Some(&tensors));
    let gradients = loss.backward();
    let state = leaves.state.iter().flat_map(|x| gradient(x, &gradients));
    Differentiated {
        loss: f64::from(values(loss.inner())[0]),
        state: state.collect(),
        weights: leaves
            .weights
            .map_or_else(Vec::new, |x| gradient(&x, &gradients)),
        gate: leaves
            .gate
            .map_or_else(Vec::new, |x| gradient(&x, &gradients)),
        r: leaves.r.map_or_else(Vec::new, |x| gradient(&x, &gradients)),
    }
}

/// The gradients of a LoRA run: of S_0 of every layer, flat, and of A and B of every
/// adapter.
pub struct OfAdapters {
    pub loss: f64,
    pub state: Vec<f32>,
    /// By the layer and the official name of the matrix.
    pub adapters: Vec<(usize, &'static str, [Vec<f32>; 2])>,
}

/// The loss of predicting `ids` from a tuned state with adapters, and its gradients.
pub fn differentiate_adapters(tuned: &Tuned, ids: &[i32]) -> OfAdapters {
    let device = Device::flex();
    let lora = tuned.lora.as_ref().unwrap();
    let leaf_of = |values: &[f32], n_columns: usize| {
        let shape = [values.len() / n_columns, n_columns];
        let data = TensorData::new(values.to_vec(), shape);
        leaf(Tensor::<2>::from_data(data, &device))
    };
    let mut places = Vec::new();
    let mut adapters = Vec::new();
    for (idx, layer) in lora.layers.iter().enumerate() {
        for of in &lora.factors {
            let [a, b] = lora.factors_of(idx, of.target).unwrap();
            places.push((*layer, of.target.module()));
            adapters.push(LeafAdapter {
                name: format!("blocks.{layer}.{}", of.target.module()),
                a: leaf_of(a, of.n_in),
                b: leaf_of(b, lora.rank),
                scale: lora.alpha / lora.rank as f64,
            });
        }
    }
    let leaves = Leaves {
        state: tuned.start(&device).wkv.into_iter().map(leaf).collect(),
        shifts: Vec::new(),
        weights: None,
        gate: None,
        r: None,
    };
    let checkpoint = mini::checkpoint().unwrap();
    let config = ModelConfig::from_checkpoint(&checkpoint).unwrap();
    let model = Model {
        checkpoint,
        config,
        adapters,
    };
    let loss = model.loss(ids, &leaves, None);
    let gradients = loss.backward();
    let of = |adapter: &LeafAdapter| [&adapter.a, &adapter.b].map(|x| gradient(x, &gradients));
    let each = places.into_iter().zip(&model.adapters);
    OfAdapters {
        loss: f64::from(values(loss.inner())[0]),
        state: leaves
            .state
            .iter()
            .flat_map(|x| gradient(x, &gradients))
            .collect(),
        adapters: each
            .map(|((layer, module), adapter)| (layer, module, of(adapter)))
            .collect(),
    }
}

/// The gradients of a state whose token shifts are tuned too, flat: of S_0 of every
/// layer, and of its two token shifts.
pub struct OfShifts {
    pub loss: f64,
    pub state: Vec<f32>,
    pub shifts: Vec<f32>,
}

/// The loss of predicting `ids` from a state with token shifts, and its gradients.
pub fn differentiate_shifts(tuned: &Tuned, ids: &[i32]) -> OfShifts {
    let start = tuned.start(&Device::flex());
    let leaves = Leaves {
        state: start.wkv.into_iter().map(leaf).collect(),
        shifts: start.shifts.into_iter().map(leaf).collect(),
        weights: None,
        gate: None,
        r: None,
    };
    let checkpoint = mini::checkpoint().unwrap();
    let config = ModelConfig::from_checkpoint(&checkpoint).unwrap();
    let model = Model {
        checkpoint,
        config,
        adapters: Vec::new(),
    };
    let loss = model.loss(ids, &leaves, None);
    let gradients = loss.backward();
    let state = leaves.state.iter().flat_map(|x| gradient(x, &gradients));
    let shifts = leaves.shifts.iter().flat_map(|x| gradient(x, &gradients));
    OfShifts {
        loss: f64::from(values(loss.inner())[0]),
        state: state.collect(),
        shifts: shifts.collect(),
    }
}
