//! States whose heads have other numbers of values than of keys.

use super::*;
use crate::model::Architecture;
use crate::model::config::Keys;
use crate::model::random::SHAPE_0_1B;
use crate::tuning::inspect::state_statistics::layer_statistics;
use crate::tuning::states::import::StoredState;
use crate::tuning::states::lift_bundle::read_tuned_for;
use crate::tuning::states::snapshot_file::{Snapshot, read_snapshot, write_snapshot};

/// Two layers of two heads of three values by two keys, numbered.
fn state() -> TunedState {
    let layer = |first: f32| (0..12).map(|n| first + n as f32).collect();
    TunedState {
        n_layer: 2,
        n_head: 2,
        head_size: 3,
        key_size: 2,
        layers: vec![layer(1.0), layer(20.0)],
        shifts: None,
    }
}

fn model() -> ModelConfig {
    ModelConfig {
        architecture: Architecture::GatedDeltaNet,
        n_layer: 2,
        n_head: 2,
        head_size: 3,
        keys: Some(Keys { n_head: 1, size: 2 }),
        ..SHAPE_0_1B
    }
}

fn metadata() -> Metadata {
    Metadata {
        architecture: Architecture::GatedDeltaNet,
        ..Metadata::default()
    }
}

fn shape(path: &Path, name: &str) -> Vec<usize> {
    let file = Checkpoint::open(path).unwrap();
    file.tensor(name).unwrap().shape.to_vec()
}

#[test]
fn the_axes_are_exchanged_with_their_sizes() {
    let turned = state().transposed();
    assert_eq!(turned.shape(), [2, 2, 3]);
    assert_eq!(turned.layers[0][..6], [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    assert_eq!(turned.transposed(), state());
    assert_eq!(
        state().head(1, 1).unwrap(),
        [26.0, 27.0, 28.0, 29.0, 30.0, 31.0]
    );
    check_fits(&state(), &model()).unwrap();
    let message = check_fits(&turned, &model()).unwrap_err().to_string();
    assert!(message.contains("heads of 2x3, the model"), "{message}");
    assert_eq!(place_of(&state(), 0, 9), "layer 0, head 1, value 1, key 1");
}

#[test]
fn every_own_format_holds_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    write_safetensors(&state(), &path, &metadata()).unwrap();
    assert_eq!(shape(&path, "blocks.1.att.time_state"), [2, 3, 2]);
    assert_eq!(read_state(&path, None).unwrap().0, state());
    let adapter = folder.path().join("adapter");
    write_s0_folder(&state(), &adapter, &metadata()).unwrap();
    let states = locate_state(&adapter).unwrap();
    assert_eq!(shape(&states, "0"), [2, 2, 3]);
    let meta = std::fs::read_to_string(adapter.join("meta.json")).unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    assert_eq!(meta["state_shape"], serde_json::json!([2, 2, 3]));
    assert_eq!(meta["orientation"], "[head, key, value]");
    assert_eq!(
        read_tuned_for(&states, None, &model()).unwrap().0.state,
        state()
    );
    let snapshot = Snapshot {
        step: 3,
        tuned: state().into(),
    };
    let path = folder.path().join("snapshot.safetensors");
    write_snapshot(&path, &snapshot).unwrap();
    assert_eq!(read_snapshot(&path).unwrap(), snapshot);
}

/// By convention the states of Gated DeltaNet are key-value in every file, but the shape
/// of one that is not says so.
#[test]
fn the_shape_says_the_order_where_the_file_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pth");
    for stored in [state(), state().transposed()] {
        write_pth(&stored, &path, PthDType::F32).unwrap();
        assert_eq!(
            read_tuned_for(&path, None, &model()).unwrap().0.state,
            state()
        );
        let read = StoredState::read(&path, None, &model()).unwrap();
        let declared = read.declared.unwrap();
        assert_eq!(read.oriented(declared), state());
    }
    // What was told is held to the shape.
    let told = Some(Orientation::ValueKey);
    let message = StoredState::read(&path, told, &model()).map(|_| ());
    let message = message.unwrap_err().to_string();
    assert!(message.contains("heads of 2x3"), "{message}");
}

/// One number in a head has rank one; a head of two equal columns too.
#[test]
fn statistics_know_both_sizes() {
    let mut state = state();
    state.layers[0].fill(0.0);
    state.layers[0][4] = 2.0;
    state.layers[0][6..].copy_from_slice(&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let statistics = &layer_statistics(&state)[0];
    assert!(
        (statistics.effective_rank - 1.0).abs() < 1e-12,
        "{statistics:?}"
    );
}
