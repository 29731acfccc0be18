//! Low-rank adapters beside frozen matrices (LoRA, arXiv 2106.09685):
//!
//! ```text
//! y = W x + scale B (A x)
//! ```
//!
//! In training x may be thinned out first, `W x + scale B A dropout(x)`.
//!
//! Only products as thin as the rank are added, there and back; W is never made
//! anew, and no gradient of it is formed. A layer without adapters does nothing of
//! this.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::ModelConfig;
use super::linear::{n_values, rows};
use crate::kernels::dropout::Dropout;
use crate::kernels::matrix::Matrix;
use crate::kernels::product::squared_relu::{squared_relu, squared_relu_backward};
use crate::kernels::product::{Finish, Start, Stored, product};

/// A frozen matrix of a layer that an adapter can stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterTarget {
    /// Of the receptance of time mixing.
    Receptance,
    /// Of its key.
    Key,
    /// Of its value.
    Value,
    /// Of its output.
    Output,
    /// Of the key of channel mixing.
    FfnKey,
    /// Of its value.
    FfnValue,
}

impl AdapterTarget {
    /// Every matrix.
    pub const ALL: [Self; 6] = [
        Self::Receptance,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::FfnKey,
        Self::FfnValue,
    ];

    /// Its official name inside a layer, without `.weight`.
    pub fn module(self) -> &'static str {
        match self {
            Self::Receptance => "att.receptance",
            Self::Key => "att.key",
            Self::Value => "att.value",
            Self::Output => "att.output",
            Self::FfnKey => "ffn.key",
            Self::FfnValue => "ffn.value",
        }
    }

    /// The matrix with this name.
    pub fn by_module(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.module() == name)
    }

    /// Outputs and inputs of the matrix.
    pub fn dims(self, config: &ModelConfig) -> [usize; 2] {
        let (width, inner) = (config.n_embd, config.n_ffn);
        match self {
            Self::Receptance | Self::Key | Self::Value | Self::Output => [width, width],
            Self::FfnKey => [inner, width],
            Self::FfnValue => [width, inner],
        }
    }
}

/// What is added beside one matrix.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// A, [rank, in].
    pub a: Matrix,
    /// B, [out, rank].
    pub b: Matrix,
    /// alpha / rank.
    pub scale: f32,
}

/// The adapters of one layer, which all that read it share.
#[derive(Debug, Clone)]
pub struct LayerAdapters {
    all: Arc<[Option<Adapter>; AdapterTarget::ALL.len()]>,
    /// What is dropped of the tokens that come next; none outside of training.
    dropout: Option<Dropout>,
}

impl LayerAdapters {
    /// What `of` gives for every matrix.
    pub fn new(of: impl FnMut(AdapterTarget) -> Option<Adapter>) -> Self {
        Self {
            all: Arc::new(AdapterTarget::ALL.map(of)),
            dropout: None,
        }
    }

    /// With dropout of what they multiply.
    #[must_use]
    pub fn dropping(mut self, dropout: Dropout) -> Self {
        self.dropout = Some(dropout);
        self
    }

    /// For the tokens behind so many more, which have masks of their own.
    #[must_use]
    pub fn behind(mut self, n_tokens: usize) -> Self {
        self.dropout = self.dropout.map(|dropout| dropout.behind(n_tokens));
        self
    }

    /// The adapter beside a matrix, if there is one.
    pub fn get(&self, target: AdapterTarget) -> Option<&Adapter> {
        self.all[target as usize].as_ref()
    }
}

/// `x` behind `start`, as a product would read it.
fn started(x: Tensor<3>, start: Start) -> Tensor<3> {
    match start {
        Start::SquaredRelu => {
            let shape = x.dims();
            squared_relu(rows(x)).reshape(shape)
        }
        Start::Plain | Start::Gradient => x,
    }
}

