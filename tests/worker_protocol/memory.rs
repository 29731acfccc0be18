//! Memory that a GPU refuses in the middle of a run. The GPU is a software one,
//! which takes its memory from this machine, and a limit on a process of this
//! test's own is what makes it refuse.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{self, id};

use gosling::data::Template;
use gosling::kernels::device::{DeviceChoice, open};
use gosling::persist::run_history::past_run;
use gosling::protocol::command::Command;
use gosling::protocol::event::{Event, FailureKind, RunEvent, RunOutcome};
use gosling::protocol::run_spec::{DataSource, RunSpec};
use gosling::runs::run::RunStatus;

use crate::addresses::{limit_addresses, long_at_the_third_step};
use crate::client::*;

/// Set in the process that is limited.
const LIMITED: &str = "GOSLING_TEST_LIMITED";
const NAME: &str = "memory::a_gpu_that_refuses_memory_ends_the_run_and_not_the_program";

#[test]
#[ignore = "needs a software GPU"]
fn a_gpu_that_refuses_memory_ends_the_run_and_not_the_program() {
    if env::var_os(LIMITED).is_some() {
        return run_out_of_memory();
    }
    let _gpu = gpu();
    assert!(
        open(DeviceChoice::Gpu).unwrap().is_software,
        "this GPU's memory is its own"
    );
    let child = process::Command::new(env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture", "--include-ignored"])
        .env(LIMITED, "1")
        // Thousands of operations find no memory, and each says so.
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{:?}: {said}", child.status);
}

/// Three steps of single examples, of which the third is long.
fn run_spec(folder: &Path, n_tokens: usize) -> RunSpec {
    let (lines, seed) = long_at_the_third_step(n_tokens);
    let train = folder.join(format!("train-{n_tokens}.jsonl"));
    fs::write(&train, lines).unwrap();
    let mut spec = tiny();
    spec.device = DeviceChoice::Gpu;
    spec.data.source = DataSource::Jsonl {
        train,
        validation: None,
        template: Template::Plain,
    };
    spec.data.context_length = 2 * n_tokens;
    spec.training.seed = seed;
    spec.training.batch = 1;
    spec.training.steps = 3;
    spec.training.validate_every = 0;
    spec
}

fn run_out_of_memory() {
    let mut client = Client::new();
    let folder = client.runs.path().to_path_buf();
    // Kernels are compiled before memory is short: their compiler ends the
    // program where it gets none.
    client.start(&run_spec(&folder, 200));
    assert_eq!(client.until_ended().0, RunOutcome::Finished);

    client.start(&run_spec(&folder, 2000));
    let run = client.until_started();
    client.until(|event| {
        matches!(
            event,
            Event::Run(_, RunEvent::CheckpointSaved { step: 2, .. })
        )
    });
    limit_addresses(id(), Some(48 << 20));
    let (failed, kind, message) = client.until_failed();
    println!("{message}");
    assert_eq!((failed, kind), (Some(run.clone()), FailureKind::Work));
    assert!(
        message.contains("the device has no memory left"),
        "{message}"
    );
    assert!(
        message.contains("choose a smaller training.batch"),
        "{message}"
    );
    assert!(!message.contains('\n') && message.len() < 700, "{message}");
    let folder_of_run = client.store.get(&run).unwrap().folder.clone();
    let status = past_run(&folder_of_run).unwrap().status;
    assert!(matches!(status, RunStatus::Failed(_)), "{status:?}");

    // The program lives: a run that needs less is done under the same limit.
    client.start(&run_spec(&folder, 200));
    assert_eq!(client.until_ended().0, RunOutcome::Finished);
    // And the first one would continue from its last checkpoint.
    limit_addresses(id(), None);
    client.resume(&folder_of_run);
    let started = client.until(|event| matches!(event, Event::Run(_, RunEvent::Started { .. })));
    assert!(
        matches!(
            started,
            Event::Run(_, RunEvent::Started { first_step: 2, .. })
        ),
        "{started:?}"
    );
    client.send(Command::Stop(run));
    assert_eq!(client.until_ended().0, RunOutcome::Stopped { step: 2 });
}
