//! Runs an RWKV-7 model from an exported `.st` state with web-rwkv and compares
//! the logits with given ones.
//!
//! ```text
//! web-rwkv-consumer MODEL.st STATE.st TOKENS.json LOGITS.json TOLERANCE
//! ```
//!
//! `MODEL.st` is in web-rwkv's own convention, TOKENS a list of ids, LOGITS the
//! list of the last position's. Exit code 1 where a logit differs by more than
//! TOLERANCE.

use std::error::Error;
use std::process::ExitCode;

use safetensors::SafeTensors;
use web_rwkv::context::{ContextBuilder, InstanceExt as _};
use web_rwkv::runtime::infer::{Rnn, RnnInput, RnnInputBatch, RnnOption};
use web_rwkv::runtime::loader::Loader;
use web_rwkv::runtime::model::{ContextAutoLimits as _, ModelBuilder, State as _};
use web_rwkv::runtime::{Runtime, TokioRuntime, v7};

/// Tokens that go through the model at a time.
const CHUNK: usize = 32;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let outcome = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run()));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("web-rwkv: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, state, tokens, logits, tolerance] = &arguments[..] else {
        return Err("wants MODEL.st STATE.st TOKENS.json LOGITS.json TOLERANCE".into());
    };
    let (model, state) = (std::fs::read(model)?, std::fs::read(state)?);
    let tokens: Vec<u32> = serde_json::from_slice(&std::fs::read(tokens)?)?;
    let wanted: Vec<f32> = serde_json::from_slice(&std::fs::read(logits)?)?;
    let tolerance: f32 = tolerance.parse()?;

    let model = SafeTensors::deserialize(&model)?;
    let info = Loader::info(&model)?;
    let instance = wgpu::Instance::default();
    let adapter = instance
        .adapter(wgpu::PowerPreference::HighPerformance)
        .await?;
    println!("web-rwkv on {}", adapter.get_info().name);
    let context = ContextBuilder::new(adapter)
        .auto_limits(&info)
        .build()
        .await?;
    // As Ai00 loads a state file (crates/ai00-core/src/lib.rs, load_init_state).
    let state = v7::read_state(&context, &info, SafeTensors::deserialize(&state)?).await?;
    let model = ModelBuilder::new(&context, model).build_v7().await?;
    let bundle = v7::Bundle::<f32>::new(model, 1);
    web_rwkv::runtime::model::Bundle::state(&bundle).load(state, 0)?;

    let runtime = TokioRuntime::<Rnn>::new(bundle).await;
    let batch = RnnInputBatch::new(tokens, RnnOption::Last);
    let mut input = RnnInput::new(vec![batch], CHUNK);
    let got = loop {
        let (rest, output) = runtime.infer(input).await?;
        input = rest;
        let output = &output[0].0;
        if output.len() > 0 {
            break output.clone().to_vec();
        }
    };
    if got.len() < wanted.len() {
        return Err(format!("{} logits, not {}", got.len(), wanted.len()).into());
    }
    let differences = got.iter().zip(&wanted).map(|(got, wanted)| (got - wanted).abs());
    let worst = differences.fold(0.0, |worst: f32, x| if x > worst || x.is_nan() { x } else { worst });
    println!("max abs difference {worst:.3e} over {} logits", wanted.len());
    Ok(worst <= tolerance)
}
