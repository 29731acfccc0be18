//! Keys that do what buttons do.

use eframe::egui::{Context, Id, Key, KeyboardShortcut, Modifiers};

use super::areas::Area;
use super::theme::Appearance;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::runs::run::RunStatus;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::tab::Tab;
use crate::ui::sweep::action::SweepAction;

/// A key and what it does.
pub(crate) struct Shortcut {
    pub keys: KeyboardShortcut,
    /// In words.
    pub what: &'static str,
    does: ShortcutEffect,
}

#[derive(Clone, Copy)]
enum ShortcutEffect {
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
    ChangeAppearance,
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

impl ShortcutEffect {
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
            | Self::ChangeAppearance
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
            Self::ChangeAppearance
                | Self::Shortcuts
                | Self::Palette
                | Self::FrameTimes
                | Self::Close
        )
    }
}

const fn command(key: Key, what: &'static str, does: ShortcutEffect) -> Shortcut {
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::COMMAND, key),
        what,
        does,
    }
}

/// Starts a run, or answers the prompt that is being typed.
pub(crate) const START: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Enter);

const OPEN_FOLDER: KeyboardShortcut =
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::O);

/// Changes the configuration back.
pub(crate) const UNDO: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Z);
/// Changes it forth again.
pub(crate) const REDO: KeyboardShortcut =
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);

/// Every shortcut, in the order in which they are listed.
pub(crate) const SHORTCUTS: &[Shortcut] = &[
    command(
        Key::Enter,
        mark!("Answer the prompt"),
        ShortcutEffect::Answer,
    ),
    command(
        Key::Enter,
        mark!("Start the configured run, or the sweep in the Sweep view"),
        ShortcutEffect::Start,
    ),
    command(
        Key::P,
        mark!("Pause or resume the selected run"),
        ShortcutEffect::PauseOrResume,
    ),
    command(
        Key::Period,
        mark!("Stop the selected run and save it"),
        ShortcutEffect::Stop,
    ),
    command(
        Key::Num1,
        mark!("Show the steps"),
        ShortcutEffect::Open(Tab::Tune),
    ),
    command(
        Key::Num2,
        mark!("Show the states"),
        ShortcutEffect::Open(Tab::States),
    ),
    command(
        Key::Num3,
        mark!("Show the sweep"),
        ShortcutEffect::Open(Tab::Sweep),
    ),
    command(
        Key::Num4,
        mark!("Show the comparison"),
        ShortcutEffect::Open(Tab::Compare),
    ),
    command(
        Key::Num5,
        mark!("Show the items"),
        ShortcutEffect::Open(Tab::Items),
    ),
    command(
        Key::Num6,
        mark!("Show the playground"),
        ShortcutEffect::Open(Tab::Playground),
    ),
    command(
        Key::Num7,
        mark!("Show the adaptations"),
        ShortcutEffect::Open(Tab::Adapt),
    ),
    command(
        Key::Num8,
        mark!("Show the table of runs"),
        ShortcutEffect::Open(Tab::Table),
    ),
    // Before the shorter ones, which take them too.
    Shortcut {
        keys: OPEN_FOLDER,
        what: mark!("Open the folder of a run or of a sweep"),
        does: ShortcutEffect::OpenFolder,
    },
    command(
        Key::O,
        mark!("Open a run specification"),
        ShortcutEffect::OpenSpec,
    ),
    command(
        Key::S,
        mark!("Save the run specification"),
        ShortcutEffect::SaveSpec,
    ),
    command(
        Key::L,
        mark!("Copy the configuration as a command line"),
        ShortcutEffect::CopyCommandLine,
    ),
    // Before the one that has fewer keys, which would take it.
    Shortcut {
        keys: REDO,
        what: mark!("Redo the last change of the configuration"),
        does: ShortcutEffect::Redo,
    },
    Shortcut {
        keys: UNDO,
        what: mark!("Undo the last change of the configuration"),
        does: ShortcutEffect::Undo,
    },
    command(
        Key::T,
        mark!("Switch between system, light and dark theme"),
        ShortcutEffect::ChangeAppearance,
    ),
    command(
        Key::K,
        mark!("Search all commands"),
        ShortcutEffect::Palette,
    ),
    command(
        Key::A,
        mark!("Select all listed runs, in the list of runs"),
        ShortcutEffect::SelectAll,
    ),
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::ALT, Key::ArrowUp),
        what: mark!("Select the run above"),
        does: ShortcutEffect::SelectAbove,
    },
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::ALT, Key::ArrowDown),
        what: mark!("Select the run below"),
        does: ShortcutEffect::SelectBelow,
    },
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::F2),
        what: mark!("Edit name, tags and note of the selected run"),
        does: ShortcutEffect::EditLabels,
    },
    command(
        Key::Delete,
        mark!("Delete the selected runs"),
        ShortcutEffect::Delete,
    ),
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::F12),
        what: mark!("Show frame times"),
        does: ShortcutEffect::FrameTimes,
    },
    Shortcut {
        keys: KeyboardShortcut::new(Modifiers::NONE, Key::F1),
        what: mark!("Show this list (also ?)"),
        does: ShortcutEffect::Shortcuts,
    },
    command(Key::Q, mark!("Close the window"), ShortcutEffect::Close),
];

