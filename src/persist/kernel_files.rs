//! Kernels as the program built them, in the user's folder for what can be made anew: the
//! next start reads them and leaves only the driver its part, which drivers keep
//! themselves. A kernel is kept for one build of the program alone. Whatever is not as it
//! was written is built anew.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::spawn;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::atomic::{sha256_hex, write_atomic};
use crate::kernels::device::{KernelStore, keep_kernels_in};

/// The most bytes that the kernels of one build of the program take.
const MOST_BYTES: u64 = 256 << 20;
/// The largest kernel that is read.
const LARGEST: u64 = 16 << 20;
/// Builds of the program whose kernels are kept.
const KEPT_BUILDS: usize = 3;
/// What says when a build's kernels were last of use.
const USED: &str = "used";
/// How often it is written.
const OFTEN: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of the hash in front of a kernel.
const HASH: usize = 32;

/// Keeps the kernels of this process where its next start finds them. Where there is no
/// such place, every start builds them.
pub fn keep_kernels() {
    keep_kernels_in(Box::new(WhenAsked(OnceLock::new())));
}

/// The kernels of this build of the program, whose folder is made when the first of them
/// is asked for; without a place none are kept.
struct WhenAsked(OnceLock<Option<Kept>>);

struct Kept {
    files: Arc<KernelFiles>,
    /// To the thread that writes: a launch that built a kernel waits for no disk.
    to_write: Sender<(String, Vec<u8>)>,
}

impl WhenAsked {
    fn kept(&self) -> Option<&Kept> {
        let made = || {
            let folder = dirs::cache_dir()?.join("gosling").join("kernels");
            let files = Arc::new(KernelFiles::new(&folder, &build_of_program()?)?);
            let (to_write, written) = channel::<(String, Vec<u8>)>();
            let writer = Arc::clone(&files);
            spawn(move || {
                for (key, bytes) in written {
                    writer.save(&key, &bytes);
                }
            });
            Some(Kept { files, to_write })
        };
        self.0.get_or_init(made).as_ref()
    }
}

impl KernelStore for WhenAsked {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        self.kept()?.files.load(key)
    }

    fn save(&self, key: &str, bytes: &[u8]) {
        if let Some(kept) = self.kept() {
            // What the program's end cuts off is built by the next start.
            let _ = kept.to_write.send((key.to_owned(), bytes.to_owned()));
        }
    }
}

/// What tells this build of the program from others: its version, and its file's size and
/// date.
fn build_of_program() -> Option<String> {
    let file = std::env::current_exe().ok()?.metadata().ok()?;
    let since = file.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH);
    let date = since.ok()?.as_nanos();
    let version = env!("CARGO_PKG_VERSION");
    let hash = sha256_hex(format!("{version} {} {date}", file.len()).as_bytes());
    Some(format!("{version}-{}", &hash[..16]))
}

/// The kernels of one build of the program.
#[derive(Debug)]
struct KernelFiles {
    folder: PathBuf,
    /// What may still be written.
    bytes_left: AtomicU64,
}

impl KernelFiles {
    /// In `folder`, where every build has a folder of its own; those of builds that were
    /// not used for long are removed. None where nothing can be written there.
    fn new(folder: &Path, build: &str) -> Option<Self> {
        let own = folder.join(build);
        fs::create_dir_all(&own).ok()?;
        let mut taken = taken_by(&own);
        if taken > MOST_BYTES / 2 {
            // Kernels of devices and sizes that are long gone are among them.
            let _ = fs::remove_dir_all(&own);
            fs::create_dir_all(&own).ok()?;
            taken = 0;
        }
        let used = own.join(USED);
        let age = modified(&used).and_then(|at| at.elapsed().ok());
        if age.is_none_or(|age| age > OFTEN) {
            write_atomic(&used, |file| writeln!(file, "{build}")).ok()?;
        }
        remove_unused(folder, build);
        Some(Self {
            folder: own,
            bytes_left: AtomicU64::new(MOST_BYTES - taken),
        })
    }
}

