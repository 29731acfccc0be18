//! One token of a few texts through a layer of RWKV-7 in five launches, forward only: what
//! writing a text is made of. By the operators it takes some 25, and waits for each.
//!
//! | launch | what it does |
//! |---|---|
//! | `decode_project` | norm and token shift; r, k, v and the first factors of the low-rank maps |
//! | `decode_head` | their second factors, what the recurrence reads, its step, group norm, bonus, gate |
//! | `decode_rows` | the output matrix, onto the residual stream |
//! | `decode_expand` | norm and token shift of channel mixing, its key, the squared ReLU |
//! | `decode_rows` | its value matrix, onto the residual stream |
//!
//! Matrices are read once for all texts, 16 bytes at a time, and multiplied in 32 bits;
//! nothing here needs planes or matrix units. [`DecodeLayer::new`] says which layers are
//! taken: the others, and the CPU, go operator by operator, which is also the reference twin.

mod declined;
mod gpu;

use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;

use super::device::is_cpu;
use super::matrix::Matrix;
use super::measure::launched;
use super::op::{GpuTensor, empty, from_gpu, on_gpu};
use super::product::words_and_scales;
use super::token_mix::TokenMix;
use super::wkv7::HEAD_SIZES;
use super::wkv7::prepare::Prepare;
use super::wkv7::readout::Readout;
use declined::{Answer, check, check_size};
use gpu::head::HeadSizes;
use gpu::mixed::{Expanding, Projecting};
use gpu::weights::Reading;

pub use declined::Declined;

/// Texts that are written at once by these kernels, at most: more are as well off with
/// products of whole tiles.
pub const MOST_TEXTS: usize = 8;

