//! The lock of a folder that one process at a time writes to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::language;

/// How often a lock that is held is asked for again, and after which time: someone
/// who only looks at a folder holds it for an instant; see [`holder_of`].
const TRIES: usize = 5;
const TRY_AGAIN: Duration = Duration::from_millis(10);

const LOCK_FILE: &str = "lock";
const PID_FILE: &str = "lock.pid";

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
        let path = folder.join(LOCK_FILE);
        let pid_path = folder.join(PID_FILE);
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| Error::io("lock", &path, source))?;
        let mut locked = file.try_lock();
        for _ in 1..TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            sleep(TRY_AGAIN);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            // Some network disks have no locks; better to run than not.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, error)),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::input(
                    folder,
                    tr!("lock"),
                    holder(&pid_path, language::text(what)),
                ));
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

/// The process that works on the run or the sweep in `folder` just now; 0 where it
/// has not said yet which one it is. None where nobody does, or the disk has no locks.
pub fn holder_of(folder: &Path) -> Option<u32> {
    // Who takes the lock writes this file and removes it before the lock goes: most
    // folders have none, and their locks are left alone.
    let pid_path = folder.join(PID_FILE);
    if !pid_path.is_file() {
        return None;
    }
    let file = File::open(folder.join(LOCK_FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(pid_in(&pid_path).unwrap_or(0)),
        Err(TryLockError::Error(_)) => None,
        Ok(()) => {
            let _ = file.unlock();
            None
        }
    }
}

fn pid_in(pid_path: &Path) -> Option<u32> {
    fs::read_to_string(pid_path).ok()?.trim().parse().ok()
}

fn holder(pid_path: &Path, what: &str) -> String {
    match pid_in(pid_path) {
        Some(pid) if pid == std::process::id() => {
            tr!(
                "the {what} is open in this process already; stop it there first",
                what
            )
        }
        Some(pid) => tr!("process {pid} uses this {what}; stop it first", pid, what),
        None => tr!("another process uses this {what}; stop it first", what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_folder_is_seen_and_nobody_is_kept_out_by_the_look() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(holder_of(folder.path()), None);
        let lock = FolderLock::take(folder.path(), "run").unwrap();
        assert_eq!(holder_of(folder.path()), Some(std::process::id()));
        fs::write(folder.path().join(PID_FILE), "4321").unwrap();
        assert_eq!(holder_of(folder.path()), Some(4321));
        let error = FolderLock::take(folder.path(), "run").unwrap_err();
        assert!(error.to_string().contains("process 4321 uses this run"));
        drop(lock);
        assert_eq!(holder_of(folder.path()), None);
        // What a process left that was killed.
        fs::write(folder.path().join(PID_FILE), "4321").unwrap();
        assert_eq!(holder_of(folder.path()), None);
        let looks = File::open(folder.path().join(LOCK_FILE)).unwrap();
        looks.lock_shared().unwrap();
        let taken = std::thread::scope(|scope| {
            let taken = scope.spawn(|| FolderLock::take(folder.path(), "run").map(drop));
            sleep(TRY_AGAIN);
            drop(looks);
            taken.join().unwrap()
        });
        assert!(taken.is_ok());
    }
}
