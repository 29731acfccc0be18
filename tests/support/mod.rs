//! What the integration tests share.

use std::path::Path;

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
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        bytemuck::pod_collect_to_vec(tensor.data())
    }
}
