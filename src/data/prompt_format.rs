//! What stands around a prompt in training, so that whoever uses the state can put
//! it there too.

use serde::{Deserialize, Serialize};

use super::benchmark::Benchmark;
use super::chat::{Message, without_blank_lines};
use super::example::Role;
use super::protocol::{MmluTemplate, Protocol};

/// What is put around a prompt, what ends an answer, and how the turns of a chat
/// follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptFormat {
    /// A template's name, or a benchmark's.
    pub name: String,
    /// What stands in front of the prompt.
    pub before: String,
    /// What stands between the prompt and the answer.
    pub after: String,
    /// Whether prompts and answers are trimmed and their blank lines become line ends.
    pub one_paragraph: bool,
    /// An answer ends before any of these texts, as with token 0.
    pub stops: Vec<String>,
    /// What stands around a system prompt; without it that begins the first prompt.
    pub system: Option<(String, String)>,
    /// What stands in front of an answer, and is learnt with it.
    pub answer_before: String,
    /// What ends an answer, and is learnt with it.
    pub answer_after: String,
    /// What becomes of the thoughts in front of an answer.
    pub thought: Thought,
    /// In place of `before` where an input follows the prompt, and what stands
    /// between the two; without it a line end does.
    pub with_input: Option<(String, String)>,
}

/// What becomes of the thoughts in front of an answer, `<think>…</think>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Thought {
    /// They are a part of the answer.
    #[default]
    Kept,
    /// They begin the answer, and one without them cannot be used.
    Needed,
    /// They are left out.
    Dropped,
}

impl Protocol {
    /// As the questions of a benchmark are trained with it, as far as that is the
    /// same for all of them: those of MMLU stand behind a line with their subject,
    /// and their options are a part of the prompt.
    pub fn prompt_format(self, benchmark: Benchmark) -> PromptFormat {
        let name = match self {
            Self::Mini => benchmark.mini_name(),
            Self::LmEval { .. } => benchmark.name(),
        };
        match (benchmark, self) {
            (Benchmark::Gsm8k | Benchmark::Arc, _) => {
                PromptFormat::new(name, ["Question: ", "\nAnswer:"], &["\n\n"])
            }
            (
                Benchmark::Mmlu,
                Self::LmEval {
                    mmlu: MmluTemplate::Rwkv,
                },
            ) => {
                let after = "\n\nAssistant: The answer is";
                PromptFormat::new(name, ["", after], &["\n\n"])
            }
            (Benchmark::Mmlu, _) => PromptFormat::new(name, ["", "\nAnswer:"], &["\n\n"]),
            (Benchmark::WinoGrande, _) => PromptFormat::new(name, ["", ""], &[]),
        }
    }
}