/// Gradients of the two factors of an adapter, summed over the batch.
#[derive(Debug, Clone)]
pub struct AdapterGradient {
    /// Of A, [rank, in].
    pub a: Tensor<2>,
    /// Of B, [out, rank].
    pub b: Tensor<2>,
}

/// Those of the adapters of a layer, in the order of [`AdapterTarget::ALL`].
pub type LayerAdapterGradients = [Option<AdapterGradient>; AdapterTarget::ALL.len()];

/// The adapters of a layer on their way through a batch.
#[derive(Debug, Clone)]
pub(super) struct AdapterPass {
    adapters: LayerAdapters,
    /// Whether the backward pass will read what was multiplied.
    keeps: bool,
    kept: [Option<SavedInput>; AdapterTarget::ALL.len()],
}

/// What the backward pass of one adapter reads.
#[derive(Debug, Clone)]
struct SavedInput {
    /// What the matrix multiplied, [B, T, in], in front of `start`.
    x: Tensor<3>,
    start: Start,
    /// scale A x, [B, T, rank].
    low: Tensor<3>,
}

impl AdapterPass {
    pub fn new(adapters: LayerAdapters, keeps: bool) -> Self {
        Self {
            adapters,
            keeps,
            kept: Default::default(),
        }
    }

    /// `y` [B, T, out] and what the adapter makes of `x` [B, T, in] behind `start`.
    fn forward(
        &mut self,
        target: AdapterTarget,
        x: &Tensor<3>,
        start: Start,
        y: Tensor<3>,
    ) -> Tensor<3> {
        let dropout = self.dropout(target);
        let Some(Adapter { a, b, scale }) = self.adapters.get(target) else {
            return y;
        };
        let (read, then) = match dropout {
            None => (x.clone(), start),
            Some(dropout) => (dropout.apply(started(x.clone(), start)), Start::Plain),
        };
        let low = product(read, a, Stored::Transposed, then, Finish::Plain, None);
        let low = low * *scale;
        if self.keeps {
            self.kept[target as usize] = Some(SavedInput {
                x: x.clone(),
                start,
                low: low.clone(),
            });
        }
        let onto = Some(y);
        product(low, b, Stored::Transposed, Start::Plain, Finish::Add, onto)
    }

    /// For `dy` [B, T, out] the gradients of the factors, and with `onto`, that of x
    /// through the frozen matrix, that of x: [B, T, in].
    fn backward(
        &mut self,
        target: AdapterTarget,
        dy: &Tensor<3>,
        onto: Tensor<3>,
        gradients: &mut LayerAdapterGradients,
    ) -> Tensor<3> {
        let kept = self.kept[target as usize].take();
        let dropout = self.dropout(target);
        let (Some(kept), Some(adapter)) = (kept, self.adapters.get(target)) else {
            return onto;
        };
        let (start, plain) = (Start::Gradient, Finish::Plain);
        let dlow = product(dy.clone(), &adapter.b, Stored::Plain, start, plain, None);
        let dlow = dlow * adapter.scale;
        if let Some(dropout) = dropout {
            let (dx, read) = thinned_back(&dropout, &kept, adapter, dlow.clone(), onto);
            gradients[target as usize] = Some(AdapterGradient {
                a: summed_over_tokens(rows(dlow), rows(read)),
                b: summed_over_tokens(rows(kept.low), rows(dy.clone())).transpose(),
            });
            return dx;
        }
        let (finish, other) = match kept.start {
            Start::SquaredRelu => (Finish::ThroughSquaredRelu, kept.x.clone()),
            Start::Plain | Start::Gradient => (Finish::Add, onto.clone()),
        };
        let through = product(
            dlow.clone(),
            &adapter.a,
            Stored::Plain,
            start,
            finish,
            Some(other),
        );
        let x = rows(kept.x);
        let (x, dx) = match kept.start {
            Start::SquaredRelu => (squared_relu(x), onto + through),
            Start::Plain | Start::Gradient => (x, through),
        };
        gradients[target as usize] = Some(AdapterGradient {
            a: summed_over_tokens(rows(dlow), x),
            b: summed_over_tokens(rows(kept.low), rows(dy.clone())).transpose(),
        });
        dx
    }

