//! A server on this machine that plays what real ones do, and what they do wrong.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::*;
use crate::adapt::guide::played::{Behave, Played, always, play, send};
use crate::adapt::spec::GuideApi;
use crate::data::{Benchmark, Protocol, Split, mini, mini_few_shot};
use crate::model::TextStart;
use crate::model::tokenizer::Tokenizer;

/// Replies as the servers' documentation has them, each with the answer 7.
const COMPLETION: &str = r#"{"id":"c","object":"text_completion","model":"m","choices":[{"index":0,"text":" 3+4 = 7\n#### 7","logprobs":{"content":[{"token":" 3","logprob":-0.1}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":5,"total_tokens":16}}"#;
const CHAT: &str = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"3+4 = 7\n#### 7","reasoning_content":"Hmm. #### 9"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":5}}"#;
const OLLAMA: &str = r##"{"model":"m","created_at":"2026-01-01T00:00:00Z","response":"3+4 = 7\n#### 7","done":true,"done_reason":"stop","prompt_eval_count":11,"eval_count":5}"##;
const RESPONSES: &str = r##"{"id":"r","object":"response","output":[{"type":"reasoning","summary":[]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"3+4 = 7\n#### 7","logprobs":[]}]}],"usage":{"input_tokens":11,"output_tokens":5}}"##;

struct World {
    tokenizer: Tokenizer,
    questions: Vec<Question>,
    solved: Vec<Item>,
}

impl World {
    fn new(n: usize) -> Self {
        let items = mini(Benchmark::Gsm8k, Split::Validation).unwrap();
        Self {
            tokenizer: Tokenizer::mini().unwrap(),
            questions: items[..n].iter().map(Question::of).collect(),
            solved: mini_few_shot(Benchmark::Gsm8k, 2).unwrap(),
        }
    }

    fn prompts(&self) -> Prompts<'_> {
        Prompts {
            tokenizer: &self.tokenizer,
            protocol: Protocol::Mini,
            text_start: TextStart::Zero,
            stops: &["\n\n"],
            max_new_tokens: 60,
        }
    }

    fn ask(&self, spec: &HttpSpec, known: &[GuideText]) -> Result<ServerTexts> {
        let guide = HttpGuide::new(spec, &self.solved)?.impatient();
        let mut kept = Vec::new();
        let mut keep = |text: &GuideText| {
            kept.push(text.clone());
            Ok(())
        };
        let asked = guide.ask(
            &self.prompts(),
            &self.questions,
            known,
            &mut keep,
            &mut || Ok(()),
        );
        if let Ok(asked) = &asked {
            // All that is used was written down or known.
            assert_eq!(asked.texts.len(), kept.len() + known.len());
        }
        asked
    }
}

fn spec(played: &Played, api: GuideApi) -> HttpSpec {
    HttpSpec {
        base_url: played.url.clone(),
        model: "m".into(),
        api,
        timeout_secs: 5.0,
        retries: 2,
        ..HttpSpec::default()
    }
}

#[test]
fn every_dialect_gives_its_text() {
    let world = World::new(3);
    for (api, body, route, has) in [
        (
            GuideApi::Completions,
            COMPLETION,
            "/v1/completions",
            "\"prompt\":\"Question: ",
        ),
        (
            GuideApi::Chat,
            CHAT,
            "/v1/chat/completions",
            "\"role\":\"system\"",
        ),
        (
            GuideApi::OllamaGenerate,
            OLLAMA,
            "/v1/api/generate",
            "\"num_predict\":512",
        ),
        (
            GuideApi::Responses,
            RESPONSES,
            "/v1/responses",
            "\"max_output_tokens\":512",
        ),
    ] {
        let played = play(always(body));
        let asked = world.ask(&spec(&played, api), &[]).unwrap();
        assert_eq!(asked.notes, Vec::<String>::new(), "{api:?}");
        assert_eq!(asked.texts.len(), 3);
        for text in &asked.texts {
            assert_eq!(text.text, "3+4 = 7\n#### 7", "{api:?}");
            assert_eq!(text.answer.as_deref(), Some("7"));
            assert_eq!(text.n_tokens, 16);
            assert!(!text.tokens.is_empty());
        }
        let requests = played.requests.lock().unwrap();
        assert_eq!(requests.len(), 3);
        assert!(
            requests[0].starts_with(&format!("POST {route} ")),
            "{}",
            requests[0]
        );
        assert!(requests[0].contains(has), "{}", requests[0]);
        // Nothing is asked twice.
        drop(requests);
        let again = world.ask(&spec(&played, api), &asked.texts).unwrap();
        assert_eq!(again.texts.len(), 3);
        assert_eq!(played.requests.lock().unwrap().len(), 3);
    }
}

