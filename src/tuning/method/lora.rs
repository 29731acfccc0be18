//! Low-rank adapters while they are trained: all A and B take steps of an optimiser,
//! and no other gradient than theirs is formed.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::lora_values::{LoraFactors, LoraValues, scale};
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::kernels::dropout::Dropout;
use crate::model::ModelConfig;
use crate::model::adapter::{Adapter, AdapterTarget, LayerAdapterGradients, LayerAdapters};
use crate::random::SplitMix64;
use crate::tuning::spec::{LoraSpec, TrainingSpec};
use crate::tuning::train::parameter::{MomentValues, Parameter, Proposal};

/// Keeps the stream of A apart from the others of a seed.
const STREAM: u64 = 0x4C6F_5241;
/// The same of the masks of dropout.
const DROPOUT_STREAM: u64 = 0x4472_6F70;

/// The adapters of a run.
#[derive(Debug)]
pub(crate) struct Lora {
    layers: Vec<usize>,
    rank: usize,
    alpha: f64,
    /// The share of what they multiply that is dropped in training.
    dropout: f64,
    /// What the masks of the run follow from.
    seed: u64,
    learning_rate: f64,
    /// The peak rate of S_0, whose schedule the adapters follow.
    state_rate: f64,
    factors: Vec<Factors>,
}

/// The adapters beside one matrix of all layers.
#[derive(Debug)]
struct Factors {
    target: AdapterTarget,
    /// A, [layers, 1, rank, in].
    a: Parameter,
    /// B, [layers, 1, out, rank].
    b: Parameter,
}

/// Gradients of A, [layers, 1, rank, in], and of B, [layers, 1, out, rank], of every
/// matrix that has adapters, in the order of [`AdapterTarget::ALL`].
pub(crate) struct LoraGradients(Vec<[Tensor<4>; 2]>);

/// What a step would make of the adapters.
pub(crate) struct LoraProposal(Vec<[Proposal; 2]>);

impl LoraGradients {
    /// Of the layers that have adapters; none where one has none.
    pub fn new(layers: Vec<Option<LayerAdapterGradients>>) -> Option<Self> {
        let layers: Vec<LayerAdapterGradients> = layers.into_iter().collect::<Option<_>>()?;
        let whole = |x: &Tensor<2>| x.clone().unsqueeze::<4>();
        let of = |target: AdapterTarget| {
            let own = || layers.iter().flat_map(|layer| &layer[target as usize]);
            let a: Vec<_> = own().map(|of| whole(&of.a)).collect();
            let b: Vec<_> = own().map(|of| whole(&of.b)).collect();
            (!a.is_empty()).then(|| [Tensor::cat(a, 0), Tensor::cat(b, 0)])
        };
        Some(Self(
            AdapterTarget::ALL.into_iter().filter_map(of).collect(),
        ))
    }

    /// The sum of two micro-batches.
    pub fn add(self, other: Self) -> Self {
        let both = self.0.into_iter().zip(other.0);
        Self(both.map(|([a, b], [c, d])| [a + c, b + d]).collect())
    }

    /// The same with what `f` makes of each.
    pub fn map(self, f: impl Fn(Tensor<4>) -> Tensor<4>) -> Self {
        Self(self.0.into_iter().map(|both| both.map(&f)).collect())
    }

    /// A and B of every matrix in turn.
    pub fn each(&self) -> impl Iterator<Item = &Tensor<4>> {
        self.0.iter().flatten()
    }

    /// The sum of all squares, `[1]`.
    pub fn square(&self) -> Tensor<1> {
        square(self.each())
    }
}

impl LoraProposal {
    /// The sum of the squares of all that the step leads to, `[1]`.
    pub fn square(&self) -> Tensor<1> {
        square(self.0.iter().flatten().map(|proposal| &proposal.value))
    }
}

/// The sum of all squares, `[1]`.
fn square<'a>(all: impl Iterator<Item = &'a Tensor<4>>) -> Tensor<1> {
    let squares = all.map(|x| x.clone().powi_scalar(2).sum());
    Tensor::cat(squares.collect(), 0).sum()
}

