//! From items to requests, and from the model's replies to records.

use super::evaluation::{Conditions, Evaluation, ItemRecord, LeftOut};
use super::options::ScoreOptions;
use super::{LanguageModel, Request, judge};
use crate::data::{Benchmark, Item, Split};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;

/// The items of a split that are scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemSet {
    /// Which benchmark.
    pub benchmark: Benchmark,
    /// Which part of it.
    pub split: Split,
    /// The items; the first of the split where there is a limit.
    pub items: Vec<Item>,
    /// Items that the split has.
    pub n_total: usize,
}

impl ItemSet {
    /// All items of a split, or the first `limit` of them.
    pub fn new(
        benchmark: Benchmark,
        split: Split,
        mut items: Vec<Item>,
        limit: Option<usize>,
    ) -> Self {
        let n_total = items.len();
        items.truncate(limit.unwrap_or(usize::MAX));
        Self {
            benchmark,
            split,
            items,
            n_total,
        }
    }
}

/// Scores `model` on the items of `set`. `progress` is told how many items are
/// done, and of how many; its error ends the work, as [`Error::Stopped`] does.
///
/// # Errors
/// What the model or `progress` reports, and [`Error::Spec`] where there are no
/// items or none that fits the context.
pub fn evaluate(
    model: &mut dyn LanguageModel,
    tokenizer: &Tokenizer,
    set: &ItemSet,
    options: &ScoreOptions,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Evaluation> {
    if set.items.is_empty() {
        return Err(Error::spec("evaluation", "there are no items to score"));
    }
    let solved = options.few_shot_of(&set.items);
    let few_shot = solved.iter().map(Vec::len).max().unwrap_or(0);
    let items = set.items.iter().zip(&solved);
    let asked = items.map(|(item, solved)| Asked::new(item, solved, tokenizer, options));
    let (mut fitting, mut left_out) = (Vec::new(), Vec::new());
    for asked in asked {
        match (options.context_length, asked.n_tokens(options)) {
            (Some(most), n_tokens) if n_tokens > most => left_out.push(LeftOut {
                id: asked.item.id.clone(),
                reason: format!("{n_tokens} tokens with its answer, the context has {most}"),
            }),
            (Some(_) | None, _) => fitting.push(asked),
        }
    }
    if let (true, Some(first)) = (fitting.is_empty(), left_out.first()) {
        let reason = format!(
            "none of the {} items fits; {} has {}",
            left_out.len(),
            first.id,
            first.reason
        );
        return Err(Error::spec("evaluation.context_length", reason));
    }
    let records = match set.benchmark {
        Benchmark::Gsm8k => write_answers(model, tokenizer, fitting, options, progress)?,
        Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande => {
            choose_answers(model, fitting, progress)?
        }
    };
    Ok(Evaluation {
        conditions: Conditions {
            benchmark: set.benchmark,
            protocol: options.protocol,
            split: set.split,
            few_shot,
            n_total: set.n_total,
            left_out,
        },
        records,
    })
}

/// An item as the model is asked it.
struct Asked<'a> {
    item: &'a Item,
    /// What it reads; where options have contexts of their own, the first.
    prompt: String,
    /// The tokens of the prompt and of nothing where the answer is written
    /// freely, else of context and continuation of every option.
    requests: Vec<Request>,
}

impl<'a> Asked<'a> {
    fn new(
        item: &'a Item,
        solved: &[&Item],
        tokenizer: &Tokenizer,
        options: &ScoreOptions,
    ) -> Self {
        let protocol = options.protocol;
        let prefix = protocol.prefix(item, solved);
        let prompt = format!("{prefix}{}", protocol.question(item));
        let mut requests: Vec<_> = protocol
            .pairs(item)
            .iter()
            .map(|(context, continuation)| {
                let context = format!("{prefix}{context}");
                protocol.pairing().encode(tokenizer, &context, continuation)
            })
            .collect();
        if requests.is_empty() {
            requests.push((tokenizer.encode(&prompt), Vec::new()));
        }
        Self {
            item,
            prompt,
            requests,
        }
    }

