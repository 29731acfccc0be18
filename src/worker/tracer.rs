//! The state of a head over the tokens of a text, for a view: computed between two
//! steps of a run, or at once if there is none. Of several requests the newest is
//! answered.

use super::context::{Context, JobPhase};
use super::session::{LoadedModel, Session};
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::tokenizer::Tokenizer;
use crate::persist::run_folder::snapshot_file;
use crate::protocol::event::{Event, JobEvent, RunId};
use crate::protocol::run_spec::RunSpec;
use crate::protocol::trace::{TraceAnswer, TraceFrom, TraceRequest, Traced};
use crate::tuning::inspect::trajectory::{Follow, Trajectory};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::snapshot_file::read_snapshot;
use crate::tuning::states::state_file::locate_state;

/// Memory that the states of every head over a text may take; those of fewer tokens are
/// kept where there is not enough for all.
const EVERY_HEAD_BYTES: usize = 256 << 20;

/// What follows a text.
pub(super) struct Tracer<'a> {
    pub loaded: &'a LoadedModel,
    pub tokenizer: &'a Tokenizer,
    /// What the model was loaded for.
    pub spec: &'a RunSpec,
    /// Steps done, for a pause.
    pub step: usize,
}

impl Tracer<'_> {
    /// Follows the text and puts what came of it into the slot; `current` gives
    /// the state of the run that is on, by its name.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the run or the worker is to end, and what the
    /// disk reports; all else is a part of the answer.
    pub fn answer(
        &self,
        request: TraceRequest,
        current: &dyn Fn(&RunId) -> Option<Result<Tuned>>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let traced = match self.follow(&request, current, context) {
            Ok(traced) => Ok(traced),
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(error) => Err(error.to_string()),
        };
        answer(request, traced, context)
    }

    fn follow(
        &self,
        request: &TraceRequest,
        current: &dyn Fn(&RunId) -> Option<Result<Tuned>>,
        context: &mut Context<'_>,
    ) -> Result<Traced> {
        if (&request.spec.model, request.spec.device) != (&self.spec.model, self.spec.device) {
            let reason = tr!("differs from the model of the active run; wait until the run ends");
            return Err(Error::spec("model", reason));
        }
        let tuned = match &request.from {
            TraceFrom::Untuned => None,
            TraceFrom::Snapshot { folder, step } => {
                Some(read_snapshot(snapshot_file(folder, *step))?.tuned)
            }
            TraceFrom::Newest { run, folder } => Some(match current(run) {
                Some(tuned) => tuned?,
                None => read_tuned(locate_state(folder)?, None)?.0,
            }),
        };
        let LoadedModel { model, device, .. } = self.loaded;
        if let Some(tuned) = &tuned {
            tuned.check_fits(model.config())?;
        }
        let text_start = match tuned {
            Some(_) => request.spec.data.leading_token.in_use(),
            None => TextStart::Zero,
        };
        let tokens = self.tokenizer.encode(&request.text);
        let trajectory = Trajectory::follow(
            model,
            device,
            tuned.as_ref(),
            text_start,
            &tokens,
            Follow {
                place: request.place,
                every_head_bytes: EVERY_HEAD_BYTES,
            },
            &mut |_, _| context.poll(self.step),
        )?;
        let words = self.tokenizer.token_texts(&trajectory.tokens);
        Ok(Traced { trajectory, words })
    }
}

/// Follows a text while no run is on.
///
/// # Errors
/// [`Error::Stopped`] when the worker is to end.
pub(super) fn trace(
    request: TraceRequest,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    context.during = JobPhase::Tracing;
    let spec = request.spec.clone();
    let loaded = context.load(session, &spec);
    match loaded {
        Ok((loaded, tokenizer)) => {
            let tracer = Tracer {
                loaded,
                tokenizer: &tokenizer,
                spec: &spec,
                step: 0,
            };
            tracer.answer(request, &|_| None, context)
        }
        Err(Error::Stopped) => Err(Error::Stopped),
        Err(error) => answer(request, Err(error.to_string()), context),
    }
}

/// Puts an answer into the slot and says so.
///
/// # Errors
/// [`Error::Io`] if the run's folder cannot be written.
fn answer(
    request: TraceRequest,
    traced: std::result::Result<Traced, String>,
    context: &mut Context<'_>,
) -> Result<()> {
    context.traces.publish(TraceAnswer { request, traced });
    context.report(Event::Job(JobEvent::TraceReady))
}
