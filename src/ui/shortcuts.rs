//! Keys that do what buttons do.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::action::Action;
use super::ui_state::{Tab, UiState};
use super::views::playground::prompt_id;
use super::views::runs_panel::listed;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::runs::run::RunStatus;

/// A key and what it does.
pub(super) struct Shortcut {
    pub keys: KeyboardShortcut,
    /// In words.
    pub what: &'static str,
    does: Does,
}

#[derive(Clone, Copy)]
enum Does {
    /// Answer the prompt, while it is being typed.
    Answer,
    Start,
    PauseOrResume,
    Stop,
    Open(Tab),
    OpenSpec,
    OpenFolder,
    SaveSpec,
    CopyCommandLine,
    Undo,
    Redo,
    Look,
    Shortcuts,
    Palette,
    FrameTimes,
    SelectAll,
    SelectAbove,
    SelectBelow,
    EditLabels,
    Delete,
    Close,
}

impl Does {
    /// Whether a field that is typed in has this key for itself, or would lose
    /// what is typed by it.
    fn yields_to_typing(self) -> bool {
        match self {
            Self::SelectAll
            | Self::SelectAbove
            | Self::SelectBelow
            | Self::Delete
            | Self::Undo
            | Self::Redo => true,
            Self::Answer
            | Self::Start
            | Self::PauseOrResume
            | Self::Stop
            | Self::Open(_)
            | Self::OpenSpec
            | Self::OpenFolder
            | Self::SaveSpec
            | Self::CopyCommandLine
            | Self::Look
            | Self::Shortcuts
            | Self::Palette
            | Self::FrameTimes
            | Self::EditLabels
            | Self::Close => false,
        }
    }

    /// Whether it can be done while a question stands in front of everything.
    fn is_over_dialogs(self) -> bool {
        matches!(
            self,
            Self::Look | Self::Shortcuts | Self::Palette | Self::FrameTimes | Self::Close
        )
    }
}

const fn command(key: Key, what: &'static str, does: Does) -> Shortcut {
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::COMMAND, key),
        what,
        does,
    }
}

/// Starts a run, or answers the prompt that is being typed.
pub(super) const START: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Enter);

const OPEN_FOLDER: KeyboardShortcut =
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::O);

/// Changes the configuration back.
pub(super) const UNDO: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Z);
/// Changes it forth again.
pub(super) const REDO: KeyboardShortcut =
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);

/// Every shortcut, in the order in which they are listed.
pub(super) const SHORTCUTS: &[Shortcut] = &[
    command(
        Key::Enter,
        "Answer the prompt that is being typed",
        Does::Answer,
    ),
    command(Key::Enter, "Start the run that is configured", Does::Start),
    command(
        Key::P,
        "Pause or resume the selected run",
        Does::PauseOrResume,
    ),
    command(Key::Period, "Stop the selected run and save it", Does::Stop),
    command(Key::Num1, "Show the steps", Does::Open(Tab::Tune)),
    command(Key::Num2, "Show the states", Does::Open(Tab::States)),
    command(Key::Num3, "Show the sweep", Does::Open(Tab::Sweep)),
    command(Key::Num4, "Show the comparison", Does::Open(Tab::Compare)),
    command(Key::Num5, "Show the items", Does::Open(Tab::Items)),
    command(
        Key::Num6,
        "Show the playground",
        Does::Open(Tab::Playground),
    ),
    // Before the shorter ones, which take them too.
    Shortcut {
        keys: OPEN_FOLDER,
        what: "Open the folder of a run or of a sweep",
        does: Does::OpenFolder,
    },
    command(Key::O, "Open a run specification", Does::OpenSpec),
    command(Key::S, "Save the run specification", Does::SaveSpec),
    command(
        Key::L,
        "Copy the configuration as a command line",
        Does::CopyCommandLine,
    ),
    // Before the one that has fewer keys, which would take it.
    Shortcut {
        keys: REDO,
        what: "Change the configuration again",
        does: Does::Redo,
    },
    Shortcut {
        keys: UNDO,
        what: "Undo the last change of the configuration",
        does: Does::Undo,
    },
    command(Key::T, "Change between system, light and dark", Does::Look),
    command(Key::K, "List everything that can be done", Does::Palette),
    command(Key::A, "Select every run that is listed", Does::SelectAll),
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::ALT, Key::ArrowUp),
        what: "Select the run above",
        does: Does::SelectAbove,
    },
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::ALT, Key::ArrowDown),
        what: "Select the run below",
        does: Does::SelectBelow,
    },
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::F2),
        what: "Write a name, tags and a note on the selected run",
        does: Does::EditLabels,
    },
    command(Key::Delete, "Delete the selected runs", Does::Delete),
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::F12),
        what: "Show how long frames take",
        does: Does::FrameTimes,
    },
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::F1),
        what: "Show this list; ? does too",
        does: Does::Shortcuts,
    },
    command(Key::Q, "Close the window", Does::Close),
];

