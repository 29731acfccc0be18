//! The memory that a run's largest step takes, told before it starts.

use std::hint::black_box;

use super::memory_permission::is_memory_allowed;
use super::run_data::RunData;
use super::session::LoadedModel;
use crate::data::Example;
use crate::error::{Error, Result};
use crate::kernels::device::{machine_memory, mebibytes, memory_of};
use crate::model::ModelConfig;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::plan::memory::{BranchShape, MemoryEstimate, StepShape};
use crate::tuning::spec::{Layers, LossOn};

/// The longest of the training examples, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Longest {
    tokens: usize,
    counted: usize,
}

impl Longest {
    /// Of the examples of a run; none where there are none.
    pub fn of(spec: &RunSpec, data: &RunData) -> Option<Self> {
        let counted = |example: &Example| match spec.data.loss_on {
            LossOn::Answer => example.target.len(),
            LossOn::Everything => example.n_tokens(),
        };
        Some(Self {
            tokens: data.train.iter().map(Example::n_tokens).max()?,
            counted: data.train.iter().map(counted).max()?,
        })
    }
}

/// One line about the memory of the largest step that this run could take;
/// none where nothing is trained.
///
/// # Errors
/// [`Error::Spec`] where the device or this machine cannot hold it. That its memory
/// is too small is a note in place of an error where [`is_memory_allowed`]; a tensor
/// that the device cannot hold stays one, for it gives wrong numbers.
pub(super) fn memory_note(
    spec: &RunSpec,
    loaded: &LoadedModel,
    data: &RunData,
) -> Result<Option<String>> {
    let longest = Longest::of(spec, data);
    let estimate = longest.and_then(|longest| step_memory(spec, loaded.model.config(), longest));
    let Some(estimate) = estimate else {
        return Ok(None);
    };
    let max_tensor = loaded.limits.map(|limits| limits.max_tensor_bytes);
    // A software GPU and the CPU take from the machine's memory, which holds
    // the weights already; what a real GPU has free nobody says.
    let is_own = max_tensor.is_some() && !loaded.is_software;
    let machine = (!is_own).then(machine_memory);
    let all = match machine {
        Some(machine) => Some(machine.all + machine.swap),
        None => memory_of(spec.device),
    };
    check_tensor(&estimate, max_tensor)?;
    let note = format!("the largest step takes about {estimate} of memory");
    let more = estimate.total() - estimate.weights;
    let too_little = too_little(&estimate, all).or_else(|| {
        let is_limited = machine.is_some() && !can_have(more);
        is_limited.then(|| {
            format!(
                "needs about {} more for a step, which the system does not give this program (`ulimit -v` limits it)",
                mebibytes(more)
            )
        })
    });
    if let Some(too_little) = too_little {
        return judged(&note, &too_little, is_memory_allowed()).map(Some);
    }
    Ok(Some(match machine {
        Some(machine) if more > machine.free => format!(
            "{note}, more than the {} that are free now; close other programs",
            mebibytes(machine.free)
        ),
        Some(_) | None => note,
    }))
}

/// A step that the memory looks too small for: a note where that is allowed, else an
/// error that says how to allow it.
fn judged(note: &str, too_little: &str, is_allowed: bool) -> Result<String> {
    match is_allowed {
        true => Ok(format!(
            "{note}; training.batch {too_little}; tried anyway, as requested"
        )),
        false => {
            let or = ", or try it anyway with --allow-memory";
            Err(too_much(too_little, or))
        }
    }
}

fn too_much(what: &str, or: &str) -> Error {
    let less = "choose a smaller one (training.accumulate makes up for it) or a shorter data.context_length";
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
fn check_tensor(estimate: &MemoryEstimate, max_tensor: Option<u64>) -> Result<()> {
    match max_tensor {
        Some(max) if estimate.largest_tensor > max => {
            let what = format!(
                "makes a tensor of {}, the device holds at most {} in one",
                mebibytes(estimate.largest_tensor),
                mebibytes(max)
            );
            Err(too_much(&what, ""))
        }
        Some(_) | None => Ok(()),
    }
}

/// What is said of a step that the memory is too small for.
fn too_little(estimate: &MemoryEstimate, memory: Option<u64>) -> Option<String> {
    let memory = memory.filter(|memory| estimate.total() > *memory)?;
    Some(format!(
        "needs about {} for a step, the device has {}",
        mebibytes(estimate.total()),
        mebibytes(memory)
    ))
}

/// The memory of the largest step; none where nothing is trained.
pub(super) fn step_memory(
    spec: &RunSpec,
    model: &ModelConfig,
    longest: Longest,
) -> Option<MemoryEstimate> {
    let (layers, _) = spec.method.tuned()?;
    let (first_layer, tuned_layers) = match layers {
        Layers::All => (0, model.n_layer),
        Layers::Only(chosen) => (chosen.iter().copied().min()?, chosen.len()),
    };
    let batch = spec.training.batch;
    let shape = StepShape {
        batch,
        // Batches are padded to multiples of 16.
        tokens: longest.tokens.next_multiple_of(16),
        counted: batch * longest.counted,
        first_layer,
        tuned_layers,
        recompute: spec.training.activation_checkpointing,
        precision: spec.model.precision,
        branch: BranchShape::of(&spec.method),
    };
    Some(MemoryEstimate::new(model, &shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATE: MemoryEstimate = MemoryEstimate {
        weights: 1 << 20,
        state: 1 << 20,
        activations: 5 << 20,
        working: 3 << 20,
        largest_tensor: 2 << 20,
    };

    #[test]
    fn what_cannot_be_held_is_refused() {
        assert!(check_tensor(&ESTIMATE, None).is_ok());
        assert!(check_tensor(&ESTIMATE, Some(2 << 20)).is_ok());
        let message = check_tensor(&ESTIMATE, Some(1 << 20)).unwrap_err();
        let tensor = "training.batch: makes a tensor of 2.00 MiB, the device holds at most 1.00 MiB in one; ";
        assert!(message.to_string().starts_with(tensor), "{message}");
        assert_eq!(too_little(&ESTIMATE, None), None);
        assert_eq!(too_little(&ESTIMATE, Some(10 << 20)), None);
        let step = "needs about 10 MiB for a step, the device has 9.00 MiB";
        assert_eq!(too_little(&ESTIMATE, Some(9 << 20)).as_deref(), Some(step));
    }

    #[test]
    fn what_looks_too_large_can_be_allowed() {
        let (note, reason) = (
            "the largest step takes much",
            "needs about 2, the device has 1",
        );
        let refused = judged(note, reason, false).unwrap_err().to_string();
        let start = format!("training.batch: {reason}; choose a smaller one (");
        assert!(refused.starts_with(&start), "{refused}");
        assert!(
            refused.ends_with(", or try it anyway with --allow-memory"),
            "{refused}"
        );
        let told = judged(note, reason, true).unwrap();
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