impl KernelFiles {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        let file = self.folder.join(key);
        if fs::metadata(&file).ok()?.len() > LARGEST {
            return None;
        }
        let mut bytes = fs::read(&file).ok()?;
        let (hash, kernel) = bytes.split_at_checked(HASH)?;
        if Sha256::digest(kernel).as_slice() != hash {
            return None;
        }
        bytes.drain(..HASH);
        Some(bytes)
    }

    fn save(&self, key: &str, bytes: &[u8]) {
        let taken = (HASH + bytes.len()) as u64;
        let left = &self.bytes_left;
        let take = |left: u64| left.checked_sub(taken);
        let order = Ordering::Relaxed;
        if taken > LARGEST || left.fetch_update(order, order, take).is_err() {
            return;
        }
        // Without it the next start builds the kernel.
        let _ = write_atomic(self.folder.join(key), |file| {
            file.write_all(&Sha256::digest(bytes))?;
            file.write_all(bytes)
        });
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// Bytes of the files in a folder.
fn taken_by(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    sizes.sum()
}

/// Removes the kernels of all builds but `own` and the latest others.
fn remove_unused(folder: &Path, own: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let others = entries.filter(|entry| entry.file_name() != own);
    let mut others: Vec<_> = others
        .map(|entry| (modified(&entry.path().join(USED)), entry.path()))
        .collect();
    others.sort_unstable();
    let n_unused = (others.len() + 1).saturating_sub(KEPT_BUILDS);
    for (_, unused) in others.into_iter().take(n_unused) {
        let _ = fs::remove_dir_all(unused);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    #[test]
    fn a_kernel_comes_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let files = KernelFiles::new(folder.path(), "0.1.0-a").unwrap();
        assert_eq!(files.load("ab-12"), None);
        files.save("ab-12", b"words");
        assert_eq!(files.load("ab-12").as_deref(), Some(&b"words"[..]));
        // The next start of the same build finds it, another build does not.
        let again = KernelFiles::new(folder.path(), "0.1.0-a").unwrap();
        assert_eq!(again.load("ab-12").as_deref(), Some(&b"words"[..]));
        let other = KernelFiles::new(folder.path(), "0.1.0-b").unwrap();
        assert_eq!(other.load("ab-12"), None);
        let file = folder.path().join("0.1.0-a").join("ab-12");
        let mut bytes = fs::read(&file).unwrap();
        for wrong in [&bytes[..20], &bytes[..bytes.len() - 1], b""] {
            fs::write(&file, wrong).unwrap();
            assert_eq!(again.load("ab-12"), None, "{} bytes", wrong.len());
        }
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, &bytes).unwrap();
        assert_eq!(again.load("ab-12"), None);
    }

    #[test]
    fn what_was_not_used_for_long_goes() {
        let folder = tempfile::tempdir().unwrap();
        let used_days_ago = |build: &str, days: u64| {
            KernelFiles::new(folder.path(), build).unwrap();
            let used = folder.path().join(build).join(USED);
            let used = File::options().append(true).open(used).unwrap();
            let at = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
            used.set_times(FileTimes::new().set_modified(at)).unwrap();
        };
        used_days_ago("a", 9);
        used_days_ago("b", 20);
        used_days_ago("c", 3);
        KernelFiles::new(folder.path(), "d").unwrap();
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(folder.path()), ["a", "c", "d"]);
    }

    #[test]
    fn they_take_no_more_than_their_share() {
        let folder = tempfile::tempdir().unwrap();
        let files = KernelFiles {
            folder: folder.path().to_owned(),
            bytes_left: AtomicU64::new(100),
        };
        files.save("first", &[1; 60]);
        files.save("second", &[2; 60]);
        files.save("third", &[3; 8]);
        assert!(files.load("first").is_some());
        assert_eq!(files.load("second"), None);
        assert_eq!(files.load("third"), None);
    }
}
