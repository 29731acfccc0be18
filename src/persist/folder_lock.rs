//! The lock of a folder that one process at a time writes to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The lock of a folder. The system lets go of it when the process ends in
/// whatever way, so that a lock is never stale.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
    /// Names the holder; apart, for Windows lets nobody read a locked file.
    pid_path: PathBuf,
}

impl FolderLock {
    /// Takes the lock of `folder`, which holds `what`: a run, a sweep.
    ///
    /// # Errors
    /// [`Error::Input`] with the process that holds it, [`Error::Io`] if the
    /// lock's file cannot be written.
    pub(crate) fn take(folder: &Path, what: &str) -> Result<Self> {
        let path = folder.join("lock");
        let pid_path = folder.join("lock.pid");
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| Error::io("lock", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            // Some network disks have no locks; better to run than not.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, error)),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::input(folder, "lock", holder(&pid_path, what)));
            }
        }
        // Only for the message above: without it the lock still holds.
        let _ = fs::write(&pid_path, std::process::id().to_string());
        Ok(Self { file, pid_path })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.pid_path);
        let _ = self.file.unlock();
    }
}

fn holder(pid_path: &Path, what: &str) -> String {
    let pid = fs::read_to_string(pid_path).ok();
    let pid: Option<u32> = pid.and_then(|text| text.trim().parse().ok());
    match pid {
        Some(pid) if pid == std::process::id() => {
            format!("the {what} is open in this process already; stop it there first")
        }
        Some(pid) => format!("process {pid} uses this {what}; stop it first"),
        None => format!("another process uses this {what}; stop it first"),
    }
}
