//! Several products in as few launches as their tensors allow.

use burn::tensor::{DType, Shape, Tensor};

use super::gpu::{self, Finish, Start};
use super::{
    OnDevice, Stored, has_halves, has_kernel, inner_and_columns, product, reads_halves,
    words_and_scales,
};
use crate::kernels::matrix::Matrix;
use crate::kernels::measure;
use crate::kernels::op::{GpuTensor, empty_together, from_gpu, on_gpu, readable};

/// One of several products.
pub struct Wanted<'a, const D: usize> {
    /// The first factor, [.., inner].
    pub a: Tensor<D>,
    /// The second one.
    pub b: &'a Matrix,
    /// What is done to the product.
    pub finish: Finish,
    /// What the finish wants, [.., columns].
    pub other: Option<Tensor<D>>,
}

/// [`product`] of each, of matrices that are `stored` alike and first factors that start
/// alike. On a GPU those are made in one launch that have as many rows, and whose tensors
/// lie together: matrices of [`Matrix::together`], what one kernel gave in one piece of
/// memory, and what this gave. Numbers are those of [`product`]; matrix units add them up in
/// the order of the tile, which is the same for all that are made together.
///
/// # Panics
/// As [`product`].
pub fn products<const D: usize>(
    wanted: Vec<Wanted<D>>,
    stored: Stored,
    start: Start,
) -> Vec<Tensor<D>> {
    if wanted.len() > 1 && wanted.iter().all(|one| one.has_kernel(stored)) {
        return on_device(wanted, stored, start);
    }
    let one = |Wanted {
                   a,
                   b,
                   finish,
                   other,
               }| product(a, b, stored, start, finish, other);
    wanted.into_iter().map(one).collect()
}

impl<const D: usize> Wanted<'_, D> {
    /// Whether a kernel takes the tensors as they are.
    fn has_kernel(&self, stored: Stored) -> bool {
        let [inner, _] = inner_and_columns(self.b, stored);
        assert_eq!(inner, self.a.dims()[D - 1], "inner dimensions of a product");
        let is_read = || !has_halves(&self.a, self.other.as_ref()) || reads_halves(&self.a, self.b);
        has_kernel(&self.a, self.b) && is_read()
    }

    /// The shape of the product.
    fn shape(&self, stored: Stored) -> Shape {
        let mut shape = self.a.dims();
        [_, shape[D - 1]] = inner_and_columns(self.b, stored);
        Shape::from(shape)
    }
}

/// Which inputs of a kernel a product reads.
struct Placed {
    first: usize,
    b: OnDevice,
    finish: Finish,
    has_other: bool,
}

impl Placed {
    /// Reads the first factor, words, scales and, where there is one, another tensor.
    fn product<'a>(&self, inputs: &'a [GpuTensor], out: &'a GpuTensor) -> gpu::Product<'a> {
        let inputs = &inputs[self.first..];
        gpu::Product {
            a: &inputs[0],
            b: self.b.factor(&inputs[1], &inputs[2]),
            finish: self.finish,
            other: self.has_other.then(|| &inputs[3]),
            out,
        }
    }
}

/// Products that are to be made on a device.
struct Ready {
    inputs: Vec<GpuTensor>,
    outputs: Vec<GpuTensor>,
    placed: Vec<Placed>,
}

const NAME: &str = "product";

impl Ready {
    fn new<const D: usize>(wanted: Vec<Wanted<D>>, stored: Stored) -> Self {
        let shapes: Vec<_> = wanted.iter().map(|one| one.shape(stored)).collect();
        let mut inputs = Vec::with_capacity(4 * wanted.len());
        let mut placed = Vec::with_capacity(wanted.len());
        for Wanted {
            a,
            b,
            finish,
            other,
        } in wanted
        {
            placed.push(Placed {
                first: inputs.len(),
                b: OnDevice::new(b, stored),
                finish,
                has_other: other.is_some(),
            });
            let [words, scales] = words_and_scales(b);
            inputs.extend([on_gpu(a), words, scales]);
            inputs.extend(other.map(on_gpu));
        }
        let inputs = readable(NAME, inputs);
        Self {
            outputs: empty_together(NAME, &inputs[0], &shapes, DType::F32),
            inputs,
            placed,
        }
    }

