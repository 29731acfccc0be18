//! Another RWKV in this process: the same vocabulary, other weights or another state.

use super::{GuideText, kept, option_text, taken};
use crate::adapt::cost::Cost;
use crate::adapt::engine::Engine;
use crate::adapt::objective::{OptionRows, all_rows, distributions, option_rows};
use crate::adapt::option_losses::likeliest;
use crate::adapt::prompts::{Prompts, fitting};
use crate::adapt::question::Question;
use crate::adapt::rollout::{RolloutPrompt, Writing, roll_out};
use crate::adapt::rows::{Row, n_tokens};
use crate::adapt::states::States;
use crate::atomic::sha256_hex;
use crate::data::Item;
use crate::error::Result;
use crate::model::TextStart;

/// Questions whose options are scored before an interrupt is heard.
const QUESTIONS_OF_A_PART: usize = 64;

/// Another RWKV in this process.
pub struct LocalGuide<'a> {
    /// Its weights.
    pub engine: Engine<'a>,
    /// What it starts from: one state.
    pub states: States,
    /// What its texts begin with.
    pub text_start: TextStart,
    /// Solved questions that go in front.
    pub solved: Vec<Item>,
    /// How many of them.
    pub examples: usize,
    /// What files call it.
    pub name: String,
}

impl LocalGuide<'_> {
    fn in_front<'s>(&'s self, question: &Question) -> Vec<&'s Item> {
        fitting(&self.solved, question, self.examples)
    }

    /// A question and an answer as the guide reads them.
    pub fn row(&self, prompts: &Prompts<'_>, question: &Question, tokens: &[u32]) -> Row {
        let context = prompts.written(question, &self.in_front(question));
        Row::new(0, self.text_start, &context, tokens)
    }

    /// The guide's likeliest answer to every question: the option that it finds
    /// likeliest by the benchmark's own scores, else what it writes. Of an answer that
    /// cannot be used there are no tokens.
    ///
    /// # Errors
    /// What the device or `progress` reports.
    pub fn texts(
        &self,
        prompts: &Prompts<'_>,
        questions: &[Question],
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<GuideText>> {
        // Its own texts begin as it was tuned, not as the adapted state does.
        let own = Prompts {
            text_start: self.text_start,
            ..*prompts
        };
        let has_options = |of: &&Question| !of.options().is_empty();
        let (choosing, writing): (Vec<&Question>, Vec<&Question>) =
            questions.iter().partition(has_options);
        let mut texts = self.chosen(&own, &choosing, progress)?;
        texts.extend(self.written(prompts, &own, &writing, progress)?);
        Ok(texts)
    }

    /// The option that it finds likeliest.
    fn chosen(
        &self,
        own: &Prompts<'_>,
        questions: &[&Question],
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<GuideText>> {
        let mut texts = Vec::with_capacity(questions.len());
        for part in questions.chunks(QUESTIONS_OF_A_PART) {
            progress(texts.len())?;
            let of: Vec<OptionRows> = part
                .iter()
                .map(|question| option_rows(own, question, &self.in_front(question), 0))
                .collect();
            let scores = self.engine.scores(&self.states, &all_rows(&of), 1.0)?;
            let found = distributions(&of, &scores.log_p);
            for ((question, of), shares) in part.iter().zip(&of).zip(found) {
                let idx = likeliest(&shares);
                let text = option_text(question, &question.options(), idx);
                let tokens = own.answer_tokens(&text);
                texts.push(GuideText {
                    n_tokens: n_tokens(&of.rows),
                    shares,
                    ..self.text(own, question, text, Some(idx.to_string()), tokens)
                });
            }
        }
        Ok(texts)
    }

    /// What it writes.
    fn written(
        &self,
        prompts: &Prompts<'_>,
        own: &Prompts<'_>,
        questions: &[&Question],
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<GuideText>> {
        let asked: Vec<RolloutPrompt> = questions
            .iter()
            .map(|question| RolloutPrompt {
                state: 0,
                prompt: own.written(question, &self.in_front(question)),
                seed: 0,
            })
            .collect();
        let writing = Writing {
            group: 1,
            temperature: None,
        };
        let written = roll_out(
            self.engine,
            own,
            &self.states,
            &asked,
            writing,
            &mut Cost::default(),
            progress,
        )?;
        let answered = questions.iter().zip(&asked).zip(&written);
        let texts = answered.map(|((question, asked), written)| {
            let written_tokens = &written[0].tokens;
            let wrote = own.answer_text(written_tokens);
            let used = taken(prompts, question, &wrote);
            let (text, answer, tokens) = used.unwrap_or_default();
            GuideText {
                written: kept(&wrote, &text),
                n_tokens: asked.prompt.len() + written_tokens.len(),
                ..self.text(own, question, text, answer, tokens)
            }
        });
        Ok(texts.collect())
    }

    fn text(
        &self,
        own: &Prompts<'_>,
        question: &Question,
        text: String,
        answer: Option<String>,
        tokens: Vec<u32>,
    ) -> GuideText {
        let prompt = own.text(question, &self.in_front(question));
        GuideText {
            id: question.id.clone(),
            prompt_hash: sha256_hex(prompt.as_bytes()),
            text,
            written: String::new(),
            shares: Vec::new(),
            answer,
            tokens,
            model: self.name.clone(),
            created: String::new(),
            n_tokens: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::exam::Exam;
    use crate::bench::{FewShot, ItemSet, Runner, ScoreOptions};
    use crate::data::{Benchmark, Protocol, Split, mini};
    use crate::model::tokenizer::Tokenizer;
    use crate::model::{Model, mini as mini_model};
    use crate::tuning::method::tuned::Tuned;
    use crate::tuning::states::state_file::TunedState;
    use burn::tensor::Device;

    /// As the benchmark itself scores the same weights, and taught in the form of its
    /// answers.
    #[test]
    fn a_guide_chooses_what_the_benchmark_says_that_it_chooses() {
        let device = Device::flex();
        let checkpoint = mini_model::checkpoint().unwrap();
        let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let prompts = Prompts {
            tokenizer: &tokenizer,
            protocol: Protocol::Mini,
            text_start: TextStart::Zero,
            stops: &["\n\n"],
            max_new_tokens: 40,
        };
        let base = Tuned::from(TunedState::zero(model.config()));
        let states = || States::new(&model, &device, &base, 1).unwrap();
        let guide = LocalGuide {
            engine: Engine::new(&model, &device),
            states: states(),
            text_start: TextStart::Zero,
            solved: Vec::new(),
            examples: 0,
            name: "itself".into(),
        };
        for benchmark in [Benchmark::Arc, Benchmark::Mmlu] {
            let mut items = mini(benchmark, Split::Validation).unwrap();
            items.truncate(6);
            let questions: Vec<Question> = items.iter().map(Question::of).collect();
            let set = ItemSet::new(benchmark, Split::Validation, items, None);
            let exam = Exam::new(set, ScoreOptions::new(Protocol::Mini), &tokenizer);
            let mut runner =
                Runner::with_start(&model, &device, states().start(0), TextStart::Zero);
            let marks = exam.mark(&mut runner, FewShot::default(), &mut |_, _| Ok(()));
            let want = marks.unwrap().answers;
            let texts = guide.texts(&prompts, &questions, &mut |_| Ok(())).unwrap();
            let got: Vec<Option<String>> = texts.iter().map(|of| of.answer.clone()).collect();
            assert_eq!(got, want, "{benchmark}");
            for (text, question) in texts.iter().zip(&questions) {
                assert_eq!(text.id, question.id);
                let place: usize = text.answer.as_ref().unwrap().parse().unwrap();
                let taught = match benchmark {
                    Benchmark::Mmlu => ["A", "B", "C", "D"][place].to_owned(),
                    _ => question.options()[place].clone(),
                };
                assert_eq!(tokenizer.decode(&text.tokens), format!(" {taught}\n\n"));
                assert!(text.n_tokens > 0 && text.written.is_empty());
            }
        }
        // An untuned model writes no answer that can be read: kept, and without tokens.
        let items = mini(Benchmark::Gsm8k, Split::Validation).unwrap();
        let questions: Vec<Question> = items[..2].iter().map(Question::of).collect();
        let texts = guide.texts(&prompts, &questions, &mut |_| Ok(())).unwrap();
        assert_eq!(texts.len(), 2);
        assert!(
            texts
                .iter()
                .all(|of| of.tokens.is_empty() && of.n_tokens > 0)
        );
        let n_tokens: usize = texts.iter().map(|of| of.n_tokens).sum();
        let all = crate::adapt::guide::Guide::new(texts, None);
        assert_eq!((all.texts().count(), all.n_tokens()), (0, n_tokens));
    }
}
