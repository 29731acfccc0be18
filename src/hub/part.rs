//! The part of a file that has come so far.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::model::BytesRead;

const CHUNK: usize = 1 << 18;

/// A file that grows, with the checksum of what is in it.
pub(super) struct PartFile {
    path: PathBuf,
    file: File,
    digest: Sha256,
    n_bytes: u64,
}

impl PartFile {
    /// Opens what has come of a file, or begins it. `of` tells versions of the file
    /// apart: only the same one is continued, and none without it. `tell` hears how
    /// much of an old part is read again for its checksum.
    ///
    /// # Errors
    /// The disk; another process that fetches the same file.
    pub fn open(
        target: &Path,
        of: Option<&str>,
        most: Option<u64>,
        tell: &mut dyn FnMut(BytesRead) -> Result<()>,
    ) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        if let Some(of) = of {
            name.push(format!(".{of}"));
        }
        name.push(".part");
        let path = target.with_file_name(name);
        let fail = |error| Error::io("write", &path, error);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = tr!("another process is downloading this file");
                return Err(Error::input(target, tr!("download"), reason));
            }
            // Some network disks have no locks.
            Err(TryLockError::Error(_)) => {}
        }
        let there = file.metadata().map_err(fail)?.len();
        let mut part = Self {
            path: path.clone(),
            file,
            digest: Sha256::new(),
            n_bytes: 0,
        };
        if of.is_none() || most.is_some_and(|most| there > most) {
            part.restart()?;
        } else {
            let mut buffer = vec![0; CHUNK];
            while part.n_bytes < there {
                let n = part.file.read(&mut buffer).map_err(fail)?;
                if n == 0 {
                    break;
                }
                part.digest.update(&buffer[..n]);
                part.n_bytes += n as u64;
                tell(BytesRead {
                    done: part.n_bytes,
                    total: there,
                })?;
            }
        }
        Ok(part)
    }

    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Drops everything that has come.
    pub fn restart(&mut self) -> Result<()> {
        let cut = self.file.set_len(0);
        let cut = cut.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cut.map_err(|error| Error::io("write", &self.path, error))?;
        (self.digest, self.n_bytes) = (Sha256::new(), 0);
        Ok(())
    }

    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.digest.update(bytes);
        self.n_bytes += bytes.len() as u64;
        Ok(())
    }

    /// The SHA-256 of what has come, in lower case.
    pub fn sha256(&self) -> String {
        format!("{:x}", self.digest.clone().finalize())
    }

    /// Removes it from the disk.
    pub fn remove(self) {
        let Self { path, file, .. } = self;
        // Windows removes no open file.
        drop(file);
        let _ = std::fs::remove_file(path);
    }

    /// The whole file under its own name.
    pub fn finish(self, target: &Path) -> Result<()> {
        let Self { path, file, .. } = self;
        let synced = file.sync_all();
        synced.map_err(|error| Error::io("write", &path, error))?;
        // Windows cannot rename a file that is still open.
        drop(file);
        crate::atomic::give_name(&path, target)
    }
}

/// The SHA-256 of a file, in lower case. `tell` hears how much of it is read.
///
/// # Errors
/// The disk; what `tell` says.
pub(super) fn sha256_of(
    path: &Path,
    tell: &mut dyn FnMut(BytesRead) -> Result<()>,
) -> Result<String> {
    let fail = |error| Error::io("read", path, error);
    let mut file = File::open(path).map_err(fail)?;
    let total = file.metadata().map_err(fail)?.len();
    let (mut digest, mut done) = (Sha256::new(), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = file.read(&mut buffer).map_err(fail)?;
        if n == 0 {
            return Ok(format!("{:x}", digest.finalize()));
        }
        digest.update(&buffer[..n]);
        done += n as u64;
        tell(BytesRead { done, total })?;
    }
}
