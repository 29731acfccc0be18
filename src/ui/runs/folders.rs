//! What the user does with runs as folders: label, delete and restore them.

use std::path::{Path, PathBuf};

use crate::atomic::rename;
use crate::error::{Error, Result};
use crate::persist::run_labels::RunLabels;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::shell::in_quotes;
use crate::ui::shared::background::{Background, Threads};
use crate::ui::shared::notice::{Notice, Remedy};
use crate::ui::shared::workspace::Workspace;

/// The folder, beside the runs, that deleted ones are moved to.
pub const DELETED: &str = ".deleted";

/// What came of moving a run's folder.
struct Moved {
    run: Run,
    from: PathBuf,
    to: PathBuf,
    /// Whether it was put back.
    is_back: bool,
    problem: Option<Error>,
}

/// The folders of runs.
pub(crate) struct RunFolders {
    /// Runs that were deleted last, with the folder that each had.
    deleted: Vec<(Run, PathBuf)>,
    background: Background<Moved>,
}

impl RunFolders {
    /// Nothing is deleted yet.
    pub fn new(threads: &Threads) -> Self {
        Self {
            deleted: Vec::new(),
            background: Background::new(threads),
        }
    }

    /// Whether deleted runs can be put back.
    pub fn can_undelete(&self) -> bool {
        !self.deleted.is_empty()
    }

    /// Moves the folder of a run.
    fn move_run(&self, run: Run, to: PathBuf, is_back: bool) {
        self.background.start(move || {
            let from = run.folder.clone();
            let problem = move_folder(&from, &to).err();
            Some(Moved {
                run,
                from,
                to,
                is_back,
                problem,
            })
        });
    }

    /// Takes in what was moved.
    pub fn take_answers(&mut self, workspace: &mut Workspace) {
        for moved in self.background.answers() {
            self.take_moved(moved, workspace);
        }
    }

    /// Writes on a run, in its folder too.
    pub fn label(&self, run: &RunId, labels: RunLabels, workspace: &mut Workspace) {
        let Some(folder) = workspace.store.get(run).map(|run| run.folder.clone()) else {
            return;
        };
        workspace.store.label(run, labels.clone());
        workspace.start_quietly(move || labels.write(&folder).map(|()| None));
    }

    /// Moves the folders of runs that are over out of the way.
    pub fn delete(&mut self, runs: &[RunId], workspace: &mut Workspace) {
        self.deleted.clear();
        for id in runs {
            let Some(run) = workspace.store.get(id) else {
                continue;
            };
            if !run.status.is_over() {
                let text = match run.elsewhere {
                    None => tr!("{} is running; stop it before you delete it", run.title()),
                    Some(_) => tr!(
                        "{} is running in another process; stop it there before you delete it",
                        run.title()
                    ),
                };
                workspace.notify(Notice::error(text));
                continue;
            }
            if let Some(run) = workspace.store.take(id) {
                let to = workspace.runs_dir.join(DELETED).join(&run.id.0);
                self.move_run(run, to, false);
            }
        }
    }

    /// Puts the runs back that were deleted last.
    pub fn undelete(&mut self) {
        for (run, from) in std::mem::take(&mut self.deleted) {
            self.move_run(run, from, true);
        }
    }

    fn take_moved(&mut self, moved: Moved, workspace: &mut Workspace) {
        let Moved {
            mut run,
            from,
            to,
            is_back,
            problem,
        } = moved;
        if let Some(error) = problem {
            if !is_back {
                workspace.store.add(run);
            }
            workspace.notify(Notice::error(error.to_string()));
            return;
        }
        run.folder = to;
        if is_back {
            workspace.selection.select_only(&run.id.clone());
            workspace.store.add(run);
            return;
        }
        self.deleted.push((run, from));
        let text = match &self.deleted[..] {
            [(run, _)] => tr!("{} was moved to {DELETED}", run.title(), DELETED),
            all => tr!("{} runs were moved to {DELETED}", all.len(), DELETED),
        };
        workspace.notify(Notice::info(text).with(Remedy::Undelete));
    }
}

/// Moves a run's folder, which stays whole: either it is moved or it is not.
pub(crate) fn move_folder(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, error))?;
    }
    if to.exists() {
        let reason = tr!("exists already; move it away first");
        return Err(Error::input(to, "folder", reason));
    }
    rename(from, to).map_err(|error| Error::io("move", from, error))
}

/// Shows a folder in the system's own program.
pub(crate) fn reveal(folder: &Path) -> Result<()> {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    // The program of the system may be one that runs already, in a folder of its own.
    let whole = std::path::absolute(folder).map_err(|error| Error::io("open", folder, error))?;
    let mut command = std::process::Command::new(program);
    let started = in_quotes(&mut command, &whole).spawn();
    // Nobody waits for the program, so a thread of its own takes its end.
    let mut child = started.map_err(|error| Error::io("open", folder, error))?;
    let _ = child.wait();
    Ok(())
}
