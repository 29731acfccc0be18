//! What is done in a blind test, by the playground and its worker.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::blind::{BlindState, BlindTest, prompt_around, prompts_of};
use super::blind_action::BlindAction;
use super::state::{Playground, PlaygroundSettings};
use crate::data::PromptFormat;
use crate::error::{Error, Result};
use crate::persist::blind_file::BlindSetup;
use crate::protocol::command::{Command, GenerationRequest};
use crate::protocol::event::RunId;
use crate::ui::shared::workspace::Workspace;

impl Playground {
    /// Does what is asked for of a blind test.
    pub(crate) fn blind(&mut self, action: BlindAction, workspace: &mut Workspace) {
        self.blind.fault = None;
        let done = match action {
            BlindAction::Start => self.start_blind(workspace),
            BlindAction::Ask => Ok(()),
            BlindAction::Judge(prefers_left) => self.judge(prefers_left, workspace),
            BlindAction::End => {
                self.end_blind(workspace);
                Ok(())
            }
        };
        match done {
            Ok(()) => self.ask_blind(workspace),
            Err(error) => self.blind.fault = Some(error.to_string()),
        }
    }

    /// What is seen of the prompt that is judged.
    pub(crate) fn shown_blind(&self, workspace: &Workspace) -> BlindState {
        let Some(test) = &self.blind.on else {
            return BlindState::Missing;
        };
        if self.is_answering(workspace) {
            return BlindState::Writing;
        }
        match test.sides(workspace.store.generated.as_ref()) {
            Some(sides) => BlindState::Answers(sides),
            None => BlindState::Missing,
        }
    }

    /// Where judgements are written, as it was typed or by default.
    pub(crate) fn blind_path(&self, workspace: &Workspace) -> PathBuf {
        match self.settings.blind_file.trim() {
            "" => workspace.runs_dir.join("blind.jsonl"),
            typed => PathBuf::from(typed),
        }
    }

    fn start_blind(&mut self, workspace: &Workspace) -> Result<()> {
        if self.is_answering(workspace) {
            return Err(Error::spec(
                tr!("blind test"),
                tr!("an answer is being written; stop it first"),
            ));
        }
        let prompts = prompts_of(&self.settings.blind_prompts);
        if prompts.is_empty() {
            return Err(Error::spec(
                tr!("Prompts"),
                tr!("there are none; write one a line"),
            ));
        }
        let run = workspace.focused_run();
        let run = run.filter(|run| !run.exported.is_empty());
        let Some(run) = run else {
            let reason =
                tr!("select a run that has a state; its answers are compared with the others");
            return Err(Error::spec(tr!("blind test"), reason));
        };
        let other = self.other.as_ref().and_then(|id| workspace.store.get(id));
        let other = other.filter(|run| !run.exported.is_empty());
        let format = match &self.settings.template {
            Some(template) => template.prompt_format()?,
            None => run.spec.prompt_format()?,
        };
        let mut request = self.request(workspace, String::new(), None, Vec::new());
        request.stops = [format.stops.clone(), self.settings.stops()].concat();
        let names = [
            other.map_or(tr!("untuned").to_owned(), |run| run.id.0.clone()),
            run.id.0.clone(),
        ];
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = now.map_or(0, |now| now.as_nanos() as u64);
        let settings = settings_of(&self.settings, &format);
        let mut setup = BlindSetup::new(names, settings, prompts, seed);
        let path = self.blind_path(workspace);
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        if let Some(folder) = folder {
            let fail = |source| Error::io("create", folder, source);
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let judgements = setup.begin(&path)?;
        self.blind.outcome = None;
        self.blind.on = Some(BlindTest {
            setup,
            path,
            request,
            format,
            judgements,
            asked: None,
        });
        Ok(())
    }

    fn judge(&mut self, prefers_left: Option<bool>, workspace: &Workspace) -> Result<()> {
        if self.is_answering(workspace) {
            return Ok(());
        }
        let Some(test) = &mut self.blind.on else {
            return Ok(());
        };
        let answers = test.answers(workspace.store.generated.as_ref());
        let (Some(place), Some(answers)) = (test.next(), answers) else {
            return Ok(());
        };
        let judgement = test.setup.judgement(place, answers, prefers_left);
        judgement.add(&test.path)?;
        test.judgements.push(judgement);
        test.asked = None;
        Ok(())
    }

    fn end_blind(&mut self, workspace: &mut Workspace) {
        let is_own = |test: &BlindTest| test.asked.is_some() && test.asked == self.playing;
        if self.blind.on.as_ref().is_some_and(is_own) && self.is_answering(workspace) {
            self.stop(workspace);
        }
        self.blind.outcome = self.blind.on.take().map(|test| test.outcome());
    }

    /// Has the next prompt answered, or tells what came out.
    fn ask_blind(&mut self, workspace: &mut Workspace) {
        if self.is_answering(workspace) {
            return;
        }
        let texts = workspace.store.generated.as_ref();
        let Some(test) = &mut self.blind.on else {
            return;
        };
        let Some(place) = test.next() else {
            return self.end_blind(workspace);
        };
        if test.answers(texts).is_some() {
            // They are there and wait for a judgement.
            return;
        }
        let prompt = prompt_around(
            &test.format,
            &self.settings.system,
            &test.setup.prompts[place],
        );
        let prompt = match prompt {
            Ok(prompt) => prompt,
            Err(reason) => {
                self.blind.fault = Some(reason);
                return;
            }
        };
        self.n_played += 1;
        let name = RunId(format!("prompt {}", self.n_played));
        test.asked = Some(name.clone());
        self.playing = Some(name.clone());
        self.plays_tuned = true;
        let request = GenerationRequest {
            prompt,
            ..test.request.clone()
        };
        workspace.send_other(Command::Generate {
            run: name,
            request: Box::new(request),
        });
    }
}

/// What decides answers, as the file says it.
fn settings_of(settings: &PlaygroundSettings, format: &PromptFormat) -> Value {
    json!({
        "template": format,
        "system": settings.system,
        "alpha": settings.alpha,
        "max_tokens": settings.max_tokens,
        "sampling": settings.is_random,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "seed": settings.seed,
        "presence": settings.presence,
        "frequency": settings.frequency,
        "stops": settings.stops(),
    })
}
