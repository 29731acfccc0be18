//! What changes on the disk while the window is open: runs and sweeps that other
//! processes work on, and the files that the configuration names. The system tells
//! of changes; disks that do not are looked at now and then.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::background::{Background, Threads};
use crate::persist::folder_lock::holder_of;
use crate::persist::run_folder::{EVALUATIONS, METRICS_FILE, SPEC_FILE};
use crate::persist::run_history::observed_run;
use crate::persist::run_labels::LABELS_FILE;
use crate::persist::run_requests::SESSION_FILE;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::sweep::store::{JOURNAL_FILE, SWEEP_FILE, sweeps_in};

/// Changes that follow each other more closely are taken in together.
const TOGETHER: Duration = Duration::from_millis(300);
/// Everything is looked at so often at least, for disks and locks that tell nothing.
const EVERY: Duration = Duration::from_secs(3);
/// Looking takes no more than this share of the time.
const SHARE: u32 = 10;

/// What was seen since the last answer.
#[derive(Debug, Default)]
pub(crate) struct FolderChanges {
    /// Runs that are new or have changed, and those that cannot be read, with why.
    pub runs: Vec<(RunId, Result<Box<Run>, String>)>,
    /// Runs whose folder is gone.
    pub gone: Vec<RunId>,
    /// Whether a sweep came, went or changed.
    pub sweeps: bool,
    /// Whether a file of the configuration changed.
    pub files: bool,
}

/// What the window tells the one who looks.
#[derive(Debug, Default)]
struct WatchSettings {
    /// Starts of the names of runs whose events come to the window by themselves.
    own: Vec<String>,
    /// Files of the configuration.
    files: Vec<PathBuf>,
}

/// Looks at a folder of runs until it is dropped.
pub(crate) struct FolderWatch {
    told: Arc<Mutex<WatchSettings>>,
    /// Ends the thread with its other end.
    look: Sender<()>,
    answers: Background<FolderChanges>,
}

/// What tells one state of a run or a sweep on the disk from the next.
type Stamp = [Option<(u64, SystemTime)>; 6];

impl FolderWatch {
    /// Of this folder, which need not be there yet.
    pub fn new(runs_dir: PathBuf, threads: &Threads) -> Self {
        let (look, asked) = unbounded();
        let told: Arc<Mutex<WatchSettings>> = Arc::default();
        let answers = Background::new(threads);
        let looker = Looker {
            runs_dir,
            told: told.clone(),
            runs: HashMap::new(),
            sweeps: HashMap::new(),
            files: HashMap::new(),
        };
        let sender = answers.clone();
        answers.start(move || {
            looker.go(&asked, &sender);
            None
        });
        Self {
            told,
            look,
            answers,
        }
    }

    /// Says which runs need not be read, by the starts of their names, and which
    /// files of the configuration matter.
    pub fn tell(&self, own: Vec<String>, files: Vec<PathBuf>) {
        if let Ok(mut told) = self.told.lock() {
            *told = WatchSettings { own, files };
        }
    }

    /// Has everything looked at now.
    pub fn look_now(&self) {
        // Without a thread nothing is seen, and that was said.
        let _ = self.look.send(());
    }

    /// What was seen since this was asked last.
    pub fn answers(&self) -> Vec<FolderChanges> {
        self.answers.answers()
    }
}

struct Looker {
    runs_dir: PathBuf,
    told: Arc<Mutex<WatchSettings>>,
    runs: HashMap<String, Stamp>,
    sweeps: HashMap<PathBuf, Stamp>,
    files: HashMap<PathBuf, Stamp>,
}

