//! Every text of the program has its message in every language, and every message a
//! text: the texts are read from the source and from the tables that hold some.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use polib::message::MessageView;
use regex::Regex;

use super::{Language, in_english, messages, with_context};
use crate::cli::texts_of_help;
use crate::persist::presets::{self, PRESETS};
use crate::protocol::fields::{self, GROUPS};
use crate::sweep::sweep_file::{self, SWEEPS};

const CHINESE: &[u8] = include_bytes!("../../assets/languages/zh.po");

/// A string literal of Rust, plain or raw.
pub(super) const LITERAL: &str = r####"(?:r"[^"]*"|r#".*?"#|"(?:\\.|[^"\\])*")"####;

/// A text with its form for several, if it counts.
type Texts = BTreeMap<String, Option<String>>;

/// What a literal says.
pub(super) fn said(literal: &str) -> String {
    if let Some(raw) = literal.strip_prefix('r') {
        let raw = raw.trim_matches('#');
        return raw[1..raw.len() - 1].to_owned();
    }
    let mut said = String::new();
    let mut rest = literal[1..literal.len() - 1].chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            said.push(c);
            continue;
        }
        match rest.next().unwrap() {
            'n' => said.push('\n'),
            't' => said.push('\t'),
            'u' => {
                let digits: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let code = u32::from_str_radix(&digits, 16).unwrap();
                said.push(char::from_u32(code).unwrap());
            }
            '\n' => while rest.next_if(|c| c.is_whitespace()).is_some() {},
            other => said.push(other),
        }
    }
    said
}

/// The code without its tests and comments; strings stay.
pub(super) fn bare(code: &str) -> String {
    let own = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let either = Regex::new(&format!(r"(?s){LITERAL}|'(?:\\.|[^'\\])'|//[^\n]*")).unwrap();
    let kept = |found: &regex::Captures<'_>| match found[0].starts_with("//") {
        true => String::new(),
        false => found[0].to_owned(),
    };
    either.replace_all(own, kept).into_owned()
}

/// Where the parenthesis that is open at the start closes.
pub(super) fn close(code: &str) -> usize {
    static TOKEN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(&format!(r"(?s){LITERAL}|'(?:\\.|[^'\\])'|[()]")).unwrap());
    let mut depth = 1;
    for found in TOKEN.find_iter(code) {
        match found.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return found.start();
        }
    }
    panic!("no end: {code:.80}");
}

/// The arguments behind a text.
fn arguments(code: &str) -> Vec<String> {
    let token = Regex::new(&format!(
        r"(?s){LITERAL}|'(?:\\.|[^'\\])'|[()\[\]{{}},]|[^,]"
    ))
    .unwrap();
    let (mut found, mut depth) = (vec![String::new()], 0);
    for part in token.find_iter(code) {
        match part.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "," if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().unwrap().push_str(part.as_str());
    }
    let found = found.into_iter().map(|of| of.trim().to_owned());
    found.filter(|of| !of.is_empty()).collect()
}

/// The places of a text for arguments: their names, and numbers for those without.
fn places(text: &str) -> BTreeSet<String> {
    let place = Regex::new(r"\{\{|\}\}|\{(\w*)\}").unwrap();
    let mut next = 0;
    let named = place.captures_iter(text).filter_map(|found| {
        let name = found.get(1)?.as_str();
        if !name.is_empty() {
            return Some(name.to_owned());
        }
        next += 1;
        Some((next - 1).to_string())
    });
    named.collect()
}

/// What is wrong with the arguments of a text.
fn misfit(texts: &[&str], given: &[String], counts: bool) -> Option<String> {
    let name = Regex::new(r"^(\w+)\s*(?:=[^=]|$)").unwrap();
    let names: Vec<Option<String>> = given
        .iter()
        .map(|of| Some(name.captures(of)?[1].to_owned()))
        .collect();
    let mut used = BTreeSet::new();
    for place in texts.iter().flat_map(|text| places(text)) {
        let at = match place.parse::<usize>() {
            Ok(at) => (at < given.len()).then_some(at),
            Err(_) if counts && place == "n" => continue,
            Err(_) => names.iter().position(|of| of.as_ref() == Some(&place)),
        };
        match at {
            Some(at) => used.insert(at),
            None => return Some(format!("{texts:?} has no argument {place}")),
        };
    }
    let unused = (0..given.len()).find(|at| !used.contains(at))?;
    Some(format!("{texts:?} does not use {}", given[unused]))
}

