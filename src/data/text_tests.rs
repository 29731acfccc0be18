use super::*;
use crate::data::{LossOn, Template};

fn load(line: &str, template: Template) -> Loaded<Example> {
    let mut loaded = Loaded::default();
    let rows = Rows::Entries(Source::held("set.jsonl", line.as_bytes()).unwrap());
    let format = template.prompt_format().unwrap();
    let (mut store, tokenizer) = (TokenStore::new(), Tokenizer::mini().unwrap());
    read(rows, &format, &tokenizer, &mut store, &mut loaded).unwrap();
    store.close().unwrap();
    loaded
}

fn check(line: &str, template: Template, context: &str, target: &str) {
    let tokenizer = Tokenizer::mini().unwrap();
    let example = &load(line, template).items[0];
    let n_target = example.n_counted(LossOn::Answer);
    let (left, right) = example.tokens.split_at(example.n_tokens() - n_target);
    assert_eq!(
        (tokenizer.decode(left), tokenizer.decode(right)),
        (context.into(), target.into())
    );
}

#[test]
fn lines_become_context_and_target() {
    let text = r#"{"text": " a b\n", "id": 7}"#;
    check(text, Template::Plain, "", " a b\n");
    check(text, Template::UserAssistant, "", " a b\n");
    let pair = r#"{"prompt": " hi\n\n\nthere\r\n\r\nyou ", "completion": " yes\n\nno\n"}"#;
    let plain = " hi\n\n\nthere\r\n\r\nyou ";
    check(pair, Template::Plain, plain, " yes\n\nno\n");
    let chat = "User: hi\nthere\nyou\n\nAssistant:";
    check(pair, Template::UserAssistant, chat, " yes\nno\n\n");
    let unprompted = r#"{"prompt": "", "completion": "x"}"#;
    check(unprompted, Template::Plain, "", "x");
}

fn check_bad(line: &str, expected: &str) {
    assert_eq!(load(line, Template::Plain).bad_lines[0].reason, expected);
}

