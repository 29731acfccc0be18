//! Texts that were written down before, and texts that are made of labels.

use std::collections::BTreeMap;
use std::path::Path;

use super::{GuideText, kept, taken};
use crate::adapt::objective::seed_of;
use crate::adapt::prompts::Prompts;
use crate::adapt::question::Question;
use crate::data::{Item, Task};
use crate::error::{Error, Result};
use crate::persist::json_lines::read_lines;
use crate::random::SplitMix64;

/// Reads texts for `questions` from a file of JSON lines. What is taken of each is
/// found anew, so that a file of another program needs `id` and `text` alone.
///
/// # Errors
/// [`Error::Io`] and [`Error::Input`]; also where none of them is for any of the
/// questions.
pub fn recorded(
    path: &Path,
    prompts: &Prompts<'_>,
    questions: &[Question],
) -> Result<Vec<GuideText>> {
    if !path.is_file() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(Error::io("read", path, source));
    }
    let lines: Vec<Line> = read_lines(path)?;
    let n_lines = lines.len();
    let of: BTreeMap<String, Line> = lines.into_iter().map(|of| (of.id.clone(), of)).collect();
    let texts = questions.iter().filter_map(|question| {
        let line = of.get(&question.id)?;
        let (text, answer, tokens) = taken(prompts, question, &line.text).ok()?;
        Some(GuideText {
            id: question.id.clone(),
            prompt_hash: line.prompt_hash.clone(),
            shares: line.shares.clone(),
            written: kept(line.written.as_deref().unwrap_or(&line.text), &text),
            text,
            answer,
            tokens,
            model: line.model.clone(),
            created: line.created.clone(),
            n_tokens: line.n_tokens,
        })
    });
    let texts: Vec<GuideText> = texts.collect();
    if texts.is_empty() {
        let reason = tr!(
            "none of its {n_lines} texts is a usable one for any of the {} questions; \
             their ids must be those of the benchmark, such as {}",
            questions.len(),
            format_args!("{:?}", questions.first().map_or("", |of| of.id.as_str())),
            n_lines
        );
        return Err(Error::input(path, "id", reason));
    }
    Ok(texts)
}

/// A line of a file of texts.
#[derive(serde::Deserialize)]
struct Line {
    id: String,
    text: String,
    #[serde(default)]
    written: Option<String>,
    #[serde(default)]
    shares: Vec<f64>,
    #[serde(default)]
    prompt_hash: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    created: String,
    #[serde(default)]
    n_tokens: usize,
}

/// Texts of a simulated guide, which is right on a share of the questions and else
/// says another number or another option. It reads the labels of `items`.
pub fn simulated(prompts: &Prompts<'_>, items: &[Item], right: f64, seed: u64) -> Vec<GuideText> {
    let texts = items.iter().filter_map(|item| {
        let mut draws = SplitMix64::new(seed_of(seed, &item.id, usize::MAX));
        let is_right = draws.share() < right;
        let written = match &item.task {
            Task::Generate { answer, .. } if is_right => answer.clone(),
            Task::Generate { answer, .. } => spoilt(answer, &mut draws),
            Task::Choose { options, gold, .. } => {
                options[another(*gold, options.len(), is_right, &mut draws)].clone()
            }
            Task::ChooseLetter { options, gold, .. } => {
                let idx = another(*gold, options.len(), is_right, &mut draws);
                char::from(b'A' + idx as u8).to_string()
            }
            Task::FillIn { options, gold, .. } => {
                options[another(*gold, options.len(), is_right, &mut draws)].clone()
            }
        };
        let question = Question::of(item);
        let (text, answer, tokens) = taken(prompts, &question, &written).ok()?;
        Some(GuideText {
            id: item.id.clone(),
            prompt_hash: String::new(),
            text,
            written: String::new(),
            shares: Vec::new(),
            answer,
            tokens,
            model: "simulated guide".into(),
            created: String::new(),
            n_tokens: 0,
        })
    });
    texts.collect()
}

