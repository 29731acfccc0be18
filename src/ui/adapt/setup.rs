//! What is asked for.

use std::path::Path;

use eframe::egui::{DragValue, Ui};

use super::guide::guide_ui;
use super::labels::labelled;
use super::state::AdaptView;
use crate::adapt::spec::{
    AdaptSpec, Base, Estimator, Exponent, GuideSpec, Mode, Objective, PRESETS, preset,
};
use crate::data::{Benchmark, Split};
use crate::ui::shared::workspace::Workspace;
use crate::ui::widgets::choices::{combo, pick};
use crate::ui::widgets::controls::weak_small;

/// Draws it.
pub(super) fn setup_ui(ui: &mut Ui, workspace: &Workspace, view: &mut AdaptView) {
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    let draft = &mut view.draft;
    labelled(
        ui,
        "Start from",
        "Adaptations that ship with the program",
        |ui| {
            pick(
                ui,
                "adaptation preset",
                &draft.name.clone(),
                &names,
                |idx| {
                    if let Ok(chosen) = preset(names[idx]) {
                        *draft = chosen;
                    }
                },
            )
        },
    );
    // The model and the device are those of the configuration.
    draft.model = workspace.draft.model.clone();
    draft.device = workspace.draft.device;
    questions_ui(ui, draft);
    base_ui(ui, workspace, draft);
    objective_ui(ui, draft);
    if draft.objective.is_guided() {
        guide_ui(
            ui,
            draft.guide.get_or_insert(GuideSpec::Local {
                checkpoint: crate::protocol::run_spec::CheckpointSource::Mini,
                state: None,
                examples: 0,
            }),
        );
        let calls = &mut draft.stops.guide_calls;
        labelled(
            ui,
            "Guided at most",
            "Questions that the guide is asked; figures of others show what carries over. 0 for all",
            |ui| {
                let mut n = calls.unwrap_or(0);
                let typed = ui.add(DragValue::new(&mut n).range(0..=100_000).speed(1.0));
                if typed.changed() {
                    *calls = (n > 0).then_some(n);
                }
                typed
            },
        );
    } else {
        draft.guide = None;
    }
    steps_ui(ui, draft);
}

fn questions_ui(ui: &mut Ui, draft: &mut AdaptSpec) {
    let benchmarks = Benchmark::ALL.map(|of| (of, of.mini_name()));
    labelled(
        ui,
        "Questions",
        "The mini benchmark that is answered; official ones by gosling adapt",
        |ui| {
            combo(
                ui,
                "adapted benchmark",
                &mut draft.task.benchmark,
                &benchmarks,
            )
        },
    );
    let splits = Split::ALL.map(|split| (split, split.name()));
    labelled(
        ui,
        "Split",
        "What is scored. Rates and steps are chosen on validation; test is scored once",
        |ui| combo(ui, "adapted split", &mut draft.task.split, &splits),
    );
    labelled(
        ui,
        "Questions at most",
        "The first so many of the split; 0 for all",
        |ui| {
            let mut n = draft.task.limit.unwrap_or(0);
            let typed = ui.add(DragValue::new(&mut n).range(0..=100_000).speed(1.0));
            if typed.changed() {
                draft.task.limit = (n > 0).then_some(n);
            }
            typed
        },
    );
    let modes = [
        (Mode::Item, "Each question"),
        (Mode::Shared, "The whole set"),
        (Mode::Pool, "Another pool"),
    ];
    labelled(
        ui,
        "A state for",
        "Each question has a state of its own, thrown away after it; or one state for all questions of the set, which it sees without their labels (transductive); or one state of the training split's questions without labels, which is worth an export",
        |ui| combo(ui, "adaptation mode", &mut draft.mode, &modes),
    );
}

