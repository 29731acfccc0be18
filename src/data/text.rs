//! Training sets of the user's own: chats, instructions, prompts and texts, as JSON
//! lines, a JSON array, a table with a header, Parquet, a folder of text files, or
//! tokens.

use std::path::{Path, PathBuf};

use super::binidx::{is_binidx, load_binidx};
use super::chat::{Changes, Entry, Message, NAMES, entry};
use super::example::{Example, Role};
use super::lines::Source;
use super::loaded::Loaded;
use super::prompt_format::PromptFormat;
use super::row::Row;
use super::rows::Rows;
use super::tokens::TokenStore;
use crate::error::{Error, Result};
use crate::model::tokenizer::{END_OF_DOCUMENT, Tokenizer};
use crate::text_file;

/// The largest text file of a folder.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// The most text files of a folder.
const MAX_TEXTS: usize = 100_000;
/// What text files are called.
const TEXT_ENDINGS: [&str; 3] = ["txt", "md", "text"];

/// Reads a training set and tokenises it. Every part of a chat is tokenised for
/// itself, as the parts meet when the state is used: what leads to an answer, and
/// the answer.
///
/// # Errors
/// [`Error::Input`] where no entry can be used; single bad entries are listed in
/// the result.
pub fn load_text_set(
    path: impl AsRef<Path>,
    format: &PromptFormat,
    tokenizer: &Tokenizer,
) -> Result<Loaded<Example>> {
    let path = path.as_ref();
    let mut store = TokenStore::new();
    let mut loaded = Loaded::default();
    if is_binidx(path) {
        loaded = load_binidx(path, tokenizer.vocab_size(), &mut store)?;
    } else if path.is_dir() {
        read_folder(path, tokenizer, &mut store, &mut loaded)?;
    } else {
        let rows = Rows::open(path, false)?;
        read(rows, format, tokenizer, &mut store, &mut loaded)?;
    }
    close(store)?;
    loaded.check(path)
}

/// As [`load_text_set`], of a file that is in memory; `name` stands for it in
/// messages.
///
/// # Errors
/// As [`load_text_set`], less those of the system.
pub fn read_text_set(
    name: impl AsRef<Path>,
    bytes: &[u8],
    format: &PromptFormat,
    tokenizer: &Tokenizer,
) -> Result<Loaded<Example>> {
    let name = name.as_ref();
    let mut loaded = Loaded::default();
    let rows = Rows::Entries(Source::held(name, bytes)?);
    let mut store = TokenStore::new();
    read(rows, format, tokenizer, &mut store, &mut loaded)?;
    close(store)?;
    loaded.check(name)
}

fn close(store: TokenStore) -> Result<()> {
    let closed = store.close();
    closed.map_err(|(folder, source)| Error::io("write to", &folder, source))
}

fn read(
    rows: Rows<'_>,
    format: &PromptFormat,
    tokenizer: &Tokenizer,
    store: &mut TokenStore,
    loaded: &mut Loaded<Example>,
) -> Result<()> {
    let mut changes = Changes::default();
    rows.read(&NAMES, loaded, |_, mut row| {
        let entry = entry(&mut row, &mut changes)?;
        let entry = entry.ok_or_else(|| other_form(&row))?;
        let mut example = example(entry, format, tokenizer)?;
        store.keep(&mut example.tokens);
        Ok(example)
    })?;
    loaded.notes.extend(changes.notes());
    Ok(())
}

fn example(entry: Entry, format: &PromptFormat, tokenizer: &Tokenizer) -> Result<Example, String> {
    let messages = match entry {
        Entry::Text(text) => return Ok(Example::new(Vec::new(), tokenizer.encode(&text))),
        Entry::Segments(segments) => {
            let segments = segments.iter().map(|(text, train)| {
                let role = if *train { Role::Text } else { Role::Given };
                (tokenizer.encode(text), role, Some(*train))
            });
            return Ok(Example::of_turns(segments));
        }
        Entry::Pair(prompt, completion) if format.is_plain() => {
            let prompt = tokenizer.encode(&prompt);
            return Ok(Example::new(prompt, tokenizer.encode(&completion)));
        }
        Entry::Pair(prompt, completion) => vec![
            Message::new(Role::User, prompt),
            Message::new(Role::Assistant, completion),
        ],
        Entry::Chat(_) if format.is_plain() => {
            return Err(tr!("a chat, which the template Plain has no form for; set \
                            data.source.template=UserAssistant, which RWKV-7 was trained with")
            .into());
        }
        Entry::Chat(messages) => messages,
    };
    let parts = format.parts(&messages)?.into_iter();
    Ok(Example::of_turns(parts.map(|part| {
        (tokenizer.encode(&part.text), part.role, part.mark)
    })))
}

