//! One question to a server, and what is read of its reply.
//!
//! | route | question | text |
//! |---|---|---|
//! | `/completions` | `prompt` | `choices[0].text` |
//! | `/chat/completions` | `messages` | `choices[0].message.content`; reasoning stands elsewhere |
//! | `/api/generate` | `prompt`, `raw` | `response` |
//! | `/responses` | `instructions`, `input` | `output[].content[].text` of messages |

use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

use super::host::{host_of, is_loopback};
use super::letters::{Likely, likeliest};
use crate::adapt::spec::{GuideApi, HttpSpec};
use crate::error::{Error, Result};

/// A reply of more bytes than this is no answer to a question.
const MAX_REPLY_BYTES: u64 = 4 << 20;

/// How many of the likeliest tokens are asked for: what servers give at most.
const LIKELIEST: usize = 20;

/// A question as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GuideRequest {
    /// Solved questions, as they stand in front.
    pub examples: String,
    /// The question itself.
    pub question: String,
    /// What ends an answer.
    pub stops: Vec<String>,
    /// Another one asks for another answer.
    pub seed: u64,
    /// Whether the likeliest tokens are asked for, in which letters may be.
    pub wants_letters: bool,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub text: String,
    /// Tokens that the server read and wrote, as it counts them.
    pub n_tokens: usize,
    /// Whether it said how likely its tokens were.
    pub has_logprobs: bool,
    /// The likeliest tokens at the place of its answer, where they were asked for.
    pub likeliest: Vec<Likely>,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// It may be asked again.
    ForNow(String),
    /// Nobody is there.
    Unreachable(String),
    /// It would say the same again: a wrong key, model or route.
    ForGood(String),
}

impl Failed {
    pub fn reason(&self) -> &str {
        match self {
            Self::ForNow(reason) | Self::Unreachable(reason) | Self::ForGood(reason) => reason,
        }
    }
}

/// A server that is asked.
#[derive(Clone)]
pub(super) struct Server {
    spec: HttpSpec,
    agent: Agent,
    /// Never printed.
    key: Option<String>,
}

