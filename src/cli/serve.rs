//! `gosling serve`: a model and states of it behind the chat and completions routes of
//! the OpenAI interface, so that any chat client can try a state.

mod engine;
mod front;
mod http;
mod openai;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;

use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::model_choice::ModelChoice;
use crate::data::{PromptFormat, Template};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::TextStart;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::state_file::{Metadata, locate_state};
use engine::{Choice, Job, answer_jobs};
use front::{Front, accept};

/// Requests that wait for the model.
const MAX_WAITING: usize = 16;
/// The name of the model without a state.
const UNTUNED: &str = "untuned";

/// What to serve, and to whom.
#[derive(Args)]
pub struct ServeArguments {
    #[command(flatten)]
    model: ModelChoice,
    /// A state file or a run's folder; can be repeated. Each is a model of its file's name;
    /// `untuned` is the model without one.
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<PathBuf>,
    /// The text around the turns of a chat; default: as each state was tuned, and
    /// UserAssistant for the others.
    #[arg(long, value_name = "NAME or FILE")]
    template: Option<Template>,
    /// The address and the port to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Allow an address that other machines can reach.
    #[arg(long)]
    public: bool,
    /// Clients have to send this as a bearer token.
    #[arg(long, env = "GOSLING_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A web page, as http://localhost:3000, that may send requests; can be repeated.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// The most tokens of an answer.
    #[arg(long, default_value_t = 2048)]
    max_tokens: usize,
    /// The most seconds that an answer may take.
    #[arg(long, default_value_t = 300)]
    max_secs: u64,
}

/// Serves until it is ended.
///
/// # Errors
/// Bad input: what it is, and where; an address that cannot be listened on.
pub fn run(arguments: &ServeArguments) -> Result<()> {
    let ServeArguments { listen, public, .. } = arguments;
    if !listen.ip().is_loopback() && !public {
        let reason = tr!(
            "{} can be reached from other machines; add --public to allow this, and set a --token",
            listen.ip()
        );
        return Err(Error::spec("--listen", reason));
    }
    let states = arguments.read_states()?;
    let says = states.first().map(|of| (of.path.as_path(), &of.metadata));
    let choice = match says {
        Some(says) => arguments.model.for_state(says)?,
        None => arguments.model.clone(),
    };
    let config = choice.config()?;
    for state in &states {
        let fits = state.tuned.check_fits(&config);
        fits.map_err(|error| error.at_file(&state.path))?;
    }
    let model = choice.load_for(says, None)?;
    let mut choices = Vec::new();
    for state in states {
        if state
            .metadata
            .base_fingerprint
            .as_ref()
            .is_some_and(|of| *of != model.fingerprint)
        {
            eprintln!(
                "{}",
                tr!(
                    "gosling: {}: base model: the state was tuned for other weights; results may be worse",
                    shown(&state.path)
                )
            );
        }
        choices.push(Choice {
            name: unused_name(&state.name, &choices),
            start: Some(state.tuned.start(&model.device.device)),
            text_start: state.metadata.text_start(),
            format: arguments.format(state.metadata.template)?,
        });
    }
    choices.push(Choice {
        name: UNTUNED.into(),
        start: None,
        text_start: TextStart::Zero,
        format: arguments.format(None)?,
    });
    let fail = |source| Error::io("listen on", listen.to_string(), source);
    let listener = TcpListener::bind(listen).map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    let (send, jobs): (Sender<Job>, Receiver<Job>) = bounded(MAX_WAITING);
    let front = Arc::new(Front {
        names: choices.iter().map(|choice| choice.name.clone()).collect(),
        formats: choices.iter().map(|choice| choice.format.clone()).collect(),
        jobs: send,
        token: arguments.token.clone(),
        origins: arguments.allow_origin.clone(),
        is_loopback: listen.ip().is_loopback(),
        max_tokens: arguments.max_tokens.max(1),
        max_secs: arguments.max_secs.max(1),
        n_answered: AtomicUsize::new(0),
    });
    println!(
        "{}",
        tr!(
            "serving {} on http://{address}/v1",
            front.names.join(", "),
            address
        )
    );
    thread::spawn(move || accept(&listener, &front));
    answer_jobs(&model, &choices, &jobs);
    Ok(())
}

/// A state that was read.
struct ReadState {
    path: PathBuf,
    name: String,
    tuned: Tuned,
    metadata: Metadata,
}

impl ServeArguments {
    fn read_states(&self) -> Result<Vec<ReadState>> {
        let read = |asked: &PathBuf| {
            let path = locate_state(asked)?;
            let (tuned, metadata) = read_tuned(&path, None)?;
            Ok(ReadState {
                name: name_of(asked),
                path,
                tuned,
                metadata,
            })
        };
        self.states.iter().map(read).collect()
    }

    /// What stands around turns: as asked for, as the state was tuned, or as RWKV-7 was.
    fn format(&self, of_state: Option<PromptFormat>) -> Result<PromptFormat> {
        match (&self.template, of_state.filter(|format| !format.is_plain())) {
            (Some(template), _) => template.prompt_format(),
            (None, Some(format)) => Ok(format),
            (None, None) => Template::UserAssistant.prompt_format(),
        }
    }
}

/// The name of a run's folder, or of a file without its ending.
fn name_of(path: &Path) -> String {
    let name = match path.is_dir() {
        true => path.file_name(),
        false => path.file_stem(),
    };
    name.unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn unused_name(name: &str, choices: &[Choice]) -> String {
    let is_used = |name: &String| *name == UNTUNED || choices.iter().any(|it| it.name == *name);
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names
        .find(|name| !is_used(name))
        .unwrap_or_else(|| name.to_owned())
}

/// Whether bytes begin with a request, and what follows its head asks for an answer.
#[cfg(test)]
pub(crate) fn reads_request(bytes: &[u8]) -> bool {
    match http::parse_head(bytes) {
        Ok(Some((_, n_head, ..))) => {
            openai::CompletionRequest::parse(&bytes[n_head..], true, 0).is_ok()
        }
        Ok(None) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_used_once() {
        let format = Template::UserAssistant.prompt_format().unwrap();
        let choice = |name: &str| Choice {
            name: name.into(),
            start: None,
            text_start: TextStart::Zero,
            format: format.clone(),
        };
        let choices = [choice("a"), choice("a-2")];
        assert_eq!(unused_name("b", &choices), "b");
        assert_eq!(unused_name("a", &choices), "a-3");
        assert_eq!(unused_name("untuned", &choices), "untuned-2");
    }
}