/// The text files of a folder and of the folders in it, in the order of their paths.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] where there are too many.
pub(super) fn text_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![folder.to_path_buf()];
    let mut files = Vec::new();
    let mut n_seen = 0;
    while let Some(folder) = folders.pop() {
        let fail = |source| Error::io("read", &folder, source);
        for item in std::fs::read_dir(&folder).map_err(fail)? {
            let item = item.map_err(fail)?;
            n_seen += 1;
            if n_seen > MAX_TEXTS {
                let reason = tr!(
                    "has more than {MAX_TEXTS} files; put them into JSON lines",
                    MAX_TEXTS
                );
                return Err(Error::input(&folder, tr!("folder"), reason));
            }
            let path = item.path();
            // Links may lead in circles.
            let kind = item.file_type().map_err(fail)?;
            let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
            if kind.is_dir() {
                folders.push(path);
            } else if path.is_file() && TEXT_ENDINGS.iter().any(|it| ending == *it) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read_folder(
    folder: &Path,
    tokenizer: &Tokenizer,
    store: &mut TokenStore,
    loaded: &mut Loaded<Example>,
) -> Result<()> {
    let files = text_files(folder)?;
    if files.is_empty() {
        let reason =
            tr!("has no text files (.txt or .md); name a file of data, or a folder with some");
        return Err(Error::input(folder, tr!("folder"), reason));
    }
    for file in files {
        match text_file::read_text(&file, MAX_TEXT_BYTES, tr!("split it")) {
            Ok(text) if text.trim().is_empty() => {
                loaded.reject(&file, 1, tr!("there is nothing in it").into());
            }
            Ok(text) => {
                let text = text.replace("\r\n", "\n");
                let mut text = Example::new(Vec::new(), tokenizer.encode(&text));
                store.keep(&mut text.tokens);
                loaded.items.push(text);
            }
            Err(Error::Input { reason, .. }) => loaded.reject(&file, 1, reason),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// What is said of an entry in another form than those that are read: what it
/// has, and what to do.
fn other_form(row: &Row) -> String {
    let has = |names: &[&str]| names.iter().all(|name| row.has(name));
    let advice = if has(&["sentence", "option1", "option2"]) {
        tr!("; this is WinoGrande, which is read as a benchmark: \
             data.source=Official(benchmark: winogrande, folder: ..)")
    } else if has(&["question", "answerKey"]) {
        tr!("; this is ARC, which is read as a benchmark: \
             data.source=Official(benchmark: arc, folder: ..)")
    } else if has(&["question", "choices", "answer"])
        || has(&["question", "choice1", "answer"])
        || has(&["question", "A", "B", "answer"])
    {
        tr!("; this is MMLU, which is read as a benchmark: \
             data.source=Official(benchmark: mmlu, folder: ..)")
    } else if has(&["question", "answer"]) {
        tr!(
            "; GSM8K is read as a benchmark, data.source=Official(benchmark: gsm8k, \
             folder: ..); else call them `prompt` and `completion`"
        )
    } else {
        ""
    };
    let nulls = NAMES.iter().filter(|name| row.is_null(name));
    let nulls: String = nulls.map(|name| tr!("; `{name}` is null", name)).collect();
    let names = row.names();
    tr!(
        "a line has `messages`, `conversations`, `instruction` and `output`, \
         `prompt` and `completion`, `segments`, or `text`; this one has \
         {names}{advice}{nulls}",
        names,
        advice,
        nulls
    )
}

/// What the user should know where examples do not end in a blank line or in token
/// 0: nothing is learned of where to stop. None where all do.
pub fn endless_note(examples: &[Example], tokenizer: &Tokenizer) -> Option<String> {
    let n_endless = examples
        .iter()
        .filter(|example| !has_end(example, tokenizer))
        .count();
    (n_endless > 0).then(|| {
        tr!(
            "{n_endless} of {} examples end in neither a blank line nor token 0, so the \
             model does not learn where to stop; end them with \\n\\n, or set \
             data.append_end=true, which puts token 0 after every example",
            examples.len(),
            n_endless
        )
    })
}

fn has_end(example: &Example, tokenizer: &Tokenizer) -> bool {
    let last = example.tokens.last();
    if last == Some(&END_OF_DOCUMENT) {
        return true;
    }
    // A token that ends in two line ends, or two that end in one each.
    let end = &example.tokens[example.n_tokens().saturating_sub(2)..];
    tokenizer.decode_bytes(end).ends_with(b"\n\n")
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
