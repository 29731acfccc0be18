//! What is done to the factors of a product on the way in, and to the product
//! on the way out, so that no pass over memory is spent on it.
// Kernels know no `if` of two kinds of condition.
#![allow(clippy::collapsible_if)]

use cubecl::prelude::*;

use crate::kernels::halves::GRADIENT_SCALE;

/// Four columns of a row.
type Four = Vector<f32, Const<4>>;

/// What is done to the first factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// Nothing.
    Plain,
    /// `max(x, 0)^2`.
    SquaredRelu,
    /// Nothing, but it is a gradient, whose small numbers 16 bits would lose:
    /// it is taken `GRADIENT_SCALE` times, and the product divided by that.
    Gradient,
}

/// What is done to the product `x`, some of it with another tensor `o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finish {
    /// Nothing.
    Plain,
    /// `x + o`.
    Add,
    /// `tanh x`.
    Tanh,
    /// `1 / (1 + exp -x)`.
    Sigmoid,
    /// `x (1 - o^2)`: the gradient through a tanh that gave o.
    ThroughTanh,
    /// `x o (1 - o)`: the gradient through a sigmoid that gave o.
    ThroughSigmoid,
    /// `2 x max(o, 0)`: the gradient through the squared ReLU of o.
    ThroughSquaredRelu,
}

impl Finish {
    /// Whether there is another tensor.
    pub const fn reads_other(self) -> bool {
        match self {
            Self::Plain | Self::Tanh | Self::Sigmoid => false,
            Self::Add | Self::ThroughTanh | Self::ThroughSigmoid | Self::ThroughSquaredRelu => true,
        }
    }
}

/// The most products that are made together.
pub const MOST_MEMBERS: usize = 4;

/// What is done to each of the products that are made together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Finishes {
    each: [Finish; MOST_MEMBERS],
    n_members: usize,
}

impl Finishes {
    /// Of up to [`MOST_MEMBERS`], in the order of the members.
    ///
    /// # Panics
    /// Where there are more.
    pub fn of(finishes: impl ExactSizeIterator<Item = Finish>) -> Self {
        let n_members = finishes.len();
        assert!(n_members <= MOST_MEMBERS, "{n_members} products together");
        let mut each = [Finish::Plain; MOST_MEMBERS];
        for (place, finish) in each.iter_mut().zip(finishes) {
            *place = finish;
        }
        Self { each, n_members }
    }

    /// Whether there is another tensor for any of them.
    pub const fn read_other(self) -> bool {
        let mut idx = 0;
        while idx < self.n_members {
            if self.each[idx].reads_other() {
                return true;
            }
            idx += 1;
        }
        false
    }

    /// The one that all have, where they have one.
    fn common(self) -> Option<Finish> {
        let [first, ..] = self.each;
        let all = &self.each[..self.n_members];
        all.iter().all(|finish| *finish == first).then_some(first)
    }
}

/// Numbers of the first factor, scaled where they will be `narrow`.
#[cube]
pub fn started(x: Four, #[comptime] start: Start, #[comptime] narrow: bool) -> Four {
    let mut value = x;
    if comptime!(start == Start::SquaredRelu) {
        let positive = max(x, Four::new(0.0f32));
        value = positive * positive;
    }
    if comptime!(narrow && start == Start::Gradient) {
        value *= Four::new(GRADIENT_SCALE);
    }
    value
}

/// Numbers of the product before it is finished, without what [`started`] did to
/// save it from 16 bits.
#[cube]
pub fn restored(x: Four, #[comptime] start: Start) -> Four {
    let mut value = x;
    if comptime!(start == Start::Gradient) {
        value *= Four::new(comptime!(1.0 / GRADIENT_SCALE));
    }
    value
}

/// Numbers of the product, and those of the other tensor in their place.
#[cube]
pub fn finished(x: Four, other: Four, #[comptime] finish: Finish) -> Four {
    let one = Four::new(1.0f32);
    let mut value = x;
    if comptime!(finish == Finish::Add) {
        value = x + other;
    }
    if comptime!(finish == Finish::Tanh) {
        // By exp of a negative number, which cannot overflow.
        let e = (x.abs() * Four::new(-2.0f32)).exp();
        let magnitude = (one - e) / (one + e);
        value = select_many(x.less_than(&Four::new(0.0f32)), -magnitude, magnitude);
    }
    if comptime!(finish == Finish::Sigmoid) {
        value = one / (one + (-x).exp());
    }
    if comptime!(finish == Finish::ThroughTanh) {
        value = x * (one - other * other);
    }
    if comptime!(finish == Finish::ThroughSigmoid) {
        value = x * other * (one - other);
    }
    if comptime!(finish == Finish::ThroughSquaredRelu) {
        value = x * max(other, Four::new(0.0f32)) * Four::new(2.0f32);
    }
    value
}

/// As [`finished`], of member number `member`.
#[cube]
pub fn finished_by(x: Four, other: Four, member: usize, #[comptime] finishes: Finishes) -> Four {
    let mut value = x;
    if comptime!(finishes.common().is_some()) {
        value = finished(x, other, comptime!(finishes.each[0]));
    } else {
        #[unroll]
        for idx in 0..comptime!(finishes.n_members) {
            if comptime!(finishes.each[idx] != Finish::Plain) {
                if member == idx {
                    value = finished(x, other, comptime!(finishes.each[idx]));
                }
            }
        }
    }
    value
}

/// Units of a cube.
pub const UNITS: usize = 256;

/// `parts` [n_parts, total fours] → `out` [total fours].
#[cube(launch_unchecked)]
pub fn add_up(parts: &Tensor<Four>, out: &mut Tensor<Four>, total: usize, n_parts: usize) {
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    if place < total {
        let mut sum = parts[place];
        for part in 1..n_parts {
            sum += parts[part * total + place];
        }
        out[place] = sum;
    }
}