    /// The launches.
    fn planned(&self) -> Vec<gpu::Planned<'_>> {
        let each = self.placed.iter().zip(&self.outputs);
        let products = each.map(|(one, out)| one.product(&self.inputs, out));
        gpu::planned(&products.collect::<Vec<_>>())
    }
}

fn on_device<const D: usize>(
    wanted: Vec<Wanted<D>>,
    stored: Stored,
    start: Start,
) -> Vec<Tensor<D>> {
    let ready = Ready::new(wanted, stored);
    for planned in ready.planned() {
        measure::launched(NAME, &ready.inputs[0].client, || planned.launch(start));
    }
    ready.outputs.into_iter().map(from_gpu).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, DeviceKind};

    use super::*;
    use crate::kernels::matrix::{Packed, Storage};

    /// Three matrices of 64 by 32, next to each other or not.
    fn matrices(storage: Storage, are_together: bool, device: &Device) -> Vec<Matrix> {
        let shape = [64, 32];
        let part = |q: usize| {
            let values: Vec<f32> = (0..64 * 32).map(|i| ((i + q) as f32).sin()).collect();
            (Packed::of(storage, &values), shape)
        };
        if are_together {
            return Matrix::together((0..3).map(part), device);
        }
        let alone = |q| Matrix::new(part(q).0, shape, device);
        (0..3).map(alone).collect()
    }

    /// Launches of the products of three tensors with the matrices.
    fn n_launches(inputs: &[Tensor<2>], matrices: &[Matrix], finishes: [Finish; 3]) -> usize {
        let wanted = inputs.iter().zip(matrices).zip(finishes);
        let wanted = wanted.map(|((a, b), finish)| Wanted {
            a: a.clone(),
            b,
            finish,
            other: None,
        });
        Ready::new(wanted.collect(), Stored::Plain).planned().len()
    }

    #[test]
    fn what_lies_together_is_made_in_one_launch_and_what_does_not_is_not() {
        let device = Device::wgpu(DeviceKind::Cpu);
        let all: Tensor<3> = Tensor::ones([3, 24, 64], &device);
        let beside: Vec<_> = all.iter_dim(0).map(|x| x.squeeze_dim::<2>(0)).collect();
        let apart: Vec<_> = beside.iter().map(|x| x.clone() * 2.0).collect();
        let two_of_three = [beside[0].clone(), apart[1].clone(), beside[2].clone()];
        let plain = [Finish::Plain; 3];
        let unlike = [Finish::Tanh, Finish::Plain, Finish::Sigmoid];
        for storage in Storage::ALL {
            let together = matrices(storage, true, &device);
            for finishes in [plain, unlike] {
                assert_eq!(n_launches(&beside, &together, finishes), 1, "{storage:?}");
                assert_eq!(n_launches(&two_of_three, &together, finishes), 2);
                assert_eq!(n_launches(&apart, &together, finishes), 3);
            }
            let alone = matrices(storage, false, &device);
            assert_eq!(n_launches(&beside, &alone, plain), 3, "{storage:?}");
        }
        // What they gave lies together.
        let together = matrices(Storage::F16, true, &device);
        let wanted = beside.iter().zip(&together).map(|(a, b)| Wanted {
            a: a.clone(),
            b,
            finish: Finish::Plain,
            other: None,
        });
        let gave = products(wanted.collect(), Stored::Plain, Start::Plain);
        let back = Ready::new(
            gave.into_iter()
                .zip(&together)
                .map(|(a, b)| Wanted {
                    a,
                    b,
                    finish: Finish::Plain,
                    other: None,
                })
                .collect::<Vec<Wanted<2>>>(),
            Stored::Transposed,
        );
        assert_eq!(back.planned().len(), 1);
    }
}
