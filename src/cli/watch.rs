//! `gosling watch`: runs of another machine, over SSH and without a port, as lines on the
//! output and, if wanted, as folders that a window on this machine shows.

mod lines;
mod mirror;
mod place;
mod protocol;
mod serve;

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::Args;

use self::lines::Lines;
use self::mirror::Mirror;
use self::place::RunsPlace;
use self::protocol::{MAX_LINE_BYTES, Message, VERSION};
use crate::error::{Error, Result};
use crate::format::Visible;
use crate::shell::{Shell, without_console};

pub(super) use self::serve::{ServeEventsArguments, serve};

/// The program that reaches another machine, if it is not `ssh`.
const SSH: &str = "GOSLING_SSH";

/// Which runs, and where they go.
#[derive(Args)]
pub(super) struct WatchArguments {
    /// HOST:FOLDER, the folder of the runs on a machine that ssh reaches, as in
    /// me@server:project/runs; or a folder of this machine.
    place: String,
    /// Also keep the runs in this folder, for `gosling window --runs FOLDER`: their
    /// settings and numbers, not their states.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// The program on the other machine.
    #[arg(long, value_name = "PROGRAM", default_value = "gosling")]
    program: String,
    /// Exit when every run has ended.
    #[arg(long)]
    until_over: bool,
}

/// Follows the runs until the connection ends, or every run is over if that was asked for.
///
/// # Errors
/// A place that is none, a machine that is not reached or has no Gosling, and what it
/// sends if that cannot be used.
pub(super) fn run(arguments: &WatchArguments) -> Result<()> {
    let place: RunsPlace = arguments.place.parse()?;
    let mut mirror = arguments.into.clone().map(Mirror::new).transpose()?;
    let mut child = start(&place, &arguments.program)?;
    let Some(output) = child.stdout.take() else {
        return Err(lost(&place, tr!("it has no output")));
    };
    let mut reader = BufReader::new(output);
    let (mut lines, mut bytes, mut has_begun) = (Lines::default(), Vec::new(), false);
    loop {
        bytes.clear();
        let mut line = reader.by_ref().take(MAX_LINE_BYTES);
        let read = line.read_until(b'\n', &mut bytes);
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(lost(&place, &error.to_string())),
        }
        let Ok(message) = serde_json::from_slice::<Message>(&bytes) else {
            // What a login prints is no message.
            if has_begun {
                return Err(lost(&place, tr!("its output cannot be read")));
            }
            continue;
        };
        if let Message::Hello { version, .. } = message
            && version != VERSION
        {
            let reason = tr!(
                "its Gosling uses another version of the protocol; install the same version on both machines"
            );
            return Err(lost(&place, reason));
        }
        has_begun = true;
        message.check().map_err(|reason| lost(&place, &reason))?;
        for line in lines.take(&message) {
            println!("{}", Visible(line));
        }
        if let Some(mirror) = &mut mirror {
            mirror.take(&message)?;
        }
        if super::output::is_lost() || (arguments.until_over && lines.are_over()) {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(());
        }
    }
    let status = child
        .wait()
        .map_err(|error| lost(&place, &error.to_string()))?;
    match (status.success(), has_begun) {
        (true, true) => Ok(()),
        (_, true) => Err(lost(&place, tr!("the connection ended"))),
        (_, false) => {
            let reason = tr!(
                "it did not answer ({status}); is Gosling installed there? See --program",
                status
            );
            Err(lost(&place, &reason))
        }
    }
}

fn lost(place: &RunsPlace, reason: &str) -> Error {
    Error::input(place.to_string(), "watch", reason)
}

/// The process that serves the events, here or there. It ends where its input does, and
/// so where this one does.
fn start(place: &RunsPlace, program: &str) -> Result<Child> {
    let mut command = match place {
        RunsPlace::Here(folder) => {
            let mut command = Command::new(super::this_program()?);
            without_console(&mut command);
            command.arg("serve-events").arg(folder);
            command
        }
        RunsPlace::There { host, folder } => {
            let ssh = env::var_os(SSH).filter(|ssh| !ssh.is_empty());
            let mut command = Command::new(ssh.unwrap_or_else(|| "ssh".into()));
            // It may ask for a password, and so keeps its console. The other side's shell reads it as one text.
            let order = format!("{program} serve-events {}", Shell::Posix.quoted(folder));
            command.args(["-T", host.as_str(), &order]);
            command
        }
    };
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let name = command.get_program().to_string_lossy().into_owned();
    started.map_err(|error| Error::io("start", name, error))
}
