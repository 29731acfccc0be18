//! The items of an evaluation as JSON lines: the first says what was scored and
//! how, each of the others is one item.
//!
//! ```json
//! {"evaluation":{"version":1,"benchmark":"arc","split":"test","model":"…","start":"untuned",…}}
//! {"id":"…","prompt":"…","answer":{"chosen":{…}},"correct":true}
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::write_atomic;
use crate::bench::{Conditions, Evaluation, FewShotOrder, ItemRecord};
use crate::data::Source;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::TextStart;
use crate::protocol::event::WrittenAnswers;

/// The version that is written.
const VERSION: u32 = 1;

/// What was scored: a model and what it started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The checkpoint's file name.
    pub model: String,
    /// [`crate::model::checkpoint::Checkpoint::fingerprint`] of its weights.
    pub fingerprint: String,
    /// What every text started from, for the user: "untuned", a run, a file.
    pub start: String,
    /// Whether that was a tuned state.
    pub is_tuned: bool,
    /// Wall time.
    pub secs: f64,
}

/// An evaluation and what was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// What was scored.
    pub scored: Scored,
    /// The records and their conditions.
    pub evaluation: Evaluation,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct FirstLine {
    evaluation: About,
}

#[derive(Serialize, Deserialize)]
struct About {
    version: u32,
    #[serde(flatten)]
    conditions: Conditions,
    #[serde(flatten)]
    scored: Scored,
}

/// The name of a file, in the folder `eval` of a run, for an evaluation that is
/// made when the run is over: one for each condition, so that a second one of
/// the same replaces the first.
pub fn later_name(evaluation: &Evaluation, is_tuned: bool, limit: Option<usize>) -> String {
    let Conditions {
        split,
        few_shot,
        few_shot_order,
        leading_token,
        max_new_tokens,
        ..
    } = evaluation.conditions;
    let untuned = if is_tuned { "" } else { "untuned-" };
    let mut name = format!("{untuned}{}-{split}", evaluation.name());
    if few_shot > 0 {
        name += &format!("-{few_shot}-shot");
    }
    if few_shot_order == Some(FewShotOrder::Drawn) {
        name += "-drawn";
    }
    if leading_token == Some(TextStart::None) {
        name += "-without-token-0";
    }
    if let Some(cap) = max_new_tokens {
        name += &format!("-{cap}-tokens");
    }
    if let Some(limit) = limit {
        name += &format!("-first-{limit}");
    }
    name + ".jsonl"
}

/// Writes an evaluation.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written; an older one is then as it was.
pub fn write_evaluation(path: &Path, evaluation: &Evaluation, scored: &Scored) -> Result<()> {
    let first = FirstLine {
        evaluation: About {
            version: VERSION,
            conditions: evaluation.conditions.clone(),
            scored: scored.clone(),
        },
    };
    write_atomic(path, |writer| {
        serde_json::to_writer(&mut *writer, &first)?;
        for record in &evaluation.records {
            writer.write_all(b"\n")?;
            serde_json::to_writer(&mut *writer, record)?;
        }
        writer.write_all(b"\n")
    })
}

/// What became of written answers; none where options were chosen from, and where
/// the items do not say.
pub fn written_answers(evaluation: &Evaluation) -> Option<WrittenAnswers> {
    let (ended, extracted) = (evaluation.ended()?, evaluation.extracted()?);
    Some(WrittenAnswers {
        max_new_tokens: evaluation.conditions.max_new_tokens?,
        n_items: ended.n_items,
        n_ended: ended.n_correct,
        n_extracted: extracted.n_correct,
    })
}

/// Reads an evaluation.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] with the first line that cannot be used.
pub fn read_evaluation(path: &Path) -> Result<EvaluationFile> {
    let mut about: Option<About> = None;
    let mut records: Vec<ItemRecord> = Vec::new();
    let mut bad: Option<Error> = None;
    Source::open(path)?.for_each_line(|file, line, text| {
        if bad.is_some() {
            return;
        }
        // What is read takes a list of its fields for an object.
        let is_object = |text: &&str| text.trim_start().starts_with('{');
        let text = text.and_then(|text| match is_object(&text) {
            true => Ok(text),
            false => Err(tr!("not a JSON object").into()),
        });
        let read = text.and_then(|text| match &about {
            None => {
                about = Some(first_line(text)?);
                Ok(())
            }
            Some(_) => {
                let record = serde_json::from_str(text).map_err(|error| json_words(&error))?;
                records.push(record);
                Ok(())
            }
        });
        if let Err(reason) = read {
            bad = Some(Error::input(file, tr!("line {line}", line), reason));
        }
    })?;
    if let Some(error) = bad {
        return Err(error);
    }
    let Some(About {
        mut conditions,
        scored,
        ..
    }) = about
    else {
        return Err(Error::input(
            path,
            tr!("line 1"),
            tr!("there is nothing in it"),
        ));
    };
    // Versions that did not say put token 0 in front of every text.
    if scored.is_tuned && conditions.leading_token.is_none() {
        conditions.leading_token = Some(TextStart::Zero);
    }
    Ok(EvaluationFile {
        path: path.to_path_buf(),
        scored,
        evaluation: Evaluation {
            conditions: conditions.with_older_cap(),
            records,
        },
    })
}

