//! The playground: a prompt, answered with and without the tuned state.

use eframe::egui::{
    Align, Id, Label, Layout, RichText, ScrollArea, Spinner, TextEdit, TextStyle, Ui,
};

use super::blind_view::blind_ui;
use super::chat_view::{chat_bar_ui, conversations_ui};
use super::settings_view::settings_ui;
use super::state::Playground;
use crate::protocol::event::{Answer, AnswerEnd};
use crate::runs::generation::GeneratedText;
use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::shortcuts::START;
use crate::ui::shell::theme::{GAP, palette, run_colour};
use crate::ui::widgets::controls::{
    cut_label, cut_middle, from_right, group_title, primary_button, weak_small,
};

/// Draws the view. `is_run_on` says that a run is on, behind which an answer
/// waits.
pub fn playground_ui(
    ui: &mut Ui,
    workspace: &Workspace,
    playground: &mut Playground,
    is_run_on: bool,
) -> Vec<Action> {
    playground.take_answers(workspace);
    let is_on = playground.is_answering(workspace);
    let Workspace {
        store, selection, ..
    } = workspace;
    let run = workspace.focused_run();
    let tuned = run.filter(|run| !run.exported.is_empty());
    let mut actions = Vec::new();
    let is_blind = playground.settings.is_blind;
    let is_chat = playground.settings.is_chat && !is_blind;
    ui.horizontal(|ui| {
        let settings = &mut playground.settings;
        let modes = [
            (false, false, tr!("Prompt")),
            (true, false, tr!("Chat")),
            (false, true, tr!("Blind test")),
        ];
        for (chat, blind, name) in modes {
            let is_shown = (is_chat, is_blind) == (chat, blind);
            if ui.selectable_label(is_shown, name).clicked() {
                (settings.is_chat, settings.is_blind) = (chat, blind);
            }
        }
        from_right(ui, |ui| {
            if is_chat || is_blind {
                return;
            }
            ui.menu_button(tr!("Examples"), |ui| {
                for example in EXAMPLES {
                    if ui.button(first_line(example)).clicked() {
                        playground.settings.prompt = (*example).to_owned();
                        ui.close();
                    }
                }
            });
        });
    });
    if is_blind {
        return blind_ui(ui, workspace, playground);
    }
    if is_chat {
        chat_bar_ui(ui, workspace, playground);
    }
    let (text, rows, hint) = match is_chat {
        true => (&mut playground.message, 2, tr!("Your next message")),
        false => (
            &mut playground.settings.prompt,
            4,
            tr!("Text for the model to continue"),
        ),
    };
    let field = TextEdit::multiline(text)
        .id(prompt_id())
        .desired_rows(rows)
        .hint_text(hint)
        .desired_width(f32::INFINITY);
    let field = ui.add(field);
    crate::ui::widgets::controls::named(
        &field,
        eframe::egui::Role::MultilineTextInput,
        tr!("Prompt"),
    );
    settings_ui(ui, &mut playground.settings, tuned.is_some());
    let texts = store
        .generated
        .as_ref()
        .filter(|texts| playground.playing.as_ref() == Some(&texts.run));
    ui.horizontal(|ui| {
        if is_on {
            if ui
                .button(tr!("Stop"))
                .on_hover_text(tr!("Stop both answers after this token"))
                .clicked()
            {
                actions.push(Action::StopGenerating);
            }
            ui.add(Spinner::new().size(16.0));
            if is_run_on && texts.is_none() {
                weak_small(
                    ui,
                    tr!("Waiting for the run to end; the worker does one job at a time"),
                );
            }
        } else {
            let keys = ui.ctx().format_shortcut(&START);
            let can_answer = playground.has_prompt();
            let name = if is_chat { tr!("Send") } else { tr!("Answer") };
            let answer = primary_button(ui, name, can_answer, 110.0);
            if answer
                .on_hover_text(tr!("{keys} in the prompt field", keys))
                .clicked()
            {
                actions.push(Action::Generate);
            }
            let text = match (run, tuned) {
                (_, Some(run)) => tr!("untuned and with the state of {}", run.title()),
                (Some(run), None) => {
                    tr!(
                        "{} has no saved state yet; showing the untuned model",
                        run.title()
                    )
                }
                (None, None) => tr!("untuned only; select a run on the left to compare").into(),
            };
            cut_label(ui, RichText::new(text).small().weak());
        }
    });
    header_ends(ui);
    if let Some(fault) = &playground.fault {
        let bad = palette(ui.visuals()).bad;
        ui.label(RichText::new(format!("× {fault}")).color(bad));
    }
    ui.add_space(GAP);
    let default = GeneratedText::default();
    if is_chat {
        let texts = texts.filter(|_| is_on);
        actions.extend(conversations_ui(ui, playground, tuned.is_some(), texts));
        return actions;
    }
    let of = |answer| texts.map_or(&default, |texts| texts.answer(answer));
    ui.spacing_mut().item_spacing.x = 20.0;
    ui.columns(2, |columns| {
        answer_ui(
            &mut columns[0],
            tr!("Untuned"),
            None,
            of(Answer::Untuned),
            is_on,
            selection,
        );
        let shown = playground.plays_tuned || tuned.is_some();
        if shown {
            answer_ui(
                &mut columns[1],
                tr!("Tuned"),
                run,
                of(Answer::Tuned),
                is_on,
                selection,
            );
        } else {
            // Columns stretch the texts in them otherwise.
            let layout = Layout::top_down(Align::Min);
            columns[1].with_layout(layout, |ui| {
                ui.horizontal(|ui| group_title(ui, tr!("Tuned")));
                let advice = tr!(
                    "Select a finished or stopped run; the answer with its state appears here."
                );
                weak_small(ui, advice);
            });
        }
    });
    actions
}

