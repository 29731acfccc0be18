//! After which steps a run stores a snapshot, so that all of them together keep
//! within the disk space they may have. Known, and told, before the start.

use crate::format::byte_size;
use crate::model::ModelConfig;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::spec::{LiftKind, Lifting, Method};
use crate::tuning::states::snapshot_file::snapshot_bytes;

/// When snapshots are stored, and what they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Steps between two that the user asked for.
    wanted: usize,
    /// Steps between two that fit.
    interval: usize,
    /// Steps of the run.
    steps: usize,
    /// Bytes of one.
    pub bytes_each: u64,
    /// How many there will be; none where not even the last one fits.
    pub n: usize,
}

impl SnapshotPlan {
    /// The plan of a run; none where no snapshot is wanted or nothing is
    /// trained.
    pub fn new(spec: &RunSpec, model: &ModelConfig) -> Option<Self> {
        let (steps, wanted) = (spec.training.steps, spec.intervals.snapshot);
        if wanted == 0 || spec.method == Method::Base {
            return None;
        }
        let bytes_each = snapshot_bytes(n_numbers(&spec.method, model));
        let limit = (spec.intervals.snapshot_mib as u64) << 20;
        let n_fit = usize::try_from(limit / bytes_each).unwrap_or(usize::MAX);
        let interval = match n_fit {
            0 | 1 => steps,
            // The first guess ignores the ends, so a few more may be tried.
            n_fit => {
                let least = steps.div_ceil(n_fit).div_ceil(wanted).max(1);
                let mut all = (least..).map(|times| times.saturating_mul(wanted));
                all.find(|interval| count(steps, *interval) <= n_fit)
                    .unwrap_or(steps)
            }
        };
        Some(Self {
            wanted,
            interval,
            steps,
            bytes_each,
            n: count(steps, interval).min(n_fit),
        })
    }

    /// Whether one is stored after `step` steps. The last is never left out
    /// while there is room for one; step 0 is the first to go.
    pub fn is_due(&self, step: usize) -> bool {
        let is_last = step == self.steps;
        match self.n {
            0 => false,
            1 => is_last,
            _ => is_last || step.is_multiple_of(self.interval),
        }
    }

    /// One line about it.
    pub fn note(&self) -> String {
        let Self {
            wanted,
            interval,
            steps,
            bytes_each,
            n,
        } = *self;
        let size = |n: usize| byte_size(bytes_each.saturating_mul(n as u64));
        match n {
            0 => tr!(
                "one snapshot of the state takes {}, more than intervals.snapshot_mib allows; \
                 none is stored",
                size(1)
            ),
            1 => tr!(
                "one snapshot of the state takes {}, so that only the last is stored \
                 (intervals.snapshot_mib)",
                size(1)
            ),
            n if interval > wanted => tr!(
                "snapshots of the state every {wanted} steps would take {}; every {interval} \
                 steps they take {} (intervals.snapshot_mib)",
                size(count(steps, wanted)),
                size(n),
                wanted,
                interval
            ),
            n => tr!(
                "{n} snapshots of the state, one every {interval} steps, take {} on the disk",
                size(n),
                n,
                interval
            ),
        }
    }
}

/// Step 0, every interval, and the last step.
fn count(steps: usize, interval: usize) -> usize {
    1 + steps.div_ceil(interval.max(1))
}

/// Numbers of a snapshot.
fn n_numbers(method: &Method, model: &ModelConfig) -> u64 {
    let of_state = (model.n_layer * model.n_state()) as u64;
    let of_branch = method.lifting().map(|of| branch_numbers(&of, model));
    let of_lora = method.lora().map(|of| of.n_parameters(model));
    let n_shifts = match method.shift_rate() {
        Some(_) => 2 * model.n_layer * model.n_embd,
        None => 0,
    };
    of_state + n_shifts as u64 + of_branch.unwrap_or(0) + of_lora.unwrap_or(0) as u64
}

/// Z and the support vectors, gamma, write gates, R and the mean.
fn branch_numbers(spec: &Lifting<'_>, model: &ModelConfig) -> u64 {
    let n_layer = spec
        .layers
        .chosen(model.n_layer)
        .map_or(model.n_layer, |chosen| chosen.len());
    let (h, n, m) = (model.n_head, model.head_size, spec.features.upscaled_size);
    let of_r = spec.decorrelation.map_or(0, |decorrelation| {
        let n_matrices = if decorrelation.shared { 1 } else { h };
        n_matrices * m * m + if decorrelation.center { h * m } else { 0 }
    });
    let of_gates = usize::from(spec.kind == LiftKind::Recurrent);
    (n_layer * (h * (2 * n * m + 1 + of_gates) + of_r)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;
    use crate::tuning::spec::{DecorrelationSpec, LiftSpec};

    fn plan(change: impl FnOnce(&mut RunSpec)) -> Option<SnapshotPlan> {
        let mut spec = RunSpec::default();
        spec.training.steps = 320;
        change(&mut spec);
        let model = ModelConfig::from_checkpoint(&mini::checkpoint().unwrap()).unwrap();
        SnapshotPlan::new(&spec, &model)
    }

    fn steps(plan: &SnapshotPlan) -> Vec<usize> {
        (0..=320).filter(|step| plan.is_due(*step)).collect()
    }

    fn lifted(spec: &mut RunSpec) {
        spec.method = Method::Lifted(LiftSpec {
            decorrelation: Some(DecorrelationSpec::default()),
            ..LiftSpec::default()
        });
    }

    #[test]
    fn snapshots_are_stored_at_the_start_every_interval_and_at_the_end() {
        let standard = plan(|_| ()).unwrap();
        assert_eq!(steps(&standard), [0, 50, 100, 150, 200, 250, 300, 320]);
        assert_eq!(standard.n, 8);
        let note = "8 snapshots of the state, one every 50 steps, take 1.56 MiB on the disk";
        assert_eq!(standard.note(), note);
        assert_eq!(plan(|spec| spec.intervals.snapshot = 0), None);
        assert_eq!(plan(|spec| spec.method = Method::Base), None);
    }

    #[test]
    fn the_disk_space_is_kept_whatever_was_asked_for() {
        for mib in 1..60 {
            for interval in [1, 3, 50, 1000] {
                let plan = plan(|spec| {
                    lifted(spec);
                    spec.intervals.snapshot = interval;
                    spec.intervals.snapshot_mib = mib;
                });
                let plan = plan.unwrap();
                let stored = steps(&plan);
                assert_eq!(stored.len(), plan.n, "{mib} {interval}");
                assert!(stored.len() as u64 * plan.bytes_each <= (mib as u64) << 20);
                if plan.n > 0 {
                    assert_eq!(stored.last(), Some(&320));
                }
                assert!(!plan.note().is_empty());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let note = |mib| {
            let plan = plan(|spec| {
                lifted(spec);
                spec.intervals.snapshot_mib = mib;
            });
            plan.unwrap().note()
        };
        for (mib, words) in [
            (1, "none is stored"),
            (8, "only the last is stored"),
            (20, "every 50 steps would take"),
            (64, "one every 50 steps, take"),
        ] {
            assert!(note(mib).contains(words), "{mib}: {}", note(mib));
        }
    }
}
