//! `gosling import`: the state of another program, in the right orientation.

use std::path::PathBuf;

use clap::Args;

use super::leading_token::{TrainedBehind, trained_behind};
use super::model_choice::{BareModel, ModelChoice};
use super::quoted;
use super::table::table;
use super::tune::print;
use crate::data::{Example, Template, load_text_set};
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::checkpoint::{is_same_content, short_fingerprint};
use crate::model::tokenizer::Tokenizer;
use crate::text_file::read_text;
use crate::tuning::states::import::evidence::{
    Difference, Evidence, ImportTexts, MARGIN, MIN_TEXTS, STANDARD_ERRORS,
};
use crate::tuning::states::import::{Decision, StoredState};
use crate::tuning::states::state_file::{ExportFormat, Metadata, Orientation, export};

/// The longest text that tells.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Which state, and what tells which way round it is.
#[derive(Args)]
pub struct ImportArguments {
    /// A state: .pth (RWKV-PEFT, RWKV-Runner, OpenMOSE), .st or .state (Ai00,
    /// web-rwkv), .safetensors, or .bin (the raw f32 of rwkv.cpp).
    state: PathBuf,
    #[command(flatten)]
    model: ModelChoice,
    /// A text like the data that the state was tuned on; can be repeated, several are
    /// better.
    #[arg(long)]
    text: Vec<String>,
    /// A file with such a text, or a .jsonl file with several, in the format of
    /// training data.
    #[arg(long, value_name = "FILE")]
    text_file: Vec<PathBuf>,
    /// Format prompts and completions of JSON lines as User and Assistant turns.
    #[arg(long)]
    chat: bool,
    /// The order of the last two axes, value-key or key-value; overrides the convention
    /// of the file's format.
    #[arg(long)]
    orientation: Option<Orientation>,
    /// What training put in front of texts, if the file does not say; default: none, as
    /// in most other trainers.
    #[arg(long, value_enum)]
    leading_token: Option<TrainedBehind>,
    /// The .safetensors file to write; without it, only the losses are shown.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
}

/// Shows the loss from zero, from the state as it is and transposed, and writes
/// the state in the right orientation.
///
/// # Errors
/// Bad input: what it is, and where; [`Error::Input`] where nothing tells which
/// way round the state is, or texts speak against its format's convention, and
/// the user did not say.
pub fn run(arguments: &ImportArguments) -> Result<()> {
    let config = arguments.model.config()?;
    // The small file is looked at before the large one is read.
    let mut stored = StoredState::read(&arguments.state, arguments.orientation, &config)?;
    let (leading, why) = trained_behind(arguments.leading_token, &stored.metadata);
    stored.metadata.leading_token = Some(leading);
    let BareModel {
        device,
        model,
        tokenizer,
        fingerprint,
    } = arguments.model.load()?;
    let texts = arguments.texts(&tokenizer)?;
    print(&tr!(
        "texts begin with {}, {why}\n",
        match leading.in_use() {
            TextStart::Zero => "token 0",
            TextStart::None => tr!("their first word"),
        },
        why
    ));
    let evidence = stored.evidence(&model, &device.device, &texts)?;
    print(&shown(&evidence, texts.n_given));
    if let Some(left_out) = &stored.left_out {
        print(&format!("{left_out}\n"));
    }
    if stored.as_stored.has_shifts() {
        print(tr!("the file has token shifts beside S_0; they are used\n"));
    }
    warn_of_other_weights(&stored, &fingerprint);
    let orientation = decided(arguments, &stored, &evidence)?;
    let Some(output) = &arguments.output else {
        print(tr!(
            "name a file with -o to write it in the right orientation\n"
        ));
        return Ok(());
    };
    // Weights that the file names are not replaced by those it is tried with.
    let recorded = stored.metadata.base_fingerprint.clone();
    let metadata = Metadata {
        base_fingerprint: recorded.or(Some(fingerprint)),
        ..stored.metadata.clone()
    };
    let state = stored.oriented(orientation);
    let format = ExportFormat::Safetensors;
    let (report, _) = export(&state, &metadata, format, output, arguments.force)?;
    let path = quoted(&report.path);
    print(&tr!(
        "saved {path}, {} bytes, read back and equal\ntune from it: gosling tune --start {path}\n",
        report.bytes,
        path
    ));
    Ok(())
}

/// The three losses as a table.
fn shown(evidence: &Evidence, n_given: usize) -> String {
    let gain = |orientation| interval(evidence.gain(orientation));
    let row = |name: &str, loss: f64, gain: String| [name.to_owned(), format!("{loss:.4}"), gain];
    let rows = [
        row(tr!("zero, the untuned model"), evidence.zero, String::new()),
        row(
            tr!("the state as it is, value-key"),
            evidence.value_key,
            gain(Orientation::ValueKey),
        ),
        row(
            tr!("the state transposed, key-value"),
            evidence.key_value,
            gain(Orientation::KeyValue),
        ),
    ];
    let Evidence {
        n_texts, n_tokens, ..
    } = evidence;
    let loss = if evidence.is_built_in {
        tr!("loss on {n_tokens} tokens of the built-in text", n_tokens)
    } else {
        let of_all = if *n_texts < n_given {
            tr!(" of {n_given} given", n_given)
        } else {
            String::new()
        };
        tr!(
            "loss on {n_tokens} tokens of {n_texts} texts{of_all}",
            n_tokens,
            n_texts,
            of_all
        )
    };
    table(
        [tr!("start"), &loss, tr!("better than zero by")],
        &rows,
        &[1, 2],
    )
}

