//! Prompts and their answers.

use serde::{Deserialize, Serialize};

use crate::model::sampling::Sampling;
use crate::protocol::command::{Command, GenerationRequest};
use crate::protocol::event::RunId;
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
    /// Prompts that were asked.
    pub n_played: usize,
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

    /// Has the prompt answered by the model of the run that is looked at, with
    /// and without its state; without a run by that of the configuration.
    pub(crate) fn generate(&mut self, workspace: &mut Workspace) {
        if self.is_answering(workspace) {
            // One prompt at a time, so that Stop is of the one that is seen.
            return;
        }
        let settings = self.settings.clone();
        let run = workspace.focused_run();
        let state = run
            .filter(|run| !run.exported.is_empty())
            .map(|run| run.folder.clone());
        let spec = run.map_or(&workspace.draft, |run| &run.spec).clone();
        let sampling = match settings.is_random {
            false => Sampling::Greedy,
            true => Sampling::Random {
                temperature: settings.temperature as f32,
                top_p: settings.top_p as f32,
                seed: settings.seed,
            },
        };
        self.n_played += 1;
        let name = RunId(format!("prompt {}", self.n_played));
        self.playing = Some(name.clone());
        self.plays_tuned = state.is_some();
        let request = GenerationRequest {
            spec,
            state,
            alpha: settings.alpha as f32,
            prompt: settings.prompt,
            sampling,
            max_tokens: settings.max_tokens,
            stops: match settings.stops_at_blank {
                true => vec!["\n\n".into()],
                false => Vec::new(),
            },
        };
        workspace.send_other(Command::Generate {
            run: name,
            request: Box::new(request),
        });
    }
}
