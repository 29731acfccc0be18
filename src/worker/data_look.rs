//! The training set of a run in the tokens of its model, read on the processor
//! without the compute device, so that the user can look at it before a run starts.

use std::sync::atomic::{AtomicBool, Ordering};

use super::held_out::{hold_out, is_held_out};
use super::own_data::OwnData;
use super::session::{fitting_tokenizer, open_checkpoint};
use crate::data::{Example, Item, Loaded, Preview, Protocol, Split, load, mini};
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::model::tokenizer::Tokenizer;
use crate::protocol::run_spec::{DataSource, RunSpec};

/// Reads the training set of a run: its lengths, its first `n_shown` examples
/// token by token, and what was left out. The limit of the preview is that on
/// an example without token 0. `is_unwanted` ends the reading early.
///
/// # Errors
/// Files that cannot be used, a vocabulary that is not the model's, and
/// [`Error::Stopped`] where nobody wants it any more.
pub fn look_at_data(spec: &RunSpec, n_shown: usize, is_unwanted: &AtomicBool) -> Result<Preview> {
    let source = &spec.model.checkpoint;
    let model = ModelConfig::from_checkpoint(&open_checkpoint(source)?)?;
    let tokenizer = fitting_tokenizer(&spec.model, &model)?;
    let mut loaded = examples(spec, &tokenizer, is_unwanted)?;
    loaded
        .items
        .truncate(spec.data.train_limit.unwrap_or(usize::MAX));
    let is_own = matches!(spec.data.source, DataSource::Jsonl { .. });
    if spec.data.append_end && !is_own {
        loaded.items.iter_mut().for_each(Example::append_end);
    }
    let limit = spec.data.context_length.saturating_sub(1);
    let told =
        spec.data
            .long_texts
            .apply(&mut loaded.items, limit, spec.data.loss_on, tr!("training"));
    loaded.notes.extend(told);
    loaded.learn_behind(spec.data.leading_token);
    Ok(Preview::new(
        &loaded,
        &tokenizer,
        spec.data.loss_on,
        limit,
        n_shown,
    ))
}

