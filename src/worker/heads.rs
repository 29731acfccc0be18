//! Questions about the heads of a state: the tokens that its directions point to, and
//! the loss without each of them. Nothing is written.

use super::batching::batches_by_length;
use super::context::{Context, JobPhase, Throttle};
use super::loading::load_data;
use super::session::{LoadedModel, Session};
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::model::tokenizer::Tokenizer;
use crate::persist::run_folder::snapshot_file;
use crate::protocol::event::{Event, JobEvent, RunId};
use crate::protocol::head_requests::{
    Ablation, AblationRequest, LensRequest, LensToken, ValueDirection, ValueLens,
};
use crate::protocol::trace::TraceFrom;
use crate::tuning::inspect::singular_values::singular_vectors;
use crate::tuning::inspect::trajectory::Place;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::snapshot_file::read_snapshot;
use crate::tuning::states::state_file::locate_state;
use crate::tuning::train::batch::Batch;
use crate::tuning::train::text_loss::text_loss;

use burn::tensor::{Tensor, TensorData};

/// Directions that are read.
const N_DIRECTIONS: usize = 4;
/// Tokens of each, at either end.
const N_TOKENS: usize = 8;
/// Seconds between two reports.
const REPORT_SECS: f64 = 0.2;

/// The state that is asked about.
fn state_of(from: &TraceFrom) -> Result<Tuned> {
    match from {
        TraceFrom::Untuned => {
            let reason = tr!("has no state; choose a run with one");
            Err(Error::spec("method", reason))
        }
        TraceFrom::Snapshot { folder, step } => {
            Ok(read_snapshot(snapshot_file(folder, *step))?.tuned)
        }
        TraceFrom::Newest { run: _, folder } => Ok(read_tuned(locate_state(folder)?, None)?.0),
    }
}

/// Reads the value directions of a head in tokens, and reports them.
///
/// # Errors
/// A state that cannot be read, a head that there is none of, and what the device
/// reports.
pub(super) fn read_lens(
    request: LensRequest,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    context.during = JobPhase::ReadingHead;
    let tuned = state_of(&request.from)?;
    let (loaded, tokenizer) = context.load(session, &request.spec)?;
    context.during = JobPhase::ReadingHead;
    tuned.check_fits(loaded.model.config())?;
    context.poll(0)?;
    let directions = directions(&tuned, request.place, loaded, &tokenizer)?;
    let name = context.run().unwrap_or(RunId(String::new()));
    let lens = Box::new(ValueLens {
        request,
        directions,
    });
    context.report(Event::Job(JobEvent::LensRead { name, lens }))
}

fn directions(
    tuned: &Tuned,
    place: Place,
    loaded: &LoadedModel,
    tokenizer: &Tokenizer,
) -> Result<Vec<ValueDirection>> {
    let LoadedModel { model, device, .. } = loaded;
    let state = &tuned.state;
    let (n, k) = (state.head_size, state.key_size);
    let layer = state.layers.get(place.layer);
    let head = layer.and_then(|layer| layer.chunks_exact(n * k).nth(place.head));
    let head = head.ok_or_else(|| {
        let reason = tr!("has no head {} in layer {}", place.head, place.layer);
        Error::spec("state", reason)
    })?;
    let vectors = singular_vectors(head, k)
        .ok_or_else(|| Error::spec("state", tr!("has numbers that are not finite in this head")))?;
    // A state of zeros points nowhere.
    let vectors: Vec<_> = vectors
        .into_iter()
        .take(N_DIRECTIONS)
        .filter(|(value, _)| *value > 0.0)
        .collect();
    if vectors.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<f32> = vectors
        .iter()
        .flat_map(|(_, vector)| vector.clone())
        .collect();
    let rows = TensorData::new(rows, [vectors.len(), n]);
    let rows = Tensor::<2>::from_data(rows, device);
    let logits = model.value_logits(place.layer, place.head, rows);
    let [_, n_logits] = logits.dims();
    let logits = read_f32(logits)?;
    let found = vectors.iter().zip(logits.chunks_exact(n_logits));
    Ok(found
        .map(|((value, _), logits)| {
            // Rows beyond the vocabulary are no tokens.
            let logits = &logits[..n_logits.min(tokenizer.vocab_size())];
            direction(*value, logits, tokenizer)
        })
        .collect())
}

