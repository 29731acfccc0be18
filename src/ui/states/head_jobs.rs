//! What was asked about heads, and what is known of them.

use super::context::HeadsKnown;
use super::data::{Source, StateKey, state_from};
use super::settings::StatesSettings;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::shared::workspace::Workspace;

/// What was asked about heads.
#[derive(Debug, Default)]
pub(crate) struct HeadJobs {
    n_asked: usize,
    /// The names of the questions that were asked last.
    pub(super) lens: Option<RunId>,
    pub(super) ablation: Option<RunId>,
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

    pub(super) fn next_name(&mut self, what: &str) -> RunId {
        self.n_asked += 1;
        RunId(format!("{what} {}", self.n_asked))
    }
}
