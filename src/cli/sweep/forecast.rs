//! The forecast of a sweep's cost.

use std::path::Path;

use crate::cli::this_program;
use crate::error::Result;
use crate::format::byte_size;
use crate::kernels::device::{DeviceChoice, memory_of};
use crate::persist::run_history::past_runs;
use crate::sweep::estimate::{Estimator, SweepEstimate, time_steps};
use crate::sweep::plan::SweepPlan;
use crate::sweep::scheduler::threads_for;

/// Number of runs, the memory of each against the device's, and the time: that
/// of runs in `runs_dir`, else of a few steps that are timed now.
pub(super) fn forecast(
    plan: &SweepPlan,
    runs_dir: &Path,
    n_jobs: usize,
    is_timed: bool,
) -> Result<String> {
    let mut estimator = Estimator::new(plan)?;
    estimator.learn(&past_runs(runs_dir)?);
    let wanted = estimator.wants(plan);
    let mut warnings = String::new();
    let mut basis = tr!("measured on earlier runs");
    if is_timed && !wanted.is_empty() {
        basis = tr!("measured over five steps");
        let log = tempfile_beside();
        let program = this_program()?;
        let times = time_steps(&program, threads_for(n_jobs), &wanted, &log)?;
        // A log that cannot be removed is the system's to clean up.
        let _ = std::fs::remove_file(&log);
        for (spec, secs) in wanted.into_iter().zip(times) {
            match secs {
                Ok(secs) => estimator.add_timing(spec, secs),
                Err(reason) => {
                    warnings += &tr!("warning: {} cannot run, {reason}\n", spec.name, reason)
                }
            }
        }
    }
    let estimate = estimator.estimate(plan);
    let mut text = format!("{}: {}\n", plan.sweep.name, counts(plan));
    for note in &plan.notes {
        text += &tr!("note: {note}\n", note);
    }
    text += &memory(plan, &estimate, n_jobs);
    let is_on_cpu = plan
        .runs
        .iter()
        .all(|run| run.spec.device == DeviceChoice::Cpu);
    text += &time(&estimate, basis, n_jobs, is_on_cpu);
    text += &warnings;
    Ok(text)
}

/// Where a process that only times steps writes its complaints.
fn tempfile_beside() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("gosling-timing-{}.txt", std::process::id()))
}

fn counts(plan: &SweepPlan) -> String {
    let of_part = |part: usize| {
        let n = plan.runs.iter().filter(|run| run.part == part).count();
        tr!("{n} of {}", plan.sweep.part_name(part), n)
    };
    let parts: Vec<String> = (0..plan.sweep.parts.len()).map(of_part).collect();
    tr!("{} runs ({})", plan.runs.len(), parts.join(", "))
}

fn memory(plan: &SweepPlan, estimate: &SweepEstimate, n_jobs: usize) -> String {
    let known = estimate.memory.iter().enumerate();
    let known = known.filter_map(|(idx, memory)| Some((idx, (*memory)?.total())));
    let Some((idx, largest)) = known.clone().max_by_key(|(_, total)| *total) else {
        return String::new();
    };
    let smallest = known
        .clone()
        .map(|(_, total)| total)
        .min()
        .unwrap_or(largest);
    let (least, most) = (byte_size(smallest), byte_size(largest));
    let mut text = match least == most {
        true => tr!("the largest step of every run takes {most} of memory", most),
        false => tr!(
            "the largest step of a run takes {least} to {most} of memory, most in run {idx}",
            least,
            most,
            idx
        ),
    };
    let device = plan.runs[idx].spec.device;
    match memory_of(device) {
        None => text += tr!("; the device does not report its memory\n"),
        Some(has) => {
            let jobs = match n_jobs {
                1 => String::new(),
                n => tr!(
                    ", {n} parallel runs up to {}",
                    byte_size(largest * n as u64),
                    n
                ),
            };
            text += &tr!("{jobs}; the device has {}\n", byte_size(has), jobs);
            let too_large: Vec<String> = known
                .filter(|(_, total)| *total > has)
                .map(|(idx, _)| idx.to_string())
                .collect();
            if !too_large.is_empty() {
                text += &tr!(
                    "warning: these runs will not fit, {}; use smaller batches\n",
                    too_large.join(", ")
                );
            } else if largest.saturating_mul(n_jobs as u64) > has {
                text += &tr!("warning: {n_jobs} parallel runs may not fit\n", n_jobs);
            }
        }
    }
    text
}

fn time(estimate: &SweepEstimate, basis: &str, n_jobs: usize, is_on_cpu: bool) -> String {
    let Some(time) = &estimate.time else {
        return tr!("the time is unknown until the first steps\n").into();
    };
    // Neither saves time as a rule (`benches/RESULTS.md`, runs on one GPU).
    let side_by_side = match (n_jobs, is_on_cpu) {
        (0 | 1, _) => String::new(),
        (n, true) => tr!("; {n} parallel runs share the cores", n),
        (n, false) => {
            tr!(
                "; {n} parallel runs on one GPU take turns and are usually slower, --jobs 1 is best",
                n
            )
        }
    };
    let scoring = match estimate.has_evaluations {
        true => "",
        false => tr!(", plus scoring"),
    };
    tr!(
        "the sweep takes {} one run after another{side_by_side}, {basis}{scoring}\n",
        time.words(),
        side_by_side,
        basis,
        scoring
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::time_ahead::TimeRange;

    #[test]
    fn several_runs_on_one_device_are_promised_no_time() {
        let estimate = SweepEstimate {
            memory: Vec::new(),
            time: Some(TimeRange {
                secs: 600.0,
                low: 540.0,
                high: 660.0,
            }),
            has_evaluations: false,
        };
        let words = |n_jobs, is_on_cpu| time(&estimate, "by a test", n_jobs, is_on_cpu);
        let alone = words(1, false);
        assert_eq!(alone, words(1, true));
        assert!(
            alone.contains("9 to 11 min one run") && !alone.contains("side"),
            "{alone}"
        );
        let (gpu, cpu) = (words(4, false), words(4, true));
        assert!(
            gpu.contains("4 parallel runs on one GPU take turns"),
            "{gpu}"
        );
        assert!(cpu.contains("4 parallel runs share the cores"), "{cpu}");
        for text in [gpu, cpu] {
            assert!(text.contains("9 to 11 min"), "{text}");
        }
    }
}
