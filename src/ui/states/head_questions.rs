//! What the worker is asked about heads: their directions in tokens, and what each of
//! them is worth.

use super::data::state_from;
use super::state::States;
use crate::protocol::command::Command;
use crate::protocol::head_requests::{AblationRequest, LensRequest};
use crate::ui::shared::workspace::Workspace;

/// Held-out examples that heads are measured on.
const MAX_EXAMPLES: usize = 32;

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