#[test]
fn a_key_comes_from_the_environment_and_goes_to_the_server_alone() {
    let world = World::new(1);
    let played = play(always(COMPLETION));
    let mut spec = spec(&played, GuideApi::Completions);
    // Any variable that every machine has.
    spec.key_env = Some("PATH".into());
    let asked = world.ask(&spec, &[]).unwrap();
    let key = std::env::var("PATH").unwrap();
    let requests = played.requests.lock().unwrap();
    assert!(requests[0].to_lowercase().contains("authorization: bearer"));
    assert!(requests[0].contains(key.trim()));
    assert!(!format!("{asked:?}").contains(&key));
}

#[test]
fn trouble_that_passes_is_waited_for() {
    let world = World::new(1);
    let played = play(Box::new(|n, _, stream| match n {
        0 => send(stream, "500 Internal Server Error", "oops"),
        // A connection that is cut in the middle of its body.
        1 => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"cho");
        }
        _ => send(stream, "200 OK", COMPLETION),
    }));
    let asked = world
        .ask(&spec(&played, GuideApi::Completions), &[])
        .unwrap();
    assert_eq!(asked.texts[0].answer.as_deref(), Some("7"));
    assert_eq!(played.requests.lock().unwrap().len(), 3);
}

#[test]
fn a_server_that_dies_ends_nothing() {
    let world = World::new(12);
    let played = play(Box::new(|n, _, stream| {
        if n < 2 {
            send(stream, "200 OK", COMPLETION);
        }
        // Else the connection is dropped.
    }));
    let mut spec = spec(&played, GuideApi::Completions);
    (spec.parallel, spec.retries) = (1, 1);
    let asked = world.ask(&spec, &[]).unwrap();
    assert_eq!(asked.texts.len(), 2);
    assert!(
        asked.notes[0].contains("5 times in a row; 5 questions were not asked"),
        "{:?}",
        asked.notes
    );
}

#[test]
fn a_server_that_stalls_is_left_after_its_time() {
    let world = World::new(1);
    let played = play(Box::new(|_, _, _| {
        std::thread::sleep(Duration::from_secs(20))
    }));
    let mut spec = spec(&played, GuideApi::Completions);
    (spec.timeout_secs, spec.retries) = (0.3, 0);
    let begun = std::time::Instant::now();
    let asked = world.ask(&spec, &[]).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(asked.texts.is_empty());
    assert!(
        asked.notes[0].contains("gave no answer in 0.3 s"),
        "{:?}",
        asked.notes
    );
}

/// A byte now and then is no answer: the time is that of the whole reply, as it would be
/// of one that takes ten minutes.
#[test]
fn a_server_that_drips_is_left_after_its_time() {
    let world = World::new(1);
    let played = play(Box::new(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for _ in 0..400 {
            if stream.write_all(b" ").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }));
    let mut spec = spec(&played, GuideApi::Completions);
    (spec.timeout_secs, spec.retries) = (0.5, 0);
    let begun = std::time::Instant::now();
    let asked = world.ask(&spec, &[]).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert!(asked.texts.is_empty());
    assert!(
        asked.notes[0].contains("gave no answer in 0.5 s"),
        "{:?}",
        asked.notes
    );
}

