//! What connections are answered, and how each is.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::engine::{AnswerPart, Job, MAX_STALL};
use super::http::{Refusal, Request, begin_events, read_request, respond, send_event};
use super::openai::{self, Answer, CompletionRequest, Prompt};
use crate::data::PromptFormat;

/// Connections that are open at once.
const MAX_CONNECTIONS: usize = 64;
/// How long a request may take to arrive.
const MAX_ARRIVAL: Duration = Duration::from_secs(30);
/// Parts of an answer that wait for a client.
const MAX_PARTS: usize = 64;

/// What connections share.
pub(super) struct Front {
    pub names: Vec<String>,
    pub formats: Vec<PromptFormat>,
    pub jobs: Sender<Job>,
    pub token: Option<String>,
    pub origins: Vec<String>,
    pub is_loopback: bool,
    pub max_tokens: usize,
    pub max_secs: u64,
    pub n_answered: AtomicUsize,
}

/// Answers every connection on a thread of its own.
pub(super) fn accept(listener: &TcpListener, front: &Arc<Front>) {
    let n_open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        // One that is gone already.
        let Ok(mut stream) = stream else { continue };
        let times = [
            stream.set_read_timeout(Some(MAX_STALL)),
            stream.set_write_timeout(Some(MAX_STALL)),
            stream.set_nodelay(true),
        ];
        if times.into_iter().any(|set| set.is_err()) {
            continue;
        }
        if n_open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            n_open.fetch_sub(1, Ordering::SeqCst);
            let refusal = Refusal::new(503, "too many connections");
            let _ = respond(&mut stream, refusal.status, &openai::error(&refusal), None);
            continue;
        }
        let (front, n_open) = (front.clone(), n_open.clone());
        thread::spawn(move || {
            front.serve(&mut stream);
            n_open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl Front {
    /// Answers the request of a connection. What cannot be written any more is not.
    fn serve(&self, stream: &mut TcpStream) {
        let request = match read_request(stream, Instant::now() + MAX_ARRIVAL) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(refusal) => {
                let _ = respond(stream, refusal.status, &openai::error(&refusal), None);
                return;
            }
        };
        let origin = request
            .origin
            .clone()
            .filter(|it| self.origins.contains(it));
        let origin = origin.as_deref();
        let answered = self.check(&request).and_then(|()| {
            match (request.method.as_str(), request.path.as_str()) {
                ("OPTIONS", _) => Ok(Some((204, String::new()))),
                ("GET", "/v1/models") => Ok(Some((200, openai::models(&self.names, now())))),
                ("GET", "/" | "/health") => Ok(Some((200, "{\"status\": \"ok\"}".into()))),
                ("POST", "/v1/chat/completions") => self.complete(&request, true, stream, origin),
                ("POST", "/v1/completions") => self.complete(&request, false, stream, origin),
                (_, "/v1/models" | "/v1/chat/completions" | "/v1/completions") => {
                    Err(Refusal::new(405, "this route needs another method"))
                }
                _ => Err(Refusal::new(
                    404,
                    "no such route; there are /v1/models, /v1/chat/completions and /v1/completions",
                )),
            }
        });
        let written = match answered {
            Ok(Some((status, body))) => respond(stream, status, &body, origin),
            Ok(None) => Ok(()),
            Err(refusal) => respond(stream, refusal.status, &openai::error(&refusal), origin),
        };
        // The client has gone.
        let _ = written;
    }

    /// Whether the one who asks may.
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        // A web page anywhere may send its visitors' programs here, by this address or by
        // a name that leads to it.
        if let Some(origin) = &request.origin
            && !self.origins.contains(origin)
        {
            let reason = format!(
                "web pages of {origin} are not allowed; start the server with --allow-origin"
            );
            return Err(Refusal::new(403, reason));
        }
        if self.is_loopback && !request.host.as_deref().is_none_or(is_loopback_host) {
            return Err(Refusal::new(403, "use the host localhost or 127.0.0.1"));
        }
        let Some(token) = self.token.as_ref().filter(|_| request.method != "OPTIONS") else {
            return Ok(());
        };
        let sent = request.authorization.as_deref().unwrap_or_default();
        let sent = sent.strip_prefix("Bearer ").unwrap_or_default();
        match is_equal(sent.as_bytes(), token.as_bytes()) {
            true => Ok(()),
            false => Err(Refusal::new(401, "a valid bearer token is needed")),
        }
    }

    /// Answers a prompt; the whole answer, unless it was written part by part.
    fn complete(
        &self,
        request: &Request,
        is_chat: bool,
        stream: &mut TcpStream,
        origin: Option<&str>,
    ) -> Result<Option<(u16, String)>, Refusal> {
        let number = self.n_answered.fetch_add(1, Ordering::SeqCst) as u64;
        let completion = CompletionRequest::parse(&request.body, is_chat, now() ^ (number << 32))?;
        let choice = match &completion.model {
            None => 0,
            Some(name) => {
                let found = self.names.iter().position(|known| known == name);
                found.ok_or_else(|| {
                    let known = self.names.join(", ");
                    Refusal::new(
                        404,
                        format!("there is no model `{name}`; there are {known}"),
                    )
                })?
            }
        };
        let (prompt, stops) = completion.text(&self.formats[choice])?;
        let (send, parts) = bounded(MAX_PARTS);
        let job = Job {
            choice,
            prompt,
            is_chat: matches!(completion.prompt, Prompt::Chat(_)),
            sampling: completion.sampling,
            limits: completion.limits,
            stops,
            max_tokens: completion
                .max_tokens
                .unwrap_or(self.max_tokens)
                .min(self.max_tokens),
            max_secs: self.max_secs,
            parts: send,
        };
        let full = |_| Refusal::new(503, "too many requests wait for the model");
        self.jobs.try_send(job).map_err(full)?;
        let answer = Answer {
            id: format!("gosling-{}-{number}", now()),
            created: now(),
            model: self.names[choice].clone(),
            is_chat,
        };
        match completion.streams {
            true => write_parts(&answer, &parts, stream, origin, completion.with_usage),
            false => write_whole(&answer, &parts, stream).map(|body| Some((200, body))),
        }
    }
}