    /// Tokens that the model has read or written in the end, token 0 included.
    fn n_tokens(&self, options: &ScoreOptions) -> usize {
        let longest =
            self.requests
                .iter()
                .map(|(context, continuation)| match continuation.len() {
                    0 => 1 + context.len() + options.max_new_tokens,
                    n => 1 + context.len() + n,
                });
        longest.max().unwrap_or(0)
    }
}

/// Lets the model write an answer to each item.
fn write_answers(
    model: &mut dyn LanguageModel,
    tokenizer: &Tokenizer,
    asked: Vec<Asked<'_>>,
    options: &ScoreOptions,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<ItemRecord>> {
    let prompts: Vec<Vec<u32>> = asked
        .iter()
        .flat_map(|asked| asked.requests.iter().map(|(prompt, _)| prompt.clone()))
        .collect();
    let stops = options.stops();
    let stop = |tokens: &[u32]| {
        let text = tokenizer.decode(tokens);
        stops.iter().any(|stop| text.contains(stop))
    };
    let outputs = model.generate(&prompts, options.max_new_tokens, &stop, progress)?;
    check_count(outputs.len(), asked.len())?;
    asked
        .into_iter()
        .zip(outputs)
        .map(|(Asked { item, prompt, .. }, tokens)| {
            let output = tokenizer.decode(&tokens);
            judge::written(item, prompt, output, options)
        })
        .collect()
}

/// Lets the model weigh the options of each item.
fn choose_answers(
    model: &mut dyn LanguageModel,
    mut asked: Vec<Asked<'_>>,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<ItemRecord>> {
    let groups: Vec<_> = asked
        .iter_mut()
        .map(|asked| std::mem::take(&mut asked.requests))
        .collect();
    let scores = model.log_likelihoods(&groups, progress)?;
    check_count(scores.len(), asked.len())?;
    asked
        .into_iter()
        .zip(scores)
        .map(|(Asked { item, prompt, .. }, scores)| judge::chosen(item, prompt, scores))
        .collect()
}

fn check_count(got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::Device(format!(
        "{got} replies came for {expected} requests"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Answer, FewShot};
    use crate::data::{MmluTemplate, Protocol, Split, Task, mini, mini_few_shot};

    /// A model whose replies are functions of the texts that it is shown.
    struct Scripted<'a> {
        tokenizer: &'a Tokenizer,
        log_likelihood: fn(&str, &str) -> f64,
        reply: fn(&str) -> &'static str,
        prompts: Vec<String>,
    }

    impl<'a> Scripted<'a> {
        fn new(tokenizer: &'a Tokenizer) -> Self {
            Self {
                tokenizer,
                log_likelihood: |_, _| 0.0,
                reply: |_| "",
                prompts: Vec::new(),
            }
        }
    }

    impl LanguageModel for Scripted<'_> {
        fn log_likelihoods(
            &mut self,
            groups: &[Vec<Request>],
            progress: &mut dyn FnMut(usize, usize) -> Result<()>,
        ) -> Result<Vec<Vec<f64>>> {
            let mut scores = Vec::new();
            for group in groups {
                let of_group = group.iter().map(|(context, continuation)| {
                    let context = self.tokenizer.decode(context);
                    let continuation = self.tokenizer.decode(continuation);
                    (self.log_likelihood)(&context, &continuation)
                });
                scores.push(of_group.collect());
                progress(scores.len(), groups.len())?;
            }
            Ok(scores)
        }

        fn generate(
            &mut self,
            prompts: &[Vec<u32>],
            max_new_tokens: usize,
            stop: &dyn Fn(&[u32]) -> bool,
            progress: &mut dyn FnMut(usize, usize) -> Result<()>,
        ) -> Result<Vec<Vec<u32>>> {
            let mut outputs = Vec::new();
            for prompt in prompts {
                let prompt = self.tokenizer.decode(prompt);
                let mut output = Vec::new();
                for token in self.tokenizer.encode((self.reply)(&prompt)) {
                    if output.len() == max_new_tokens || stop(&output) {
                        break;
                    }
                    output.push(token);
                }
                self.prompts.push(prompt);
                outputs.push(output);
                progress(outputs.len(), prompts.len())?;
            }
            Ok(outputs)
        }
    }

    fn score(
        model: &mut Scripted<'_>,
        benchmark: Benchmark,
        items: &[Item],
        options: &ScoreOptions,
    ) -> Evaluation {
        let tokenizer = model.tokenizer;
        let mut last = (0, 0);
        let mut progress = |done, total| {
            last = (done, total);
            Ok(())
        };
        let set = ItemSet::new(benchmark, Split::Test, items.to_vec(), None);
        let evaluation = evaluate(model, tokenizer, &set, options, &mut progress).unwrap();
        assert_eq!(last, (items.len(), items.len()));
        evaluation
    }

    fn check_written(reply: fn(&str) -> &'static str, protocol: Protocol, expected: &str) {
        let tokenizer = Tokenizer::mini().unwrap();
        let items = [Item {
            id: "test/1".into(),
            task: Task::Generate {
                question: "What is 1+1?".into(),
                answer: "#### 2".into(),
            },
        }];
        let mut model = Scripted::new(&tokenizer);
        model.reply = reply;
        let options = ScoreOptions::new(protocol);
        let evaluation = score(&mut model, Benchmark::Gsm8k, &items, &options);
        assert_eq!(model.prompts, ["Question: What is 1+1?\nAnswer:"]);
        let record = &evaluation.records[0];
        let Answer::Written {
            output,
            correct_flexible,
            ..
        } = &record.answer
        else {
            panic!("{record:?}");
        };
        let flexible = if *correct_flexible { "flexible" } else { "-" };
        let strict = if record.correct { "strict" } else { "-" };
        assert_eq!(format!("{output:?} {strict} {flexible}"), expected);
    }

    #[test]
    fn written_answers_end_at_the_stops_of_their_protocol() {
        let (mini, lm_eval) = (Protocol::Mini, Protocol::LM_EVAL);
        let reply = |_: &str| " #### 2\n\nQuestion: 7";
        check_written(reply, mini, r#"" #### 2\n\n" strict flexible"#);
        check_written(reply, lm_eval, r#"" #### 2\n\n" strict flexible"#);
        let reply = |_: &str| " #### 2</s>9";
        check_written(reply, mini, r#"" #### 2</s>9" strict -"#);
        check_written(reply, lm_eval, r#"" #### 2" strict flexible"#);
        check_written(|_| " it is 2.", lm_eval, r#"" it is 2." - flexible"#);
        check_written(|_| "", mini, r#""" - -"#);
    }

    #[test]
    fn written_answers_are_cut_at_the_limit() {
        let tokenizer = Tokenizer::mini().unwrap();
        let items = &mini(Benchmark::Gsm8k, Split::Test).unwrap()[..1];
        let mut model = Scripted::new(&tokenizer);
        model.reply = |_| "11111111111111111111111111111111111111111111111111111111111111";
        let options = ScoreOptions::new(Protocol::Mini);
        let evaluation = score(&mut model, Benchmark::Gsm8k, items, &options);
        let Answer::Written { output, .. } = &evaluation.records[0].answer else {
            panic!();
        };
        assert_eq!(output, &"1".repeat(48));
    }

    #[test]
    fn solved_questions_of_the_same_subject_go_in_front() {
        let tokenizer = Tokenizer::mini().unwrap();
        let mut model = Scripted::new(&tokenizer);
        let mut options = ScoreOptions::new(Protocol::Mini);
        options.few_shot = FewShot::Same(mini_few_shot(Benchmark::Gsm8k, 5).unwrap());
        let items = &mini(Benchmark::Gsm8k, Split::Test).unwrap()[..2];
        let evaluation = score(&mut model, Benchmark::Gsm8k, items, &options);
        assert_eq!(evaluation.conditions.few_shot, 5);
        assert_eq!(model.prompts[0].matches("Question: ").count(), 6);
        assert_eq!(model.prompts[0], evaluation.records[0].prompt);

        options.few_shot = FewShot::Same(mini_few_shot(Benchmark::Mmlu, 2).unwrap());
        let items = mini(Benchmark::Mmlu, Split::Validation).unwrap();
        let evaluation = score(&mut model, Benchmark::Mmlu, &items, &options);
        assert_eq!(evaluation.conditions.few_shot, 2);
        let last = evaluation.records.last().unwrap();
        assert!(
            last.prompt
                .starts_with("The following are multiple choice questions")
        );
        assert_eq!(last.prompt.matches("about science.").count(), 1);
        assert_eq!(last.prompt.matches("\nAnswer:").count(), 3);
        assert_eq!(evaluation.by_subject().len(), 6);
    }

    #[test]
    fn the_whole_of_each_mini_benchmark_is_scored() {
        let tokenizer = Tokenizer::mini().unwrap();
        let check = |benchmark, log_likelihood, n_correct| {
            let items = mini(benchmark, Split::Test).unwrap();
            let mut model = Scripted::new(&tokenizer);
            model.log_likelihood = log_likelihood;
            let options = ScoreOptions::new(Protocol::Mini);
            let evaluation = score(&mut model, benchmark, &items, &options);
            let headline = evaluation.headline().accuracy;
            assert_eq!((headline.n_correct, headline.n_items), (n_correct, 500));
        };
        // Constant replies choose the first option; the counts are those of
        // the answer keys in the files.
        check(Benchmark::Mmlu, |_, _| -1.0, 113);
        check(Benchmark::WinoGrande, |_, _| -1.0, 238);
        let letter_d: fn(&str, &str) -> f64 = |_, text| f64::from(text == " D");
        check(Benchmark::Mmlu, letter_d, 129);
    }

    #[test]
    fn items_past_the_context_are_listed_and_never_cut() {
        let tokenizer = Tokenizer::mini().unwrap();
        let items = mini(Benchmark::Arc, Split::Test).unwrap();
        let mut model = Scripted::new(&tokenizer);
        let mut options = ScoreOptions::new(Protocol::Mini);
        options.context_length = Some(30);
        let set = ItemSet::new(Benchmark::Arc, Split::Test, items, Some(200));
        let mut run = |options: &ScoreOptions| {
            evaluate(&mut model, &tokenizer, &set, options, &mut |_, _| Ok(()))
        };
        let Evaluation {
            conditions,
            records,
        } = run(&options).unwrap();
        let n_left_out = conditions.left_out.len();
        assert!(n_left_out > 5 && n_left_out < 195, "{n_left_out}");
        assert_eq!((records.len() + n_left_out, conditions.n_total), (200, 500));
        let reason = &conditions.left_out[0].reason;
        let expected = " tokens with its answer, the context has 30";
        assert!(reason.ends_with(expected), "{reason}");
        options.context_length = Some(3);
        let message = run(&options).unwrap_err().to_string();
        let expected = "evaluation.context_length: none of the 200 items fits; ";
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn an_error_of_the_progress_ends_the_work() {
        let tokenizer = Tokenizer::mini().unwrap();
        let items = mini(Benchmark::WinoGrande, Split::Test).unwrap();
        let mut model = Scripted::new(&tokenizer);
        let options = ScoreOptions::new(Protocol::LmEval {
            mmlu: MmluTemplate::Rwkv,
        });
        let mut run = |items: &[Item], benchmark| {
            let stop = &mut |_, _| Err(Error::Stopped);
            let set = ItemSet::new(benchmark, Split::Test, items.to_vec(), None);
            evaluate(&mut model, &tokenizer, &set, &options, stop).unwrap_err()
        };
        let benchmark = Benchmark::WinoGrande;
        assert!(matches!(run(&items, benchmark), Error::Stopped));
        assert!(matches!(run(&[], benchmark), Error::Spec { .. }));
    }
}
