//! The low-rank maps of a layer, which are taken at once: alone each of their products
//! leaves most of a GPU idle.

use burn::tensor::Tensor;

use crate::kernels::matrix::Matrix;
use crate::kernels::product::{Finish, Start, Stored, Wanted, products};

/// A low-rank map, `f(x down) up`.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    /// [C, rank].
    pub down: Matrix,
    /// [rank, C].
    pub up: Matrix,
    /// What stands between the factors.
    pub between: Between,
}

/// A function between the factors of a low-rank map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    /// None.
    Nothing,
    /// tanh.
    Tanh,
    /// The logistic function.
    Sigmoid,
}

impl Between {
    fn finish(self) -> Finish {
        match self {
            Self::Nothing => Finish::Plain,
            Self::Tanh => Finish::Tanh,
            Self::Sigmoid => Finish::Sigmoid,
        }
    }

    fn finish_back(self) -> Finish {
        match self {
            Self::Nothing => Finish::Plain,
            Self::Tanh => Finish::ThroughTanh,
            Self::Sigmoid => Finish::ThroughSigmoid,
        }
    }
}

/// Something of each low-rank map of a layer.
#[derive(Debug, Clone)]
pub(super) struct OfEach<T> {
    /// Of the decay.
    pub decay: T,
    /// Of the in-context learning rate.
    pub iclr: T,
    /// Of the gate.
    pub gate: T,
    /// Of the share of the first layer's value; absent in the first layer.
    pub share: Option<T>,
}

impl<T> OfEach<T> {
    /// With another thing of each; the share's is left out where one has none.
    pub fn with<U>(self, other: OfEach<U>) -> OfEach<(T, U)> {
        OfEach {
            decay: (self.decay, other.decay),
            iclr: (self.iclr, other.iclr),
            gate: (self.gate, other.gate),
            share: self.share.zip(other.share),
        }
    }

    /// What `of` makes of each.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> OfEach<U> {
        OfEach {
            decay: of(self.decay),
            iclr: of(self.iclr),
            gate: of(self.gate),
            share: self.share.map(of),
        }
    }

    /// What `of_all` makes of all at once: as many as it is given, in their order.
    pub fn at_once<U, E>(
        self,
        of_all: impl FnOnce(Vec<T>) -> Result<Vec<U>, E>,
    ) -> Result<OfEach<U>, E> {
        let all = [self.decay, self.iclr, self.gate]
            .into_iter()
            .chain(self.share);
        let mut made = of_all(all.collect())?.into_iter();
        let (Some(decay), Some(iclr), Some(gate)) = (made.next(), made.next(), made.next()) else {
            unreachable!("one for each that was given")
        };
        Ok(OfEach {
            decay,
            iclr,
            gate,
            share: made.next(),
        })
    }
}

/// Behind the functions between the factors: [B, T, C] each → [B, T, rank].
pub(super) fn lower(each: OfEach<(&LowRank, Tensor<3>)>) -> OfEach<Tensor<3>> {
    let wanted = each.map(|(map, x)| Wanted {
        a: x,
        b: &map.down,
        finish: map.between.finish(),
        other: None,
    });
    taken(wanted, Stored::Plain, Start::Plain)
}

/// [B, T, rank] each → [B, T, C].
pub(super) fn raise(each: OfEach<(&LowRank, Tensor<3>)>) -> OfEach<Tensor<3>> {
    let wanted = each.map(|(map, low)| Wanted {
        a: low,
        b: &map.up,
        finish: Finish::Plain,
        other: None,
    });
    taken(wanted, Stored::Plain, Start::Plain)
}

/// The gradients in front of the functions, for those of [`raise`]: [B, T, C] each →
/// [B, T, rank]. Each with what [`lower`] gave; where no function stands between, it may be
/// left out.
pub(super) fn raise_backward(
    each: OfEach<(&LowRank, (Tensor<3>, Option<Tensor<3>>))>,
) -> OfEach<Tensor<3>> {
    let wanted = each.map(|(map, (dy, low))| Wanted {
        a: dy,
        b: &map.up,
        finish: map.between.finish_back(),
        other: low,
    });
    taken(wanted, Stored::Transposed, Start::Gradient)
}

/// The gradients of x: [B, T, rank] each → [B, T, C], added to another gradient where
/// there is one.
pub(super) fn lower_backward(
    each: OfEach<(&LowRank, (Tensor<3>, Option<Tensor<3>>))>,
) -> OfEach<Tensor<3>> {
    let wanted = each.map(|(map, (dlow, onto))| Wanted {
        a: dlow,
        b: &map.down,
        finish: onto.as_ref().map_or(Finish::Plain, |_| Finish::Add),
        other: onto,
    });
    taken(wanted, Stored::Transposed, Start::Gradient)
}

fn taken(wanted: OfEach<Wanted<3>>, stored: Stored, start: Start) -> OfEach<Tensor<3>> {
    let of_all = |wanted| Ok::<_, std::convert::Infallible>(products(wanted, stored, start));
    match wanted.at_once(of_all) {
        Ok(made) => made,
        Err(never) => match never {},
    }
}