/// The texts of a file, and what is wrong with their arguments.
fn texts_of(code: &str, texts: &mut Texts, wrong: &mut Vec<String>) {
    let code = bare(code);
    let call = Regex::new(r"\b(tr|mark)!\s*\(\s*").unwrap();
    let begin = format!(r"(?s)^({LITERAL})(?:\s*(=>|\|)\s*({LITERAL}))?\s*([,%])?");
    let begin = Regex::new(&begin).unwrap();
    for found in call.find_iter(&code) {
        let inner = &code[found.end()..];
        let inner = &inner[..close(inner)];
        let Some(of) = begin.captures(inner) else {
            wrong.push(format!("no literal in {inner:.60}"));
            continue;
        };
        let first = said(&of[1]);
        let second = of.get(3).map(|of| said(of.as_str()));
        let rest = &inner[of[0].len()..];
        match (of.get(2).map(|of| of.as_str()), second) {
            (Some("=>"), Some(text)) => {
                texts.insert(with_context(&first, &text), None);
            }
            (Some(_), Some(many)) => {
                // The number itself stands first.
                let given: Vec<String> = arguments(rest).into_iter().skip(1).collect();
                wrong.extend(misfit(&[&first, &many], &given, true));
                texts.insert(first, Some(many));
            }
            _ => {
                let is_formatted = of.get(4).is_some() && !rest.trim().is_empty();
                match is_formatted {
                    true => wrong.extend(misfit(&[&first], &arguments(rest), false)),
                    // It is shown as it is.
                    false if places(&first).is_empty() => {}
                    false => wrong.push(format!("{first:?} has no arguments")),
                }
                texts.insert(first, None);
            }
        }
    }
    // What was being done with a file, in the sentence of an error.
    let doing = Regex::new(&format!(r"(?s)\bError::io\(\s*({LITERAL})")).unwrap();
    for found in doing.captures_iter(&code) {
        texts.insert(with_context("doing", &said(&found[1])), None);
    }
}