impl Server {
    /// # Errors
    /// [`Error::Spec`] for an address that is none or that may not be asked, and for
    /// a key that is not set.
    pub fn new(spec: &HttpSpec) -> Result<Self> {
        let host = host_of(&spec.base_url)?;
        let is_here = is_loopback(&host);
        if !is_here && !spec.allow_remote {
            let reason = tr!(
                "questions would be sent to {host}; set allow_remote: true to allow this",
                host
            );
            return Err(Error::spec("guide.base_url", reason));
        }
        let key = match &spec.key_env {
            None => None,
            Some(name) => match std::env::var(name) {
                Ok(key) if !key.trim().is_empty() => Some(key.trim().to_owned()),
                Ok(_) | Err(_) => {
                    let reason = tr!("the environment variable {name} is not set", name);
                    return Err(Error::spec("guide.key_env", reason));
                }
            },
        };
        let mut config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs_f64(spec.timeout_secs)))
            .http_status_as_error(false)
            // Neither questions nor a key go where nobody sent them.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent("gosling");
        if is_here {
            config = config.proxy(None);
        }
        Ok(Self {
            spec: spec.clone(),
            agent: config.build().into(),
            key,
        })
    }

    /// The host that questions go to.
    pub fn host(&self) -> String {
        host_of(&self.spec.base_url).unwrap_or_default()
    }

    /// Asks once. With `probes` for one token and its probabilities.
    pub fn ask(&self, asking: &GuideRequest, probes: bool) -> Result<Reply, Failed> {
        let (route, body) = self.request(asking, probes);
        let url = format!("{}{route}", self.spec.base_url.trim_end_matches('/'));
        let mut request = self.agent.post(&url).content_type("application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request
            .send(body.to_string())
            .map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_REPLY_BYTES)
            .read_to_vec();
        let body = body.map_err(|error| self.failed(&error))?;
        let text = String::from_utf8_lossy(&body);
        match status {
            200..=299 => self.reply(&text),
            401 | 403 => Err(Failed::ForGood(tr!(
                "{} refuses the key (status {status}); name its environment variable in \
                 key_env",
                self.host(),
                status
            ))),
            429 | 500..=599 | 408 => Err(Failed::ForNow(tr!(
                "{} answered with status {status}: {}",
                self.host(),
                line(&text),
                status
            ))),
            _ => Err(Failed::ForGood(tr!(
                "{url} answered with status {status}: {}",
                line(&text),
                url,
                status
            ))),
        }
    }

    /// The route and the body.
    fn request(&self, asking: &GuideRequest, probes: bool) -> (&'static str, Value) {
        let HttpSpec {
            model,
            temperature,
            max_tokens,
            ..
        } = &self.spec;
        let max_tokens = if probes { 1 } else { *max_tokens };
        let GuideRequest {
            examples,
            question,
            stops,
            seed,
            wants_letters,
        } = asking;
        let n_likeliest = match (probes, *wants_letters) {
            (_, true) => Some(LIKELIEST),
            (true, false) => Some(1),
            (false, false) => None,
        };
        let whole = format!("{examples}{question}");
        let form = match examples.is_empty() {
            true => "Answer in the shortest form that is asked for.".to_owned(),
            false => format!(
                "Answer the question in exactly the form of these examples, and write nothing \
                 else.\n\n{examples}"
            ),
        };
        match self.spec.api {
            GuideApi::Completions => {
                let mut body = json!({
                    "model": model, "prompt": whole, "max_tokens": max_tokens,
                    "temperature": temperature, "stop": stops, "seed": seed, "stream": false,
                });
                if let Some(n) = n_likeliest {
                    body["logprobs"] = json!(n);
                }
                ("/completions", body)
            }
            GuideApi::Chat => {
                let mut body = json!({
                    "model": model, "max_tokens": max_tokens, "temperature": temperature,
                    "seed": seed, "stream": false, "messages": [
                        {"role": "system", "content": form},
                        {"role": "user", "content": question},
                    ],
                });
                if let Some(n) = n_likeliest {
                    body["logprobs"] = json!(true);
                    body["top_logprobs"] = json!(n);
                }
                ("/chat/completions", body)
            }
            GuideApi::OllamaGenerate => {
                let mut body = json!({
                    "model": model, "prompt": whole, "stream": false, "raw": true,
                    "options": {
                        "temperature": temperature, "num_predict": max_tokens, "stop": stops,
                        "seed": seed,
                    },
                });
                if let Some(n) = n_likeliest {
                    body["logprobs"] = json!(true);
                    body["top_logprobs"] = json!(n);
                }
                ("/api/generate", body)
            }
            GuideApi::Responses => {
                let mut body = json!({
                    "model": model, "instructions": form, "input": question,
                    // Servers of this route refuse fewer.
                    "max_output_tokens": max_tokens.max(16), "temperature": temperature,
                    "stream": false,
                });
                if let Some(n) = n_likeliest {
                    body["include"] = json!(["message.output_text.logprobs"]);
                    body["top_logprobs"] = json!(n);
                }
                ("/responses", body)
            }
        }
    }

    fn reply(&self, text: &str) -> Result<Reply, Failed> {
        let no_reply = |what: &str| {
            Failed::ForNow(tr!(
                "{} answers with {what}: {}",
                self.host(),
                line(text),
                what
            ))
        };
        let value: Value = serde_json::from_str(text).map_err(|_| no_reply(tr!("no JSON")))?;
        let first = &value["choices"][0];
        let (written, logprobs) = match self.spec.api {
            GuideApi::Completions => (
                first["text"].as_str().map(str::to_owned),
                &first["logprobs"],
            ),
            GuideApi::Chat => {
                let content = first["message"]["content"].as_str();
                (content.map(str::to_owned), &first["logprobs"])
            }
            GuideApi::OllamaGenerate => (
                value["response"].as_str().map(str::to_owned),
                &value["logprobs"],
            ),
            GuideApi::Responses => (output_text(&value), &Value::Null),
        };
        let has_logprobs = !logprobs.is_null() || has_output_logprobs(&value);
        let text = written.ok_or_else(|| no_reply(tr!("no text")))?;
        let usage = &value["usage"];
        let counts = [
            &usage["prompt_tokens"],
            &usage["completion_tokens"],
            &usage["input_tokens"],
            &usage["output_tokens"],
            &value["prompt_eval_count"],
            &value["eval_count"],
        ];
        let n_tokens = counts
            .iter()
            .filter_map(|count| count.as_u64())
            .sum::<u64>();
        Ok(Reply {
            text,
            n_tokens: n_tokens as usize,
            has_logprobs,
            likeliest: likeliest(&value),
        })
    }

    fn failed(&self, error: &ureq::Error) -> Failed {
        let host = self.host();
        match error {
            ureq::Error::Timeout(_) => {
                let secs = self.spec.timeout_secs;
                Failed::ForNow(tr!("{host} gave no answer in {secs} s", host, secs))
            }
            ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => Failed::Unreachable(tr!(
                "{host} cannot be reached; is the server running?",
                host
            )),
            ureq::Error::Io(error) => match error.kind() {
                std::io::ErrorKind::ConnectionRefused => Failed::Unreachable(tr!(
                    "{host} cannot be reached; is the server running?",
                    host
                )),
                _ => Failed::ForNow(format!("{host}: {error}")),
            },
            ureq::Error::BodyExceedsLimit(_) => {
                Failed::ForNow(tr!("{host} answers with more than 4 MiB", host))
            }
            other => Failed::ForNow(format!("{host}: {other}")),
        }
    }
}

/// The text of the messages in `output`.
fn output_text(value: &Value) -> Option<String> {
    let output = value["output"].as_array()?;
    let messages = output.iter().filter(|of| of["type"] == "message");
    let contents = messages.flat_map(|of| of["content"].as_array().into_iter().flatten());
    let texts: Vec<&str> = contents.filter_map(|of| of["text"].as_str()).collect();
    (!texts.is_empty()).then(|| texts.concat())
}

fn has_output_logprobs(value: &Value) -> bool {
    let outputs = value["output"].as_array().into_iter().flatten();
    let contents = outputs.flat_map(|of| of["content"].as_array().into_iter().flatten());
    let mut lists = contents.filter_map(|of| of["logprobs"].as_array());
    lists.any(|list| !list.is_empty())
}

/// The start of a reply, on one line.
fn line(text: &str) -> String {
    let line: String = text.chars().take(200).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_stay_here_unless_they_may_leave() {
        let mut spec = HttpSpec {
            base_url: "https://api.example.com/v1".into(),
            ..HttpSpec::default()
        };
        let refused = |spec: &HttpSpec| Server::new(spec).map(|_| ()).unwrap_err().to_string();
        assert!(refused(&spec).contains("would be sent to api.example.com"));
        spec.allow_remote = true;
        assert_eq!(
            Server::new(&spec).map_err(|_| ()).unwrap().host(),
            "api.example.com"
        );
        spec.key_env = Some("GOSLING_TEST_NO_SUCH_KEY".into());
        assert!(refused(&spec).contains("GOSLING_TEST_NO_SUCH_KEY is not set"));
    }
}
