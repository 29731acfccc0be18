//! The memory that a run's largest step takes, told before it starts.

use std::hint::black_box;

use super::fitting::{changes, fitting};
use super::permission::is_memory_allowed;
use super::step_shape::{Longest, step_memory};
use crate::error::{Error, Result};
use crate::format::byte_size;
use crate::kernels::device::{Room, machine_memory, room_of};
use crate::model::{ModelConfig, Precision};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::plan::fit::holds;
use crate::tuning::plan::memory::MemoryEstimate;
use crate::worker::run_data::RunData;
use crate::worker::session::{LoadedModel, open_checkpoint};

/// What is settled of a run before its model is read.
#[derive(Debug)]
pub(in crate::worker) struct Settled {
    /// Storage of the frozen matrices.
    pub precision: Precision,
    /// Why it is that one, where it was not said.
    pub note: Option<String>,
}

/// Chooses the precision where the run leaves that open, and refuses what the device
/// cannot hold by arithmetic: large models take their time to read.
///
/// # Errors
/// As [`memory_note`], and files that cannot be used.
pub(in crate::worker) fn settle(spec: &RunSpec, data: &RunData) -> Result<Settled> {
    let checkpoint = open_checkpoint(&spec.model.checkpoint)?;
    let config = ModelConfig::from_checkpoint(&checkpoint)?;
    let halves = Precision::halves_of(&checkpoint);
    let (longest, room) = (Longest::of(spec, data), room_of(spec.device));
    if let Some(longest) = longest {
        longest.check(spec)?;
    }
    let chosen = precision(spec, &config, halves, longest, room);
    let mut settled = spec.clone();
    settled.model.precision = chosen;
    let note = (spec.model.precision == Precision::Auto).then(|| {
        let of = room.usable().map_or(String::new(), |bytes| {
            tr!(", the widest that fits into {}", byte_size(bytes))
        });
        tr!("model.precision is {}{of}", chosen.name(), of)
    });
    if let Some(longest) = longest
        && let Some(estimate) = step_memory(&settled, &config, longest)
    {
        let fitting = || {
            let fit = fitting(&settled, &config, halves, longest, room)?;
            Some(changes(&fit, &settled))
        };
        check_tensor(&estimate, room.max_tensor, fitting)?;
        if let Some(too_little) = too_little(&estimate, room.usable()) {
            judged("", &too_little, is_memory_allowed(), fitting)?;
        }
    }
    Ok(Settled {
        precision: chosen,
        note,
    })
}

/// The precision of a run: its own, or the widest whose step fits; with nothing to
/// train the widest whose weights do. What fits nowhere gets the narrowest.
pub(in crate::worker) fn precision(
    spec: &RunSpec,
    config: &ModelConfig,
    halves: Precision,
    longest: Option<Longest>,
    room: Room,
) -> Precision {
    if spec.model.precision != Precision::Auto {
        return spec.model.precision;
    }
    let step = |precision: Precision| {
        let mut spec = spec.clone();
        spec.model.precision = precision;
        longest.and_then(|longest| step_memory(&spec, config, longest))
    };
    if step(Precision::F32).is_none() {
        return Precision::widest(config, halves, room.usable());
    }
    let fits = |precision: &Precision| step(*precision).is_some_and(|of| holds(room, &of));
    let all = Precision::Auto.and_narrower(halves);
    all.into_iter().find(fits).unwrap_or(Precision::NF4)
}

/// One line about the memory of the largest step that this run could take;
/// none where nothing is trained.
///
/// # Errors
/// [`Error::Spec`] where the device or this machine cannot hold it. That its memory
/// is too small is a note in place of an error where [`is_memory_allowed`]; a tensor
/// that the device cannot hold stays one, for it gives wrong numbers.
pub(in crate::worker) fn memory_note(
    spec: &RunSpec,
    loaded: &LoadedModel,
    data: &RunData,
) -> Result<Option<String>> {
    let longest = Longest::of(spec, data);
    let estimate = longest.and_then(|longest| step_memory(spec, loaded.model.config(), longest));
    let Some(estimate) = estimate else {
        return Ok(None);
    };
    // A software GPU and the CPU take from the machine's memory, which holds
    // the weights already; what a real GPU has free nobody says.
    let is_own = loaded.limits.is_some() && !loaded.is_software;
    let machine = (!is_own).then(machine_memory);
    let note = tr!(
        "the largest step takes about {estimate} of memory",
        estimate
    );
    let more = estimate.total() - estimate.weights;
    if machine.is_some() && !can_have(more) {
        let too_little = tr!(
            "needs about {} more for a step, which the system does not give this program (`ulimit -v` limits it)",
            byte_size(more)
        );
        return judged(&note, &too_little, is_memory_allowed(), || None).map(Some);
    }
    let is_too_large = too_little(&estimate, room_of(spec.device).usable());
    if let Some(too_little) = is_too_large {
        // What is not allowed was refused before the model was read.
        return judged(&note, &too_little, true, || None).map(Some);
    }
    Ok(Some(match machine {
        Some(machine) if more > machine.free => tr!(
            "{note}, more than the {} that are free now; close other programs",
            byte_size(machine.free),
            note
        ),
        Some(_) | None => note,
    }))
}

