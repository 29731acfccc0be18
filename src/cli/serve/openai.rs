//! Requests and answers as the OpenAI interface has them.

use serde_json::{Value, json};

use super::http::Refusal;
use crate::data::{Message, PromptFormat, messages_of};
use crate::model::sampling::{Limits, Sampling};

/// The most texts at which an answer ends.
const MAX_STOPS: usize = 16;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct CompletionRequest {
    /// The name of a state; none takes the first.
    pub model: Option<String>,
    pub prompt: Prompt,
    pub sampling: Sampling,
    pub limits: Limits,
    pub stops: Vec<String>,
    /// None takes the server's.
    pub max_tokens: Option<usize>,
    pub streams: bool,
    /// Whether a stream ends with the number of tokens.
    pub with_usage: bool,
}

/// What is to be continued.
#[derive(Debug, PartialEq)]
pub(super) enum Prompt {
    Text(String),
    Chat(Vec<Message>),
}

impl CompletionRequest {
    /// Reads a body. `is_chat` says by which route it came; `seed` is taken where none
    /// is given.
    pub fn parse(body: &[u8], is_chat: bool, seed: u64) -> Result<Self, Refusal> {
        let refuse = |reason: String| Refusal::new(400, reason);
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| refuse(format!("the body is not JSON: {error}")))?;
        let Value::Object(mut fields) = body else {
            return Err(refuse("the body is not a JSON object".into()));
        };
        let mut take = |name: &str| match fields.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => Some(value),
        };
        if take("n").is_some_and(|n| n != json!(1)) {
            return Err(refuse("`n` is not 1; ask for one answer at a time".into()));
        }
        let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        if take("tools").is_some_and(|tools| !is_empty(&tools)) {
            return Err(refuse(
                "`tools` are not supported; describe them in the messages".into(),
            ));
        }
        if take("response_format").is_some_and(|it| it["type"] != json!("text")) {
            return Err(refuse(
                "`response_format` is not text; other formats are not supported".into(),
            ));
        }
        let prompt = if is_chat {
            let messages = take("messages").unwrap_or_default();
            let messages = messages_of(messages);
            let messages = messages.map_err(|reason| refuse(format!("`messages` {reason}")))?;
            if messages.is_empty() {
                return Err(refuse("`messages` is empty".into()));
            }
            Prompt::Chat(messages)
        } else {
            match take("prompt") {
                Some(Value::String(text)) => Prompt::Text(text),
                Some(Value::Array(texts)) if texts.len() == 1 && texts[0].is_string() => {
                    Prompt::Text(texts[0].as_str().unwrap_or_default().into())
                }
                _ => return Err(refuse("`prompt` is not one text".into())),
            }
        };
        let mut number = |name: &str| match take(name) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(refuse(format!("`{name}` is not a number"))),
            },
        };
        let temperature = number("temperature")?.unwrap_or(1.0);
        let top_p = number("top_p")?.unwrap_or(1.0);
        let limits = Limits {
            presence: number("presence_penalty")?.unwrap_or(0.0) as f32,
            frequency: number("frequency_penalty")?.unwrap_or(0.0) as f32,
            top_k: number("top_k")?.unwrap_or(0.0).max(0.0) as usize,
        };
        let seed = number("seed")?.map_or(seed, |seed| seed as i64 as u64);
        let max_tokens = match (number("max_completion_tokens")?, number("max_tokens")?) {
            (Some(most), _) | (None, Some(most)) if most >= 1.0 => Some(most as usize),
            (None, None) => None,
            _ => return Err(refuse("`max_tokens` is below 1".into())),
        };
        let stops = match take("stop") {
            None => Vec::new(),
            Some(Value::String(stop)) => vec![stop],
            Some(stops) => serde_json::from_value::<Vec<String>>(stops)
                .map_err(|_| refuse("`stop` is neither a text nor a list of texts".into()))?,
        };
        if stops.len() > MAX_STOPS {
            return Err(refuse(format!("`stop` has more than {MAX_STOPS} texts")));
        }
        let include_usage = take("stream_options").map(|it| it["include_usage"] == json!(true));
        Ok(Self {
            model: take("model").and_then(|it| it.as_str().map(str::to_owned)),
            prompt,
            sampling: match temperature {
                0.0 => Sampling::Greedy,
                _ => Sampling::Random {
                    temperature: temperature as f32,
                    top_p: top_p as f32,
                    seed,
                },
            },
            limits,
            stops,
            max_tokens,
            streams: take("stream") == Some(json!(true)),
            with_usage: include_usage.unwrap_or(false),
        })
    }

    /// The text that the model continues, and where its answer ends.
    pub fn text(&self, format: &PromptFormat) -> Result<(String, Vec<String>), Refusal> {
        match &self.prompt {
            Prompt::Text(text) => Ok((text.clone(), self.stops.clone())),
            Prompt::Chat(messages) => {
                let text = format.around_chat(messages);
                let text = text.map_err(|reason| Refusal::new(400, reason))?;
                Ok((text, [&format.stops[..], &self.stops].concat()))
            }
        }
    }
}

