//! The turns of a chat, from a list of messages.

use serde_json::Value;

use super::{Changes, Message};
use crate::data::example::Role;
use crate::data::lines::shorten;
use crate::data::row::{Row, kind};

/// The messages of a list. Either program's names of the two fields are read.
pub(super) fn messages(
    value: Value,
    [role_key, text_key]: [&'static str; 2],
    changes: &mut Changes,
) -> Result<Vec<Message>, String> {
    let Value::Array(list) = value else {
        return Err(tr!("is {}, not a list of turns", kind(&value)));
    };
    let of_turn = |(idx, turn): (usize, Value)| {
        let fail = |reason: String| tr!("turn {}: {reason}", idx + 1, reason);
        let Value::Object(fields) = turn else {
            return Err(fail(tr!("is {}, not an object", kind(&turn))));
        };
        let mut row = Row::of(fields);
        let first = |names: [&'static str; 2], else_name| {
            let found = names.into_iter().find(|name| row.has(name));
            found.unwrap_or(else_name)
        };
        let role_key = first(["role", "from"], role_key);
        let text_key = first(["content", "value"], text_key);
        message(&mut row, role_key, text_key, changes).map_err(fail)
    };
    list.into_iter().enumerate().map(of_turn).collect()
}

fn message(
    row: &mut Row,
    role_key: &str,
    text_key: &str,
    changes: &mut Changes,
) -> Result<Message, String> {
    let name = row.text(role_key)?;
    let (role, is_tool) = match name.trim().to_ascii_lowercase().as_str() {
        "system" | "developer" => (Role::System, false),
        "user" | "human" => (Role::User, false),
        "assistant" | "gpt" | "model" | "bot" | "chatgpt" | "bing" | "bard" => {
            (Role::Assistant, false)
        }
        "tool" | "function" | "observation" | "ipython" | "tool_response" => {
            changes.n_tools += 1;
            (Role::User, true)
        }
        "function_call" | "tool_call" => (Role::Assistant, false),
        _ => {
            return Err(tr!(
                "`{role_key}` is `{}`; system, user, assistant and tool are known",
                shorten(&name),
                role_key
            ));
        }
    };
    let text = match row.value(text_key) {
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => joined(parts)?,
        None if row.has("tool_calls") || row.has("function_call") => {
            return Err(tr!(
                "calls a tool by `tool_calls` alone; write the call as text in `content`"
            )
            .into());
        }
        None => return Err(tr!("`{text_key}` is missing", text_key)),
        Some(other) => {
            return Err(tr!(
                "`{text_key}` is {}, not a text",
                kind(&other),
                text_key
            ));
        }
    };
    if role == Role::Assistant && text.trim().is_empty() {
        return Err(tr!("`{text_key}` of the assistant is empty", text_key));
    }
    let thought = match role {
        Role::Assistant => row.optional_text("reasoning_content")?,
        Role::Given | Role::Text | Role::System | Role::User => None,
    };
    Ok(Message {
        role,
        text,
        input: None,
        thought: thought.filter(|text| !text.trim().is_empty()),
        mark: mark(row)?,
        is_tool,
    })
}

/// `train`, or OpenAI's `weight` of 0 or 1.
fn mark(row: &mut Row) -> Result<Option<bool>, String> {
    match (row.value("train"), row.value("weight")) {
        (Some(Value::Bool(train)), _) => Ok(Some(train)),
        (Some(_), _) => Err(tr!("`train` is neither true nor false").into()),
        (None, Some(Value::Number(weight))) => match weight.as_f64() {
            Some(0.0) => Ok(Some(false)),
            Some(1.0) => Ok(Some(true)),
            _ => Err(tr!("`weight` is neither 0 nor 1").into()),
        },
        (None, Some(_)) => Err(tr!("`weight` is neither 0 nor 1").into()),
        (None, None) => Ok(None),
    }
}

/// The texts of a list of parts.
fn joined(parts: Vec<Value>) -> Result<String, String> {
    let mut text = String::new();
    for part in parts {
        match part {
            Value::String(part) => text.push_str(&part),
            Value::Object(mut fields) => match fields.remove("text") {
                Some(Value::String(part)) => text.push_str(&part),
                _ => {
                    let kind = fields.get("type").and_then(Value::as_str);
                    let kind = shorten(kind.unwrap_or(tr!("something else")));
                    return Err(tr!(
                        "has a part that is not text ({kind}); RWKV-7 reads text",
                        kind
                    ));
                }
            },
            other => return Err(tr!("has a part that is {}, not a text", kind(&other))),
        }
    }
    Ok(text)
}

/// Turns of one speaker after the other joined.
pub(super) fn joined_by_speaker(messages: Vec<Message>) -> Vec<Message> {
    let mut turns: Vec<Message> = Vec::new();
    for message in messages {
        match turns.last_mut() {
            Some(last)
                if last.role == message.role
                    && last.mark == message.mark
                    && message.thought.is_none() =>
            {
                last.text = format!("{}\n{}", last.text.trim_end(), message.text.trim_start());
            }
            _ => turns.push(message),
        }
    }
    turns
}

/// As [`joined_by_speaker`], up to the last answer.
pub(super) fn settled(
    messages: Vec<Message>,
    changes: &mut Changes,
) -> Result<Vec<Message>, String> {
    let mut turns = joined_by_speaker(messages);
    let last = turns.iter().rposition(|turn| turn.role == Role::Assistant);
    let Some(last) = last else {
        return Err(tr!("no turn of the assistant, so there is nothing to learn").into());
    };
    changes.n_unanswered += turns.len() - last - 1;
    turns.truncate(last + 1);
    Ok(turns)
}
