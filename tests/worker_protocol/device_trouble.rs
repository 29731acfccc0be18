//! A GPU that is lost in the middle of a run, and one that has no memory left.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Tensor};
use gosling::kernels::device::{DeviceChoice, destroy_open_devices, open, suspect_open_devices};
use gosling::persist::run_history::past_run;
use gosling::protocol::event::{Event, FailureKind, RunEvent, RunOutcome};
use gosling::runs::run::RunStatus;

use crate::client::*;

#[test]
fn a_lost_gpu_ends_the_run_and_the_next_one_opens_it_again() {
    let _gpu = gpu();
    let mut client = Client::new();
    let mut spec = tiny();
    spec.device = DeviceChoice::Gpu;
    spec.evaluation.before = false;
    spec.evaluation.after = false;
    spec.training.steps = 3;
    spec.training.validate_every = 0;
    spec.intervals.checkpoint = 1;
    client.start(&spec);
    let run = client.until_started();
    client.until(|event| {
        matches!(
            event,
            Event::Run(_, RunEvent::CheckpointSaved { step: 1, .. })
        )
    });
    destroy_open_devices();
    let (failed, kind, message) = client.until_failed();
    assert_eq!(
        (failed, kind),
        (Some(run.clone()), FailureKind::Work),
        "{message}"
    );
    assert!(message.contains("the GPU was lost"), "{message}");
    assert!(!message.contains('\n') && message.len() < 600, "{message}");
    let folder = client.store.get(&run).unwrap().folder.clone();
    let status = past_run(&folder).unwrap().status;
    assert!(matches!(status, RunStatus::Failed(_)), "{status:?}");
    // Its last checkpoint is what it continues from, on the same GPU.
    client.resume(&folder);
    let started = client.until(|event| matches!(event, Event::Run(_, RunEvent::Started { .. })));
    assert!(
        matches!(
            started,
            Event::Run(_, RunEvent::Started { first_step: 1, .. })
        ),
        "{started:?}"
    );
    let (outcome, resumed) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(resumed.series.loss.len(), 3);
    // And the worker takes new runs, there and elsewhere.
    client.start(&tiny());
    assert_eq!(client.until_ended().0, RunOutcome::Finished);
}

#[test]
#[ignore = "needs a GPU of small tensors, as Mesa's software one"]
fn a_step_that_a_device_cannot_hold_is_refused_before_it_starts() {
    let _gpu = gpu();
    let limits = open(DeviceChoice::Gpu).unwrap().limits.unwrap();
    assert!(
        limits.max_tensor_bytes <= 1 << 28,
        "this GPU holds what the largest batch here asks for"
    );
    let mut client = Client::new();
    let mut spec = tiny();
    spec.device = DeviceChoice::Gpu;
    spec.training.batch = 1024;
    client.start(&spec);
    let (run, kind, message) = client.until_failed();
    assert_eq!((run, kind), (None, FailureKind::Input), "{message}");
    assert!(
        message.contains("training.batch: makes a tensor of "),
        "{message}"
    );
    assert_eq!(client.run_folders(), 0);
}

/// What a device that has no room says, and that it computes on afterwards.
#[test]
#[ignore = "needs a GPU of small tensors, as Mesa's software one"]
fn an_allocation_that_fails_is_an_error_and_not_a_wrong_number() {
    let _gpu = gpu();
    let opened = open(DeviceChoice::Gpu).unwrap();
    let limit = opened.limits.unwrap().max_tensor_bytes;
    assert!(
        limit <= 1 << 30,
        "this GPU holds {limit} bytes in one tensor"
    );
    let sum = |n: usize, device: &Device| {
        let read = || {
            let ones = Tensor::<1>::ones([n], device);
            (ones.clone() + ones).into_data().try_to_vec::<f32>()
        };
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(sums)) => Ok(sums),
            Ok(Err(error)) => Err(format!("{error:?}")),
            Err(panic) => Err(match panic.downcast_ref::<String>() {
                Some(said) => said.clone(),
                None => format!("{:?}", panic.downcast_ref::<&str>()),
            }),
        }
    };
    let too_many = limit as usize / 4 + (1 << 20);
    let refused = sum(too_many, &opened.device).unwrap_err();
    println!("{refused}");
    suspect_open_devices();
    let again = open(DeviceChoice::Gpu).unwrap();
    assert_eq!(sum(3, &again.device).unwrap(), [2.0; 3]);
}
