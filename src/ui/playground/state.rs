//! Prompts and their answers.

use serde::{Deserialize, Serialize};

use super::blind::Blind;
use super::chat::{Turn, chat_format, messages, shown_answer};
use super::save_dialog::Saving;
use crate::data::{Message, PromptFormat, Template};
use crate::error::{Error, Result};
use crate::model::sampling::{Limits, Sampling};
use crate::persist::chat_file::AnsweredBy;
use crate::protocol::command::{Command, GenerationRequest};
use crate::protocol::event::{Answer, RunId};
use crate::runs::run::Run;
use crate::ui::shared::workspace::Workspace;

/// How prompts are answered; kept over restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaygroundSettings {
    /// What the model reads first.
    pub prompt: String,
    /// The state is taken times this.
    pub alpha: f64,
    /// Tokens that an answer has at most.
    pub max_tokens: usize,
    /// Whether tokens are drawn by chance.
    pub is_random: bool,
    /// What logits are divided by then.
    pub temperature: f64,
    /// The share of the likeliest tokens that are drawn from then.
    pub top_p: f64,
    /// The seed of chance.
    pub seed: u64,
    /// Whether an answer ends at a blank line, as the benchmarks' answers do.
    pub stops_at_blank: bool,
    /// Another text at which an answer ends; none where it is empty.
    pub stop: String,
    /// Taken off the logit of a token that was written before, once.
    pub presence: f64,
    /// The same for every time.
    pub frequency: f64,
    /// The likeliest tokens that are drawn from; 0 is all of them.
    pub top_k: usize,
    /// Whether the prompt is a message of a conversation.
    pub is_chat: bool,
    /// Whether prompts are answered in a blind test.
    pub is_blind: bool,
    /// The prompts of a blind test, one a line.
    pub blind_prompts: String,
    /// Where its judgements are written; a file beside the runs where it is empty.
    pub blind_file: String,
    /// What the conversation is about; none where it is empty.
    pub system: String,
    /// What stands around the turns; as the run was tuned where none is chosen.
    pub template: Option<Template>,
}

impl Default for PlaygroundSettings {
    fn default() -> Self {
        Self {
            prompt:
                "Question: Mia collected 14 shells on Monday and 8 on Tuesday, then lost 3. How many shells remain?\nAnswer:"
                    .into(),
            alpha: 1.0,
            max_tokens: 64,
            is_random: false,
            temperature: 0.8,
            top_p: 0.9,
            seed: 0,
            stops_at_blank: true,
            stop: String::new(),
            presence: 0.0,
            frequency: 0.0,
            top_k: 0,
            is_chat: false,
            is_blind: false,
            blind_prompts: String::new(),
            blind_file: String::new(),
            system: String::new(),
            template: None,
        }
    }
}

impl PlaygroundSettings {
    /// The texts at which an answer ends, beside those of a template.
    pub fn stops(&self) -> Vec<String> {
        let mut stops: Vec<String> = match self.stops_at_blank {
            true => vec!["\n\n".into()],
            false => Vec::new(),
        };
        stops.extend((!self.stop.is_empty()).then(|| self.stop.replace("\\n", "\n")));
        stops
    }

    fn sampling(&self) -> Sampling {
        match self.is_random {
            false => Sampling::Greedy,
            true => Sampling::Random {
                temperature: self.temperature as f32,
                top_p: self.top_p as f32,
                seed: self.seed,
            },
        }
    }
}

/// A prompt and how it is answered.
#[derive(Debug, Default)]
pub struct Playground {
    /// How prompts are answered.
    pub settings: PlaygroundSettings,
    /// The name of the prompt that was asked last.
    pub playing: Option<RunId>,
    /// Whether it is answered with a state too.
    pub plays_tuned: bool,
    /// The message of a conversation that is being typed.
    pub message: String,
    /// The conversation so far.
    pub turns: Vec<Turn>,
    /// The run whose state answers on the left; the untuned model where there is none.
    pub other: Option<RunId>,
    /// Why the last message could not be sent.
    pub fault: Option<String>,
    /// Prompts that were asked.
    pub n_played: usize,
    /// The blind test, and what came of the last one.
    pub blind: Blind,
    /// The conversation that is being saved.
    pub saving: Saving,
}

impl Playground {
    /// Whether the worker is not done with the prompt that was asked last.
    pub(crate) fn is_answering(&self, workspace: &Workspace) -> bool {
        let playing = self.playing.as_ref();
        playing.is_some_and(|name| workspace.queue.has_job(name))
    }

    /// Ends the answers.
    pub(crate) fn stop(&self, workspace: &mut Workspace) {
        if let Some(name) = &self.playing {
            let texts = workspace.store.generated.as_ref();
            let has_begun = texts.is_some_and(|texts| texts.run == *name);
            workspace.stop_job(name, has_begun);
        }
    }

    /// Whether there is something to answer.
    pub(crate) fn has_prompt(&self) -> bool {
        if self.settings.is_blind {
            return false;
        }
        match self.settings.is_chat {
            true => !self.message.trim().is_empty(),
            false => !self.settings.prompt.is_empty(),
        }
    }

