use super::*;

/// A state in which no two numbers are alike, so that any exchange of axes,
/// heads or layers shows. Exact in bf16 up to 256, in f16 up to 2048.
fn counting_state() -> TunedState {
    let (n_layer, n_head, head_size) = (3, 2, 16);
    let n_per_layer = n_head * head_size * head_size;
    let layer = |layer: usize| {
        let number = move |i: usize| (layer * n_per_layer + i) as f32 - 700.0;
        (0..n_per_layer).map(number).collect()
    };
    TunedState {
        n_layer,
        n_head,
        head_size,
        key_size: head_size,
        layers: (0..n_layer).map(layer).collect(),
        shifts: None,
    }
}

/// A state of a different model, whose numbers need rounding.
fn rough_state() -> TunedState {
    let mut state = counting_state();
    for value in state.layers.iter_mut().flatten() {
        *value = (*value * 0.37).sin() / 3.0;
    }
    state
}

fn check_refused<T: std::fmt::Debug>(result: Result<T>, want: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(want), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn every_format_returns_the_same_state() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let state = counting_state();
    let metadata = Metadata {
        base_fingerprint: Some("ab12".into()),
        spec_ron: Some("(method: Standard)".into()),
        metrics_json: Some("{\"loss\":1.5}".into()),
        ..Metadata::default()
    };
    let reports = [
        write_pth(&state, file("a.pth"), PthDType::F32).unwrap(),
        write_safetensors(&state, file("a.safetensors"), &metadata).unwrap(),
        write_st(&state, file("a.st")).unwrap(),
    ];
    for report in &reports {
        assert_eq!(report.max_abs_rounding, 0.0);
        assert_eq!(report.bytes, std::fs::metadata(&report.path).unwrap().len());
        assert_eq!(read_state(&report.path, None).unwrap().0, state);
    }
    let (_, read) = read_state(file("a.safetensors"), None).unwrap();
    let want = Metadata {
        gosling_version: Some(env!("CARGO_PKG_VERSION").into()),
        ..metadata
    };
    assert_eq!(read, want);
    assert_eq!(
        read_state(file("a.pth"), None).unwrap().1,
        Metadata::default()
    );
}

#[test]
fn the_orientation_on_disk_is_that_of_each_reader() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let state = counting_state();
    write_pth(&state, file("a.pth"), PthDType::F32).unwrap();
    write_st(&state, file("a.st")).unwrap();
    let at = |name: &str, [head, first, second]: [usize; 3]| {
        let checkpoint = Checkpoint::open(file(name)).unwrap();
        let tensor = checkpoint.tensor("blocks.1.att.time_state").unwrap();
        assert_eq!(tensor.shape, [2, 16, 16]);
        tensor.to_f32()[(head * 16 + first) * 16 + second]
    };
    let (head, value, key) = (1, 3, 9);
    let want = state.layers[1][(head * 16 + value) * 16 + key];
    assert_eq!(at("a.pth", [head, value, key]), want);
    assert_eq!(at("a.st", [head, key, value]), want);
    // The same file read the other way round is another state.
    let (other, _) = read_state(file("a.pth"), Some(Orientation::KeyValue)).unwrap();
    assert_ne!(other, state);
    assert_eq!(other.layers[1][(head * 16 + key) * 16 + value], want);
}

#[test]
fn rounding_is_reported_and_is_all_that_changes() {
    let folder = tempfile::tempdir().unwrap();
    let state = rough_state();
    let check = |report: ExportReport, limit: f32| {
        assert!(report.max_abs_rounding > 0.0 && report.max_abs_rounding < limit);
        let (read, _) = read_state(&report.path, None).unwrap();
        let pairs = std::iter::zip(state.layers.iter().flatten(), read.layers.iter().flatten());
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(largest, report.max_abs_rounding);
    };
    let path = folder.path().join("a.pth");
    check(write_pth(&state, path, PthDType::BF16).unwrap(), 1e-3);
    check(write_st(&state, folder.path().join("a.st")).unwrap(), 2e-4);
}

#[test]
fn numbers_that_cannot_be_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.st");
    let mut state = counting_state();
    state.layers[2][16 * 16 + 16 + 5] = -65_505.0;
    let want = "layer 2, head 1, value 1, key 5: is -65505, beyond the 65504 that F16 can hold";
    check_refused(write_st(&state, &path), want);
    state.layers[2][0] = f32::NAN;
    check_refused(write_pth(&state, &path, PthDType::F32), "key 0: is NaN");
    state.layers[2][0] = f32::MAX;
    let bf16 = write_pth(&state, &path, PthDType::BF16);
    check_refused(bf16, "that BF16 can hold");
    state.layers[0].pop();
    check_refused(write_st(&state, &path), "511 numbers, not 512");
    state.layers.pop();
    check_refused(write_st(&state, &path), "holds 2 layers, not 3");
    assert!(!path.exists());
}

