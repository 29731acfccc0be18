//! Between Burn's tensors on the CPU and slices of numbers.

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;

/// A contiguous tensor on the CPU.
pub(super) struct Flat(FlexTensor);

impl Flat {
    pub(super) fn new<const D: usize>(tensor: &Tensor<D>) -> Self {
        let flex = tensor
            .clone()
            .try_into_primitive::<Flex>()
            .unwrap_or_else(|error| unreachable!("the device was checked: {error:?}"));
        Self(flex.to_contiguous())
    }

    pub(super) fn slice(&self) -> &[f32] {
        self.0
            .as_slice()
            .unwrap_or_else(|| unreachable!("made contiguous, and the operator is f32"))
    }
}

/// A tensor of these values, row-major.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(FlexTensor::from_data(TensorData::new(values, shape)))
}