/// Waits for the whole answer.
fn write_whole(
    answer: &Answer,
    parts: &Receiver<AnswerPart>,
    stream: &TcpStream,
) -> Result<String, Refusal> {
    let mut text = String::new();
    loop {
        match parts.recv() {
            Ok(AnswerPart::Text(part)) => text.push_str(&part),
            Ok(AnswerPart::Ended(end)) => return Ok(answer.whole(&text, end)),
            Ok(AnswerPart::Failed(reason)) => return Err(Refusal::new(400, reason)),
            Err(_) => return Err(Refusal::new(500, "the model has stopped")),
        }
        if has_gone(stream) {
            return Err(Refusal::new(408, "the client has gone"));
        }
    }
}

/// Writes the answer part by part.
fn write_parts(
    answer: &Answer,
    parts: &Receiver<AnswerPart>,
    stream: &mut TcpStream,
    origin: Option<&str>,
    with_usage: bool,
) -> Result<Option<(u16, String)>, Refusal> {
    let gone = |_| Refusal::new(408, "the client has gone");
    let mut is_first = true;
    loop {
        match parts.recv() {
            Ok(AnswerPart::Failed(reason)) if is_first => return Err(Refusal::new(400, reason)),
            Ok(part) => {
                if is_first {
                    begin_events(stream, origin).map_err(gone)?;
                }
                match part {
                    AnswerPart::Text(text) if text.is_empty() && !is_first => {
                        if has_gone(stream) {
                            return Ok(None);
                        }
                    }
                    AnswerPart::Text(text) => {
                        let went = send_event(stream, &answer.part(&text, is_first));
                        if went.is_err() {
                            return Ok(None);
                        }
                    }
                    AnswerPart::Ended(end) => {
                        let mut events = vec![answer.last(end)];
                        events.extend(with_usage.then(|| answer.usage(end)));
                        events.push("[DONE]".into());
                        let went = events.iter().try_for_each(|data| send_event(stream, data));
                        let _ = went;
                        return Ok(None);
                    }
                    AnswerPart::Failed(reason) => {
                        let refusal = Refusal::new(500, reason);
                        let _ = send_event(stream, &openai::error(&refusal));
                        return Ok(None);
                    }
                }
                is_first = false;
            }
            Err(_) if is_first => return Err(Refusal::new(500, "the model has stopped")),
            Err(_) => return Ok(None),
        }
    }
}

/// Whether the other side has closed the connection.
fn has_gone(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let looked = stream.peek(&mut [0]);
    let is_reset = stream.set_nonblocking(false).is_err();
    match looked {
        Ok(n_bytes) => n_bytes == 0 || is_reset,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock || is_reset,
    }
}

/// Whether a Host header names this machine by its loopback address.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Compares in a time that tells nothing of where two texts differ.
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b));
    a.len() == b.len() && differ == 0
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback_hosts() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "[::1]:80",
            "127.9.9.9",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com:80", "10.0.0.1", ""] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_equal(b"abc", b"abc"));
        assert!(!is_equal(b"abc", b"abd") && !is_equal(b"abc", b"ab") && !is_equal(b"", b"a"));
    }
}
