//! The cost of a sweep, and the button that starts it.

use eframe::egui::{Align, DragValue, Layout, RichText, Ui};

use super::action::SweepAction;
use super::axis::labelled;
use super::header::behind_ui;
use super::opened::Planned;
use super::state::SweepState;
use crate::format::byte_size;
use crate::kernels::device::DeviceChoice;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::sweep::scheduler::MAX_JOBS;
use crate::sweep::spec::ChooseBy;
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{choice, from_right, primary_button, weak_small};

impl SweepState {
    /// Whether the sweep that is set up can begin: its runs can be done, something
    /// differs between them, and no other sweep is on.
    pub fn can_begin(&self) -> bool {
        let is_ready = matches!(&self.planned, Some(Ok(planned))
            if planned.estimate.is_ok() && planned.plan.runs.len() > 1);
        is_ready && self.is_setting_up && !self.is_on()
    }
}

impl SweepState {
    /// The sweep that is looked at, and what keeps it from going on.
    pub(crate) fn can_go_on(&self) -> Option<(&str, Result<(), &'static str>)> {
        let shown = self.shown.as_ref()?;
        let (n_settled, n_tasks) = shown.queue.progress(&shown.plan);
        let can = if shown.elsewhere.is_some() {
            Err(tr!("another process runs it"))
        } else if self.is_on() {
            Err(tr!("a sweep is running"))
        } else if n_settled == n_tasks {
            Err(tr!("it is complete"))
        } else {
            Ok(())
        };
        Some((&shown.plan.sweep.name, can))
    }
}

/// What the sweep takes, and Start.
pub(super) fn bottom_ui(
    ui: &mut Ui,
    panel: &mut SweepState,
    store: &RunStore,
    actions: &mut Vec<Action>,
) {
    ui.separator();
    ui.horizontal_wrapped(|ui| {
        let jobs = DragValue::new(&mut panel.n_jobs).range(1..=MAX_JOBS);
        let jobs = labelled(ui, tr!("Parallel runs"), jobs);
        jobs.on_hover_text(tr!("Number of runs at the same time, each in its own process, which is kept for the runs that follow. On one GPU they take turns: two runs took 33 ms a step each where one alone took 14 ms (H200, mini model), so 1 is best there. On the CPU they share the cores."));
        weak_small(ui, tr!("Select by"));
        let chosen = &mut panel.draft.choose_by;
        choice(
            ui,
            chosen,
            &[
                (ChooseBy::ValidationLoss, tr!("validation loss")),
                (ChooseBy::ValidationAccuracy, tr!("validation accuracy")),
            ],
        );
    });
    ui.horizontal(|ui| {
        from_right(ui, |ui| {
            if primary_button(ui, tr!("Start sweep"), panel.can_begin(), 120.0).clicked() {
                actions.push(Action::Sweep(SweepAction::Start));
            }
            let layout = Layout::left_to_right(Align::Center).with_main_wrap(true);
            ui.with_layout(layout, |ui| planned_ui(ui, panel));
        });
    });
    let mut asked = Vec::new();
    behind_ui(ui, panel, &mut asked);
    actions.extend(asked.into_iter().map(Action::Sweep));
    if !panel.is_on() && store.runs().iter().any(Run::is_on_here) {
        weak_small(
            ui,
            tr!("A run is active. The sweep will run at the same time on the same device."),
        );
    }
}

/// What the sweep takes, or why it cannot begin.
fn planned_ui(ui: &mut Ui, panel: &SweepState) {
    match &panel.planned {
        None => {
            weak_small(ui, tr!("Counting the runs…"));
        }
        Some(Err(reason)) => {
            ui.colored_label(palette(ui.visuals()).bad, reason);
        }
        Some(Ok(planned)) if planned.plan.runs.len() < 2 => {
            weak_small(
                ui,
                tr!("Nothing differs between the runs yet; add a field or a value."),
            );
        }
        Some(Ok(planned)) => cost_ui(ui, planned, panel.n_jobs),
    }
}

fn cost_ui(ui: &mut Ui, planned: &Planned, n_jobs: usize) {
    let n_runs = planned.plan.runs.len();
    let mut words = vec![match n_runs {
        1 => tr!("1 run").to_owned(),
        n => tr!("{n} runs", n),
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
                    Some(has) => tr!(" of {}", byte_size(has)),
                    None => String::new(),
                };
                words.push(tr!("up to {}{device} each", byte_size(largest), device));
            }
            words.push(match &estimate.time {
                None => tr!("the time is known after a run like these").to_owned(),
                Some(time) => {
                    let n_jobs = n_jobs.min(n_runs);
                    let device = planned.plan.runs[0].spec.device;
                    let scoring = match estimate.has_evaluations {
                        true => "",
                        false => tr!(", and scoring"),
                    };
                    format!("{}{scoring}", time_words(&time.words(), n_jobs, device))
                }
            });
            ui.label(RichText::new(words.join(", ")).strong());
            let total = largest.unwrap_or(0).saturating_mul(n_jobs as u64);
            if planned.memory.is_some_and(|has| total > has) {
                let text = tr!(
                    "{n_jobs} parallel runs may not fit into the memory of the device",
                    n_jobs
                );
                ui.colored_label(colours.warning, text);
            }
        }
    }
    for note in &planned.plan.notes {
        weak_small(ui, note.as_str());
    }
}

/// How long runs take that would take `whole` one after another, where `n_jobs`
/// of them are on at a time.
fn time_words(whole: &str, n_jobs: usize, device: DeviceChoice) -> String {
    match (n_jobs, device) {
        (0 | 1, _) => tr!("about {whole} one after another", whole),
        // They share its cores, so that all of them take what they took alone.
        (_, DeviceChoice::Cpu) => {
            tr!(
                "about {whole}, {n_jobs} parallel runs on the same cores",
                whole,
                n_jobs
            )
        }
        // Processes take turns on a GPU: two took 33 ms a step each on an H200, one
        // alone 14 ms (`benches/RESULTS.md`).
        (_, DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_)) => {
            tr!(
                "{whole} or more, {n_jobs} parallel runs take turns on one device",
                whole,
                n_jobs
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_side_by_side_are_promised_no_time_that_is_saved() {
        let words = |n_jobs, device| time_words("9 to 11 min", n_jobs, device);
        let alone = words(1, DeviceChoice::Gpu);
        assert_eq!(alone, "about 9 to 11 min one after another");
        let cores = words(4, DeviceChoice::Cpu);
        assert!(
            cores.contains("9 to 11 min") && cores.contains("same cores"),
            "{cores}"
        );
        let shared = words(4, DeviceChoice::Gpu);
        assert_eq!(
            shared,
            "9 to 11 min or more, 4 parallel runs take turns on one device"
        );
    }
}
