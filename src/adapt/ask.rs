//! From where a guide is to its texts, before anything moves.

use std::path::Path;

use super::folder::Folder;
use super::guide::{Guide, GuideText, HttpGuide, LocalGuide, recorded, simulated};
use super::prompts::Prompts;
use super::question::Question;
use super::spec::HttpSpec;
use crate::data::Item;
use crate::error::{Error, Result};
use crate::random::SplitMix64;

/// Sets the draw of guided questions apart from others of the same seed.
const STREAM: u64 = 0x6D1D_E000_0000_0001;

/// Where texts come from.
pub enum GuideSource<'a> {
    /// Another RWKV in this process.
    Local(Box<LocalGuide<'a>>),
    /// A server.
    Http(&'a HttpSpec),
    /// A file.
    Recorded(&'a Path),
    /// The labels of these items.
    Simulated {
        /// The share of right answers.
        right: f64,
        /// Items with their labels.
        items: &'a [Item],
    },
}

/// What is asked, and by whom.
pub struct GuideQuestions<'a> {
    /// How questions become tokens.
    pub prompts: &'a Prompts<'a>,
    /// The questions that may be asked.
    pub questions: &'a [Question],
    /// How many of them are.
    pub limit: Option<usize>,
    /// Solved training questions, for servers.
    pub solved: &'a [Item],
    /// Fixes which.
    pub seed: u64,
    /// Whether there is nothing to do without a text.
    pub needs_texts: bool,
    /// Whether there is nothing to do without what the guide finds of the options.
    pub needs_shares: bool,
}

impl GuideQuestions<'_> {
    /// The questions that are asked: the first of a shuffle, in their order.
    fn chosen(&self) -> Vec<Question> {
        let n = self.limit.unwrap_or(usize::MAX).min(self.questions.len());
        let mut places: Vec<usize> = (0..self.questions.len()).collect();
        let mut draws = SplitMix64::new(SplitMix64::mix(self.seed, STREAM));
        for last in (1..places.len()).rev() {
            places.swap(last, draws.below(last + 1));
        }
        places.truncate(n);
        places.sort_unstable();
        places
            .iter()
            .map(|place| self.questions[*place].clone())
            .collect()
    }

    /// The guide with its texts; each text of a server is in the folder before it is
    /// used. `say` is told what the user should know, `alive` is asked often.
    ///
    /// # Errors
    /// What files, the server, `say` or `alive` report; [`Error::Spec`] where there is
    /// no text that can be used.
    pub fn guide<'g>(
        &self,
        source: GuideSource<'g>,
        folder: &Folder,
        say: &mut dyn FnMut(&str) -> Result<()>,
        alive: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Guide<'g>> {
        let questions = self.chosen();
        let mut notes = Vec::new();
        let (texts, local): (Vec<GuideText>, _) = match source {
            GuideSource::Local(local) => {
                let known = folder.guide_texts()?;
                let texts = match known.len() >= questions.len() && !known.is_empty() {
                    true => known,
                    false => {
                        say(tr!("the guide answers"))?;
                        let texts = local.texts(self.prompts, &questions, &mut |_| alive())?;
                        for text in &texts {
                            folder.add_guide_text(text)?;
                        }
                        texts
                    }
                };
                (texts, Some(*local))
            }
            GuideSource::Http(spec) => {
                let guide = HttpGuide::new(spec, self.solved)?;
                let known = folder.guide_texts()?;
                if known.len() < questions.len() {
                    say(&tr!("questions go to {}", guide.host()))?;
                    if let Some(first) = questions.first() {
                        say(&guide.probe(self.prompts, first)?)?;
                    }
                }
                let mut keep = |text: &GuideText| folder.add_guide_text(text);
                let asked = guide.ask(self.prompts, &questions, &known, &mut keep, alive)?;
                for note in &asked.notes {
                    say(note)?;
                }
                notes = asked.notes;
                (asked.texts, None)
            }
            GuideSource::Recorded(path) => (recorded(path, self.prompts, &questions)?, None),
            GuideSource::Simulated { right, items } => {
                let all = simulated(self.prompts, items, right, self.seed);
                let is_chosen = |text: &GuideText| questions.iter().any(|of| of.id == text.id);
                (all.into_iter().filter(is_chosen).collect(), None)
            }
        };
        let n_usable = texts.iter().filter(|text| !text.tokens.is_empty()).count();
        say(&tr!(
            "the guide has a text for {n_usable} of {} questions",
            self.questions.len(),
            n_usable
        ))?;
        if n_usable == 0 && self.needs_texts {
            let why = match notes.is_empty() {
                true => tr!("see guide.jsonl for what it wrote").to_owned(),
                false => notes.join("; "),
            };
            let reason = tr!("none of its texts can be used: {why}", why);
            return Err(Error::spec("guide", reason));
        }
        if self.needs_shares && texts.iter().all(|text| text.shares.is_empty()) {
            let reason = tr!(
                "it does not say how likely it finds each option, which Soft learns; choose \
                 Local or SingleStep"
            );
            return Err(Error::spec("guide", reason));
        }
        Ok(Guide::new(texts, local))
    }
}

#[cfg(test)]
mod tests;
