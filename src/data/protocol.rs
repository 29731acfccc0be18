//! Prompts: how a benchmark's question becomes context and continuation.

use serde::{Deserialize, Serialize};

use super::example::Example;
use super::item::{Item, Task};
use super::pairing::{Pairing, is_python_space};
use crate::model::tokenizer::Tokenizer;

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// Which rules turn items into prompts. Figures compare only under one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The rules that the mini benchmarks were made with.
    Mini,
    /// The rules of lm-evaluation-harness at 4e7e0d47f.
    LmEval {
        /// The wording for MMLU.
        mmlu: MmluTemplate,
    },
}

/// How an MMLU question is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MmluTemplate {
    /// As lm-evaluation-harness words it.
    #[default]
    LmEval,
    /// As RWKV's own evaluation words it (RWKV-LM `rwkv_mmlu_eval.py`).
    Rwkv,
}

impl Protocol {
    /// lm-evaluation-harness with its own wording throughout.
    pub const LM_EVAL: Self = Self::LmEval {
        mmlu: MmluTemplate::LmEval,
    };

    /// How this protocol tokenises.
    pub fn pairing(self) -> Pairing {
        match self {
            Self::Mini => Pairing::Separate,
            Self::LmEval { .. } => Pairing::Joint,
        }
    }

    /// What comes before the question itself: the description of the task and
    /// `few_shot` solved questions.
    pub fn prefix(self, item: &Item, few_shot: &[&Item]) -> String {
        let mut prefix = match &item.task {
            Task::ChooseLetter { subject, .. } => self.description(subject),
            Task::Generate { .. } | Task::Choose { .. } | Task::FillIn { .. } => String::new(),
        };
        for solved in few_shot {
            let (context, target) = self.solved(solved);
            prefix.push_str(&context);
            prefix.push_str(&target);
            // Where training ends a target in a blank line, so it does here.
            if !target.ends_with("\n\n") {
                prefix.push_str("\n\n");
            }
        }
        prefix
    }

    /// What the model reads before it writes freely, without the prefix. For
    /// items with options this is the context of the first one.
    pub fn question(self, item: &Item) -> String {
        match &item.task {
            Task::Generate { question, .. } | Task::Choose { question, .. } => {
                format!("Question: {question}\nAnswer:")
            }
            Task::ChooseLetter {
                subject,
                question,
                options,
                ..
            } => self.letter_question(subject, question, options),
            Task::FillIn {
                before, options, ..
            } => format!("{before}{}", options[0]),
        }
    }

    /// The context, without the prefix, and the continuation of every option;
    /// none where the answer is written freely.
    pub fn pairs(self, item: &Item) -> Vec<(String, String)> {
        match &item.task {
            Task::Generate { .. } => Vec::new(),
            Task::Choose { options, .. } => options
                .iter()
                .map(|option| (self.question(item), format!(" {option}")))
                .collect(),
            Task::ChooseLetter { .. } => LETTERS
                .iter()
                .map(|letter| (self.question(item), format!(" {letter}")))
                .collect(),
            Task::FillIn {
                before,
                options,
                after,
                ..
            } => {
                let continuation = match self {
                    Self::Mini => after.clone(),
                    Self::LmEval { .. } => format!(" {}", after.trim_matches(is_python_space)),
                };
                options
                    .iter()
                    .map(|option| (format!("{before}{option}"), continuation.clone()))
                    .collect()
            }
        }
    }

    /// Context and target of the right answer, as texts and without prefix.
    /// What a target ends in is a blank line, except where it completes a
    /// sentence.
    fn solved(self, item: &Item) -> (String, String) {
        match &item.task {
            Task::Generate { answer, .. } => (self.question(item), format!(" {answer}\n\n")),
            Task::Choose { gold, .. } | Task::ChooseLetter { gold, .. } => {
                let (context, target) = self.pairs(item).swap_remove(*gold);
                (context, target + "\n\n")
            }
            Task::FillIn { gold, .. } => self.pairs(item).swap_remove(*gold),
        }
    }

