//! From a model's reply to one item to its record.

use super::evaluation::{Answer, ItemRecord};
use super::extract::{Extracted, extract};
use super::options::ScoreOptions;
use super::steps::n_steps;
use crate::data::{Item, Protocol, Task};
use crate::error::{Error, Result};

/// The record of an item whose answer the model wrote as `output`, and whether it
/// `ended` it.
///
/// # Errors
/// [`Error::Spec`] where the item has options instead.
pub(super) fn written(
    item: &Item,
    prompt: String,
    output: String,
    ended: bool,
    options: &ScoreOptions,
) -> Result<ItemRecord> {
    let Task::Generate { answer, .. } = &item.task else {
        return Err(wrong_task(item));
    };
    let output = until_stop(output, options);
    let Extracted {
        strict,
        flexible,
        gold,
        correct,
        correct_flexible,
    } = extract(options.protocol, &output, answer);
    Ok(ItemRecord {
        id: item.id.clone(),
        subject: None,
        prompt,
        n_steps: Some(n_steps(answer)),
        answer: Answer::Written {
            output,
            extracted: strict,
            extracted_flexible: flexible,
            gold,
            correct_flexible,
            ended: Some(ended),
        },
        correct,
    })
}

/// The harness cuts the text at a stop; the mini protocol reads all of it.
fn until_stop(mut output: String, options: &ScoreOptions) -> String {
    match options.protocol {
        Protocol::Mini => {}
        Protocol::LmEval { .. } => {
            let ends = options.stops().iter().filter_map(|stop| output.find(stop));
            if let Some(end) = ends.min() {
                output.truncate(end);
            }
        }
    }
    output
}

/// The record of an item whose options have `log_likelihoods`: `[n_options]`.
///
/// # Errors
/// [`Error::Spec`] where the item has no options.
pub(super) fn chosen(item: &Item, prompt: String, log_likelihoods: Vec<f64>) -> Result<ItemRecord> {
    let (options, gold) = match &item.task {
        Task::Choose { options, gold, .. } => (options.clone(), *gold),
        Task::ChooseLetter { options, gold, .. } => (options.to_vec(), *gold),
        Task::FillIn { options, gold, .. } => (options.to_vec(), *gold),
        Task::Generate { .. } => return Err(wrong_task(item)),
    };
    let chosen = likeliest(log_likelihoods.iter().copied());
    // Only where the options' texts are what is scored does their length count.
    let (chosen_norm, correct_norm) = match &item.task {
        Task::Choose { .. } => {
            let lengths = options.iter().map(|option| option.chars().count() as f64);
            let norms = log_likelihoods.iter().zip(lengths).map(|(ll, n)| ll / n);
            let chosen = likeliest(norms);
            (chosen, Some(chosen == Some(gold)))
        }
        Task::ChooseLetter { .. } | Task::FillIn { .. } | Task::Generate { .. } => (None, None),
    };
    Ok(ItemRecord {
        id: item.id.clone(),
        subject: item.subject().map(str::to_owned),
        prompt,
        correct: chosen == Some(gold),
        n_steps: None,
        answer: Answer::Chosen {
            options,
            log_likelihoods,
            gold,
            chosen,
            chosen_norm,
            correct_norm,
        },
    })
}

/// The index of the largest value, the first of equal ones. NaN is never the
/// largest, so that a diverged model scores nothing.
fn likeliest(values: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (idx, value) in values.enumerate() {
        let is_larger = match best {
            Some((_, largest)) => value > largest,
            None => !value.is_nan(),
        };
        if is_larger {
            best = Some((idx, value));
        }
    }
    best.map(|(idx, _)| idx)
}

fn wrong_task(item: &Item) -> Error {
    let reason = tr!("item {} belongs to another benchmark", item.id);
    Error::spec("evaluation.benchmark", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_chosen(log_likelihoods: [f64; 3], likeliest: Option<usize>, norm: Option<usize>) {
        // 2, 8 and 1 characters; the space in front is not counted.
        let options = vec!["ab".into(), "abcdefgh".into(), "é".into()];
        let item = Item {
            id: "x".into(),
            task: Task::Choose {
                question: "q".into(),
                options,
                gold: 0,
            },
        };
        let record = chosen(&item, String::new(), log_likelihoods.to_vec()).unwrap();
        let Answer::Chosen {
            chosen,
            chosen_norm,
            correct_norm,
            ..
        } = record.answer
        else {
            panic!();
        };
        assert_eq!((chosen, chosen_norm), (likeliest, norm));
        assert_eq!(record.correct, chosen == Some(0));
        assert_eq!(correct_norm, Some(norm == Some(0)));
    }

    #[test]
    fn options_compare_by_sum_and_by_character() {
        check_chosen([-3.0, -9.0, -2.5], Some(2), Some(1));
        check_chosen([-1.0, -1.0, -1.0], Some(0), Some(1));
        check_chosen([-4.0, -4.0, -0.4], Some(2), Some(2));
        check_chosen([-0.2, -1.6, -0.2], Some(0), Some(0));
        check_chosen([f64::NEG_INFINITY; 3], Some(0), Some(0));
    }

    #[test]
    fn nan_is_never_chosen() {
        check_chosen([f64::NAN; 3], None, None);
        check_chosen([f64::NAN, -8.0, -2.0], Some(2), Some(1));
        check_chosen([-8.0, f64::NAN, -9.0], Some(0), Some(0));
    }

    #[test]
    fn an_item_of_another_benchmark_is_refused() {
        let item = Item {
            id: "test/1".into(),
            task: Task::Generate {
                question: "q".into(),
                answer: "#### 1".into(),
            },
        };
        let error = chosen(&item, String::new(), vec![0.0]).unwrap_err();
        let message = error.to_string();
        assert_eq!(
            message,
            "evaluation.benchmark: item test/1 belongs to another benchmark"
        );
    }
}
