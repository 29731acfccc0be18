//! What the worker is asked about heads: their directions in tokens, and what each of
//! them is worth.

use super::context::HeadsKnown;
use super::data::{Source, StateKey};
use super::requests::state_from;
use super::settings::StatesSettings;
use super::state::States;
use crate::protocol::command::Command;
use crate::protocol::event::RunId;
use crate::protocol::head_requests::{AblationRequest, LensRequest};
use crate::runs::run::Run;
use crate::ui::shared::workspace::Workspace;

/// Held-out examples that heads are measured on.
const MAX_EXAMPLES: usize = 32;

/// What was asked about heads.
#[derive(Debug, Default)]
pub(crate) struct HeadJobs {
    n_asked: usize,
    /// The names of the questions that were asked last.
    lens: Option<RunId>,
    ablation: Option<RunId>,
}

impl HeadJobs {
    /// What is known of the heads of a state.
    pub(super) fn known<'a>(
        &self,
        run: &Run,
        settings: &StatesSettings,
        of: &StateKey,
        workspace: &'a Workspace,
    ) -> HeadsKnown<'a> {
        let Workspace { store, queue, .. } = workspace;
        let from = state_from(run, of);
        let is_asked = |name: &Option<RunId>| name.as_ref().is_some_and(|name| queue.has_job(name));
        let lens = store.lens.as_ref().filter(|lens| {
            let request = &lens.request;
            request.from == from && request.place == settings.place() && *request.spec == run.spec
        });
        let ablation = store.ablation.as_ref().filter(|known| {
            let request = &known.ablation.request;
            request.of == run.id && request.from == from
        });
        HeadsKnown {
            lens,
            reads_lens: is_asked(&self.lens),
            ablation,
            waits: is_asked(&self.ablation) && !ablation.is_some_and(|of| of.ablation.is_on),
            is_stored: of.source != Source::Live,
        }
    }

    fn next_name(&mut self, what: &str) -> RunId {
        self.n_asked += 1;
        RunId(format!("{what} {}", self.n_asked))
    }
}

impl States {
    /// Has the worker read the value directions of the chosen head.
    pub(crate) fn read_lens(&mut self, workspace: &mut Workspace) {
        let Some(run) = workspace.focused_run() else {
            return;
        };
        let Some(of) = self.data.key(run, self.settings.step) else {
            return;
        };
        let request = Box::new(LensRequest {
            spec: Box::new(run.spec.clone()),
            from: state_from(run, &of),
            place: self.settings.place(),
        });
        let name = self.heads.next_name("head in tokens");
        self.heads.lens = Some(name.clone());
        workspace.send_other(Command::ReadLens { run: name, request });
    }

    /// Has the worker measure what each head of the state is worth.
    pub(crate) fn ablate_heads(&mut self, workspace: &mut Workspace) {
        let Some(run) = workspace.focused_run() else {
            return;
        };
        let Some(of) = self.data.key(run, self.settings.step) else {
            return;
        };
        let request = Box::new(AblationRequest {
            of: run.id.clone(),
            spec: Box::new(run.spec.clone()),
            from: state_from(run, &of),
            max_examples: MAX_EXAMPLES,
        });
        self.settings.shows_worth = true;
        let name = self.heads.next_name("heads");
        self.heads.ablation = Some(name.clone());
        workspace.send_other(Command::AblateHeads { run: name, request });
    }

    /// Ends the measurement of the heads with what is known.
    pub(crate) fn stop_ablation(&self, workspace: &mut Workspace) {
        let Some(name) = self.heads.ablation.clone() else {
            return;
        };
        let known = workspace.store.ablation.as_ref();
        let has_begun = known.is_some_and(|known| known.name == name);
        workspace.stop_job(&name, has_begun);
    }
}
