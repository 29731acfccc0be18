//! Letters that no font of this machine has. Fonts of the system are found by the
//! toolkit when a text asks for them; where none is found, the user is told which
//! package has one, once for each script, whatever view shows the text.

use std::collections::{BTreeSet, HashSet};

use eframe::egui::epaint::ClippedShape;
use eframe::egui::{Context, FontId, FullOutput, Plugin, Shape};

use crate::language::in_english;

/// What letters are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Script {
    Chinese,
    Japanese,
    Korean,
    Emoji,
    Other,
}

/// Sees which letters of the texts that are drawn no font has.
#[derive(Debug, Default)]
pub struct MissingLetters {
    seen: HashSet<char>,
    missing: BTreeSet<Script>,
    told: BTreeSet<Script>,
}

impl Plugin for MissingLetters {
    fn debug_name(&self) -> &'static str {
        "missing letters"
    }

    fn output_hook(&mut self, ctx: &Context, output: &mut FullOutput) {
        let mut new = HashSet::new();
        for ClippedShape { shape, .. } in &output.shapes {
            self.collect(shape, &mut new);
        }
        if new.is_empty() {
            return;
        }
        let font = FontId::proportional(13.0);
        ctx.fonts_mut(|fonts| {
            for c in new {
                self.seen.insert(c);
                if !fonts.has_glyph(&font, c) {
                    self.missing.insert(Script::of(c));
                }
            }
        });
        if self.missing.len() > self.told.len() {
            ctx.request_repaint();
        }
    }
}

impl MissingLetters {
    /// Letters of a shape that were not looked for yet.
    fn collect(&self, shape: &Shape, new: &mut HashSet<char>) {
        match shape {
            Shape::Text(text) => {
                let text = &text.galley.job.text;
                // Most texts of the window are; the others are looked through.
                if !text.is_ascii() {
                    let letters = text.chars().filter(|c| is_letter(*c));
                    new.extend(letters.filter(|c| !self.seen.contains(c)));
                }
            }
            Shape::Vec(shapes) => shapes.iter().for_each(|shape| self.collect(shape, new)),
            _ => {}
        }
    }

    /// A sentence for every script that was found missing since this was asked last.
    pub fn take_sentences(&mut self) -> Vec<String> {
        let new: Vec<Script> = self.missing.difference(&self.told).copied().collect();
        self.told.extend(&new);
        new.into_iter().map(Script::sentence).collect()
    }
}

/// Whether a character has a picture of its own that a font may lack.
fn is_letter(c: char) -> bool {
    let is_unseen = matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'..='\u{10ffff}');
    !c.is_ascii() && !c.is_control() && !c.is_whitespace() && !is_unseen
}

impl Script {
    fn of(c: char) -> Self {
        match c {
            '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => {
                Self::Japanese
            }
            '\u{1100}'..='\u{11ff}'
            | '\u{3130}'..='\u{318f}'
            | '\u{a960}'..='\u{a97f}'
            | '\u{ac00}'..='\u{d7ff}' => Self::Korean,
            '\u{2e80}'..='\u{303f}'
            | '\u{3100}'..='\u{312f}'
            | '\u{31a0}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{ff00}'..='\u{ffef}'
            | '\u{20000}'..='\u{323af}' => Self::Chinese,
            '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' => Self::Emoji,
            _ => Self::Other,
        }
    }

    fn sentence(self) -> String {
        match self {
            // Those who cannot see Chinese letters are not told so in them.
            Self::Chinese => in_english(|| self.told()),
            Self::Japanese | Self::Korean | Self::Emoji | Self::Other => self.told(),
        }
    }

    fn told(self) -> String {
        let (what, package) = match self {
            Self::Chinese => (tr!("Chinese characters"), "fonts-noto-cjk"),
            Self::Japanese => (tr!("Japanese letters"), "fonts-noto-cjk"),
            Self::Korean => (tr!("Korean letters"), "fonts-noto-cjk"),
            Self::Emoji => (tr!("Some emoji"), "fonts-noto-color-emoji"),
            Self::Other => (tr!("Some letters"), "fonts-noto"),
        };
        let how = match cfg!(target_os = "linux") {
            true => tr!(
                "On Debian and Ubuntu the package {package} has them, with libfontconfig1; on Fedora and Arch look for Noto fonts",
                package
            ),
            false => tr!("Install a font that has them").to_owned(),
        };
        tr!(
            "{what} are shown as boxes: no font of this machine has them. {how}. Then open Gosling again.",
            what,
            how
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The sentences that a window with this text has to say.
    fn sentences(ctx: &Context, text: &str) -> Vec<String> {
        ctx.plugin_or_default::<MissingLetters>();
        let _ = ctx.run_ui(Default::default(), |ui| {
            ui.label(text);
        });
        ctx.plugin::<MissingLetters>().lock().take_sentences()
    }

    #[test]
    fn letters_without_a_font_are_told_once_with_the_package() {
        let ctx = Context::default();
        assert!(sentences(&ctx, "abc é η \u{200b}").is_empty());
        // The fonts that the toolkit brings have no emoji.
        let told = sentences(&ctx, "😀");
        assert!(
            told.len() == 1 && told[0].starts_with("Some emoji"),
            "{told:?}"
        );
        let told = sentences(&ctx, "天地 abc");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("Chinese characters are shown as boxes"));
        assert_eq!(
            told[0].contains("fonts-noto-cjk"),
            cfg!(target_os = "linux")
        );
        assert!(sentences(&ctx, "玄黄").is_empty(), "one sentence is enough");
        let told = sentences(&ctx, "あ 한");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("Japanese") && told[1].starts_with("Korean"));
    }

    /// Where the machine has a font with Chinese letters, it is used; else people
    /// are told.
    #[test]
    fn fonts_of_the_system_are_found() {
        let ctx = Context::default();
        let fonts = egui_system_font_provider::SystemFontProvider::new();
        ctx.add_font_provider(Arc::new(fonts));
        let told = sentences(&ctx, "天地玄黄");
        let font = FontId::proportional(13.0);
        let has_letters = ctx.fonts_mut(|fonts| fonts.has_glyphs(&font, "天地玄黄"));
        assert_eq!(told.is_empty(), has_letters, "{told:?}");
        let listed = std::process::Command::new("fc-list")
            .arg(":lang=zh")
            .output();
        if let Ok(listed) = listed {
            assert_eq!(has_letters, !listed.stdout.is_empty());
        }
    }
}
