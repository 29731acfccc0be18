//! HTTP/1.1 as far as a chat client needs it, one request a connection. The head is
//! parsed by httparse; sizes and times are limited.

use std::io::{self, Read, Write};
use std::time::Instant;

/// The most bytes of a request's head, and of its body.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_BODY_BYTES: usize = 4 << 20;
const MAX_HEADERS: usize = 64;

/// A request that was read whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub method: String,
    /// Without what follows a question mark.
    pub path: String,
    pub host: Option<String>,
    pub origin: Option<String>,
    pub authorization: Option<String>,
    pub body: Vec<u8>,
}

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub reason: String,
}

impl Refusal {
    pub fn new(status: u16, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}

/// Reads a request until `deadline`; none where the connection was closed before one
/// began.
pub(super) fn read_request(
    stream: &mut (impl Read + Write),
    deadline: Instant,
) -> Result<Option<Request>, Refusal> {
    let mut bytes = Vec::new();
    let (mut request, n_head, n_body, wants_continue) = loop {
        if let Some(head) = parse_head(&bytes)? {
            break head;
        }
        if bytes.len() > MAX_HEAD_BYTES {
            return Err(Refusal::new(431, "the head of the request is over 16 KiB"));
        }
        if read_more(stream, &mut bytes, deadline)? == 0 {
            return match bytes.is_empty() {
                true => Ok(None),
                false => Err(Refusal::new(400, "the request ends within its head")),
            };
        }
    };
    if n_body > MAX_BODY_BYTES {
        return Err(Refusal::new(413, "the body of the request is over 4 MiB"));
    }
    if wants_continue {
        let went = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        went.map_err(|_| Refusal::new(408, "the connection was closed"))?;
    }
    while bytes.len() < n_head + n_body {
        if read_more(stream, &mut bytes, deadline)? == 0 {
            return Err(Refusal::new(400, "the request ends within its body"));
        }
    }
    request.body = bytes[n_head..n_head + n_body].to_vec();
    Ok(Some(request))
}

/// A request without its body, the lengths of both, and whether the client waits for
/// a word before it sends the body; none where the head is not whole.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize, usize, bool)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let n_head = match head.parse(bytes) {
        Ok(httparse::Status::Complete(n_head)) => n_head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Refusal::new(400, format!("not an HTTP request: {error}"))),
    };
    let path = head.path.unwrap_or_default();
    let mut request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: path.split(['?', '#']).next().unwrap_or_default().to_owned(),
        ..Request::default()
    };
    let mut n_body = None;
    let mut wants_continue = false;
    for header in head.headers.iter() {
        let text = || {
            std::str::from_utf8(header.value)
                .ok()
                .map(|text| text.trim().to_owned())
        };
        match header.name.to_ascii_lowercase().as_str() {
            "host" => request.host = text(),
            "origin" => request.origin = text(),
            "authorization" => request.authorization = text(),
            "expect" => wants_continue = true,
            "transfer-encoding" => {
                return Err(Refusal::new(411, "send the body with a Content-Length"));
            }
            "content-length" => {
                let length = text().and_then(|text| text.parse::<usize>().ok());
                let length =
                    length.ok_or_else(|| Refusal::new(400, "Content-Length is not a number"))?;
                if n_body.is_some_and(|known| known != length) {
                    return Err(Refusal::new(400, "the request has two Content-Lengths"));
                }
                n_body = Some(length);
            }
            _ => {}
        }
    }
    Ok(Some((request, n_head, n_body.unwrap_or(0), wants_continue)))
}

fn read_more(
    stream: &mut impl Read,
    bytes: &mut Vec<u8>,
    deadline: Instant,
) -> Result<usize, Refusal> {
    if Instant::now() >= deadline {
        return Err(Refusal::new(408, "the request took too long to arrive"));
    }
    let mut part = [0; 8 << 10];
    match stream.read(&mut part) {
        Ok(n_read) => {
            bytes.extend_from_slice(&part[..n_read]);
            Ok(n_read)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            read_more(stream, bytes, deadline)
        }
        Err(_) => Err(Refusal::new(408, "the request took too long to arrive")),
    }
}