/// `+1.25 [+1.00, +1.50]`; without an interval where a single text has none.
fn interval(difference: Difference) -> String {
    let Difference { mean, half } = difference;
    if half.is_finite() {
        format!("{mean:+.2} [{:+.2}, {:+.2}]", mean - half, mean + half)
    } else {
        format!("{mean:+.2}")
    }
}

fn warn_of_other_weights(stored: &StoredState, fingerprint: &str) {
    let Some(recorded) = &stored.metadata.base_fingerprint else {
        return;
    };
    if !is_same_content(recorded, fingerprint) {
        let start = short_fingerprint;
        eprintln!(
            "{}",
            tr!(
                "gosling: the state was tuned for other weights than this model's (fingerprint {}…, not {}…); choose the model it was tuned for with --model",
                start(recorded).escape_debug(),
                start(fingerprint)
            )
        );
    }
}

/// Which way round it is, and why.
fn decided(
    arguments: &ImportArguments,
    stored: &StoredState,
    evidence: &Evidence,
) -> Result<Orientation> {
    let refuse = |reason: String| Err(Error::input(&arguments.state, "orientation", reason));
    let (orientation, why) = match stored.decide(evidence) {
        Decision::Declared(orientation) => {
            let why = if arguments.orientation.is_some() {
                tr!("as --orientation says")
            } else {
                tr!("as the file says")
            };
            (orientation, why.to_owned())
        }
        Decision::ByConvention(convention) => (
            convention.orientation,
            tr!("as every {} holds them", convention.format),
        ),
        Decision::ByTexts(orientation) => (
            orientation,
            tr!("by the texts: {}", better(evidence, orientation)),
        ),
        Decision::Contradicted { convention, found } => {
            return refuse(tr!(
                "a {} holds {}, but the texts indicate {}: {}; nothing is written. Use --orientation {} if the texts are like the data that the state was tuned on, and {} if they are not",
                convention.format,
                convention.orientation.name(),
                found.name(),
                better(evidence, found),
                found.argument(),
                convention.orientation.argument()
            ));
        }
        Decision::Unknown => {
            return refuse(tr!(
                "the file does not state it, its format has no convention, and {}; set --orientation value-key (RWKV-PEFT, RWKV-Runner) or key-value (Ai00, web-rwkv), or give {MIN_TEXTS} or more texts like the data that the state was tuned on (--text-file)",
                if evidence.is_built_in {
                    tr!("the built-in text is only a hint").to_owned()
                } else {
                    tr!(
                        "neither orientation is better than the other and than no state by {MARGIN} nats per token, minus {STANDARD_ERRORS} standard errors, on {} texts",
                        evidence.n_texts,
                        MARGIN,
                        STANDARD_ERRORS
                    )
                },
                MIN_TEXTS
            ));
        }
    };
    print(&tr!(
        "the last two axes are {}, {why}\n",
        orientation.name(),
        why
    ));
    advise(evidence, orientation);
    Ok(orientation)
}

/// `better by 1.25 [..] nats a token than the other way round and by .. than no
/// state`.
fn better(evidence: &Evidence, orientation: Orientation) -> String {
    tr!(
        "better by {} nats per token than the other orientation and by {} than no state",
        interval(evidence.lead(orientation)),
        interval(evidence.gain(orientation))
    )
}

/// What the losses say beside, on the error stream.
fn advise(evidence: &Evidence, orientation: Orientation) {
    let other = orientation.other();
    if evidence.verdict() == Some(other) {
        eprintln!(
            "{}",
            tr!(
                "gosling: the texts indicate {}: {}",
                other.name(),
                better(evidence, other)
            )
        );
    } else if evidence.lowest() == Some(other) {
        let text = if evidence.is_built_in {
            tr!("on the built-in text")
        } else {
            tr!("on the texts")
        };
        eprintln!(
            "{}",
            tr!(
                "gosling: {text} the loss is lower as {}, which is weak evidence: a correct state may do worse on other texts; compare on {MIN_TEXTS} or more texts like the data that it was tuned on (--text-file)",
                other.name(),
                text,
                MIN_TEXTS
            )
        );
    } else if evidence.gain(orientation).mean < 0.0 && !evidence.is_built_in {
        eprintln!(
            "{}",
            tr!(
                "gosling: the untuned model does better on these texts; are they like the data that the state was tuned on, and is this its model?"
            )
        );
    }
}

impl ImportArguments {
    fn texts(&self, tokenizer: &Tokenizer) -> Result<ImportTexts> {
        let whole = |text: &str| Example::new(Vec::new(), tokenizer.encode(text));
        let mut texts: Vec<Example> = self.text.iter().map(|text| whole(text)).collect();
        for path in &self.text_file {
            let ending = path.extension().unwrap_or_default();
            if ending.eq_ignore_ascii_case("jsonl") {
                let template = if self.chat {
                    Template::UserAssistant
                } else {
                    Template::Plain
                };
                let format = template.prompt_format()?;
                texts.extend(load_text_set(path, &format, tokenizer)?.items);
            } else {
                let text = read_text(path, MAX_TEXT_BYTES, tr!("a page of text is enough"))?;
                texts.push(whole(&text));
            }
        }
        if texts.is_empty() {
            return Ok(ImportTexts::built_in(tokenizer));
        }
        Ok(ImportTexts::of_its_kind(texts))
    }
}
