//! Answers against what the scorer of benchmarks says of the same questions.

use burn::tensor::Device;

use super::super::settings::{FORMAT, ModelMark};
use super::super::source::{Source, Task, TaskOptions};
use super::*;
use crate::bench::{LanguageModel as _, Runner};
use crate::data::{Benchmark, Protocol};
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, TextStart, mini};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::state_file::TunedState;

struct TestJob {
    device: Device,
    model: Model,
    tokenizer: Tokenizer,
    task: Task,
    settings: Settings,
}

impl TestJob {
    fn new(benchmark: Benchmark, n: usize, samples: usize, temperature: f32) -> Self {
        let device = Device::flex();
        let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let options = TaskOptions {
            limit: Some(n),
            max_new_tokens: Some(24),
            ..TaskOptions::default()
        };
        let task = Task::load(&Source::Benchmark(benchmark), &options, &tokenizer).unwrap();
        let settings = Settings {
            format: FORMAT.into(),
            source: task.mark.clone(),
            model: ModelMark {
                file: "mini".into(),
                fingerprint: "x".into(),
            },
            state: None,
            leading_token: TextStart::Zero,
            samples,
            temperature,
            shots: 0,
            seed: 3,
            max_new_tokens: task.max_new_tokens,
        };
        Self {
            device,
            model,
            tokenizer,
            task,
            settings,
        }
    }

    fn run(
        &self,
        files: &Files,
        tell: &mut dyn FnMut(Progress) -> Result<()>,
    ) -> Result<Vec<Sampled>> {
        let zero = Tuned::from(TunedState::zero(self.model.config()));
        let states = States::new(&self.model, &self.device, &zero, 1)?;
        let stops: Vec<&str> = self.task.stops.iter().map(String::as_str).collect();
        let prompts = Prompts {
            tokenizer: &self.tokenizer,
            protocol: Protocol::Mini,
            text_start: TextStart::Zero,
            stops: &stops,
            max_new_tokens: self.task.max_new_tokens,
        };
        let job = Job {
            engine: Engine::new(&self.model, &self.device),
            states: &states,
            prompts: &prompts,
            questions: &self.task.questions,
            settings: &self.settings,
            answers_of_a_part: 4,
        };
        let known = files.begin(&self.settings, false)?;
        job.run(files, known, tell)
    }
}

/// 4,000 draws of every question against the likelihoods that `gosling eval` has.
#[test]
fn options_are_drawn_by_their_likelihoods() {
    const N: usize = 4000;
    let folder = tempfile::tempdir().unwrap();
    let asking = TestJob::new(Benchmark::Arc, 3, N, 2.0);
    let files = Files::at(&folder.path().join("arc.jsonl"));
    let all = asking.run(&files, &mut |_| Ok(())).unwrap();
    let groups = asking.task.questions.iter().map(|of| match &of.kind {
        Kind::Options { requests, .. } => requests.clone(),
        Kind::Written { .. } => panic!("written"),
    });
    let groups: Vec<_> = groups.collect();
    let mut runner = Runner::new(&asking.model, &asking.device);
    let scores = runner.log_likelihoods(&groups, &mut |_, _| Ok(())).unwrap();
    for ((question, sampled), scores) in asking.task.questions.iter().zip(&all).zip(&scores) {
        let Kind::Options { options, gold, .. } = &question.kind else {
            panic!("written");
        };
        let weights: Vec<f64> = scores.iter().map(|score| (score / 2.0).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for (option, weight) in options.iter().zip(&weights) {
            let p = weight / sum;
            let n = sampled
                .answers
                .iter()
                .filter(|of| of.text == *option)
                .count();
            let error = (p * (1.0 - p) / N as f64).sqrt();
            let share = n as f64 / N as f64;
            assert!((share - p).abs() <= 5.0 * error + 1e-9, "{share}, not {p}");
        }
        let right = |of: &Answer| of.right == (of.text == options[*gold]) && of.ended;
        assert!(sampled.answers.iter().all(right), "{}", question.id);
    }
}

/// Near temperature 0 every draw is the likeliest token: the greedy answer that a
/// benchmark is scored on.
#[test]
fn cold_answers_are_the_greedy_ones() {
    let folder = tempfile::tempdir().unwrap();
    let asking = TestJob::new(Benchmark::Gsm8k, 3, 2, 1e-4);
    let files = Files::at(&folder.path().join("sums.jsonl"));
    let all = asking.run(&files, &mut |_| Ok(())).unwrap();
    let prompts = asking.task.questions.iter().map(|of| match &of.kind {
        Kind::Written { asked, .. } => asked.clone(),
        Kind::Options { .. } => panic!("options"),
    });
    let prompts: Vec<Vec<u32>> = prompts.collect();
    let stop = |tokens: &[u32]| asking.tokenizer.decode(tokens).contains("\n\n");
    let mut runner = Runner::new(&asking.model, &asking.device);
    let greedy = runner
        .generate(&prompts, asking.task.max_new_tokens, &stop, &mut |_, _| {
            Ok(())
        })
        .unwrap();
    for (sampled, tokens) in all.iter().zip(&greedy) {
        let text = asking.tokenizer.decode(tokens);
        let text = text.split("\n\n").next().unwrap().trim_end_matches('\0');
        assert_eq!(sampled.answers.len(), 2);
        for answer in &sampled.answers {
            assert_eq!(answer.text, text);
            assert_eq!(answer.ended, tokens.len() < 24 || stop(tokens));
        }
    }
}

/// A job that is stopped in the middle and begun again has the answers of one that
/// was not.
#[test]
fn what_is_saved_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let asking = TestJob::new(Benchmark::Gsm8k, 6, 2, 1.0);
    let whole = Files::at(&folder.path().join("whole.jsonl"));
    let whole = asking.run(&whole, &mut |_| Ok(())).unwrap();
    assert_eq!(whole.len(), 6);
    assert_ne!(whole[0].answers[0], whole[0].answers[1], "both draws alike");
    let parts = Files::at(&folder.path().join("parts.jsonl"));
    let mut heard = Vec::new();
    let stopped = asking.run(&parts, &mut |progress| {
        heard.push(progress.done);
        assert_eq!(progress.total, 12);
        match progress.questions {
            0 | 2 => Ok(()),
            _ => Err(Error::Stopped),
        }
    });
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    assert!(heard.is_sorted(), "{heard:?}");
    let saved = parts.begin(&asking.settings, false).unwrap();
    assert_eq!(saved, whole[..4]);
    let first = std::cell::Cell::new(None);
    let resumed = asking.run(&parts, &mut |progress| {
        first.set(first.get().or(Some(progress.done)));
        Ok(())
    });
    assert_eq!(first.get(), Some(8));
    assert_eq!(resumed.unwrap(), whole);
}
