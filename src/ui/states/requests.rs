//! Brings what the view of states will want: states are read and matrices are
//! computed beside the window, texts are followed by the worker.

use std::path::PathBuf;

use eframe::egui::Context;

use super::data::{GridKey, MatrixImageKey, StateKey, read, state_from};
use super::head_grid::HeadGrid;
use super::images::MatrixImage;
use super::settings::{Beside, CompareWith, StatesSettings};
use super::state::{Answer, States};
use crate::protocol::command::Command;
use crate::protocol::trace::{TraceFrom, TraceRequest};
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::tuning::inspect::trajectory::Place;
use crate::ui::shared::workspace::Workspace;

impl States {
    /// Brings what is to be shown of the focused run; called while the view is
    /// on screen, and not otherwise.
    pub(crate) fn look_ahead(&mut self, workspace: &mut Workspace, ctx: &Context) {
        let Self { settings, data, .. } = self;
        let worker = workspace.worker.as_ref();
        data.take_live(worker.map(|worker| &*worker.snapshots));
        data.take_text(worker.map(|worker| &*worker.traces));
        let Some(run) = workspace.focused_run() else {
            return;
        };
        let Some(of) = data.key(run, settings.step) else {
            return;
        };
        let other = compared(run, settings, &workspace.store);
        let less = other.and_then(|(run, step)| Some((data.key(run, step)?, run.folder.clone())));
        let beside = beside(run, settings, &workspace.store);
        let beside = beside
            .and_then(|(run, step, place)| Some((data.key(run, step)?, run.folder.clone(), place)));
        let beside_state = beside.clone().map(|(key, folder, _)| (key, folder));
        let wanted = [
            Some((of.clone(), run.folder.clone())),
            less.clone(),
            beside_state,
        ];
        for (key, folder) in wanted.into_iter().flatten() {
            if data.wants(&key) {
                self.background.start(move || {
                    let state = read(&key, folder);
                    Some(Answer::State(key, state))
                });
            }
        }
        let request = settings.follows_text.then(|| request(run, settings, &of));
        if let Some((key, _, place)) = beside {
            self.compute_beside(key, place);
        }
        self.compute(of, less);
        if let Some(request) = request.filter(|request| !request.text.is_empty()) {
            self.ask_for_text(request, workspace, ctx);
        }
    }

    /// Has the matrix and the grid computed, unless they are at hand.
    fn compute(&mut self, of: StateKey, less: Option<(StateKey, PathBuf)>) {
        let Self {
            settings,
            data,
            background,
            ..
        } = self;
        let kind = settings.kind;
        let Some(tuned) = data.state(&of) else { return };
        let less = less.map(|(key, _)| key);
        let taken_off = less.as_ref().and_then(|key| data.state(key));
        if less.is_some() && taken_off.is_none() {
            return;
        }
        let place = settings.place();
        // Over a text the grid follows the token too; a branch is shown as it starts.
        let over_text = data.token(settings).filter(|_| kind == MatrixKind::S0);
        let key = GridKey {
            of: of.clone(),
            less: less.clone(),
            kind,
            token: over_text.as_ref().map(|(token, _)| *token),
        };
        if data.grid.wants(&key) {
            let (tuned, less) = (tuned.clone(), taken_off.clone());
            background.start(move || {
                let heads = over_text.as_ref().and_then(|((_, n_tokens), traced)| {
                    let heads = traced.trajectory.heads.as_ref()?;
                    Some((heads, *n_tokens))
                });
                let grid = match heads {
                    Some((heads, n_tokens)) => HeadGrid::of_text(heads, n_tokens),
                    None => HeadGrid::new(&tuned, less.as_deref(), kind),
                };
                Some(Answer::Grid(key, grid.map(Some)))
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
                background.start(move || {
                    let less = taken_off.as_deref();
                    let image = MatrixImage::of_state(&tuned, less, place, kind);
                    Some(Answer::Matrix(key, image))
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
            background.start(move || {
                let image = MatrixImage::of_text(&traced.trajectory, n_tokens, kind);
                Some(Answer::Matrix(key, image))
            });
        }
    }

    /// Has the matrix computed that stands beside the chosen one.
    fn compute_beside(&mut self, of: StateKey, place: Place) {
        let kind = self.settings.kind;
        let Some(tuned) = self.data.state(&of) else {
            return;
        };
        let key = MatrixImageKey::State {
            of,
            less: None,
            place,
            kind,
        };
        if self.data.beside.wants(&key) {
            self.background.start(move || {
                let image = MatrixImage::of_state(&tuned, None, place, kind);
                Some(Answer::Beside(key, image))
            });
        }
    }

    fn ask_for_text(&mut self, request: TraceRequest, workspace: &mut Workspace, ctx: &Context) {
        match self.data.wants_text(request) {
            Some(request) => workspace.send(Command::Trace(request)),
            // Looks again when nobody has typed for a while.
            None if self.data.waits_for_typing() => {
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

/// The run, the step and the head whose matrix stands beside the chosen one.
fn beside<'a>(
    run: &'a Run,
    settings: &StatesSettings,
    store: &'a RunStore,
) -> Option<(&'a Run, Option<usize>, Place)> {
    match &settings.beside {
        _ if settings.follows_text => None,
        Beside::Nothing => None,
        Beside::Head(place) => Some((run, settings.step, *place)),
        Beside::Step(step) => Some((run, Some(*step), settings.place())),
        Beside::Run(other) => Some((store.get(other)?, settings.step, settings.place())),
    }
}

fn request(run: &Run, settings: &StatesSettings, of: &StateKey) -> TraceRequest {
    let from = match settings.from_untuned {
        true => TraceFrom::Untuned,
        false => state_from(run, of),
    };
    TraceRequest {
        spec: Box::new(run.spec.clone()),
        from,
        text: settings.text.clone(),
        place: settings.place(),
    }
}
