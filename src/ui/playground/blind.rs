//! A blind test: a list of prompts, each answered by two models, and which answer is
//! preferred while nobody knows whose it is.

use std::path::PathBuf;

use serde_json::Value;

use super::chat::shown_answer;
use crate::data::{Message, PromptFormat, Role};
use crate::persist::blind_file::{BlindResult, BlindSetup, Contender, Judgement};
use crate::protocol::command::GenerationRequest;
use crate::protocol::event::{Answer, AnswerEnd, RunId};
use crate::runs::generation::GeneratedTexts;

/// A blind test, if one is on.
#[derive(Debug, Default)]
pub struct Blind {
    /// The one that is on.
    pub on: Option<BlindTest>,
    /// What came out of the last one.
    pub outcome: Option<BlindOutcome>,
    /// Why something could not be done.
    pub fault: Option<String>,
}

/// A blind test on its way.
#[derive(Debug)]
pub struct BlindTest {
    /// What is compared.
    pub setup: BlindSetup,
    /// Where judgements are written.
    pub path: PathBuf,
    /// Both models, answering the same prompt, which stands in its place.
    pub request: GenerationRequest,
    /// What stands around prompts.
    pub format: PromptFormat,
    /// What was judged.
    pub judgements: Vec<Judgement>,
    /// The name of the question to the worker.
    pub asked: Option<RunId>,
}

/// What came out of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct BlindOutcome {
    /// The names of both.
    pub names: [String; 2],
    /// The counts.
    pub result: BlindResult,
    /// Prompts in all.
    pub n_prompts: usize,
    /// Where the judgements are.
    pub path: PathBuf,
}

/// What is seen of the prompt that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlindState {
    /// Both are writing.
    Writing,
    /// What stands on the left and on the right.
    Answers([String; 2]),
    /// They were stopped, or could not be written.
    Missing,
}

impl BlindTest {
    /// The place of the first prompt that is not judged; none where all are.
    pub fn next(&self) -> Option<usize> {
        let is_judged = |place: &usize| self.judgements.iter().any(|of| of.prompt == *place);
        (0..self.setup.prompts.len()).find(|place| !is_judged(place))
    }

    /// The prompt that is judged.
    pub fn prompt(&self) -> &str {
        let prompts = &self.setup.prompts;
        let place = self.next().unwrap_or_default();
        prompts.get(place).map_or("", String::as_str)
    }

    /// How many are judged, and how many there are.
    pub fn n_judged(&self) -> (usize, usize) {
        (self.judgements.len(), self.setup.prompts.len())
    }

    /// What stands on the left and on the right, once both are complete.
    pub fn sides(&self, texts: Option<&GeneratedTexts>) -> Option<[String; 2]> {
        let [a, b] = self.answers(texts)?;
        Some(match self.setup.left(self.next()?) {
            Contender::A => [a, b],
            Contender::B => [b, a],
        })
    }

    /// The answers of both, once they are complete.
    pub fn answers(&self, texts: Option<&GeneratedTexts>) -> Option<[String; 2]> {
        let name = self.asked.as_ref()?;
        let texts = texts.filter(|texts| texts.run == *name)?;
        let of = |answer| {
            let text = texts.answer(answer);
            let is_whole = text.end.is_some_and(|end| end != AnswerEnd::Stopped);
            is_whole.then(|| shown_answer(&self.format, &text.text))
        };
        Some([of(Answer::Untuned)?, of(Answer::Tuned)?])
    }

    /// What the judgements say.
    pub fn outcome(&self) -> BlindOutcome {
        BlindOutcome {
            names: [self.setup.a.clone(), self.setup.b.clone()],
            result: BlindResult::of(&self.judgements),
            n_prompts: self.setup.prompts.len(),
            path: self.path.clone(),
        }
    }
}

impl BlindOutcome {
    /// What came out, a sentence a line.
    pub fn lines(&self) -> Vec<String> {
        let BlindResult { n, a, b, ties, p } = self.result;
        let [name_a, name_b] = &self.names;
        let mut lines = vec![
            tr!("{n} of {} prompts judged", self.n_prompts, n),
            tr!("{name_b} preferred: {b}", name_b, b),
            tr!("{name_a} preferred: {a}", name_a, a),
            tr!("Ties: {ties}", ties),
            tr!(
                "Sign test without ties, two-sided: p = {p}",
                p = format_args!("{p:.3}")
            ),
        ];
        if n < self.n_prompts {
            lines.push(tr!("The test goes on where it was ended, if it is started again.").into());
        }
        lines
    }
}

/// The prompts of a text, one a line. A line of JSON has its `prompt`, and `\n` is a
/// line end.
pub(super) fn prompts_of(text: &str) -> Vec<String> {
    let of_line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(fields)) => {
            let prompt = fields.get("prompt").and_then(Value::as_str);
            prompt.unwrap_or(line).to_owned()
        }
        Ok(_) | Err(_) => line.replace("\\n", "\n"),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(of_line).collect()
}

/// A prompt as both models read it.
pub(super) fn prompt_around(
    format: &PromptFormat,
    system: &str,
    prompt: &str,
) -> Result<String, String> {
    if format.system.is_none() || format.is_plain() {
        return Ok(format.around(prompt));
    }
    let mut messages = Vec::new();
    if !system.trim().is_empty() {
        messages.push(Message::new(Role::System, system));
    }
    messages.push(Message::new(Role::User, prompt));
    format.around_chat(&messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Template;

    #[test]
    fn prompts_are_lines_or_json() {
        let text = "Who are you?\n\n  \n{\"prompt\": \"a\\nb\", \"id\": 1}\nTwo\\nlines\n5\n";
        let want = ["Who are you?", "a\nb", "Two\nlines", "5"];
        assert_eq!(prompts_of(text), want);
        assert_eq!(prompts_of(" \n"), [""; 0]);
    }

    #[test]
    fn both_models_read_the_template_of_the_run() {
        let chat = Template::UserAssistant.prompt_format().unwrap();
        assert_eq!(
            prompt_around(&chat, "Be kind.", "Hi").unwrap(),
            "System: Be kind.\n\nUser: Hi\n\nAssistant:"
        );
        let plain = Template::Plain.prompt_format().unwrap();
        assert_eq!(prompt_around(&plain, "Be kind.", "Hi").unwrap(), "Hi");
    }
}
