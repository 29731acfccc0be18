//! Runs of another machine as folders of this one, so that a window shows them.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use super::protocol::Message;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::persist::folder_lock::FolderLock;
use crate::persist::run_folder::{METRICS_FILE, SPEC_FILE};

/// What marks a folder as one of these, so that no run of this machine is written over.
const MARK: &str = "watched";

/// The folder that they are kept in.
pub(super) struct Mirror {
    folder: PathBuf,
    /// Of runs that a process works on there: they look as if this one did.
    locks: HashMap<String, FolderLock>,
}

impl Mirror {
    /// Into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        Ok(Self {
            folder,
            locks: HashMap::new(),
        })
    }

    /// Writes down what is said. The message has been checked.
    ///
    /// # Errors
    /// [`Error::Io`]; a run of this machine with the same name.
    pub fn take(&mut self, message: &Message) -> Result<()> {
        let Some(run) = message.run() else {
            return Ok(());
        };
        let folder = self.folder.join(run);
        let is_other = folder.join(SPEC_FILE).exists() && !folder.join(MARK).exists();
        if is_other {
            let reason = tr!("is a run of this machine already; choose another folder with --into");
            return Err(Error::input(folder, "watch", reason));
        }
        match message {
            Message::Hello { .. } | Message::Caught => {}
            Message::Spec { text, .. } => {
                fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
                write_atomic(folder.join(MARK), |_| Ok(()))?;
                write_atomic(folder.join(SPEC_FILE), |file| {
                    file.write_all(text.as_bytes())
                })?;
            }
            Message::Metrics { from, text, .. } => {
                let path = folder.join(METRICS_FILE);
                let fail = |error| Error::io("write", &path, error);
                let mut options = OpenOptions::new();
                options.create(true).append(true);
                let mut file = options.open(&path).map_err(fail)?;
                if *from == 0 {
                    file.set_len(0).map_err(fail)?;
                }
                file.write_all(text.as_bytes()).map_err(fail)?;
            }
            Message::Held { is_held: true, .. } => {
                let lock = FolderLock::take(&folder, "run")?;
                self.locks.insert(run.to_owned(), lock);
            }
            Message::Held { is_held: false, .. } => {
                self.locks.remove(run);
            }
            // What was seen of it stays.
            Message::Removed { .. } => {
                self.locks.remove(run);
            }
        }
        Ok(())
    }
}
