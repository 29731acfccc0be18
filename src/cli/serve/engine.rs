//! The one thread that owns the model: it answers one request after the other.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender};

use super::openai::End;
use crate::cli::model_choice::BareModel;
use crate::data::PromptFormat;
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::generate::Generation;
use crate::model::sampling::{Limits, Sampler, Sampling};
use crate::model::state::Start;
use crate::model::text_stream::TextStream;
use crate::model::tokenizer::END_OF_DOCUMENT;

/// How long a client may take nothing while parts of an answer wait for it.
pub(super) const MAX_STALL: Duration = Duration::from_secs(10);

/// What a request may be answered with: the untuned model or a state.
pub(super) struct Choice {
    pub name: String,
    pub start: Option<Start>,
    pub text_start: TextStart,
    pub format: PromptFormat,
}

/// A text to continue, and where its answer goes.
pub(super) struct Job {
    /// Which of the choices.
    pub choice: usize,
    pub prompt: String,
    pub is_chat: bool,
    pub sampling: Sampling,
    pub limits: Limits,
    pub stops: Vec<String>,
    pub max_tokens: usize,
    pub max_secs: u64,
    pub parts: Sender<AnswerPart>,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum AnswerPart {
    Text(String),
    Ended(End),
    Failed(String),
}

/// Answers jobs until nobody can send any more.
pub(super) fn answer_jobs(model: &BareModel, choices: &[Choice], jobs: &Receiver<Job>) {
    for job in jobs {
        let Some(choice) = choices.get(job.choice) else {
            continue;
        };
        match answer(model, choice, &job) {
            Ok(()) => {}
            // Nobody reads on.
            Err(Error::Stopped) => {}
            Err(error) => {
                let _ = job.parts.try_send(AnswerPart::Failed(error.to_string()));
            }
        }
    }
}

fn answer(model: &BareModel, choice: &Choice, job: &Job) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(job.max_secs);
    let BareModel {
        device,
        model,
        tokenizer,
        ..
    } = model;
    let mut sampler = Sampler::new(job.sampling)?.limited(job.limits)?;
    let prompt = tokenizer.encode(&job.prompt);
    let n_prompt = choice.text_start.with(&prompt).len();
    if n_prompt == 0 {
        return Err(Error::spec("prompt", tr!("is empty")));
    }
    let (start, text_start) = (choice.start.as_ref(), choice.text_start);
    let mut text = Generation::after(model, &device.device, start, text_start, &prompt)?;
    let mut stream = TextStream::new(job.stops.iter().map(String::as_str));
    let mut head = Head::new(job.is_chat.then_some(&choice.format));
    let mut n_written = 0;
    let is_whole = loop {
        if n_written >= job.max_tokens || Instant::now() >= until {
            break false;
        }
        let token = sampler.pick(text.logits())?;
        n_written += 1;
        if token == END_OF_DOCUMENT {
            break true;
        }
        let shown = stream.push(tokenizer.token_bytes(token));
        send(job, head.take(&shown))?;
        if stream.is_stopped() {
            break true;
        }
        text.push(token)?;
    };
    let mut rest = head.take(&stream.rest());
    rest.push_str(&head.end());
    send(job, rest)?;
    let end = End {
        is_whole,
        n_prompt,
        n_written,
    };
    deliver(job, AnswerPart::Ended(end))
}

fn send(job: &Job, text: String) -> Result<()> {
    match text.is_empty() {
        // A client that has gone is noticed between any two tokens.
        true => match job.parts.is_full() {
            true => Ok(()),
            false => deliver(job, AnswerPart::Text(text)),
        },
        false => deliver(job, AnswerPart::Text(text)),
    }
}

/// # Errors
/// [`Error::Stopped`] where nobody takes it.
fn deliver(job: &Job, part: AnswerPart) -> Result<()> {
    match job.parts.send_timeout(part, MAX_STALL) {
        Ok(()) => Ok(()),
        Err(SendTimeoutError::Timeout(_) | SendTimeoutError::Disconnected(_)) => {
            Err(Error::Stopped)
        }
    }
}

/// The beginning of an answer, without what the template puts there.
struct Head {
    /// What is to be left out, as long as nothing else came.
    hidden: String,
    /// What is shown first.
    begun: &'static str,
    is_over: bool,
}

impl Head {
    fn new(format: Option<&PromptFormat>) -> Self {
        match format {
            Some(format) => Self {
                hidden: format.hidden_start().to_owned(),
                begun: format.begun_answer(),
                is_over: false,
            },
            None => Self {
                hidden: String::new(),
                begun: "",
                is_over: true,
            },
        }
    }

    fn take(&mut self, text: &str) -> String {
        if self.is_over {
            return text.to_owned();
        }
        let mut text = text;
        while let (Some(hidden), Some(first)) = (self.hidden.chars().next(), text.chars().next()) {
            if hidden != first {
                self.hidden.clear();
                break;
            }
            self.hidden.remove(0);
            text = &text[first.len_utf8()..];
        }
        let text = text.trim_start();
        if text.is_empty() {
            return String::new();
        }
        self.is_over = true;
        format!("{}{text}", self.begun)
    }

    /// What is left to show where the model wrote nothing.
    fn end(&mut self) -> String {
        match std::mem::replace(&mut self.is_over, true) {
            true => String::new(),
            false => self.begun.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Template;

    #[test]
    fn an_answer_is_shown_without_what_the_template_begins_it_with() {
        let shown = |template: Template, parts: &[&str]| {
            let format = template.prompt_format().unwrap();
            let mut head = Head::new(Some(&format));
            let mut text: String = parts.iter().map(|part| head.take(part)).collect();
            text.push_str(&head.end());
            text
        };
        assert_eq!(
            shown(Template::UserAssistant, &[" ", " Hi", " you"]),
            "Hi you"
        );
        assert_eq!(
            shown(Template::Think, &[">so", "</think>\nyes"]),
            "<think>so</think>\nyes"
        );
        assert_eq!(shown(Template::FastThink, &[">", "\n", "yes"]), "yes");
        assert_eq!(shown(Template::FastThink, &["yes >"]), "yes >");
        assert_eq!(shown(Template::UserAssistant, &[" "]), "");
        assert_eq!(Head::new(None).take(" as it is"), " as it is");
    }
}
