//! What a file of data is, by its first entries.

use std::path::Path;

use super::benchmark::{Benchmark, Split};
use super::binidx::is_binidx;
use super::chat::{self, Layout};
use super::entries::{Form, for_each_row};
use super::lines::Source;
use super::loaded::Loaded;
use super::official::files::{self, SplitFile};
use super::official::mmlu_table::read_table;
use super::official::{arc, gsm8k, mmlu, winogrande};
use super::row::Row;
use super::rows::Rows;
use super::template::Template;
use super::text::text_files;
use crate::error::Result;

/// What a file or a folder of data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The benchmark that it is of; none for training sets of the user's own.
    pub benchmark: Option<Benchmark>,
    /// How the entries of other data are written, where that is known.
    pub layout: Option<Layout>,
    /// How it is written, in words: `JSON lines, gzip`.
    pub form: String,
    /// Of a folder, the first split that is there.
    pub split: Option<Split>,
}

/// Looks at the start of a file, or of the files of a folder.
///
/// # Errors
/// What cannot be read at all. That a file is not a benchmark does not count.
pub fn recognise(path: &Path) -> Result<Recognised> {
    if is_binidx(path) {
        return Ok(Recognised {
            benchmark: None,
            layout: Some(Layout::Binidx),
            form: tr!("tokens (binidx)").into(),
            split: None,
        });
    }
    if !path.is_dir() {
        return Ok(of_rows(Rows::open(path, false)?));
    }
    for benchmark in Benchmark::ALL {
        for split in Split::ALL {
            // What is not there, or not whole, is another benchmark's or none's.
            let files = files::find(path, benchmark, SplitFile::of(split));
            let Some(rows) = files.ok().and_then(|files| files.into_iter().next()) else {
                continue;
            };
            // Tables that are not in the folder of a split say none.
            let is_table = matches!(rows, Rows::Table(_));
            let mut folders = mmlu::folders(split).iter();
            let is_split = !is_table || folders.any(|name| path.join(name).is_dir());
            let found = of_rows(rows);
            if found.benchmark == Some(benchmark) {
                return Ok(Recognised {
                    split: is_split.then_some(split),
                    ..found
                });
            }
        }
    }
    // What cannot be read says so when it is read.
    let n_texts = text_files(path).map_or(0, |files| files.len());
    Ok(Recognised {
        benchmark: None,
        layout: (n_texts > 0).then_some(Layout::Folder),
        form: match n_texts {
            0 => tr!("a folder").into(),
            n => tr!("a folder of {n} texts", n),
        },
        split: None,
    })
}

/// `template`, or one that chats are read with where the data at `path` are chats
/// and it has no form for them.
pub fn fitting_template(path: &Path, template: Template) -> Template {
    let is_chat = || recognise(path).is_ok_and(|it| it.layout.is_some_and(Layout::is_chat));
    match template {
        Template::Plain if is_chat() => Template::UserAssistant,
        other => other,
    }
}

fn of_rows(rows: Rows<'_>) -> Recognised {
    match rows {
        Rows::Entries(source) | Rows::Table(source) => of_source(&source),
        parquet @ Rows::Parquet(_) => {
            let (mut benchmark, mut layout) = (None, None);
            // What cannot be read says so when it is read.
            let _ = parquet.read(&[], &mut Loaded::<()>::default(), |number, row| {
                if number == 1 {
                    layout = Layout::of(&row);
                    benchmark = of_row(row);
                }
                Err(String::new())
            });
            Recognised {
                benchmark,
                layout,
                form: "Parquet".into(),
                split: None,
            }
        }
    }
}

fn of_source(source: &Source<'_>) -> Recognised {
    let names: Vec<&str> = [
        &chat::NAMES[..],
        &gsm8k::NAMES,
        &arc::NAMES,
        &winogrande::NAMES,
        &mmlu::NAMES,
    ]
    .concat();
    let form = Form::of(source, &names);
    let mut words = vec![form.name()];
    let (mut benchmark, mut layout) = (None, None);
    let is_table = matches!(form, Form::Table(_)) || form == Form::Lines;
    if let Some(start) = start_of(source).filter(|_| is_table) {
        let mut loaded = Loaded::default();
        let is_mmlu = read_table(start, &mut loaded).is_ok() && !loaded.items.is_empty();
        if is_mmlu {
            benchmark = Some(Benchmark::Mmlu);
            words = vec![tr!("a table")];
        }
    }
    if let Some(start) = start_of(source).filter(|_| benchmark.is_none()) {
        // What is wrong with it says so when it is read.
        let _ = for_each_row(start, &names, |_, _, row| {
            if let Ok(row) = row {
                layout = layout.or(Layout::of(&row));
                benchmark = benchmark.or(of_row(row));
            }
        });
    }
    words.extend(&source.text.packing);
    Recognised {
        benchmark,
        layout,
        form: words.join(", "),
        split: None,
    }
}

/// All of a short text, else its start up to the last line's end, or all of one line.
fn start_of<'a>(source: &'a Source<'_>) -> Option<Source<'a>> {
    let start = source.text.start();
    let last_end = || start.iter().rposition(|byte| *byte == b'\n');
    let end = if source.text.is_short() {
        None
    } else {
        last_end()
    };
    let lines = end.map_or(start, |end| &start[..=end]);
    Source::held(&source.file, lines).ok()
}

