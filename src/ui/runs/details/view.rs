//! A run by itself, as a dialog.

use eframe::egui::{CollapsingHeader, Context, Grid, RichText, ScrollArea, Spinner, TextEdit, Ui};

use super::settings::settings_ui;
use super::{FolderContent, RunDetails};
use crate::format::{byte_size, shown};
use crate::persist::command_line::command_line;
use crate::protocol::fields::choice::Choice as _;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::accuracy::{headline, phase_label};
use crate::ui::widgets::controls::{from_right, group_title, modal, weak_small, wrong};
use crate::ui::widgets::markdown::markdown_ui;
use crate::ui::widgets::status_mark::status_sentence;

/// Draws the dialog, if it is open.
pub(crate) fn details_ui(
    ctx: &Context,
    details: &mut Option<RunDetails>,
    store: &RunStore,
) -> Vec<Action> {
    let Some(open) = details else {
        return Vec::new();
    };
    let Some(run) = store.get(&open.run) else {
        // It was deleted meanwhile.
        *details = None;
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "details").show(ctx, |ui| {
        let room = ctx.content_rect().size();
        ui.set_width(720.0_f32.min(room.x - 80.0));
        ui.heading(run.title());
        weak_small(ui, status_sentence(run));
        ui.add_space(GAP / 2.0);
        let height = (room.y - 210.0).clamp(160.0, 560.0);
        ScrollArea::vertical()
            .max_height(height)
            .auto_shrink([false, false])
            .show(ui, |ui| {
                ui.set_max_width(ui.available_width() - 12.0);
                summary_ui(ui, run, &mut actions);
                settings_ui(ui, run, store, &mut actions);
                match &open.content {
                    None => {
                        ui.add(Spinner::new().size(16.0));
                    }
                    Some(Err(error)) => {
                        wrong(ui, &error.to_string());
                    }
                    Some(Ok(content)) => {
                        files_ui(ui, content);
                        log_ui(ui, content, &mut open.search);
                    }
                }
            });
        ui.add_space(GAP / 2.0);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                is_done = ui.button(tr!("Close")).clicked();
                let again = ui.button(tr!("Run again with changes"));
                if again
                    .on_hover_text(tr!("Copy its settings into the configuration"))
                    .clicked()
                {
                    actions.push(Action::UseSpecOf(run.id.clone()));
                    is_done = true;
                }
                if ui.button(tr!("Edit the note")).clicked() {
                    actions.push(Action::EditLabels(run.id.clone()));
                    is_done = true;
                }
                if ui.button(tr!("Open folder")).clicked() {
                    actions.push(Action::Reveal(run.folder.clone()));
                }
            });
        });
    });
    if is_done || shown.should_close() {
        *details = None;
    }
    actions
}

/// What the run is and what came of it.
fn summary_ui(ui: &mut Ui, run: &Run, actions: &mut Vec<Action>) {
    Grid::new("details of a run")
        .spacing([18.0, 4.0])
        .show(ui, |ui| {
            let mut row = |name: &str, value: String| {
                ui.label(RichText::new(name).small().weak());
                ui.label(value);
                ui.end_row();
            };
            row(tr!("Folder"), shown(&run.folder).to_string());
            row(
                tr!("Steps"),
                tr!("{} of {}", run.step, run.spec.training.steps),
            );
            if let Some((step, loss)) = run.best_validation() {
                row(
                    tr!("Validation loss"),
                    tr!(
                        "{loss} at step {step}",
                        loss = format_args!("{loss:.4}"),
                        step
                    ),
                );
            }
            for (phase, summary) in &run.evaluations {
                if let Some(accuracy) = headline(run, *phase) {
                    let split = run.spec.evaluation.split.name().to_lowercase();
                    let what = phase_label(*phase, summary);
                    let name = format!("{}, {split}, {what}", summary.benchmark);
                    row(&name, accuracy.to_string());
                }
            }
            if !run.labels.tags.is_empty() {
                row(tr!("Tags"), run.labels.tags_text());
            }
        });
    if !run.labels.note.trim().is_empty() {
        ui.add_space(GAP / 2.0);
        group_title(ui, tr!("Note"));
        markdown_ui(ui, &run.labels.note);
    }
    for text in run.notes.iter().cloned() {
        weak_small(ui, text);
    }
    // A path that is not Unicode has no text.
    if let Ok(line) = command_line(&run.spec) {
        ui.add_space(GAP / 2.0);
        ui.horizontal(|ui| {
            group_title(ui, tr!("Command line"));
            if ui.small_button(tr!("Copy")).clicked() {
                actions.push(Action::CopyText(line.clone()));
            }
        });
        ui.label(RichText::new(line).monospace());
    }
    ui.add_space(GAP / 2.0);
}

fn files_ui(ui: &mut Ui, content: &FolderContent) {
    let n_files = content.files.len() + content.n_more;
    CollapsingHeader::new(tr!("{n_files} files", n_files))
        .default_open(false)
        .show(ui, |ui| {
            Grid::new("files of a run")
                .spacing([18.0, 2.0])
                .show(ui, |ui| {
                    for (name, bytes) in &content.files {
                        ui.label(RichText::new(name).small());
                        ui.label(RichText::new(byte_size(*bytes)).small().weak());
                        ui.end_row();
                    }
                });
            if content.n_more > 0 {
                weak_small(ui, tr!("and {} more", content.n_more));
            }
        });
}

/// The log, wrapped, with the lines that have what is looked for.
fn log_ui(ui: &mut Ui, content: &FolderContent, search: &mut String) {
    ui.add_space(GAP / 2.0);
    ui.horizontal(|ui| {
        group_title(ui, tr!("Log"));
        let field = TextEdit::singleline(search)
            .hint_text(tr!("Search the log"))
            .desired_width(200.0);
        ui.add(field).accessible_name(tr!("Search the log"));
    });
    let wanted = search.to_lowercase();
    let has_it = |line: &&String| wanted.is_empty() || line.to_lowercase().contains(&wanted);
    let found: Vec<&str> = content
        .log
        .iter()
        .filter(has_it)
        .map(String::as_str)
        .collect();
    let text = match (content.log.is_empty(), found.is_empty()) {
        (true, _) => tr!("The run has written no log.").to_owned(),
        (false, true) => tr!("No line has that.").to_owned(),
        (false, false) => {
            let newest = found.len().saturating_sub(MAX_LINES);
            found[newest..].join("\n")
        }
    };
    ui.label(RichText::new(text).monospace().small());
    if content.is_cut || found.len() > MAX_LINES {
        weak_small(ui, tr!("Earlier lines are in log.txt in its folder."));
    }
}

/// Lines of a log that are drawn at once, the newest ones.
const MAX_LINES: usize = 400;
