//! The menu of the theme and the language.

use eframe::egui::{ComboBox, Ui};

use super::state::Shell;
use super::theme::Appearance;
use crate::language::Language;
use crate::ui::shared::action::Action;

/// Draws the menu; what was chosen in it.
pub fn look_ui(ui: &mut Ui, shell: &Shell) -> Option<Action> {
    let mut chosen = None;
    let look = ComboBox::from_id_salt("look")
        .width(76.0)
        .selected_text(shell.appearance.name());
    let look = look.show_ui(ui, |ui| {
        for appearance in Appearance::ALL {
            let is_chosen = shell.appearance == appearance;
            if ui.selectable_label(is_chosen, appearance.name()).clicked() {
                chosen = Some(Action::SetAppearance(appearance));
            }
        }
        ui.separator();
        // The name of English is not translated: it is for those who cannot read the rest.
        let languages = [
            (None, tr!("Language of the system")),
            (Some(Language::English), "English"),
            (Some(Language::Chinese), tr!("Chinese")),
        ];
        for (language, name) in languages {
            let is_chosen = shell.language == language;
            if ui.selectable_label(is_chosen, name).clicked() {
                chosen = Some(Action::SetLanguage(language));
            }
        }
    });
    look.response.on_hover_text(tr!("Theme and language"));
    chosen
}