/// The benchmark whose fields an entry has.
fn of_row(mut row: Row) -> Option<Benchmark> {
    let has = |row: &Row, names: &[&str]| names.iter().all(|name| row.has(name));
    if has(&row, &["sentence", "option1", "option2"]) {
        Some(Benchmark::WinoGrande)
    } else if has(&row, &["question", "answerKey"]) {
        Some(Benchmark::Arc)
    } else if has(&row, &["question", "choices", "answer", "subject"]) {
        Some(Benchmark::Mmlu)
    } else if has(&row, &["question", "answer"]) {
        let answer = row.text("answer").ok()?;
        answer.contains("#### ").then_some(Benchmark::Gsm8k)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, benchmark: Option<Benchmark>, form: &str) {
        let source = Source::held(name, text.as_bytes()).unwrap();
        let found = of_source(&source);
        assert_eq!(
            (found.benchmark, found.form.as_str()),
            (benchmark, form),
            "{text}"
        );
    }

    const GSM8K: &str = "{\"question\": \"q\", \"answer\": \"a\\n#### 1\"}\n";
    const ARC: &str = r#"{"id": "x", "question": {"stem": "s", "choices": []}, "answerKey": "A"}"#;
    const WINO_GRANDE: &str =
        r#"{"qID": "x", "sentence": "a _ b", "option1": "c", "option2": "d", "answer": "1"}"#;
    const MMLU: &str = r#"{"question": "q", "subject": "s", "choices": [], "answer": 1}"#;

    #[test]
    fn benchmarks_are_known_by_their_fields() {
        check("a", GSM8K, Some(Benchmark::Gsm8k), "JSON lines");
        check("a", ARC, Some(Benchmark::Arc), "JSON lines");
        check("a", WINO_GRANDE, Some(Benchmark::WinoGrande), "JSON lines");
        check("a", MMLU, Some(Benchmark::Mmlu), "JSON lines");
        check(
            "a",
            &format!("[{GSM8K}]"),
            Some(Benchmark::Gsm8k),
            "a JSON array",
        );
        let table = "question,answer\nq,\"a\n#### 1\"\n";
        check("a", table, Some(Benchmark::Gsm8k), "a table with commas");
        // A bad line in front, and one that is cut off by the end of the start.
        let text = format!("nonsense\n{GSM8K}{}", &GSM8K[..20]);
        check("a", &text, Some(Benchmark::Gsm8k), "JSON lines");
        check("a.csv", "q,a,b,c,d,A\n", Some(Benchmark::Mmlu), "a table");
        let header = "question,choice0,choice1,choice2,choice3,answer\nq,9,15,21,23,3\n";
        check("a.csv", header, Some(Benchmark::Mmlu), "a table");
    }

    #[test]
    fn other_files_are_none() {
        check("a", "", None, "JSON lines");
        check(
            "a",
            "{\"text\": \"a, b, c, d, e, A\"}\n",
            None,
            "JSON lines",
        );
        check("a", "prompt,completion\na,b\n", None, "a table with commas");
        let own = "{\"question\": \"q\", \"answer\": \"a\"}\n";
        check("a", own, None, "JSON lines");
    }

    #[test]
    fn layouts_are_known_by_their_fields() {
        let check = |text: &str, layout: Option<Layout>| {
            let found = of_source(&Source::held("a", text.as_bytes()).unwrap());
            assert_eq!((found.layout, found.benchmark), (layout, None), "{text}");
        };
        check(
            "{\"messages\": [], \"prompt\": \"a\"}",
            Some(Layout::Messages),
        );
        check("[{\"conversations\": []}]", Some(Layout::Conversations));
        check("instruction,input,output\na,b,c\n", Some(Layout::Alpaca));
        check(
            "no json\n{\"prompt\": \"a\", \"completion\": \"b\"}",
            Some(Layout::Prompts),
        );
        check("{\"segments\": []}", Some(Layout::Segments));
        check("{\"text\": \"a\"}", Some(Layout::Texts));
        check("{\"body\": \"a\"}", None);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "a").unwrap();
        let found = recognise(folder.path()).unwrap();
        assert_eq!(
            (found.layout, found.form.as_str()),
            (Some(Layout::Folder), "a folder of 1 texts")
        );
    }

    #[test]
    fn folders_are_known_by_their_files() {
        let check = |files: &[(&str, &str)], expected: Option<(Benchmark, Split)>| {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let file = folder.path().join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            let found = recognise(folder.path()).unwrap();
            assert_eq!(found.benchmark.zip(found.split), expected, "{files:?}");
        };
        check(&[], None);
        check(
            &[("train.jsonl", GSM8K)],
            Some((Benchmark::Gsm8k, Split::Train)),
        );
        check(
            &[("train.jsonl", ARC)],
            Some((Benchmark::Arc, Split::Train)),
        );
        let dev = [("dev.jsonl", WINO_GRANDE)];
        check(&dev, Some((Benchmark::WinoGrande, Split::Validation)));
        let tables = [("test/a_test.csv", "q,a,b,c,d,A\n")];
        check(&tables, Some((Benchmark::Mmlu, Split::Test)));
        check(&[("train.jsonl", "{\"text\": \"a\"}\n")], None);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a_test.csv"), "q,a,b,c,d,A\n").unwrap();
        let found = recognise(folder.path()).unwrap();
        assert_eq!(
            (found.benchmark, found.split),
            (Some(Benchmark::Mmlu), None)
        );
    }
}