    /// Prompt and completion of the training example of an item, as texts.
    pub fn training_texts(self, item: &Item) -> (String, String) {
        let (context, target) = self.solved(item);
        (self.prefix(item, &[]) + &context, target)
    }

    /// The training example of an item: the context as it is scored without
    /// solved questions, and the right answer as the target.
    pub fn training_example(self, item: &Item, tokenizer: &Tokenizer) -> Example {
        let (context, target) = self.training_texts(item);
        let (context, target) = self.pairing().encode(tokenizer, &context, &target);
        Example::new(context, target)
    }

    fn description(self, subject: &str) -> String {
        let subject = match self {
            // The mini benchmark's subjects are single words, used as they are.
            Self::Mini => subject.to_owned(),
            Self::LmEval {
                mmlu: MmluTemplate::LmEval,
            } => subject.replace('_', " "),
            Self::LmEval {
                mmlu: MmluTemplate::Rwkv,
            } => return String::new(),
        };
        format!("The following are multiple choice questions (with answers) about {subject}.\n\n")
    }

    fn letter_question(self, subject: &str, question: &str, options: &[String; 4]) -> String {
        let [a, b, c, d] = options;
        match self {
            Self::Mini => format!("{question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer:"),
            Self::LmEval {
                mmlu: MmluTemplate::LmEval,
            } => {
                let question = question.trim_matches(is_python_space);
                format!("{question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer:")
            }
            Self::LmEval {
                mmlu: MmluTemplate::Rwkv,
            } => {
                let subject = subject.replace('_', " ");
                format!(
                    "User: You are a very talented expert in {subject}. Answer this question:\n\
                     {question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\n\nAssistant: The answer is"
                )
                .replace("\r\n", "\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    // The expected texts are written by hand from the definitions: for the mini
    // protocol `load_bench` and `sample_ids` of `assets/mini/recipe/proto.py`, for
    // the harness its task files (doc_to_text, doc_to_choice, description).

    use super::*;
    use crate::data::{Benchmark, Split, mini};

    const RWKV: Protocol = Protocol::LmEval {
        mmlu: MmluTemplate::Rwkv,
    };

    fn generate() -> Item {
        Item {
            id: "test/1".into(),
            task: Task::Generate {
                question: "What is 1+1?".into(),
                answer: "1+1 = 2\n#### 2".into(),
            },
        }
    }

    fn choose() -> Item {
        Item {
            id: "x".into(),
            task: Task::Choose {
                question: "Who bakes?".into(),
                options: vec!["cook".into(), "a baker".into(), "smith".into()],
                gold: 1,
            },
        }
    }

    fn letter() -> Item {
        Item {
            id: "high_school_biology/1".into(),
            task: Task::ChooseLetter {
                subject: "high_school_biology".into(),
                question: "What flies?\n".into(),
                options: ["bird".into(), "cow".into(), "dog".into(), "eel ".into()],
                gold: 0,
            },
        }
    }

    fn fill_in() -> Item {
        Item {
            id: "y".into(),
            task: Task::FillIn {
                before: "The cake is in the tin as the ".into(),
                options: ["cake".into(), "tin".into()],
                after: " is small. ".into(),
                gold: 0,
            },
        }
    }

    /// The text of the first option's prompt and of every continuation.
    fn check_prompt(protocol: Protocol, item: &Item, prompt: &str, continuations: &[&str]) {
        let text = protocol.prefix(item, &[]) + &protocol.question(item);
        assert_eq!(text, prompt);
        let pairs = protocol.pairs(item);
        let got: Vec<_> = pairs.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(got, continuations);
        if let Some((context, _)) = pairs.first() {
            assert_eq!(protocol.prefix(item, &[]) + context, prompt);
        }
    }

    #[test]
    fn prompts_read_as_defined() {
        for protocol in [Protocol::Mini, Protocol::LM_EVAL] {
            check_prompt(
                protocol,
                &generate(),
                "Question: What is 1+1?\nAnswer:",
                &[],
            );
            let continuations = [" cook", " a baker", " smith"];
            check_prompt(
                protocol,
                &choose(),
                "Question: Who bakes?\nAnswer:",
                &continuations,
            );
        }
        let letters = [" A", " B", " C", " D"];
        let mini = "The following are multiple choice questions (with answers) about \
                    high_school_biology.\n\nWhat flies?\n\nA. bird\nB. cow\nC. dog\nD. eel \nAnswer:";
        check_prompt(Protocol::Mini, &letter(), mini, &letters);
        let lm_eval = "The following are multiple choice questions (with answers) about \
                       high school biology.\n\nWhat flies?\nA. bird\nB. cow\nC. dog\nD. eel \nAnswer:";
        check_prompt(Protocol::LM_EVAL, &letter(), lm_eval, &letters);
        let rwkv = "User: You are a very talented expert in high school biology. Answer this \
                    question:\nWhat flies?\n\nA. bird\nB. cow\nC. dog\nD. eel \n\nAssistant: The \
                    answer is";
        check_prompt(RWKV, &letter(), rwkv, &letters);
        let context = "The cake is in the tin as the cake";
        check_prompt(
            Protocol::Mini,
            &fill_in(),
            context,
            &[" is small. ", " is small. "],
        );
        check_prompt(
            Protocol::LM_EVAL,
            &fill_in(),
            context,
            &[" is small.", " is small."],
        );
        assert_eq!(
            Protocol::LM_EVAL.pairs(&fill_in())[1].0,
            "The cake is in the tin as the tin"
        );
    }

    #[test]
    fn solved_questions_go_in_front() {
        let check = |protocol: Protocol, item: &Item, expected: &str| {
            assert_eq!(protocol.prefix(item, &[item, item]), expected);
        };
        let generated = "Question: What is 1+1?\nAnswer: 1+1 = 2\n#### 2\n\n";
        check(Protocol::Mini, &generate(), &generated.repeat(2));
        check(Protocol::LM_EVAL, &generate(), &generated.repeat(2));
        let chosen = "Question: Who bakes?\nAnswer: a baker\n\n";
        check(Protocol::LM_EVAL, &choose(), &chosen.repeat(2));
        let filled = "The cake is in the tin as the cake is small.\n\n";
        check(Protocol::LM_EVAL, &fill_in(), &filled.repeat(2));
        // The description stands once, before all.
        let lettered = "What flies?\nA. bird\nB. cow\nC. dog\nD. eel \nAnswer: A\n\n";
        let description = "The following are multiple choice questions (with answers) about \
                           high school biology.\n\n";
        check(
            Protocol::LM_EVAL,
            &letter(),
            &format!("{description}{lettered}{lettered}"),
        );
    }

    #[test]
    fn training_examples_are_the_scored_context_and_the_right_answer() {
        let tokenizer = Tokenizer::mini().unwrap();
        let check = |item: &Item, context: &str, target: &str| {
            let example = Protocol::Mini.training_example(item, &tokenizer);
            let expected = Example::new(tokenizer.encode(context), tokenizer.encode(target));
            assert_eq!(example, expected);
        };
        let context = "Question: What is 1+1?\nAnswer:";
        check(&generate(), context, " 1+1 = 2\n#### 2\n\n");
        check(&choose(), "Question: Who bakes?\nAnswer:", " a baker\n\n");
        check(
            &fill_in(),
            "The cake is in the tin as the cake",
            " is small. ",
        );
        let mmlu = &mini(Benchmark::Mmlu, Split::Test).unwrap()[0];
        let context = "The following are multiple choice questions (with answers) about biology.\n\n\
                       What covers the body of a trout?\nA. scales\nB. a hard shell\nC. wool\n\
                       D. skin\nAnswer:";
        check(mmlu, context, " A\n\n");
    }
}
