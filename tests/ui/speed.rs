//! The time that the window's own thread takes for a frame: views, layout and
//! triangles, but not the GPU's part.
//!
//! `cargo test --release --test ui frames -- --nocapture` prints it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{Context, RawInput, Rect, pos2, vec2};
use gosling::data::Benchmark;
use gosling::protocol::event::{EvaluationPhase, RunOutcome};
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::app::saved::SavedState;
use gosling::ui::shared::tab::Side;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::docking::Dock;

use crate::clock::OwnTime;
use crate::fixtures::{Told, write_state};
use crate::measured::write;

const N_RUNS: usize = 200;
const N_STEPS: usize = 10_000;
const N_MANY: usize = 10_000;
const N_FRAMES: usize = 500;
/// Frames that lay everything out and make the points of the lines.
const N_FIRST: usize = 150;
/// What is aimed at is 4 ms; machines that run tests are busy and of any age.
const AT_MOST: Duration = Duration::from_millis(16);
const N_TRIES: usize = 3;

/// Runs that share the evaluations in `folder`.
fn crowd(folder: &Path) -> RunStore {
    let mut store = RunStore::default();
    for idx in 0..N_RUNS {
        let name = format!("run-{idx:04}");
        let mut told = Told::begin(&mut store, &name, folder);
        told.steps(N_STEPS);
        told.score(EvaluationPhase::Before, 3);
        told.score(EvaluationPhase::After, 250);
        told.end(RunOutcome::Finished);
    }
    store
}

/// Many short runs, as a folder has after months.
fn many(folder: &Path) -> RunStore {
    let mut store = RunStore::default();
    for idx in 0..N_MANY {
        let name = format!("run-{idx:05}");
        let mut told = Told::begin_of(&mut store, &name, folder, 3);
        told.change_spec(|spec| spec.training.seed = idx as u64 % 5);
        told.steps(3);
        told.score(EvaluationPhase::After, 200 + idx % 97);
        told.end(RunOutcome::Finished);
    }
    store
}

/// The views are quick. What another program takes of a core, its caches among it, comes on
/// top for seconds at a time, so that a measurement that is too slow is made again.
fn check(what: &str, store: &RunStore, n_selected: usize, views: &[Tab], is_running: bool) {
    let is_quick = (0..N_TRIES).any(|_| {
        let late = measure(what, store, n_selected, views, is_running);
        late < AT_MOST
    });
    assert!(
        is_quick,
        "{what}: each of {N_TRIES} times above {AT_MOST:?}"
    );
}

/// Draws frames of the views, the first of them large and the others beside and
/// below it, and tells their median and 99th percentile, which it gives back.
fn measure(
    what: &str,
    store: &RunStore,
    n_selected: usize,
    views: &[Tab],
    is_running: bool,
) -> Duration {
    let mut state = SavedState {
        dock: Dock::at(views[0]),
        ..SavedState::default()
    };
    for (tab, side) in views[1..].iter().zip([Side::Right, Side::Below]) {
        state.dock.put(*tab, side);
    }
    let newest = store.runs().iter().rev().take(n_selected);
    state.selected = newest.map(|run| run.id.clone()).collect();
    let mut app = App::new(None, state, PathBuf::from("runs"), Arc::new(|| ()));
    app.workspace.store = store.clone();
    if is_running {
        let mut told = Told::begin_of(
            &mut app.workspace.store,
            "running",
            Path::new("runs/running"),
            2 * N_STEPS,
        );
        told.steps(N_STEPS);
        let run = told.run;
        app.workspace.selection.selected.push(run);
    }
    let ctx = Context::default();
    let mut times = Vec::new();
    let mut frame = 0;
    let start = Instant::now();
    // The first frames have files read, which is waited for.
    while frame < N_FRAMES {
        if frame < N_FIRST && app.reads_evaluations() {
            assert!(start.elapsed() < Duration::from_secs(120), "{what}: reads");
            std::thread::sleep(Duration::from_millis(5));
        } else {
            frame += 1;
        }
        if is_running {
            let mut told = Told::again(&mut app.workspace.store, "running");
            told.step(N_STEPS + 1 + frame, 0.5);
        }
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(1920.0, 1080.0))),
            time: Some(frame as f64 * 0.1),
            ..RawInput::default()
        };
        let start = OwnTime::now();
        let output = ctx.run_ui(input, |ui| {
            let ctx = ui.ctx().clone();
            app.take_in(&ctx);
            app.show(ui);
        });
        let shapes = ctx.tessellate(output.shapes, output.pixels_per_point);
        times.push(start.elapsed());
        assert!(!shapes.is_empty());
    }
    let mut later = times.split_off(N_FIRST);
    later.sort_unstable();
    let (median, late) = (later[later.len() / 2], later[later.len() * 99 / 100]);
    let slowest = times.iter().max().unwrap();
    println!(
        "{what}: slowest of the first {slowest:.1?}, median {median:.2?}, 99th percentile {late:.2?}"
    );
    late
}

#[test]
fn frames_of_many_long_runs_are_short() {
    // As the program does it.
    gosling::allocator::keep_freed_memory();
    let folder = tempfile::tempdir().unwrap();
    for (name, is_tuned) in [("before.jsonl", false), ("after.jsonl", true)] {
        write(folder.path(), name, Benchmark::Gsm8k, 0, is_tuned, |idx| {
            is_tuned && idx % 3 == 0
        });
    }
    write_state(folder.path());
    let store = crowd(folder.path());
    println!("{N_RUNS} runs of {N_STEPS} points, 1920 x 1080, the thread's own time");
    let all = N_RUNS;
    check("8 runs in the plots", &store, 8, &[Tab::Tune], false);
    check("8 runs and one that is on", &store, 8, &[Tab::Tune], true);
    check("all 200 in the plots", &store, all, &[Tab::Tune], false);
    check("accuracy of 8 runs", &store, 8, &[Tab::Compare], false);
    check("accuracy of all 200", &store, all, &[Tab::Compare], false);
    check("states of a run", &store, 1, &[Tab::States], false);
    check("items of a run", &store, 1, &[Tab::Items], false);
    check("a sweep set up", &store, 1, &[Tab::Sweep], false);
    let three = [Tab::Tune, Tab::States, Tab::Compare];
    check("three views, 8 runs and one on", &store, 8, &three, true);
    check(
        "the table of 200 and one on",
        &store,
        8,
        &[Tab::Table],
        true,
    );
    let many = many(folder.path());
    check("the table of 10,000 runs", &many, 1, &[Tab::Table], false);
}
