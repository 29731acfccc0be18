//! What stands around the texts of a training set: the templates that come with
//! the program, and the user's own.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};

use super::prompt_format::{PromptFormat, Thought};
use crate::error::{Error, Result};
use crate::text_file;

/// A template is a page of text.
const MAX_BYTES: u64 = 64 << 10;

/// What is put around prompts, answers and the turns of a chat. Entries with
/// `text` and with `segments` are used as they are.
///
/// The forms are those that RWKV-7 G1 was trained on (RWKV-LM
/// `RWKV7-G1x-templates.txt`); RWKV World has the first one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Template {
    /// Nothing; chats need another one.
    #[default]
    Plain,
    /// `User: {prompt}\n\nAssistant:` and ` {completion}\n\n`, all trimmed. A
    /// blank line ends a turn, so those inside one become line ends.
    UserAssistant,
    /// As that, and the answer begins with thoughts: `Assistant: <think`.
    Think,
    /// As [`Self::Think`], with ` (think)` behind the prompt.
    ThinkAsked,
    /// As [`Self::Think`], with ` (think a bit)` behind the prompt.
    ThinkABit,
    /// As [`Self::Think`], with ` (think a lot)` behind the prompt.
    ThinkALot,
    /// Thoughts are skipped: `Assistant: <think>\n</think`.
    FastThink,
    /// Thoughts are skipped, on one line: `Assistant: <think></think`.
    NoThink,
    /// `### Instruction:` and `### Response:`, as in Stanford's Alpaca.
    Alpaca,
    /// A RON file of the user's own.
    File(PathBuf),
}

/// What stands around an instruction of Alpaca.
const ALPACA: [&str; 2] = [
    "Below is an instruction that describes a task. Write a response that appropriately \
     completes the request.\n\n### Instruction:\n",
    "\n\n### Response:\n",
];
/// The same where an input follows the instruction, and what stands between the two.
const ALPACA_WITH_INPUT: [&str; 2] = [
    "Below is an instruction that describes a task, paired with an input that provides further \
     context. Write a response that appropriately completes the request.\n\n### Instruction:\n",
    "\n\n### Input:\n",
];

impl Template {
    /// Those that come with the program.
    pub const BUILT_IN: [Self; 9] = [
        Self::Plain,
        Self::UserAssistant,
        Self::Think,
        Self::ThinkAsked,
        Self::ThinkABit,
        Self::ThinkALot,
        Self::FastThink,
        Self::NoThink,
        Self::Alpaca,
    ];

    /// As in a specification.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain => "Plain",
            Self::UserAssistant => "UserAssistant",
            Self::Think => "Think",
            Self::ThinkAsked => "ThinkAsked",
            Self::ThinkABit => "ThinkABit",
            Self::ThinkALot => "ThinkALot",
            Self::FastThink => "FastThink",
            Self::NoThink => "NoThink",
            Self::Alpaca => "Alpaca",
            Self::File(_) => "File",
        }
    }

    /// What it puts where.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] for a file that cannot be used.
    pub fn prompt_format(&self) -> Result<PromptFormat> {
        let chat = |ask: &str, answer: &str| PromptFormat {
            one_paragraph: true,
            system: Some(("System: ".into(), "\n\n".into())),
            answer_before: " ".into(),
            answer_after: "\n\n".into(),
            ..PromptFormat::new(
                self.name(),
                ["User: ", &format!("{ask}\n\nAssistant:{answer}")],
                &["\n\n"],
            )
        };
        let think = |ask: &str| PromptFormat {
            answer_before: ">".into(),
            thought: Thought::Needed,
            ..chat(ask, " <think")
        };
        let no_think = |answer: &str| PromptFormat {
            answer_before: ">\n".into(),
            thought: Thought::Dropped,
            ..chat("", answer)
        };
        Ok(match self {
            Self::Plain => PromptFormat::new("Plain", ["", ""], &[]),
            Self::UserAssistant => chat("", ""),
            Self::Think => think(""),
            Self::ThinkAsked => think(" (think)"),
            Self::ThinkABit => think(" (think a bit)"),
            Self::ThinkALot => think(" (think a lot)"),
            Self::FastThink => no_think(" <think>\n</think"),
            Self::NoThink => no_think(" <think></think"),
            Self::Alpaca => PromptFormat {
                one_paragraph: true,
                system: Some((String::new(), "\n\n".into())),
                answer_after: "\n\n".into(),
                with_input: Some((ALPACA_WITH_INPUT[0].into(), ALPACA_WITH_INPUT[1].into())),
                ..PromptFormat::new("Alpaca", ALPACA, &["\n\n"])
            },
            Self::File(path) => return read_format(path),
        })
    }
}

