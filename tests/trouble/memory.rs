//! Memory that the system refuses in the middle of a run, on the processor: the
//! standard library ends the program there, and what was saved stays.

use std::fs;

use crate::addresses::{limit_addresses, long_at_the_third_step};
use crate::program::*;

/// Makes mimalloc fetch memory when it is asked for it. Else the addresses of the
/// largest step are set aside before the first one, and no limit is ever met.
const FETCHED_WHEN_ASKED: (&str, &str) = ("MIMALLOC_DISALLOW_ARENA_ALLOC", "1");

#[test]
fn a_run_that_gets_no_more_memory_goes_on_from_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run_folder = write_run(folder, 4);
    let (lines, seed) = long_at_the_third_step(4000);
    fs::write(folder.join("train.jsonl"), lines).unwrap();
    let wider = format!(
        "--set training.batch=1 --set training.seed={seed} --set training.validate_every=0 \
         --set data.context_length=5000 --set data.source.validation=None"
    );
    let mut command = gosling(folder, &format!("tune run.ron {wider}"));
    command.envs([FETCHED_WHEN_ASKED]);
    let child = start(command);
    wait_until("a checkpoint", || !checkpoints(&run_folder).is_empty());
    limit_addresses(child.id(), Some(8 << 20));
    let (code, said) = ended(child);
    assert_eq!(code, -libc::SIGABRT, "{said}");
    check_says(&said, &["memory allocation of "]);
    let saved = checkpoints(&run_folder);
    assert_eq!(saved.last(), Some(&2), "{saved:?}");
    let (code, said) = run(folder, "tune --resume runs/short-0001");
    assert_eq!(code, 0, "{said}");
    assert_eq!(steps(&run_folder).0.len(), 4);
}
