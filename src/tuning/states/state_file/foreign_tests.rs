//! States in the files of trainers and scripts, written by torch and Python:
//! `tests/golden/torch/make.py`, where the numbers come from too.

use super::*;
use crate::model::Architecture;
use crate::model::checkpoint::TensorDType;
use crate::model::random::SHAPE_0_1B;
use crate::tuning::states::import::StoredState;
use crate::tuning::states::lift_bundle::read_tuned_for;

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch");
    folder.join(name)
}

/// Layer i holds 4 i + n - 1.5 at the flat place n.
fn expected() -> TunedState {
    let layer = |first: f32| (0..4).map(|n| first + n as f32).collect();
    TunedState {
        n_layer: 2,
        n_head: 1,
        head_size: 2,
        key_size: 2,
        layers: vec![layer(-1.5), layer(2.5)],
        shifts: None,
    }
}

fn check(name: &str, others: Option<&str>) {
    check_state(name, others, &expected());
}

fn check_state(name: &str, others: Option<&str>, expected: &TunedState) {
    let file = Checkpoint::open(golden(name)).unwrap();
    let (state, metadata) = state_in(&file, None).unwrap();
    assert_eq!(state, *expected, "{name}");
    assert_eq!(metadata, Metadata::default(), "{name}");
    assert_eq!(left_out(&file).as_deref(), others, "{name}");
    assert!(is_state(&file), "{name}");
}

#[test]
fn trainers_checkpoints_are_read() {
    check("lightning.ckpt", None);
    check("mp_rank_00_model_states.pt", None);
    let other = "1 tensor that is not part of a state is left out: epoch";
    check("attributes.pth", Some(other));
    check("protocol_4.pth", None);
    check("protocol_5.pth", None);
    check("old_format.pth", None);
    let file = Checkpoint::open(golden("mp_rank_00_model_states.pt")).unwrap();
    let dtypes: Vec<TensorDType> = file.tensors().map(|tensor| tensor.dtype).collect();
    assert_eq!(dtypes, [TensorDType::BF16; 2]);
}

#[test]
fn lists_of_tensors_are_read_in_their_order() {
    check("list.pth", None);
    // The list of the package holds ones as the second shift of every layer, which is
    // that of channel mixing.
    let with_shifts = TunedState {
        shifts: Some(vec![vec![0.0, 0.0, 1.0, 1.0]; 2]),
        ..expected()
    };
    check_state("package_list.pth", None, &with_shifts);
}

/// One tensor for all layers says no order, but the states of a Gated DeltaNet have one.
#[test]
fn one_tensor_of_all_layers_needs_to_know_its_order() {
    let path = golden("stacked.pth");
    let message = read_state(&path, None).unwrap_err().to_string();
    assert!(message.contains("does not state it"), "{message}");
    let told = |order| read_state(&path, Some(order)).unwrap().0;
    assert_eq!(told(Orientation::ValueKey), expected());
    assert_eq!(told(Orientation::KeyValue), expected().transposed());
    let file = Checkpoint::open(&path).unwrap();
    assert!(is_state(&file));
    assert_eq!(left_out(&file), None);
    let model = |architecture| ModelConfig {
        architecture,
        n_layer: 2,
        n_head: 1,
        head_size: 2,
        ..SHAPE_0_1B
    };
    let read = |architecture| read_tuned_for(&path, None, &model(architecture));
    let of_delta_net = read(Architecture::GatedDeltaNet).unwrap().0;
    assert_eq!(of_delta_net.state, expected().transposed());
    assert!(read(Architecture::Rwkv7).is_err());
    let other = model(Architecture::GatedDeltaNet);
    let stored = StoredState::read(&path, None, &other).unwrap();
    let convention = stored.convention.unwrap();
    assert_eq!(convention.orientation, Orientation::KeyValue);
    assert_eq!(stored.metadata.architecture, Architecture::GatedDeltaNet);
}

#[test]
fn numbers_in_the_metadata_are_no_obstacle() {
    let file = Checkpoint::open(golden("numbers.st")).unwrap();
    let metadata: Vec<(&str, &str)> = file
        .metadata()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        metadata,
        [("epoch", "3"), ("format", "pt"), ("losses", "[1.5,1.25]")]
    );
    let (state, _) = state_in(&file, None).unwrap();
    // A .st is key-value.
    assert_eq!(state, expected().transposed());
    let other = left_out(&file).unwrap();
    assert!(other.contains("left out: epoch"), "{other}");
}

fn check_refused(name: &str, parts: &[&str]) {
    let error = read_state(golden(name), None).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{name}: {error}");
    }
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn what_cannot_be_read_says_what_to_run() {
    let parts = [
        "namespace.pth: data.pkl: byte ",
        "argparse.Namespace, which a checkpoint has no need of; refused; if you trust it",
        "run in Python: d = torch.load(FILE",
    ];
    check_refused("namespace.pth", &parts);
    check_refused(
        "list_of_dicts.pth",
        &["list of something other than tensors"],
    );
}
