//! The tasks of a sweep as jobs of a cluster: each does one task, from where
//! its folder is, so that a job that was ended can be submitted again.

use std::path::Path;

use super::store::SweepFolder;
use super::task::Task;
use crate::error::{Error, Result};

impl SweepFolder {
    /// The tasks that a cluster does, by the number that `--task` takes: the
    /// untuned models, then the runs.
    ///
    /// # Errors
    /// [`Error::Spec`] for a sweep whose runs depend on each other.
    pub fn tasks(&self) -> Result<Vec<Task>> {
        if let Some(part) = self
            .plan
            .sweep
            .parts
            .iter()
            .find(|part| part.halving.is_some())
        {
            let reason = tr!(
                "of part {} compares runs while they train, which separate cluster jobs cannot do; leave it out, or run the sweep in one process",
                format_args!("{:?}", part.name)
            );
            return Err(Error::spec("parts.halving", reason));
        }
        let untuned = (0..self.plan.untuned.len()).map(Task::Untuned);
        Ok(untuned
            .chain((0..self.plan.runs.len()).map(Task::Run))
            .collect())
    }

    /// A line for every task, for GNU parallel, Ray or the jobs of Kubernetes.
    ///
    /// # Errors
    /// As [`Self::tasks`].
    pub fn job_lines(&self, program: &Path) -> Result<String> {
        let n_tasks = self.tasks()?.len();
        let line = |idx| format!("{} --task {idx}\n", self.call(program));
        Ok((0..n_tasks).map(line).collect())
    }

    /// An array job for SLURM, `n_jobs` of whose tasks may go at a time.
    ///
    /// # Errors
    /// As [`Self::tasks`].
    pub fn slurm_script(&self, program: &Path, n_jobs: Option<usize>) -> Result<String> {
        let last = self.tasks()?.len() - 1;
        let throttle = n_jobs
            .map(|n_jobs| format!("%{n_jobs}"))
            .unwrap_or_default();
        let name = &self.plan.sweep.name;
        let call = self.call(program);
        let log = shell_quoted(&self.path().join("slurm-%a.txt").display().to_string());
        Ok(format!(
            "#!/bin/bash\n# One array task for each run of the sweep {name}. A task that was \
             interrupted resumes\n# from its last checkpoint: submit this file again with sbatch, \
             and tasks that are\n# complete end at once. When all have ended:\n#   {call} \
             --gather     writes the tables\n#   {call} --resume     also scores the best runs on \
             the test split\n# Add the options that your cluster needs, such as --partition, \
             --gres=gpu:1, --time.\n#SBATCH --job-name={name}\n#SBATCH \
             --array=0-{last}{throttle}\n#SBATCH --output={log}\n#SBATCH \
             --open-mode=append\n#SBATCH --requeue\n# An interrupt one minute before the time \
             limit saves the run.\n#SBATCH --signal=B:INT@60\nexport \
             RAYON_NUM_THREADS=\"${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}\"\nexec \
             {call} --task \"$SLURM_ARRAY_TASK_ID\"\n"
        ))
    }

    fn call(&self, program: &Path) -> String {
        let quoted = |path: &Path| shell_quoted(&path.display().to_string());
        format!("{} sweep {}", quoted(program), quoted(self.path()))
    }
}

/// An argument as a shell takes it.
fn shell_quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%".contains(c);
    if argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::sweep_file::parse_sweep;

    fn folder(runs: &Path, text: &str) -> SweepFolder {
        let plan = parse_sweep(text, "a.ron").unwrap().plan().unwrap();
        SweepFolder::create(runs, plan).unwrap()
    }

    #[test]
    fn every_task_has_its_line() {
        let runs = tempfile::tempdir().unwrap();
        let text = r#"(name: "s", parts: [(search: Grid([
            (field: "training.seed", values: List([0, 1])),
        ]))])"#;
        let folder = folder(&runs.path().join("my runs"), text);
        let lines = folder.job_lines(Path::new("/bin/gosling")).unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[2].starts_with("/bin/gosling sweep '/"),
            "{}",
            lines[2]
        );
        assert!(
            lines[2].ends_with("my runs/sweeps/s' --task 2"),
            "{}",
            lines[2]
        );
        let script = folder
            .slurm_script(Path::new("/bin/gosling"), Some(4))
            .unwrap();
        assert!(script.contains("#SBATCH --array=0-2%4\n"), "{script}");
        assert!(script.starts_with("#!/bin/bash\n"));
    }

    #[test]
    fn halving_cannot_be_emitted() {
        let runs = tempfile::tempdir().unwrap();
        let text =
            r#"(parts: [(name: "h", search: Grid([]), halving: (first_steps: 50, factor: 2))])"#;
        let message = folder(runs.path(), text).tasks().unwrap_err().to_string();
        assert!(message.contains("of part \"h\" compares runs"), "{message}");
    }
}
