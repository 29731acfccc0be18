//! A file that comes in parts: it has its name once it is whole and has the hash that it
//! should have.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::atomic::give_name;
use crate::error::{Error, Result};
use crate::format::byte_size;

/// A file on its way. What came of it goes when it is dropped before its end.
pub(super) struct Incoming {
    path: PathBuf,
    scratch: PathBuf,
    file: Option<File>,
    hash: Sha256,
    /// Bytes that came.
    pub n_bytes: u64,
    /// Bytes that were said to come.
    pub total: u64,
}

impl Incoming {
    /// Begins the file `name` of `total` bytes in `folder`, which is made if it is not
    /// there. The name has been checked.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] if the disk has no room for it.
    pub fn begin(folder: &Path, name: &str, total: u64) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        // A disk that does not say is tried.
        let room = fs4::available_space(folder).unwrap_or(u64::MAX);
        if room < total {
            let reason = tr!(
                "has room for {}, and {name} takes {}",
                byte_size(room),
                byte_size(total),
                name
            );
            return Err(Error::input(folder, "disk", reason));
        }
        let scratch = folder.join(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::create(&scratch).map_err(|error| Error::io("write", &scratch, error))?;
        Ok(Self {
            path: folder.join(name),
            scratch,
            file: Some(file),
            hash: Sha256::new(),
            n_bytes: 0,
            total,
        })
    }

    /// Takes more of it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] if more comes than was said.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.n_bytes += bytes.len() as u64;
        if self.n_bytes > self.total {
            return Err(self.wrong(tr!("is longer than was said")));
        }
        self.hash.update(bytes);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let written = file.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.scratch, error))
    }

    /// Gives it its name, if it is whole and its SHA-256 is the one that was said.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] if it is not.
    pub fn finish(mut self, sha256: &str) -> Result<PathBuf> {
        if self.n_bytes != self.total {
            return Err(self.wrong(tr!("came in part only")));
        }
        let own = format!("{:x}", std::mem::take(&mut self.hash).finalize());
        if own != sha256 {
            return Err(self.wrong(tr!("came damaged: its SHA-256 is another one")));
        }
        if let Some(file) = self.file.take() {
            let synced = file.sync_all();
            synced.map_err(|error| Error::io("write", &self.scratch, error))?;
        }
        give_name(&self.scratch, &self.path)?;
        Ok(self.path.clone())
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::input(&self.path, "fetch", reason)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Windows removes no open file. After its end there is none.
        self.file = None;
        let _ = fs::remove_file(&self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'a state' | sha256sum`
    const HASH: &str = "1b1c710d2a8092f41088d53fd665c74ec0048ee40c6411264ce927b450785c2a";

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    fn begin(folder: &Path, total: u64) -> Incoming {
        Incoming::begin(folder, "state.safetensors", total).unwrap()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_right() {
        let folder = tempfile::tempdir().unwrap();
        let mut incoming = begin(folder.path(), 7);
        incoming.add(b"a st").unwrap();
        incoming.add(b"ate").unwrap();
        assert!(!folder.path().join("state.safetensors").exists());
        let path = incoming.finish(HASH).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"a state");
        assert_eq!(names(folder.path()), ["state.safetensors"]);
    }

    #[test]
    fn a_file_that_is_cut_long_or_damaged_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut cut = begin(folder.path(), 8);
        cut.add(b"a state").unwrap();
        let error = cut.finish(HASH).unwrap_err().to_string();
        assert!(error.contains("came in part only"), "{error}");
        let mut damaged = begin(folder.path(), 7);
        damaged.add(b"a stat_").unwrap();
        let error = damaged.finish(HASH).unwrap_err().to_string();
        assert!(error.contains("came damaged"), "{error}");
        let mut long = begin(folder.path(), 6);
        assert!(long.add(b"a state").is_err());
        drop(long);
        assert!(names(folder.path()).is_empty());
    }
}