/// What shortcuts act on.
pub(crate) struct ActsOn<'a> {
    pub store: &'a RunStore,
    pub selection: &'a Selection,
    pub appearance: Appearance,
    /// Whether there is a prompt to answer.
    pub has_prompt: bool,
    /// The field of the prompt.
    pub prompt: Id,
    /// The runs that are listed, in their order.
    pub listed: &'a dyn Fn() -> Vec<RunId>,
    /// Where the user is.
    pub area: Area,
    /// Whether the sweep is in front, and whether the one that is set up can begin.
    pub sweep: Option<bool>,
}

/// What keys do now, or why they do nothing, for a list.
pub(crate) fn listed_shortcuts(
    on: &ActsOn<'_>,
) -> impl Iterator<Item = (&'static Shortcut, Result<Action, &'static str>)> {
    let all = SHORTCUTS.iter().filter(|shortcut| match shortcut.does {
        // It is open already, and nothing is typed but what to do.
        ShortcutEffect::Palette | ShortcutEffect::Answer => false,
        ShortcutEffect::Start
        | ShortcutEffect::PauseOrResume
        | ShortcutEffect::Stop
        | ShortcutEffect::Open(_)
        | ShortcutEffect::OpenSpec
        | ShortcutEffect::OpenFolder
        | ShortcutEffect::SaveSpec
        | ShortcutEffect::CopyCommandLine
        | ShortcutEffect::Undo
        | ShortcutEffect::Redo
        | ShortcutEffect::ChangeAppearance
        | ShortcutEffect::Shortcuts
        | ShortcutEffect::FrameTimes
        | ShortcutEffect::SelectAll
        | ShortcutEffect::SelectAbove
        | ShortcutEffect::SelectBelow
        | ShortcutEffect::EditLabels
        | ShortcutEffect::Delete
        | ShortcutEffect::Close => true,
    });
    all.map(|shortcut| (shortcut, action(shortcut.does, on)))
}

/// What was asked for by keys. A field that is typed in keeps the keys that it has
/// a use for, and a question in front of everything keeps all that act behind it.
pub(crate) fn pressed(ctx: &Context, on: &ActsOn<'_>, has_dialog: bool) -> Vec<Action> {
    let mut actions = Vec::new();
    let is_typing = ctx.text_edit_focused();
    let has_prompt = ctx.memory(|memory| memory.has_focus(on.prompt));
    for shortcut in SHORTCUTS {
        let is_meant = match shortcut.does {
            ShortcutEffect::Answer => has_prompt,
            does if has_dialog => does.is_over_dialogs(),
            does => !(is_typing && does.yields_to_typing()),
        };
        if is_meant && ctx.input_mut(|input| input.consume_shortcut(&shortcut.keys)) {
            actions.extend(action(shortcut.does, on).ok());
        }
    }
    if !is_typing && ctx.input(|input| input.key_pressed(Key::Questionmark)) {
        actions.push(Action::ToggleShortcuts);
    }
    actions
}