impl FromStr for Template {
    type Err = String;

    /// A name as in a specification, in any case, or the path of a RON file.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let named = Self::BUILT_IN;
        let mut named = named.into_iter();
        let found = named.find(|it| it.name().eq_ignore_ascii_case(text));
        match found {
            Some(template) => Ok(template),
            None if text.ends_with(".ron") => Ok(Self::File(text.into())),
            None => {
                let names = Self::BUILT_IN.map(|it| it.name()).join(", ");
                Err(tr!(
                    "is not a template; choose one of {names}, or name a .ron file of your own",
                    names
                ))
            }
        }
    }
}

/// Reads a template of the user's own.
///
/// # Errors
/// [`Error::Io`] and [`Error::Input`] with the place of what is wrong.
fn read_format(path: &Path) -> Result<PromptFormat> {
    let text = text_file::read_text(path, MAX_BYTES, tr!("a template is a short RON file"))?;
    parse_format(path, &text)
}

/// As [`read_format`], of a text; `path` stands for it in messages.
pub(crate) fn parse_format(path: &Path, text: &str) -> Result<PromptFormat> {
    let options = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    let format: PromptFormat = options.from_str(text).map_err(|error| {
        let at = error.span.start;
        let place = tr!("line {}, column {}", at.line, at.col);
        let reason = tr!(
            "{}; a template reads (name: \"Mine\", before: \"Q: \", after: \"\\n\\nA:\", \
             answer_before: \" \", answer_after: \"\\n\\n\", stops: [\"\\n\\n\"], \
             one_paragraph: true)",
            error.code
        );
        Error::input(path, place, reason)
    })?;
    let refuse = |field: &str, reason: &str| Err(Error::input(path, field, reason));
    if format.name.trim().is_empty() {
        return refuse(
            "name",
            tr!("is empty; the name stands in every state that is tuned with it"),
        );
    }
    if format.stops.iter().any(String::is_empty) {
        return refuse(
            "stops",
            tr!("has an empty text, before which every answer would end"),
        );
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prompts of `RWKV7-G1x-templates.txt` (RWKV-LM).
    #[test]
    fn prompts_read_as_in_the_models_own_list() {
        let check = |template: Template, expected: &str| {
            let format = template.prompt_format().unwrap();
            assert_eq!(format.around("xxx"), expected, "{template:?}");
            assert_eq!(template.name().parse::<Template>().unwrap(), template);
        };
        check(Template::Plain, "xxx");
        check(Template::UserAssistant, "User: xxx\n\nAssistant:");
        check(Template::Think, "User: xxx\n\nAssistant: <think");
        check(
            Template::ThinkAsked,
            "User: xxx (think)\n\nAssistant: <think",
        );
        let a_bit = "User: xxx (think a bit)\n\nAssistant: <think";
        check(Template::ThinkABit, a_bit);
        let a_lot = "User: xxx (think a lot)\n\nAssistant: <think";
        check(Template::ThinkALot, a_lot);
        check(
            Template::FastThink,
            "User: xxx\n\nAssistant: <think>\n</think",
        );
        check(Template::NoThink, "User: xxx\n\nAssistant: <think></think");
    }

    #[test]
    fn a_template_of_ones_own_is_read_and_its_faults_have_a_place() {
        let file = tempfile::NamedTempFile::with_suffix(".ron").unwrap();
        let text = "(name: \"Q and A\", before: \"Q: \", after: \"\\nA:\", system: (\"\", \"\\n\"), \
                    answer_before: \" \", answer_after: \"\\n\", stops: [\"\\n\"])";
        std::fs::write(file.path(), text).unwrap();
        let template: Template = file.path().to_str().unwrap().parse().unwrap();
        let format = template.prompt_format().unwrap();
        assert_eq!(format.around(" x "), "Q:  x \nA:");
        assert_eq!(format.system, Some((String::new(), "\n".into())));
        assert_eq!(format.answer_after, "\n");
        let fault = |text: &str| {
            parse_format(Path::new("a.ron"), text)
                .unwrap_err()
                .to_string()
        };
        assert!(fault("(name: \"a\",\n befor: \"\")").starts_with("a.ron: line 2, column"));
        assert!(fault("(name: \"\")").starts_with("a.ron: name: is empty"));
        assert!(fault("(name: \"a\", stops: [\"\"])").contains("stops: has an empty text"));
        assert!(
            "chatml"
                .parse::<Template>()
                .unwrap_err()
                .contains("UserAssistant")
        );
    }
}