impl Lora {
    /// A by Kaiming's uniform distribution, B = 0.
    ///
    /// # Errors
    /// [`Error::Spec`] where no matrix is chosen, the rank is 0, or all would be dropped.
    pub fn new(
        spec: &LoraSpec,
        training: &TrainingSpec,
        layers: Vec<usize>,
        config: &ModelConfig,
        device: &Device,
    ) -> Result<Self> {
        let targets = spec.targets.chosen();
        if targets.is_empty() {
            let reason = tr!("has no matrix; choose at least one");
            return Err(Error::spec("method.targets", reason));
        }
        if spec.rank == 0 {
            return Err(Error::spec("method.rank", tr!("must be at least 1, is 0")));
        }
        if !(0.0..1.0).contains(&spec.dropout) {
            let reason = tr!("must be 0 to below 1, is {}", spec.dropout);
            return Err(Error::spec("method.dropout", reason));
        }
        let n_layer = layers.len();
        let factors = targets.into_iter().map(|target| {
            let [n_out, n_in] = target.dims(config);
            let of_layers = layers.iter();
            let a =
                of_layers.flat_map(|layer| kaiming(training.seed, *layer, target, spec.rank, n_in));
            let a = TensorData::new(a.collect::<Vec<f32>>(), [n_layer, 1, spec.rank, n_in]);
            let b = Tensor::zeros([n_layer, 1, n_out, spec.rank], device);
            Factors {
                target,
                a: Parameter::new(Tensor::from_data(a, device), training.optimizer),
                b: Parameter::new(b, training.optimizer),
            }
        });
        Ok(Self {
            rank: spec.rank,
            alpha: spec.alpha,
            dropout: spec.dropout,
            seed: SplitMix64::mix(training.seed, DROPOUT_STREAM),
            learning_rate: spec.learning_rate_lora,
            state_rate: training.learning_rate,
            factors: factors.collect(),
            layers,
        })
    }

    /// The adapters of every layer of a model of `n_layer`.
    pub fn adapters(&self, n_layer: usize) -> Vec<Option<LayerAdapters>> {
        let scale = scale(self.alpha, self.rank);
        let of_layer = |x: &Parameter, idx: usize| {
            let [_, _, rows, columns] = x.value.dims();
            let own = x.value.clone().narrow(0, idx, 1);
            own.reshape([rows, columns]).into()
        };
        let mut all = vec![None; n_layer];
        for (idx, layer) in self.layers.iter().enumerate() {
            all[*layer] = Some(LayerAdapters::new(|target| {
                let own = self.factors.iter().find(|own| own.target == target)?;
                Some(Adapter {
                    a: of_layer(&own.a, idx),
                    b: of_layer(&own.b, idx),
                    scale,
                })
            }));
        }
        all
    }

    /// Whether some of what they multiply is dropped in training.
    pub fn drops(&self) -> bool {
        self.dropout > 0.0
    }

    /// The same for the step after `step_idx` steps, with what is dropped in it; the first
    /// text is number `first_text` of the step.
    pub fn thinned_adapters(
        &self,
        n_layer: usize,
        step_idx: usize,
        first_text: usize,
    ) -> Vec<Option<LayerAdapters>> {
        let all = self.adapters(n_layer);
        let of_step = SplitMix64::mix(self.seed, step_idx as u64);
        let thinned = all.into_iter().enumerate().map(|(layer, adapters)| {
            // The upper half; a mask has a key of 32 bits.
            let key = (SplitMix64::mix(of_step, layer as u64) >> 32) as u32;
            let dropout = Dropout::new(self.dropout as f32, key, first_text);
            Some(adapters?.dropping(dropout))
        });
        thinned.collect()
    }

    /// Numbers that are trained.
    pub fn n_parameters(&self) -> usize {
        let of = |x: &Parameter| x.value.dims().iter().product::<usize>();
        self.factors.iter().map(|own| of(&own.a) + of(&own.b)).sum()
    }

