//! The readers of training data, with good files of each form.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::dictionary::{JSON_WORDS, RON_WORDS};
use super::super::engine::Reader;
use super::super::feed::feed;
use super::{check, texts};
use crate::cli::reads_request;
use crate::data::{
    Message, Role, Template, binidx, documents, parse_format, read_checked, read_text_set,
};
use crate::model::tokenizer::Tokenizer;

/// Training sets in every form, plain and packed.
fn text_set_seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts(&[
        "{\"text\":\"a b\"}\n{\"text\":\"\\u00e9\\n\"}\n",
        "{\"prompt\":\"a\\n\\nb\",\"completion\":\"c\"}\n\n{\"prompt\":\"\",\"completion\":\"d\"}",
        "[{\"text\":\"a\"},\n{\"text\":\"b\",\"score\":NaN}]\n",
        "{\n \"text\": \"a\\ud83d\"\n}\n{\n \"text\": \"b\"\n}\n",
        "prompt,completion\r\n\"a, \"\"b\"\"\",c\r\n",
        "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":\"assistant\",\"content\":\"b\\n\\nc\",\"weight\":1,\"reasoning_content\":\"r\"},{\"role\":\"tool\",\"content\":\"t\"}]}\n",
        "{\"system\":\"s\",\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"<think>t</think>b\"}]}\n",
        "{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"<think></think>c\",\"history\":[[\"q\",\"<think>x</think>a\"]]}\n",
        "{\"segments\":[{\"text\":\"a\",\"train\":false},{\"text\":\"b\",\"train\":true}]}\n",
    ]);
    let units = "\u{feff}{\"text\":\"\u{1f600}\"}\n".encode_utf16();
    seeds.push(units.flat_map(u16::to_le_bytes).collect());
    seeds
}

#[test]
fn text_sets() {
    let tokenizer = Tokenizer::mini().unwrap();
    let formats = Template::BUILT_IN.map(|template| template.prompt_format().unwrap());
    check("jsonl", text_set_seeds(), &JSON_WORDS, &|bytes| {
        let mut n_read = 0;
        for format in &formats {
            if let Ok(set) = read_text_set("a.jsonl", bytes, format, &tokenizer) {
                n_read += 1;
                for example in &set.items {
                    let n_tokens: usize = example.turns.iter().map(|turn| turn.n_tokens).sum();
                    assert_eq!(n_tokens, example.n_tokens());
                }
            }
        }
        n_read > 0
    });
}

/// Prompts with what makes answers right, expressions among them.
#[test]
fn checked_prompts() {
    let seeds = texts(&[
        "{\"prompt\":\"2+3?\",\"answer\":5}\n{\"id\":1,\"prompt\":\"a\",\"answer\":\"b\"}\n",
        "{\"prompt\":\"a\",\"pattern\":\"(?i)^\\\\s*(yes|no){1,3}[a-z]\\\\b\"}\n",
        "[{\"prompt\":\"a\",\"completion\":\" b\\n\"}]\n",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n",
    ]);
    check("checked", seeds, &JSON_WORDS, &|bytes| {
        let Ok(set) = read_checked("a.jsonl", bytes) else {
            return false;
        };
        for item in &set.items {
            item.check.is_right("</think> yes, 5\n");
        }
        true
    });
}

#[test]
fn packed_text_sets() {
    let tokenizer = Tokenizer::mini().unwrap();
    let format = Template::UserAssistant.prompt_format().unwrap();
    let mut seeds = text_set_seeds();
    for seed in &mut seeds {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(seed).unwrap();
        *seed = packed.finish().unwrap();
    }
    feed(&Reader {
        name: "gzip",
        seeds,
        words: &[b"\x1f\x8b\x08\0", b"\x01\0\0\xff\xff", b"\x08\x08", b"\0\0"],
        read: &|bytes| {
            let read = read_text_set("a.jsonl.gz", bytes, &format, &tokenizer);
            read.is_ok_and(|set| !set.items.is_empty())
        },
        // A megabyte of text may be packed in a few bytes.
        extra_bytes: 16 << 20,
    });
}

#[test]
fn tokens() {
    let (index, tokens) = binidx(&[&[5, 6, 0], &[7, 0]]);
    let n_index = index.len();
    let seed = [index, tokens].concat();
    check(
        "binidx",
        vec![seed],
        &[b"MMIDIDX\0\0", b"\x08", b"\x04"],
        &|bytes| {
            let (index, tokens) = bytes.split_at(n_index.min(bytes.len()));
            documents(index, tokens, 4096).is_ok_and(|documents| !documents.is_empty())
        },
    );
}

#[test]
fn requests() {
    let seeds = texts(&[
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:8000\r\nContent-Length: 9\r\n\r\n{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stop\":[\"b\"],\"temperature\":0.5,\"max_tokens\":3,\"seed\":1}",
        "POST / HTTP/1.1\r\nAuthorization: Bearer x\r\nOrigin: http://a\r\nExpect: 100-continue\r\n\r\n{\"messages\":[{\"role\":\"assistant\",\"content\":\"<think>x</think>y\"}],\"stream\":true}",
    ]);
    check("request", seeds, &JSON_WORDS, &reads_request);
}

#[test]
fn templates() {
    let seeds = texts(&[
        "(name: \"a\", before: \"Q: \", after: \"\\nA:\", stops: [\"\\n\"])",
        "(name: \"b\", system: (\"\", \"\\n\"), with_input: (\"x\", \"y\"), thought: Needed, one_paragraph: true)",
    ]);
    check("template", seeds, &RON_WORDS, &|bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return false;
        };
        match parse_format(Path::new("a.ron"), text) {
            Ok(format) => {
                let message = Message::new(Role::User, "a\n\nb");
                assert!(format.around_chat(&[message]).is_ok());
                true
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                false
            }
        }
    });
}
