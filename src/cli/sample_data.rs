//! `gosling sample-data`: training data from the model itself, its right answers to
//! questions that can be checked.

use std::io::{Write as _, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use crossbeam_channel::Receiver;

use super::console::can_clear_errors;
use super::follow::{INTERRUPTED, end_of_input, interrupts};
use super::model_arguments::{LoadedModel, ModelArguments};
use super::progress::duration;
use super::quoted;
use crate::adapt::engine::Engine;
use crate::adapt::prompts::Prompts;
use crate::adapt::states::States;
use crate::data::{Protocol, Template};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::protocol::fields::MAX_CONTEXT;
use crate::sample_data::{
    ANSWERS_OF_A_PART, Files, Job, ModelMark, Progress, Settings, Source, Task, TaskOptions,
    Written,
};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::state_file::TunedState;

/// The most answers of a question.
const MOST_SAMPLES: i64 = 1024;
/// How often the live line is drawn, and a plain line written.
const LIVE: Duration = Duration::from_millis(200);
const PLAIN: Duration = Duration::from_secs(10);

/// What is asked, and what is kept.
#[derive(Args)]
pub struct SampleDataArguments {
    /// The questions: gsm8k, arc, mmlu or winogrande (their training split), or a file of
    /// prompts or chats (`prompt` or `messages`), each with an `answer` (the exact text) or a
    /// `pattern` (a regular expression that is found in right answers).
    #[arg(value_name = "BENCHMARK or FILE")]
    source: Source,
    /// The training file to write; all answers and a description are written beside it.
    #[arg(long, short, value_name = "FILE.jsonl")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArguments,
    /// Folder with the benchmark's official files; default: the mini set.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Ask only this many questions, from the start.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Number of answers to each question.
    #[arg(long, short = 'k', value_name = "K", default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=MOST_SAMPLES))]
    samples: u32,
    /// Keep at most this many different right answers of a question.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=MOST_SAMPLES))]
    keep: u32,
    /// Temperature of the sampling; above 1, answers differ more.
    #[arg(long, default_value_t = 1.0)]
    temperature: f32,
    /// Number of solved training questions in front of each question while it is
    /// answered; the training file does not contain them.
    #[arg(long, value_name = "N", default_value_t = 0)]
    shots: usize,
    /// Seed of all draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Cut answers off after this many tokens; default: the longest given answer plus a
    /// quarter; for a file, 256.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..=MAX_CONTEXT as i64))]
    max_new_tokens: Option<u32>,
    /// The text around the prompts of a file, as in gosling tune --template; default:
    /// UserAssistant.
    #[arg(long, value_name = "NAME or FILE.ron")]
    template: Option<Template>,
    /// Draw all answers again, even if some are there.
    #[arg(long)]
    restart: bool,
    /// Print only the result.
    #[arg(long)]
    quiet: bool,
    /// Stop and save when the standard input ends; the window uses this.
    #[arg(long, hide = true)]
    ends_with_input: bool,
}

/// Answers, checks and writes; the same command goes on after an interrupt.
///
/// # Errors
/// Bad input: what it is, and where; what the device reports.
pub fn run(arguments: &SampleDataArguments) -> Result<ExitCode> {
    let temperature = arguments.temperature;
    if !temperature.is_finite() || temperature <= 0.0 {
        let reason = tr!("must be a number above 0, is {temperature}", temperature);
        return Err(Error::spec("--temperature", reason));
    }
    let folder = arguments
        .output
        .parent()
        .filter(|it| !it.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let reason = tr!("no such folder; create it first");
        return Err(Error::input(folder, "--output", reason));
    }
    let interrupts = interrupts()?;
    let loaded = arguments.model.load()?;
    let task = Task::load(&arguments.source, &arguments.options(), &loaded.tokenizer)?;
    for note in &task.notes {
        eprintln!("gosling: {note}");
    }
    let settings = arguments.settings(&task, &loaded);
    let files = Files::at(&arguments.output);
    let known = files.begin(&settings, arguments.restart)?;
    let input = arguments.ends_with_input.then(end_of_input);
    let mut teller = SamplingProgress::new(arguments.quiet, interrupts, input);
    if !known.is_empty() {
        teller.say(&tr!("{} questions are answered already", known.len()));
    }
    let zero = || Tuned::from(TunedState::zero(loaded.model.config()));
    let base = loaded.tuned.clone().unwrap_or_else(zero);
    let stops: Vec<&str> = task.stops.iter().map(String::as_str).collect();
    let prompts = Prompts {
        tokenizer: &loaded.tokenizer,
        protocol: Protocol::Mini,
        text_start: loaded.text_start,
        stops: &stops,
        max_new_tokens: task.max_new_tokens,
    };
    let device = &loaded.device.device;
    let states = States::new(&loaded.model, device, &base, 1)?;
    let job = Job {
        engine: Engine::new(&loaded.model, device),
        states: &states,
        prompts: &prompts,
        questions: &task.questions,
        settings: &settings,
        answers_of_a_part: ANSWERS_OF_A_PART,
    };
    let done = job.run(&files, known, &mut |progress| teller.tell(progress));
    teller.clear();
    let all = match done {
        Ok(all) => all,
        Err(Error::Stopped) => {
            eprintln!(
                "{}",
                tr!(
                    "gosling: stopped; the answers so far are in {}, the same command continues from there",
                    shown(&files.samples())
                )
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) => return Err(error),
    };
    let keep = arguments.keep as usize;
    let written = files.finish(&settings, &task.questions, &all, keep)?;
    arguments.print(&written, &settings, &files);
    Ok(ExitCode::SUCCESS)
}

impl SampleDataArguments {
    fn options(&self) -> TaskOptions {
        TaskOptions {
            data: self.data.clone(),
            limit: self.limit.map(|n| n as usize),
            shots: self.shots,
            template: self.template.clone(),
            max_new_tokens: self.max_new_tokens.map(|n| n as usize),
        }
    }

    fn settings(&self, task: &Task, loaded: &LoadedModel) -> Settings {
        Settings::new(
            task.mark.clone(),
            task.max_new_tokens,
            ModelMark {
                file: loaded.file.clone(),
                fingerprint: loaded.fingerprint.clone(),
            },
            loaded
                .tuned
                .as_ref()
                .map(|of| (loaded.start_name.as_str(), of)),
            loaded.text_start,
        )
        .drawing(
            self.samples as usize,
            self.temperature,
            self.shots,
            self.seed,
        )
    }

    fn print(&self, written: &Written, settings: &Settings, files: &Files) {
        let counts = written.counts;
        let Settings { source, .. } = settings;
        println!("{}", tr!("{}, {} questions", source.name, counts.questions));
        println!("{}", tr!("  answers drawn          {}", counts.sampled));
        println!("{}", tr!("  right                  {}", counts.right));
        println!("{}", tr!("  cut, so not kept       {}", counts.cut));
        println!("{}", tr!("  solved questions       {}", counts.solved()));
        println!(
            "{}",
            tr!("  questions with none    {}", counts.questions_with_none)
        );
        println!("{}", tr!("  kept                   {}", counts.kept));
        println!("{}", tr!("{}  every answer", shown(&files.samples())));
        println!(
            "{}",
            tr!("{}  where they come from", shown(&written.description))
        );
        let template = match &source.template {
            Some(template) => format!(" --template {template}"),
            None => String::new(),
        };
        println!(
            "{}",
            tr!(
                "{}  to tune on: gosling tune --data {}{template}",
                shown(&written.output),
                quoted(&written.output),
                template
            )
        );
    }
}

/// Tells how far it is, and hears an interrupt.
struct SamplingProgress {
    is_quiet: bool,
    is_live: bool,
    has_line: bool,
    interrupts: Receiver<()>,
    /// The end of the input, where a window has started the program.
    input: Option<Receiver<()>>,
    start: Instant,
    /// Answers that were there before.
    first: Option<usize>,
    last: Option<Instant>,
}

impl SamplingProgress {
    fn new(is_quiet: bool, interrupts: Receiver<()>, input: Option<Receiver<()>>) -> Self {
        Self {
            is_quiet,
            is_live: can_clear_errors(),
            has_line: false,
            interrupts,
            input,
            start: Instant::now(),
            first: None,
            last: None,
        }
    }

    fn say(&mut self, line: &str) {
        if !self.is_quiet {
            self.clear();
            eprintln!("{line}");
        }
    }

    fn clear(&mut self) {
        if self.has_line {
            eprint!("\r\x1b[K");
            self.has_line = false;
        }
    }

    fn tell(&mut self, progress: Progress) -> Result<()> {
        let has_ended = |of: &Receiver<()>| of.try_recv().is_ok();
        if has_ended(&self.interrupts) || self.input.as_ref().is_some_and(has_ended) {
            return Err(Error::Stopped);
        }
        let first = *self.first.get_or_insert(progress.done);
        let every = match (self.is_live, &self.input) {
            (false, None) => PLAIN,
            // A window shows the last line.
            (true, _) | (false, Some(_)) => LIVE,
        };
        if self.is_quiet || self.last.is_some_and(|last| last.elapsed() < every) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let line = progress_line(progress, first, self.start.elapsed().as_secs_f64());
        if self.is_live {
            eprint!("\r\x1b[K{line}");
            self.has_line = true;
            // A line that cannot be shown is no reason to stop.
            let _ = stderr().flush();
        } else {
            eprintln!("{line}");
        }
        Ok(())
    }
}

/// How far it is after `secs` that began with `first` answers.
fn progress_line(progress: Progress, first: usize, secs: f64) -> String {
    let Progress {
        done,
        total,
        questions,
        solved,
    } = progress;
    let mut line = tr!("{done} of {total} answers", done, total);
    if questions > 0 {
        line += &tr!(
            ", {solved} of {questions} questions solved",
            solved,
            questions
        );
    }
    let n_new = done - first;
    if n_new > 0 && total > done {
        let left = secs / n_new as f64 * (total - done) as f64;
        line += &tr!(", {} left", duration(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_what_was_drawn_now() {
        let progress = Progress {
            done: 60,
            total: 100,
            questions: 5,
            solved: 2,
        };
        // 20 answers in 10 seconds, 40 to go; 40 were there before.
        let line = progress_line(progress, 40, 10.0);
        let left = duration(20.0);
        assert_eq!(
            line,
            format!("60 of 100 answers, 2 of 5 questions solved, {left} left")
        );
        let begun = Progress {
            done: 0,
            questions: 0,
            ..progress
        };
        assert_eq!(progress_line(begun, 0, 3.0), "0 of 100 answers");
    }
}
