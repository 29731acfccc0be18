//! Where questions come from: the training split of a benchmark, or a file of prompts
//! with what makes an answer right. Labels of other splits are never read.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::question::{Judge, Kind, Question};
use super::settings::SourceMark;
use crate::atomic::sha256_hex;
use crate::bench::ScoreOptions;
use crate::data::{
    Asking, Benchmark, Check, CheckedPrompt, Item, Message, MmluTemplate, PromptFormat, Protocol,
    Split, Template, few_shot_draws, load, load_checked, mini,
};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::tokenizer::Tokenizer;

/// Where answers of the user's own prompts are cut if nothing else is said.
const OWN_CAP: usize = 256;

/// Where questions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The training split of a benchmark.
    Benchmark(Benchmark),
    /// A file of prompts or chats, each with `answer` or `pattern`.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = Infallible;

    /// A benchmark's name, or the path of a file.
    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(benchmark) => Self::Benchmark(benchmark),
            Err(_) => Self::File(text.into()),
        })
    }
}

/// What is asked, and how.
#[derive(Debug)]
pub struct Task {
    /// The questions.
    pub questions: Vec<Question>,
    /// What they are.
    pub mark: SourceMark,
    /// What ends a written answer.
    pub stops: Vec<String>,
    /// Where it is cut, in tokens.
    pub max_new_tokens: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What may be chosen of a task.
#[derive(Debug, Clone, Default)]
pub struct TaskOptions {
    /// The folder of a benchmark's official files; the mini set without one.
    pub data: Option<PathBuf>,
    /// Only the first so many questions.
    pub limit: Option<usize>,
    /// Solved questions in front.
    pub shots: usize,
    /// What stands around the prompts of a file.
    pub template: Option<Template>,
    /// Where answers are cut.
    pub max_new_tokens: Option<usize>,
}

impl Task {
    /// Reads it.
    ///
    /// # Errors
    /// Files that cannot be read; options that do not go together.
    pub fn load(source: &Source, options: &TaskOptions, tokenizer: &Tokenizer) -> Result<Self> {
        let mut task = match source {
            Source::Benchmark(benchmark) => of_benchmark(*benchmark, options, tokenizer)?,
            Source::File(path) => of_file(path, options, tokenizer)?,
        };
        task.questions.truncate(options.limit.unwrap_or(usize::MAX));
        task.mark.questions = task.questions.len();
        if task.questions.is_empty() {
            return Err(Error::spec(
                "--limit",
                tr!("there is no question to answer"),
            ));
        }
        Ok(task)
    }
}

fn of_benchmark(
    benchmark: Benchmark,
    options: &TaskOptions,
    tokenizer: &Tokenizer,
) -> Result<Task> {
    if options.template.is_some() {
        let reason = tr!("is for files of prompts; a benchmark has its own form");
        return Err(Error::spec("--template", reason));
    }
    let mut notes = Vec::new();
    let (items, protocol, name) = match &options.data {
        None => (
            mini(benchmark, Split::Train)?,
            Protocol::Mini,
            benchmark.mini_name(),
        ),
        Some(folder) => {
            let loaded = load(benchmark, folder, Split::Train)?;
            if let Some(bad) = loaded.bad_lines.first() {
                notes.push(tr!("{bad} (lines left out: {})", loaded.n_bad_lines, bad));
            }
            let mmlu = MmluTemplate::default();
            (loaded.items, Protocol::LmEval { mmlu }, benchmark.title())
        }
    };
    let mut scoring = ScoreOptions::new(protocol);
    scoring.cut_answers(options.max_new_tokens, &items, tokenizer);
    let solved = solved_for(&items, options.shots)?;
    let questions = items
        .iter()
        .zip(&solved)
        .map(|(item, solved)| Question::of_item(item, solved, protocol, tokenizer));
    let questions: Vec<Question> = questions.collect();
    let labels: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    Ok(Task {
        questions,
        mark: SourceMark {
            name: format!("{name}, training split"),
            template: None,
            sha256: sha256_hex(labels.join("\n").as_bytes()),
            questions: 0,
        },
        stops: scoring
            .stops()
            .iter()
            .map(|stop| (*stop).to_owned())
            .collect(),
        max_new_tokens: scoring.max_new_tokens,
        notes,
    })
}

/// The solved training questions in front of each: never the question itself.
fn solved_for(items: &[Item], n: usize) -> Result<Vec<Vec<&Item>>> {
    if n == 0 {
        return Ok(vec![Vec::new(); items.len()]);
    }
    let mut of_subject: BTreeMap<Option<&str>, Vec<&Item>> = BTreeMap::new();
    for item in items {
        of_subject.entry(item.subject()).or_default().push(item);
    }
    let most = of_subject.values().map(Vec::len).min().unwrap_or(0);
    if most <= n {
        let of_each = if of_subject.len() > 1 {
            tr!(" of a subject")
        } else {
            ""
        };
        let reason = tr!(
            "there are {most} training questions{of_each}, too few for {n} besides the \
             one that is asked",
            most,
            of_each,
            n
        );
        return Err(Error::spec("--shots", reason));
    }
    let draws = few_shot_draws(most, n + 1, items.len());
    let solved = items.iter().zip(draws).map(|(item, drawn)| {
        let pool = &of_subject[&item.subject()];
        let others = drawn.into_iter().map(|idx| pool[idx]);
        others.filter(|other| other.id != item.id).take(n).collect()
    });
    Ok(solved.collect())
}

fn of_file(path: &Path, options: &TaskOptions, tokenizer: &Tokenizer) -> Result<Task> {
    let refused = match options {
        TaskOptions { data: Some(_), .. } => Some("--data"),
        TaskOptions { shots: 1.., .. } => Some("--shots"),
        _ => None,
    };
    if let Some(option) = refused {
        let reason = tr!("is for benchmarks; write solved questions into the prompts of the file");
        return Err(Error::spec(option, reason));
    }
    if !path.exists() {
        let reason =
            tr!("no such file, and no benchmark of that name (gsm8k, arc, mmlu, winogrande)");
        return Err(Error::input(path, tr!("questions"), reason));
    }
    let template = options.template.clone().unwrap_or(Template::UserAssistant);
    let format = Arc::new(template.prompt_format()?);
    let loaded = load_checked(path)?;
    let mut notes = Vec::new();
    if let Some(bad) = loaded.bad_lines.first() {
        notes.push(tr!("{bad} (lines left out: {})", loaded.n_bad_lines, bad));
    }
    notes.extend(loaded.notes);
    let labels: Vec<String> = loaded
        .items
        .iter()
        .map(|of| {
            let asked = match &of.asking {
                Asking::Prompt(prompt) => format!("{prompt:?}"),
                Asking::Chat(turns) => format!("{turns:?}"),
            };
            match &of.check {
                Check::Exact(text) => format!("({:?}, {asked}, \"answer\", {text:?})", of.id),
                Check::Pattern(it) => format!("({:?}, {asked}, \"pattern\", {it:?})", of.id),
            }
        })
        .collect();
    let mut questions = Vec::new();
    let mut first_left_out = None;
    for of in loaded.items {
        match of_own(of, &format, tokenizer) {
            Ok(question) => questions.push(question),
            Err(reason) => {
                first_left_out.get_or_insert(reason);
            }
        }
    }
    if let Some(reason) = first_left_out {
        let n_out = labels.len() - questions.len();
        if questions.is_empty() {
            return Err(Error::spec("--template", reason));
        }
        notes.push(tr!(
            "{n_out} of {} chats are left out: {reason}",
            labels.len(),
            n_out,
            reason
        ));
    }
    Ok(Task {
        questions,
        mark: SourceMark {
            name: shown(path).to_string(),
            template: Some(template_name(&template)),
            sha256: sha256_hex(labels.join("\n").as_bytes()),
            questions: 0,
        },
        stops: format.stops.clone(),
        max_new_tokens: options.max_new_tokens.unwrap_or(OWN_CAP),
        notes,
    })
}

/// The question of an entry of the user's own.
///
/// # Errors
/// Why the template cannot ask it, in words.
fn of_own(
    of: CheckedPrompt,
    format: &Arc<PromptFormat>,
    tokenizer: &Tokenizer,
) -> std::result::Result<Question, String> {
    let (text, prompt, chat) = match of.asking {
        Asking::Prompt(prompt) => (format.around(&prompt), prompt, Vec::new()),
        Asking::Chat(turns) => {
            let named = |reason: String| format!("{}: {reason}", of.id);
            // What is written down is trained on under the same template.
            format.check_chat(&turns).map_err(named)?;
            let text = format.around_chat(&turns).map_err(named)?;
            let last = turns.last().map_or(String::new(), |turn| turn.text.clone());
            (text, last, turns.iter().map(Message::to_json).collect())
        }
    };
    Ok(Question {
        id: of.id,
        prompt,
        chat,
        kind: Kind::Written {
            asked: tokenizer.encode(&text),
            judge: Judge::Own {
                check: of.check,
                format: Arc::clone(format),
            },
        },
    })
}

/// As `gosling tune --template` takes it.
fn template_name(template: &Template) -> String {
    match template {
        Template::File(path) => path.display().to_string(),
        built_in => built_in.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(source: Source, options: &TaskOptions) -> Result<Task> {
        Task::load(&source, options, &Tokenizer::mini().unwrap())
    }

    #[test]
    fn a_benchmark_is_asked_its_training_split_only() {
        for benchmark in Benchmark::ALL {
            let options = TaskOptions {
                shots: 2,
                ..TaskOptions::default()
            };
            let task = task(Source::Benchmark(benchmark), &options).unwrap();
            let train = mini(benchmark, Split::Train).unwrap();
            let ids = |n: usize| (&task.questions[n].id, &train[n].id);
            assert_eq!(task.questions.len(), train.len());
            assert!((0..train.len()).map(ids).all(|(a, b)| a == b));
            let tests = mini(benchmark, Split::Test).unwrap();
            let prompt = |item: &Item| Protocol::Mini.training_texts(item).0;
            assert_eq!(task.questions[0].prompt, prompt(&train[0]));
            assert_ne!(task.questions[0].prompt, prompt(&tests[0]));
        }
    }

    /// The answer of a question would stand in its own prompt.
    #[test]
    fn no_question_stands_in_front_of_itself() {
        for benchmark in [Benchmark::Gsm8k, Benchmark::Mmlu] {
            let items = mini(benchmark, Split::Train).unwrap();
            let solved = solved_for(&items, 5).unwrap();
            for (item, solved) in items.iter().zip(&solved) {
                assert_eq!(solved.len(), 5, "{}", item.id);
                assert!(solved.iter().all(|of| of.id != item.id));
                assert!(solved.iter().all(|of| of.subject() == item.subject()));
            }
        }
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.jsonl");
        std::fs::write(&path, "{\"prompt\": \"2+3?\", \"answer\": \"5\"}\n").unwrap();
        let own = Source::File(path.clone());
        let refused = |source: &Source, options: TaskOptions| {
            task(source.clone(), &options).unwrap_err().to_string()
        };
        let shots = TaskOptions {
            shots: 1,
            ..TaskOptions::default()
        };
        assert!(refused(&own, shots).starts_with("--shots"));
        let template = TaskOptions {
            template: Some(Template::Plain),
            ..TaskOptions::default()
        };
        let arc = Source::Benchmark(Benchmark::Arc);
        assert!(refused(&arc, template).starts_with("--template"));
        let none = Source::File(folder.path().join("none"));
        let message = refused(&none, TaskOptions::default());
        assert!(message.contains("no benchmark of that name"), "{message}");
        let many = TaskOptions {
            shots: 5000,
            ..TaskOptions::default()
        };
        assert!(refused(&arc, many).starts_with("--shots"));
        let task = task(own, &TaskOptions::default()).unwrap();
        assert_eq!(task.mark.template.as_deref(), Some("UserAssistant"));
        assert_eq!(
            (task.questions.len(), &task.stops[..]),
            (1, &["\n\n".into()][..])
        );
        assert_eq!("arc".parse::<Source>().unwrap(), arc);
    }

    #[test]
    fn a_chat_is_asked_as_it_is_trained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.jsonl");
        let line = r#"{"id": "a", "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "2+3?"}], "answer": "5"}"#;
        std::fs::write(&path, format!("{line}\n")).unwrap();
        let own = Source::File(path);
        let asked = |template: Template| {
            let options = TaskOptions {
                template: Some(template),
                ..TaskOptions::default()
            };
            let question = task(own.clone(), &options)?.questions.remove(0);
            let Kind::Written { asked, .. } = question.kind else {
                panic!("options");
            };
            Ok::<_, Error>((Tokenizer::mini().unwrap().decode(&asked), question.chat))
        };
        let (text, chat) = asked(Template::UserAssistant).unwrap();
        let end = "User: Hi\n\nAssistant: Yes?\n\nUser: 2+3?\n\nAssistant:";
        assert!(text.contains("Be short.") && text.ends_with(end), "{text}");
        assert_eq!(chat[2]["weight"], 0);
        assert_eq!(chat[3]["content"], "2+3?");
        for (template, part) in [
            (Template::Plain, "has no form for chats"),
            (Template::Think, "an answer without thoughts"),
        ] {
            let message = asked(template).unwrap_err().to_string();
            assert!(
                message.contains(part) && message.contains("a: "),
                "{message}"
            );
        }
    }
}
