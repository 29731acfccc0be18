//! The connection to where runs are: `gosling serve-events` there, or here.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::place::RunsPlace;
use super::protocol::{MAX_LINE_BYTES, Message, Order, VERSION};
use crate::cli::this_program;
use crate::error::{Error, Result};
use crate::shell::{Shell, without_console};

/// The program that reaches another machine, if it is not `ssh`.
const SSH: &str = "GOSLING_SSH";
/// Messages that wait at most, so that what comes too fast waits where it comes from.
const MAX_WAITING: usize = 8;
/// What has it only answer.
pub(super) const ORDERS_ONLY: &str = "--orders-only";

/// A connection. Dropping it ends the process on the other end.
pub(super) struct Link {
    place: RunsPlace,
    child: Child,
    input: ChildStdin,
    received: Receiver<Result<Received, String>>,
    has_begun: bool,
    n_orders: u64,
}

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    /// A message, checked; no [`Message::Part`].
    Message(Message),
    /// More of a file.
    Part {
        /// Names the order.
        id: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// What there is of a connection.
#[derive(Debug)]
pub(super) enum Next {
    /// Something came.
    Received(Received),
    /// Nothing did, for now.
    Nothing,
    /// The other side has ended as it should.
    Ended,
}

impl Link {
    /// Begins one. `program` is Gosling there.
    ///
    /// # Errors
    /// [`Error::Io`] if the process cannot be started.
    pub fn open(place: &RunsPlace, program: &str, is_for_orders: bool) -> Result<Self> {
        let mut child = start(place, program, is_for_orders)?;
        let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(lost(place, tr!("it has no output")));
        };
        let (sender, received) = bounded(MAX_WAITING);
        Builder::new()
            .name("watch".into())
            .spawn(move || read(output, &sender))
            .map_err(|error| Error::io("start", Path::new("watch"), error))?;
        Ok(Self {
            place: place.clone(),
            child,
            input,
            received,
            has_begun: false,
            n_orders: 0,
        })
    }

    /// What comes next, within `patience`.
    ///
    /// # Errors
    /// [`Error::Input`] if the connection is lost or what came cannot be used.
    pub fn next(&mut self, patience: Duration) -> Result<Next> {
        match self.received.recv_timeout(patience) {
            Ok(Ok(received)) => {
                self.has_begun = true;
                Ok(Next::Received(received))
            }
            Ok(Err(reason)) => Err(self.lost(&reason)),
            Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
            Err(RecvTimeoutError::Disconnected) => self.ended().map(|()| Next::Ended),
        }
    }

    /// Sends an order, which `order` makes of its number; that number.
    ///
    /// # Errors
    /// [`Error::Input`] if the connection is lost.
    pub fn order(&mut self, order: impl FnOnce(u64) -> Order) -> Result<u64> {
        self.n_orders += 1;
        let id = self.n_orders;
        self.send(&order(id))?;
        Ok(id)
    }

    /// Has no more done of an order. What it has sent by then still comes.
    ///
    /// # Errors
    /// As [`Self::order`].
    pub fn call_off(&mut self, id: u64) -> Result<()> {
        self.send(&Order::CallOff { id })
    }

    fn send(&mut self, order: &Order) -> Result<()> {
        let mut line = serde_json::to_vec(order).unwrap_or_default();
        line.push(b'\n');
        let sent = self.input.write_all(&line);
        let sent = sent.and_then(|()| self.input.flush());
        if let Err(error) = sent {
            // Why it is gone says more.
            self.ended()?;
            return Err(self.lost(&error.to_string()));
        }
        Ok(())
    }

    /// An error of this connection.
    pub fn lost(&self, reason: &str) -> Error {
        lost(&self.place, reason)
    }

    fn ended(&mut self) -> Result<()> {
        let status = self.child.wait();
        let status = status.map_err(|error| self.lost(&error.to_string()))?;
        match (status.success(), self.has_begun) {
            (true, true) => Ok(()),
            (_, true) => Err(self.lost(tr!("the connection ended"))),
            (_, false) => Err(self.lost(&tr!(
                "it did not answer ({status}); is Gosling installed there? See --program",
                status
            ))),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lost(place: &RunsPlace, reason: &str) -> Error {
    Error::input(place.to_string(), "watch", reason)
}

/// Reads until the output ends, nobody listens or something cannot be used.
fn read(output: ChildStdout, sender: &Sender<Result<Received, String>>) {
    let mut reader = BufReader::new(output);
    let (mut bytes, mut has_begun) = (Vec::new(), false);
    loop {
        bytes.clear();
        let mut line = reader.by_ref().take(MAX_LINE_BYTES);
        let received = match line.read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Err(error) => Err(error.to_string()),
            Ok(_) => match serde_json::from_slice::<Message>(&bytes) {
                Ok(message) => {
                    has_begun = true;
                    whole(message, &mut reader)
                }
                // What a login prints is no message.
                Err(_) if !has_begun => continue,
                Err(_) => Err(tr!("its output cannot be read").into()),
            },
        };
        let is_over = received.is_err();
        if sender.send(received).is_err() || is_over {
            return;
        }
    }
}

/// A message that is sound, with the bytes that follow it.
fn whole(message: Message, reader: &mut BufReader<ChildStdout>) -> Result<Received, String> {
    message.check()?;
    match message {
        Message::Hello { version, .. } if version != VERSION => Err(tr!(
            "its Gosling uses another version of the protocol; install the same version on both machines"
        )
        .into()),
        Message::Part { id, bytes: n, .. } => {
            let mut bytes = vec![0; n];
            let read = reader.read_exact(&mut bytes);
            read.map_err(|error| error.to_string())?;
            Ok(Received::Part { id, bytes })
        }
        message => Ok(Received::Message(message)),
    }
}

/// The process that serves the events, here or there. It ends where its input does, and
/// so where this one does.
fn start(place: &RunsPlace, program: &str, is_for_orders: bool) -> Result<Child> {
    let mut command = match place {
        RunsPlace::Here(folder) => {
            let mut command = Command::new(this_program()?);
            without_console(&mut command);
            command.arg("serve-events");
            command.args(is_for_orders.then_some(ORDERS_ONLY));
            command.arg(folder);
            command
        }
        RunsPlace::There { host, folder } => {
            let ssh = env::var_os(SSH).filter(|ssh| !ssh.is_empty());
            let mut command = Command::new(ssh.unwrap_or_else(|| "ssh".into()));
            let option = match is_for_orders {
                true => format!("{ORDERS_ONLY} "),
                false => String::new(),
            };
            // It may ask for a password, and so keeps its console. The other side's shell reads it as one text.
            let order = format!(
                "{program} serve-events {option}{}",
                Shell::Posix.quoted(folder)
            );
            command.args(["-T", host.as_str(), &order]);
            command
        }
    };
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let name = command.get_program().to_string_lossy().into_owned();
    started.map_err(|error| Error::io("start", name, error))
}
