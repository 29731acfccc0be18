//! `gosling watch`: runs of another machine, over SSH and without a port, as lines on the
//! output and, if wanted, as folders that a window on this machine shows; and requests to
//! them.

mod answering;
mod incoming;
mod lines;
mod link;
mod mirror;
mod place;
mod protocol;
mod requests;
mod serve;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use self::lines::Lines;
use self::link::{Link, Next, Received};
use self::mirror::Mirror;
use self::place::RunsPlace;
use self::requests::{FetchArguments, RequestArguments, ask};
use crate::error::Result;
use crate::format::Visible;

pub(super) use self::serve::{ServeEventsArguments, serve};

/// How often is looked for what a window asks.
const TICK: Duration = Duration::from_millis(300);

/// Which runs, and where they go.
#[derive(Args)]
pub(super) struct WatchArguments {
    /// HOST:FOLDER, the folder of the runs on a machine that ssh reaches, as in
    /// me@server:project/runs; or a folder of this machine.
    place: String,
    /// Also keep the runs in this folder, for `gosling window --runs FOLDER`: their
    /// settings and numbers, and their states once the window exports them.
    #[arg(long, value_name = "FOLDER", conflicts_with = "request")]
    into: Option<PathBuf>,
    /// The program on the other machine.
    #[arg(long, value_name = "PROGRAM", default_value = "gosling")]
    program: String,
    /// Exit when every run has ended.
    #[arg(long, conflicts_with = "request")]
    until_over: bool,
    #[command(flatten)]
    requests: RequestArguments,
    #[command(flatten)]
    fetch: FetchArguments,
}

/// Follows the runs until the connection ends, or every run is over if that was asked for;
/// or asks something of one.
///
/// # Errors
/// A place that is none, a machine that is not reached or has no Gosling, and what it
/// sends if that cannot be used; a request that was not done.
pub(super) fn run(arguments: &WatchArguments) -> Result<()> {
    let place: RunsPlace = arguments.place.parse()?;
    if let Some(asked) = arguments.requests.asked() {
        return ask(&asked, &place, &arguments.program, &arguments.fetch);
    }
    let mut mirror = arguments.into.clone().map(Mirror::new).transpose()?;
    let mut link = Link::open(&place, &arguments.program, false)?;
    let (mut lines, mut looked) = (Lines::default(), Instant::now());
    loop {
        match link.next(TICK)? {
            Next::Ended => return Ok(()),
            Next::Nothing => {}
            Next::Received(received) => {
                if let Received::Message(message) = &received {
                    for line in lines.take(message) {
                        println!("{}", Visible(line));
                    }
                }
                if let Some(mirror) = &mut mirror {
                    mirror.take(&received)?;
                }
            }
        }
        if let Some(mirror) = &mut mirror
            && looked.elapsed() >= TICK
        {
            mirror.pass_on(&mut link)?;
            looked = Instant::now();
        }
        if super::output::is_lost() || (arguments.until_over && lines.are_over()) {
            return Ok(());
        }
    }
}
