//! The cost of a sweep, and the button that starts it.

use eframe::egui::{DragValue, RichText, Ui};

use super::action::SweepAction;
use super::axis::labelled;
use super::header::behind_ui;
use super::opened::Planned;
use super::state::SweepState;
use crate::format::duration;
use crate::kernels::device::{DeviceChoice, mebibytes};
use crate::runs::RunStore;
use crate::sweep::scheduler::MAX_JOBS;
use crate::sweep::spec::ChooseBy;
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{choice, from_right, primary_button, weak_small};

/// What the sweep takes, and Start.
pub(super) fn bottom_ui(
    ui: &mut Ui,
    panel: &mut SweepState,
    store: &RunStore,
    actions: &mut Vec<Action>,
) {
    ui.separator();
    let is_ready = matches!(panel.planned, Some(Ok(_)));
    ui.horizontal(|ui| {
        let jobs = DragValue::new(&mut panel.n_jobs).range(1..=MAX_JOBS);
        let jobs = labelled(ui, "Parallel runs", jobs);
        jobs.on_hover_text("Number of runs at the same time, each in its own process. On one GPU they take turns: two runs took 33 ms a step each where one alone took 14 ms (H200, mini model), so 1 is best there. On the CPU they share the cores.");
        weak_small(ui, "Select by");
        let chosen = &mut panel.draft.choose_by;
        choice(
            ui,
            chosen,
            &[
                (ChooseBy::ValidationLoss, "validation loss"),
                (ChooseBy::ValidationAccuracy, "validation accuracy"),
            ],
        );
        from_right(ui, |ui| {
            if primary_button(ui, "Start sweep", is_ready && !panel.is_on(), 120.0).clicked() {
                actions.push(Action::Sweep(SweepAction::Start));
            }
        });
    });
    match &panel.planned {
        None => {
            weak_small(ui, "Counting the runs…");
        }
        Some(Err(reason)) => {
            ui.colored_label(palette(ui.visuals()).bad, reason);
        }
        Some(Ok(planned)) => cost_ui(ui, planned, panel.n_jobs),
    }
    let mut asked = Vec::new();
    behind_ui(ui, panel, &mut asked);
    actions.extend(asked.into_iter().map(Action::Sweep));
    if !panel.is_on() && store.runs().iter().any(|run| !run.status.is_over()) {
        weak_small(
            ui,
            "A run is active. The sweep will run at the same time on the same device.",
        );
    }
}

fn cost_ui(ui: &mut Ui, planned: &Planned, n_jobs: usize) {
    let n_runs = planned.plan.runs.len();
    let mut words = vec![match n_runs {
        1 => "1 run".to_owned(),
        n => format!("{n} runs"),
    }];
    let colours = palette(ui.visuals());
    match &planned.estimate {
        Err(reason) => {
            ui.colored_label(colours.bad, reason);
            return;
        }
        Ok(estimate) => {
            let largest = estimate
                .memory
                .iter()
                .flatten()
                .map(|memory| memory.total())
                .max();
            if let Some(largest) = largest {
                let device = match planned.memory {
                    Some(has) => format!(" of {}", mebibytes(has)),
                    None => String::new(),
                };
                words.push(format!("up to {}{device} each", mebibytes(largest)));
            }
            let secs = estimate
                .steps_secs
                .map(|secs| secs + estimate.evaluation_secs.unwrap_or(0.0));
            words.push(match secs {
                None => "time known after the first steps".to_owned(),
                Some(secs) => {
                    time_words(secs, n_jobs.min(n_runs), planned.plan.runs[0].spec.device)
                }
            });
            ui.label(RichText::new(words.join(", ")).strong());
            let total = largest.unwrap_or(0).saturating_mul(n_jobs as u64);
            if planned.memory.is_some_and(|has| total > has) {
                let text =
                    format!("{n_jobs} parallel runs may not fit into the memory of the device");
                ui.colored_label(colours.warning, text);
            }
        }
    }
    for note in &planned.plan.notes {
        weak_small(ui, note.as_str());
    }
}

/// How long runs take that would take `secs` one after another, where `n_jobs`
/// of them are on at a time.
fn time_words(secs: f64, n_jobs: usize, device: DeviceChoice) -> String {
    let whole = duration(secs);
    match (n_jobs, device) {
        (0 | 1, _) => format!("about {whole} one after another"),
        // They share its cores, so that all of them take what they took alone.
        (_, DeviceChoice::Cpu) => {
            format!("about {whole}, {n_jobs} parallel runs on the same cores")
        }
        // Processes take turns on a GPU: two took 33 ms a step each on an H200, one
        // alone 14 ms (`benches/RESULTS.md`).
        (_, DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_)) => {
            format!("{whole} or more, {n_jobs} parallel runs take turns on one device")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_side_by_side_are_promised_no_time_that_is_saved() {
        let words = |n_jobs, device| time_words(600.0, n_jobs, device);
        let alone = words(1, DeviceChoice::Gpu);
        assert_eq!(
            alone,
            format!("about {} one after another", duration(600.0))
        );
        let cores = words(4, DeviceChoice::Cpu);
        assert!(
            cores.contains(&duration(600.0)) && cores.contains("same cores"),
            "{cores}"
        );
        let shared = words(4, DeviceChoice::Gpu);
        assert_eq!(
            shared,
            format!("{} or more, 4 take turns on one device", duration(600.0))
        );
    }
}