/// What can be done now, for a list.
pub(super) fn available(
    store: &RunStore,
    state: &UiState,
) -> impl Iterator<Item = (&'static Shortcut, Action)> {
    let all = SHORTCUTS.iter().filter(|shortcut| match shortcut.does {
        // It is open already, and nothing is typed but what to do.
        Does::Palette | Does::Answer => false,
        Does::Start
        | Does::PauseOrResume
        | Does::Stop
        | Does::Open(_)
        | Does::OpenSpec
        | Does::OpenFolder
        | Does::SaveSpec
        | Does::CopyCommandLine
        | Does::Undo
        | Does::Redo
        | Does::Look
        | Does::Shortcuts
        | Does::FrameTimes
        | Does::SelectAll
        | Does::SelectAbove
        | Does::SelectBelow
        | Does::EditLabels
        | Does::Delete
        | Does::Close => true,
    });
    all.filter_map(|shortcut| Some((shortcut, action(shortcut.does, store, state)?)))
}

/// What was asked for by keys. A field that is typed in keeps the keys that it has
/// a use for, and a question in front of everything keeps all that act behind it.
pub(super) fn pressed(
    ctx: &Context,
    store: &RunStore,
    state: &UiState,
    has_dialog: bool,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let is_typing = ctx.text_edit_focused();
    let has_prompt = ctx.memory(|memory| memory.has_focus(prompt_id()));
    for shortcut in SHORTCUTS {
        let is_meant = match shortcut.does {
            Does::Answer => has_prompt,
            does if has_dialog => does.is_over_dialogs(),
            does => !(is_typing && does.yields_to_typing()),
        };
        if is_meant && ctx.input_mut(|input| input.consume_shortcut(&shortcut.keys)) {
            actions.extend(action(shortcut.does, store, state));
        }
    }
    if !is_typing && ctx.input(|input| input.key_pressed(Key::Questionmark)) {
        actions.push(Action::ToggleShortcuts);
    }
    actions
}

fn action(does: Does, store: &RunStore, state: &UiState) -> Option<Action> {
    use super::dialogs::PathFor;
    Some(match does {
        Does::Answer if state.playground.prompt.is_empty() => return None,
        Does::Answer => Action::Generate,
        Does::Start => Action::Start,
        Does::PauseOrResume => {
            let run = store.get(state.focused()?)?;
            match run.status {
                RunStatus::Running { .. } | RunStatus::Evaluating { .. } => {
                    Action::Pause(run.id.clone())
                }
                RunStatus::Paused { .. } => Action::Resume(run.id.clone()),
                RunStatus::Interrupted { .. }
                | RunStatus::Stopped { .. }
                | RunStatus::Failed(_) => Action::TakeUp(run.id.clone()),
                RunStatus::Finished
                | RunStatus::StoppedEarly { .. }
                | RunStatus::Diverged { .. } => return None,
            }
        }
        Does::Stop => {
            let run = store.get(state.focused()?)?;
            if run.status.is_over() {
                return None;
            }
            Action::Stop(run.id.clone())
        }
        Does::Open(tab) => Action::Open(tab),
        Does::OpenSpec => Action::Choose(PathFor::OpenSpec),
        Does::OpenFolder => Action::Choose(PathFor::OpenFolder),
        Does::SaveSpec => Action::Choose(PathFor::SaveSpec),
        Does::CopyCommandLine => Action::CopyCommandLine,
        Does::Undo => Action::UndoDraft,
        Does::Redo => Action::RedoDraft,
        Does::Look => Action::Look(state.appearance.next()),
        Does::Shortcuts => Action::ToggleShortcuts,
        Does::Palette => Action::TogglePalette,
        Does::FrameTimes => Action::ToggleFrameTimes,
        Does::SelectAll => {
            let listed = listed(store, state);
            Action::SelectAll(listed.into_iter().map(|run| run.id.clone()).collect())
        }
        Does::SelectAbove => Action::Select(beside(store, state, -1)?),
        Does::SelectBelow => Action::Select(beside(store, state, 1)?),
        Does::EditLabels => Action::EditLabels(state.focused()?.clone()),
        Does::Delete if state.selected.is_empty() => return None,
        Does::Delete => Action::Delete(state.selected.clone()),
        Does::Close => Action::Close,
    })
}

/// The run that is listed so many places below the one that buttons act on.
fn beside(store: &RunStore, state: &UiState, by: isize) -> Option<RunId> {
    let listed = listed(store, state);
    let focused = state.focused();
    let at = listed.iter().position(|run| Some(&run.id) == focused);
    let place = match at {
        Some(at) => at.checked_add_signed(by)?,
        None => 0,
    };
    listed.get(place).map(|run| run.id.clone())
}
