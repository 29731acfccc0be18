use super::example::{Example, Role};
use super::loaded::Loaded;
use super::text::read_text_set;
use super::{LossOn, PromptFormat, Template};
use crate::model::tokenizer::Tokenizer;

fn load(line: &str, format: &PromptFormat) -> Loaded<Example> {
    // A good line in front, so that a bad one is listed.
    let line = format!("{{\"text\": \"x\"}}\n{line}");
    read_text_set(
        "set.jsonl",
        line.as_bytes(),
        format,
        &Tokenizer::mini().unwrap(),
    )
    .unwrap()
}

/// The parts of the only entry.
fn parts(line: &str, template: &Template) -> Vec<(Role, String)> {
    let loaded = load(line, &template.prompt_format().unwrap());
    assert_eq!(loaded.bad_lines, [], "{line}");
    let example = &loaded.items[1];
    let tokenizer = Tokenizer::mini().unwrap();
    let texts = example.places();
    texts
        .map(|(turn, place)| (turn.role, tokenizer.decode(&example.tokens[place])))
        .collect()
}

fn check(line: &str, template: Template, expected: &[(Role, &str)]) {
    let got = parts(line, &template);
    let got: Vec<_> = got
        .iter()
        .map(|(role, text)| (*role, text.as_str()))
        .collect();
    assert_eq!(got, expected, "{line}");
}

fn check_bad(line: &str, template: Template, expected: &str) {
    let loaded = load(line, &template.prompt_format().unwrap());
    let reason = loaded.bad_lines.first().map_or("read", |bad| &bad.reason);
    assert!(reason.contains(expected), "{reason}");
}

use Role::{Assistant, Given, System, User};

const WORLD: Template = Template::UserAssistant;

#[test]
fn chats_of_either_program_become_turns() {
    let expected = [
        (System, "System: Be kind.\n\n"),
        (User, "User: Hi\nthere\n\nAssistant:"),
        (Assistant, " Hello.\nHow are you?\n\n"),
        (User, "User: Fine\n\nAssistant:"),
        (Assistant, " Good\n\n"),
    ];
    let messages = r#"{"messages": [{"role": "system", "content": " Be kind. "},
        {"role": "user", "content": "Hi\r\n\r\n\nthere"},
        {"role": "assistant", "content": "Hello.\n\nHow are you?"},
        {"role": "user", "content": [{"type": "text", "text": "Fine"}]},
        {"role": "assistant", "content": "Good\n"}]}"#
        .replace("\n        ", "");
    check(&messages, WORLD, &expected);
    let conversations = r#"{"id": 3, "system": "Be kind.", "conversations": [
        {"from": "human", "value": "Hi\nthere"},
        {"from": "gpt", "value": "Hello.\nHow are you?"},
        {"from": "human", "value": "Fine"}, {"from": "gpt", "value": "Good"}]}"#
        .replace("\n        ", "");
    check(&conversations, WORLD, &expected);
    // A list in the cell of a table.
    let cell = r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}]"#;
    let table = format!("id,messages\n1,\"{}\"\n", cell.replace('"', "\"\""));
    let format = WORLD.prompt_format().unwrap();
    let tokenizer = Tokenizer::mini().unwrap();
    let read = read_text_set("a.csv", table.as_bytes(), &format, &tokenizer).unwrap();
    let text = tokenizer.decode(&read.items[0].tokens);
    assert_eq!(text, "User: Hi\n\nAssistant: Yo\n\n");
}

#[test]
fn the_other_speakers_are_mapped_and_that_is_told() {
    let line = r#"{"messages": [{"role": "assistant", "content": "I begin"}, {"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "ls"}, {"role": "tool", "content": "file"}, {"role": "assistant", "content": "c"}, {"role": "user", "content": "d"}]}"#;
    check(
        line,
        WORLD,
        &[
            (Given, "Assistant:"),
            (Assistant, " I begin\n\n"),
            (User, "User: a\nb\n\nAssistant:"),
            (Assistant, " ls\n\n"),
            (User, "User: file\n\nAssistant:"),
            (Assistant, " c\n\n"),
        ],
    );
    let notes = load(line, &WORLD.prompt_format().unwrap()).notes;
    assert!(notes[0].starts_with("1 messages of tools are read as turns of the user"));
    assert!(notes[1].starts_with("1 turns stand after the last answer"));
}