/// A step that the memory looks too small for: a note where that is allowed, else an
/// error that says how to allow it.
fn judged(
    note: &str,
    too_little: &str,
    is_allowed: bool,
    fitting: impl FnOnce() -> Option<Vec<String>>,
) -> Result<String> {
    match is_allowed {
        true => Ok(tr!(
            "{note}; training.batch {too_little}; tried anyway, as requested",
            note,
            too_little
        )),
        false => {
            let or = tr!(", or try it anyway with --allow-memory");
            Err(too_much(too_little, fitting(), or))
        }
    }
}

/// The error of a step that needs too much, with the settings that fit.
fn too_much(what: &str, fitting: Option<Vec<String>>, or: &str) -> Error {
    let less = match fitting.filter(|fitting| !fitting.is_empty()) {
        Some(fitting) => tr!("{} fits, and --fit takes it", fitting.join(" ")),
        None => tr!(
            "choose a smaller one (training.accumulate makes up for it), windows \
                 (training.window) or a shorter data.context_length"
        )
        .into(),
    };
    Error::spec("training.batch", format!("{what}; {less}{or}"))
}

/// Whether the system would give this program so much memory more. Where it
/// promises more than it has, as Linux does, this sees only a limit on the program.
fn can_have(n_bytes: u64) -> bool {
    let mut room: Vec<u8> = Vec::new();
    let has_room = usize::try_from(n_bytes).is_ok_and(|n| room.try_reserve_exact(n).is_ok());
    // Else the compiler leaves out what is never written to.
    black_box(&room);
    has_room
}

/// Refuses a step with a tensor that the device cannot hold.
fn check_tensor(
    estimate: &MemoryEstimate,
    max_tensor: Option<u64>,
    fitting: impl FnOnce() -> Option<Vec<String>>,
) -> Result<()> {
    match max_tensor {
        Some(max) if estimate.largest_tensor > max => {
            let what = tr!(
                "makes a tensor of {}, the device holds at most {} in one",
                byte_size(estimate.largest_tensor),
                byte_size(max)
            );
            Err(too_much(&what, fitting(), ""))
        }
        Some(_) | None => Ok(()),
    }
}

/// What is said of a step that the memory is too small for.
fn too_little(estimate: &MemoryEstimate, memory: Option<u64>) -> Option<String> {
    let memory = memory.filter(|memory| estimate.total() > *memory)?;
    Some(tr!(
        "needs about {} for a step, the device has {}",
        byte_size(estimate.total()),
        byte_size(memory)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATE: MemoryEstimate = MemoryEstimate {
        weights: 1 << 20,
        state: 1 << 20,
        activations: 5 << 20,
        carried: 0,
        working: 3 << 20,
        largest_tensor: 2 << 20,
    };

    #[test]
    fn what_cannot_be_held_is_refused() {
        assert!(check_tensor(&ESTIMATE, None, || None).is_ok());
        assert!(check_tensor(&ESTIMATE, Some(2 << 20), || None).is_ok());
        let message = check_tensor(&ESTIMATE, Some(1 << 20), || None).unwrap_err();
        let tensor = "training.batch: makes a tensor of 2.00 MiB, the device holds at most 1.00 MiB in one; ";
        assert!(message.to_string().starts_with(tensor), "{message}");
        assert_eq!(too_little(&ESTIMATE, None), None);
        assert_eq!(too_little(&ESTIMATE, Some(10 << 20)), None);
        let step = "needs about 10.0 MiB for a step, the device has 9.00 MiB";
        assert_eq!(too_little(&ESTIMATE, Some(9 << 20)).as_deref(), Some(step));
    }

    #[test]
    fn what_looks_too_large_can_be_allowed() {
        let (note, reason) = (
            "the largest step takes much",
            "needs about 2, the device has 1",
        );
        let refused = judged(note, reason, false, || None)
            .unwrap_err()
            .to_string();
        let start = format!("training.batch: {reason}; choose a smaller one (");
        assert!(refused.starts_with(&start), "{refused}");
        assert!(
            refused.ends_with(", or try it anyway with --allow-memory"),
            "{refused}"
        );
        let fitting = || {
            Some(vec![
                "training.batch=2".into(),
                "training.accumulate=4".into(),
            ])
        };
        let named = judged(note, reason, false, fitting).unwrap_err();
        let want = format!(
            "training.batch: {reason}; training.batch=2 training.accumulate=4 fits, and --fit \
             takes it, or try it anyway with --allow-memory"
        );
        assert_eq!(named.to_string(), want);
        let told = judged(note, reason, true, || None).unwrap();
        assert!(
            told.starts_with(&format!("{note}; training.batch {reason}")),
            "{told}"
        );
    }

    #[test]
    fn no_system_gives_a_program_all_addresses() {
        assert!(can_have(1 << 20));
        assert!(!can_have(1 << 60));
    }
}
