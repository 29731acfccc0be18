//! Settings of a run that fit into the memory of its device.

use super::step_shape::{Longest, step_shape};
use crate::kernels::device::Room;
use crate::model::{ModelConfig, Precision};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::plan::fit::{Fit, fit};

/// The settings nearest to those of a run that fit into `room`; none where the run
/// trains nothing or nothing fits. `halves` is the 16-bit type of the model's file.
/// No precision is wider than the run's own.
pub(in crate::worker) fn fitting(
    spec: &RunSpec,
    config: &ModelConfig,
    halves: Precision,
    longest: Longest,
    room: Room,
) -> Option<Fit> {
    let shape = step_shape(spec, config, longest)?;
    let precisions = spec.model.precision.and_narrower(halves);
    fit(config, &shape, spec.training.accumulate, &precisions, room)
}

/// What the settings change in a run, as `--set` takes it.
pub fn changes(fit: &Fit, spec: &RunSpec) -> Vec<String> {
    let Fit {
        precision,
        batch,
        accumulate,
        recompute,
        window,
    } = *fit;
    let training = &spec.training;
    let all = [
        (
            precision != spec.model.precision,
            format!("model.precision={}", precision.name()),
        ),
        (batch != training.batch, format!("training.batch={batch}")),
        (
            accumulate != training.accumulate,
            format!("training.accumulate={accumulate}"),
        ),
        (
            recompute != training.activation_checkpointing,
            format!("training.activation_checkpointing={recompute}"),
        ),
        (
            window != training.window,
            window.map_or("training.window=None".into(), |n| {
                format!("training.window={n}")
            }),
        ),
    ];
    let changed = all.into_iter().filter(|(is_other, _)| *is_other);
    changed.map(|(_, assignment)| assignment).collect()
}

/// Takes the settings.
pub fn apply(fit: &Fit, spec: &mut RunSpec) {
    spec.model.precision = fit.precision;
    spec.training.batch = fit.batch;
    spec.training.accumulate = fit.accumulate;
    spec.training.activation_checkpointing = fit.recompute;
    spec.training.window = fit.window;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::spec_file::set_field;

    #[test]
    fn what_is_said_is_what_is_taken() {
        let mut spec = RunSpec::default();
        let fit = Fit {
            precision: Precision::Int8,
            batch: 4,
            accumulate: 8,
            recompute: true,
            window: Some(512),
        };
        let mut said = spec.clone();
        for assignment in changes(&fit, &spec) {
            set_field(&mut said, &assignment).unwrap();
        }
        apply(&fit, &mut spec);
        assert_eq!(said, spec);
        assert!(changes(&fit, &spec).is_empty());
    }
}