#[test]
fn an_interrupt_is_heard_while_a_server_stalls() {
    let world = World::new(1);
    let (sender, receiver) = channel::<()>();
    let receiver = Mutex::new(receiver);
    let played = play(Box::new(move |_, _, _| {
        let _ = receiver.lock().unwrap().recv();
    }));
    let spec = spec(&played, GuideApi::Completions);
    let guide = HttpGuide::new(&spec, &world.solved).unwrap();
    let begun = std::time::Instant::now();
    let error = guide.ask(
        &world.prompts(),
        &world.questions,
        &[],
        &mut |_| Ok(()),
        &mut || match begun.elapsed() > Duration::from_millis(150) {
            true => Err(Error::Stopped),
            false => Ok(()),
        },
    );
    assert!(matches!(error, Err(Error::Stopped)));
    assert!(begun.elapsed() < Duration::from_secs(3));
    drop(sender);
}

#[test]
fn lies_and_nonsense_leave_a_question_unguided() {
    let world = World::new(2);
    let check = |body: String, want: &str| {
        let played = play(Box::new(move |_, _, stream| send(stream, "200 OK", &body)));
        let mut spec = spec(&played, GuideApi::Completions);
        spec.retries = 0;
        let asked = world.ask(&spec, &[]).unwrap();
        assert!(
            asked.texts.iter().all(|text| text.tokens.is_empty()),
            "{want}"
        );
        assert!(
            asked.notes.iter().any(|note| note.contains(want)),
            "{:?}",
            asked.notes
        );
    };
    let with = |text: &str| {
        let text = serde_json::Value::from(text);
        format!("{{\"choices\":[{{\"text\":{text}}}]}}")
    };
    check(with(""), "its text is empty");
    check(
        with("Es sind sieben."),
        "its text has no answer that can be read",
    );
    check(
        with(&"la ".repeat(400)),
        "its text has no answer that can be read",
    );
    check(
        with(&("la ".repeat(400) + "#### 7")),
        "its text is longer than an answer may be",
    );
    check("{}".into(), "answers with no text");
    check("<html>".into(), "answers with no JSON");
    check(with(&"x".repeat(10 << 20)), "more than 4 MiB");
}

#[test]
fn what_would_never_work_is_said_at_once() {
    let world = World::new(2);
    let refused = |status: &'static str| {
        let played = play(Box::new(move |_, _, stream| {
            send(stream, status, "{\"error\":\"no\"}")
        }));
        let error = world
            .ask(&spec(&played, GuideApi::Completions), &[])
            .unwrap_err();
        error.to_string()
    };
    assert!(refused("401 Unauthorized").contains("refuses the key"));
    assert!(refused("404 Not Found").contains("answered with status 404"));
    // A server that sends questions elsewhere is not followed.
    assert!(refused("307 Temporary Redirect").contains("answered with status 307"));
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let spec = HttpSpec {
        base_url: format!("http://{nobody}/v1"),
        ..HttpSpec::default()
    };
    let guide = HttpGuide::new(&spec, &world.solved).unwrap();
    let error = guide
        .probe(&world.prompts(), &world.questions[0])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot be reached; is the server running?"),
        "{error}"
    );
}

#[test]
fn a_probe_says_what_a_server_gives() {
    let world = World::new(1);
    let probe = |behave: Box<Behave>| {
        let played = play(behave);
        let spec = spec(&played, GuideApi::Completions);
        let guide = HttpGuide::new(&spec, &world.solved).unwrap();
        guide.probe(&world.prompts(), &world.questions[0]).unwrap()
    };
    assert!(probe(always(COMPLETION)).contains("text and probabilities"));
    let plain = r#"{"choices":[{"text":" 7"}]}"#;
    assert!(probe(always(plain)).ends_with("gives text"));
    // A server that refuses to be asked for probabilities.
    let refuses = probe(Box::new(|_, request, stream| {
        match request.contains("logprobs") {
            true => send(stream, "400 Bad Request", "{}"),
            false => send(stream, "200 OK", r#"{"choices":[{"text":" 7"}]}"#),
        }
    }));
    assert!(refuses.ends_with("gives text"), "{refuses}");
}