/// Writes a whole answer.
///
/// # Errors
/// What the connection reports.
pub(super) fn respond(
    stream: &mut impl Write,
    status: u16,
    body: &str,
    origin: Option<&str>,
) -> io::Result<()> {
    let head = head(status, "application/json", Some(body.len()), origin);
    stream.write_all((head + body).as_bytes())?;
    stream.flush()
}

/// Begins an answer that is written event by event.
///
/// # Errors
/// What the connection reports.
pub(super) fn begin_events(stream: &mut impl Write, origin: Option<&str>) -> io::Result<()> {
    stream.write_all(head(200, "text/event-stream", None, origin).as_bytes())?;
    stream.flush()
}

/// Writes an event of an answer.
///
/// # Errors
/// What the connection reports.
pub(super) fn send_event(stream: &mut impl Write, data: &str) -> io::Result<()> {
    stream.write_all(format!("data: {data}\n\n").as_bytes())?;
    stream.flush()
}

fn head(status: u16, kind: &str, n_body: Option<usize>, origin: Option<&str>) -> String {
    let reason = match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let mut head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n"
    );
    if let Some(n_body) = n_body {
        head += &format!("Content-Length: {n_body}\r\n");
    }
    if let Some(origin) = origin {
        head += &format!(
            "Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n\
             Access-Control-Allow-Headers: authorization, content-type\r\n\
             Access-Control-Allow-Methods: GET, POST\r\n"
        );
    }
    head + "\r\n"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What comes in, a few bytes at a time, and what goes out.
    struct Pipe<'a> {
        coming: &'a [u8],
        part: usize,
        gone: Vec<u8>,
    }

    impl Read for Pipe<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.part.min(self.coming.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.coming[..n]);
            self.coming = &self.coming[n..];
            Ok(n)
        }
    }

    impl Write for Pipe<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.gone.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn read(coming: &[u8], part: usize) -> (Result<Option<Request>, Refusal>, Vec<u8>) {
        let mut pipe = Pipe {
            coming,
            part,
            gone: Vec::new(),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        (read_request(&mut pipe, deadline), pipe.gone)
    }

    #[test]
    fn a_request_is_read_however_it_arrives() {
        let text =
            b"POST /v1/models?x=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t \r\n\
                     Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabcdef";
        for part in [1, 7, 4096] {
            let (request, gone) = read(text, part);
            let expected = Request {
                method: "POST".into(),
                path: "/v1/models".into(),
                host: Some("localhost".into()),
                origin: None,
                authorization: Some("Bearer t".into()),
                body: b"abc".to_vec(),
            };
            assert_eq!(request, Ok(Some(expected)));
            assert_eq!(gone, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        assert_eq!(read(b"", 1).0, Ok(None));
    }

    #[test]
    fn what_is_too_large_or_no_request_is_refused() {
        let status = |text: &[u8]| read(text, 4096).0.unwrap_err().status;
        assert_eq!(status(b"GET / HTTP/1.1\r\nHost"), 400);
        assert_eq!(status(b"\x16\x03\x01\x02"), 400);
        assert_eq!(
            status(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na"),
            400
        );
        assert_eq!(
            status(b"POST / HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n"),
            413
        );
        assert_eq!(
            status(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
            400
        );
        let two = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(status(two), 400);
        assert_eq!(
            status(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            411
        );
        let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(20_000));
        assert_eq!(status(long.as_bytes()), 431);
        let mut pipe = Pipe {
            coming: b"GET",
            part: 1,
            gone: Vec::new(),
        };
        assert_eq!(
            read_request(&mut pipe, Instant::now()).unwrap_err().status,
            408
        );
    }
}
