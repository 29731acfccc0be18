//! Tables of MMLU: six columns without a header, as they are published, or with a
//! header, as the rows of the Hugging Face hub are exported and as others name
//! them.

use csv::ByteRecord;

use super::mmlu_item::{gold, subject_of, task};
use super::python_list::parse_list;
use crate::data::item::{Item, Task};
use crate::data::lines::{Source, shorten};
use crate::data::loaded::Loaded;
use crate::data::table::{DELIMITERS, first_record, for_each_record};
use crate::error::{Error, Result};
use crate::text_file::not_utf8;

/// The columns of a table without a header.
const PUBLISHED: Columns = Columns {
    subject: None,
    question: 0,
    options: Options::Columns([1, 2, 3, 4]),
    answer: 5,
    n_columns: 6,
};

/// What the columns of questions and of answers go by, without spaces and signs.
const QUESTIONS: [&str; 4] = ["question", "input", "prompt", "query"];
const ANSWERS: [&str; 7] = [
    "answer",
    "target",
    "label",
    "gold",
    "answerkey",
    "correct",
    "correctanswer",
];
/// What stands before the letter or the number of a column of options.
const OPTIONS: [&str; 6] = ["", "choice", "choices", "option", "options", "opt"];

/// Which column is what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    subject: Option<usize>,
    question: usize,
    options: Options,
    answer: usize,
    n_columns: usize,
}

/// Where the options are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Options {
    /// In a column each.
    Columns([usize; 4]),
    /// In one, as Python prints a list.
    List(usize),
}

/// Reads one table; its items are called `subject/row`.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] where it is no table, or where its header
/// does not name what a question has.
pub(in crate::data) fn read_table(source: Source<'_>, loaded: &mut Loaded<Item>) -> Result<()> {
    let path = source.file.clone();
    let of_file = subject_of(&path);
    let bytes = source.read_table()?;
    let delimiter = delimiter(&bytes);
    let header = header(&first_record(&bytes, delimiter))
        .map_err(|reason| Error::input(&path, tr!("line 1"), reason))?;
    let columns = header.unwrap_or(PUBLISHED);
    let mut is_header = header.is_some();
    let mut has = [false; 2];
    for_each_record(&path, &bytes, delimiter, |_, record| {
        let answer = record.get(columns.answer).unwrap_or_default().trim_ascii();
        has[0] |= answer == b"0";
        has[1] |= answer == b"4";
    })?;
    let counts_from_one = has == [false, true];
    let mut n_rows = 0;
    for_each_record(&path, &bytes, delimiter, |line, record| {
        if std::mem::take(&mut is_header) {
            return;
        }
        n_rows += 1;
        match columns.task(&of_file, record, counts_from_one) {
            Ok(task) => loaded.items.push(Item {
                id: format!("{of_file}/{n_rows}"),
                task,
            }),
            Err(reason) => loaded.reject(&path, line, reason),
        }
    })
}

/// What stands between the cells: what makes most of them in the first row.
fn delimiter(bytes: &[u8]) -> u8 {
    let n_cells = |delimiter: &u8| first_record(bytes, *delimiter).len();
    // Official questions have commas, and tabs and semicolons too.
    let is_table = |delimiter: &u8| n_cells(delimiter) >= PUBLISHED.n_columns;
    let is_header = |delimiter: &u8| {
        let header = header(&first_record(bytes, *delimiter));
        matches!(header, Ok(Some(_)))
    };
    let mut all = DELIMITERS.into_iter();
    let by_header = all.clone().find(is_header);
    by_header.or(all.find(is_table)).unwrap_or(b',')
}