fn first_line(text: &str) -> Result<About, String> {
    let FirstLine { evaluation } = serde_json::from_str(text).map_err(|error| {
        tr!(
            "not an evaluation of Gosling, whose first line says what was scored \
             ({error})",
            error = json_words(&error)
        )
    })?;
    match evaluation.version {
        VERSION => Ok(evaluation),
        other => Err(tr!(
            "version {other} of the format; this program reads version {VERSION}",
            other,
            VERSION
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Answer, LeftOut};
    use crate::data::{Benchmark, Protocol, Split};

    fn evaluation() -> Evaluation {
        Evaluation {
            conditions: Conditions {
                benchmark: Benchmark::Arc,
                protocol: Protocol::LM_EVAL,
                split: Split::Validation,
                few_shot: 3,
                few_shot_order: Some(FewShotOrder::Drawn),
                leading_token: Some(TextStart::None),
                max_new_tokens: None,
                n_total: 299,
                left_out: vec![LeftOut {
                    id: "b".into(),
                    reason: "600 tokens".into(),
                }],
            },
            records: vec![ItemRecord {
                id: "a".into(),
                subject: None,
                prompt: "Question: é\nAnswer:".into(),
                n_steps: None,
                answer: Answer::Chosen {
                    options: vec!["x".into(), "y".into()],
                    log_likelihoods: vec![-1.25, f64::NEG_INFINITY],
                    gold: 0,
                    chosen: Some(0),
                    chosen_norm: Some(0),
                    correct_norm: Some(true),
                },
                correct: true,
            }],
        }
    }

    fn scored() -> Scored {
        Scored {
            model: "mini.pth".into(),
            fingerprint: "abc".into(),
            start: "runs/a-0001".into(),
            is_tuned: true,
            secs: 1.5,
        }
    }

    #[test]
    fn an_evaluation_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("after.jsonl");
        write_evaluation(&path, &evaluation(), &scored()).unwrap();
        let read = read_evaluation(&path).unwrap();
        assert_eq!(read.scored, scored());
        assert_eq!(read.evaluation.conditions, evaluation().conditions);
        assert_eq!(read.evaluation.records[0].prompt, "Question: é\nAnswer:");
    }

    /// Files of versions that did not write down which solved questions they took.
    #[test]
    fn an_older_file_reads_without_the_order_of_its_examples() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("few_shot.jsonl");
        write_evaluation(&path, &evaluation(), &scored()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let older = text.replacen("\"few_shot_order\":\"drawn\",", "", 1);
        assert_ne!(older, text);
        std::fs::write(&path, older).unwrap();
        let mut expected = evaluation().conditions;
        expected.few_shot_order = None;
        assert_eq!(
            read_evaluation(&path).unwrap().evaluation.conditions,
            expected
        );
    }

    /// Files of versions that put token 0 in front of every text.
    #[test]
    fn an_older_file_of_a_tuned_state_was_scored_behind_token_0() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("after.jsonl");
        for (is_tuned, expected) in [(true, Some(TextStart::Zero)), (false, None)] {
            let mut older = evaluation();
            older.conditions.leading_token = None;
            let scored = Scored {
                is_tuned,
                ..scored()
            };
            write_evaluation(&path, &older, &scored).unwrap();
            let read = read_evaluation(&path).unwrap().evaluation;
            assert_eq!(read.conditions.leading_token, expected);
        }
    }

    /// Files of versions that cut every answer in the same place.
    #[test]
    fn an_older_file_says_where_its_answers_were_cut() {
        let check = |protocol, cap, expected| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("after.jsonl");
            let mut older = evaluation();
            older.conditions.benchmark = Benchmark::Gsm8k;
            older.conditions.protocol = protocol;
            older.conditions.max_new_tokens = cap;
            write_evaluation(&path, &older, &scored()).unwrap();
            let read = read_evaluation(&path).unwrap().evaluation;
            assert_eq!(read.conditions.max_new_tokens, expected);
        };
        check(Protocol::Mini, None, Some(48));
        check(Protocol::LM_EVAL, None, Some(256));
        check(Protocol::Mini, Some(140), Some(140));
    }

    #[test]
    fn later_evaluations_of_other_conditions_have_names_of_their_own() {
        let mut evaluation = evaluation();
        evaluation.conditions.leading_token = None;
        let drawn = later_name(&evaluation, false, Some(9));
        assert_eq!(drawn, "untuned-arc-validation-3-shot-drawn-first-9.jsonl");
        evaluation.conditions.few_shot_order = Some(FewShotOrder::First);
        assert_eq!(
            later_name(&evaluation, true, None),
            "arc-validation-3-shot.jsonl"
        );
        evaluation.conditions.few_shot = 0;
        evaluation.conditions.few_shot_order = None;
        assert_eq!(later_name(&evaluation, true, None), "arc-validation.jsonl");
        evaluation.conditions.leading_token = Some(TextStart::None);
        let without = "arc-validation-without-token-0.jsonl";
        assert_eq!(later_name(&evaluation, true, None), without);
        evaluation.conditions.leading_token = None;
        evaluation.conditions.max_new_tokens = Some(140);
        let of_140 = later_name(&evaluation, true, None);
        assert_eq!(of_140, "arc-validation-140-tokens.jsonl");
    }

    fn check_bad(change: impl FnOnce(String) -> String, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        write_evaluation(&path, &evaluation(), &scored()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(text)).unwrap();
        let message = read_evaluation(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn a_file_that_is_none_or_torn_names_its_line() {
        check_bad(|_| String::new(), "line 1: there is nothing in it");
        check_bad(
            |_| "{\"id\": 1}\n".into(),
            "line 1: not an evaluation of Gosling",
        );
        check_bad(
            |text| text.replace("\"version\":1", "\"version\":2"),
            "line 1: version 2 of the format; this program reads version 1",
        );
        check_bad(|text| format!("{text}[1]\n"), "not a JSON object");
        check_bad(
            |text| text[..text.len() - 20].into(),
            "x.jsonl: line 2: EOF while parsing",
        );
    }
}
