//! What the integration tests share.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::path::Path;

use burn::tensor::Tensor;
use safetensors::{Dtype, SafeTensors};

/// Fails with the name and the first element that is further from `want` than
/// `atol + rtol * |want|`.
pub fn assert_close(name: &str, got: &[f32], want: &[f32], atol: f32, rtol: f32) {
    assert_eq!(got.len(), want.len(), "{name}: lengths differ");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let bound = atol + rtol * want.abs();
        assert!(
            (got - want).abs() <= bound,
            "{name}[{index}] is {got}, not {want} within {bound}"
        );
    }
}

/// A golden file of `tests/golden`.
pub struct Golden(Vec<u8>);

impl Golden {
    /// Reads it.
    pub fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        Self(std::fs::read(folder.join(name)).unwrap())
    }

    /// An f32 tensor of it.
    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.optional_f32(name).unwrap()
    }

    /// An f32 tensor of it, where the file has it.
    pub fn optional_f32(&self, name: &str) -> Option<Vec<f32>> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).ok()?;
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        Some(bytemuck::pod_collect_to_vec(tensor.data()))
    }

    /// An i64 tensor of it.
    pub fn i64(&self, name: &str) -> Vec<i64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I64, "{name}");
        bytemuck::pod_collect_to_vec(tensor.data())
    }

    /// The positions whose logits the file holds: `positions`, or all.
    pub fn positions(&self, n_tokens: usize) -> Vec<usize> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        if file.tensor("positions").is_err() {
            return (0..n_tokens).collect();
        }
        self.i64("positions").iter().map(|t| *t as usize).collect()
    }
}

/// A tensor's values, row-major.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}