#[test]
fn unusable_lines_say_why() {
    let either = |has: &str| {
        format!(
            "a line has `messages`, `conversations`, `instruction` and `output`, `prompt` and \
             `completion`, `segments`, or `text`; this one has {has}"
        )
    };
    check_bad("{}", &either("no fields"));
    check_bad(r#"{"prompt": "a"}"#, &either("`prompt`"));
    check_bad(
        r#"{"text": "a", "prompt": "a", "completion": "b"}"#,
        &either("`completion`, `prompt`, `text`"),
    );
    check_bad(r#"{"text": ""}"#, "`text` is empty");
    let empty = "`completion` is empty";
    check_bad(r#"{"prompt": "a", "completion": " \n"}"#, empty);
    check_bad(r#"{"text": ["a"]}"#, "`text` is a list, not a text");
}

#[test]
fn forms_of_other_programs_are_named() {
    let check = |line: &str, expected: &str| {
        let reason = &load(line, Template::Plain).bad_lines[0].reason;
        assert!(reason.contains(expected), "{reason}");
    };
    check(
        r#"{"question": "a", "answer": "b"}"#,
        "GSM8K is read as a benchmark",
    );
    check(
        r#"{"question": "a", "choices": [], "answer": 1}"#,
        "this is MMLU",
    );
    check(
        r#"{"question": "a", "A": "b", "B": "c", "answer": 1}"#,
        "this is MMLU",
    );
    check(r#"{"question": {}, "answerKey": "A"}"#, "this is ARC");
    check(
        r#"{"sentence": "a", "option1": "b", "option2": "c"}"#,
        "this is WinoGrande",
    );
}

#[test]
fn lists_of_texts_are_no_entries() {
    let loaded = load("[\"a\", \"b\", \"c\"]", Template::Plain);
    assert_eq!(loaded.items, []);
    let loaded = load("{\"text\": \"a\"}\n[\"b\", null, null]", Template::Plain);
    assert_eq!((loaded.items.len(), loaded.n_bad_lines), (1, 1));
}

#[test]
fn other_forms_of_the_same_entries_are_read_alike() {
    let lines = "{\"prompt\": \"a, b\", \"completion\": \" c\\n\\n\"}\n\
                 {\"prompt\": \"\", \"completion\": \" d\"}\n";
    let expected = load(lines, Template::Plain);
    assert_eq!(expected.items.len(), 2);
    let array = format!("[{}]", lines.trim().replace("}\n{", "},\n{"));
    let pretty = lines.replace("{", "{\n  ").replace("}", "\n}");
    let table = "prompt,completion\r\n\"a, b\",\" c\n\n\"\r\n, d\r\n";
    for text in [array.as_str(), &pretty, table] {
        let got = load(text, Template::Plain);
        assert_eq!(got.items, expected.items, "{text}");
        assert_eq!(got.bad_lines, [], "{text}");
    }
}

#[test]
fn fields_that_are_not_used_may_be_anything_python_writes() {
    let loaded = load("{\"text\": \"a\", \"score\": NaN}", Template::Plain);
    assert_eq!(loaded.items.len(), 1);
    let loaded = load("{\"text\": NaN}", Template::Plain);
    assert!(loaded.bad_lines[0].reason.ends_with("; `text` is null"));
}

#[test]
fn examples_without_an_end_are_counted() {
    let tokenizer = Tokenizer::mini().unwrap();
    let check = |lines: &str, n_endless: Option<&str>| {
        let note = endless_note(&load(lines, Template::Plain).items, &tokenizer);
        let n = note
            .as_deref()
            .and_then(|note| note.split(" examples").next());
        assert_eq!(n, n_endless, "{lines}");
    };
    let [ended, endless] = [r#"{"text": "a\n\n"}"#, r#"{"text": "a\n"}"#];
    check(ended, None);
    check(&format!("{ended}\n{endless}\n{endless}"), Some("2 of 3"));
    let mut example = load(endless, Template::Plain).items.remove(0);
    example.append_end();
    assert_eq!(endless_note(&[example], &tokenizer), None);
    let chat = r#"{"prompt": "a", "completion": "b"}"#;
    let examples = load(chat, Template::UserAssistant).items;
    assert_eq!(endless_note(&examples, &tokenizer), None);
}

#[test]
fn a_set_without_a_usable_line_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.jsonl");
    std::fs::write(&path, "{}\n").unwrap();
    let tokenizer = Tokenizer::mini().unwrap();
    let format = Template::Plain.prompt_format().unwrap();
    let error = load_text_set(&path, &format, &tokenizer).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("set.jsonl: line 1: a line has `messages`")
    );
    let error = load_text_set("no/set.jsonl", &format, &tokenizer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open no/set.jsonl: no such file or folder"
    );
}

#[test]
fn a_folder_of_texts_is_a_set() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::mini().unwrap();
    let format = Template::UserAssistant.prompt_format().unwrap();
    let load = || load_text_set(folder.path(), &format, &tokenizer);
    let message = load().unwrap_err().to_string();
    assert!(message.contains("has no text files"), "{message}");
    std::fs::create_dir(folder.path().join("more")).unwrap();
    let utf16: Vec<u8> = "\u{feff}second"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (name, bytes) in [
        ("b.txt", &utf16[..]),
        ("a.txt", b"\xef\xbb\xbffirst\r\nline\r\n"),
        ("more/c.MD", b"third"),
        ("empty.txt", b" \n"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n\0\0"),
        ("d.bin", b"not read"),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let loaded = load().unwrap();
    let texts = loaded
        .items
        .iter()
        .map(|item| tokenizer.decode(&item.tokens));
    assert_eq!(
        texts.collect::<Vec<_>>(),
        ["first\nline\n", "second", "third"]
    );
    let reasons: Vec<_> = loaded
        .bad_lines
        .iter()
        .map(|bad| bad.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "there is nothing in it",
            "is a picture, where text is needed"
        ]
    );
}
