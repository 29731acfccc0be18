//! `gosling perplexity`: how well a model expects the answers of a data set, untuned,
//! from a tuned state, and with solved examples in front.

use std::path::PathBuf;

use clap::Args;

use super::inspect::LossOnOption;
use super::model_arguments::{LoadedModel, ModelArguments};
use super::table::columns;
use crate::data::{Example, LossOn, Role, Template, fitting_template, load_text_set};
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::state::Start;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::state_file::TunedState;
use crate::tuning::train::batch::Batch;
use crate::tuning::train::text_loss::token_losses;

/// What to measure, and on what.
#[derive(Args)]
pub struct PerplexityArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Examples that were not trained on: a file or a folder as for gosling tune --data.
    data: PathBuf,
    /// The text around prompts, answers and turns: a name as in data.source.template,
    /// or a .ron file; default: UserAssistant for chats and nothing for others.
    #[arg(long, value_name = "NAME or FILE")]
    template: Option<Template>,
    /// Which tokens the loss counts.
    #[arg(long, value_enum, default_value_t)]
    loss_on: LossOnOption,
    /// At most this many examples, from the start.
    #[arg(long, default_value_t = 500)]
    limit: usize,
    /// Also measure the untuned model with examples of this file in front of every
    /// text.
    #[arg(long, value_name = "FILE")]
    in_context: Option<PathBuf>,
    /// Number of these examples, from the start.
    #[arg(long, requires = "in_context", default_value_t = 5)]
    shots: usize,
    /// Leave out examples of more tokens than this, without those in front.
    #[arg(long, default_value_t = 2048)]
    context_length: usize,
}

/// Mean losses of the texts, and of all tokens.
struct TextLosses {
    name: String,
    /// Nats and counted tokens of every text.
    texts: Vec<(f64, usize)>,
}

/// Measures and prints a table.
///
/// # Errors
/// Bad input: what it is, and where; what the device reports.
pub fn run(arguments: &PerplexityArguments) -> Result<()> {
    let LoadedModel {
        device,
        model,
        tokenizer,
        start,
        text_start,
        start_name,
        ..
    } = arguments.model.load()?;
    let template = match &arguments.template {
        Some(template) => template.clone(),
        None => fitting_template(&arguments.data, Template::Plain),
    };
    let format = template.prompt_format()?;
    let loss_on = LossOn::from(arguments.loss_on);
    let loaded = load_text_set(&arguments.data, &format, &tokenizer)?;
    let mut examples = loaded.items;
    let n_all = examples.len();
    examples.retain(|it| it.n_tokens() < arguments.context_length && it.n_counted(loss_on) > 0);
    examples.truncate(arguments.limit);
    if examples.is_empty() {
        let reason = tr!(
            "none of {n_all} examples has a counted token and fewer than {} tokens",
            arguments.context_length,
            n_all
        );
        return Err(Error::input(&arguments.data, "content", reason));
    }
    let device = &device.device;
    let untuned = Tuned::from(TunedState::zero(model.config())).start(device);
    let measure =
        |name: &str, start: &Start, text_start, examples: &[Example]| -> Result<TextLosses> {
            let mut texts = Vec::new();
            // One at a time: texts are long with others in front, and are measured once.
            for example in examples {
                let batch = Batch::of(&[(example, text_start)], loss_on);
                let losses = token_losses(&model, device, start, &batch, Some(WINDOW))?;
                let nats = losses.iter().map(|loss| f64::from(*loss)).sum();
                texts.push((nats, losses.len()));
            }
            Ok(TextLosses {
                name: name.to_owned(),
                texts,
            })
        };
    let mut measured = vec![measure("untuned", &untuned, TextStart::Zero, &examples)?];
    if let Some(path) = &arguments.in_context {
        let front = load_text_set(path, &format, &tokenizer)?.items;
        let front: Vec<u32> = front
            .into_iter()
            .take(arguments.shots)
            .flat_map(|it| it.tokens.to_vec())
            .collect();
        let behind: Vec<Example> = examples.iter().map(|it| behind(&front, it)).collect();
        let name = format!("untuned, {} examples in front", arguments.shots);
        measured.push(measure(&name, &untuned, TextStart::Zero, &behind)?);
    }
    if let Some(start) = &start {
        measured.push(measure(&start_name, start, text_start, &examples)?);
    }
    print!("{}", table(&measured, examples.len()));
    Ok(())
}

