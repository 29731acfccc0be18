//! `gosling tune --many` and `adapt --many`: one thing after the other in one process.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use gosling::persist::run_requests::asking::ask;
use gosling::persist::run_requests::{RequestOutcome, RunRequest};
use serde_json::{Value, json};

use super::{check_refused, folder, gosling, texts};

/// Two short steps on arc-mini, scored on two questions.
const SHORT: &[&str] = &[
    "data.source=Mini(arc)",
    "training.steps=2",
    "training.batch=1",
    "training.warmup_steps=0",
    "training.validate_every=0",
    "evaluation.before=false",
    "evaluation.few_shot=0",
    "evaluation.limit=2",
];

/// A line that asks for such a run, with more settings.
fn line(name: &str, more: &[&str]) -> Value {
    let set: Vec<&str> = SHORT.iter().chain(more).copied().collect();
    json!({"preset": "cpu", "name": name, "set": set})
}

fn answers(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The losses of a run's steps, as its folder has them.
fn losses(run: &Path) -> Vec<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let steps = records.filter(|record: &Value| record["kind"] == "step");
    steps
        .map(|record| record["loss"].as_f64().unwrap())
        .collect()
}

#[test]
fn runs_of_a_file_share_a_model_and_none_is_lost_for_another() {
    let folder = folder();
    let folder = folder.path();
    let scored = {
        let mut line = line("second", &["training.learning_rate=0.5"]);
        line["score"] = json!(["winogrande"]);
        line["runs"] = json!("elsewhere");
        line
    };
    let lines = [
        line("first", &[]),
        line("wrong", &["training.stps=3"]),
        line("gone", &["method=Standard(start: File(\"gone.pth\"))"]),
        json!({"preset": "cpu", "spec": "x.ron"}),
        scored,
    ];
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(folder.join("runs.jsonl"), text.join("\n")).unwrap();
    let output = gosling(folder, "tune --many runs.jsonl --device cpu");
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    let answers = answers(&text);
    let status = |idx: usize| answers[idx]["status"].as_str().unwrap();
    let all: Vec<&str> = (0..answers.len()).map(status).collect();
    assert_eq!(all, ["finished", "failed", "failed", "failed", "finished"]);
    for (idx, part) in [
        (1, "did you mean `training.steps`"),
        (2, "gone.pth"),
        (3, "cannot stand beside preset"),
    ] {
        let error = answers[idx]["error"].as_str().unwrap();
        assert!(error.contains(part), "{error}");
    }
    // Read once for both runs.
    assert_eq!(errors.matches("loaded in").count(), 1, "{errors}");
    let [first, second] = [&answers[0], &answers[4]];
    assert_eq!((&first["step"], &first["error"]), (&json!(2), &Value::Null));
    let summary = &first["evaluations"][0]["summary"];
    assert_eq!(summary["benchmark"], "arc-mini");
    assert_eq!(summary["scores"][0]["n_items"], 2);
    let n_right = summary["scores"][0]["n_correct"].as_f64().unwrap();
    assert_eq!(first["accuracy"], n_right / 2.0);
    assert_eq!(first["scored"], json!([]));
    // The state is scored on what it was not tuned on, item by item.
    let run = Path::new(second["folder"].as_str().unwrap());
    assert!(run.starts_with("elsewhere"), "{second}");
    let of = &second["scored"][0];
    assert_eq!(of["benchmark"], "winogrande");
    assert_eq!(of["summary"]["benchmark"], "winogrande-mini");
    let items = fs::read_to_string(folder.join(of["file"].as_str().unwrap())).unwrap();
    assert_eq!(
        items
            .lines()
            .filter(|line| line.contains("\"prompt\":"))
            .count(),
        2
    );
    // A run in a process of its own comes to the same numbers.
    let set: String = SHORT.iter().map(|set| format!(" --set {set}")).collect();
    let alone = format!("tune --preset cpu --device cpu --quiet --runs alone{set} --rate 0.5");
    let output = gosling(folder, &alone);
    assert!(output.status.success(), "{}", texts(&output).1);
    let alone = fs::read_dir(folder.join("alone")).unwrap().next().unwrap();
    let kept = losses(&folder.join(run));
    assert_eq!(kept.len(), 2);
    assert_eq!(kept, losses(&alone.unwrap().path()));
}

