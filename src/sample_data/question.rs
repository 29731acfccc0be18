//! What is asked, and what makes an answer right.

use std::sync::Arc;

use serde_json::Value;

use crate::bench::{Request, extract};
use crate::data::{Check, Item, PromptFormat, Protocol, Task};
use crate::model::tokenizer::Tokenizer;

/// A question whose answers can be checked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The item's id, or the line of the file.
    pub id: String,
    /// The prompt of the training example: without the solved questions that may stand
    /// in front while it is answered.
    pub prompt: String,
    /// In place of a prompt the turns of a chat before the answer, as `messages`; empty
    /// for a prompt.
    pub chat: Vec<Value>,
    /// How it is answered.
    pub kind: Kind,
}

/// How a question is answered.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The model writes.
    Written {
        /// What it reads, in tokens.
        asked: Vec<u32>,
        /// What makes a text right.
        judge: Judge,
    },
    /// The model draws one of the options by their likelihoods.
    Options {
        /// Context and continuation of each, in tokens.
        requests: Vec<Request>,
        /// Their texts.
        options: Vec<String>,
        /// The place of the right one.
        gold: usize,
        /// The completion of the training example.
        completion: String,
    },
}

/// What makes a text right.
#[derive(Debug, Clone)]
pub enum Judge {
    /// The number behind `####` is that of the official answer.
    Number {
        /// The rules of comparison.
        protocol: Protocol,
        /// The official answer.
        answer: String,
    },
    /// What the user's own file says.
    Own {
        /// What makes an answer right.
        check: Check,
        /// What stands around prompts and answers.
        format: Arc<PromptFormat>,
    },
}

impl Question {
    /// The question of a benchmark's item, read behind `solved` ones.
    pub fn of_item(
        item: &Item,
        solved: &[&Item],
        protocol: Protocol,
        tokenizer: &Tokenizer,
    ) -> Self {
        let (prompt, completion) = protocol.training_texts(item);
        let prefix = protocol.prefix(item, solved);
        let kind = match &item.task {
            Task::Generate { answer, .. } => Kind::Written {
                asked: tokenizer.encode(&format!("{prefix}{}", protocol.question(item))),
                judge: Judge::Number {
                    protocol,
                    answer: answer.clone(),
                },
            },
            Task::Choose { options, gold, .. } => options_of(
                item, &prefix, protocol, tokenizer, options, *gold, completion,
            ),
            Task::ChooseLetter { options, gold, .. } => options_of(
                item, &prefix, protocol, tokenizer, options, *gold, completion,
            ),
            Task::FillIn { options, gold, .. } => options_of(
                item, &prefix, protocol, tokenizer, options, *gold, completion,
            ),
        };
        Self {
            id: item.id.clone(),
            prompt,
            chat: Vec::new(),
            kind,
        }
    }

    /// Whether a written answer is right.
    pub fn is_right(&self, answer: &str) -> bool {
        match &self.kind {
            Kind::Written {
                judge:
                    Judge::Number {
                        protocol,
                        answer: gold,
                    },
                ..
            } => extract(*protocol, answer, gold).correct,
            Kind::Written {
                judge: Judge::Own { check, .. },
                ..
            } => check.is_right(answer),
            Kind::Options { options, gold, .. } => options[*gold] == answer,
        }
    }

    /// The completion that an answer makes in a training file.
    pub fn completion(&self, answer: &str) -> String {
        match &self.kind {
            // As training answers of benchmarks are.
            Kind::Written {
                judge: Judge::Number { .. },
                ..
            } => format!(" {}\n\n", answer.trim()),
            // The template puts the rest around it.
            Kind::Written {
                judge: Judge::Own { format, .. },
                ..
            } => {
                let answer = answer.strip_prefix(format.hidden_start()).unwrap_or(answer);
                let answer = format!("{}{answer}", format.begun_answer());
                match format.is_plain() {
                    true => answer,
                    false => answer.trim().to_owned(),
                }
            }
            Kind::Options { completion, .. } => completion.clone(),
        }
    }
}

