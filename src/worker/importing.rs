//! A state of another program before it is imported: the loss of the model from zero,
//! from the state as it is and from the state transposed; and the file that is written
//! when the user has seen them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::context::{Context, JobPhase};
use super::data_look::examples;
use super::session::{LoadedModel, Session, open_checkpoint};
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::model::checkpoint::is_same_content;
use crate::protocol::state_import::{ImportAnswer, ImportFinding, ImportRequest};
use crate::tuning::states::import::StoredState;
use crate::tuning::states::import::evidence::ImportTexts;
use crate::tuning::states::state_file::{ExportFormat, Metadata, Orientation, export};

/// Compares a state both ways round and puts what is found into the slot.
///
/// # Errors
/// [`Error::Stopped`] when the worker is to end; all else is a part of the answer.
pub(super) fn compare_state(
    request: ImportRequest,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    let found = match find(&request, session, context) {
        Err(Error::Stopped) => return Err(Error::Stopped),
        found => found.map_err(|error| error.to_string()),
    };
    context.imports.publish(ImportAnswer { request, found });
    Ok(())
}

fn find(
    request: &ImportRequest,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<ImportFinding> {
    let spec = &request.spec;
    context.during = JobPhase::LoadingModel;
    // The small file is looked at before the large one is read.
    let (stored, is_said) = read_stored(request)?;
    let (loaded, tokenizer) = context.load(session, spec)?;
    context.during = JobPhase::ComparingState;
    let texts = match request.on_data {
        false => ImportTexts::built_in(&tokenizer),
        true => {
            let data = examples(spec, &tokenizer, &AtomicBool::new(false))?;
            ImportTexts::of_its_kind(data.items)
        }
    };
    let LoadedModel {
        device,
        model,
        fingerprint,
        ..
    } = loaded;
    let evidence = stored.evidence(model, device, &texts)?;
    context.poll(0)?;
    let mut notes: Vec<String> = stored.left_out.iter().cloned().collect();
    if stored.as_stored.has_shifts() {
        notes.push(tr!("The file has token shifts beside S₀; they are used.").into());
    }
    if !is_said {
        notes.push(
            tr!("The file does not say its leading token; none is assumed, as in most trainers.")
                .into(),
        );
    }
    let recorded = stored.metadata.base_fingerprint.as_ref();
    if recorded.is_some_and(|recorded| !is_same_content(recorded, fingerprint)) {
        notes.push(
            tr!("The file says that the state was tuned for other weights than these.").into(),
        );
    }
    Ok(ImportFinding {
        decision: stored.decide(&evidence),
        evidence,
        notes,
        fingerprint: fingerprint.clone(),
    })
}

/// The state with the leading token that it is taken to be trained with, and whether
/// the file or the user says so.
fn read_stored(request: &ImportRequest) -> Result<(StoredState, bool)> {
    let checkpoint = open_checkpoint(&request.spec.model.checkpoint)?;
    let model = ModelConfig::from_checkpoint(&checkpoint)?;
    let mut stored = StoredState::read(&request.file, None, &model)?;
    let metadata = &mut stored.metadata;
    let is_said = request.leading.is_some() || metadata.says_trained_behind();
    let leading = request.leading.unwrap_or(metadata.trained_behind());
    metadata.leading_token = Some(leading);
    Ok((stored, is_said))
}

/// Writes a state of another program as one of our own, its last two axes being
/// `orientation`, to `output`, where no file may be: it is read back and compared.
///
/// # Errors
/// What the file reports, and what [`export`] does.
pub fn write_import(
    request: &ImportRequest,
    finding: &ImportFinding,
    orientation: Orientation,
    output: &Path,
) -> Result<PathBuf> {
    let (stored, _) = read_stored(request)?;
    // Weights that the file names are not replaced by those it is tried with.
    let recorded = stored.metadata.base_fingerprint.clone();
    let metadata = Metadata {
        base_fingerprint: recorded.or(Some(finding.fingerprint.clone())),
        ..stored.metadata.clone()
    };
    let state = stored.oriented(orientation);
    let (report, _) = export(&state, &metadata, ExportFormat::Safetensors, output, false)?;
    Ok(report.path)
}
