//! A blind test: the prompts, two answers without names, and what came out.

use eframe::egui::{
    Align, Button, Frame, Key, Label, Layout, RichText, ScrollArea, Spinner, TextEdit, Ui,
};

use super::blind::{BlindOutcome, BlindState};
use super::blind_action::BlindAction;
use super::chat_view::{other_ui, template_ui};
use super::settings_view::settings_ui;
use super::state::Playground;
use crate::language;
use crate::ui::shared::action::Action;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{group_title, named, primary_button, weak_small};

/// The judgements: what the button says, its key, and whether it is for the left.
const CHOICES: [(&str, Key, Option<bool>); 3] = [
    (mark!("Prefer left"), Key::ArrowLeft, Some(true)),
    (mark!("No preference"), Key::ArrowDown, None),
    (mark!("Prefer right"), Key::ArrowRight, Some(false)),
];

/// Draws the test.
pub fn blind_ui(ui: &mut Ui, workspace: &Workspace, playground: &mut Playground) -> Vec<Action> {
    let mut actions = Vec::new();
    match playground.blind.on.is_some() {
        true => test_ui(ui, workspace, playground, &mut actions),
        false => setup_ui(ui, workspace, playground, &mut actions),
    }
    if let Some(fault) = &playground.blind.fault {
        let bad = palette(ui.visuals()).bad;
        ui.label(RichText::new(format!("× {fault}")).color(bad));
    }
    if let Some(outcome) = &playground.blind.outcome {
        ui.add_space(GAP);
        outcome_ui(ui, outcome, &mut actions);
    }
    actions
}

fn setup_ui(
    ui: &mut Ui,
    workspace: &Workspace,
    playground: &mut Playground,
    actions: &mut Vec<Action>,
) {
    weak_small(
        ui,
        tr!(
            "Both models answer every prompt; you choose the better answer without knowing whose it is."
        ),
    );
    let prompts = TextEdit::multiline(&mut playground.settings.blind_prompts)
        .desired_rows(5)
        .hint_text(tr!("Prompts, one a line"))
        .desired_width(f32::INFINITY);
    let prompts = ScrollArea::vertical()
        .id_salt("blind prompts")
        .max_height(140.0)
        .show(ui, |ui| ui.add(prompts));
    named(
        &prompts.inner,
        eframe::egui::Role::MultilineTextInput,
        tr!("Prompts"),
    );
    ui.horizontal(|ui| {
        other_ui(ui, tr!("Compare with"), workspace, playground);
        template_ui(ui, &mut playground.settings.template);
        let label = ui.label(tr!("System")).id;
        let system = TextEdit::singleline(&mut playground.settings.system)
            .hint_text(tr!("What the conversation is about"))
            .desired_width(180.0);
        ui.add(system).labelled_by(label);
    });
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Judgements")).id;
        let path = playground.blind_path(workspace).display().to_string();
        let field = TextEdit::singleline(&mut playground.settings.blind_file)
            .hint_text(path)
            .desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label).on_hover_text(tr!(
            "Every judgement is added to this file (JSON lines); the same test goes on from it"
        ));
    });
    settings_ui(ui, &mut playground.settings, true);
    let can_start = !playground.settings.blind_prompts.trim().is_empty();
    if primary_button(ui, tr!("Start test"), can_start, 110.0).clicked() {
        actions.push(Action::Blind(BlindAction::Start));
    }
}

fn test_ui(ui: &mut Ui, workspace: &Workspace, playground: &Playground, actions: &mut Vec<Action>) {
    let Some(test) = &playground.blind.on else {
        return;
    };
    let (n_judged, n_prompts) = test.n_judged();
    let shown = playground.shown_blind(workspace);
    let can_judge = matches!(shown, BlindState::Answers(_));
    ui.horizontal(|ui| {
        group_title(
            ui,
            &tr!("Prompt {} of {n_prompts}", n_judged + 1, n_prompts),
        );
        if shown == BlindState::Writing {
            ui.add(Spinner::new().size(16.0));
            weak_small(ui, tr!("Both models are writing"));
        }
    });
    let colours = palette(ui.visuals());
    let prompt = RichText::new(test.prompt()).color(colours.accent);
    ui.add(Label::new(prompt).wrap().selectable(true));
    // Typing is no judgement.
    let is_typing = ui.ctx().memory(|memory| memory.focused().is_some());
    ui.horizontal_wrapped(|ui| {
        for (name, key, prefers_left) in CHOICES {
            let pressed = can_judge && !is_typing && ui.input(|input| input.key_pressed(key));
            let button = ui.add_enabled(can_judge, Button::new(language::text(name)));
            let hint = tr!("Key: {}", key.name());
            if button.on_hover_text(hint).clicked() || pressed {
                actions.push(Action::Blind(BlindAction::Judge(prefers_left)));
            }
        }
        if shown == BlindState::Missing && ui.button(tr!("Answer again")).clicked() {
            actions.push(Action::Blind(BlindAction::Ask));
        }
        let end = ui.button(tr!("End test"));
        if end
            .on_hover_text(tr!(
                "Show what came out so far; the test can be taken up again"
            ))
            .clicked()
        {
            actions.push(Action::Blind(BlindAction::End));
        }
    });
    let texts = match &shown {
        BlindState::Answers([left, right]) => [left.as_str(), right.as_str()],
        BlindState::Writing | BlindState::Missing => ["", ""],
    };
    ui.spacing_mut().item_spacing.x = 20.0;
    ui.columns(2, |columns| {
        for ((column, title), text) in columns
            .iter_mut()
            .zip([tr!("Left"), tr!("Right")])
            .zip(texts)
        {
            answer_ui(column, title, text);
        }
    });
}

fn answer_ui(ui: &mut Ui, title: &str, text: &str) {
    // Columns stretch the texts in them otherwise.
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        ui.horizontal(|ui| group_title(ui, title));
        let frame = Frame::new()
            .fill(palette(ui.visuals()).sunken)
            .corner_radius(6.0)
            .inner_margin(10);
        frame.show(ui, |ui| {
            let height = (ui.available_height() - 24.0).max(80.0);
            ScrollArea::vertical()
                .id_salt(title)
                .max_height(height)
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.set_min_height(height);
                    ui.add(Label::new(text).wrap().selectable(true));
                });
        });
    });
}

fn outcome_ui(ui: &mut Ui, outcome: &BlindOutcome, actions: &mut Vec<Action>) {
    group_title(ui, tr!("Result of the blind test"));
    for line in outcome.lines() {
        ui.label(line);
    }
    ui.horizontal(|ui| {
        weak_small(ui, outcome.path.display().to_string());
        if ui.button(tr!("Copy result")).clicked() {
            actions.push(Action::CopyText(outcome.lines().join("\n")));
        }
    });
}
