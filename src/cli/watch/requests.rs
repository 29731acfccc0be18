//! What is asked of a run from the command line.

use std::env::current_dir;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use crossbeam_channel::Receiver;

use super::incoming::Incoming;
use super::link::{Link, Next, Received};
use super::place::RunsPlace;
use super::protocol::{Message, Order, check_name};
use crate::cli::follow::interrupts;
use crate::cli::progress::{Progress, bar, duration};
use crate::error::{Error, Result};
use crate::format::{Visible, part_of_bytes, shown};
use crate::persist::run_requests::{RequestOutcome, RunRequest};

/// How often the user is looked after while nothing comes.
const TICK: Duration = Duration::from_millis(200);

/// What is asked, of which run.
#[derive(Args)]
#[group(id = "request", multiple = false)]
pub(super) struct RequestArguments {
    /// Pause a run after its current step, and exit. RUN is the name of its folder.
    #[arg(long, value_name = "RUN")]
    pause: Option<String>,
    /// Resume a paused run, and exit.
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// Stop a run after its current step and save it, and exit.
    #[arg(long, value_name = "RUN")]
    stop: Option<String>,
    /// Fetch the state of a run, and exit. A run that is on writes it first and goes on.
    #[arg(long, value_name = "RUN")]
    fetch: Option<String>,
}

/// Where a state that is fetched goes.
#[derive(Args)]
pub(super) struct FetchArguments {
    /// With --fetch: the folder that the files of the state are written into; default: one
    /// with the name of the run.
    #[arg(short, long, value_name = "FOLDER", requires = "fetch")]
    output: Option<PathBuf>,
    /// With --fetch: overwrite existing files.
    #[arg(long, requires = "fetch")]
    force: bool,
}

/// What is asked of a run.
pub(super) enum Asked<'a> {
    Request(&'a str, RunRequest),
    Fetch(&'a str),
}

impl RequestArguments {
    /// What is asked, if anything is.
    pub fn asked(&self) -> Option<Asked<'_>> {
        let Self {
            pause,
            resume,
            stop,
            fetch,
        } = self;
        let of = |run, request| Asked::Request(run, request);
        let pause = pause.as_deref().map(|run| of(run, RunRequest::Pause));
        let resume = resume.as_deref().map(|run| of(run, RunRequest::Resume));
        let stop = stop.as_deref().map(|run| of(run, RunRequest::Stop));
        let fetch = fetch.as_deref().map(Asked::Fetch);
        pause.or(resume).or(stop).or(fetch)
    }
}

/// Asks it and says what came of it.
///
/// # Errors
/// A run that is none or could not do it; a connection that is lost; files that cannot be
/// written.
pub(super) fn ask(
    asked: &Asked<'_>,
    place: &RunsPlace,
    program: &str,
    to: &FetchArguments,
) -> Result<()> {
    let (Asked::Request(run, _) | Asked::Fetch(run)) = asked;
    check_name(run).map_err(|reason| Error::spec("RUN", reason))?;
    let interrupts = interrupts()?;
    let mut link = Link::open(place, program, true)?;
    let run = (*run).to_owned();
    Progress::new(false).say(&tr!(
        "asking {run}; a run that is on answers after its current step",
        run
    ));
    match *asked {
        Asked::Request(_, request) => {
            let id = link.order(|id| Order::Ask {
                id,
                run: run.clone(),
                request,
            })?;
            let outcome = answer(&mut link, id, &interrupts, None)?;
            conclude(&outcome, &run, request, place)
        }
        Asked::Fetch(_) => {
            let mut fetching = Fetching {
                folder: match &to.output {
                    Some(folder) => folder.clone(),
                    None => {
                        let here = current_dir();
                        let fail = |error| Error::io("find", "the current folder", error);
                        here.map_err(fail)?.join(&run)
                    }
                },
                overwrites: to.force,
                incoming: None,
                before: 0,
                after: 0,
                written: Vec::new(),
                start: Instant::now(),
                progress: Progress::new(false),
            };
            let id = link.order(|id| Order::Fetch {
                id,
                run: run.clone(),
            })?;
            let outcome = answer(&mut link, id, &interrupts, Some(&mut fetching))?;
            fetching.progress.clear();
            if let RequestOutcome::Done { step } = outcome {
                println!(
                    "{}",
                    tr!(
                        "{run}: the state of step {step} is in {}",
                        shown(&fetching.folder),
                        run,
                        step
                    )
                );
                for path in &fetching.written {
                    println!("{}", shown(path));
                }
                return Ok(());
            }
            conclude(&outcome, &run, RunRequest::SaveState, place)
        }
    }
}

