//! Products as a kernel takes several of them: every tensor of all of them as one.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::SequenceArg;

use super::finish::Finishes;
use super::member::{Member, MemberLaunch};
use super::{Product, is_half};
use crate::kernels::halves::words_of_four;
use crate::kernels::joint::Joint;
use crate::kernels::matrix::Storage;

/// Products of the same rows.
pub(super) struct Batch {
    /// First factors.
    pub a: CubeTensor,
    /// Words of the second factors.
    pub words: CubeTensor,
    /// Words of their scales, or others where they have none.
    pub scales: CubeTensor,
    /// What they are finished with; where that is nothing, any tensor.
    pub other: CubeTensor,
    /// The products.
    pub out: CubeTensor,
    /// Their rows.
    pub m: usize,
    /// How the second factors are stored.
    pub storage: Storage,
    /// Whether they are [n, k] and not [k, n].
    pub transposed: bool,
    /// What is done to each of the products.
    pub finishes: Finishes,
    members: Vec<Placed>,
}

/// A product, and the bytes in front of its tensors in those of all.
struct Placed {
    n: usize,
    k: usize,
    a: usize,
    words: usize,
    scales: usize,
    /// Where it is finished with something.
    other: Option<usize>,
    out: usize,
}

/// Of how many numbers at once a kernel takes the tensors of a [`Batch`].
#[derive(Debug, Clone, Copy)]
pub(super) struct AtOnce {
    /// Words of the second factor.
    pub words: usize,
    /// Bytes, and numbers, of what a product is finished with.
    pub other: [usize; 2],
    /// Bytes of the product.
    pub out: usize,
}

impl Batch {
    /// Of products whose second factors are stored alike; none where their tensors lie
    /// apart.
    pub fn of(products: &[Product]) -> Option<Self> {
        let first = products.first()?;
        let joint = |of: fn(&Product) -> CubeTensor| {
            let tensors: Vec<_> = products.iter().map(of).collect();
            Joint::of(&tensors.iter().collect::<Vec<_>>())
        };
        let a = joint(|product| product.a.clone())?;
        let words = joint(|product| product.b.words.clone())?;
        let scales = joint(|product| product.b.scales.clone())?;
        let out = joint(|product| product.out.clone())?;
        let read: Vec<_> = products.iter().filter_map(Product::read).collect();
        let other = match read.is_empty() {
            true => None,
            false => Some(Joint::of(&read)?),
        };
        let mut others = other.iter().flat_map(|other| &other.in_front);
        let place = |(idx, product): (usize, &Product)| {
            let [_, n, k] = product.sizes();
            Placed {
                n,
                k,
                a: a.in_front[idx],
                words: words.in_front[idx],
                scales: scales.in_front[idx],
                other: product.read().and_then(|_| others.next().copied()),
                out: out.in_front[idx],
            }
        };
        let members = products.iter().enumerate().map(place).collect();
        let [m, ..] = first.sizes();
        Some(Self {
            other: other.map_or_else(|| a.whole.clone(), |other| other.whole),
            a: a.whole,
            words: words.whole,
            scales: scales.whole,
            out: out.whole,
            m,
            storage: first.b.storage,
            transposed: first.b.transposed,
            finishes: Finishes::of(products.iter().map(|product| product.finish)),
            members,
        })
    }

    /// Of a single product into `parts`, [n_parts, m, n].
    pub fn into_parts(self, parts: CubeTensor) -> Self {
        Self { out: parts, ..self }
    }

    /// m, n and k of each.
    pub fn sizes(&self) -> impl Iterator<Item = [usize; 3]> {
        self.members
            .iter()
            .map(|member| [self.m, member.n, member.k])
    }

    /// n and k, where all have the same.
    pub fn common_sizes(&self) -> Option<[usize; 2]> {
        let mut sizes = self.members.iter().map(|member| [member.n, member.k]);
        let first = sizes.next()?;
        sizes.all(|other| other == first).then_some(first)
    }

    /// Tiles of `columns` that lie side by side.
    pub fn tiles_across(&self, columns: usize) -> usize {
        let tiles = self.members.iter().map(|member| member.n.div_ceil(columns));
        tiles.sum()
    }

    /// The members of a kernel with tiles of `columns`.
    pub fn members(&self, columns: usize, at_once: AtOnce) -> SequenceArg<Member> {
        let AtOnce { words, other, out } = at_once;
        let [other_bytes, other_numbers] = other;
        let mut first_tile = 0;
        let mut args = SequenceArg::new();
        for (number, member) in self.members.iter().enumerate() {
            let n_others = match member.other {
                Some(_) => self.m * member.n / other_numbers,
                None => 1,
            };
            args.push(MemberLaunch::new(
                number,
                member.n,
                member.k,
                first_tile,
                member.a / 16,
                member.words / (4 * words),
                member.scales / 4,
                member.other.unwrap_or(0) / other_bytes,
                n_others - 1,
                member.out / out,
            ));
            first_tile += member.n.div_ceil(columns);
        }
        args
    }

    /// As the kernel without matrix units takes the tensors.
    pub fn single_numbers(&self) -> AtOnce {
        AtOnce {
            words: self.storage.words_of_four(),
            other: [4, 1],
            out: 4,
        }
    }

    /// As the kernel for matrix units does.
    pub fn fours(&self) -> AtOnce {
        AtOnce {
            words: self.storage.words_of_eight(),
            other: [4 * words_of_four(is_half(&self.other)), 4],
            out: 4 * words_of_four(is_half(&self.out)),
        }
    }
}
