//! A conversation with several turns, each answered twice.

use serde_json::json;

use crate::data::{Message, PromptFormat, Role, Template};
use crate::error::Result;
use crate::persist::chat_file::AnsweredBy;
use crate::protocol::event::Answer;
use crate::protocol::run_spec::RunSpec;

/// A message and what came back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// What was said.
    pub user: String,
    /// What the model on the left answered, once it has.
    pub left: Option<String>,
    /// What the model on the right answered, once it has.
    pub right: Option<String>,
    /// Who was asked on the left and on the right.
    pub asked: Option<Box<[AnsweredBy; 2]>>,
}

impl Turn {
    /// Who was asked on one side, where an answer came.
    pub fn answered_by(&self, of: Answer) -> Option<&AnsweredBy> {
        self.answer(of).filter(|answer| !answer.trim().is_empty())?;
        let [left, right] = self.asked.as_deref()?;
        Some(match of {
            Answer::Untuned => left,
            Answer::Tuned => right,
        })
    }

    /// The answer of one side.
    pub fn answer(&self, of: Answer) -> Option<&str> {
        match of {
            Answer::Untuned => self.left.as_deref(),
            Answer::Tuned => self.right.as_deref(),
        }
    }
}

/// What stands around the turns: what the user chose, else that of the run, else that of
/// RWKV-7's own chats where the run has none for chats.
///
/// # Errors
/// A template's file that cannot be used.
pub fn chat_format(chosen: Option<&Template>, spec: &RunSpec) -> Result<PromptFormat> {
    if let Some(template) = chosen {
        return template.prompt_format();
    }
    let of_run = spec.prompt_format()?;
    match of_run.system.is_some() && !of_run.is_plain() {
        true => Ok(of_run),
        false => Template::UserAssistant.prompt_format(),
    }
}

/// The messages of one side, with one more of the user if it is there.
pub fn messages(system: &str, turns: &[Turn], side: Answer, next: Option<&str>) -> Vec<Message> {
    let mut messages = Vec::new();
    if !system.trim().is_empty() {
        messages.push(Message::new(Role::System, system));
    }
    for turn in turns {
        messages.push(Message::new(Role::User, &*turn.user));
        if let Some(answer) = turn.answer(side).filter(|answer| !answer.trim().is_empty()) {
            messages.push(Message::new(Role::Assistant, answer));
        }
    }
    messages.extend(next.map(|text| Message::new(Role::User, text)));
    messages
}

/// An answer without what the template begins it with, as the next prompt has it.
pub fn shown_answer(format: &PromptFormat, text: &str) -> String {
    let text = text.trim_start();
    let text = text.strip_prefix(format.hidden_start()).unwrap_or(text);
    format!("{}{}", format.begun_answer(), text.trim())
}

/// A conversation of one side for the user.
pub fn as_text(messages: &[Message]) -> String {
    let line = |message: &Message| {
        let name = match message.role {
            Role::System => tr!("System"),
            Role::User | Role::Given | Role::Text => tr!("User"),
            Role::Assistant => tr!("Assistant"),
        };
        format!("{name}: {}\n\n", message.text.trim())
    };
    messages.iter().map(line).collect()
}

/// A conversation of one side as a line of training data.
pub fn as_json_line(messages: &[Message]) -> String {
    let message =
        |message: &Message| json!({ "role": message.role.name(), "content": message.text });
    let messages: Vec<_> = messages.iter().map(message).collect();
    json!({ "messages": messages }).to_string() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read_text_set;
    use crate::model::tokenizer::Tokenizer;

    fn turns() -> Vec<Turn> {
        vec![Turn {
            user: "Hi".into(),
            left: Some("Hello".into()),
            right: Some("Yo".into()),
            asked: None,
        }]
    }

    #[test]
    fn each_side_has_a_conversation_of_its_own() {
        let format = chat_format(None, &RunSpec::default()).unwrap();
        let text = |side| {
            let messages = messages("Be kind.", &turns(), side, Some("And you?"));
            format.around_chat(&messages).unwrap()
        };
        let expected = |answer: &str| {
            format!(
                "System: Be kind.\n\nUser: Hi\n\nAssistant: {answer}\n\nUser: And you?\n\nAssistant:"
            )
        };
        assert_eq!(text(Answer::Untuned), expected("Hello"));
        assert_eq!(text(Answer::Tuned), expected("Yo"));
        let think = chat_format(Some(&Template::Think), &RunSpec::default()).unwrap();
        assert_eq!(
            shown_answer(&think, ">so</think>\nyes\n"),
            "<think>so</think>\nyes"
        );
        assert_eq!(shown_answer(&format, " yes"), "yes");
    }

    #[test]
    fn a_conversation_is_copied_as_text_and_as_data() {
        let messages = messages("", &turns(), Answer::Tuned, None);
        assert_eq!(as_text(&messages), "User: Hi\n\nAssistant: Yo\n\n");
        let line = as_json_line(&messages);
        let format = Template::UserAssistant.prompt_format().unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let read = read_text_set("a", line.as_bytes(), &format, &tokenizer).unwrap();
        let text = tokenizer.decode(&read.items[0].tokens);
        assert_eq!(text, "User: Hi\n\nAssistant: Yo\n\n");
    }
}
