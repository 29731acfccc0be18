use super::*;
use crate::bench::{Answer, FewShot, FewShotOrder};
use crate::data::{MmluTemplate, Protocol, Split, Task, mini, mini_few_shot};
use crate::model::TextStart;

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
    fn text_start(&self) -> Option<TextStart> {
        None
    }

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
    let mut options = ScoreOptions::new(Protocol::Mini);
    options.cut_answers(Some(48), &[], &tokenizer);
    let evaluation = score(&mut model, Benchmark::Gsm8k, items, &options);
    let Answer::Written { output, ended, .. } = &evaluation.records[0].answer else {
        panic!();
    };
    assert_eq!((output, *ended), (&"1".repeat(48), Some(false)));
    assert_eq!(evaluation.conditions.max_new_tokens, Some(48));
}

/// An answer of exactly as many tokens as it may have, whose last one ends it.
#[test]
fn an_answer_that_ends_at_the_limit_was_not_cut() {
    let tokenizer = Tokenizer::mini().unwrap();
    let items = &mini(Benchmark::Gsm8k, Split::Test).unwrap()[..1];
    let mut model = Scripted::new(&tokenizer);
    model.reply = |_| " #### 2\n\n";
    let n_tokens = tokenizer.encode(" #### 2\n\n").len();
    for (cap, expected) in [(n_tokens, true), (n_tokens - 1, false), (99, true)] {
        let mut options = ScoreOptions::new(Protocol::Mini);
        options.cut_answers(Some(cap), &[], &tokenizer);
        let evaluation = score(&mut model, Benchmark::Gsm8k, items, &options);
        let Answer::Written { ended, .. } = &evaluation.records[0].answer else {
            panic!();
        };
        assert_eq!(*ended, Some(expected), "{cap}");
        assert_eq!(evaluation.records[0].n_steps, Some(4));
    }
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
    let order = evaluation.conditions.few_shot_order;
    assert_eq!(order, Some(FewShotOrder::First));
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

/// Items that are left out with so many of the first solved questions in front.
fn n_left_out(
    set: &ItemSet,
    options: &ScoreOptions,
    solved: FewShot,
    context: usize,
    tokenizer: &Tokenizer,
) -> usize {
    let options = ScoreOptions {
        few_shot: solved,
        context_length: Some(context),
        ..options.clone()
    };
    let mut model = Scripted::new(tokenizer);
    match evaluate(&mut model, tokenizer, set, &options, &mut |_, _| Ok(())) {
        Ok(evaluation) => evaluation.conditions.left_out.len(),
        // None fits at all.
        Err(_) => set.items.len(),
    }
}

#[test]
fn as_many_solved_questions_fit_as_leave_no_question_out() {
    let tokenizer = Tokenizer::mini().unwrap();
    for (benchmark, context) in [(Benchmark::Gsm8k, 600), (Benchmark::Arc, 300)] {
        let items = mini(benchmark, Split::Test).unwrap();
        let set = ItemSet::new(benchmark, Split::Test, items, Some(40));
        let mut options = ScoreOptions::new(Protocol::Mini);
        options.max_new_tokens = 60;
        let pool = FewShot::mini_pool(benchmark).unwrap();
        assert_eq!(pool.len(), 2_000);
        let n = fitting_shots(&pool, &set, &options, &tokenizer, context);
        assert!(n > 0, "{benchmark}");
        let left_out = |n: usize| {
            let solved = FewShot::Same(mini_few_shot(benchmark, n).unwrap());
            n_left_out(&set, &options, solved, context, &tokenizer)
        };
        let alone = left_out(0);
        assert_eq!(left_out(n), alone, "{benchmark}, {n}");
        assert!(left_out(n + 1) > alone, "{benchmark}, {n}");
        // All of a small pool fit in much room, and none in too little.
        let few = &pool[..3];
        assert_eq!(fitting_shots(few, &set, &options, &tokenizer, 100_000), 3);
        assert_eq!(fitting_shots(&pool, &set, &options, &tokenizer, 5), 0);
    }
}

#[test]
fn what_stands_in_front_of_every_question_is_read_once_where_it_is_the_same() {
    let set = |benchmark| {
        let items = mini(benchmark, Split::Test).unwrap();
        ItemSet::new(benchmark, Split::Test, items, Some(40))
    };
    let mut options = ScoreOptions::new(Protocol::Mini);
    options.few_shot = FewShot::mini(Benchmark::Gsm8k, 2, None).unwrap();
    let prefix = shared_prefix(&set(Benchmark::Gsm8k), &options).unwrap();
    let tokenizer = Tokenizer::mini().unwrap();
    let mut model = Scripted::new(&tokenizer);
    let gsm8k = set(Benchmark::Gsm8k);
    let mut progress = |_, _| Ok(());
    evaluate(&mut model, &tokenizer, &gsm8k, &options, &mut progress).unwrap();
    // It is what the model was shown before each question.
    assert_eq!(model.prompts.len(), 40);
    for prompt in &model.prompts {
        let question = prompt.strip_prefix(prefix.as_str()).unwrap();
        assert!(question.starts_with("Question: ") && question.ends_with("Answer:"));
        assert_eq!(question.matches("Question: ").count(), 1);
    }
    // Others are drawn for each question.
    options.few_shot = FewShot::mini(Benchmark::Gsm8k, 2, Some(FewShotOrder::Drawn)).unwrap();
    assert_eq!(shared_prefix(&gsm8k, &options), None);
}