impl Looker {
    /// Looks whenever something may have changed, until nobody wants to know.
    fn go(mut self, asked: &Receiver<()>, answers: &Background<FolderChanges>) {
        let (changed, changes) = unbounded();
        let mut system = None;
        let mut rest = Duration::ZERO;
        // What is there is known to the window, but for what others work on.
        tell(answers, self.look(true));
        loop {
            if system.is_none() {
                system = watch(&self.runs_dir, changed.clone());
            }
            let until = Instant::now() + EVERY;
            let is_asked = crossbeam_channel::select! {
                recv(asked) -> asked => match asked {
                    Ok(()) => true,
                    Err(_) => return,
                },
                recv(changes) -> _ => false,
                default(EVERY) => false,
            };
            if !is_asked && Instant::now() < until {
                // More of the same follows as a rule.
                match asked.recv_timeout(TOGETHER.max(rest)) {
                    Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            while changes.try_recv().is_ok() {}
            let start = Instant::now();
            tell(answers, self.look(false));
            rest = start.elapsed() * SHARE;
        }
    }

    /// What is not as it was. At first only stamps are taken.
    fn look(&mut self, is_first: bool) -> FolderChanges {
        let mut seen = FolderChanges::default();
        let (own, files) = match self.told.lock() {
            Ok(told) => (told.own.clone(), told.files.clone()),
            Err(_) => return seen,
        };
        let is_own = |name: &str| own.iter().any(|start| name.starts_with(start.as_str()));
        let here = std::process::id();
        let mut there = HashSet::new();
        // A folder that cannot be listed is told of when runs are read first.
        for entry in fs::read_dir(&self.runs_dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let Ok(name) = name.into_string() else {
                continue;
            };
            if name.starts_with('.') || !path.join(SPEC_FILE).is_file() {
                continue;
            }
            there.insert(name.clone());
            if is_own(&name) {
                // It is read when it is nobody's any more.
                self.runs.entry(name).or_default();
                continue;
            }
            let holder = holder_of(&path);
            let stamp = run_stamp(&path, holder);
            if self.runs.get(&name) == Some(&stamp) {
                continue;
            }
            let is_known = self.runs.insert(name.clone(), stamp).is_some();
            let is_new = !is_known && is_first && holder.is_none();
            if holder != Some(here) && !is_new {
                let run = observed_run(&path).map(Box::new);
                seen.runs
                    .push((RunId(name), run.map_err(|error| error.to_string())));
            }
        }
        let gone = self.runs.extract_if(|name, _| !there.contains(name));
        seen.gone = gone.map(|(name, _)| RunId(name)).collect();
        let sweeps = sweeps_in(&self.runs_dir).unwrap_or_default();
        let sweeps: HashMap<PathBuf, Stamp> = sweeps
            .into_iter()
            .map(|path| (path.clone(), sweep_stamp(&path)))
            .collect();
        seen.sweeps = !is_first && sweeps != self.sweeps;
        self.sweeps = sweeps;
        let files: HashMap<PathBuf, Stamp> = files
            .into_iter()
            .map(|path| (path.clone(), stamp_of([whole_stamp(&path)])))
            .collect();
        // A file that is new here was just read.
        let is_changed = |(path, stamp): (&PathBuf, &Stamp)| {
            let before = self.files.get(path);
            before.is_some_and(|before| before != stamp)
        };
        seen.files = files.iter().any(is_changed);
        self.files = files;
        seen
    }
}

fn tell(answers: &Background<FolderChanges>, seen: FolderChanges) {
    let is_news = !seen.runs.is_empty() || !seen.gone.is_empty();
    if is_news || seen.sweeps || seen.files {
        answers.send(seen);
    }
}

/// Has the system tell of changes in a folder; none where it cannot.
fn watch(folder: &Path, changed: Sender<()>) -> Option<RecommendedWatcher> {
    let tell = move |event: notify::Result<notify::Event>| {
        let is_read = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
        if !is_read && changed.is_empty() {
            let _ = changed.send(());
        }
    };
    let mut watcher = notify::recommended_watcher(tell).ok()?;
    watcher.watch(folder, RecursiveMode::Recursive).ok()?;
    Some(watcher)
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata: Metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Some((metadata.len(), modified))
}

/// The same of a file, or of all files of a folder together.
fn whole_stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let own = stamp(path)?;
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let stamps = entries.filter_map(|entry| stamp(&entry.path()));
    Some(stamps.fold(own, |(bytes, newest), (more, modified)| {
        (bytes.wrapping_add(more), newest.max(modified))
    }))
}

/// Whether it is held, as a stamp.
fn held(holder: Option<u32>) -> Option<(u64, SystemTime)> {
    holder.map(|pid| (u64::from(pid), SystemTime::UNIX_EPOCH))
}

fn stamp_of<const N: usize>(parts: [Option<(u64, SystemTime)>; N]) -> Stamp {
    let mut parts = parts.into_iter();
    std::array::from_fn(|_| parts.next().flatten())
}

fn run_stamp(path: &Path, holder: Option<u32>) -> Stamp {
    let files = [
        METRICS_FILE,
        SPEC_FILE,
        LABELS_FILE,
        EVALUATIONS,
        SESSION_FILE,
    ];
    let [metrics, spec, labels, evaluations, session] = files.map(|file| stamp(&path.join(file)));
    [metrics, spec, labels, evaluations, session, held(holder)]
}

fn sweep_stamp(path: &Path) -> Stamp {
    let files = [SWEEP_FILE, JOURNAL_FILE];
    let [sweep, journal] = files.map(|file| stamp(&path.join(file)));
    stamp_of([sweep, journal, held(holder_of(path))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::metrics::MetricRecord;
    use crate::persist::run_folder::RunFolder;
    use crate::protocol::run_spec::RunSpec;
    use crate::runs::run::RunStatus;

    fn looker(runs_dir: &Path) -> Looker {
        Looker {
            runs_dir: runs_dir.to_path_buf(),
            told: Arc::default(),
            runs: HashMap::new(),
            sweeps: HashMap::new(),
            files: HashMap::new(),
        }
    }

    fn note(text: &str) -> MetricRecord {
        MetricRecord::Note { text: text.into() }
    }

    fn read(seen: FolderChanges) -> Box<Run> {
        let [(_, Ok(run))] = <[_; 1]>::try_from(seen.runs).unwrap() else {
            panic!("one run that can be read");
        };
        run
    }

    #[test]
    fn a_run_of_another_process_is_followed_to_its_end() {
        let runs = tempfile::tempdir().unwrap();
        let mut looker = looker(runs.path());
        assert!(looker.look(true).runs.is_empty());
        let mut folder = RunFolder::create(runs.path(), &RunSpec::default()).unwrap();
        let path = folder.path().to_path_buf();
        // This process hears of its own runs by itself.
        assert!(looker.look(false).runs.is_empty());
        fs::write(path.join("lock.pid"), "4321").unwrap();
        let run = read(looker.look(false));
        assert_eq!((run.elsewhere, run.status.is_over()), (Some(4321), false));
        assert!(looker.look(false).runs.is_empty(), "nothing has changed");
        folder.append_metric(&note("x")).unwrap();
        assert_eq!(read(looker.look(false)).notes, ["x"]);
        drop(folder);
        let run = read(looker.look(false));
        assert_eq!(run.status, RunStatus::Interrupted { step: 0 });
        assert_eq!(run.elsewhere, None);
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(looker.look(false).gone, [run.id]);
    }

    #[test]
    fn what_the_window_knows_is_not_read_again_and_files_are_looked_at() {
        let runs = tempfile::tempdir().unwrap();
        drop(RunFolder::create(runs.path(), &RunSpec::default()).unwrap());
        let mut looker = looker(runs.path());
        assert!(looker.look(true).runs.is_empty());
        let name = RunSpec::default().name;
        let data = runs.path().join("data.jsonl");
        *looker.told.lock().unwrap() = WatchSettings {
            own: vec![name],
            files: vec![data.clone()],
        };
        let second = RunFolder::create(runs.path(), &RunSpec::default()).unwrap();
        fs::write(second.path().join("lock.pid"), "4321").unwrap();
        let seen = looker.look(false);
        assert!(seen.runs.is_empty() && !seen.files, "{seen:?}");
        fs::write(&data, "{}").unwrap();
        assert!(looker.look(false).files);
        assert!(!looker.look(false).files);
        looker.told.lock().unwrap().own.clear();
        // The first has not changed since it was seen; the second was never read.
        let seen = looker.look(false).runs;
        let names: Vec<&str> = seen.iter().map(|(id, _)| id.0.as_str()).collect();
        let second = second.path().file_name().and_then(|name| name.to_str());
        assert_eq!(names, [second.unwrap()]);
    }

    #[test]
    fn the_system_tells_of_changes() {
        let runs = tempfile::tempdir().unwrap();
        let (threads, _failures) = Threads::new(Arc::new(|| ()));
        let watch = FolderWatch::new(runs.path().to_path_buf(), &threads);
        let folder = runs.path().join("other-0001");
        fs::create_dir(&folder).unwrap();
        let text = crate::persist::spec_file::print_spec(&RunSpec::default()).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let mut blanks = String::new();
        let seen = loop {
            let seen = watch.answers();
            if seen.iter().any(|seen| !seen.runs.is_empty()) {
                break seen;
            }
            assert!(Instant::now() < until, "nothing was seen");
            // Whatever is there at the first look is not told of; what changes is.
            let scratch = runs.path().join(".scratch");
            fs::write(&scratch, format!("{text}{blanks}")).unwrap();
            fs::rename(&scratch, folder.join(SPEC_FILE)).unwrap();
            blanks.push('\n');
            std::thread::sleep(Duration::from_millis(100));
        };
        let (id, run) = &seen[0].runs[0];
        assert_eq!(id.0, "other-0001");
        assert!(run.is_ok(), "{run:?}");
    }
}
