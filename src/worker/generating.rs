//! A prompt, answered with and without a tuned state, token by token in turn.

use std::path::Path;
use std::time::Instant;

use super::context::{Context, JobPhase};
use super::session::{LoadedModel, Session};
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::generate::Generation;
use crate::model::sampling::Sampler;
use crate::model::state::Start;
use crate::model::text_stream::TextStream;
use crate::model::tokenizer::{END_OF_DOCUMENT, Tokenizer};
use crate::protocol::command::GenerationRequest;
use crate::protocol::event::{Answer, AnswerEnd, Event, JobEvent, RunId};
use crate::tuning::states::lift_bundle::read_tuned_for;
use crate::tuning::states::state_file::locate_state;

/// Answers the prompt until both answers have ended.
///
/// # Errors
/// Bad input, and what the device reports.
pub(super) fn generate(
    request: &GenerationRequest,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    let run = context.run().unwrap_or(RunId(String::new()));
    context.during = JobPhase::LoadingModel;
    let (loaded, tokenizer) = match context.load(session, &request.spec) {
        Err(Error::Stopped) => return end_all(request, &run, context),
        other => other?,
    };
    context.during = JobPhase::Generating;
    if !request.alpha.is_finite() {
        let reason = tr!("must be a number, is {}", request.alpha);
        return Err(Error::spec("alpha", reason));
    }
    let (start, own_vocabulary) = match &request.state {
        Some(path) => {
            let (start, vocabulary) = read_start(path, request.alpha, loaded)?;
            (Some(start), vocabulary)
        }
        None => (None, None),
    };
    let other = match &request.other {
        Some(path) => Some(read_start(path, 1.0, loaded)?.0),
        None => None,
    };
    let tokenizer = own_vocabulary.unwrap_or(tokenizer);
    let prompt = tokenizer.encode_bytes(request.prompt.as_bytes());
    let tuned_prompt = request.tuned_prompt.as_ref();
    let tuned_prompt = tuned_prompt.map(|text| tokenizer.encode_bytes(text.as_bytes()));
    let mut writers = Vec::new();
    for answer in answers(request) {
        let (start, prompt) = match answer {
            Answer::Untuned => (other.as_ref(), &prompt),
            Answer::Tuned => (start.as_ref(), tuned_prompt.as_ref().unwrap_or(&prompt)),
        };
        writers.push(Writer::new(answer, request, loaded, start, prompt)?);
    }
    while !writers.is_empty() {
        let is_stopped = match context.poll(0) {
            Err(Error::Stopped) => true,
            other => {
                other?;
                false
            }
        };
        let mut going = Vec::new();
        for mut writer in writers {
            let end = match is_stopped {
                true => Some(AnswerEnd::Stopped),
                false => writer.write(&tokenizer, request, &run, context)?,
            };
            match end {
                Some(end) => writer.end(end, &run, context)?,
                None => going.push(writer),
            }
        }
        writers = going;
    }
    Ok(())
}

/// The tuned answer only where there is a state.
fn answers(request: &GenerationRequest) -> impl Iterator<Item = Answer> {
    let tuned = request.state.is_some().then_some(Answer::Tuned);
    [Answer::Untuned].into_iter().chain(tuned)
}

fn end_all(request: &GenerationRequest, run: &RunId, context: &mut Context<'_>) -> Result<()> {
    for answer in answers(request) {
        context.report(Event::Job(JobEvent::GenerationEnded {
            name: run.clone(),
            answer,
            n_tokens: 0,
            secs: 0.0,
            end: AnswerEnd::Stopped,
        }))?;
    }
    Ok(())
}

/// The state times `alpha`, what its texts begin with, and the vocabulary that it
/// was tuned with, as far as it says.
fn read_start(
    path: &Path,
    alpha: f32,
    loaded: &LoadedModel,
) -> Result<((Start, TextStart), Option<Tokenizer>)> {
    let path = locate_state(path)?;
    let (tuned, metadata) = read_tuned_for(&path, None, loaded.model.config())?;
    tuned
        .check_fits(loaded.model.config())
        .map_err(|error| match error {
            Error::Spec { field, reason } => Error::input(&path, field, reason),
            other @ (Error::Input { .. }
            | Error::Changed { .. }
            | Error::Io { .. }
            | Error::Device(_)
            | Error::Stopped) => other,
        })?;
    let end = loaded.model.config().end_of_document;
    let vocabulary = metadata.tokenizer(&path)?.map(|of| of.with_end(end));
    let start = tuned.scaled(alpha).start(&loaded.device);
    Ok(((start, metadata.text_start()), vocabulary))
}

/// One of the answers.
struct Writer<'a> {
    answer: Answer,
    text: Generation<'a>,
    sampler: Sampler,
    stream: TextStream,
    n_tokens: usize,
    since: Instant,
}

impl<'a> Writer<'a> {
    fn new(
        answer: Answer,
        request: &GenerationRequest,
        loaded: &'a LoadedModel,
        start: Option<&(Start, TextStart)>,
        prompt: &[u32],
    ) -> Result<Self> {
        let sampler = Sampler::new(request.sampling)?.limited(request.limits)?;
        let (start, text_start) = match start {
            Some((start, text_start)) => (Some(start), *text_start),
            None => (None, TextStart::Zero),
        };
        let LoadedModel { model, device, .. } = loaded;
        let text = Generation::after(model, device, start, text_start, prompt)?;
        Ok(Self {
            answer,
            text,
            sampler,
            stream: TextStream::new(request.stops.iter().map(String::as_str)),
            n_tokens: 0,
            since: Instant::now(),
        })
    }

    /// Writes a token; why the answer ends, if it does.
    fn write(
        &mut self,
        tokenizer: &Tokenizer,
        request: &GenerationRequest,
        run: &RunId,
        context: &mut Context<'_>,
    ) -> Result<Option<AnswerEnd>> {
        if self.n_tokens >= request.max_tokens {
            return Ok(Some(AnswerEnd::MaxTokens));
        }
        let token = self.sampler.pick(self.text.logits())?;
        if token == END_OF_DOCUMENT {
            return Ok(Some(AnswerEnd::EndOfDocument));
        }
        self.n_tokens += 1;
        let shown = self.stream.push(tokenizer.token_bytes(token));
        self.report(shown, run, context)?;
        if self.stream.is_stopped() {
            return Ok(Some(AnswerEnd::StopText));
        }
        if self.n_tokens < request.max_tokens {
            self.text.push(token)?;
        }
        Ok(None)
    }

    fn report(&self, text: String, run: &RunId, context: &mut Context<'_>) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        context.report(Event::Job(JobEvent::Generated {
            name: run.clone(),
            answer: self.answer,
            text,
        }))
    }

    fn end(mut self, end: AnswerEnd, run: &RunId, context: &mut Context<'_>) -> Result<()> {
        let rest = self.stream.rest();
        self.report(rest, run, context)?;
        context.report(Event::Job(JobEvent::GenerationEnded {
            name: run.clone(),
            answer: self.answer,
            n_tokens: self.n_tokens,
            secs: self.since.elapsed().as_secs_f64(),
            end,
        }))
    }
}