/// The program, asked line by line.
struct Asked {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Asked {
    fn start(folder: &Path, command: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gosling"))
            .env("GOSLING_LANGUAGE", "en")
            .args([command, "--many", "-", "--device", "cpu", "--quiet"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// The answer to a line, while the program waits for the next one.
    fn ask(&mut self, line: &str) -> Value {
        self.begin(line);
        self.answer()
    }

    fn begin(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The answer to a line that was begun.
    fn answer(&mut self) -> Value {
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Ends the input; how the program ends.
    fn end(mut self) -> ExitStatus {
        drop(self.input);
        self.child.wait().unwrap()
    }
}

#[test]
fn lines_of_the_input_are_answered_before_the_next_one_is_there() {
    let folder = folder();
    let mut program = Asked::start(folder.path(), "tune");
    let answer = program.ask("{\"preset\": ");
    assert_eq!(answer["status"], "failed");
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with("-: line 1: "), "{answer}");
    let first = program.ask(&line("a", &[]).to_string());
    assert_eq!(first["status"], "finished", "{first}");
    // The last setting of a field counts.
    let n_steps = first["step"].as_u64().unwrap() + 1;
    let second = line("b", &[&format!("training.steps={n_steps}")]);
    let second = program.ask(&second.to_string());
    assert_eq!(second["step"], 3, "{second}");
    let wrong = line("c", &["training.learning_rate=1e30"]);
    let wrong = program.ask(&wrong.to_string());
    let error = wrong["error"].as_str().unwrap();
    assert!(error.starts_with("training.learning_rate: "), "{error}");
    let last = program.ask(&line("d", &[]).to_string());
    assert_eq!(last["status"], "finished", "{last}");
    assert!(program.end().success());
}

/// Another process pauses and stops one run; those that follow are done.
#[test]
fn one_of_many_runs_is_paused_and_stopped_from_outside() {
    const PATIENCE: Duration = Duration::from_secs(120);
    let folder = folder();
    let run = folder.path().join("runs/long-0001");
    let n_steps = || {
        let metrics = fs::read_to_string(run.join("metrics.jsonl"));
        metrics.map_or(0, |text| text.matches("\"kind\":\"step\"").count())
    };
    let mut program = Asked::start(folder.path(), "tune");
    program.begin(&line("long", &["training.steps=100000"]).to_string());
    let start = Instant::now();
    while n_steps() == 0 {
        assert!(start.elapsed() < PATIENCE, "no step was taken");
        std::thread::sleep(Duration::from_millis(50));
    }
    let asked = |request| ask(&run, request, PATIENCE, &mut |_| true).unwrap();
    let paused = asked(RunRequest::Pause);
    assert!(matches!(paused, RequestOutcome::Done { .. }), "{paused:?}");
    let n_held = n_steps();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(n_steps(), n_held);
    assert_eq!(asked(RunRequest::Stop), RequestOutcome::Ended);
    let stopped = program.answer();
    assert_eq!(stopped["status"], "interrupted", "{stopped}");
    assert_eq!(stopped["error"], "was stopped by another process");
    let next = program.ask(&line("next", &[]).to_string());
    assert_eq!(next["status"], "finished", "{next}");
    assert!(program.end().success());
}

#[test]
fn adaptations_of_the_input_share_a_process_and_come_to_what_each_comes_to_alone() {
    let folder = folder();
    let folder = folder.path();
    const FEW: &[&str] = &[
        "task.limit=6",
        "update.steps=2",
        "update.batch=3",
        "baselines.measure=false",
    ];
    let line = |out: &str, more: &[&str]| {
        let set: Vec<&str> = FEW.iter().chain(more).copied().collect();
        json!({"preset": "arc-information", "set": set, "out": out}).to_string()
    };
    let mut program = Asked::start(folder, "adapt");
    let first = program.ask(&line("first", &["update.learning_rate=0.4"]));
    assert_eq!(first, json!({"out": "first", "error": null}));
    let wrong = program.ask(&line("wrong", &["update.stps=1"]));
    let error = wrong["error"].as_str().unwrap();
    assert!(error.contains("update.stps"), "{error}");
    let second = program.ask(&line("second", &[]));
    assert_eq!(second, json!({"out": "second", "error": null}));
    let torn = program.ask("{");
    assert!(
        torn["error"].as_str().unwrap().starts_with("-: line 4: "),
        "{torn}"
    );
    assert!(program.end().success());
    let set: String = FEW.iter().map(|set| format!(" --set {set}")).collect();
    let alone = format!("adapt --preset arc-information --device cpu --quiet --out alone{set}");
    let output = gosling(folder, &alone);
    assert!(output.status.success(), "{}", texts(&output).1);
    let state = |out: &str| {
        let path = folder.join(out).join("state.safetensors");
        let read = gosling::tuning::states::state_file::read_state(path, None);
        read.unwrap().0
    };
    assert_eq!(state("second"), state("alone"));
    assert_ne!(state("first"), state("second"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_is_heard_while_a_line_is_waited_for() {
    let folder = folder();
    for command in ["tune", "adapt"] {
        let mut program = Asked::start(folder.path(), command);
        // Its answer tells that interrupts are caught.
        let answer = program.ask("x");
        assert!(
            answer["error"].as_str().unwrap().contains("line 1"),
            "{answer}"
        );
        let sent = Command::new("kill")
            .args(["-INT", &program.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        assert_eq!(program.child.wait().unwrap().code(), Some(130), "{command}");
    }
}

#[test]
fn a_file_is_looked_at_before_the_first_run() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("empty.jsonl"), "\n").unwrap();
    let refused = |arguments: &str, part: &str| check_refused(folder, arguments, 2, part);
    refused("tune --many empty.jsonl", "lists no run");
    refused("tune --many nowhere.jsonl", "nowhere.jsonl: no such file");
    let text = format!("{}\n{{\"sets\": []}}\n", line("a", &[]));
    fs::write(folder.join("wrong.jsonl"), text).unwrap();
    refused("tune --many wrong.jsonl", "line 2: unknown field `sets`");
    assert!(!folder.join("runs").exists());
}