    /// The step after `step_idx` steps, where that of S_0 has the rate `state_rate`.
    pub fn propose(
        &self,
        gradients: LoraGradients,
        state_rate: f64,
        step_idx: usize,
    ) -> LoraProposal {
        let rate = state_rate / self.state_rate * self.learning_rate;
        let all = self.factors.iter().zip(gradients.0);
        let all = all.map(|(own, [a, b])| {
            [
                own.a.propose(a, rate, step_idx),
                own.b.propose(b, rate, step_idx),
            ]
        });
        LoraProposal(all.collect())
    }

    /// Takes the step where `sound`, [1, 1, 1, 1], is true.
    pub fn accept(&mut self, proposal: LoraProposal, sound: &Tensor<4, Bool>) {
        for (own, [a, b]) in self.factors.iter_mut().zip(proposal.0) {
            own.a.accept(a, sound);
            own.b.accept(b, sound);
        }
    }

    /// The adapters as plain numbers.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn values(&self) -> Result<LoraValues> {
        let factors = self.factors.iter().map(|own| {
            let [_, _, _, n_in] = own.a.value.dims();
            let [_, _, n_out, _] = own.b.value.dims();
            Ok(LoraFactors {
                target: own.target,
                n_out,
                n_in,
                a: read_f32(own.a.value.clone())?,
                b: read_f32(own.b.value.clone())?,
            })
        });
        Ok(LoraValues {
            layers: self.layers.clone(),
            rank: self.rank,
            alpha: self.alpha,
            factors: factors.collect::<Result<_>>()?,
        })
    }

    /// The moments of A and B of every matrix.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn parameter_moments(&self) -> Result<Vec<MomentValues>> {
        let all = self.factors.iter().flat_map(|own| [&own.a, &own.b]);
        all.map(Parameter::moments).collect()
    }

    /// Goes on from what [`Self::values`] and [`Self::parameter_moments`] gave.
    ///
    /// # Errors
    /// [`Error::Spec`] if they are of another run.
    pub fn restore(&mut self, values: &LoraValues, moments: &[MomentValues]) -> Result<()> {
        let targets = |values: &LoraValues| -> Vec<AdapterTarget> {
            values.factors.iter().map(|of| of.target).collect()
        };
        let own: Vec<AdapterTarget> = self.factors.iter().map(|own| own.target).collect();
        let fits = values.has_right_sizes()
            && values.layers == self.layers
            && values.rank == self.rank
            && targets(values) == own
            && moments.len() == 2 * own.len();
        if !fits {
            let reason = tr!("has other adapters than this run");
            return Err(Error::spec("checkpoint", reason));
        }
        let pairs = values.factors.iter().zip(moments.chunks_exact(2));
        for (own, (values, moments)) in self.factors.iter_mut().zip(pairs) {
            for (x, values, moments) in [
                (&mut own.a, &values.a, &moments[0]),
                (&mut own.b, &values.b, &moments[1]),
            ] {
                let (shape, device) = (x.value.dims(), x.value.device());
                if values.len() != shape.iter().product::<usize>() {
                    let reason = tr!("has adapters of another size than this run");
                    return Err(Error::spec("checkpoint", reason));
                }
                let data = TensorData::new(values.clone(), shape);
                x.set(Tensor::from_data(data, &device), moments, "checkpoint")?;
            }
        }
        Ok(())
    }
}

/// A of one adapter, [rank, in]: uniform within 1 / sqrt(in), which is Kaiming's
/// distribution for the slope sqrt 5.
fn kaiming(seed: u64, layer: usize, target: AdapterTarget, rank: usize, n_in: usize) -> Vec<f32> {
    let of_place = (layer * AdapterTarget::ALL.len() + target as usize) as u64;
    let of_run = SplitMix64::mix(seed, STREAM);
    let mut random = SplitMix64::new(SplitMix64::mix(of_run, of_place));
    let bound = 1.0 / (n_in as f32).sqrt();
    (0..rank * n_in).map(|_| bound * random.uniform()).collect()
}