fn another(gold: usize, n: usize, is_right: bool, draws: &mut SplitMix64) -> usize {
    match is_right {
        true => gold,
        false => (gold + 1 + draws.below(n - 1)) % n,
    }
}

/// The answer with another number at its end, wherever it stands.
fn spoilt(answer: &str, draws: &mut SplitMix64) -> String {
    let Some((before, number)) = answer.rsplit_once("#### ") else {
        return answer.to_owned();
    };
    let number = number.trim();
    let Ok(value) = number.replace(',', "").parse::<i64>() else {
        return answer.to_owned();
    };
    let other = (value + 1 + draws.below(9) as i64).to_string();
    // The last line in front mostly ends in the same number.
    let before = match before.trim_end().strip_suffix(number) {
        Some(front) => format!("{front}{other}\n"),
        None => before.to_owned(),
    };
    format!("{before}#### {other}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Benchmark, Protocol, Split, mini};
    use crate::model::TextStart;
    use crate::model::tokenizer::Tokenizer;

    fn prompts(tokenizer: &Tokenizer) -> Prompts<'_> {
        Prompts {
            tokenizer,
            protocol: Protocol::Mini,
            text_start: TextStart::Zero,
            stops: &["\n\n"],
            max_new_tokens: 140,
        }
    }

    #[test]
    fn a_simulated_guide_is_right_as_often_as_it_says() {
        let tokenizer = Tokenizer::mini().unwrap();
        let prompts = prompts(&tokenizer);
        for benchmark in Benchmark::ALL {
            let items = mini(benchmark, Split::Test).unwrap();
            let count = |right: f64| {
                let texts = simulated(&prompts, &items, right, 3);
                assert_eq!(texts.len(), items.len(), "{benchmark}");
                let pairs = texts.iter().zip(&items);
                let n = pairs.filter(|(text, item)| is_right(text, item)).count();
                n as f64 / items.len() as f64
            };
            assert_eq!(count(1.0), 1.0);
            assert_eq!(count(0.0), 0.0);
            let share = count(0.6);
            assert!((share - 0.6).abs() < 0.09, "{benchmark}: {share}");
        }
    }

    fn is_right(text: &GuideText, item: &Item) -> bool {
        match &item.task {
            Task::Generate { answer, .. } => {
                crate::bench::extract(Protocol::Mini, &text.text, answer).correct
            }
            Task::Choose { gold, .. }
            | Task::ChooseLetter { gold, .. }
            | Task::FillIn { gold, .. } => text.answer == Some(gold.to_string()),
        }
    }

    #[test]
    fn recorded_texts_are_found_by_their_ids() {
        let tokenizer = Tokenizer::mini().unwrap();
        let prompts = prompts(&tokenizer);
        let items = mini(Benchmark::Gsm8k, Split::Validation).unwrap();
        let questions: Vec<Question> = items[..3].iter().map(Question::of).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("texts.jsonl");
        let line =
            |id: &str, text: &str| format!("{}\n", serde_json::json!({"id": id, "text": text}));
        let lines =
            line(&items[1].id, "#### 5") + &line("nowhere", "#### 6") + &line(&items[2].id, "no");
        std::fs::write(&path, lines).unwrap();
        let texts = recorded(&path, &prompts, &questions).unwrap();
        assert_eq!(texts.len(), 1);
        assert_eq!(
            (texts[0].id.as_str(), texts[0].answer.as_deref()),
            (items[1].id.as_str(), Some("5"))
        );
        std::fs::write(&path, line("nowhere", "#### 6")).unwrap();
        let error = recorded(&path, &prompts, &questions)
            .unwrap_err()
            .to_string();
        assert!(error.contains("none of its 1 texts"), "{error}");
        let missing = folder.path().join("missing.jsonl");
        let error = recorded(&missing, &prompts, &questions)
            .unwrap_err()
            .to_string();
        assert!(error.contains("no such file"), "{error}");
    }
}
