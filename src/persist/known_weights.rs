//! Fingerprints of large files, kept so that a file of gigabytes is read whole once
//! and not at every start.
//!
//! One is taken from here only for a file whose size, times and place on the disk
//! are what they were and whose tensors begin and end as they did.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::atomic::{sha256_hex, write_atomic};
use crate::model::checkpoint::{self, Checkpoint};

/// Smaller files are hashed in less than a tenth of a second.
const MIN_BYTES: u64 = 64 << 20;
/// A file that changed this shortly ago may change again within the resolution of
/// its disk's clock.
const SETTLED: Duration = Duration::from_secs(3);
/// A note is a line for every file.
const MAX_NOTE_BYTES: u64 = 1 << 20;

/// What is noted of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    path: PathBuf,
    /// Of every file with weights.
    stamps: Vec<Stamp>,
    fingerprint: String,
}

/// What of a file's entry changes when the file does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    n_bytes: u64,
    /// Seconds and nanoseconds.
    modified: (u64, u32),
    /// What copies of a file with its times do not share: its number and when its
    /// entry last changed. Nothing where the system does not tell.
    entry: Option<(u64, i64, i64)>,
}

/// [`Checkpoint::fingerprint`], from the user's cache folder where the file is large
/// and as it was. Without such a folder it is worked out anew every time.
pub fn fingerprint(checkpoint: &Checkpoint) -> String {
    match cache_folder() {
        Some(folder) => {
            let notes = Notes {
                folder,
                min_bytes: MIN_BYTES,
                settled: SETTLED,
            };
            notes.fingerprint(checkpoint)
        }
        None => checkpoint.fingerprint(),
    }
}

/// Where notes lie, and what is noted.
struct Notes {
    folder: PathBuf,
    /// Files of at least this size.
    min_bytes: u64,
    /// Files that were not changed for this long.
    settled: Duration,
}

impl Notes {
    fn fingerprint(&self, checkpoint: &Checkpoint) -> String {
        let path = fs::canonicalize(checkpoint.file()).ok();
        let before = path.as_deref().and_then(Stamp::of_files);
        let (Some(path), Some(before)) = (path, before) else {
            return checkpoint.fingerprint();
        };
        if before.iter().map(|of| of.n_bytes).sum::<u64>() < self.min_bytes {
            return checkpoint.fingerprint();
        }
        let name = sha256_hex(path.as_os_str().as_encoded_bytes()) + ".json";
        let place = self.folder.join(name);
        let known = read(&place).filter(|note| note.path == path && note.stamps == before);
        if let Some(Note { fingerprint, .. }) = known
            && fingerprint.ends_with(&format!("-{}", checkpoint.ends()))
        {
            return fingerprint;
        }
        let fingerprint = checkpoint.fingerprint();
        let is_whole = Stamp::of_files(&path).as_ref() == Some(&before);
        let is_settled = |of: &Stamp| of.age().is_some_and(|age| age >= self.settled);
        if is_whole && before.iter().all(is_settled) {
            let note = Note {
                path,
                stamps: before,
                fingerprint: fingerprint.clone(),
            };
            // Without the note the next start takes longer, and nothing else.
            let _ = write(&self.folder, &place, &note);
        }
        fingerprint
    }
}

impl Stamp {
    /// Those of the files with the weights of a model.
    fn of_files(path: &Path) -> Option<Vec<Self>> {
        let files = checkpoint::files(path).ok()?;
        files.iter().map(|file| Self::of(file)).collect()
    }

    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?;
        let modified = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Self {
            n_bytes: metadata.len(),
            modified: (modified.as_secs(), modified.subsec_nanos()),
            entry: entry(&metadata),
        })
    }

    /// How long ago the file or its entry changed; none where that lies ahead.
    fn age(&self) -> Option<Duration> {
        let (secs, nanos) = self.modified;
        let modified = Duration::new(secs, nanos);
        let changed = match self.entry {
            Some((_, secs, nanos)) => Duration::new(secs.try_into().ok()?, nanos.try_into().ok()?),
            None => modified,
        };
        let last = SystemTime::UNIX_EPOCH.checked_add(modified.max(changed))?;
        SystemTime::now().duration_since(last).ok()
    }
}