/// The columns that the first row names; none where it is a question.
///
/// # Errors
/// In words, where it is a header that does not name all.
fn header(first: &ByteRecord) -> Result<Option<Columns>, String> {
    let names: Vec<String> = first.iter().map(plain).collect();
    let at = |name: &str| names.iter().position(|it| it == name);
    let any = |names: &[&str]| names.iter().find_map(|name| at(name));
    let n_columns = names.len();
    // The numbers that pandas gives columns without names.
    let is_numbered = |start: usize| {
        let rest = &names[start..];
        rest.len() == 6 && rest.iter().zip(0..).all(|(name, n)| *name == n.to_string())
    };
    if n_columns >= 6 && is_numbered(n_columns - 6) {
        let first = n_columns - 6;
        return Ok(Some(Columns {
            subject: None,
            question: first,
            options: Options::Columns([first + 1, first + 2, first + 3, first + 4]),
            answer: first + 5,
            n_columns,
        }));
    }
    let (Some(question), Some(answer)) = (any(&QUESTIONS), any(&ANSWERS)) else {
        return Ok(None);
    };
    let of = |suffixes: [&str; 4]| {
        OPTIONS.iter().find_map(|before| {
            let mut columns = [0; 4];
            for (column, suffix) in columns.iter_mut().zip(suffixes) {
                *column = at(&format!("{before}{suffix}"))?;
            }
            Some(Options::Columns(columns))
        })
    };
    let options = of(["a", "b", "c", "d"])
        .or_else(|| of(["0", "1", "2", "3"]))
        .or_else(|| of(["1", "2", "3", "4"]))
        .or_else(|| any(&["choices", "options"]).map(Options::List));
    let Some(options) = options else {
        let columns: Vec<String> = first
            .iter()
            .take(12)
            .map(|name| format!("`{}`", shorten(&String::from_utf8_lossy(name))))
            .collect();
        return Err(tr!(
            "a header without four options: {}; name their columns A, B, C and D",
            columns.join(", ")
        ));
    };
    Ok(Some(Columns {
        subject: any(&["subject"]),
        question,
        options,
        answer,
        n_columns,
    }))
}

/// A name of a column in small letters and digits alone: `choicea` of `Choice A`.
fn plain(name: &[u8]) -> String {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect()
}