/// What a layer is made of.
pub struct LayerParts<'a> {
    /// Norm and interpolations of time mixing, in the order r, w, k, v, a, g.
    pub time_mix: &'a TokenMix<6>,
    /// [C, C], as the three that follow.
    pub receptance: &'a Matrix,
    /// Of time mixing.
    pub key: &'a Matrix,
    /// Of time mixing.
    pub value: &'a Matrix,
    /// Behind the recurrence.
    pub output: &'a Matrix,
    /// Both factors of the low-rank map, [C, rank] and [rank, C], with tanh between.
    pub decay: [&'a Matrix; 2],
    /// With nothing between.
    pub iclr: [&'a Matrix; 2],
    /// With nothing between; absent in the first layer.
    pub share: Option<[&'a Matrix; 2]>,
    /// With a sigmoid between.
    pub gate: [&'a Matrix; 2],
    /// Offsets of the low-rank maps, k_k and k_a.
    pub prepare: &'a Prepare,
    /// Group norm and r_k, [H, N].
    pub readout: &'a Readout,
    /// Norm and interpolation of channel mixing.
    pub channel_mix: &'a TokenMix<1>,
    /// [ffn, C].
    pub channel_key: &'a Matrix,
    /// [C, ffn].
    pub channel_value: &'a Matrix,
}

/// The frozen parameters of a layer as its kernels take them. The matrices are those of the
/// model; the vectors, which are small, stand behind each other once more.
#[derive(Debug, Clone)]
pub struct DecodeLayer {
    /// C.
    channels: usize,
    /// N.
    head_size: usize,
    /// Of decay, in-context learning rate, share (0 in the first layer) and gate.
    ranks: [usize; 4],
    /// Hidden channels of channel mixing.
    hidden: usize,
    wide: Reading,
    low: Reading,
    /// Of the norms of time mixing, the heads and channel mixing.
    epsilons: [f32; 3],
    /// Weight, bias and six interpolations, [C] each.
    time_vectors: GpuTensor,
    /// Receptance, key, value, then first factors.
    projections: [GpuTensor; 7],
    /// w0, a0, v0, k_k, k_a, weight, bias, r_k, [C] each.
    head_vectors: GpuTensor,
    /// Second factors.
    raising: [GpuTensor; 4],
    output: GpuTensor,
    /// Weight, bias and interpolation, [C] each.
    channel_vectors: GpuTensor,
    channel_key: GpuTensor,
    channel_value: GpuTensor,
}

/// What a layer carries from one token to the next.
pub struct Carried {
    /// The last normalised token of time mixing, [n, C].
    pub time_shift: Tensor<2>,
    /// [n, H, N, N], or [1, H, N, N] where the texts share it.
    pub wkv: Tensor<4>,
    /// The last normalised token of channel mixing, [n, C].
    pub channel_shift: Tensor<2>,
}

/// One token of every text on its way through the layers.
pub struct Token {
    n_texts: usize,
    /// The residual stream, [n, C]: every layer writes it anew, in its place.
    x: GpuTensor,
    /// What the first layer made, which the others read, and its numbers of a text.
    first: Option<(GpuTensor, usize)>,
    /// What the layers behind it make, one after the other, [n, width].
    made: Option<GpuTensor>,
    /// What comes behind the recurrence, [n, C], and between the matrices of channel mixing,
    /// [n, ffn], of one layer after the other.
    between: Option<[GpuTensor; 2]>,
}

impl Token {
    /// `x` [n, C]: the residual stream in front of the first layer, which nothing else may
    /// read again.
    pub fn new(x: Tensor<2>) -> Self {
        Self {
            n_texts: x.dims()[0],
            x: into_contiguous(on_gpu(x)),
            first: None,
            made: None,
            between: None,
        }
    }

    /// The residual stream behind the last layer, [n, C].
    pub fn behind(self) -> Tensor<2> {
        from_gpu(self.x)
    }
}

/// Vectors of the same length behind each other, to stay.
fn joined(vectors: &[&Tensor<1>]) -> GpuTensor {
    let vectors: Vec<Tensor<1>> = vectors.iter().map(|vector| (*vector).clone()).collect();
    let device = vectors[0].device();
    let all = device.memory_persistent_allocations(vectors, |vectors| Tensor::cat(vectors, 0));
    into_contiguous(on_gpu(all))
}

/// The words of a matrix that lies on a GPU.
fn words(matrix: &Matrix) -> GpuTensor {
    let [words, _] = words_and_scales(matrix);
    into_contiguous(words)
}

impl DecodeLayer {
    /// Of a layer on a GPU.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn new(parts: &LayerParts) -> Answer<Self> {
        let norm = &parts.time_mix.norm;
        if is_cpu(&norm.weight.device()) {
            return Err(Declined::Cpu);
        }
        let absent = [parts.iclr[0], parts.iclr[1]];
        let share = parts.share.unwrap_or(absent);
        let maps = [parts.decay, parts.iclr, share, parts.gate];
        let square = [parts.receptance, parts.key, parts.value, parts.output];
        let wide = square
            .into_iter()
            .chain([parts.channel_key, parts.channel_value]);
        let wide: Vec<&Matrix> = wide.collect();
        let low: Vec<&Matrix> = maps.into_iter().flatten().collect();
        for matrix in wide.iter().chain(&low) {
            check(matrix)?;
        }
        let storages = [wide[0].storage(), low[0].storage()];
        let is_other = |of: &[&Matrix], storage| of.iter().any(|m| m.storage() != storage);
        if is_other(&wide, storages[0]) || is_other(&low, storages[1]) {
            return Err(Declined::Storage);
        }
        let [_, head_size] = parts.readout.r_k.dims();
        let [hidden, channels] = parts.channel_key.dims();
        let ranks = maps.map(|[down, _]| down.dims()[1]);
        let shapes_fit = square.iter().all(|matrix| matrix.dims() == [channels; 2])
            && parts.channel_value.dims() == [channels, hidden]
            && maps.iter().zip(ranks).all(|([down, up], rank)| {
                (down.dims(), up.dims()) == ([channels, rank], [rank, channels])
            });
        if !shapes_fit || !HEAD_SIZES.contains(&head_size) || !channels.is_multiple_of(head_size) {
            return Err(Declined::Sizes);
        }
        let time_vectors = [&norm.weight, &norm.bias].into_iter();
        let time_vectors: Vec<_> = time_vectors.chain(&parts.time_mix.mix).collect();
        let time_vectors = joined(&time_vectors);
        let has_room = gpu::texts_of_cube(&time_vectors, 1, channels).is_some()
            && gpu::has_room_for_head(&time_vectors, ranks.iter().sum());
        if !has_room {
            return Err(Declined::Memory);
        }
        for matrix in &wide {
            check_size(&time_vectors, matrix)?;
        }
        let Prepare {
            decay,
            iclr,
            share: offset,
            k_k,
            k_a,
        } = parts.prepare;
        let offset = offset.as_ref().unwrap_or(k_k);
        let of_head = &parts.readout.norm;
        let r_k = parts.readout.r_k.clone().reshape([channels]);
        let of_channels = &parts.channel_mix.norm;
        let [interpolation] = &parts.channel_mix.mix;
        let [receptance, key, value, output] = square.map(words);
        let [decay_down, iclr_down, share_down, gate_down] = maps.map(|[down, _]| words(down));
        let epsilons = [norm.epsilon, of_head.epsilon, of_channels.epsilon];
        let first_has_none = if parts.share.is_some() { ranks[2] } else { 0 };
        Ok(Self {
            channels,
            head_size,
            ranks: [ranks[0], ranks[1], first_has_none, ranks[3]],
            hidden,
            wide: gpu::reading(&time_vectors, storages[0]),
            low: gpu::reading(&time_vectors, storages[1]),
            epsilons: epsilons.map(|epsilon| epsilon as f32),
            projections: [
                receptance, key, value, decay_down, iclr_down, share_down, gate_down,
            ],
            head_vectors: joined(&[
                decay,
                iclr,
                offset,
                k_k,
                k_a,
                &of_head.weight,
                &of_head.bias,
                &r_k,
            ]),
            raising: maps.map(|[_, up]| words(up)),
            output,
            channel_vectors: joined(&[&of_channels.weight, &of_channels.bias, interpolation]),
            channel_key: words(parts.channel_key),
            channel_value: words(parts.channel_value),
            time_vectors,
        })
    }

    /// Takes the token through the layer; gives what is carried to the next one.
    ///
    /// # Panics
    /// Where there are more texts than [`MOST_TEXTS`], or shapes disagree.
    pub fn step(&self, token: &mut Token, before: Carried) -> Carried {
        let (n, c) = (token.n_texts, self.channels);
        let [n_states, n_head, ..] = before.wkv.dims();
        assert!(n <= MOST_TEXTS, "{n} texts are too many");
        assert!(
            (n_states == 1 || n_states == n) && n_head * self.head_size == c,
            "the state does not fit the texts"
        );
        let time_shift = into_contiguous(on_gpu(before.time_shift));
        let channel_shift = into_contiguous(on_gpu(before.channel_shift));
        let wkv = into_contiguous(on_gpu(before.wkv));
        let x = &token.x;
        let client = &x.client;
        let texts = gpu::texts_of_cube(x, n, c).unwrap_or(1);
        let projecting = Projecting {
            texts,
            channels: c,
            ranks: self.ranks,
            wide: self.wide,
            low: self.low,
        };
        let width = projecting.width();
        let new = |shape: &[usize]| empty("decode", x, Shape::from(shape.to_vec()));
        let made = token.made.take().unwrap_or_else(|| new(&[n, width]));
        let of_layer = || [new(&[n, c]), new(&[n, self.hidden])];
        let [out, between] = token.between.take().unwrap_or_else(of_layer);
        let new_time = new(&[n, c]);
        launched("decode_project", client, || {
            let [receptance, key, value, decay, iclr, share, gate] = &self.projections;
            let vectors = &self.time_vectors;
            let inputs = [
                x,
                &time_shift,
                vectors,
                receptance,
                key,
                value,
                decay,
                iclr,
                share,
                gate,
            ];
            gpu::project(inputs, &new_time, &made, n, self.epsilons[0], projecting);
        });
        let is_first = token.first.is_none();
        let (first, first_width) = token.first.get_or_insert_with(|| (made.clone(), width));
        let new_wkv = new(&[n, n_head, self.head_size, self.head_size]);
        launched("decode_head", client, || {
            let [decay, iclr, share, gate] = &self.raising;
            let inputs = [
                &made,
                &*first,
                decay,
                iclr,
                share,
                gate,
                &self.head_vectors,
                &wkv,
            ];
            let of_texts = gpu::Texts {
                n_texts: n,
                first_width: *first_width,
                share_state: n_states == 1,
                epsilon: self.epsilons[1],
            };
            let head = HeadSizes {
                channels: c,
                n: self.head_size,
                ranks: self.ranks,
                low: self.low,
            };
            gpu::head(inputs, &new_wkv, &out, &of_texts, head);
        });
        launched("decode_rows", client, || {
            gpu::product(&out, &self.output, x, [n, c, c], true, self.wide);
        });
        let new_channel = new(&[n, c]);
        launched("decode_expand", client, || {
            let inputs = [x, &channel_shift, &self.channel_vectors, &self.channel_key];
            let expanding = Expanding {
                texts,
                channels: c,
                reading: self.wide,
            };
            let sizes = [n, self.hidden];
            gpu::expand(
                inputs,
                &new_channel,
                &between,
                sizes,
                self.epsilons[2],
                expanding,
            );
        });
        launched("decode_rows", client, || {
            let sizes = [n, self.hidden, c];
            gpu::product(&between, &self.channel_value, x, sizes, true, self.wide);
        });
        // What the first layer made must stay.
        token.made = (!is_first).then_some(made);
        token.between = Some([out, between]);
        Carried {
            time_shift: from_gpu(new_time),
            wkv: from_gpu(new_wkv),
            channel_shift: from_gpu(new_channel),
        }
    }
}

/// Whether [`few_rows`] takes `x` [rows, inner] by `matrix` [columns, inner].
pub fn takes_rows(x: &Tensor<2>, matrix: &Matrix) -> bool {
    let is_single = x.dtype() == DType::F32 && !is_cpu(&x.device());
    is_single && x.dims()[0] <= MOST_TEXTS && check(matrix).is_ok()
}

/// The product of a few rows `x` [rows, inner] with `matrix` [columns, inner] → [rows,
/// columns], in one launch that reads the matrix once.
///
/// # Panics
/// Where [`takes_rows`] says no, or inner dimensions differ.
pub fn few_rows(x: Tensor<2>, matrix: &Matrix) -> Tensor<2> {
    let [n, inner] = x.dims();
    let [columns, terms] = matrix.dims();
    assert!(takes_rows(&x, matrix), "a product of other rows");
    assert_eq!(inner, terms, "inner dimensions of a product");
    let x = into_contiguous(on_gpu(x));
    let out = empty("decode_rows", &x, Shape::from([n, columns]));
    launched("decode_rows", &x.client, || {
        let reading = gpu::reading(&x, matrix.storage());
        let sizes = [n, inner, columns];
        gpu::product(&x, &words(matrix), &out, sizes, false, reading);
    });
    from_gpu(out)
}
