//! A file of the hub on this machine.

#[cfg(test)]
mod tests;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::HubFile;
use super::address::{Hub, Trouble};
use super::headers::{FileFacts, number, range};
use super::part::{PartFile, sha256_of};
use crate::error::{Error, Result};
use crate::format::{byte_size, shown};
use crate::model::BytesRead;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 17;
/// What is left free on a disk for others.
const SPARE: u64 = 64 << 20;
/// How often a user who gives up is listened to while nothing comes.
const TICK: Duration = Duration::from_millis(50);
/// The longest pause before another try.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The server is asked what it has.
    Asking,
    /// What is here already is read for its checksum.
    Checking(BytesRead),
    /// It comes. The total is 0 where the server tells none.
    Coming(BytesRead),
    /// Why it will be tried again in a moment.
    Waiting(String),
}

/// What a file was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The checksum that is known here.
    Known,
    /// The checksum that the server tells.
    Server,
    /// The size alone, as the server tells no checksum.
    SizeOnly,
    /// Nothing, as the server tells neither.
    Nothing,
}

impl Checked {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Known => mark!("its SHA-256 is the published one"),
            Self::Server => mark!("its SHA-256 is the one that the server states"),
            Self::SizeOnly => mark!("its size is right; the server states no checksum"),
            Self::Nothing => {
                mark!("it was not checked; the server states neither size nor checksum")
            }
        }
    }
}

/// A file that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Where.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// What it was compared with.
    pub checked: Checked,
    /// Whether it was here before.
    pub was_here: bool,
}

/// Brings a file into a folder, or finds it there. `tell` hears how far it is, often,
/// and ends it with an error; what has come by then stays and is continued the next
/// time.
///
/// # Errors
/// One line with the file and the way on: nobody is reachable, the disk has too little
/// room, what came is not what was wanted; and what `tell` says.
pub fn download(
    hub: &Hub,
    wanted: &HubFile,
    folder: &Path,
    tell: &mut dyn FnMut(Stage) -> Result<()>,
) -> Result<Got> {
    let target = folder.join(wanted.local_name());
    let by_hand = || {
        tr!(
            "download {} from {} elsewhere and put it into {}, or name a mirror in HF_ENDPOINT",
            wanted.local_name(),
            wanted.page(),
            shown(folder)
        )
    };
    let said = |trouble: Trouble| match trouble {
        Trouble::Here(error) => error,
        Trouble::Unreachable(reason) => {
            Error::input(&target, tr!("download"), format!("{reason}; {}", by_hand()))
        }
        Trouble::ForNow(reason) | Trouble::ForGood(reason) => {
            Error::input(&target, tr!("download"), reason)
        }
    };
    tell(Stage::Asking)?;
    let told = Trying::new(hub).look(wanted, tell);
    let told = match told {
        // What is here can be compared with what is known without anybody.
        Err(Trouble::Unreachable(_)) if target.exists() && wanted.sha256.is_some() => {
            FileFacts::default()
        }
        other => other.map_err(said)?,
    };
    let (expected, checked) = expected(wanted, told).map_err(said)?;
    if target.exists() {
        return found(target, &expected, checked, tell);
    }
    fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    let version = expected.sha256.as_ref().map(|of| of[..16].to_owned());
    let version = version.or_else(|| expected.bytes.map(|bytes| bytes.to_string()));
    let mut checking = |read| tell(Stage::Checking(read));
    let part = PartFile::open(&target, version.as_deref(), expected.bytes, &mut checking);
    let mut part = part?;
    if let Some(bytes) = expected.bytes {
        check_room(hub, folder, bytes - part.n_bytes())?;
    }
    let fetched = Trying::new(hub).fetch(wanted, &expected, &mut part, tell);
    if let Err(trouble) = fetched {
        let kept = part.n_bytes();
        if kept == 0 {
            part.remove();
        }
        return Err(match trouble {
            Trouble::ForNow(reason) if kept > 0 => {
                let kept = byte_size(kept);
                let reason = tr!(
                    "{reason}; {kept} are downloaded, and the next try continues from there",
                    reason,
                    kept
                );
                Error::input(&target, tr!("download"), reason)
            }
            other => said(other),
        });
    }
    let (bytes, sha256) = (part.n_bytes(), part.sha256());
    if let Some(want) = &expected.sha256
        && *want != sha256
    {
        part.remove();
        let reason = tr!(
            "the downloaded file has the SHA-256 {sha256}, expected {want}; it was removed; try again or use another mirror",
            sha256,
            want
        );
        return Err(Error::input(&target, tr!("download"), reason));
    }
    part.finish(&target)?;
    Ok(Got {
        path: target,
        bytes,
        checked,
        was_here: false,
    })
}

