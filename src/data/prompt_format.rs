//! What stands around a prompt in training, so that whoever uses the state can put
//! it there too.

use serde::{Deserialize, Serialize};

use super::benchmark::Benchmark;
use super::protocol::{MmluTemplate, Protocol};
use super::text::Template;

/// What is put around a prompt, and what ends an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptFormat {
    /// A template's name, or a benchmark's.
    pub name: String,
    /// What stands in front of the prompt.
    pub before: String,
    /// What stands between the prompt and the answer.
    pub after: String,
    /// Whether the prompt is trimmed and its blank lines become line ends.
    pub one_paragraph: bool,
    /// An answer ends before any of these texts, as with token 0.
    pub stops: Vec<String>,
}

impl Template {
    /// As texts are trained with it.
    pub fn prompt_format(self) -> PromptFormat {
        match self {
            Self::Plain => PromptFormat::new("Plain", ["", ""], &[]),
            Self::UserAssistant => PromptFormat {
                one_paragraph: true,
                ..PromptFormat::new("UserAssistant", ["User: ", "\n\nAssistant:"], &["\n\n"])
            },
        }
    }
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
    fn new(name: &str, [before, after]: [&str; 2], stops: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            one_paragraph: false,
            stops: stops.iter().map(|stop| (*stop).to_owned()).collect(),
        }
    }

    /// Whether prompts stay as they are.
    pub fn is_plain(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && !self.one_paragraph
    }

    /// The text that the model reads before it answers.
    pub fn around(&self, prompt: &str) -> String {
        let mut prompt = prompt.to_owned();
        if self.one_paragraph {
            prompt = prompt.replace("\r\n", "\n");
            while prompt.contains("\n\n") {
                prompt = prompt.replace("\n\n", "\n");
            }
            prompt = prompt.trim().to_owned();
        }
        format!("{}{prompt}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Split, Task, mini, read_text_set};
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
            let set = read_text_set("set.jsonl", line.as_bytes(), template, &tokenizer).unwrap();
            assert_eq!(template.prompt_format().around(prompt), expected);
            assert_eq!(tokenizer.decode(&set.items[0].context), expected);
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
                let whole = tokenizer.decode(&[example.context, example.target].concat());
                assert!(whole.starts_with(&format.around(question)), "{whole}");
                assert!(whole.ends_with(&format.stops[0]), "{whole}");
            }
        }
    }
}