/// Tokens that are read at once.
const WINDOW: usize = 2048;

/// The example with a text in front of it that is not counted.
fn behind(front: &[u32], example: &Example) -> Example {
    let first = (front.to_vec(), Role::Given, Some(false));
    let turns = example
        .places()
        .map(|(turn, place)| (example.tokens[place].to_vec(), turn.role, turn.mark));
    Example::of_turns(std::iter::once(first).chain(turns))
}

fn table(measured: &[TextLosses], n_examples: usize) -> String {
    let mut rows =
        vec![["", "nats a token", "perplexity", "difference to untuned"].map(str::to_owned)];
    for of in measured {
        let loss = of.mean();
        let difference = match measured.first() {
            Some(first) if !std::ptr::eq(first, of) => {
                let (mean, error) = of.difference(first);
                format!("{mean:+.4} ± {:.4}", 1.96 * error)
            }
            _ => "-".into(),
        };
        rows.push([
            of.name.clone(),
            format!("{loss:.4}"),
            format!("{:.3}", loss.exp()),
            difference,
        ]);
    }
    let n_tokens: usize = measured
        .first()
        .map_or(0, |of| of.texts.iter().map(|it| it.1).sum());
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    tr!(
        "{}{n_examples} examples, {n_tokens} counted tokens; differences are paired, with 95 % \
         intervals over examples\n",
        columns(&rows),
        n_examples,
        n_tokens
    )
}

impl TextLosses {
    /// Nats a counted token.
    fn mean(&self) -> f64 {
        let nats: f64 = self.texts.iter().map(|(nats, _)| nats).sum();
        let n_tokens: usize = self.texts.iter().map(|(_, n)| n).sum();
        nats / n_tokens.max(1) as f64
    }

    /// The difference of the means and its standard error over texts, of which each
    /// weighs as its counted tokens do (the ratio estimator).
    fn difference(&self, other: &Self) -> (f64, f64) {
        let pairs = || {
            let pairs = self.texts.iter().zip(&other.texts);
            pairs
                .filter(|(a, b)| a.1 == b.1)
                .map(|(a, b)| (a.0 - b.0, a.1 as f64))
        };
        let n = pairs().count() as f64;
        let n_tokens: f64 = pairs().map(|(_, n)| n).sum();
        let mean = pairs().map(|(nats, _)| nats).sum::<f64>() / n_tokens.max(1.0);
        let squares: f64 = pairs().map(|(nats, n)| (nats - mean * n).powi(2)).sum();
        let variance = squares * n / (n - 1.0).max(1.0);
        (mean, variance.sqrt() / n_tokens.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(texts: &[(f64, usize)]) -> TextLosses {
        TextLosses {
            name: "a".into(),
            texts: texts.to_vec(),
        }
    }

    #[test]
    fn losses_are_weighed_by_tokens_and_differences_are_paired() {
        let untuned = measured(&[(4.0, 2), (8.0, 2), (6.0, 2)]);
        assert_eq!(untuned.mean(), 3.0);
        // Each a nat a token better: nothing is left to chance.
        let better = measured(&[(2.0, 2), (6.0, 2), (4.0, 2)]);
        assert_eq!(better.difference(&untuned), (-1.0, 0.0));
        let other = measured(&[(2.0, 2), (8.0, 2), (2.0, 2)]);
        let (mean, error) = other.difference(&untuned);
        assert_eq!(mean, -1.0);
        // Differences -2, 0, -4 of 2 tokens: their standard deviation is 2.
        assert!(
            (error - 2.0 / 3.0_f64.sqrt() / 2.0).abs() < 1e-12,
            "{error}"
        );
        let text = table(&[untuned, other], 3);
        assert!(
            text.contains("20.086") && text.contains("-1.0000 ± 1.1316"),
            "{text}"
        );
    }

    #[test]
    fn what_stands_in_front_is_not_counted() {
        let example = Example::new(vec![1, 2], vec![3]);
        let behind = behind(&[7, 8], &example);
        assert_eq!(*behind.tokens, [7, 8, 1, 2, 3]);
        let counted = behind.counted(LossOn::Answer);
        assert_eq!((counted.len(), counted[0].clone()), (1, 4..5));
    }
}
