//! The time that the window's own thread takes for a frame: views, layout and
//! triangles, but not the GPU's part.
//!
//! `cargo test --release --test ui frames -- --nocapture` prints it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eframe::egui::{Context, RawInput, Rect, pos2, vec2};
use gosling::protocol::event::RunOutcome;
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::docking::Dock;
use gosling::ui::ui_state::{Tab, UiState};

use crate::clock::OwnTime;
use crate::fixtures::Told;

const N_RUNS: usize = 200;
const N_STEPS: usize = 10_000;
const N_FRAMES: usize = 500;
/// Frames that lay everything out and make the points of the lines.
const N_FIRST: usize = 150;
/// What is aimed at is 4 ms; machines that run tests are busy and of any age.
const AT_MOST: Duration = Duration::from_millis(16);

fn crowd() -> RunStore {
    let mut store = RunStore::default();
    for idx in 0..N_RUNS {
        let name = format!("run-{idx:04}");
        let mut told = Told::begin(&mut store, &name, Path::new("runs/run"));
        told.steps(N_STEPS);
        told.end(RunOutcome::Finished);
    }
    store
}

/// Draws frames and returns their median and 99th percentile.
fn check(what: &str, store: &RunStore, n_selected: usize, tab: Tab, is_running: bool) {
    let mut state = UiState {
        dock: Dock::at(tab),
        ..UiState::default()
    };
    let newest = store.runs().iter().rev().take(n_selected);
    state.selected = newest.map(|run| run.id.clone()).collect();
    let mut app = App::new(None, state, PathBuf::from("runs"), Arc::new(|| ()));
    app.store = store.clone();
    if is_running {
        let mut told = Told::begin_of(
            &mut app.store,
            "running",
            Path::new("runs/running"),
            2 * N_STEPS,
        );
        told.steps(N_STEPS);
        let run = told.run;
        app.state.selected.push(run);
    }
    let ctx = Context::default();
    let mut times = Vec::new();
    for frame in 0..N_FRAMES {
        if is_running {
            let mut told = Told::again(&mut app.store, "running");
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
    assert!(
        late < AT_MOST,
        "{what}: 99th percentile {late:?}, median {median:?}"
    );
}

#[test]
fn frames_of_many_long_runs_are_short() {
    // As the program does it.
    gosling::allocator::keep_freed_memory();
    let store = crowd();
    println!("{N_RUNS} runs of {N_STEPS} points, 1920 x 1080, the thread's own time");
    check("8 runs in the plots", &store, 8, Tab::Tune, false);
    check("8 runs and one that is on", &store, 8, Tab::Tune, true);
    check("all 200 in the plots", &store, N_RUNS, Tab::Tune, false);
    check("accuracy of 8 runs", &store, 8, Tab::Compare, false);
}
