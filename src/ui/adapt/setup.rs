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
use crate::language;
use crate::ui::shared::workspace::Workspace;
use crate::ui::widgets::choices::{combo, pick};
use crate::ui::widgets::controls::weak_small;

/// Draws it.
pub(super) fn setup_ui(ui: &mut Ui, workspace: &Workspace, view: &mut AdaptView) {
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    let draft = &mut view.draft;
    labelled(
        ui,
        tr!("Start from"),
        tr!("Adaptations that ship with the program"),
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
            tr!("Guided at most"),
            tr!(
                "Questions that the guide is asked; figures of others show what carries over. 0 for all"
            ),
            |ui| {
                let mut n = calls.unwrap_or(0);
                let field = DragValue::new(&mut n).range(0..=100_000).speed(1.0);
                let typed = ui.add(zero_is(field, tr!("all"), 0));
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

/// A number of which 0 has a meaning of its own, that the user reads as a word.
fn zero_is<'a>(field: DragValue<'a>, word: &'a str, digits: usize) -> DragValue<'a> {
    field
        .custom_formatter(move |number, _| match number.abs() > 0.0 {
            true => format!("{number:.digits$}"),
            false => word.to_owned(),
        })
        .custom_parser(move |text| match text.trim() {
            text if text == word => Some(0.0),
            text => text.parse().ok(),
        })
}

fn questions_ui(ui: &mut Ui, draft: &mut AdaptSpec) {
    let benchmarks = Benchmark::ALL.map(|of| (of, of.mini_name()));
    labelled(
        ui,
        tr!("Questions"),
        tr!("The mini benchmark that is answered; official ones by gosling adapt"),
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
        tr!("noun" => "Split"),
        tr!("What is scored. Rates and steps are chosen on validation; test is scored once"),
        |ui| combo(ui, "adapted split", &mut draft.task.split, &splits),
    );
    labelled(
        ui,
        tr!("Questions at most"),
        tr!("The first so many of the split; 0 for all"),
        |ui| {
            let mut n = draft.task.limit.unwrap_or(0);
            let field = DragValue::new(&mut n).range(0..=100_000).speed(1.0);
            let typed = ui.add(zero_is(field, tr!("all"), 0));
            if typed.changed() {
                draft.task.limit = (n > 0).then_some(n);
            }
            typed
        },
    );
    let modes = [
        (Mode::Item, tr!("Each question")),
        (Mode::Shared, tr!("The whole set")),
        (Mode::Pool, tr!("Another pool")),
    ];
    labelled(
        ui,
        tr!("A state for"),
        tr!(
            "Each question has a state of its own, thrown away after it; or one state for all questions of the set, which it sees without their labels (transductive); or one state of the training split's questions without labels, which is worth an export"
        ),
        |ui| combo(ui, "adaptation mode", &mut draft.mode, &modes),
    );
}

fn base_ui(ui: &mut Ui, workspace: &Workspace, draft: &mut AdaptSpec) {
    let mut choices: Vec<(Base, String)> = vec![(Base::Zero, tr!("Untuned").into())];
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
        tr!("Base"),
        tr!(
            "The state that it starts from: the untuned model, or the state of a run that is selected at the left. A lifted branch stays as it is"
        ),
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
        mark!("Surer options"),
        Objective::OptionEntropy,
        mark!("Options: the distribution over them becomes surer"),
    ),
    (
        mark!("Informative options"),
        Objective::Information,
        mark!("Options: surer for each question, and no letter preferred over all of them"),
    ),
    (
        mark!("Views"),
        Objective::Views { orders: 4 },
        mark!("Letters: what is likeliest over four orders of the options is learned"),
    ),
    (
        mark!("Distil examples"),
        Objective::ContextDistillation {
            examples: 3,
            draws: 4,
        },
        mark!("What the model says behind solved training questions is learned without them"),
    ),
    (
        mark!("Surer answers"),
        Objective::Entropy,
        mark!("Written answers: their tokens become surer"),
    ),
    (
        mark!("Majority"),
        Objective::Majority,
        mark!("Written answers: those that most of a group agree on are rewarded"),
    ),
    (
        mark!("Share"),
        Objective::Share,
        mark!("Written answers: rewarded by how many of the group agree"),
    ),
    (
        mark!("Confidence"),
        Objective::Confidence,
        mark!("Written answers: rewarded by their own probability"),
    ),
    (
        mark!("Imitate the majority"),
        Objective::MajorityImitation,
        mark!("Written answers: those of the majority are learned"),
    ),
    (
        mark!("Guide, single step"),
        Objective::SingleStep {
            exponent: Exponent::Auto,
            estimator: Estimator::Exact,
        },
        mark!("The guide's text, token by token: the reward of the paper in closed form"),
    ),
    (
        mark!("Guide, probabilities"),
        Objective::Soft { top: None },
        mark!(
            "The guide's own probabilities, along its text or of the options; needs a guide in this process, or for letters a server that gives them"
        ),
    ),
    (
        mark!("Guide, log-ratio"),
        Objective::ReverseKl { discount: 0.9 },
        mark!(
            "Several steps: rewarded by how much likelier the guide finds the model's own tokens; needs a guide in this process"
        ),
    ),
    (
        mark!("Guide, divergence"),
        Objective::ReverseKlExact,
        mark!(
            "Several steps: the divergence from the guide along the model's own answers; needs a guide in this process"
        ),
    ),
    (
        mark!("Guide, shared prefix"),
        Objective::Agreement { discount: 0.9 },
        mark!("Several steps: rewarded for every token up to the first that is not the guide's"),
    ),
    (
        mark!("Guide, answer"),
        Objective::Answer,
        mark!("Several steps: rewarded for the guide's answer"),
    ),
];

fn objective_ui(ui: &mut Ui, draft: &mut AdaptSpec) {
    let is_shown =
        |of: &Objective| std::mem::discriminant(of) == std::mem::discriminant(&draft.objective);
    let shown = OBJECTIVES.iter().find(|(_, of, _)| is_shown(of));
    let name = shown.map_or_else(
        || draft.objective.name(),
        |(name, ..)| language::text(name).to_owned(),
    );
    let names: Vec<&str> = OBJECTIVES
        .iter()
        .map(|(name, ..)| language::text(name))
        .collect();
    let hint = language::text(shown.map_or("", |(.., hint)| hint));
    let mut chosen = None;
    labelled(
        ui,
        tr!("Objective"),
        tr!("What the state is moved towards; no label has a part in it"),
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
                (Exponent::Auto, tr!("By the base")),
                (Exponent::Is(0.0), tr!("0, cross entropy")),
                (Exponent::Is(0.5), "0.5"),
                (Exponent::Is(1.0), tr!("1, expected reward")),
            ];
            labelled(
                ui,
                tr!("Exponent"),
                tr!(
                    "The gradient of a token counts its probability to this power. 1 is the paper's reward; 0 ends as a copy of the guide"
                ),
                |ui| combo(ui, "exponent", exponent, &choices),
            );
            let choices = [
                (Estimator::Exact, tr!("In closed form")),
                (Estimator::Sampled { samples: 8 }, tr!("By 8 samples")),
            ];
            labelled(
                ui,
                tr!("Gradient"),
                tr!(
                    "Samples are the policy gradient as it is written down, of exponent 1; their mean is the closed form, and they only add noise"
                ),
                |ui| combo(ui, "estimator", estimator, &choices),
            );
        }
        Objective::Agreement { discount } | Objective::ReverseKl { discount } => {
            labelled(
                ui,
                tr!("Discount"),
                tr!("How much a token counts what comes after it"),
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
        tr!("Learning rate"),
        tr!("Adam's, after the warm-up. Choose it on the validation split"),
        |ui| {
            ui.add(
                DragValue::new(&mut update.learning_rate)
                    .range(1e-5..=10.0)
                    .speed(0.005),
            )
        },
    );
    labelled(
        ui,
        tr!("Steps"),
        tr!("Of each state; it may stop sooner"),
        |ui| {
            ui.add(
                DragValue::new(&mut update.steps)
                    .range(0..=100_000)
                    .speed(0.5),
            )
        },
    );
    match mode {
        Mode::Item => labelled(
            ui,
            tr!("Questions at once"),
            tr!("Each has a state, a gradient and two moments in memory"),
            |ui| ui.add(DragValue::new(&mut update.items).range(1..=4096).speed(0.5)),
        ),
        Mode::Shared | Mode::Pool => labelled(
            ui,
            tr!("Questions per step"),
            tr!("Those whose mean a step follows"),
            |ui| ui.add(DragValue::new(&mut update.batch).range(1..=4096).speed(0.5)),
        ),
    }
    if objective.is_on_policy() {
        labelled(
            ui,
            tr!("Answers per group"),
            tr!("Answers of one question that are compared with each other"),
            |ui| ui.add(DragValue::new(&mut update.group).range(1..=256).speed(0.2)),
        );
    }
    labelled(
        ui,
        tr!("Score every"),
        tr!("Steps between scores for the curve; 0 scores the end alone"),
        |ui| {
            let field = DragValue::new(&mut baselines.score_every)
                .range(0..=10_000)
                .speed(0.2);
            ui.add(zero_is(field, tr!("the end"), 0))
        },
    );
    if *mode == Mode::Item {
        labelled(
            ui,
            tr!("States to keep"),
            tr!("Of the first so many questions, to be looked at as heatmaps beside the base"),
            |ui| ui.add(DragValue::new(keep_states).range(0..=1000).speed(0.2)),
        );
    }
    labelled(
        ui,
        tr!("Tokens at most"),
        tr!("Forward-equivalent tokens per question, after which a state stops; 0 for no limit"),
        |ui| {
            let mut most = stops.budget_tokens.unwrap_or(0.0);
            let field = DragValue::new(&mut most).range(0.0..=1e7).speed(10.0);
            let typed = ui.add(zero_is(field, tr!("no limit"), 0));
            if typed.changed() {
                stops.budget_tokens = (most > 0.0).then_some(most);
            }
            typed
        },
    );
    labelled(
        ui,
        tr!("Drift at most"),
        tr!(
            "How far a state may go from the base, relative to it; from zero its root mean square; 0 for no limit"
        ),
        |ui| {
            let mut most = stops.max_drift.unwrap_or(0.0);
            let field = DragValue::new(&mut most).range(0.0..=100.0).speed(0.01);
            let typed = ui.add(zero_is(field, tr!("no limit"), 2));
            if typed.changed() {
                stops.max_drift = (most > 0.0).then_some(most);
            }
            typed
        },
    );
    labelled(ui, tr!("Seed"), tr!("Fixes every draw"), |ui| {
        ui.add(DragValue::new(seed).speed(0.1))
    });
    ui.checkbox(&mut baselines.measure, tr!("Measure the baselines"))
        .on_hover_text(tr!("Votes, other orders, solved questions in front and more, at no more tokens than the adaptation"));
}
