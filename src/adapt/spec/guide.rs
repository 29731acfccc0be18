//! Where texts of another model come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Objective;
use crate::data::Benchmark;
use crate::error::{Error, Result};
use crate::protocol::run_spec::CheckpointSource;

/// Where texts of another model come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum GuideSpec {
    /// Another RWKV of the same vocabulary, or the same one with another state, in
    /// this process.
    Local {
        /// Its weights.
        #[serde(default)]
        checkpoint: CheckpointSource,
        /// Its state; untuned without one.
        #[serde(default)]
        state: Option<PathBuf>,
        /// Solved training questions in front of every question.
        #[serde(default)]
        examples: usize,
    },
    /// A server.
    Http(HttpSpec),
    /// Texts that were written down before, JSON lines.
    Recorded {
        /// The file.
        path: PathBuf,
    },
    /// The right answers with mistakes: reads labels, no evidence of anything.
    Simulated {
        /// The share of right answers, 0 to 1.
        right: f64,
    },
}

/// A server that is asked for texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSpec {
    /// Up to and without the route: `http://127.0.0.1:8080/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// Which route, and which form of questions and answers.
    pub api: GuideApi,
    /// The environment variable that holds the key; the key itself is written
    /// nowhere.
    pub key_env: Option<String>,
    /// Solved training questions in front of every question.
    pub examples: usize,
    /// Where its answers are cut, in its tokens.
    pub max_tokens: usize,
    /// What its logits are divided by.
    pub temperature: f32,
    /// How long one answer may take.
    pub timeout_secs: f64,
    /// Answers that are asked for at once.
    pub parallel: usize,
    /// How often a question is asked again where no answer came.
    pub retries: usize,
    /// Whether questions may leave this machine.
    pub allow_remote: bool,
}

/// The routes of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum GuideApi {
    /// `/completions`: llama.cpp, vLLM, Ollama, LM Studio.
    #[default]
    Completions,
    /// `/chat/completions` of the same.
    Chat,
    /// `/api/generate` of Ollama.
    OllamaGenerate,
    /// `/responses`: LM Studio and OpenAI.
    Responses,
}

impl Default for HttpSpec {
    /// llama.cpp's server on this machine.
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8080/v1".into(),
            model: "default".into(),
            api: GuideApi::Completions,
            key_env: None,
            examples: 3,
            max_tokens: 512,
            temperature: 0.0,
            timeout_secs: 120.0,
            parallel: 4,
            retries: 3,
            allow_remote: false,
        }
    }
}

impl GuideSpec {
    /// What figures call it.
    pub fn name(&self) -> String {
        match self {
            Self::Local { .. } => "local guide".into(),
            Self::Http(http) => format!("guide {}", http.model),
            Self::Recorded { .. } => "recorded guide".into(),
            Self::Simulated { right } => format!("simulated guide, right {right}"),
        }
    }

    /// Whether it serves the objective.
    ///
    /// # Errors
    /// [`Error::Spec`] of `guide`.
    pub(super) fn check(&self, objective: &Objective, benchmark: Benchmark) -> Result<()> {
        let refuse = |field: &str, reason: String| Err(Error::spec(field, reason));
        let is_local = matches!(self, Self::Local { .. });
        // Letters are told by their text, whatever a server's tokens are.
        let has_letters = benchmark == Benchmark::Mmlu;
        let is_of_letters = has_letters && objective.needs_shares(benchmark);
        if objective.needs_probabilities() && !is_local && !is_of_letters {
            let reason = tr!(
                "{} needs probabilities in the model's own tokens; choose Local",
                objective.name()
            );
            return refuse("guide", reason);
        }
        match self {
            Self::Simulated { right } if !(0.0..=1.0).contains(right) => {
                refuse("guide.right", tr!("must be from 0 to 1, is {right}", right))
            }
            Self::Http(http) => {
                if http.parallel == 0 || http.max_tokens == 0 {
                    let reason = tr!("parallel and max_tokens must be at least 1");
                    return refuse("guide", reason.into());
                }
                if !(http.timeout_secs > 0.0 && http.timeout_secs.is_finite()) {
                    return refuse("guide.timeout_secs", tr!("must be above 0").into());
                }
                Ok(())
            }
            Self::Simulated { .. } | Self::Local { .. } | Self::Recorded { .. } => Ok(()),
        }
    }
}