/// What the file has to be, of what is known and what the server says.
fn expected(wanted: &HubFile, told: FileFacts) -> Result<(FileFacts, Checked), Trouble> {
    let differ = |what: &str, known: &dyn std::fmt::Display, there: &dyn std::fmt::Display| {
        let HubFile {
            repository, file, ..
        } = wanted;
        Trouble::ForGood(tr!(
            "the server's file has the {what} {there}, the published one {known}; to take the server's, name {repository}/{file}",
            what,
            there,
            known,
            repository,
            file
        ))
    };
    if let (Some(known), Some(there)) = (wanted.bytes, told.bytes)
        && known != there
    {
        return Err(differ(tr!("size"), &known, &there));
    }
    if let (Some(known), Some(there)) = (&wanted.sha256, &told.sha256)
        && known != there
    {
        return Err(differ("SHA-256", known, there));
    }
    let checked = match (&wanted.sha256, &told.sha256) {
        (Some(_), _) => Checked::Known,
        (None, Some(_)) => Checked::Server,
        (None, None) if wanted.bytes.or(told.bytes).is_some() => Checked::SizeOnly,
        (None, None) => Checked::Nothing,
    };
    let expected = FileFacts {
        bytes: wanted.bytes.or(told.bytes),
        sha256: wanted.sha256.clone().or(told.sha256),
    };
    Ok((expected, checked))
}

/// A file that is here already.
fn found(
    target: PathBuf,
    expected: &FileFacts,
    checked: Checked,
    tell: &mut dyn FnMut(Stage) -> Result<()>,
) -> Result<Got> {
    let metadata = fs::metadata(&target).map_err(|error| Error::io("read", &target, error))?;
    let bytes = metadata.len();
    let other = |what: String| {
        let reason = tr!(
            "exists already with {what}; move it away to download it again",
            what
        );
        Error::input(&target, tr!("download"), reason)
    };
    if let Some(want) = expected.bytes
        && want != bytes
    {
        return Err(other(tr!("{bytes} bytes instead of {want}", bytes, want)));
    }
    if let Some(want) = &expected.sha256 {
        let sha256 = sha256_of(&target, &mut |read| tell(Stage::Checking(read)))?;
        if *want != sha256 {
            return Err(other(tr!(
                "the SHA-256 {sha256} instead of {want}",
                sha256,
                want
            )));
        }
    }
    Ok(Got {
        path: target,
        bytes,
        checked,
        was_here: true,
    })
}

fn check_room(hub: &Hub, folder: &Path, needed: u64) -> Result<()> {
    match (hub.room)(folder) {
        Some(free) if free < needed + SPARE => {
            let (needed, free) = (byte_size(needed), byte_size(free));
            let reason = tr!(
                "{needed} more are needed and {free} are free; free some space or choose a folder on another disk",
                needed,
                free
            );
            Err(Error::input(folder, tr!("download"), reason))
        }
        Some(_) | None => Ok(()),
    }
}

/// Tries, until too many have brought nothing new.
struct Trying<'a> {
    hub: &'a Hub,
    left: usize,
    pause: Duration,
}

impl<'a> Trying<'a> {
    fn new(hub: &'a Hub) -> Self {
        Self {
            hub,
            left: hub.patience.retries,
            pause: hub.patience.pause,
        }
    }