/// An answer on its way: what the clients of either route read.
#[derive(Debug)]
pub(super) struct Answer {
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    pub model: String,
    pub is_chat: bool,
}

/// Why an answer ended, and how long it and its prompt are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// By itself or at a stop text; else at the most tokens or seconds.
    pub is_whole: bool,
    pub n_prompt: usize,
    pub n_written: usize,
}

impl End {
    fn reason(self) -> &'static str {
        if self.is_whole { "stop" } else { "length" }
    }

    fn usage(self) -> Value {
        json!({
            "prompt_tokens": self.n_prompt,
            "completion_tokens": self.n_written,
            "total_tokens": self.n_prompt + self.n_written,
        })
    }
}

impl Answer {
    /// The whole answer.
    pub fn whole(&self, text: &str, end: End) -> String {
        let choice = match self.is_chat {
            true => json!({
                "index": 0,
                "message": { "role": "assistant", "content": text },
                "finish_reason": end.reason(),
            }),
            false => json!({ "index": 0, "text": text, "finish_reason": end.reason() }),
        };
        let kind = if self.is_chat {
            "chat.completion"
        } else {
            "text_completion"
        };
        self.object(kind, json!([choice]), Some(end.usage()))
    }

    /// A part of it; the first names the speaker.
    pub fn part(&self, text: &str, is_first: bool) -> String {
        let delta = match is_first {
            true => json!({ "role": "assistant", "content": text }),
            false => json!({ "content": text }),
        };
        self.event(
            json!({ "index": 0, "delta": delta, "finish_reason": null }),
            text,
        )
    }

    /// The last event, without text.
    pub fn last(&self, end: End) -> String {
        let choice = json!({ "index": 0, "delta": {}, "finish_reason": end.reason() });
        match self.is_chat {
            true => self.event(choice, ""),
            false => {
                let choice = json!({ "index": 0, "text": "", "finish_reason": end.reason() });
                self.object("text_completion", json!([choice]), None)
            }
        }
    }

    /// How long it was.
    pub fn usage(&self, end: End) -> String {
        let kind = if self.is_chat {
            "chat.completion.chunk"
        } else {
            "text_completion"
        };
        self.object(kind, json!([]), Some(end.usage()))
    }

    fn event(&self, choice: Value, text: &str) -> String {
        match self.is_chat {
            true => self.object("chat.completion.chunk", json!([choice]), None),
            false => {
                let choice = json!({ "index": 0, "text": text, "finish_reason": null });
                self.object("text_completion", json!([choice]), None)
            }
        }
    }

