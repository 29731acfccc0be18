//! The time that the window's own thread takes for a frame, drawing left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{Context, RawInput, Rect, pos2, vec2};
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::ui_state::UiState;
use gosling::worker::event::RunOutcome;

use crate::fixtures::Told;

const N_RUNS: usize = 200;
const N_STEPS: usize = 10_000;
/// A tenth of a second between frames leaves the rest to the run. Machines that
/// run tests are busy, so this is far above the 4 ms that are aimed at.
const AT_MOST: Duration = Duration::from_millis(40);

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

#[test]
fn frames_of_many_long_runs_are_short() {
    let store = crowd();
    let mut state = UiState::default();
    let newest = store.runs().iter().rev().take(8);
    state.selected = newest.map(|run| run.id.clone()).collect();
    let mut app = App::new(None, state, PathBuf::from("runs"), Arc::new(|| ()));
    app.store = store;
    let ctx = Context::default();
    let mut times = Vec::new();
    for frame in 0..120 {
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(1920.0, 1080.0))),
            time: Some(f64::from(frame) * 0.1),
            ..RawInput::default()
        };
        let start = Instant::now();
        let output = ctx.run_ui(input, |ui| {
            let ctx = ui.ctx().clone();
            app.take_in(&ctx);
            app.show(ui);
        });
        let shapes = ctx.tessellate(output.shapes, output.pixels_per_point);
        times.push(start.elapsed());
        assert!(!shapes.is_empty());
    }
    // The first frames lay everything out and make the points of the lines.
    let mut later = times.split_off(20);
    later.sort_unstable();
    let (median, late) = (later[later.len() / 2], later[later.len() * 99 / 100]);
    println!(
        "first {:?}, median {median:?}, 99th percentile {late:?}",
        times[0]
    );
    assert!(
        late < AT_MOST,
        "99th percentile {late:?}, median {median:?}"
    );
}