#[test]
fn the_same_state_gives_the_same_pth() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |name: &str| {
        let path = folder.path().join(name);
        write_pth(&counting_state(), &path, PthDType::BF16).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(bytes("a.pth"), bytes("b.pth"));
}

/// Writes a `.safetensors` of f32 zeros and reads it as a state.
fn read_shapes(shapes: &[(&str, &[usize])], metadata: &[(&str, &str)]) -> Result<TunedState> {
    use safetensors::tensor::{Dtype, TensorView};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let zeros = vec![0; 1 << 16];
    let views = shapes.iter().map(|(name, shape)| {
        let n_bytes = 4 * shape.iter().product::<usize>();
        let view = TensorView::new(Dtype::F32, shape.to_vec(), &zeros[..n_bytes]).unwrap();
        (*name, view)
    });
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let metadata = metadata.iter().map(owned).collect();
    let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
    std::fs::write(&path, bytes).unwrap();
    read_state(&path, None).map(|(state, _)| state)
}

#[test]
fn files_that_are_no_state_are_refused() {
    let vk = [("orientation", "value,key")];
    let good: (&str, &[usize]) = ("blocks.0.att.time_state", &[2, 4, 4]);
    read_shapes(&[good], &vk).unwrap();
    check_refused(read_shapes(&[good], &[]), "does not state it");
    check_refused(read_shapes(&[good], &[("orientation", "up")]), "not known");
    check_refused(read_shapes(&[("emb.weight", &[1])], &vk), "it is a model");
    check_refused(read_shapes(&[], &vk), "blocks.0.att.time_state is missing");
    // Names may have one prefix, and shapes leading ones.
    let prefixed: [(&str, &[usize]); 2] = [
        ("module.model.blocks.0.att.time_state", &[1, 2, 4, 4]),
        ("module.model.blocks.1.att.time_state", &[2, 4, 4]),
    ];
    assert_eq!(read_shapes(&prefixed, &vk).unwrap().n_layer, 2);
    let two = [good, ("ema.blocks.0.att.time_state", &[2, 4, 4])];
    check_refused(
        read_shapes(&two, &vk),
        "holds two states, \"\" and \"ema.\"",
    );
    // A checkpoint of the whole model with its state.
    let whole = [good, ("emb.weight", &[1]), ("head.weight", &[1])];
    read_shapes(&whole, &vk).unwrap();
    read_shapes(&[good], &[("orientation", "[head,value,key]")]).unwrap();
    let other = [good, ("blocks.0.att.ts_state", &[4])];
    check_refused(
        read_shapes(&other, &vk),
        "a token shift of this state is [8]",
    );
    let gap = [good, ("blocks.2.att.time_state", &[2, 4, 4])];
    check_refused(
        read_shapes(&gap, &vk),
        "blocks.1.att.time_state: is missing",
    );
    let uneven = [good, ("blocks.1.att.time_state", &[2, 8, 8])];
    check_refused(read_shapes(&uneven, &vk), "that of layer 0 is [2, 4, 4]");
    let oblong = [("blocks.0.att.time_state", &[2, 4, 5][..])];
    read_shapes(&oblong, &vk).unwrap();
    let flat = [("blocks.0.att.time_state", &[4, 4][..])];
    check_refused(read_shapes(&flat, &vk), "wanted [heads, values, keys]");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    write_safetensors(&counting_state(), &path, &Metadata::default()).unwrap();
    let told = read_state(&path, Some(Orientation::KeyValue));
    check_refused(told, "itself says value,key, not key,value");
}

#[test]
fn a_state_of_another_model_is_refused() {
    let mut model = ModelConfig {
        architecture: crate::model::Architecture::Rwkv7,
        n_layer: 3,
        n_embd: 32,
        n_head: 2,
        head_size: 16,
        keys: None,
        end_of_document: 0,
        vocab_size: 10,
        n_ffn: 128,
        decay_rank: 1,
        iclr_rank: 1,
        value_rank: 1,
        gate_rank: 1,
    };
    check_fits(&counting_state(), &model).unwrap();
    model.n_layer = 6;
    let want = "state: has 3 layers of 2 heads of 16x16, the model 6 layers of 2 heads of 16x16";
    check_refused(check_fits(&counting_state(), &model), want);
}
