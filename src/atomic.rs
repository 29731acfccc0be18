//! Files that are either complete or absent: written under a scratch name, synced to
//! disk, then renamed over the old one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result, is_in_use};

/// Writes `path` so that a reader, or a machine that loses power, sees the old
/// file or the new one and never a part of either.
///
/// `fill` writes the contents to a scratch file `.{name}.{pid}.tmp` in the same
/// folder, which is then flushed, synced and renamed over `path`; the folder is
/// synced too where the system can.
///
/// # Errors
/// [`Error::Io`] on `path` when any step fails; the scratch file is removed and
/// an older `path` is left as it was.
pub fn write_atomic(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let fail = |source| Error::io("write", path, source);
    let scratch = Scratch::sibling_of(path).map_err(fail)?;
    let file = File::create(&scratch.0).map_err(fail)?;
    let mut writer = BufWriter::new(file);
    fill(&mut writer).map_err(fail)?;
    let file = writer
        .into_inner()
        .map_err(|error| fail(error.into_error()))?;
    file.sync_all().map_err(fail)?;
    // Windows cannot rename a file that is still open.
    drop(file);
    rename(&scratch.0, path).map_err(fail)?;
    sync_folder(folder_of(path));
    Ok(())
}

/// Gives a complete file that is on disk already its name, durably.
///
/// # Errors
/// [`Error::Io`] on `to`; the file keeps the name it had.
pub fn give_name(from: &Path, to: &Path) -> Result<()> {
    rename(from, to).map_err(|error| Error::io("write", to, error))?;
    sync_folder(folder_of(to));
    Ok(())
}

/// Renames a file or a folder. On Windows that fails while another program has it open,
/// or the file that it replaces, as virus scanners and indexers have whatever is new:
/// there it is tried again for a third of a second.
///
/// # Errors
/// What the system said last.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let is_passing = |error: &io::Error| cfg!(windows) && is_in_use(error.raw_os_error());
    patiently(is_passing, || fs::rename(from, to))
}

/// How long is waited before something is tried again, in milliseconds.
const WAITS: [u64; 5] = [10, 20, 40, 80, 160];

/// Does something until it succeeds, the reason is none that passes or it was tried
/// often enough.
fn patiently(
    is_passing: impl Fn(&io::Error) -> bool,
    mut does: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    for wait in WAITS {
        match does() {
            Err(error) if is_passing(&error) => sleep(Duration::from_millis(wait)),
            done => return done,
        }
    }
    does()
}

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A scratch file's path; the file goes when this does, unless it was renamed.
struct Scratch(PathBuf);

impl Scratch {
    fn sibling_of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                tr!("the path ends in no file name; add one"),
            )
        })?;
        let mut scratch = OsString::from(".");
        scratch.push(name);
        scratch.push(format!(".{}.tmp", std::process::id()));
        Ok(Self(path.with_file_name(scratch)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After the rename there is nothing to remove, and an error here could
        // only hide the one being reported.
        let _ = fs::remove_file(&self.0);
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Makes the rename itself durable. Some network file systems refuse to sync a
/// folder; the data is on disk by then, so a refusal is no reason to fail.
#[cfg(unix)]
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) {}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_appears_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomic(&path, |w| w.write_all(&[7; 100_000])).unwrap();
        write_atomic(&path, |w| w.write_all(b"second")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_failing_writer_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, b"old").unwrap();
        let error = write_atomic(&path, |w| {
            w.write_all(&[7; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_panicking_writer_leaves_no_scratch_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let outcome = std::panic::catch_unwind(|| write_atomic(&path, |_| panic!("mid-write")));
        assert!(outcome.is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn paths_that_cannot_be_written_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/a.bin");
        let error = write_atomic(&missing, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("no such file or folder"), "{error}");
        let error = write_atomic("..", |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("no file name"), "{error}");
        let over_folder = folder.path().join("b");
        fs::create_dir_all(over_folder.join("c")).unwrap();
        write_atomic(&over_folder, |_| Ok(())).unwrap_err();
        assert_eq!(names(folder.path()), ["b"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_read_only_folder_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        // The superuser may write anywhere but among the kernel's own files, which a
        // container can have as a read-only disk.
        let is_superuser = File::create(folder.path().join("probe")).is_ok();
        let (target, reasons) = match is_superuser {
            true => (Path::new("/sys"), ["permission denied", "read-only"]),
            false => (folder.path(), ["permission denied"; 2]),
        };
        let error = write_atomic(target.join("a.bin"), |_| Ok(())).unwrap_err();
        let error = error.to_string();
        assert!(reasons.iter().any(|of| error.contains(of)), "{error}");
    }

    #[test]
    fn what_another_program_holds_for_a_moment_is_tried_again() {
        let after = |n_held: usize, code: i32| {
            let mut n_tried = 0;
            let done = patiently(
                |error| is_in_use(error.raw_os_error()),
                || {
                    n_tried += 1;
                    match n_tried <= n_held {
                        true => Err(io::Error::from_raw_os_error(code)),
                        false => Ok(()),
                    }
                },
            );
            (n_tried, done.is_ok())
        };
        // Codes of Windows: access denied, sharing violation, no such file.
        assert_eq!(after(0, 5), (1, true));
        assert_eq!(after(2, 5), (3, true));
        assert_eq!(after(5, 32), (6, true));
        assert_eq!(after(6, 32), (6, false));
        assert_eq!(after(1, 2), (1, false));
    }

    #[test]
    fn sha256_of_a_known_text() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