#[test]
fn turns_that_cannot_be_used_say_which_and_why() {
    let bad = |turns: &str, expected: &str| {
        check_bad(&format!("{{\"messages\": {turns}}}"), WORLD, expected);
    };
    bad("3", "`messages`: is a number, not a list of turns");
    bad("[]", "no turn of the assistant");
    bad(
        r#"[{"role": "user", "content": "a"}]"#,
        "no turn of the assistant",
    );
    bad(r#"["a"]"#, "turn 1: is a text, not an object");
    bad(r#"[{"content": "a"}]"#, "turn 1: missing field `role`");
    bad(
        r#"[{"role": "narrator", "content": "a"}]"#,
        "`role` is `narrator`; system, user",
    );
    let call = r#"[{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": []}]"#;
    bad(call, "turn 2: calls a tool by `tool_calls` alone");
    let picture = r#"[{"role": "user", "content": [{"type": "image_url"}]}]"#;
    bad(picture, "has a part that is not text (image_url)");
    bad(
        r#"[{"role": "assistant", "content": " "}]"#,
        "of the assistant is empty",
    );
    bad(
        r#"[{"role": "assistant", "content": "a", "weight": 2}]"#,
        "neither 0 nor 1",
    );
    let chat = r#"{"messages": [{"role": "assistant", "content": "a"}]}"#;
    check_bad(
        chat,
        Template::Plain,
        "set data.source.template=UserAssistant",
    );
    check_bad(
        r#"{"conversations": null}"#,
        WORLD,
        "`conversations` is null",
    );
}

#[test]
fn instructions_read_as_their_template_says() {
    let line = r#"{"instruction": "Add.", "input": "1 2", "output": "3", "history": [["q", "a"]]}"#;
    check(
        line,
        WORLD,
        &[
            (User, "User: q\n\nAssistant:"),
            (Assistant, " a\n\n"),
            (User, "User: Add.\n1 2\n\nAssistant:"),
            (Assistant, " 3\n\n"),
        ],
    );
    let plain = r#"{"instruction": "Add.", "input": "", "output": "3"}"#;
    let text = |line: &str| -> String {
        let parts = parts(line, &Template::Alpaca);
        parts.into_iter().map(|(_, text)| text).collect()
    };
    assert!(text(plain).ends_with("### Instruction:\nAdd.\n\n### Response:\n3\n\n"));
    let with_input = r#"{"instruction": "Add.", "input": "1 2", "output": "3"}"#;
    let with_input = text(with_input);
    assert!(with_input.starts_with("Below is an instruction that describes a task, paired with"));
    assert!(with_input.ends_with("\n\n### Input:\n1 2\n\n### Response:\n3\n\n"));
    check_bad(
        r#"{"instruction": "a", "output": ""}"#,
        WORLD,
        "`output` is empty",
    );
}

#[test]
fn thoughts_are_kept_needed_or_dropped() {
    let chat = |answer: &str| format!("{{\"prompt\": \"a\", \"completion\": \"{answer}\"}}");
    let thought = chat("<think>so\\n\\nso</think>\\nyes");
    let answer = |template| parts(&thought, &template)[1].1.clone();
    assert_eq!(answer(WORLD), " <think>so\nso</think>\nyes\n\n");
    assert_eq!(answer(Template::Think), ">so\nso</think>\nyes\n\n");
    assert_eq!(answer(Template::FastThink), ">\nyes\n\n");
    // Both ways of writing it read as the same text.
    for template in [Template::Think, WORLD] {
        let whole: String = parts(&thought, &template)
            .into_iter()
            .map(|it| it.1)
            .collect();
        assert_eq!(
            whole,
            "User: a\n\nAssistant: <think>so\nso</think>\nyes\n\n"
        );
    }
    let apart = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "yes", "reasoning_content": "so"}]}"#;
    let think = parts(apart, &Template::ThinkABit);
    assert_eq!(think[0].1, "User: a (think a bit)\n\nAssistant: <think");
    assert_eq!(think[1].1, ">\nso\n</think>\nyes\n\n");
    check_bad(
        &chat("yes"),
        Template::Think,
        "which the template Think needs",
    );
}

#[test]
fn marks_and_segments_say_what_is_learnt() {
    let line = r#"{"messages": [{"role": "user", "content": "a", "train": true}, {"role": "assistant", "content": "b", "weight": 0}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}"#;
    let tokenizer = Tokenizer::mini().unwrap();
    let loaded = load(line, &WORLD.prompt_format().unwrap());
    let counted = |loss_on| -> Vec<String> {
        let example = &loaded.items[1];
        let places = example.counted(loss_on).into_iter();
        places
            .map(|place| tokenizer.decode(&example.tokens[place]))
            .collect()
    };
    assert_eq!(counted(LossOn::Answer), [" d\n\n"]);
    assert_eq!(counted(LossOn::Marked), ["User: a\n\nAssistant:"]);
    let line = r#"{"segments": [{"text": "q ", "train": false}, {"text": "a", "train": true}, {"text": " r"}]}"#;
    let loaded = load(line, &Template::Plain.prompt_format().unwrap());
    let example = &loaded.items[1];
    assert_eq!(tokenizer.decode(&example.tokens), "q a r");
    for loss_on in [LossOn::Answer, LossOn::Marked] {
        let places = example.counted(loss_on);
        assert_eq!(places.len(), 1);
        assert_eq!(tokenizer.decode(&example.tokens[places[0].clone()]), "a");
    }
    let none = r#"{"segments": [{"text": "a"}]}"#;
    check_bad(none, WORLD, "no segment with \"train\": true");
    check_bad(r#"{"segments": [3]}"#, WORLD, "segment 1: is a number");
}

/// Where a part ends another begins: one who reads the whole text at once gets the
/// same tokens, but for a word that begins with an answer's space.
#[test]
fn the_parts_of_a_chat_are_the_tokens_of_the_whole_text() {
    let tokenizer = Tokenizer::world().unwrap();
    let line = r#"{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Over there!"}, {"role": "user", "content": "Thanks :)"}, {"role": "assistant", "content": "Welcome."}]}"#;
    for template in [WORLD, Template::Alpaca, Template::NoThink] {
        let format = template.prompt_format().unwrap();
        let set = read_text_set("a", line.as_bytes(), &format, &tokenizer).unwrap();
        let tokens = &set.items[0].tokens;
        assert_eq!(
            *tokens,
            tokenizer.encode(&tokenizer.decode(tokens)),
            "{template:?}"
        );
    }
}
