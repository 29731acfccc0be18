//! Exported states in the programs that they are made for: the real `rwkv`
//! package and the real web-rwkv, whose logits have to be ours.
//!
//! `tests/consumers/run` installs and builds both and runs this; else its tests
//! are ignored. `GOSLING_PYTHON` is a Python with `rwkv` and `torch`, else
//! `python3`; `GOSLING_WEB_RWKV` the program that `tests/consumers/web_rwkv`
//! builds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod persona;
mod script;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use burn::tensor::Device;
use gosling::model::checkpoint::{Checkpoint, TensorDType};
use gosling::model::generate::Generation;
use gosling::model::tokenizer::Tokenizer;
use gosling::model::{Model, mini};
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::states::state_file::{PthDType, TunedState, write_pth, write_st};
use half::f16;
use safetensors::tensor::{Dtype, TensorView};

const TEXT: &str = "Question: Tom has 3 apples and buys 4 more. How many has he?\nAnswer:";

/// What a consumer is given, and what it has to make of it.
struct Case {
    folder: tempfile::TempDir,
    state: TunedState,
    checkpoint: Checkpoint,
    logits: Vec<f32>,
}

impl Case {
    /// The mini model from a state in which no exchange of axes goes unseen;
    /// its numbers are exact in f16.
    fn new() -> Self {
        let checkpoint = mini::checkpoint().unwrap();
        let device = Device::flex();
        let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let mut state = TunedState::zero(model.config());
        for (layer, values) in state.layers.iter_mut().enumerate() {
            for (n, value) in values.iter_mut().enumerate() {
                let exact = 2.0 * (0.37 * n as f32 + layer as f32).sin();
                *value = f16::from_f32(exact).to_f32();
            }
        }
        let tokens = tokenizer.encode(TEXT);
        let start = Tuned::from(state.clone()).start(&device);
        let text = Generation::new(&model, &device, Some(&start), &tokens).unwrap();
        let logits = text.logits().to_vec();
        let untuned = Generation::new(&model, &device, None, &tokens).unwrap();
        assert!(
            worst_difference(&logits, untuned.logits()) > 1.0,
            "the state does little"
        );
        let folder = tempfile::tempdir().unwrap();
        // The model reads token 0 in front.
        let tokens = [&[0], tokens.as_slice()].concat();
        let json = |name: &str, json: String| fs::write(folder.path().join(name), json).unwrap();
        json("tokens.json", serde_json::to_string(&tokens).unwrap());
        json("logits.json", serde_json::to_string(&logits).unwrap());
        Self {
            folder,
            state,
            checkpoint,
            logits,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a consumer; what it says, if it agrees.
    fn check(&self, mut command: Command) {
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        println!("{said}");
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains(&format!("over {} logits", self.logits.len())),
            "{said}"
        );
    }
}

fn worst_difference(one: &[f32], other: &[f32]) -> f32 {
    let pairs = one.iter().zip(other);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A Python with the rwkv package.
fn python() -> OsString {
    let python = env::var_os("GOSLING_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(&python)
        .args(["-c", "import rwkv, torch"])
        .output();
    assert!(
        output.is_ok_and(|output| output.status.success()),
        "{} has no rwkv and torch; pip install rwkv torch, or set GOSLING_PYTHON",
        python.display()
    );
    python
}

#[test]
#[ignore = "needs Python with rwkv and torch; tests/consumers/run has it"]
fn the_rwkv_package_loads_the_pth_and_gives_our_logits() {
    let python = python();
    let case = Case::new();
    let run = |state: &TunedState, name: &str| {
        write_pth(state, case.file(name), PthDType::F32).unwrap();
        let mut command = Command::new(&python);
        command
            .arg(root("tests/golden/check_export.py"))
            .arg(root("assets/mini/rwkv7-mini-7m-f16.pth"))
            .args([name, "tokens.json", "logits.json"].map(|name| case.file(name)));
        command
    };
    case.check(run(&case.state, "state.pth"));
    // The same numbers the other way round are noticed.
    let output = run(&case.state.transposed(), "other.pth").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
#[ignore = "needs web-rwkv; tests/consumers/run builds it"]
fn web_rwkv_loads_the_st_and_gives_our_logits() {
    let program = env::var_os("GOSLING_WEB_RWKV");
    let program = program.expect("web-rwkv is not built; tests/consumers/run builds it");
    let case = Case::new();
    write_web_rwkv_model(&case.checkpoint, &case.file("model.st"));
    write_st(&case.state, case.file("state.st")).unwrap();
    let run = |state: &str| {
        let mut command = Command::new(&program);
        let files = ["model.st", state, "tokens.json", "logits.json"];
        command.args(files.map(|name| case.file(name)));
        // Its matrices are f16, and so are some of its sums.
        command.arg("0.02");
        command
    };
    case.check(run("state.st"));
    // The same numbers the other way round are noticed.
    write_st(&case.state.transposed(), case.file("other.st")).unwrap();
    let output = run("other.st").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// The model as web-rwkv's converter writes it (`assets/scripts/
/// convert_safetensors.py`): f16, vectors without leading ones, the low-rank
/// maps transposed.
fn write_web_rwkv_model(checkpoint: &Checkpoint, path: &Path) {
    const TRANSPOSED: [&str; 8] = ["w1", "w2", "a1", "a2", "g1", "g2", "v1", "v2"];
    let converted: Vec<(String, Vec<usize>, Vec<u8>)> = checkpoint
        .tensors()
        .map(|tensor| {
            assert_eq!(tensor.dtype, TensorDType::F16);
            let mut values = tensor.to_f32();
            let mut shape: Vec<usize> = tensor.shape.to_vec();
            shape.retain(|size| *size != 1);
            let last = tensor.name.rsplit('.').next().unwrap();
            if let (&[rows, columns], true) = (&shape[..], TRANSPOSED.contains(&last)) {
                let at = |i: usize| values[i % rows * columns + i / rows];
                values = (0..rows * columns).map(at).collect();
                shape.reverse();
            }
            let bytes = values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes());
            (tensor.name.to_owned(), shape, bytes.collect())
        })
        .collect();
    let views = converted.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F16, shape.clone(), bytes).unwrap();
        (name, view)
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}