fn options_of(
    item: &Item,
    prefix: &str,
    protocol: Protocol,
    tokenizer: &Tokenizer,
    options: &[String],
    gold: usize,
    completion: String,
) -> Kind {
    let pairs = protocol.pairs(item);
    let requests = pairs.iter().map(|(context, continuation)| {
        let context = format!("{prefix}{context}");
        protocol.pairing().encode(tokenizer, &context, continuation)
    });
    Kind::Options {
        requests: requests.collect(),
        options: options.to_vec(),
        gold,
        completion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Benchmark, Split, Template, mini};

    /// The right answer of every benchmark gives back the example that training on
    /// given answers has; another one is wrong.
    #[test]
    fn a_right_answer_makes_the_training_example() {
        let tokenizer = Tokenizer::mini().unwrap();
        for benchmark in Benchmark::ALL {
            for item in mini(benchmark, Split::Train).unwrap().iter().take(20) {
                let question = Question::of_item(item, &[], Protocol::Mini, &tokenizer);
                let (right, wrong) = match &item.task {
                    Task::Generate { answer, .. } => (answer.clone(), "#### 123456789".into()),
                    Task::Choose { options, gold, .. } => other(options, *gold),
                    Task::ChooseLetter { options, gold, .. } => other(options, *gold),
                    Task::FillIn { options, gold, .. } => other(options, *gold),
                };
                assert!(question.is_right(&right), "{}", item.id);
                assert!(!question.is_right(&wrong), "{}", item.id);
                let example = Protocol::Mini.training_example(item, &tokenizer);
                let completion = question.completion(&right);
                let tokens = [
                    tokenizer.encode(&question.prompt),
                    tokenizer.encode(&completion),
                ];
                assert_eq!(tokens.concat(), *example.tokens, "{}", item.id);
            }
        }
    }

    fn other(options: &[String], gold: usize) -> (String, String) {
        let wrong = (gold + 1) % options.len();
        (options[gold].clone(), options[wrong].clone())
    }

    /// Solved questions are read, but are no part of the training example.
    #[test]
    fn solved_questions_are_read_and_not_trained_on() {
        let tokenizer = Tokenizer::mini().unwrap();
        let items = mini(Benchmark::Gsm8k, Split::Train).unwrap();
        let alone = Question::of_item(&items[0], &[], Protocol::Mini, &tokenizer);
        let behind = Question::of_item(&items[0], &[&items[1]], Protocol::Mini, &tokenizer);
        assert_eq!(alone.prompt, behind.prompt);
        let asked = |of: &Question| match &of.kind {
            Kind::Written { asked, .. } => tokenizer.decode(asked),
            Kind::Options { .. } => panic!("options"),
        };
        assert_eq!(asked(&alone), alone.prompt);
        let Task::Generate { question, .. } = &items[1].task else {
            panic!("not written");
        };
        assert!(asked(&behind).contains(question) && asked(&behind).ends_with(&alone.prompt));
    }

    #[test]
    fn own_answers_are_written_as_their_template_reads_them() {
        let question = |template: Template| Question {
            id: "line/1".into(),
            prompt: "2+3?".into(),
            chat: Vec::new(),
            kind: Kind::Written {
                asked: Vec::new(),
                judge: Judge::Own {
                    check: Check::Exact("5".into()),
                    format: Arc::new(template.prompt_format().unwrap()),
                },
            },
        };
        let of = |template, answer: &str| question(template).completion(answer);
        assert_eq!(of(Template::UserAssistant, " 5\n"), "5");
        assert_eq!(of(Template::Plain, " 5"), " 5");
        assert_eq!(of(Template::NoThink, ">\n5"), "5");
        let thought = of(Template::Think, "> Two and three.</think>\n5");
        assert_eq!(thought, "<think> Two and three.</think>\n5");
        assert!(question(Template::Think).is_right("> 4?</think>\n5"));
    }
}
