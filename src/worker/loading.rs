//! The data of a run, loaded before its model.

use super::context::{Context, JobPhase};
use super::run_data::RunData;
use super::session::tokenizer_of;
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;
use crate::protocol::event::{Event, JobEvent};
use crate::protocol::run_spec::RunSpec;

/// The data of a run in the tokens of its model, before the weights, which take
/// their time.
pub(super) fn load_data(spec: &RunSpec, context: &mut Context<'_>) -> Result<(RunData, Tokenizer)> {
    context.during = JobPhase::LoadingModel;
    let tokenizer = tokenizer_of(&spec.model)?;
    context.during = JobPhase::LoadingData;
    let data = RunData::load(spec, &tokenizer)?;
    // Before the model, whose reading takes long: what was left out may be wanted.
    let line = data.line();
    context.report(Event::Job(JobEvent::DataRead { line }))?;
    context.poll(0)?;
    Ok((data, tokenizer))
}
