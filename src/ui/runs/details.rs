//! A run by itself: what it is, its files, its log and its command line, also of a run
//! of an earlier session.

mod settings;
pub(crate) mod view;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::shared::background::{Background, Threads};

/// The end of a log that is read at most.
const MAX_LOG_BYTES: u64 = 1 << 20;
/// Files that are listed at most.
const MAX_FILES: usize = 500;

/// What is in the folder of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FolderContent {
    /// Files below the folder and their sizes, by name.
    pub files: Vec<(String, u64)>,
    /// Files beyond those that are listed.
    pub n_more: usize,
    /// The log, oldest line first.
    pub log: Vec<String>,
    /// Whether the start of the log is left out.
    pub is_cut: bool,
}

/// The run that is looked at by itself.
#[derive(Debug)]
pub(crate) struct RunDetails {
    /// The run.
    pub run: RunId,
    /// What is looked for in the log.
    pub search: String,
    /// What its folder has, once it was read.
    pub content: Option<Result<FolderContent>>,
}

/// Looks at runs by themselves.
pub(crate) struct Details {
    /// The one that is open.
    pub open: Option<RunDetails>,
    background: Background<(RunId, Result<FolderContent>)>,
}

impl Details {
    /// None is open.
    pub fn new(threads: &Threads) -> Self {
        Self {
            open: None,
            background: Background::new(threads),
        }
    }

    /// Opens a run and has its folder read.
    pub fn open(&mut self, run: &Run) {
        let (id, folder) = (run.id.clone(), run.folder.clone());
        self.open = Some(RunDetails {
            run: id.clone(),
            search: String::new(),
            content: None,
        });
        self.background
            .start(move || Some((id, FolderContent::read(&folder))));
    }

    /// Takes in what was read.
    pub fn take_answers(&mut self) {
        for (run, content) in self.background.answers() {
            if let Some(open) = self.open.as_mut().filter(|open| open.run == run) {
                open.content = Some(content);
            }
        }
    }
}

impl FolderContent {
    /// Reads the folder of a run.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be listed or its log cannot be read.
    fn read(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut n_more = 0;
        let mut folders = vec![folder.to_path_buf()];
        while let Some(next) = folders.pop() {
            let entries = fs::read_dir(&next).map_err(|source| Error::io("read", &next, source))?;
            for entry in entries.flatten() {
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                // Links could lead around in circles.
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() && files.len() >= MAX_FILES {
                    n_more += 1;
                } else if kind.is_file() {
                    let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                    let path = entry.path();
                    let name = path.strip_prefix(folder).unwrap_or(&path);
                    files.push((name.display().to_string(), bytes));
                }
            }
        }
        files.sort();
        let (log, is_cut) = read_log(folder.join("log.txt"))?;
        Ok(Self {
            files,
            n_more,
            log,
            is_cut,
        })
    }
}

/// The lines at the end of a log, and whether others come before them.
fn read_log(path: PathBuf) -> Result<(Vec<String>, bool)> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let fail = |source| Error::io("read", &path, source);
    let mut file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok((Vec::new(), false));
        }
        Err(error) => return Err(fail(error)),
    };
    let n_bytes = file.metadata().map_err(fail)?.len();
    let start = n_bytes.saturating_sub(MAX_LOG_BYTES);
    file.seek(SeekFrom::Start(start)).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(MAX_LOG_BYTES)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    let text = String::from_utf8_lossy(&bytes);
    let is_cut = start > 0;
    // The first line of a part is cut itself.
    let lines = text.lines().skip(usize::from(is_cut));
    Ok((lines.map(str::to_owned).collect(), is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_run_is_listed_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("eval")).unwrap();
        fs::write(folder.path().join("eval/after.jsonl"), "12").unwrap();
        fs::write(folder.path().join("log.txt"), "first\nsecond\n").unwrap();
        let content = FolderContent::read(folder.path()).unwrap();
        let after = Path::new("eval").join("after.jsonl").display().to_string();
        assert_eq!(content.files, [(after, 2), ("log.txt".into(), 13)]);
        assert_eq!(content.log, ["first", "second"]);
        assert!(!content.is_cut && content.n_more == 0);
        assert!(FolderContent::read(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn a_long_log_is_read_from_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let line = "x".repeat(99);
        let n_lines = 2 * MAX_LOG_BYTES as usize / 100;
        let text: String = (0..n_lines).map(|_| format!("{line}\n")).collect();
        fs::write(folder.path().join("log.txt"), text + "the end\n").unwrap();
        let content = FolderContent::read(folder.path()).unwrap();
        assert!(content.is_cut);
        assert_eq!(content.log.last().map(String::as_str), Some("the end"));
        assert_eq!(content.log[0], line, "no line is cut in its middle");
        assert!(content.log.len() < n_lines);
    }
}