    /// Waits before another try; an error where there is none left.
    fn again(
        &mut self,
        trouble: Trouble,
        tell: &mut dyn FnMut(Stage) -> Result<()>,
    ) -> Result<(), Trouble> {
        let reason = match trouble {
            Trouble::ForNow(reason) if self.left > 0 => reason,
            other => return Err(other),
        };
        self.left -= 1;
        tell(Stage::Waiting(reason.clone()))?;
        let start = Instant::now();
        while start.elapsed() < self.pause {
            sleep(TICK.min(self.pause));
            tell(Stage::Waiting(reason.clone()))?;
        }
        self.pause = (2 * self.pause).min(MAX_PAUSE);
        Ok(())
    }

    fn look(
        &mut self,
        wanted: &HubFile,
        tell: &mut dyn FnMut(Stage) -> Result<()>,
    ) -> Result<FileFacts, Trouble> {
        loop {
            match self.hub.look(wanted) {
                Ok(told) => return Ok(told),
                Err(trouble) => self.again(trouble, tell)?,
            }
        }
    }

    fn fetch(
        &mut self,
        wanted: &HubFile,
        expected: &FileFacts,
        part: &mut PartFile,
        tell: &mut dyn FnMut(Stage) -> Result<()>,
    ) -> Result<(), Trouble> {
        let mut most = part.n_bytes();
        loop {
            let trouble = match fetch_once(self.hub, wanted, expected, part, tell) {
                Ok(()) => return Ok(()),
                // A connection that is lost on the way comes back more often than not.
                Err(Trouble::Unreachable(reason)) if most > 0 => Trouble::ForNow(reason),
                Err(trouble) => trouble,
            };
            if part.n_bytes() > most {
                most = part.n_bytes();
                let fresh = Self::new(self.hub);
                (self.left, self.pause) = (fresh.left, fresh.pause);
            }
            self.again(trouble, tell)?;
        }
    }
}

/// Goes on from what has come until the file is whole.
fn fetch_once(
    hub: &Hub,
    wanted: &HubFile,
    expected: &FileFacts,
    part: &mut PartFile,
    tell: &mut dyn FnMut(Stage) -> Result<()>,
) -> Result<(), Trouble> {
    let from = part.n_bytes();
    if from > 0 && expected.bytes == Some(from) {
        return Ok(());
    }
    let mut response = hub.fetch(wanted, from)?;
    let headers = response.headers();
    let whole = match response.status().as_u16() {
        206 => match range(headers) {
            Some((first, whole)) if first == from => whole,
            Some(_) | None => {
                part.restart()?;
                let reason = tr!("{} sends another part than the one requested", hub.host());
                return Err(Trouble::ForNow(reason));
            }
        },
        416 => {
            part.restart()?;
            let reason = tr!("{} does not continue the file", hub.host());
            return Err(Trouble::ForNow(reason));
        }
        // It sends the file from its start whatever was asked for.
        _ => {
            part.restart()?;
            number(headers, "content-length")
        }
    };
    if let (Some(want), Some(whole)) = (expected.bytes, whole)
        && want != whole
    {
        let reason = tr!(
            "{} sends {whole} bytes instead of {want}",
            hub.host(),
            whole,
            want
        );
        return Err(Trouble::ForGood(reason));
    }
    let total = expected.bytes.or(whole);
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; CHUNK];
    let mut broke_off = None;
    loop {
        let done = part.n_bytes();
        tell(Stage::Coming(BytesRead {
            done,
            total: total.unwrap_or(0),
        }))?;
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) => {
                broke_off = Some(error.to_string());
                break;
            }
        };
        if total.is_some_and(|total| done + n as u64 > total) {
            part.restart()?;
            let reason = tr!("{} sends more bytes than the file has", hub.host());
            return Err(Trouble::ForGood(reason));
        }
        part.add(&buffer[..n])?;
    }
    let is_whole = total.map_or(broke_off.is_none(), |total| part.n_bytes() == total);
    match is_whole {
        true => Ok(()),
        false => {
            let why = broke_off.map_or(String::new(), |why| format!(" ({why})"));
            let reason = tr!("the connection to {} broke off{why}", hub.host(), why);
            Err(Trouble::ForNow(reason))
        }
    }
}
