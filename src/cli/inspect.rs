//! `gosling inspect`: what a model or a tuned state is, a head of a state in
//! numbers and pictures, and a training set or benchmark as the model would see
//! it.

mod adapters;
mod file;
mod head;
mod metadata;
mod pictures;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::console::shows_colours;
use crate::data::{
    Benchmark, Example, Loaded, LossOn, Marking, Preview, Protocol, Recognised, Split, Template,
    endless_note, fitting_template, load, load_text_set, mini, recognise,
};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::LeadingToken;
use crate::model::tokenizer::Tokenizer;
use crate::protocol::run_spec::VocabularySource;
use crate::tuning::states::state_file::Orientation;
use file::{describe, is_checkpoint};
use head::HeadArguments;

/// What to show.
#[derive(Args)]
pub struct InspectArguments {
    /// A model, a tuned state, a run folder or a data set; default: the mini benchmark
    /// that ships with the program.
    path: Option<PathBuf>,
    /// A model or a tuned state with any file name.
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    checkpoint: Option<PathBuf>,
    /// The order of a state's last two axes, value-key or key-value, if the file does
    /// not state it.
    #[arg(long)]
    orientation: Option<Orientation>,
    /// Benchmark: gsm8k, arc, mmlu or winogrande; default: detected from the fields of
    /// the data.
    #[arg(long)]
    benchmark: Option<Benchmark>,
    /// Split: train, validation or test; default: the first that the folder has.
    #[arg(long)]
    split: Option<Split>,
    /// Format prompts and completions as User and Assistant turns.
    #[arg(long, conflicts_with = "template")]
    chat: bool,
    /// The text around prompts, answers and turns: a name as in data.source.template,
    /// or a .ron file; default: UserAssistant for chats and nothing for others.
    #[arg(long, value_name = "NAME or FILE")]
    template: Option<Template>,
    /// Which tokens the loss counts.
    #[arg(long, value_enum, default_value_t)]
    loss_on: LossOnOption,
    /// Count examples of more tokens than this as too long.
    #[arg(long, default_value_t = 512)]
    context_length: usize,
    /// Number of examples to print token by token.
    #[arg(long, default_value_t = 3)]
    show: usize,
    #[command(flatten)]
    head: HeadArguments,
}

/// [`LossOn`] as an option.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum LossOnOption {
    /// Every answer.
    #[default]
    #[value(help = tr!("Every answer"))]
    Answer,
    /// The last answer.
    #[value(help = tr!("The last answer"))]
    LastAnswer,
    /// What the data mark.
    #[value(help = tr!("What the data mark"))]
    Marked,
    /// Every token.
    #[value(help = tr!("Every token"))]
    Everything,
}

impl From<LossOnOption> for LossOn {
    fn from(counted: LossOnOption) -> Self {
        match counted {
            LossOnOption::Answer => Self::Answer,
            LossOnOption::LastAnswer => Self::LastAnswer,
            LossOnOption::Marked => Self::Marked,
            LossOnOption::Everything => Self::Everything,
        }
    }
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
    let found = arguments.path.as_deref().map(recognise).transpose()?;
    let mut loaded = examples(arguments, found.as_ref(), &tokenizer)?;
    loaded.learn_behind(LeadingToken::default());
    let preview = Preview::new(
        &loaded,
        &tokenizer,
        arguments.loss_on.into(),
        arguments.context_length,
        arguments.show,
    );
    let marking = if shows_colours() {
        Marking::Colour
    } else {
        Marking::Brackets
    };
    if let (Some(path), Some(found)) = (&arguments.path, &found) {
        println!("{}: {}", shown(path), what(arguments, found));
    }
    println!("{}", preview.render(marking));
    Ok(())
}

/// What the data are, in words.
fn what(arguments: &InspectArguments, found: &Recognised) -> String {
    let Recognised {
        benchmark,
        form,
        layout,
        split,
    } = found;
    match (arguments.benchmark.or(*benchmark), split) {
        (Some(benchmark), Some(_)) => {
            let split = split_of(arguments, found);
            tr!(
                "the {split} split of {}, {form}",
                benchmark.title(),
                split,
                form
            )
        }
        (Some(benchmark), None) => {
            let is_folder = arguments.path.as_ref().is_some_and(|path| path.is_dir());
            let what = if is_folder {
                tr!("files")
            } else {
                tr!("a file")
            };
            tr!("{what} of {}, {form}", benchmark.title(), what, form)
        }
        (None, _) => match layout {
            Some(layout) if layout.name() != form => format!("{}, {form}", layout.name()),
            _ => tr!("a data set, {form}", form),
        },
    }
}

/// The split that is asked for, else the first that there is.
fn split_of(arguments: &InspectArguments, found: &Recognised) -> Split {
    arguments.split.or(found.split).unwrap_or(Split::Train)
}

fn examples(
    arguments: &InspectArguments,
    found: Option<&Recognised>,
    tokenizer: &Tokenizer,
) -> Result<Loaded<Example>> {
    let benchmark = arguments.benchmark;
    let (items, protocol) = match (&arguments.path, found) {
        (Some(path), Some(found)) => match benchmark.or(found.benchmark) {
            Some(benchmark) => {
                let split = split_of(arguments, found);
                (load(benchmark, path, split)?, Protocol::LM_EVAL)
            }
            None => return texts(arguments, path, found.layout.is_some(), tokenizer),
        },
        (None, _) | (_, None) => {
            let items = mini(
                benchmark.unwrap_or(Benchmark::Gsm8k),
                arguments.split.unwrap_or(Split::Train),
            )?;
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
        notes: items.notes,
    })
}

/// A training set of the user's own.
fn texts(
    arguments: &InspectArguments,
    path: &Path,
    is_known: bool,
    tokenizer: &Tokenizer,
) -> Result<Loaded<Example>> {
    if path.is_dir() && !is_known {
        let reason = tr!(
            "a folder without a run's state, without the files of a benchmark and without \
                      text files; name a file, or set --benchmark"
        );
        return Err(Error::input(path, "path", reason));
    }
    if path.extension().is_some_and(|ending| ending == "ron") {
        let reason = tr!(
            "a specification of a run or a sweep, not data; run it with gosling tune or \
                      gosling sweep"
        );
        return Err(Error::input(path, "content", reason));
    }
    let template = match (&arguments.template, arguments.chat) {
        (Some(template), _) => template.clone(),
        (None, true) => Template::UserAssistant,
        (None, false) => fitting_template(path, Template::Plain),
    };
    let mut loaded = load_text_set(path, &template.prompt_format()?, tokenizer)?;
    let note = endless_note(&loaded.items, tokenizer);
    loaded.notes.extend(note);
    Ok(loaded)
}