/// Every file below `folder`, those of tests excepted.
fn read(folder: &Path, codes: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_own = name == "language.rs" || name.ends_with("tests.rs");
        if path.is_dir() && name != "fuzz" && name != "layers" {
            read(&path, codes);
        } else if name.ends_with(".rs") && !is_own {
            codes.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// Every text of the program, and what is wrong with some.
fn texts() -> (Texts, Vec<String>) {
    let (mut texts, mut wrong) = (Texts::new(), Vec::new());
    let mut codes = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&source, &mut codes);
    for code in &codes {
        texts_of(code, &mut texts, &mut wrong);
    }
    let fields = fields::all().flat_map(|of| [of.label, of.hint, of.unit, of.absent]);
    let titles = GROUPS.iter().map(|of| of.title);
    let tables = fields.chain(titles).map(str::to_owned);
    let all = tables.chain(in_english(texts_of_help));
    texts.extend(all.filter(|of| !of.is_empty()).map(|of| (of, None)));
    // What the runs and the sweeps that ship say of themselves.
    let of_runs = PRESETS.iter().map(|(_, text)| presets::about(text));
    let of_sweeps = SWEEPS.iter().map(|(_, text)| sweep_file::about(text));
    texts.extend(of_runs.chain(of_sweeps).map(|of| (of, None)));
    (texts, wrong)
}

/// A message as its file has it.
struct Message {
    many: Option<String>,
    forms: Vec<String>,
}

/// The messages of a file by the keys of their texts.
fn messages_of(file: &[u8]) -> BTreeMap<String, Message> {
    let catalogue = polib::po_file::parse_from_reader(file).unwrap();
    let of = |message: &dyn MessageView| {
        let key = match message.msgctxt() {
            Some(context) if !context.is_empty() => with_context(context, message.msgid()),
            Some(_) | None => message.msgid().to_owned(),
        };
        let message = Message {
            many: message.msgid_plural().ok().map(str::to_owned),
            forms: match message.is_plural() {
                true => message.msgstr_plural().unwrap().clone(),
                false => vec![message.msgstr().unwrap().to_owned()],
            },
        };
        (key, message)
    };
    catalogue.messages().map(of).collect()
}

/// What a translator adds to the file for a text.
fn empty_message(text: &str) -> String {
    let (context, text) = match text.split_once('\u{4}') {
        Some((context, text)) => (format!("msgctxt {context:?}\n"), text),
        None => (String::new(), text),
    };
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    let text = text.replace('\n', r"\n").replace('\t', r"\t");
    format!("{context}msgid \"{text}\"\nmsgstr \"\"\n")
}

#[test]
fn every_text_has_the_arguments_that_it_names() {
    let (texts, wrong) = texts();
    assert!(texts.len() > 1500, "only {} texts were found", texts.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_text_has_a_message_and_every_message_a_text() {
    let (texts, _) = texts();
    let messages = messages_of(CHINESE);
    let is_missing = |text: &&String| !messages.contains_key(*text);
    let missing = texts.keys().filter(is_missing);
    let missing: Vec<String> = missing.map(|text| empty_message(text)).collect();
    assert!(
        missing.is_empty(),
        "add to assets/languages/zh.po:\n\n{}",
        missing.join("\n")
    );
    let is_gone = |text: &&String| !texts.contains_key(*text);
    let gone: Vec<&String> = messages.keys().filter(is_gone).collect();
    assert!(gone.is_empty(), "no text has these messages: {gone:#?}");
}

#[test]
fn every_message_has_its_forms_and_the_places_of_its_text() {
    let (texts, _) = texts();
    let mut wrong = Vec::new();
    for (text, Message { many, forms }) in messages_of(CHINESE) {
        let Some(expected) = texts.get(&text) else {
            continue;
        };
        if *expected != many {
            wrong.push(format!(
                "{text:?} has the plural {many:?}, not {expected:?}"
            ));
        }
        // Chinese has one form for every number.
        if forms.len() != 1 || forms[0].is_empty() {
            wrong.push(format!("{text:?} has no text, or one too many: {forms:?}"));
        }
        let mut wanted = places(&text);
        wanted.extend(many.iter().flat_map(|many| places(many)));
        for form in &forms {
            let has = places(form);
            // The number may be left out where the text says it by itself.
            let counts = many.is_some() && !has.contains("n");
            let wanted: BTreeSet<String> = match counts {
                true => wanted.iter().filter(|of| *of != "n").cloned().collect(),
                false => wanted.clone(),
            };
            if has != wanted {
                wrong.push(format!(
                    "{text:?} has the places {wanted:?}, {form:?} others"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn messages_are_found_by_their_texts_and_what_they_are_about() {
    let file = "msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=UTF-8\\n\"\n\n\
         msgid \"Start\"\nmsgstr \"Los\"\n\n\
         msgctxt \"noun\"\nmsgid \"Start\"\nmsgstr \"Anfang\"\n\n\
         msgid \"one run\"\nmsgid_plural \"{n} runs\"\nmsgstr[0] \"{n} mal\"\n\n\
         msgid \"Stop\"\nmsgstr \"\"\n";
    let found = messages(file.as_bytes());
    for (key, expected) in [
        ("Start", Some("Los")),
        (&with_context("noun", "Start"), Some("Anfang")),
        ("one run", Some("{n} mal")),
        ("Stop", None),
        ("", None),
    ] {
        let found = found.get(key).map(String::as_str);
        // The head of the file stands under no text; what it says is never asked for.
        if !key.is_empty() {
            assert_eq!(found, expected, "{key:?}");
        }
    }
}

#[test]
fn the_scanner_reads_what_a_call_can_be() {
    let code = r##"
        // tr!("a comment")
        let a = tr!("plain \"quoted\" \
                     on {");
        let b = tr!("noun" => "Split");
        let c = tr!("one run in {place}" | "{n} runs in {place}" % f(1, 2), place);
        let d = tr!("{} of {total}, {loss}", g(a, "x,)"), total, loss = format_args!("{l:.2}"));
        const E: &str = mark!(r#"raw "text""#);
        let f = tr!("{} and {}", a);
        let g = tr!("{a}", a, b);
        Error::io("read", path)
    "##;
    let (mut texts, mut wrong) = (Texts::new(), Vec::new());
    texts_of(code, &mut texts, &mut wrong);
    let expected = [
        ("doing\u{4}read", None),
        ("noun\u{4}Split", None),
        ("one run in {place}", Some("{n} runs in {place}")),
        ("plain \"quoted\" on {", None),
        ("raw \"text\"", None),
        ("{a}", None),
        ("{} and {}", None),
        ("{} of {total}, {loss}", None),
    ];
    let expected = expected.map(|(text, many)| (text.to_owned(), many.map(str::to_owned)));
    assert_eq!(texts, Texts::from(expected));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}

#[test]
fn languages_are_known_by_their_tags() {
    for (tag, expected) in [
        ("zh", Some(Language::Chinese)),
        ("zh-CN", Some(Language::Chinese)),
        ("zh_TW.UTF-8", Some(Language::Chinese)),
        ("en-GB", Some(Language::English)),
        ("EN", Some(Language::English)),
        ("de_DE", None),
        ("C", None),
        ("", None),
    ] {
        assert_eq!(Language::of_tag(tag), expected, "{tag}");
    }
    for language in Language::ALL {
        assert_eq!(language.to_string().parse(), Ok(language));
    }
    assert!("fr".parse::<Language>().is_err());
}
