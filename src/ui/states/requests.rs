//! Brings what the view of states will want: states are read and matrices are
//! computed beside the window, texts are followed by the worker.

use std::path::PathBuf;

use eframe::egui::Context;

use super::data::{GridKey, MatrixImageKey, Source, StateKey};
use super::images::{HeadGrid, MatrixImage};
use super::settings::{CompareWith, StatesSettings};
use crate::protocol::command::Command;
use crate::protocol::trace::{TraceFrom, TraceRequest};
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::ui::app::App;

impl App {
    /// Brings what is to be shown of the focused run; called while the view is
    /// on screen, and not otherwise.
    pub(crate) fn look_at_states(&mut self, ctx: &Context) {
        let worker = self.worker.as_ref();
        self.caches
            .states
            .take_live(worker.map(|worker| &*worker.snapshots));
        self.caches
            .states
            .take_text(worker.map(|worker| &*worker.traces));
        let Some(run) = self.state.focused().and_then(|id| self.store.get(id)) else {
            return;
        };
        let settings = &self.state.states;
        let data = &mut self.caches.states;
        let Some(of) = data.key(run, settings.step) else {
            return;
        };
        let other = compared(run, settings, &self.store);
        let less = other.and_then(|(run, step)| Some((data.key(run, step)?, run.folder.clone())));
        let wanted = [Some((of.clone(), run.folder.clone())), less.clone()];
        for (key, folder) in wanted.into_iter().flatten() {
            if data.wants(&key) {
                self.background.read_state(key, folder);
            }
        }
        let request = settings.follows_text.then(|| request(run, settings, &of));
        self.compute(of, less);
        if let Some(request) = request.filter(|request| !request.text.is_empty()) {
            self.ask_for_text(request, ctx);
        }
    }

    /// Has the matrix and the grid computed, unless they are at hand.
    fn compute(&mut self, of: StateKey, less: Option<(StateKey, PathBuf)>) {
        let settings = &self.state.states;
        let data = &mut self.caches.states;
        let kind = settings.kind;
        let Some(tuned) = data.state(&of) else { return };
        let less = less.map(|(key, _)| key);
        let taken_off = less.as_ref().and_then(|key| data.state(key));
        if less.is_some() && taken_off.is_none() {
            return;
        }
        let place = settings.place();
        let key = GridKey {
            of: of.clone(),
            less: less.clone(),
            kind,
        };
        if data.grid.wants(&key) {
            let (tuned, less) = (tuned.clone(), taken_off.clone());
            self.background.make_grid(key, move || {
                HeadGrid::new(&tuned, less.as_deref(), kind).map(Some)
            });
        }
        if !settings.follows_text {
            let key = MatrixImageKey::State {
                of,
                less,
                place,
                kind,
            };
            if data.shown.wants(&key) {
                self.background.make_shown(key, move || {
                    MatrixImage::of_state(&tuned, taken_off.as_deref(), place, kind)
                });
            }
            return;
        }
        let Some((number, traced)) = data.text().and_then(|text| {
            let traced = text.traced.as_ref().ok()?;
            Some((text.number, traced.clone()))
        }) else {
            return;
        };
        let all = traced.words.len();
        let n_tokens = settings.token.map_or(all, |token| token.min(all));
        let key = MatrixImageKey::Token {
            traced: number,
            n_tokens,
            kind,
        };
        if data.shown.wants(&key) {
            self.background.make_shown(key, move || {
                MatrixImage::of_text(&traced.trajectory, n_tokens, kind)
            });
        }
    }

    fn ask_for_text(&mut self, request: TraceRequest, ctx: &Context) {
        match self.caches.states.wants_text(request) {
            Some(request) => self.send(Command::Trace(request)),
            // Looks again when nobody has typed for a while.
            None if self.caches.states.waits_for_typing() => {
                ctx.request_repaint_after(std::time::Duration::from_millis(120));
            }
            None => {}
        }
    }
}

/// The run and the step whose state is taken off.
fn compared<'a>(
    run: &'a Run,
    settings: &StatesSettings,
    store: &'a RunStore,
) -> Option<(&'a Run, Option<usize>)> {
    match &settings.compare {
        _ if settings.follows_text => None,
        CompareWith::Nothing => None,
        CompareWith::Step(step) => Some((run, Some(*step))),
        // The same step of the other run, where it has stored it.
        CompareWith::Run(other) => Some((store.get(other)?, settings.step)),
    }
}

fn request(run: &Run, settings: &StatesSettings, of: &StateKey) -> TraceRequest {
    let folder = run.folder.clone();
    let from = match of.source {
        _ if settings.from_untuned => TraceFrom::Untuned,
        Source::Snapshot => TraceFrom::Snapshot {
            folder,
            step: of.step,
        },
        Source::Live | Source::Final => TraceFrom::Newest {
            run: run.id.clone(),
            folder,
        },
    };
    TraceRequest {
        spec: Box::new(run.spec.clone()),
        from,
        text: settings.text.clone(),
        place: settings.place(),
    }
}
