//! What loading takes.

use burn::tensor::Device;

use super::super::{BlockType, Checkpoint};
use super::Dialect;
use super::tests::{file_in, mini_tensors, opened, quantised_model};
use crate::allocator::counted::Peak;
use crate::model::{BytesRead, Model, Precision};

/// What loading takes at most, and what the loaded model keeps, in bytes.
fn memory_of_loading(checkpoint: &Checkpoint) -> (usize, usize) {
    let device = Device::flex();
    // What is made once and stays, such as threads.
    drop(Model::load(checkpoint, &device, &mut |_| Ok(())).unwrap());
    let peak = Peak::start();
    let mut told = Vec::new();
    let mut progress = |read: BytesRead| {
        told.push(read);
        Ok(())
    };
    let model = Model::load_stored(checkpoint, &device, Precision::F32, &mut progress).unwrap();
    let most = peak.bytes();
    let last = told.last().unwrap();
    assert_eq!(last.done, last.total);
    assert!(told.windows(2).all(|pair| pair[0].done < pair[1].done));
    let before = Peak::held();
    drop(model);
    (most, before.saturating_sub(Peak::held()))
}

#[test]
fn loading_takes_what_stays_and_one_tensor() {
    let tensors = mini_tensors();
    let largest = 4 * 4096 * 256;
    for dialect in [Dialect::Official, Dialect::WebRwkv, Dialect::LlamaCpp] {
        let (most, stays) = memory_of_loading(&opened(file_in(dialect, &tensors, false)));
        let all = 4 * 7_337_472;
        assert!(stays >= all - (all / 50), "{dialect:?}: {stays}");
        assert!(most <= stays + largest, "{dialect:?}: {most} for {stays}");
    }
    let (most, stays) = memory_of_loading(&quantised_model(BlockType::Q4K).0);
    assert!(most <= stays + largest, "{most} for {stays}");
}
