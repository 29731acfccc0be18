//! A server on this machine that plays what real ones do, and what they do wrong; for
//! tests.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a server does with its n-th request.
pub(in crate::adapt) type Behave = dyn Fn(usize, &str, &mut TcpStream) + Send + Sync;

/// A server on this machine that is asked, and the bodies that came.
pub(in crate::adapt) struct Played {
    pub url: String,
    pub requests: Arc<Mutex<Vec<String>>>,
}

pub(in crate::adapt) fn play(behave: Box<Behave>) -> Played {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (heard, behave) = (Arc::clone(&requests), Arc::new(behave));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (heard, behave) = (Arc::clone(&heard), Arc::clone(&behave));
            std::thread::spawn(move || {
                let mut stream = stream;
                let Some(request) = request(&mut stream) else {
                    return;
                };
                let n = {
                    let mut heard = heard.lock().unwrap();
                    heard.push(request.clone());
                    heard.len() - 1
                };
                behave(n, &request, &mut stream);
            });
        }
    });
    Played { url, requests }
}

/// Head and body of a request.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let n = stream.read(&mut part).ok()?;
        if n == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
    }
}

/// Sends a whole reply.
pub(in crate::adapt) fn send(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body.as_bytes());
}

/// The same to every question.
pub(in crate::adapt) fn always(body: impl Into<String>) -> Box<Behave> {
    let body = body.into();
    Box::new(move |_, _, stream| send(stream, "200 OK", &body))
}
