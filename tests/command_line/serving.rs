//! `gosling serve` as chat clients use it, and as careless ones do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{check_refused, folder, gosling, texts};

/// A server with the mini model and a state of zeros.
struct Server {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(options: &str) -> Self {
        let folder = folder();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gosling"))
            .env("GOSLING_LANGUAGE", "en")
            .args("serve --device cpu --listen 127.0.0.1:0 --state mini.safetensors".split(' '))
            .args(options.split_whitespace())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap_or_default();
        let address = address.split('/').next().unwrap_or_default().to_owned();
        assert!(line.starts_with("serving mini, untuned on "), "{line}");
        Self {
            child,
            address,
            folder,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// The status and the body of an answer.
    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn post(&self, path: &str, headers: &str, body: &Value) -> (u16, String) {
        self.ask(&post(path, headers, body))
    }

    fn chat(&self, body: &Value) -> (u16, Value) {
        let (status, text) = self.post("/v1/chat/completions", "", body);
        (status, serde_json::from_str(&text).unwrap())
    }
}

fn post(path: &str, headers: &str, body: &Value) -> String {
    let body = body.to_string();
    let n = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {n}\r\n\r\n{body}")
}

fn hello(more: Value) -> Value {
    let mut body = json!({
        "messages": [{ "role": "user", "content": "What is 2+3?" }],
        "temperature": 0,
        "max_tokens": 8,
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn chat_clients_are_answered_as_gosling_writes() {
    let server = Server::start("");
    let (status, models) = server.ask("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let models: Value = serde_json::from_str(&models).unwrap();
    let names: Vec<_> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(
        (status, names),
        (200, vec![&json!("mini"), &json!("untuned")])
    );

    let (status, answer) = server.chat(&hello(json!({ "model": "untuned" })));
    assert_eq!(status, 200, "{answer}");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let mut generate = Command::new(env!("CARGO_BIN_EXE_gosling"));
    generate.env("GOSLING_LANGUAGE", "en");
    generate.args([
        "generate",
        "--device",
        "cpu",
        "--max-tokens",
        "8",
        "--stop",
        "\\n\\n",
        "-e",
    ]);
    let output = generate
        .arg("User: What is 2+3?\\n\\nAssistant:")
        .output()
        .unwrap();
    assert_eq!(texts(&output).0.trim_start(), text);
    // The stop text may end it before the limit.
    let n_written = answer["usage"]["completion_tokens"].as_u64().unwrap();
    assert!((1..=8).contains(&n_written), "{answer}");

    // The same part by part.
    let body = hello(json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let (status, events) = server.post("/v1/chat/completions", "", &body);
    assert_eq!(status, 200);
    let events: Vec<&str> = events
        .split("\n\n")
        .filter_map(|it| it.strip_prefix("data: "))
        .collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let events = events[..events.len() - 1].iter();
    let events: Vec<Value> = events
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let parts = events
        .iter()
        .filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
    // A state of zeros is the untuned model, but for what stands in front of texts: the file
    // does not say, so that is token 0 for both.
    assert_eq!(parts.collect::<String>(), text);
    assert_eq!(
        events.last().unwrap()["usage"]["completion_tokens"],
        n_written
    );

    let body =
        json!({ "prompt": "Question: What is 2+3?\nAnswer:", "temperature": 0, "max_tokens": 3 });
    let (status, completion) = server.post("/v1/completions", "", &body);
    let completion: Value = serde_json::from_str(&completion).unwrap();
    assert_eq!(
        (status, &completion["object"]),
        (200, &json!("text_completion"))
    );
    assert_eq!(completion["choices"][0]["finish_reason"], "length");
    assert_eq!(completion["usage"]["completion_tokens"], 3);
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let server = Server::start("--max-tokens 4");
    let fault = |body: &Value, status: u16, words: &str| {
        let (got, answer) = server.chat(body);
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(got == status && message.contains(words), "{got} {answer}");
    };
    fault(
        &hello(json!({ "model": "gpt" })),
        404,
        "there is no model `gpt`; there are mini, untuned",
    );
    fault(&json!({}), 400, "`messages`");
    fault(
        &hello(json!({ "temperature": -1 })),
        400,
        "temperature: must be above 0",
    );
    let (status, _) = server.ask("GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(status, 404);
    let (status, _) = server.ask("GET /v1/completions HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(status, 405);
    // More than the server allows is cut.
    let (_, answer) = server.chat(&hello(json!({ "max_tokens": 100 })));
    assert_eq!(answer["usage"]["completion_tokens"], 4);
}

#[test]
fn only_those_who_may_are_answered() {
    let server = Server::start("--token secret --allow-origin http://localhost:3000");
    let status = |headers: &str| {
        server
            .post("/v1/chat/completions", headers, &hello(json!({})))
            .0
    };
    assert_eq!(status(""), 401);
    assert_eq!(status("Authorization: Bearer secre\r\n"), 401);
    assert_eq!(status("Authorization: Bearer secret\r\n"), 200);
    let origin = |origin: &str| {
        status(&format!(
            "Authorization: Bearer secret\r\nOrigin: {origin}\r\n"
        ))
    };
    assert_eq!(
        (
            origin("http://evil.example"),
            origin("http://localhost:3000")
        ),
        (403, 200)
    );
    // A name that was made to lead here.
    let (status, _) = server.ask("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(status, 403);
    let preflight =
        "OPTIONS /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\r\n";
    assert_eq!(server.ask(preflight).0, 204);
    let folder = folder();
    let line = "--listen: 0.0.0.0 can be reached from other machines; add --public";
    check_refused(folder.path(), "serve --listen 0.0.0.0:0", 2, line);
    let output = gosling(folder.path(), "serve --listen here");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn slow_and_vanished_clients_keep_nobody_waiting() {
    let server = Server::start("");
    // One that never ends its request, and one that sends nothing at all.
    let mut slow = server.connect();
    slow.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: local")
        .unwrap();
    let silent = server.connect();
    // One that goes while its answer is written.
    for _ in 0..3 {
        let mut vanished = server.connect();
        let body = hello(json!({ "stream": true, "max_tokens": 2000, "stop": "never" }));
        vanished
            .write_all(post("/v1/chat/completions", "", &body).as_bytes())
            .unwrap();
        let mut first = [0; 64];
        assert!(vanished.read(&mut first).unwrap() > 0);
    }
    // And one that asks for a whole answer and goes.
    let mut vanished = server.connect();
    let body = hello(json!({ "max_tokens": 2000 }));
    vanished
        .write_all(post("/v1/chat/completions", "", &body).as_bytes())
        .unwrap();
    drop(vanished);
    let (status, answer) = server.chat(&hello(json!({})));
    assert_eq!(status, 200, "{answer}");
    // Larger than it may be.
    let large =
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(server.ask(large).0, 413);
    assert_eq!(server.ask("\x16\x03\x01 no HTTP\r\n\r\n").0, 400);
    drop((slow, silent));
    assert!(server.folder.path().is_dir());
}
