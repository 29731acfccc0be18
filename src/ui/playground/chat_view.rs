//! A conversation beside another one: what was said and what came back.

use eframe::egui::{
    Align, Button, Frame, Label, Layout, Response, RichText, Role, ScrollArea, TextEdit, Ui,
};

use super::chat::{as_json_line, as_text};
use super::state::Playground;
use crate::data::Template;
use crate::protocol::event::Answer;
use crate::protocol::fields::choice::Choice;
use crate::runs::generation::GeneratedTexts;
use crate::ui::shared::action::Action;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::choices::pick;
use crate::ui::widgets::controls::{from_right, group_title, named, weak_small};

/// The width of a choice beside others.
const CHOICE_WIDTH: f32 = 130.0;

/// What the conversation is about, its template, and who answers on the left.
pub fn chat_bar_ui(ui: &mut Ui, workspace: &Workspace, playground: &mut Playground) {
    ui.horizontal(|ui| {
        let label = ui.label(tr!("System")).id;
        let width = (ui.available_width() * 0.3).max(120.0);
        let system = TextEdit::singleline(&mut playground.settings.system)
            .hint_text(tr!("What the conversation is about"))
            .desired_width(width);
        ui.add(system).labelled_by(label);
        template_ui(ui, &mut playground.settings.template);
        other_ui(ui, tr!("Left"), workspace, playground);
        let is_empty = playground.turns.is_empty();
        let anew = ui.add_enabled(!is_empty, eframe::egui::Button::new(tr!("New chat")));
        if anew.on_hover_text(tr!("Forget the turns so far")).clicked() {
            playground.forget();
        }
    });
}

/// What stands around the turns.
pub fn template_ui(ui: &mut Ui, chosen: &mut Option<Template>) {
    let label = ui.label(tr!("Template")).id;
    // Without a template there are no turns, and a file is chosen in the configuration.
    let chat = Template::BUILT_IN.into_iter();
    let chat: Vec<Template> = chat.filter(|it| *it != Template::Plain).collect();
    let mut names = vec![tr!("As tuned").to_owned()];
    names.extend(chat.iter().map(Choice::name));
    let shown = chosen.as_ref().map_or(names[0].clone(), Choice::name);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let choose = |idx: usize| {
        *chosen = idx.checked_sub(1).and_then(|idx| chat.get(idx)).cloned();
    };
    narrow(ui, |ui| pick(ui, "chat template", &shown, &names, choose)).labelled_by(label);
}

/// A choice takes all the room that there is, and others stand beside it.
fn narrow(ui: &mut Ui, choice: impl FnOnce(&mut Ui) -> Response) -> Response {
    ui.scope(|ui| {
        ui.set_max_width(CHOICE_WIDTH);
        choice(ui)
    })
    .inner
}

/// Who answers beside the state of the selected run.
pub fn other_ui(ui: &mut Ui, name: &str, workspace: &Workspace, playground: &mut Playground) {
    let label = ui.label(name).id;
    let focused = workspace.focused_run().map(|run| run.id.clone());
    let runs = workspace.store.runs().iter();
    let runs = runs.filter(|run| !run.exported.is_empty() && Some(&run.id) != focused.as_ref());
    let (ids, titles): (Vec<_>, Vec<String>) = runs
        .map(|run| (run.id.clone(), run.title().to_owned()))
        .unzip();
    let known = playground.other.as_ref();
    let place = known.and_then(|other| ids.iter().position(|id| id == other));
    let mut names = vec![tr!("Untuned")];
    names.extend(titles.iter().map(String::as_str));
    let shown = place.map_or(names[0], |place| titles[place].as_str());
    let choose = |idx: usize| {
        playground.other = idx.checked_sub(1).and_then(|idx| ids.get(idx)).cloned();
    };
    narrow(ui, |ui| pick(ui, "left", shown, &names, choose)).labelled_by(label);
}

/// Both conversations, the newest turn last. `texts` are the answers on their way.
pub fn conversations_ui(
    ui: &mut Ui,
    playground: &Playground,
    has_state: bool,
    texts: Option<&GeneratedTexts>,
) -> Option<Action> {
    let left = match playground.other {
        Some(_) => tr!("Other state"),
        None => tr!("Untuned"),
    };
    ui.spacing_mut().item_spacing.x = 20.0;
    ui.columns(2, |columns| {
        let of_left = side_ui(&mut columns[0], left, Answer::Untuned, playground, texts);
        if has_state || playground.plays_tuned {
            let of_right = side_ui(
                &mut columns[1],
                tr!("Tuned"),
                Answer::Tuned,
                playground,
                texts,
            );
            of_left.or(of_right)
        } else {
            let layout = Layout::top_down(Align::Min);
            columns[1].with_layout(layout, |ui| {
                ui.horizontal(|ui| group_title(ui, tr!("Tuned")));
                weak_small(
                    ui,
                    tr!("Select a run that has finished or was stopped; its state answers here."),
                );
            });
            of_left
        }
    })
}

fn side_ui(
    ui: &mut Ui,
    title: &str,
    side: Answer,
    playground: &Playground,
    texts: Option<&GeneratedTexts>,
) -> Option<Action> {
    let mut action = None;
    ui.spacing_mut().item_spacing.x = 8.0;
    // Columns stretch the texts in them otherwise.
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        ui.horizontal(|ui| {
            group_title(ui, title);
            from_right(ui, |ui| {
                ui.menu_button(tr!("Copy"), |ui| {
                    let messages = playground.conversation(side);
                    if ui.button(tr!("As text")).clicked() {
                        ui.ctx().copy_text(as_text(&messages));
                        ui.close();
                    }
                    if ui.button(tr!("As a line of training data")).clicked() {
                        ui.ctx().copy_text(as_json_line(&messages));
                        ui.close();
                    }
                });
                let has_turns = !playground.turns.is_empty();
                let save = ui.add_enabled(has_turns, Button::new(tr!("Save…")));
                named(&save, Role::Button, &tr!("Save the chat, {title}", title));
                if save.clicked() {
                    action = Some(Action::SaveChat(side));
                }
            });
        });
        let colours = palette(ui.visuals());
        let frame = Frame::new()
            .fill(colours.sunken)
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
                    if playground.turns.is_empty() {
                        weak_small(ui, tr!("The conversation appears here."));
                    }
                    for turn in &playground.turns {
                        let user = RichText::new(&turn.user).color(colours.accent);
                        ui.add(Label::new(user).wrap().selectable(true));
                        let coming = || texts.map_or("", |texts| texts.answer(side).text.trim());
                        let answer = match turn.answer(side) {
                            Some(answer) => answer,
                            None if turn.left.is_none() => coming(),
                            None => "",
                        };
                        ui.add(Label::new(answer).wrap().selectable(true));
                        ui.add_space(6.0);
                    }
                });
        });
    });
    action
}