    /// Begins a conversation anew.
    pub(crate) fn forget(&mut self) {
        self.turns.clear();
        self.fault = None;
    }

    /// Takes the answers to the last message into the conversation, once they are whole.
    pub(crate) fn take_answers(&mut self, workspace: &Workspace) {
        // Answers of a blind test are no part of it.
        if self.is_answering(workspace) || self.blind.on.is_some() {
            return;
        }
        let texts = workspace.store.generated.as_ref();
        let Some(texts) = texts.filter(|texts| self.playing.as_ref() == Some(&texts.run)) else {
            return;
        };
        let format = self.format(workspace);
        if let (Some(turn), Ok(format)) = (self.turns.last_mut(), format)
            && turn.left.is_none()
        {
            let of = |answer| shown_answer(&format, &texts.answer(answer).text);
            turn.left = Some(of(Answer::Untuned));
            turn.right = self.plays_tuned.then(|| of(Answer::Tuned));
        }
    }

    /// What stands around the turns.
    fn format(&self, workspace: &Workspace) -> Result<PromptFormat> {
        let run = workspace.focused_run();
        let spec = run.map_or(&workspace.draft, |run| &run.spec);
        chat_format(self.settings.template.as_ref(), spec)
    }

    /// The messages of one side.
    pub(crate) fn conversation(&self, side: Answer) -> Vec<Message> {
        messages(&self.settings.system, &self.turns, side, None)
    }

    /// The texts that both sides follow, and where their answers end.
    fn prompts(&self, workspace: &Workspace) -> Result<(String, Option<String>, Vec<String>)> {
        let settings = &self.settings;
        let stops = settings.stops();
        if !settings.is_chat {
            return Ok((settings.prompt.clone(), None, stops));
        }
        let format = self.format(workspace)?;
        let of = |side| {
            let messages = messages(&settings.system, &self.turns, side, Some(&self.message));
            let text = format.around_chat(&messages);
            text.map_err(|reason| Error::spec("template", reason))
        };
        let (left, right) = (of(Answer::Untuned)?, of(Answer::Tuned)?);
        let stops = [&format.stops[..], &stops].concat();
        Ok((left, Some(right), stops))
    }

    /// Has the prompt answered by the model of the run that is looked at, with
    /// and without its state; without a run by that of the configuration.
    pub(crate) fn generate(&mut self, workspace: &mut Workspace) {
        if self.is_answering(workspace) {
            // One prompt at a time, so that Stop is of the one that is seen.
            return;
        }
        self.take_answers(workspace);
        let (prompt, tuned_prompt, stops) = match self.prompts(workspace) {
            Ok(prompts) => prompts,
            Err(error) => {
                self.fault = Some(error.to_string());
                return;
            }
        };
        self.fault = None;
        let request = self.request(workspace, prompt, tuned_prompt, stops);
        self.n_played += 1;
        let name = RunId(format!("prompt {}", self.n_played));
        self.playing = Some(name.clone());
        self.plays_tuned = request.state.is_some();
        if self.settings.is_chat {
            let format = self.format(workspace).unwrap_or_default();
            self.turns.push(Turn {
                user: std::mem::take(&mut self.message),
                asked: Some(Box::new(asked(&request, &format))),
                ..Turn::default()
            });
        }
        workspace.send_other(Command::Generate {
            run: name,
            request: Box::new(request),
        });
    }

    /// What the worker is asked: the model of the run that is looked at, with its state
    /// and beside it the other one.
    pub(super) fn request(
        &self,
        workspace: &Workspace,
        prompt: String,
        tuned_prompt: Option<String>,
        stops: Vec<String>,
    ) -> GenerationRequest {
        let settings = &self.settings;
        let state_of = |run: &Run| {
            let is_there = !run.exported.is_empty();
            is_there.then(|| run.folder.clone())
        };
        let run = workspace.focused_run();
        let other = self.other.as_ref().and_then(|id| workspace.store.get(id));
        GenerationRequest {
            spec: run.map_or(&workspace.draft, |run| &run.spec).clone(),
            state: run.and_then(state_of),
            alpha: settings.alpha as f32,
            other: other.and_then(state_of),
            prompt,
            tuned_prompt,
            sampling: settings.sampling(),
            limits: Limits {
                presence: settings.presence as f32,
                frequency: settings.frequency as f32,
                top_k: settings.top_k,
            },
            max_tokens: settings.max_tokens,
            stops,
        }
    }
}

/// Who is asked on the left and on the right.
fn asked(request: &GenerationRequest, format: &PromptFormat) -> [AnsweredBy; 2] {
    // The other state is taken as it is.
    let sides = [(&request.other, 1.0), (&request.state, request.alpha)];
    sides.map(|(state, alpha)| AnsweredBy {
        checkpoint: request.spec.model.checkpoint.clone(),
        state: state.clone(),
        alpha,
        template: format.clone(),
        sampling: request.sampling,
        limits: request.limits,
        max_tokens: request.max_tokens,
    })
}
