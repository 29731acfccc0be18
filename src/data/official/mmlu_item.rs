//! What the forms of MMLU share: a question, its right answer and its subject.

use std::path::Path;

use crate::data::item::Task;
use crate::data::lines::{require, shorten};
use crate::error::Result;

/// The words that end the names of tables, after an underscore.
const NAME_ENDS: [&str; 5] = ["train", "val", "validation", "test", "dev"];

/// The index of the right answer: a letter, or a number from 0.
pub(in crate::data) fn gold(answer: &str) -> Result<usize, String> {
    match answer.trim() {
        "A" | "a" | "0" => Ok(0),
        "B" | "b" | "1" => Ok(1),
        "C" | "c" | "2" => Ok(2),
        "D" | "d" | "3" => Ok(3),
        other => Err(tr!(
            "answer `{}` is not A, B, C or D, nor 0, 1, 2 or 3",
            shorten(other)
        )),
    }
}

/// What is asked, where nothing of it is blank.
pub(in crate::data) fn task(
    subject: String,
    question: String,
    options: [String; 4],
    gold: usize,
) -> Result<Task, String> {
    require("subject", &subject)?;
    require("question", &question)?;
    for (option, name) in options.iter().zip(["A", "B", "C", "D"]) {
        require(name, option)?;
    }
    Ok(Task::ChooseLetter {
        subject,
        question,
        options,
        gold,
    })
}

/// `high_school_biology` of `high_school_biology_test.csv`.
pub(in crate::data) fn subject_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_suffix(".csv").unwrap_or(&stem);
    match stem.rsplit_once('_') {
        Some((subject, end)) if NAME_ENDS.contains(&end) => subject.to_owned(),
        Some(_) | None => stem.to_owned(),
    }
}
