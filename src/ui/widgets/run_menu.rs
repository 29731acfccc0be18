//! The menu of a run.

use eframe::egui::Ui;

use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;

/// Draws the entries of a run's menu.
pub fn run_menu_ui(ui: &mut Ui, run: &Run, selection: &Selection) -> Vec<Action> {
    let mut actions = Vec::new();
    let id = || run.id.clone();
    let is_baseline = selection.baseline.as_ref() == Some(&run.id);
    let (pin, pinned) = if is_baseline {
        (tr!("Unpin the baseline"), None)
    } else {
        (tr!("Pin as the baseline"), Some(id()))
    };
    let mut entry = |ui: &mut Ui, text: &str, hint: &str, is_enabled: bool, action: Action| {
        let button = ui.add_enabled(is_enabled, eframe::egui::Button::new(text).frame(false));
        if button.on_hover_text(hint).clicked() {
            actions.push(action);
            ui.close();
        }
    };
    let has_state = !run.exported.is_empty();
    entry(
        ui,
        tr!("Details…"),
        tr!("Its results, files, log and command line"),
        true,
        Action::OpenDetails(id()),
    );
    entry(
        ui,
        tr!("Name, tags and note…"),
        tr!("Edit the labels of the run; its folder keeps its name"),
        true,
        Action::EditLabels(id()),
    );
    entry(
        ui,
        tr!("Run again with changes…"),
        tr!("Copy the settings of this run into the configuration, to change some of them"),
        true,
        Action::UseSpecOf(id()),
    );
    entry(
        ui,
        tr!("Run again"),
        tr!("Start a run with the same settings in a new folder"),
        true,
        Action::RunAgain(id()),
    );
    entry(
        ui,
        tr!("Start from its state…"),
        tr!("The same settings, with its state as the start of the next run"),
        has_state,
        Action::StartFrom(id()),
    );
    entry(
        ui,
        pin,
        tr!("Other runs are compared with the baseline; plots show it dashed"),
        true,
        Action::Pin(pinned),
    );
    ui.separator();
    // One that another process works on writes it when it is asked.
    let can_write = run.elsewhere.is_some() && run.step > 0;
    entry(
        ui,
        tr!("Export the state…"),
        tr!("Save its state for another program"),
        has_state || can_write,
        Action::OpenExport(id()),
    );
    entry(
        ui,
        tr!("Mix states…"),
        tr!("Add it up with the states of other runs, each with a weight"),
        has_state,
        Action::OpenMix(id()),
    );
    entry(
        ui,
        tr!("Measure accuracy…"),
        tr!("On any benchmark, with its tuned state or untuned"),
        run.status.is_over(),
        Action::OpenScoring(id()),
    );
    entry(
        ui,
        tr!("Numbers as CSV…"),
        tr!("All metrics of all steps as a table"),
        true,
        Action::SaveNumbers(vec![id()]),
    );
    entry(
        ui,
        tr!("Diagnostics…"),
        tr!("Save its log, settings and labels, and the devices of this machine, in one file"),
        true,
        Action::SaveDiagnostics(Some(id())),
    );
    ui.separator();
    entry(
        ui,
        tr!("Copy as command line"),
        tr!("Copy a gosling tune command for the same run"),
        true,
        Action::CopyCommandLineOf(id()),
    );
    entry(
        ui,
        tr!("Open its folder"),
        &run.folder.display().to_string(),
        true,
        Action::Reveal(run.folder.clone()),
    );
    entry(
        ui,
        tr!("Copy the folder's path"),
        &run.folder.display().to_string(),
        true,
        Action::CopyText(run.folder.display().to_string()),
    );
    ui.separator();
    let chosen = match selection.is_selected(&run.id) {
        true => selection.selected.clone(),
        false => vec![id()],
    };
    let text = match chosen.len() {
        0 | 1 => tr!("Delete").to_owned(),
        n => tr!("Delete {n} runs", n),
    };
    entry(
        ui,
        &text,
        tr!("Move to the deleted runs; it can be restored"),
        run.status.is_over(),
        Action::Delete(chosen),
    );
    actions
}
