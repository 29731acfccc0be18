//! Writes the state of a run for this program and for others; each file is read back
//! before it is reported.

use serde::Serialize;

use super::context::{Context, JobPhase};
use crate::error::Result;
use crate::model::Architecture;
use crate::model::checkpoint::Checkpoint;
use crate::persist::spec_file::print_spec;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, Event, RunEvent, RunId};
use crate::protocol::run_spec::{CheckpointSource, RunSpec};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::LiftKind;
use crate::tuning::states::alpha_scan::AlphaLoss;
use crate::tuning::states::lift_bundle::{
    NO_S0_NOTE, NO_S0_OF_LORA_NOTE, ONLY_S0_NOTE, S0_OF_LORA_NOTE, write_bundle,
};
use crate::tuning::states::state_file::sidecar::file_sha256;
use crate::tuning::states::state_file::{
    ExportReport, Metadata, PthDType, SHIFTS_NOTE, write_companions, write_pth, write_safetensors,
};

/// A state and what is known of it.
pub(super) struct Handover<'a> {
    pub run: &'a RunId,
    pub spec: &'a RunSpec,
    /// Without the specification and the figures.
    pub metadata: &'a Metadata,
    pub tuned: &'a Tuned,
    pub figures: Figures<'a>,
}

/// The figures of a run as they stand in the state's file.
#[derive(Serialize)]
pub(super) struct Figures<'a> {
    /// Steps that made the state.
    pub step: usize,
    /// Its validation loss, if it was measured.
    pub validation_loss: Option<f64>,
    /// Its losses on held-out examples when it is multiplied by numbers around 1.
    #[serde(skip_serializing_if = "<[AlphaLoss]>::is_empty")]
    pub alpha: &'a [AlphaLoss],
    /// What was measured of the model with and without it.
    pub evaluations: &'a [(EvaluationPhase, EvaluationSummary)],
}

impl Handover<'_> {
    /// Writes `state.safetensors`, and of RWKV-7 `state.pth` and what belongs beside it; of a
    /// lifted run `lifted.safetensors` too, of a LoRA run `lora.safetensors`, of which
    /// the others are a part. Where there is no plain S_0 that file is the only one.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if a file cannot be written, and
    /// [`crate::error::Error::Input`] if it reads back otherwise.
    pub fn write(&self, context: &mut Context<'_>) -> Result<()> {
        context.during = JobPhase::Saving;
        let metadata = Metadata {
            spec_ron: Some(print_spec(self.spec)?),
            metrics_json: serde_json::to_string(&self.figures).ok(),
            base_sha256: self.base_sha256(),
            ..self.metadata.clone()
        };
        if let Some(lift) = &self.tuned.lift {
            let path = context.folder()?.lifted_path();
            let bundle = write_bundle(self.tuned, path, &metadata)?;
            if lift.kind == LiftKind::PaperLiteral {
                context.folder()?.append_log(NO_S0_NOTE)?;
                return self.report(bundle, context);
            }
            context.folder()?.append_log(ONLY_S0_NOTE)?;
            self.report(bundle, context)?;
        }
        if self.tuned.lora.is_some() {
            let path = context.folder()?.lora_path();
            let bundle = write_bundle(self.tuned, path, &metadata)?;
            self.report(bundle, context)?;
            let mut state = self.tuned.state.layers.iter().flatten();
            if state.all(|x| *x == 0.0) {
                return context.folder()?.append_log(NO_S0_OF_LORA_NOTE);
            }
            context.folder()?.append_log(S0_OF_LORA_NOTE)?;
        }
        if self.tuned.state.has_shifts() {
            context.folder()?.append_log(SHIFTS_NOTE)?;
        }
        let own = context.folder()?.state_path();
        let other = own.with_extension("pth");
        let own = write_safetensors(&self.tuned.state, own, &metadata)?;
        if metadata.architecture != Architecture::Rwkv7 {
            // Programs that read a .pth run RWKV-7.
            return self.report(own, context);
        }
        let other = write_pth(&self.tuned.state, other, PthDType::F32)?;
        write_companions(&other.path, &metadata)?;
        self.report(own, context)?;
        self.report(other, context)
    }

    /// The SHA-256 of the weights' file, if that is still the one that was read.
    fn base_sha256(&self) -> Option<String> {
        let path = match &self.spec.model.checkpoint {
            CheckpointSource::Mini => return None,
            CheckpointSource::File(path) => path,
        };
        let file = Checkpoint::open(path).ok().filter(|_| path.is_file())?;
        let is_same = Some(file.fingerprint()) == self.metadata.base_fingerprint;
        is_same.then(|| file_sha256(path).ok()).flatten()
    }

    fn report(&self, written: ExportReport, context: &mut Context<'_>) -> Result<()> {
        context.report(Event::Run(
            self.run.clone(),
            RunEvent::StateExported {
                step: self.figures.step,
                path: written.path,
                bytes: written.bytes,
            },
        ))
    }
}
