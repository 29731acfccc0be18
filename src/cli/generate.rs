//! `gosling generate`: a text that the model continues, untuned or from a tuned
//! state.

use std::io::{IsTerminal as _, Read as _, stdin, stdout};
use std::time::Instant;

use clap::Args;

use super::model_arguments::ModelArguments;
use super::output::is_lost;
use crate::error::{Error, Result};
use crate::model::generate::Generation;
use crate::model::sampling::{Sampler, Sampling};
use crate::model::text_stream::TextStream;
use crate::model::tokenizer::END_OF_DOCUMENT;
use crate::text_file::as_utf8;

/// What to continue, and how.
#[derive(Args)]
pub struct GenerateArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Maximum number of tokens to generate.
    #[arg(long, default_value_t = 200)]
    max_tokens: usize,
    /// Sample at this temperature; default: greedy decoding.
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Sample only from the most likely tokens that together have this probability
    /// (top-p).
    #[arg(long, requires = "temperature", default_value_t = 1.0)]
    top_p: f32,
    /// Seed of the sampling; the same seed gives the same tokens.
    #[arg(long, requires = "temperature", default_value_t = 0)]
    seed: u64,
    /// Stop before this text; can be repeated. \n stands for a line break.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Format the prompt with the template that the state was tuned with.
    #[arg(long, requires = "state")]
    template: bool,
    /// Read \n in the prompt as a line break.
    #[arg(short, long)]
    escapes: bool,
    /// The text to continue; - reads it from standard input.
    prompt: String,
}

/// Writes the continuation to the output as it comes, and how fast it came to
/// the error stream.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &GenerateArguments) -> Result<()> {
    let mut sampler = Sampler::new(match arguments.temperature {
        None => Sampling::Greedy,
        Some(temperature) => Sampling::Random {
            temperature,
            top_p: arguments.top_p,
            seed: arguments.seed,
        },
    })?;
    let prompt = arguments.formatted(arguments.prompt()?)?;
    let loaded = arguments.model.load()?;
    let prompt = loaded.tokenizer.encode_bytes(&prompt);
    let device = &loaded.device.device;
    let reading = Instant::now();
    let text_start = loaded.text_start;
    let start = loaded.start.as_ref();
    let mut text = Generation::after(&loaded.model, device, start, text_start, &prompt)?;
    let read_secs = reading.elapsed().as_secs_f64();
    let stops: Vec<String> = arguments.stop.iter().map(|s| with_line_ends(s)).collect();
    let mut stream = TextStream::new(stops.iter().map(String::as_str));
    let writing = Instant::now();
    let mut n_written = 0;
    while n_written < arguments.max_tokens {
        let token = sampler.pick(text.logits())?;
        n_written += 1;
        if token == END_OF_DOCUMENT {
            break;
        }
        let shown = stream.push(loaded.tokenizer.token_bytes(token));
        print!("{shown}");
        if is_lost() || stream.is_stopped() {
            break;
        }
        if n_written < arguments.max_tokens {
            text.push(token)?;
        }
    }
    let write_secs = writing.elapsed().as_secs_f64();
    print!("{}", stream.rest());
    if stdout().is_terminal() {
        println!();
    }
    eprintln!(
        "{}",
        tr!(
            "{n_written} tokens at {} tokens/s, after {} read in {read_secs} s; {}, {}",
            format_args!("{:.1}", n_written as f64 / write_secs),
            text_start.with(&prompt).len(),
            loaded.start_name,
            loaded.device.description,
            n_written,
            read_secs = format_args!("{read_secs:.2}")
        )
    );
    Ok(())
}

impl GenerateArguments {
    /// The prompt in the template of the state, if that is wanted; else a hint on
    /// the error stream where it reads otherwise.
    fn formatted(&self, prompt: Vec<u8>) -> Result<Vec<u8>> {
        let template = self.model.metadata()?.and_then(|of| of.template);
        let template = template.filter(|of| !of.is_plain());
        match template {
            None => Ok(prompt),
            Some(template) if self.template => {
                let prompt = String::from_utf8_lossy(&prompt);
                Ok(template.around(&prompt).into_bytes())
            }
            Some(template) => {
                let is_in_it = prompt.starts_with(template.before.as_bytes())
                    && prompt.ends_with(template.after.as_bytes());
                if !is_in_it {
                    eprintln!(
                        "{}",
                        tr!(
                            "gosling: prompts had the form {} when the state was tuned; --template formats yours like that",
                            format_args!("{:?}", template.around("…"))
                        )
                    );
                }
                Ok(prompt)
            }
        }
    }

    fn prompt(&self) -> Result<Vec<u8>> {
        if self.prompt != "-" {
            let prompt = match self.escapes {
                true => with_line_ends(&self.prompt),
                false => self.prompt.clone(),
            };
            return Ok(prompt.into_bytes());
        }
        let mut prompt = Vec::new();
        stdin()
            .read_to_end(&mut prompt)
            .map_err(|source| Error::io("read", tr!("the standard input"), source))?;
        // Windows puts a mark in front, and some of its programs write UTF-16.
        Ok(as_utf8(&prompt).into_owned())
    }
}

/// The text with \n as line ends, which few shells let a user type.
fn with_line_ends(text: &str) -> String {
    text.replace("\\n", "\n")
}
