//! Notices, the question before the window closes, and the list of shortcuts.

use eframe::egui::{
    Align2, Area, Context, Frame, Grid, Id, Margin, Order, ProgressBar, RichText, ScrollArea,
    Stroke, Ui, vec2,
};

use super::closing::{Closing, Ending};
use super::header_room::end_of_headers;
use super::shortcuts::SHORTCUTS;
use super::theme::{GAP, blend, palette};
use crate::language;
use crate::runs::LogLevel;
use crate::ui::shared::action::Action;
use crate::ui::shared::notice::{Notice, Remedy};
use crate::ui::shared::queue::QueueRequest;
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};

/// Room for the buttons of a message.
const BUTTONS_WIDTH: f32 = 144.0;
/// The same where one of them has more words.
const WIDE_BUTTONS_WIDTH: f32 = 240.0;
/// Width of a message, where there is that much room, and its height at most.
const NOTICE_WIDTH: f32 = 560.0;
const NOTICE_HEIGHT: f32 = 96.0;
/// Height that messages have in any case.
const LEAST_ROOM: f32 = 160.0;
/// What the program is and where it was run.
const ABOUT: &str = mark!(
    "It was run on Linux with NVIDIA H100 and H200 GPUs, with Mesa's software adapter and on the CPU. \
     Other systems and GPUs are untested; gosling selftest --report FILE checks one and writes a report."
);

/// Draws the messages over the room that `ui` has, at its right, newest last: below the
/// headers of views, whose buttons stay in reach.
pub fn notices_ui(ui: &Ui, notices: &[Notice]) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut room = ui.max_rect();
    let header = end_of_headers(ui.ctx(), room);
    if notices.is_empty() {
        return actions;
    }
    if let Some(end) = header {
        room.min.y = end.min(room.bottom() - LEAST_ROOM).max(room.top());
    }
    let width = (room.width() - 2.0 * GAP).min(NOTICE_WIDTH);
    let area = Area::new(Id::unique("messages"))
        .order(Order::Middle)
        .pivot(Align2::RIGHT_TOP)
        .fixed_pos(room.right_top() + vec2(0.0, 2.0))
        .constrain_to(room.expand(GAP));
    area.show(ui.ctx(), |ui| {
        ui.set_width(width);
        // More than there is room for are scrolled, and cover no header.
        ScrollArea::vertical()
            .id_salt("all messages")
            .max_height(room.height())
            .show(ui, |ui| {
                for (idx, notice) in notices.iter().enumerate() {
                    actions.extend(notice_ui(ui, idx, notice));
                    ui.add_space(6.0);
                }
            });
    });
    actions
}

fn notice_ui(ui: &mut Ui, idx: usize, notice: &Notice) -> Vec<Action> {
    let mut actions = Vec::new();
    let colours = palette(ui.visuals());
    let (colour, word) = match notice.level {
        LogLevel::Error => (colours.bad, tr!("Error")),
        LogLevel::Warning => (colours.warning, tr!("Look")),
        LogLevel::Note | LogLevel::Info => match notice.remedy {
            Some(Remedy::CallOff(_)) => (colours.accent, tr!("Fetching")),
            _ => (colours.accent, tr!("Done")),
        },
    };
    let frame = Frame::popup(ui.style())
        .fill(blend(colour, colours.surface, 0.1))
        .stroke(Stroke::new(1.0, blend(colour, colours.surface, 0.5)))
        .corner_radius(6.0)
        .inner_margin(Margin::symmetric(10, 6));
    frame.show(ui, |ui| {
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                let buttons = match &notice.remedy {
                    Some(Remedy::AcceptChanges(_)) => WIDE_BUTTONS_WIDTH,
                    Some(Remedy::RestartWorker | Remedy::Undelete | Remedy::CallOff(_)) | None => {
                        BUTTONS_WIDTH
                    }
                };
                ui.set_width((ui.available_width() - buttons).max(80.0));
                // A long one is read by scrolling, and covers no more than this.
                ScrollArea::vertical()
                    .id_salt(idx)
                    .max_height(NOTICE_HEIGHT)
                    .auto_shrink([false, true])
                    .show(ui, |ui| {
                        ui.horizontal_wrapped(|ui| {
                            ui.label(RichText::new(word).color(colour).strong());
                            ui.label(&notice.text);
                        });
                    });
                if let Some(share) = notice.share {
                    ui.add(ProgressBar::new(share).desired_height(4.0));
                }
            });
            if let Some(remedy) = &notice.remedy {
                let (text, action) = match remedy {
                    Remedy::RestartWorker => (tr!("Restart worker"), Action::RestartWorker),
                    Remedy::Undelete => (tr!("Undo"), Action::Undelete),
                    Remedy::AcceptChanges(asked) => {
                        let text = match asked {
                            QueueRequest::ResumeFromDisk { .. } => tr!("Resume with the changes"),
                            QueueRequest::Start(_) => tr!("Start from this state"),
                        };
                        (text, Action::AcceptChanges(asked.clone()))
                    }
                    Remedy::CallOff(run) => (tr!("Cancel"), Action::CallOff(run.clone())),
                };
                if ui.button(text).clicked() {
                    actions.push(action);
                    actions.push(Action::Dismiss(idx));
                }
            } else if notice.level > LogLevel::Info && ui.button(tr!("Copy")).clicked() {
                actions.push(Action::CopyText(notice.text.clone()));
            }
            // What is under way is told again and again.
            let stays = matches!(notice.remedy, Some(Remedy::CallOff(_)));
            if !stays && ui.button(tr!("Dismiss")).clicked() {
                actions.push(Action::Dismiss(idx));
            }
        });
    });
    actions
}