fn direction(singular_value: f64, logits: &[f32], tokenizer: &Tokenizer) -> ValueDirection {
    let n = logits.len().max(1) as f32;
    let mean = logits.iter().sum::<f32>() / n;
    let variance = logits.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
    let deviation = variance.sqrt().max(f32::MIN_POSITIVE);
    let mut ids: Vec<usize> = (0..logits.len()).collect();
    ids.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let token = |id: &usize, sign: f32| LensToken {
        text: tokenizer.token_texts(&[*id as u32]).swap_remove(0),
        score: sign * (logits[*id] - mean) / deviation,
    };
    ValueDirection {
        singular_value,
        along: ids.iter().take(N_TOKENS).map(|id| token(id, 1.0)).collect(),
        against: ids
            .iter()
            .rev()
            .take(N_TOKENS)
            .map(|id| token(id, -1.0))
            .collect(),
    }
}

/// Measures the held-out loss without each head, and reports it as it comes. A stop is
/// reported as an end with what is known.
///
/// # Errors
/// A state or data that cannot be read, a run without held-out examples, and what the
/// device reports.
pub(super) fn ablate(
    request: AblationRequest,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    let tuned = state_of(&request.from)?;
    let (mut data, _) = load_data(&request.spec, context)?;
    data.validation.truncate(request.max_examples.max(1));
    if data.validation.is_empty() {
        let reason = tr!(
            "holds no examples out, so there is nothing to measure heads on; \
                      set data.held_out or a validation file"
        );
        return Err(Error::spec("data", reason));
    }
    let (loaded, _) = context.load(session, &request.spec)?;
    context.during = JobPhase::AblatingHeads;
    tuned.check_fits(loaded.model.config())?;
    let batches = batches_by_length(&data.validation, &request.spec);
    let (n_layer, n_head) = (tuned.state.n_layer, tuned.state.n_head);
    let mut known = Ablation {
        request,
        n_layer,
        n_head,
        n_examples: data.validation.len(),
        n_tokens: batches.iter().map(Batch::n_counted).sum(),
        whole: None,
        without: vec![None; n_layer * n_head],
        is_on: true,
    };
    let measured = measure(&tuned, &batches, loaded, &mut known, context);
    known.is_on = false;
    let ended = tell(&known, context);
    match measured {
        Err(Error::Stopped) => ended,
        other => other.and(ended),
    }
}

fn measure(
    tuned: &Tuned,
    batches: &[Batch],
    loaded: &LoadedModel,
    known: &mut Ablation,
    context: &mut Context<'_>,
) -> Result<()> {
    let mut throttle = Throttle::new(REPORT_SECS);
    tell(known, context)?;
    let batches = (batches, known.request.spec.training.window);
    known.whole = Some(loss(tuned, batches, loaded, context)?);
    for layer in 0..known.n_layer {
        for head in 0..known.n_head {
            let without = tuned.clone().without_head(Place { layer, head });
            let loss = loss(&without, batches, loaded, context)?;
            known.without[layer * known.n_head + head] = Some(loss);
            if throttle.is_due() {
                tell(known, context)?;
            }
        }
    }
    Ok(())
}

/// Mean nats a counted token.
fn loss(
    tuned: &Tuned,
    (batches, window): (&[Batch], Option<usize>),
    loaded: &LoadedModel,
    context: &mut Context<'_>,
) -> Result<f64> {
    let LoadedModel { model, device, .. } = loaded;
    let start = tuned.start(device);
    let (mut nats, mut n_tokens) = (0.0, 0);
    for batch in batches {
        context.poll(0)?;
        let (of_batch, n_of_batch) = text_loss(model, device, &start, batch, window)?;
        nats += of_batch;
        n_tokens += n_of_batch;
    }
    Ok(nats / n_tokens.max(1) as f64)
}

fn tell(known: &Ablation, context: &mut Context<'_>) -> Result<()> {
    let name = context.run().unwrap_or(RunId(String::new()));
    let ablation = Box::new(known.clone());
    context.report(Event::Job(JobEvent::Ablated { name, ablation }))
}
