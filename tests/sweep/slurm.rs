//! A sweep as an array job of SLURM.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{FOUR, succeeds, table};

/// Runs the emitted array job on a real SLURM of one node, which the script
/// beside this file starts.
#[test]
#[ignore = "needs SLURM, and root to start it"]
fn an_array_job_does_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let script = succeeds(
        folder,
        &format!("sweep {FOUR} --emit slurm --jobs 2 --set evaluation.limit=4"),
    );
    assert!(script.contains("#SBATCH --array=0-4%2"), "{script}");
    fs::write(folder.join("array.sh"), &script).unwrap();
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sweep/slurm.sh");
    let output = Command::new("bash")
        .arg(starter)
        .arg("array.sh")
        .current_dir(folder)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    succeeds(folder, "sweep runs/sweeps/four-runs --gather");
    for run in table(folder, "four-runs", "runs") {
        assert_eq!(run["status"], "finished", "{run}");
    }
    // The best runs are scored where the sweep is resumed.
    let text = succeeds(folder, "sweep runs/sweeps/four-runs --resume");
    assert!(text.contains("7 of 7 done"), "{text}");
}