/// What closing the window does to what is on, in words.
fn ending_words(ending: &Ending, goes_on: bool) -> (&'static str, String) {
    let (title, mut words) = match (&ending.sweep, ending.has_run) {
        (Some(name), false) => (
            tr!("A sweep is running"),
            tr!(
                "Closing stops the active runs of {name} after their current step and saves them.",
                name
            ),
        ),
        (Some(name), true) => (
            tr!("A sweep and a run are active"),
            tr!(
                "Closing stops the run and the runs of {name} after their current step and saves them.",
                name
            ),
        ),
        (None, true) => (
            tr!("A run is active"),
            tr!("Closing stops the run after its current step and saves it.").to_owned(),
        ),
        (None, false) => (
            tr!("A run is about to start"),
            tr!("It has not started.").to_owned(),
        ),
    };
    words += match (ending.n_waiting, goes_on) {
        (0, _) => "",
        (_, true) => tr!(" Queued runs are kept."),
        (_, false) => tr!(" Queued runs are removed."),
    };
    (title, words)
}

/// Asks before a run is ended by closing the window.
pub fn closing_ui(
    ctx: &Context,
    closing: Closing,
    ending: &Ending,
    goes_on: &mut bool,
) -> Vec<Action> {
    let mut actions = Vec::new();
    match closing {
        Closing::No => {}
        Closing::Asking => {
            let modal = modal(ctx, "closing").show(ctx, |ui| {
                ui.set_width(380.0);
                let (title, words) = ending_words(ending, *goes_on);
                ui.heading(title);
                ui.label(words);
                ui.checkbox(goes_on, tr!("Resume when Gosling is opened again"));
                ui.add_space(GAP);
                ui.horizontal(|ui| {
                    from_right(ui, |ui| {
                        if primary_button(ui, tr!("Stop, save and close"), true, 150.0).clicked() {
                            actions.push(Action::StopAndClose);
                        }
                        if ui.button(tr!("Keep it running")).clicked() {
                            actions.push(Action::KeepOpen);
                        }
                    });
                });
            });
            if modal.should_close() && actions.is_empty() {
                actions.push(Action::KeepOpen);
            }
        }
        Closing::Saving => {
            modal(ctx, "saving").show(ctx, |ui| {
                ui.set_width(320.0);
                ui.heading(tr!("Saving"));
                ui.label(tr!(
                    "The window closes when the current steps are finished and saved."
                ));
            });
        }
    }
    actions
}

/// Lists the shortcuts.
pub fn shortcuts_ui(ctx: &Context) -> Vec<Action> {
    let modal = modal(ctx, "shortcuts").show(ctx, |ui| {
        ui.set_width(400.0);
        ui.heading(tr!("Keyboard shortcuts"));
        ui.add_space(6.0);
        let height = (ctx.content_rect().height() - 240.0).max(120.0);
        ScrollArea::vertical().max_height(height).show(ui, |ui| {
            Grid::new("shortcuts").spacing([24.0, 6.0]).striped(true).show(ui, |ui| {
                for shortcut in SHORTCUTS {
                    ui.monospace(ctx.format_shortcut(&shortcut.keys));
                    ui.label(language::text(shortcut.what));
                    ui.end_row();
                }
            });
        });
        ui.add_space(6.0);
        weak_small(ui, tr!("In the list of runs, Ctrl-click adds a run and Shift-click selects a range. Tab moves through all controls."));
        ui.add_space(6.0);
        let version = concat!("Gosling ", env!("CARGO_PKG_VERSION"));
        weak_small(ui, format!("{version}. {}", language::text(ABOUT)));
        ui.add_space(6.0);
        ui.horizontal(|ui| from_right(ui, |ui| ui.button(tr!("Close")).clicked()))
            .inner
    });
    if modal.inner || modal.should_close() {
        vec![Action::ToggleShortcuts]
    } else {
        Vec::new()
    }
}
