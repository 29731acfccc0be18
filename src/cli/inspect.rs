//! `gosling inspect`: what a model or a tuned state is, a head of a state in
//! numbers and pictures, and a training set or benchmark as the model would see
//! it.

use std::io::{IsTerminal as _, stdout};
use std::path::PathBuf;

use clap::Args;

use super::inspect_file::{describe, is_checkpoint};
use super::inspect_head::HeadArguments;
use crate::data::{
    Benchmark, Example, Loaded, Marking, Preview, Protocol, Split, Template, load, load_text_set,
    mini,
};
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;
use crate::protocol::run_spec::VocabularySource;
use crate::tuning::state_file::Orientation;

/// What to show.
#[derive(Args)]
pub struct InspectArguments {
    /// A model, a tuned state, a run's folder or a data set; without it the
    /// mini benchmark that ships with the program.
    path: Option<PathBuf>,
    /// A model or a tuned state, whatever its name.
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    checkpoint: Option<PathBuf>,
    /// The order of a state's last two axes, value-key or key-value, where the file does not say.
    #[arg(long)]
    orientation: Option<Orientation>,
    /// gsm8k, arc, mmlu or winogrande; left out, a data set holds JSON lines.
    #[arg(long)]
    benchmark: Option<Benchmark>,
    /// train, validation or test.
    #[arg(long, default_value = "train")]
    split: Split,
    /// Wrap prompts and completions as User and Assistant turns.
    #[arg(long)]
    chat: bool,
    /// Examples longer than this many tokens are counted as too long.
    #[arg(long, default_value_t = 512)]
    context_length: usize,
    /// How many examples to print token by token.
    #[arg(long, default_value_t = 3)]
    show: usize,
    #[command(flatten)]
    head: HeadArguments,
}

/// Prints what is known of the file.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &InspectArguments) -> Result<()> {
    if arguments.head.is_wanted() {
        let path = arguments.checkpoint.as_ref().or(arguments.path.as_ref());
        return arguments
            .head
            .run(path.map(PathBuf::as_path), arguments.orientation);
    }
    let of_path = arguments.path.as_ref();
    let of_path = of_path.filter(|path| arguments.benchmark.is_none() && is_checkpoint(path));
    if let Some(path) = arguments.checkpoint.as_ref().or(of_path) {
        print!("{}", describe(path, arguments.orientation)?);
        return Ok(());
    }
    let tokenizer = match (arguments.head.model.asked_vocabulary(), &arguments.path) {
        (Some(VocabularySource::File(path)), _) => Tokenizer::from_file(path)?,
        (Some(VocabularySource::Mini), _) | (Some(VocabularySource::Auto) | None, None) => {
            Tokenizer::mini()?
        }
        (Some(VocabularySource::World), _) | (Some(VocabularySource::Auto) | None, Some(_)) => {
            Tokenizer::world()?
        }
    };
    let loaded = examples(arguments, &tokenizer)?;
    let preview = Preview::new(
        &loaded,
        &tokenizer,
        arguments.context_length,
        arguments.show,
    );
    let marking = if stdout().is_terminal() {
        Marking::Colour
    } else {
        Marking::Brackets
    };
    if let Some(path) = &arguments.path {
        println!("{}: a data set", path.display());
    }
    println!("{}", preview.render(marking));
    Ok(())
}

fn examples(arguments: &InspectArguments, tokenizer: &Tokenizer) -> Result<Loaded<Example>> {
    let (items, protocol) = match (&arguments.path, arguments.benchmark) {
        (Some(path), None) => {
            let template = if arguments.chat {
                Template::UserAssistant
            } else {
                Template::Plain
            };
            return load_text_set(path, template, tokenizer);
        }
        (Some(path), Some(benchmark)) => {
            let loaded = load(benchmark, path, arguments.split)?;
            (loaded, Protocol::LM_EVAL)
        }
        (None, benchmark) => {
            let benchmark = benchmark.unwrap_or(Benchmark::Gsm8k);
            let items = mini(benchmark, arguments.split)?;
            let loaded = Loaded {
                items,
                ..Loaded::default()
            };
            (loaded, Protocol::Mini)
        }
    };
    Ok(Loaded {
        items: items
            .items
            .iter()
            .map(|item| protocol.training_example(item, tokenizer))
            .collect(),
        bad_lines: items.bad_lines,
        n_bad_lines: items.n_bad_lines,
    })
}