    fn object(&self, kind: &str, choices: Value, usage: Option<Value>) -> String {
        let mut object = json!({
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            object["usage"] = usage;
        }
        object.to_string()
    }
}

/// The list of models.
pub(super) fn models(names: &[String], created: u64) -> String {
    let model = |name: &String| json!({ "id": name, "object": "model", "created": created, "owned_by": "gosling" });
    let data: Vec<Value> = names.iter().map(model).collect();
    json!({ "object": "list", "data": data }).to_string()
}

/// An error as clients read it.
pub(super) fn error(refusal: &Refusal) -> String {
    let kind = match refusal.status {
        500..=599 => "server_error",
        _ => "invalid_request_error",
    };
    let error = json!({
        "message": refusal.reason,
        "type": kind,
        "param": null,
        "code": null,
    });
    json!({ "error": error }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Role, Template};

    fn parse(body: &str) -> Result<CompletionRequest, String> {
        CompletionRequest::parse(body.as_bytes(), true, 9).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_chat_is_read_as_clients_send_it() {
        let body = r#"{"model": "a", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}], "temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "stop": "END", "stream": true, "stream_options": {"include_usage": true}, "presence_penalty": 0.5, "top_k": 3, "user": "x"}"#;
        let completion = parse(body).unwrap();
        assert_eq!(completion.model.as_deref(), Some("a"));
        let random = Sampling::Random {
            temperature: 0.5,
            top_p: 0.9,
            seed: 9,
        };
        assert_eq!(
            (completion.sampling, completion.max_tokens),
            (random, Some(7))
        );
        assert_eq!(
            (completion.limits.presence, completion.limits.top_k),
            (0.5, 3)
        );
        assert!(completion.streams && completion.with_usage);
        let format = Template::UserAssistant.prompt_format().unwrap();
        let (text, stops) = completion.text(&format).unwrap();
        assert_eq!(text, "System: s\n\nUser: hi\n\nAssistant:");
        assert_eq!(stops, ["\n\n", "END"]);
        let greedy = r#"{"messages": [{"role": "user", "content": "a"}], "temperature": 0}"#;
        let greedy = parse(greedy).unwrap();
        assert_eq!(greedy.sampling, Sampling::Greedy);
        assert_eq!(
            greedy.prompt,
            Prompt::Chat(vec![Message::new(Role::User, "a")])
        );
    }

    #[test]
    fn earlier_answers_need_no_thoughts() {
        let body = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}"#;
        let format = Template::Think.prompt_format().unwrap();
        let (text, _) = parse(body).unwrap().text(&format).unwrap();
        let expected = "User: a\n\nAssistant: <think>\n</think>\nb\n\nUser: c\n\nAssistant: <think";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let with = |rest: &str| {
            parse(&format!(
                "{{\"messages\": [{{\"role\": \"user\", \"content\": \"a\"}}]{rest}}}"
            ))
        };
        assert!(with("").is_ok());
        for (rest, reason) in [
            (", \"n\": 2", "`n` is not 1"),
            (", \"tools\": [{}]", "`tools` are not supported"),
            (", \"stop\": 3", "`stop` is neither"),
            (", \"max_tokens\": 0", "`max_tokens` is below 1"),
            (", \"temperature\": \"x\"", "`temperature` is not a number"),
            (
                ", \"response_format\": {\"type\": \"json_object\"}",
                "`response_format`",
            ),
        ] {
            let refused = with(rest).unwrap_err();
            assert!(refused.starts_with(reason), "{refused}");
        }
        assert!(parse("[]").unwrap_err().contains("not a JSON object"));
        assert!(parse("{").unwrap_err().contains("not JSON"));
        assert!(parse("{}").unwrap_err().starts_with("`messages` is null"));
        assert!(
            parse("{\"messages\": [{\"role\": \"x\"}]}")
                .unwrap_err()
                .contains("turn 1")
        );
    }

    #[test]
    fn answers_have_the_fields_of_the_interface() {
        let answer = |is_chat| Answer {
            id: "1".into(),
            created: 5,
            model: "m".into(),
            is_chat,
        };
        let end = End {
            is_whole: true,
            n_prompt: 3,
            n_written: 2,
        };
        let read = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
        let whole = read(answer(true).whole("hi", end));
        assert_eq!(whole["choices"][0]["message"]["content"], "hi");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        assert_eq!(whole["usage"]["total_tokens"], 5);
        assert_eq!(
            read(answer(false).whole("hi", end))["choices"][0]["text"],
            "hi"
        );
        let first = read(answer(true).part("h", true));
        assert_eq!(first["object"], "chat.completion.chunk");
        assert_eq!(
            first["choices"][0]["delta"],
            json!({ "role": "assistant", "content": "h" })
        );
        let cut = End {
            is_whole: false,
            ..end
        };
        assert_eq!(
            read(answer(false).last(cut))["choices"][0]["finish_reason"],
            "length"
        );
        assert_eq!(read(models(&["m".into()], 5))["data"][0]["id"], "m");
    }
}