    /// What is dropped in front of the adapter of a matrix.
    fn dropout(&self, target: AdapterTarget) -> Option<Dropout> {
        let of_layer = self.adapters.dropout?;
        Some(of_layer.of(target as u32))
    }

    /// Numbers that it holds; what stands before a squared ReLU is counted where
    /// channel mixing keeps it.
    pub fn n_values(&self) -> usize {
        let of = |kept: &SavedInput| {
            n_values(&kept.low)
                + match kept.start {
                    Start::SquaredRelu => 0,
                    Start::Plain | Start::Gradient => n_values(&kept.x),
                }
        };
        self.kept.iter().flatten().map(of).sum()
    }
}

/// With dropout the gradient of what a matrix multiplies, [B, T, in], which is `onto`
/// and that through the adapter, and what the adapter read: what was dropped is the same
/// as on the way there.
fn thinned_back(
    dropout: &Dropout,
    kept: &SavedInput,
    adapter: &Adapter,
    dlow: Tensor<3>,
    onto: Tensor<3>,
) -> (Tensor<3>, Tensor<3>) {
    let (start, finish) = (Start::Gradient, Finish::Plain);
    let through = product(dlow, &adapter.a, Stored::Plain, start, finish, None);
    let through = dropout.apply(through);
    let through = match kept.start {
        Start::SquaredRelu => {
            let shape = through.dims();
            squared_relu_backward(rows(kept.x.clone()), rows(through)).reshape(shape)
        }
        Start::Plain | Start::Gradient => through,
    };
    let read = dropout.apply(started(kept.x.clone(), kept.start));
    (onto + through, read)
}

/// The sums over all tokens of `thin` [B T, rank] by `wide` [B T, n]: [rank, n]. With the thin
/// one in front a GPU cuts the many terms into parts, where a library's product of so few rows
/// leaves most of it idle.
fn summed_over_tokens(thin: Tensor<2>, wide: Tensor<2>) -> Tensor<2> {
    let (start, finish) = (Start::Plain, Finish::Plain);
    product(
        thin.transpose(),
        &Matrix::from(wide),
        Stored::Plain,
        start,
        finish,
        None,
    )
}

/// `y` [B, T, out], what a frozen matrix made of `x` [B, T, in] behind `start`, with
/// what its adapter adds; y itself where there is none.
pub(super) fn adapted(
    pass: &mut Option<AdapterPass>,
    target: AdapterTarget,
    x: &Tensor<3>,
    start: Start,
    y: Tensor<3>,
) -> Tensor<3> {
    match pass {
        Some(pass) => pass.forward(target, x, start, y),
        None => y,
    }
}

/// The adapters of a layer on the way back, with the gradients that they have so far.
#[derive(Default)]
pub(super) struct AdaptersBack {
    pass: Option<AdapterPass>,
    gradients: LayerAdapterGradients,
}

impl AdaptersBack {
    pub fn new(pass: Option<AdapterPass>) -> Self {
        Self {
            pass,
            gradients: Default::default(),
        }
    }

    /// Whether the layer has none.
    pub fn is_none(&self) -> bool {
        self.pass.is_none()
    }

    /// `onto` [B, T, in], the gradient through a frozen matrix for `dy`
    /// [B, T, out], with that through its adapter.
    pub fn through(&mut self, target: AdapterTarget, dy: &Tensor<3>, onto: Tensor<3>) -> Tensor<3> {
        match &mut self.pass {
            Some(pass) => pass.backward(target, dy, onto, &mut self.gradients),
            None => onto,
        }
    }

    /// The gradients, where the layer has adapters.
    pub fn gradients(self) -> Option<LayerAdapterGradients> {
        self.pass.is_some().then_some(self.gradients)
    }
}

#[cfg(test)]
mod tests;