impl PromptFormat {
    pub(super) fn new(name: &str, [before, after]: [&str; 2], stops: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            stops: stops.iter().map(|stop| (*stop).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Whether prompts stay as they are.
    pub fn is_plain(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && !self.one_paragraph
    }

    /// The text that the model reads before it answers.
    pub fn around(&self, prompt: &str) -> String {
        format!("{}{}{}", self.before, self.clean(prompt), self.after)
    }

    /// What the model reads of the turns of a chat before it answers the last one.
    ///
    /// # Errors
    /// A turn that this format has no form for, in words.
    pub fn around_chat(&self, messages: &[Message]) -> Result<String, String> {
        // Clients leave the thoughts of earlier answers out.
        let with_thoughts = |message: &Message| {
            let mut message = message.clone();
            let needs = self.thought == Thought::Needed && message.role == Role::Assistant;
            if needs && message.thought_and_answer().0.is_none() {
                message.thought = Some(String::new());
            }
            message
        };
        let messages: Vec<Message> = messages.iter().map(with_thoughts).collect();
        let parts = self.parts(&messages)?;
        let mut text: String = parts.into_iter().map(|part| part.text).collect();
        // Without a user's turn at the end, whoever answers begins.
        if messages.last().is_none_or(|last| last.role != Role::User) {
            text.push_str(self.after.trim_start());
        }
        Ok(text)
    }

    /// Whether a chat whose turns begin with these can be trained on.
    ///
    /// # Errors
    /// A turn that this format has no form for, in words.
    pub fn check_chat(&self, messages: &[Message]) -> Result<(), String> {
        match self.is_plain() {
            true => Err(tr!("the template {} has no form for chats", self.name)),
            false => self.parts(messages).map(drop),
        }
    }

    /// How the answer begins that the prompt's last words begin, which clients are to
    /// see: thoughts with their opening tag.
    pub fn begun_answer(&self) -> &'static str {
        match self.thought {
            Thought::Needed if self.after.ends_with("<think") => "<think",
            Thought::Needed | Thought::Kept | Thought::Dropped => "",
        }
    }

    /// What the model writes first and clients are not to see: the end of a tag that the
    /// prompt's last words begin, and white space.
    pub fn hidden_start(&self) -> &str {
        match self.thought {
            Thought::Dropped if self.after.ends_with("</think") => ">",
            Thought::Needed | Thought::Kept | Thought::Dropped => "",
        }
    }

    /// The parts of a chat, each as it is tokenised: a user's with what leads over
    /// to the answer.
    ///
    /// # Errors
    /// A turn that this format has no form for, in words.
    pub(super) fn parts(&self, messages: &[Message]) -> Result<Vec<ChatPart>, String> {
        let mut parts: Vec<ChatPart> = Vec::new();
        let mut put = |text: String, role, mark| parts.push(ChatPart { text, role, mark });
        // A system prompt that has no form of its own begins the next prompt.
        let mut in_front = String::new();
        let mut is_asked = false;
        for message in messages {
            let Message { role, mark, .. } = *message;
            match role {
                Role::System => match &self.system {
                    Some((before, after)) => {
                        let text = format!("{before}{}{after}", self.clean(&message.text));
                        put(text, role, mark);
                    }
                    None => in_front = format!("{in_front}{}\n", self.clean(&message.text)),
                },
                Role::Assistant => {
                    if !is_asked {
                        let text = format!("{in_front}{}", self.after.trim_start());
                        in_front.clear();
                        put(text, Role::Given, None);
                    }
                    is_asked = false;
                    put(self.answer(message)?, role, mark);
                }
                Role::User | Role::Given | Role::Text => {
                    let prompt = self.clean(&message.text);
                    let text = match (&message.input, &self.with_input) {
                        (None, _) => format!("{}{in_front}{prompt}", self.before),
                        (Some(input), None) => {
                            let both = format!("{prompt}\n{}", self.clean(input));
                            format!("{}{in_front}{}", self.before, self.clean(&both))
                        }
                        (Some(input), Some((before, between))) => {
                            let input = self.clean(input);
                            format!("{before}{in_front}{prompt}{between}{input}")
                        }
                    };
                    in_front.clear();
                    is_asked = true;
                    put(text + &self.after, role, mark);
                }
            }
        }
        Ok(parts)
    }

    /// An answer with what stands around it.
    fn answer(&self, message: &Message) -> Result<String, String> {
        let (thought, rest) = message.thought_and_answer();
        let text = match (self.thought, thought) {
            (Thought::Kept, Some(thought)) => format!("<think>{thought}</think>{rest}"),
            (Thought::Kept | Thought::Dropped, None) => rest,
            (Thought::Dropped, Some(_)) => rest.trim_start().to_owned(),
            (Thought::Needed, Some(thought)) => format!("{thought}</think>{rest}"),
            (Thought::Needed, None) => {
                return Err(tr!(
                    "an answer without thoughts, which the template {} needs: `<think>…</think>` \
                     in front of it, or `reasoning_content` beside it",
                    self.name
                ));
            }
        };
        let text = match (self.one_paragraph, self.thought) {
            // The thoughts begin as they are written.
            (true, Thought::Needed) => without_blank_lines(&text).trim_end().to_owned(),
            _ => self.clean(&text),
        };
        Ok(format!("{}{text}{}", self.answer_before, self.answer_after))
    }

    fn clean(&self, text: &str) -> String {
        match self.one_paragraph {
            true => without_blank_lines(text).trim().to_owned(),
            false => text.to_owned(),
        }
    }
}

/// A part of a chat as it is tokenised.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChatPart {
    pub text: String,
    pub role: Role,
    pub mark: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Split, Task, Template, mini, read_text_set};
    use crate::model::tokenizer::Tokenizer;

    #[test]
    fn a_prompt_reads_as_in_training() {
        let tokenizer = Tokenizer::mini().unwrap();
        let prompt = " hi\n\n\nthere\r\n\r\nyou ";
        for (template, expected) in [
            (Template::Plain, prompt),
            (
                Template::UserAssistant,
                "User: hi\nthere\nyou\n\nAssistant:",
            ),
        ] {
            let line = serde_json::json!({"prompt": prompt, "completion": "yes"}).to_string();
            let format = template.prompt_format().unwrap();
            let set = read_text_set("set.jsonl", line.as_bytes(), &format, &tokenizer).unwrap();
            assert_eq!(format.around(prompt), expected);
            let n_context = set.items[0].turns[0].n_tokens;
            let context = &set.items[0].tokens[..n_context];
            assert_eq!(tokenizer.decode(context), expected);
        }
    }

    #[test]
    fn a_question_reads_as_in_training() {
        let tokenizer = Tokenizer::mini().unwrap();
        for benchmark in [Benchmark::Gsm8k, Benchmark::Arc] {
            for protocol in [Protocol::Mini, Protocol::LM_EVAL] {
                let items = mini(benchmark, Split::Validation).unwrap();
                let (Task::Generate { question, .. } | Task::Choose { question, .. }) =
                    &items[0].task
                else {
                    panic!("{benchmark}");
                };
                let example = protocol.training_example(&items[0], &tokenizer);
                let format = protocol.prompt_format(benchmark);
                let whole = tokenizer.decode(&example.tokens);
                assert!(whole.starts_with(&format.around(question)), "{whole}");
                assert!(whole.ends_with(&format.stops[0]), "{whole}");
            }
        }
    }
}