impl Columns {
    fn task(
        &self,
        of_file: &str,
        record: &ByteRecord,
        counts_from_one: bool,
    ) -> Result<Task, String> {
        let n_cells = record.len();
        if n_cells != self.n_columns {
            return Err(match self.n_columns {
                6 => tr!(
                    "{n_cells} columns; a row has question, A, B, C, D and answer",
                    n_cells
                ),
                n => tr!("{n_cells} columns; the header names {n}", n_cells, n),
            });
        }
        let cell = |column: usize, name: &str| {
            let bytes = record.get(column).unwrap_or_default();
            let text = std::str::from_utf8(bytes).map_err(|error| {
                let reason = not_utf8(bytes, error.valid_up_to());
                tr!("`{name}` is {reason}", name, reason)
            })?;
            Ok::<_, String>(text.to_owned())
        };
        let question = cell(self.question, "question")?;
        let options = match self.options {
            Options::Columns([a, b, c, d]) => {
                [cell(a, "A")?, cell(b, "B")?, cell(c, "C")?, cell(d, "D")?]
            }
            Options::List(column) => {
                let text = cell(column, "choices")?;
                let list = parse_list(&text).ok_or_else(|| {
                    let text = shorten(&text);
                    tr!(
                        "`choices` is not a list of four texts in quotes: {text}",
                        text
                    )
                })?;
                let n = list.len();
                <[String; 4]>::try_from(list)
                    .map_err(|_| tr!("{n} choices; a question has four", n))?
            }
        };
        let answer = cell(self.answer, "answer")?;
        if answer.trim().is_empty() {
            return Err(tr!("`answer` is empty").into());
        }
        if counts_from_one && answer.trim().bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(tr!(
                "the answers of this table count from 1 to 4; write letters, or numbers from \
                 0 as the Hugging Face hub does"
            )
            .into());
        }
        let subject = match self.subject {
            Some(column) => cell(column, "subject")?,
            None => of_file.to_owned(),
        };
        task(subject, question, options, gold(&answer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &[u8]) -> Loaded<Item> {
        let mut loaded = Loaded::default();
        let source = Source::held("high_school_biology_test.csv", text).unwrap();
        read_table(source, &mut loaded).unwrap();
        loaded
    }

    fn check_bad(row: &[u8], expected: &str) {
        let text = [b"\xef\xbb\xbf\"q\n2\",a,b,c,d,B\r\n", row, b"\n"].concat();
        let loaded = load(&text);
        assert_eq!(loaded.items.len(), 1);
        assert_eq!(loaded.bad_lines[0].line, 3);
        assert_eq!(loaded.bad_lines[0].reason, expected);
    }

    fn biology(question: &str, options: [&str; 4], gold: usize) -> Task {
        Task::ChooseLetter {
            subject: "high_school_biology".into(),
            question: question.into(),
            options: options.map(str::to_owned),
            gold,
        }
    }

    #[test]
    fn rows_keep_quotes_and_line_breaks() {
        let loaded = load(b"\"say \"\"hi\"\"\n\",\" a\",b,c,\"1,000\",D\n");
        let item = &loaded.items[0];
        assert_eq!(item.id, "high_school_biology/1");
        assert_eq!(item.subject(), Some("high_school_biology"));
        let expected = biology("say \"hi\"\n", [" a", "b", "c", "1,000"], 3);
        assert_eq!(item.task, expected);
    }

    #[test]
    fn unusable_rows_say_why() {
        let columns = "5 columns; a row has question, A, B, C, D and answer";
        check_bad(b"q,a,b,c,D", columns);
        let answer = "answer `E` is not A, B, C or D, nor 0, 1, 2 or 3";
        check_bad(b"q,a,b,c,d,E", answer);
        check_bad(b"q,a,,c,d,A", "`B` is empty");
        check_bad(b"q,a,b,c,d, ", "`answer` is empty");
        let utf8 = "`B` is not UTF-8 text at byte 1; save the file as UTF-8";
        check_bad(b"q,a,\xff,c,d,A", utf8);
        check_bad(b" ,a,b,c,d,A", "`question` is empty");
    }

    fn check(text: &str, expected: &[Task]) {
        let loaded = load(text.as_bytes());
        assert_eq!(loaded.bad_lines, [], "{text}");
        let tasks: Vec<_> = loaded.items.into_iter().map(|item| item.task).collect();
        assert_eq!(tasks, expected, "{text}");
    }

    #[test]
    fn answers_are_letters_or_numbers_from_0() {
        let of = |gold| biology("q", ["9", "15", "21", "23"], gold);
        let all = [of(0), of(1), of(2), of(3)];
        let row = |answer: &str| format!("q,9,15,21,23,{answer}\n");
        check(&["A", "B", "C", "D"].map(row).concat(), &all);
        check(&["0", "1", "2", "3"].map(row).concat(), &all);
        check(&["0", "b", "2", "D"].map(row).concat(), &all);
        // Right answers that are all below 4 count from 0, as the hub's do.
        check(&["1", "2"].map(row).concat(), &[of(1), of(2)]);
        // These would all be read as the next one.
        let loaded = load(["1", "2", "4", "A"].map(row).concat().as_bytes());
        assert_eq!((loaded.items.len(), loaded.n_bad_lines), (1, 3));
        let reason = &loaded.bad_lines[0].reason;
        assert!(
            reason.starts_with("the answers of this table count from 1"),
            "{reason}"
        );
    }

    #[test]
    fn headers_name_the_columns() {
        let expected = [biology("q, r", ["w", "x", "y", "z"], 3)];
        let check = |header: &str, row: &str| check(&format!("{header}\n{row}\n"), &expected);
        let row = "\"q, r\",w,x,y,z,3";
        check("question,choice0,choice1,choice2,choice3,answer", row);
        check("question,choice1,choice2,choice3,choice4,answer", row);
        check("Question,A,B,C,D,Answer", row);
        check("input,A,B,C,D,target", row);
        check("prompt,option_a,option_b,option_c,option_d,label", row);
        check(
            "question,Choice A,Choice B,Choice C,Choice D,Correct Answer",
            row,
        );
        check("0,1,2,3,4,5", row);
        check(",question,A,B,C,D,answer", &format!("0,{row}"));
        check("answer,D,C,B,A,question", "3,z,y,x,w,\"q, r\"");
        check("question;A;B;C;D;answer", "q, r;w;x;y;z;D");
        check("question\tA\tB\tC\tD\tanswer", "q, r\tw\tx\ty\tz\tD");
        let listed = "\"q, r\",\"['w' 'x'\n 'y' \"\"z\"\"]\",3";
        check("question,choices,answer", listed);
        let loaded = load(b"question,subject,A,B,C,D,answer\nq,anatomy,w,x,y,z,0\n");
        assert_eq!(loaded.items[0].subject(), Some("anatomy"));
    }

    #[test]
    fn a_header_that_names_too_little_is_refused() {
        let mut loaded = Loaded::default();
        let source = Source::held("a.csv", b"question,text,answer\nq,t,A\n").unwrap();
        let message = read_table(source, &mut loaded).unwrap_err().to_string();
        let expected = "a.csv: line 1: a header without four options: `question`, `text`, \
                        `answer`; name their columns A, B, C and D";
        assert_eq!(message, expected);
    }
}
