//! How the dialog that measures a finished run looks: settings, progress and result.

use eframe::egui::{Button, Context, ProgressBar, RichText, Ui, vec2};

use super::ScoringDialog;
use crate::data::{Benchmark, Split};
use crate::format::duration;
use crate::protocol::fields::MAX_FEW_SHOT;
use crate::protocol::fields::field::Field;
use crate::protocol::fields::range::Range;
use crate::protocol::log_line::score_line;
use crate::runs::eta::secs_at_pace;
use crate::runs::scoring::Scoring;
use crate::ui::shared::action::Action;
use crate::ui::shared::tab::Tab;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::{CONTROL_HEIGHT, GAP, palette};
use crate::ui::widgets::choices as choose;
use crate::ui::widgets::controls::{
    choice, from_right, modal, primary_button, reserved, small_lines, weak_small,
};
use crate::ui::widgets::field_row::{FieldContext, count, optional, row};

const MODEL: Field = Field::outside(
    mark!("Model"),
    mark!("Whether the run's tuned state or its untuned model is scored."),
);
const BENCHMARK: Field = Field::outside(
    mark!("Benchmark"),
    mark!(
        "The mini sets ship with the program and are not the official benchmarks; official files are read from a folder of yours."
    ),
);
const FOLDER: Field = Field::outside(
    mark!("Official files"),
    mark!("The folder of the files as their authors publish them."),
);
const SPLIT: Field = Field::outside(
    "Split",
    mark!("Choose settings on the validation split, and report the test split once."),
);
const ITEMS: Field = Field::outside(
    mark!("Items"),
    mark!(
        "Number of items, from the start of the split. Fewer are faster and give wider intervals."
    ),
)
.symbol("n")
.range(Range::from(1.0))
.optional(mark!("all"), 200.0);
const FEW_SHOT: Field = Field::outside(
    mark!("Few-shot examples"),
    mark!("Solved questions before every question."),
)
.unit(mark!("examples"))
.range(Range::whole(0, MAX_FEW_SHOT));

/// Draws the dialog, if it is open. `is_begun` says that the worker is not done
/// with what was asked.
pub fn score_ui(
    ctx: &Context,
    asked: &mut Option<ScoringDialog>,
    known: Option<&Scoring>,
    is_begun: bool,
) -> Vec<Action> {
    let Some(open) = asked else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let own = known.filter(|known| open.name.as_ref() == Some(&known.name));
    let shown = modal(ctx, "score").show(ctx, |ui| {
        ui.set_width(440.0);
        ui.heading(tr!("Measure accuracy"));
        weak_small(
            ui,
            tr!("of {}; every item is kept in its folder", open.request.of.0),
        );
        ui.add_space(GAP);
        ui.add_enabled_ui(!is_begun, |ui| fields_ui(ui, open, &mut actions));
        ui.add_space(GAP);
        let problem = open.problem();
        // The buttons stay where they are when it begins.
        let height = small_lines(ui, 2);
        reserved(ui, height, |ui| {
            if is_begun {
                progress_ui(ui, own);
            } else if let Some(own) = own {
                outcome_ui(ui, own, &mut actions);
            }
            if let Some(problem) = problem {
                weak_small(ui, problem);
            }
        });
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                if is_begun {
                    // As large as what it stands in place of.
                    let button =
                        Button::new(tr!("Stop")).min_size(vec2(110.0, CONTROL_HEIGHT + 6.0));
                    let stop = ui.add(button);
                    if stop
                        .on_hover_text(tr!("Stop; no results are written"))
                        .clicked()
                    {
                        actions.push(Action::StopScoring);
                    }
                } else if primary_button(ui, tr!("Measure"), problem.is_none(), 110.0).clicked() {
                    actions.push(Action::Score);
                }
                let close = ui.button(tr!("Close"));
                if close
                    .on_hover_text(tr!("Closing does not stop the job"))
                    .clicked()
                {
                    is_done = true;
                }
            });
        });
    });
    if is_done || shown.should_close() {
        *asked = None;
    }
    actions
}

fn fields_ui(ui: &mut Ui, open: &mut ScoringDialog, actions: &mut Vec<Action>) {
    let ScoringDialog {
        request,
        has_state,
        is_official,
        ..
    } = open;
    if *has_state {
        row(ui, &MODEL, FieldContext::default(), |ui, _| {
            let models = [(true, tr!("Tuned")), (false, tr!("Untuned"))];
            ui.scope(|ui| choice(ui, &mut request.is_tuned, &models))
                .response
        });
    }
    row(ui, &BENCHMARK, FieldContext::default(), |ui, _| {
        let mini = Benchmark::ALL.map(|of| ((of, false), of.mini_name().to_owned()));
        let official = Benchmark::ALL.map(|of| ((of, true), tr!("{} (official files)", of.name())));
        let all: Vec<((Benchmark, bool), &str)> = mini
            .iter()
            .chain(&official)
            .map(|(of, name)| (*of, name.as_str()))
            .collect();
        let mut chosen = (request.benchmark, *is_official);
        let combo = choose::combo(ui, "scored benchmark", &mut chosen, &all);
        (request.benchmark, *is_official) = chosen;
        combo
    });
    if *is_official {
        let folder = request.official.clone().unwrap_or_default();
        row(ui, &FOLDER, FieldContext::default(), |ui, _| {
            choose::path(ui, &folder, PathFor::ScoredFolder, actions)
        });
    }
    row(ui, &SPLIT, FieldContext::default(), |ui, _| {
        let splits = Split::ALL.map(|split| match split {
            Split::Train => (split, tr!("Train")),
            Split::Validation => (split, tr!("Validation")),
            Split::Test => (split, tr!("Test")),
        });
        choose::combo(ui, "scored split", &mut request.split, &splits)
    });
    row(ui, &ITEMS, FieldContext::default(), |ui, field| {
        optional(ui, field, &mut request.limit, 200, count)
    });
    row(ui, &FEW_SHOT, FieldContext::default(), |ui, field| {
        count(ui, field, &mut request.few_shot)
    });
}

fn progress_ui(ui: &mut Ui, own: Option<&Scoring>) {
    let (share, text) = match own {
        Some(own) if own.total > 0 => (
            own.done as f32 / own.total as f32,
            match secs_at_pace(own.share(), own.since.secs()) {
                Some(secs) => tr!(
                    "{}%, {} left",
                    format_args!("{:.0}", 100.0 * own.share()),
                    duration(secs)
                ),
                None => format!("{:.0}%", 100.0 * own.share()),
            },
        ),
        // Before the first item, or behind what the worker does at the moment.
        Some(_) | None => (
            0.0,
            tr!("Waiting for the worker or loading the model").to_owned(),
        ),
    };
    ui.add(ProgressBar::new(share).desired_height(6.0));
    weak_small(ui, text);
}

fn outcome_ui(ui: &mut Ui, own: &Scoring, actions: &mut Vec<Action>) {
    let colours = palette(ui.visuals());
    let Some((summary, path)) = &own.scored else {
        weak_small(ui, tr!("Stopped or failed; nothing was written."));
        return;
    };
    let text = tr!(
        "{}, in {} s",
        score_line(summary),
        format_args!("{:.1}", summary.secs)
    );
    ui.label(RichText::new(text).color(colours.good));
    weak_small(ui, path.display().to_string());
    if ui.button(tr!("Show in Compare")).clicked() {
        actions.push(Action::Open(Tab::Compare));
        actions.push(Action::CloseScoring);
    }
}
