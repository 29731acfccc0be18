//! From items to requests, and from the model's replies to records.

use super::evaluation::{Evaluation, ItemRecord};
use super::options::ScoreOptions;
use super::{LanguageModel, judge};
use crate::data::{Benchmark, Item};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;

/// Scores `model` on `items`. `progress` is told how many items are done, and
/// of how many; its error ends the work, as [`Error::Stopped`] does.
///
/// # Errors
/// What the model or `progress` reports, and [`Error::Spec`] where there are no
/// items.
pub fn evaluate(
    model: &mut dyn LanguageModel,
    tokenizer: &Tokenizer,
    benchmark: Benchmark,
    items: &[Item],
    options: &ScoreOptions,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Evaluation> {
    if items.is_empty() {
        return Err(Error::spec("evaluation", "there are no items to score"));
    }
    let prefixes: Vec<_> = items
        .iter()
        .map(|item| options.protocol.prefix(item, &options.few_shot_of(item)))
        .collect();
    let few_shot = items.iter().map(|item| options.few_shot_of(item).len());
    let records = match benchmark {
        Benchmark::Gsm8k => write_answers(model, tokenizer, items, &prefixes, options, progress)?,
        Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande => {
            choose_answers(model, tokenizer, items, &prefixes, options, progress)?
        }
    };
    Ok(Evaluation {
        benchmark,
        protocol: options.protocol,
        few_shot: few_shot.max().unwrap_or(0),
        records,
    })
}

/// Lets the model write an answer to each item.
fn write_answers(
    model: &mut dyn LanguageModel,
    tokenizer: &Tokenizer,
    items: &[Item],
    prefixes: &[String],
    options: &ScoreOptions,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<ItemRecord>> {
    let texts: Vec<_> = items
        .iter()
        .zip(prefixes)
        .map(|(item, prefix)| format!("{prefix}{}", options.protocol.question(item)))
        .collect();
    let prompts: Vec<_> = texts.iter().map(|text| tokenizer.encode(text)).collect();
    let stops = options.stops();
    let stop = |tokens: &[u32]| {
        let text = tokenizer.decode(tokens);
        stops.iter().any(|stop| text.contains(stop))
    };
    let outputs = model.generate(&prompts, options.max_new_tokens, &stop, progress)?;
    check_count(outputs.len(), items.len())?;
    let replies = items.iter().zip(texts).zip(outputs);
    replies
        .map(|((item, prompt), tokens)| {
            let output = tokenizer.decode(&tokens);
            judge::written(item, prompt, output, options)
        })
        .collect()
}

/// Lets the model weigh the options of each item.
fn choose_answers(
    model: &mut dyn LanguageModel,
    tokenizer: &Tokenizer,
    items: &[Item],
    prefixes: &[String],
    options: &ScoreOptions,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<ItemRecord>> {
    let pairing = options.protocol.pairing();
    let mut requests = Vec::new();
    // Where the requests of each item end.
    let mut ends = Vec::with_capacity(items.len());
    for (item, prefix) in items.iter().zip(prefixes) {
        for (context, continuation) in options.protocol.pairs(item) {
            let context = format!("{prefix}{context}");
            requests.push(pairing.encode(tokenizer, &context, &continuation));
        }
        ends.push(requests.len());
    }
    let scores = model.log_likelihoods(&requests, &mut |n_done, _| {
        progress(ends.partition_point(|end| *end <= n_done), items.len())
    })?;
    check_count(scores.len(), requests.len())?;
    let mut records = Vec::with_capacity(items.len());
    let mut start = 0;
    for ((item, prefix), end) in items.iter().zip(prefixes).zip(&ends) {
        let prompt = format!("{prefix}{}", options.protocol.question(item));
        records.push(judge::chosen(item, prompt, scores[start..*end].to_vec())?);
        start = *end;
    }
    Ok(records)
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
    use crate::bench::Answer;
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
            requests: &[(Vec<u32>, Vec<u32>)],
            progress: &mut dyn FnMut(usize, usize) -> Result<()>,
        ) -> Result<Vec<f64>> {
            let mut scores = Vec::new();
            for (context, continuation) in requests {
                let context = self.tokenizer.decode(context);
                let continuation = self.tokenizer.decode(continuation);
                scores.push((self.log_likelihood)(&context, &continuation));
                progress(scores.len(), requests.len())?;
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
        let evaluation =
            evaluate(model, tokenizer, benchmark, items, options, &mut progress).unwrap();
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
        options.few_shot = mini_few_shot(Benchmark::Gsm8k, 5).unwrap();
        let items = &mini(Benchmark::Gsm8k, Split::Test).unwrap()[..2];
        let evaluation = score(&mut model, Benchmark::Gsm8k, items, &options);
        assert_eq!(evaluation.few_shot, 5);
        assert_eq!(model.prompts[0].matches("Question: ").count(), 6);
        assert_eq!(model.prompts[0], evaluation.records[0].prompt);

        options.few_shot = mini_few_shot(Benchmark::Mmlu, 2).unwrap();
        let items = mini(Benchmark::Mmlu, Split::Validation).unwrap();
        let evaluation = score(&mut model, Benchmark::Mmlu, &items, &options);
        assert_eq!(evaluation.few_shot, 2);
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
    fn an_error_of_the_progress_ends_the_work() {
        let tokenizer = Tokenizer::mini().unwrap();
        let items = mini(Benchmark::WinoGrande, Split::Test).unwrap();
        let mut model = Scripted::new(&tokenizer);
        let options = ScoreOptions::new(Protocol::LmEval {
            mmlu: MmluTemplate::Rwkv,
        });
        let mut run = |items: &[Item], benchmark| {
            let stop = &mut |_, _| Err(Error::Stopped);
            evaluate(&mut model, &tokenizer, benchmark, items, &options, stop).unwrap_err()
        };
        let benchmark = Benchmark::WinoGrande;
        assert!(matches!(run(&items, benchmark), Error::Stopped));
        assert!(matches!(run(&[], benchmark), Error::Spec { .. }));
    }
}