#[cfg(unix)]
fn entry(metadata: &fs::Metadata) -> Option<(u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn entry(_: &fs::Metadata) -> Option<(u64, i64, i64)> {
    None
}

fn read(place: &Path) -> Option<Note> {
    if fs::metadata(place).ok()?.len() > MAX_NOTE_BYTES {
        return None;
    }
    serde_json::from_slice(&fs::read(place).ok()?).ok()
}

/// Writes the note, and drops those of files that are gone.
fn write(folder: &Path, place: &Path, note: &Note) -> crate::error::Result<()> {
    let fail = |source| crate::error::Error::io("create", folder, source);
    fs::create_dir_all(folder).map_err(fail)?;
    for entry in fs::read_dir(folder).map_err(fail)?.flatten() {
        let other = entry.path();
        if read(&other).is_some_and(|of| !of.path.exists()) {
            let _ = fs::remove_file(other);
        }
    }
    write_atomic(place, |file| {
        serde_json::to_writer(&mut *file, note)?;
        file.write_all(b"\n")
    })
}

/// Where the user's programs keep what can be made anew.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let home = || std::env::home_dir().filter(|path| path.is_absolute());
    let caches = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")))
    };
    Some(caches?.join("gosling").join("fingerprints"))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    /// Writes one F32 tensor of 64 KiB whose number in the middle is `middle`.
    fn write_tensor(path: &Path, middle: u8) {
        let n = 64 << 10;
        let header = format!(
            r#"{{"a":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{n}]}}}}"#,
            n / 4
        );
        let mut bytes = vec![1; n];
        bytes[n / 2] = middle;
        let head = (header.len() as u64).to_le_bytes();
        fs::write(path, [&head[..], header.as_bytes(), &bytes].concat()).unwrap();
    }

    fn set_time(path: &Path, then: SystemTime) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_modified(then)).unwrap();
    }

    fn notes(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Longer than a tick of the clock of a disk.
    fn pass_a_tick() {
        std::thread::sleep(Duration::from_millis(50));
    }

    fn fingerprint_in(checkpoint: &Checkpoint, folder: &Path, settled: Duration) -> String {
        let notes = Notes {
            folder: folder.to_path_buf(),
            min_bytes: 1 << 10,
            settled,
        };
        notes.fingerprint(checkpoint)
    }

    #[test]
    fn a_file_is_read_whole_once_and_again_when_it_changed() {
        const AT_ONCE: Duration = Duration::ZERO;
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("m.safetensors"), folder.path().join("c"));
        let known = |settled| {
            let checkpoint = Checkpoint::open(&path).unwrap();
            (
                fingerprint_in(&checkpoint, &cache, settled),
                checkpoint.fingerprint(),
            )
        };
        write_tensor(&path, 2);
        let then = SystemTime::now() - Duration::from_secs(60);
        set_time(&path, then);
        let (first, truth) = known(SETTLED);
        assert_eq!(first, truth);
        if cfg!(unix) {
            assert_eq!(notes(&cache).len(), 0, "it was written only now");
        }
        pass_a_tick();
        assert_eq!(known(AT_ONCE).0, truth);
        let [place] = &notes(&cache)[..] else {
            panic!("{:?}", notes(&cache));
        };
        // What is noted is used: a note that says another thing is believed.
        let mut note = read(place).unwrap();
        let ends = Checkpoint::open(&path).unwrap().ends();
        note.fingerprint = format!("0f-{ends}");
        write(&cache, place, &note).unwrap();
        assert_eq!(known(SETTLED).0, note.fingerprint);
        // Not where the tensors end in another way than the note says.
        note.fingerprint = "0f-0e".into();
        write(&cache, place, &note).unwrap();
        assert_eq!(known(AT_ONCE).0, truth);
        assert_eq!(read(place).unwrap().fingerprint, truth);
        // A number in the middle, with the size and the time that the file had.
        pass_a_tick();
        write_tensor(&path, 3);
        set_time(&path, then);
        let (seen, changed) = known(AT_ONCE);
        assert_ne!(changed, truth);
        if cfg!(unix) {
            assert_eq!(seen, changed);
        }
        set_time(&path, then + Duration::from_secs(5));
        let (seen, changed) = known(AT_ONCE);
        assert_eq!(seen, changed);
        assert_ne!(seen, truth);
        let small = Notes {
            folder: folder.path().join("small"),
            min_bytes: u64::MAX,
            settled: AT_ONCE,
        };
        assert_eq!(
            small.fingerprint(&Checkpoint::open(&path).unwrap()),
            changed
        );
        assert!(!small.folder.exists());
    }

    #[test]
    fn notes_of_files_that_are_gone_are_dropped_and_damaged_ones_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("c");
        let file = |name: &str| folder.path().join(name);
        let known = |name: &str| {
            let checkpoint = Checkpoint::open(file(name)).unwrap();
            let seen = fingerprint_in(&checkpoint, &cache, Duration::ZERO);
            assert_eq!(seen, checkpoint.fingerprint());
        };
        for name in ["a.safetensors", "b.safetensors"] {
            write_tensor(&file(name), 2);
            set_time(&file(name), SystemTime::now() - Duration::from_secs(60));
        }
        pass_a_tick();
        known("a.safetensors");
        fs::write(&notes(&cache)[0], "{").unwrap();
        known("a.safetensors");
        fs::remove_file(file("a.safetensors")).unwrap();
        known("b.safetensors");
        assert_eq!(notes(&cache).len(), 1);
        // A file where the folder would be: nothing is kept, and nothing fails.
        fs::remove_dir_all(&cache).unwrap();
        fs::write(&cache, "").unwrap();
        known("b.safetensors");
    }
}
