//! Disks that fill up or cannot be written, files that vanish, and a second
//! process on the same folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::program::*;

/// A small disk in memory, which goes away with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Self {
        let is_mounted = mount(at, &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        assert!(is_mounted, "a small disk cannot be mounted here");
        Self(at.to_path_buf())
    }

    fn grow(&self, size: &str) {
        assert!(mount(&self.0, &["-o", &format!("remount,size={size}")]));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn mount(at: &Path, arguments: &[&str]) -> bool {
    let output = Command::new("mount").args(arguments).arg(at).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
#[ignore = "needs root on Linux, to mount a small disk"]
fn a_full_disk_keeps_the_last_checkpoint_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = write_run(folder.path(), 6);
    fs::create_dir(folder.path().join("runs")).unwrap();
    // A checkpoint takes 1.6 MB: the first fits and the second does not.
    let disk = SmallDisk::mount(&folder.path().join("runs"), "2500k");
    let (code, said) = run(folder.path(), "tune run.ron");
    assert_eq!(code, 1, "{said}");
    check_says(
        &said,
        &[
            "the disk is full; free some space and resume",
            "tune --resume",
        ],
    );
    assert_eq!(checkpoints(&run_folder), [1], "{said}");
    disk.grow("64m");
    let (code, said) = run(folder.path(), "tune --resume runs/short-0001");
    assert_eq!(code, 0, "{said}");
    check_says(&said, &["resumed after step 1"]);
    assert_eq!(steps(&run_folder).0.len(), 6);
}

/// A run by a user whom rights bind, in a folder that is its own.
fn start_as_user(folder: &Path) -> Child {
    let mut command = gosling(folder, "tune run.ron");
    if is_superuser() {
        // The build's own folder may be closed to others.
        let program = folder.join("gosling");
        fs::copy(env!("CARGO_BIN_EXE_gosling"), &program).unwrap();
        allow(&program, 0o755);
        let mut other = Command::new(program);
        other.args(command.get_args()).current_dir(folder);
        other.env("GOSLING_LANGUAGE", "en");
        other.env("RAYON_NUM_THREADS", "1").env("HOME", folder);
        other.uid(65_534).gid(65_534);
        command = other;
    }
    allow(folder, 0o777);
    start(command)
}

fn is_superuser() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_turns_read_only_fails_the_run_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = write_run(folder.path(), 2000);
    let child = start_as_user(folder.path());
    wait_until("two checkpoints", || checkpoints(&run_folder).len() > 1);
    let kept = run_folder.join("checkpoints");
    allow(&kept, 0o555);
    let (code, said) = ended(child);
    assert_eq!(code, 1, "{said}");
    check_says(
        &said,
        &[
            "saving failed",
            "checkpoints",
            "permission denied; ",
            "tune --resume",
        ],
    );
    let newest = checkpoints(&run_folder).last().copied().unwrap();
    allow(&kept, 0o777);
    // Where the rights are back, it continues from the last checkpoint.
    goes_on_from(newest, folder.path(), &run_folder);
}

/// Resumes a run for one more step.
fn goes_on_from(step: usize, folder: &Path, run_folder: &Path) {
    let spec = run_folder.join("spec.ron");
    let text = fs::read_to_string(&spec).unwrap();
    let shorter = text.replace("steps: 2000", &format!("steps: {}", step + 1));
    fs::write(&spec, shorter).unwrap();
    let (code, said) = run(folder, "tune --resume runs/short-0001");
    assert_eq!(code, 0, "{said}");
    check_says(&said, &[&format!("resumed after step {step}")]);
}

#[test]
fn files_that_vanish_are_named_or_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = write_run(folder.path(), 8);
    let child = start(gosling(folder.path(), "tune run.ron"));
    wait_until("two checkpoints", || checkpoints(&run_folder).len() > 1);
    let mut child = child;
    child.kill().unwrap();
    child.wait().unwrap();
    let all = checkpoints(&run_folder);
    // The newest checkpoint: the one before is taken.
    let newest = all.last().unwrap();
    let name = format!("checkpoints/step-{newest:06}.safetensors");
    fs::remove_file(run_folder.join(name)).unwrap();
    // The data: refused by its name, and nothing of the run is touched.
    let data = folder.path().join("train.jsonl");
    let text = fs::read(&data).unwrap();
    fs::remove_file(&data).unwrap();
    let before = fs::read(run_folder.join("metrics.jsonl")).unwrap();
    let (code, said) = run(folder.path(), "tune --resume runs/short-0001");
    assert_eq!(code, 2, "{said}");
    check_says(&said, &["train.jsonl: no such file or folder"]);
    assert_eq!(fs::read(run_folder.join("metrics.jsonl")).unwrap(), before);
    fs::write(&data, text).unwrap();
    let (code, said) = run(folder.path(), "tune --resume runs/short-0001");
    assert_eq!(code, 0, "{said}");
    check_says(&said, &[&format!("resumed after step {}", all[0])]);
    assert_eq!(steps(&run_folder).0.len(), 8);
    // All of the numbers: the run begins its record again.
    let folder = tempfile::tempdir().unwrap();
    let run_folder = write_run(folder.path(), 60);
    let child = start(gosling(folder.path(), "tune run.ron"));
    wait_until("two checkpoints", || checkpoints(&run_folder).len() > 1);
    fs::remove_file(run_folder.join("metrics.jsonl")).unwrap();
    let (code, said) = ended(child);
    assert_eq!(code, 0, "{said}");
    let (steps, n_torn) = steps(&run_folder);
    assert_eq!(n_torn, 0);
    assert!(
        steps.len() > 10 && steps.last().unwrap()[0] == 60,
        "{steps:?}"
    );
}

#[test]
fn a_second_process_is_told_whose_run_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = write_run(folder.path(), 2000);
    let mut child = start(gosling(folder.path(), "tune run.ron"));
    wait_until("the first checkpoint", || {
        !checkpoints(&run_folder).is_empty()
    });
    let (code, said) = run(folder.path(), "tune --resume runs/short-0001");
    assert_eq!(code, 2, "{said}");
    let id = child.id();
    check_says(
        &said,
        &[&format!("lock: process {id} uses this run; stop it first")],
    );
    assert!(child.try_wait().unwrap().is_none(), "the first one goes on");
    child.kill().unwrap();
    child.wait().unwrap();
    // A process that was killed holds nothing.
    let newest = checkpoints(&run_folder).last().copied().unwrap();
    goes_on_from(newest, folder.path(), &run_folder);
}