/// What came of an order; the files that come before are taken by `fetching`.
fn answer(
    link: &mut Link,
    order: u64,
    interrupts: &Receiver<()>,
    mut fetching: Option<&mut Fetching>,
) -> Result<RequestOutcome> {
    loop {
        // What has come of a file goes.
        if interrupts.try_recv().is_ok() {
            return Err(Error::Stopped);
        }
        match link.next(TICK)? {
            Next::Nothing => {}
            Next::Ended => return Err(link.lost(tr!("the connection ended"))),
            Next::Received(Received::Message(Message::Answer { id, outcome, .. })) => {
                if id == order {
                    return Ok(outcome);
                }
            }
            Next::Received(received) => {
                if let Some(fetching) = &mut fetching {
                    fetching.take(received, order)?;
                }
            }
        }
    }
}

fn conclude(
    outcome: &RequestOutcome,
    run: &str,
    request: RunRequest,
    place: &RunsPlace,
) -> Result<()> {
    let sentence = outcome.sentence(run, request);
    match outcome.is_done(request) {
        true => {
            println!("{}", Visible(sentence));
            Ok(())
        }
        false => Err(Error::input(place.to_string(), "watch", sentence)),
    }
}

/// Files that are fetched for the command line.
struct Fetching {
    folder: PathBuf,
    overwrites: bool,
    incoming: Option<Incoming>,
    /// Bytes of the files before that one, and of those after it.
    before: u64,
    after: u64,
    written: Vec<PathBuf>,
    /// When the first file began.
    start: Instant,
    progress: Progress,
}

impl Fetching {
    fn take(&mut self, received: Received, order: u64) -> Result<()> {
        match received {
            Received::Message(Message::File {
                id,
                name,
                bytes,
                after,
                ..
            }) if id == order => {
                let path = self.folder.join(&name);
                if path.exists() && !self.overwrites {
                    let reason = tr!("exists already; choose another name, or add --force");
                    return Err(Error::input(path, "--fetch", reason));
                }
                self.incoming = Some(Incoming::begin(&self.folder, &name, bytes)?);
                self.after = after;
                if self.before == 0 {
                    self.start = Instant::now();
                }
            }
            Received::Part { id, bytes } if id == order => {
                if let Some(incoming) = &mut self.incoming {
                    incoming.add(&bytes)?;
                    let done = self.before.saturating_add(incoming.n_bytes);
                    let total = self.before.saturating_add(incoming.total);
                    let total = total.saturating_add(self.after);
                    let since = self.start.elapsed();
                    self.progress
                        .show_line(&mut || Some(line(done, total, since)));
                }
            }
            Received::Message(Message::FileEnd { id, sha256, .. }) if id == order => {
                if let Some(incoming) = self.incoming.take() {
                    self.before = self.before.saturating_add(incoming.total);
                    self.written.push(incoming.finish(&sha256)?);
                }
            }
            Received::Message(_) | Received::Part { .. } => {}
        }
        Ok(())
    }
}

/// How far files are of which the first began `since`.
fn line(done: u64, total: u64, since: Duration) -> String {
    let share = done as f64 / total.max(1) as f64;
    let left = since.as_secs_f64() * (1.0 - share) / share.max(1e-9);
    let left = tr!(", {} left", duration(left));
    format!("{} {}{left}", bar(share as f32), part_of_bytes(done, total))
}