/// What a key does now, or why it does nothing.
fn action(does: ShortcutEffect, on: &ActsOn<'_>) -> Result<Action, &'static str> {
    let ActsOn {
        store, selection, ..
    } = on;
    use super::path_dialogs::PathFor;
    let no_run = tr!("no run is selected");
    let focused = || {
        selection
            .focused()
            .and_then(|id| store.get(id))
            .ok_or(no_run)
    };
    Ok(match does {
        ShortcutEffect::Answer if !on.has_prompt => return Err(tr!("there is no prompt")),
        ShortcutEffect::Answer => Action::Generate,
        ShortcutEffect::Start => match (on.area, on.sweep) {
            (Area::Sweep | Area::Nowhere | Area::Runs | Area::Elsewhere, Some(can_begin)) => {
                if !can_begin {
                    return Err(tr!("the sweep cannot start; the Sweep view says why"));
                }
                Action::Sweep(SweepAction::Start)
            }
            (_, None) | (Area::Form, Some(_)) => Action::Start,
        },
        ShortcutEffect::PauseOrResume => {
            let run = focused()?;
            match run.status {
                RunStatus::Running { .. } | RunStatus::Evaluating { .. } => {
                    Action::Pause(run.id.clone())
                }
                RunStatus::Paused { .. } => Action::Resume(run.id.clone()),
                RunStatus::Interrupted { .. }
                | RunStatus::Stopped { .. }
                | RunStatus::Failed(_)
                    if run.is_watched =>
                {
                    return Err(tr!("the run is on another machine; resume it there"));
                }
                RunStatus::Interrupted { .. }
                | RunStatus::Stopped { .. }
                | RunStatus::Failed(_) => Action::ResumeFromDisk(run.id.clone()),
                RunStatus::Finished
                | RunStatus::StoppedEarly { .. }
                | RunStatus::Diverged { .. } => return Err(tr!("the run has ended")),
            }
        }
        ShortcutEffect::Stop => {
            let run = focused()?;
            match run.status.is_over() {
                true => return Err(tr!("the run has ended")),
                false => Action::Stop(run.id.clone()),
            }
        }
        ShortcutEffect::Open(tab) => Action::Open(tab),
        ShortcutEffect::OpenSpec => Action::Choose(PathFor::OpenSpec),
        ShortcutEffect::OpenFolder => Action::Choose(PathFor::OpenFolder),
        ShortcutEffect::SaveSpec => Action::Choose(PathFor::SaveSpec),
        ShortcutEffect::CopyCommandLine => Action::CopyCommandLine,
        ShortcutEffect::Undo => Action::UndoDraft,
        ShortcutEffect::Redo => Action::RedoDraft,
        ShortcutEffect::ChangeAppearance => Action::SetAppearance(on.appearance.next()),
        ShortcutEffect::Shortcuts => Action::ToggleShortcuts,
        ShortcutEffect::Palette => Action::TogglePalette,
        ShortcutEffect::FrameTimes => Action::ToggleFrameTimes,
        ShortcutEffect::SelectAll => match on.area {
            Area::Runs | Area::Nowhere => Action::SelectAll((on.listed)()),
            Area::Form | Area::Sweep | Area::Elsewhere => {
                return Err(tr!("it acts in the list of runs"));
            }
        },
        ShortcutEffect::SelectAbove => Action::Select(beside(on, -1).ok_or(tr!("none is above"))?),
        ShortcutEffect::SelectBelow => Action::Select(beside(on, 1).ok_or(tr!("none is below"))?),
        ShortcutEffect::EditLabels => Action::EditLabels(focused()?.id.clone()),
        ShortcutEffect::Delete if selection.selected.is_empty() => return Err(no_run),
        ShortcutEffect::Delete => Action::Delete(selection.selected.clone()),
        ShortcutEffect::Close => Action::Close,
    })
}

/// The run that is listed so many places below the one that buttons act on.
fn beside(on: &ActsOn<'_>, by: isize) -> Option<RunId> {
    let listed = (on.listed)();
    let focused = on.selection.focused();
    let at = listed.iter().position(|run| Some(run) == focused);
    let place = match at {
        Some(at) => at.checked_add_signed(by)?,
        None => 0,
    };
    listed.get(place).cloned()
}