/// The field of the prompt.
pub fn prompt_id() -> Id {
    Id::unique("prompt of the playground")
}

/// Prompts that the mini benchmarks have the form of.
const EXAMPLES: &[&str] = &[
    "Question: Mia collected 14 shells on Monday and 8 on Tuesday, then lost 3. How many shells remain?\nAnswer:",
    "Question: Which is a source of light?\nAnswer:",
    "The trophy does not fit in the suitcase because",
];

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn answer_ui(
    ui: &mut Ui,
    title: &str,
    run: Option<&Run>,
    text: &GeneratedText,
    is_on: bool,
    selection: &Selection,
) {
    ui.spacing_mut().item_spacing.x = 8.0;
    // Columns stretch the texts in them otherwise.
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        written_ui(ui, title, run, text, is_on, selection);
    });
}

fn written_ui(
    ui: &mut Ui,
    title: &str,
    run: Option<&Run>,
    text: &GeneratedText,
    is_on: bool,
    selection: &Selection,
) {
    ui.horizontal(|ui| {
        group_title(ui, title);
        if let Some(run) = run {
            let colour = run_colour(selection.colour(&run.id), ui.visuals());
            let font = TextStyle::Small.resolve(ui.style());
            let name = cut_middle(ui, run.title(), &font, ui.available_width());
            ui.label(RichText::new(name).small().color(colour))
                .on_hover_text(run.title());
        }
    });
    let status = match text.end {
        None if is_on => tr!("generating").into(),
        None if text.text.is_empty() => String::new(),
        None => tr!("not ended").into(),
        Some(end) => {
            let why = match end {
                AnswerEnd::EndOfDocument => tr!("the model ended it"),
                AnswerEnd::StopText => tr!("ended at a stop text"),
                AnswerEnd::MaxTokens => tr!("token limit reached"),
                AnswerEnd::Stopped => tr!("stopped"),
            };
            let speed = text.n_tokens as f64 / text.secs.max(1e-9);
            tr!(
                "{} tokens, {why}, {speed} tokens/s",
                text.n_tokens,
                why,
                speed = format_args!("{speed:.1}")
            )
        }
    };
    weak_small(ui, status);
    let ground = palette(ui.visuals()).sunken;
    let frame = eframe::egui::Frame::new()
        .fill(ground)
        .corner_radius(6.0)
        .inner_margin(10);
    frame.show(ui, |ui| {
        let height = (ui.available_height() - 24.0).max(80.0);
        ScrollArea::vertical()
            .id_salt(title)
            .max_height(height)
            .auto_shrink([false, false])
            .stick_to_bottom(true)
            .show(ui, |ui| {
                ui.set_min_height(height);
                if text.text.is_empty() && !is_on {
                    weak_small(ui, tr!("The answer appears here, token by token."));
                } else {
                    ui.add(Label::new(&text.text).wrap().selectable(true));
                }
            });
    });
}