/// The training set of a run, or why it cannot be read.
pub(super) fn examples(
    spec: &RunSpec,
    tokenizer: &Tokenizer,
    is_unwanted: &AtomicBool,
) -> Result<Loaded<Example>> {
    let (items, protocol): (Loaded<Item>, Protocol) = match &spec.data.source {
        DataSource::Mini(benchmark) => {
            let items = mini(*benchmark, Split::Train)?;
            let loaded = Loaded {
                items,
                ..Loaded::default()
            };
            (loaded, Protocol::Mini)
        }
        DataSource::Official { benchmark, folder } => {
            let mmlu = spec.evaluation.mmlu;
            let mut loaded = load(*benchmark, folder, Split::Train)?;
            if is_held_out(*benchmark, folder) {
                hold_out(&mut loaded.items, &mut Vec::new());
            }
            (loaded, Protocol::LmEval { mmlu })
        }
        DataSource::Jsonl {
            train,
            validation,
            template,
        } => {
            let paths = (train.as_path(), validation.as_deref());
            let own = OwnData::load(paths, &template.prompt_format()?, spec, tokenizer)?;
            return Ok(own.train);
        }
    };
    let example = |item: &Item| match is_unwanted.load(Ordering::Relaxed) {
        true => Err(Error::Stopped),
        false => Ok(protocol.training_example(item, tokenizer)),
    };
    Ok(Loaded {
        items: items.items.iter().map(example).collect::<Result<_>>()?,
        bad_lines: items.bad_lines,
        n_bad_lines: items.n_bad_lines,
        notes: items.notes,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::data::Template;
    use crate::model::LeadingToken;

    fn look(change: impl FnOnce(&mut RunSpec)) -> Result<Preview> {
        let mut spec = RunSpec::default();
        change(&mut spec);
        look_at_data(&spec, 2, &AtomicBool::new(false))
    }

    #[test]
    fn what_a_run_would_leave_out_is_counted() {
        let all = look(|_| ()).unwrap();
        assert_eq!((all.n_examples, all.examples.len()), (2000, 2));
        assert_eq!(all.n_over_limit, 0);
        // A run keeps examples that have room for token 0 too.
        let longest = all.longest;
        let cut = look(|spec| spec.data.context_length = longest).unwrap();
        assert!(cut.n_over_limit > 0);
        let kept = look(|spec| spec.data.context_length = longest + 1).unwrap();
        assert_eq!(kept.n_over_limit, 0);
        let split = look(|spec| {
            spec.data.context_length = longest - 20;
            spec.data.long_texts = crate::data::LongTexts::Split;
        });
        let split = split.unwrap();
        assert_eq!(split.n_over_limit, 0);
        assert!(split.n_examples > cut.n_examples && split.notes.len() == 1);
        let few = look(|spec| spec.data.train_limit = Some(7)).unwrap();
        assert_eq!(few.n_examples, 7);
    }

    #[test]
    fn lines_that_cannot_be_used_are_listed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"{\"prompt\":\"1+1 =\",\"completion\":\" 2\"}\nno json\n")
            .unwrap();
        let path = file.path().to_path_buf();
        let preview = look(|spec| {
            spec.data.source = DataSource::Jsonl {
                train: path.clone(),
                validation: None,
                template: Template::Plain,
            };
        });
        let preview = preview.unwrap();
        assert_eq!((preview.n_examples, preview.n_bad_lines), (1, 1));
        assert_eq!(preview.bad_lines[0].line, 2);
        assert!(preview.examples[0].iter().any(|token| token.is_counted));
        assert!(preview.notes[0].starts_with("1 of 1 examples end in neither"));
        let ended = look(|spec| {
            spec.data.append_end = true;
            spec.data.source = DataSource::Jsonl {
                train: path.clone(),
                validation: None,
                template: Template::Plain,
            };
        });
        let ended = ended.unwrap();
        assert_eq!(ended.notes, [""; 0]);
        assert_eq!(ended.n_tokens, preview.n_tokens + 1);
    }

    #[test]
    fn a_first_token_that_is_never_predicted_is_no_target() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"{\"text\":\"1+1 = 2\\n\\n\"}\n{\"text\":\"1\"}\n")
            .unwrap();
        let path = file.path().to_path_buf();
        let preview = |leading| {
            look(|spec| {
                spec.data.leading_token = leading;
                spec.data.source = DataSource::Jsonl {
                    train: path.clone(),
                    validation: None,
                    template: Template::Plain,
                };
            })
            .unwrap()
        };
        let all = preview(LeadingToken::Zero);
        assert_eq!(all.n_examples, 2);
        assert_eq!(all.n_counted_tokens, all.n_tokens);
        let none = preview(LeadingToken::None);
        assert_eq!(none.n_examples, 1);
        assert_eq!(none.n_tokens, all.n_tokens - 1);
        assert_eq!(none.n_counted_tokens, none.n_tokens - 1);
        let is_counted = |token: &crate::data::ShownToken| token.is_counted;
        let shown: Vec<bool> = none.examples[0].iter().map(is_counted).collect();
        assert!(!shown[0] && shown[1..].iter().all(|is| *is), "{shown:?}");
        let told = |note: &String| note.starts_with("1 of 2 training examples have a single token");
        assert!(none.notes.iter().any(told), "{:?}", none.notes);
        assert_eq!(preview(LeadingToken::Both).n_counted_tokens, none.n_tokens);
    }

    #[test]
    fn nobody_waits_for_what_is_unwanted() {
        let unwanted = AtomicBool::new(true);
        let looked = look_at_data(&RunSpec::default(), 2, &unwanted);
        assert!(matches!(looked, Err(Error::Stopped)));
    }
}
