//! Lines of JSON that each ask for a piece of work: of a file, or of the standard input
//! as they come, so that a program can choose the next by what came of the last.

use std::fs::File;
use std::io::{BufRead as _, Read as _, stdin};
use std::path::{Path, PathBuf};
use std::thread::Builder;
use std::vec::IntoIter;

use crossbeam_channel::{Receiver, bounded, select};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::persist::json_lines::read_lines;

/// What stands for the standard input.
const INPUT: &str = "-";
/// No request comes near this.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// What is asked for next.
pub(super) enum Next<T> {
    /// This.
    One(T),
    /// A line that cannot be used, and why; others may follow.
    Wrong(Error),
    /// Nothing more.
    End,
    /// An interrupt came while a line was waited for.
    Interrupted,
}

/// The lines.
pub(super) enum Lines<T> {
    /// Of a file, all of which were looked at before the first piece of work.
    File(IntoIter<T>),
    /// Of the standard input.
    Input(Input),
}

/// Lines of the standard input, read beside the work so that an interrupt is heard.
pub(super) struct Input {
    lines: Receiver<Result<(usize, String)>>,
}

impl<T: DeserializeOwned> Lines<T> {
    /// Opens `path`; `-` is the standard input.
    ///
    /// # Errors
    /// A file that cannot be read, with the line that is no such request; `empty` is said
    /// of one that has none.
    pub fn open(path: &Path, empty: &str) -> Result<Self> {
        if path == Path::new(INPUT) {
            return Ok(Self::Input(Input::open()?));
        }
        // A file of lines that is not there counts as an empty one elsewhere.
        File::open(path).map_err(|source| Error::io("read", path, source))?;
        let all: Vec<T> = read_lines(path)?;
        match all.is_empty() {
            true => Err(Error::input(path, "file", empty)),
            false => Ok(Self::File(all.into_iter())),
        }
    }

    /// Waits for the next line.
    pub fn next(&mut self, interrupts: &Receiver<()>) -> Next<T> {
        match self {
            Self::File(all) => all.next().map_or(Next::End, Next::One),
            Self::Input(Input { lines }) => select! {
                recv(lines) -> line => match line {
                    Err(_) => Next::End,
                    Ok(Err(error)) => Next::Wrong(error),
                    Ok(Ok((number, text))) => match serde_json::from_str(&text) {
                        Ok(one) => Next::One(one),
                        Err(error) => Next::Wrong(wrong(number, error.to_string())),
                    },
                },
                recv(interrupts) -> _ => Next::Interrupted,
            },
        }
    }
}

impl Input {
    fn open() -> Result<Self> {
        // The next line waits in the pipe, and not here, until it is asked for.
        let (sender, lines) = bounded(0);
        let read = move || {
            let mut input = stdin().lock();
            for number in 1.. {
                let mut line = Vec::new();
                let read = input
                    .by_ref()
                    .take(MAX_LINE_BYTES)
                    .read_until(b'\n', &mut line);
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                let sent = match read {
                    Ok(0) => break,
                    // What follows is the rest of this line, and no request.
                    Ok(n) if n as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') => {
                        let _ = sender.send(Err(wrong(number, tr!("is longer than 1 MiB"))));
                        break;
                    }
                    Ok(_) if text.is_empty() => Ok(()),
                    Ok(_) => sender.send(Ok((number, text))),
                    Err(source) => {
                        let _ = sender.send(Err(Error::io("read", PathBuf::from(INPUT), source)));
                        break;
                    }
                };
                if sent.is_err() {
                    break;
                }
            }
        };
        Builder::new()
            .name("lines".into())
            .spawn(read)
            .map_err(|error| {
                Error::Device(tr!(
                    "cannot start the thread that reads commands, {error}",
                    error
                ))
            })?;
        Ok(Self { lines })
    }
}

/// What is wrong with a line of the standard input.
fn wrong(number: usize, reason: impl Into<String>) -> Error {
    Error::input(
        Path::new(INPUT),
        tr!("line {number}", number),
        reason.into(),
    )
}