fn base_ui(ui: &mut Ui, workspace: &Workspace, draft: &mut AdaptSpec) {
    let mut choices: Vec<(Base, String)> = vec![(Base::Zero, "Untuned".into())];
    let selected = workspace.selection.selected.iter();
    for id in selected {
        if let Some(run) = workspace.store.runs().iter().find(|run| run.id == *id) {
            choices.push((Base::File(run.folder.clone()), run.title().to_owned()));
        }
    }
    if !choices.iter().any(|(base, _)| *base == draft.base)
        && let Base::File(path) = &draft.base
    {
        choices.push((draft.base.clone(), file_name(path)));
    }
    let named: Vec<(Base, &str)> = choices
        .iter()
        .map(|(of, name)| (of.clone(), name.as_str()))
        .collect();
    labelled(
        ui,
        "Base",
        "The state that it starts from: the untuned model, or the state of a run that is selected at the left. A lifted branch stays as it is",
        |ui| combo(ui, "adaptation base", &mut draft.base, &named),
    );
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Objectives, what they are called here, and what they do.
const OBJECTIVES: &[(&str, Objective, &str)] = &[
    (
        "Surer options",
        Objective::OptionEntropy,
        "Options: the distribution over them becomes surer",
    ),
    (
        "Informative options",
        Objective::Information,
        "Options: surer for each question, and no letter preferred over all of them",
    ),
    (
        "Views",
        Objective::Views { orders: 4 },
        "Letters: what is likeliest over four orders of the options is learned",
    ),
    (
        "Distil examples",
        Objective::ContextDistillation {
            examples: 3,
            draws: 4,
        },
        "What the model says behind solved training questions is learned without them",
    ),
    (
        "Surer answers",
        Objective::Entropy,
        "Written answers: their tokens become surer",
    ),
    (
        "Majority",
        Objective::Majority,
        "Written answers: those that most of a group agree on are rewarded",
    ),
    (
        "Share",
        Objective::Share,
        "Written answers: rewarded by how many of the group agree",
    ),
    (
        "Confidence",
        Objective::Confidence,
        "Written answers: rewarded by their own probability",
    ),
    (
        "Imitate the majority",
        Objective::MajorityImitation,
        "Written answers: those of the majority are learned",
    ),
    (
        "Guide, single step",
        Objective::SingleStep {
            exponent: Exponent::Auto,
            estimator: Estimator::Exact,
        },
        "The guide's text, token by token: the reward of the paper in closed form",
    ),
    (
        "Guide, probabilities",
        Objective::Soft { top: None },
        "The guide's own probabilities, along its text or of the options; needs a guide in this process, or for letters a server that gives them",
    ),
    (
        "Guide, log-ratio",
        Objective::ReverseKl { discount: 0.9 },
        "Several steps: rewarded by how much likelier the guide finds the model's own tokens; needs a guide in this process",
    ),
    (
        "Guide, divergence",
        Objective::ReverseKlExact,
        "Several steps: the divergence from the guide along the model's own answers; needs a guide in this process",
    ),
    (
        "Guide, shared prefix",
        Objective::Agreement { discount: 0.9 },
        "Several steps: rewarded for every token up to the first that is not the guide's",
    ),
    (
        "Guide, answer",
        Objective::Answer,
        "Several steps: rewarded for the guide's answer",
    ),
];

fn objective_ui(ui: &mut Ui, draft: &mut AdaptSpec) {
    let is_shown =
        |of: &Objective| std::mem::discriminant(of) == std::mem::discriminant(&draft.objective);
    let shown = OBJECTIVES.iter().find(|(_, of, _)| is_shown(of));
    let name = shown.map_or_else(|| draft.objective.name(), |(name, ..)| (*name).to_owned());
    let names: Vec<&str> = OBJECTIVES.iter().map(|(name, ..)| *name).collect();
    let hint = shown.map_or("", |(.., hint)| hint);
    let mut chosen = None;
    labelled(
        ui,
        "Objective",
        "What the state is moved towards; no label has a part in it",
        |ui| {
            pick(ui, "adaptation objective", &name, &names, |idx| {
                chosen = Some(OBJECTIVES[idx].1)
            })
        },
    );
    weak_small(ui, hint);
    if let Some(chosen) = chosen {
        draft.objective = chosen;
    }
    match &mut draft.objective {
        Objective::SingleStep {
            exponent,
            estimator,
        } => {
            let choices = [
                (Exponent::Auto, "By the base"),
                (Exponent::Is(0.0), "0, cross entropy"),
                (Exponent::Is(0.5), "0.5"),
                (Exponent::Is(1.0), "1, expected reward"),
            ];
            labelled(
                ui,
                "Exponent",
                "The gradient of a token counts its probability to this power. 1 is the paper's reward; 0 ends as a copy of the guide",
                |ui| combo(ui, "exponent", exponent, &choices),
            );
            let choices = [
                (Estimator::Exact, "In closed form"),
                (Estimator::Sampled { samples: 8 }, "By 8 samples"),
            ];
            labelled(
                ui,
                "Gradient",
                "Samples are the policy gradient as it is written down, of exponent 1; their mean is the closed form, and they only add noise",
                |ui| combo(ui, "estimator", estimator, &choices),
            );
        }
        Objective::Agreement { discount } | Objective::ReverseKl { discount } => {
            labelled(
                ui,
                "Discount",
                "How much a token counts what comes after it",
                |ui| ui.add(DragValue::new(discount).range(0.0..=1.0).speed(0.01)),
            );
        }
        Objective::OptionEntropy
        | Objective::Information
        | Objective::Views { .. }
        | Objective::ContextDistillation { .. }
        | Objective::Entropy
        | Objective::Majority
        | Objective::Share
        | Objective::Confidence
        | Objective::MajorityImitation
        | Objective::Soft { .. }
        | Objective::ReverseKlExact
        | Objective::Answer => {}
    }
}

fn steps_ui(ui: &mut Ui, draft: &mut AdaptSpec) {
    let AdaptSpec {
        update,
        mode,
        objective,
        baselines,
        keep_states,
        stops,
        seed,
        ..
    } = draft;
    labelled(
        ui,
        "Rate",
        "Adam's, after the warm-up. Choose it on the validation split",
        |ui| {
            ui.add(
                DragValue::new(&mut update.learning_rate)
                    .range(1e-5..=10.0)
                    .speed(0.005),
            )
        },
    );
    labelled(ui, "Steps", "Of each state; it may stop sooner", |ui| {
        ui.add(
            DragValue::new(&mut update.steps)
                .range(0..=100_000)
                .speed(0.5),
        )
    });
    match mode {
        Mode::Item => labelled(
            ui,
            "Questions at once",
            "Each has a state, a gradient and two moments in memory",
            |ui| ui.add(DragValue::new(&mut update.items).range(1..=4096).speed(0.5)),
        ),
        Mode::Shared | Mode::Pool => labelled(
            ui,
            "Questions a step",
            "Those whose mean a step follows",
            |ui| ui.add(DragValue::new(&mut update.batch).range(1..=4096).speed(0.5)),
        ),
    }
    if objective.is_on_policy() {
        labelled(
            ui,
            "Answers a group",
            "Answers of one question that are compared with each other",
            |ui| ui.add(DragValue::new(&mut update.group).range(1..=256).speed(0.2)),
        );
    }
    labelled(
        ui,
        "Score every",
        "Steps between scores for the curve; 0 scores the end alone",
        |ui| {
            ui.add(
                DragValue::new(&mut baselines.score_every)
                    .range(0..=10_000)
                    .speed(0.2),
            )
        },
    );
    if *mode == Mode::Item {
        labelled(
            ui,
            "States to keep",
            "Of the first so many questions, to be looked at as heatmaps beside the base",
            |ui| ui.add(DragValue::new(keep_states).range(0..=1000).speed(0.2)),
        );
    }
    labelled(
        ui,
        "Tokens at most",
        "Forward-equivalent tokens a question, after which a state stops; 0 for no limit",
        |ui| {
            let mut most = stops.budget_tokens.unwrap_or(0.0);
            let typed = ui.add(DragValue::new(&mut most).range(0.0..=1e7).speed(10.0));
            if typed.changed() {
                stops.budget_tokens = (most > 0.0).then_some(most);
            }
            typed
        },
    );
    labelled(
        ui,
        "Drift at most",
        "How far a state may go from the base, relative to it; from zero its root mean square; 0 for no limit",
        |ui| {
            let mut most = stops.max_drift.unwrap_or(0.0);
            let typed = ui.add(DragValue::new(&mut most).range(0.0..=100.0).speed(0.01));
            if typed.changed() {
                stops.max_drift = (most > 0.0).then_some(most);
            }
            typed
        },
    );
    labelled(ui, "Seed", "Fixes every draw", |ui| {
        ui.add(DragValue::new(seed).speed(0.1))
    });
    ui.checkbox(&mut baselines.measure, "Measure the baselines")
        .on_hover_text("Votes, other orders, solved questions in front and more, at no more tokens than the adaptation");
}
