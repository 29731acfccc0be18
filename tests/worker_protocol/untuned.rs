//! The untuned model is measured once for the same model and items.

use std::fs;

use gosling::protocol::event::{EvaluationPhase, Event, RunEvent, RunOutcome};
use gosling::protocol::run_spec::RunSpec;
use gosling::runs::run::Run;

use crate::client::*;

fn run(client: &mut Client, spec: &RunSpec) -> (Run, usize) {
    client.events.clear();
    client.start(spec);
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    let n = client.count(|event| is_scoring(event, EvaluationPhase::Before));
    (run, n)
}

fn file(client: &Client, run: &Run) -> String {
    let folder = client.runs.path().join("runs").join(&run.id.0);
    fs::read_to_string(folder.join("eval/before.jsonl")).unwrap()
}

/// Every item with what was chosen; numbers may be read back a bit off.
fn answers(file: &str) -> Vec<[serde_json::Value; 4]> {
    let lines = file.lines().skip(1);
    lines
        .map(|line| {
            let of: serde_json::Value = serde_json::from_str(line).unwrap();
            let chosen = &of["answer"]["chosen"];
            [
                of["id"].clone(),
                of["correct"].clone(),
                chosen["chosen"].clone(),
                chosen["options"].clone(),
            ]
        })
        .collect()
}

/// The log-likelihoods of every option of every item.
fn log_likelihoods(file: &str) -> Vec<f64> {
    let of_line = |line: &str| {
        let of: serde_json::Value = serde_json::from_str(line).unwrap();
        of["answer"]["chosen"]["log_likelihoods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    file.lines().skip(1).flat_map(of_line).collect()
}

#[test]
fn the_untuned_score_of_an_earlier_run_is_taken() {
    let mut client = Client::new();
    let mut spec = tiny();
    let (first, n_first) = run(&mut client, &spec);
    assert!(n_first > 1, "{n_first}");
    spec.training.steps = 2;
    spec.training.seed = 3;
    let (second, n_second) = run(&mut client, &spec);
    // Nothing was scored, and the run has the items all the same.
    assert_eq!(n_second, 1);
    let (first, second) = (file(&client, &first), file(&client, &second));
    assert_eq!(answers(&first), answers(&second));
    assert_eq!(answers(&first).len(), 8);
    for (a, b) in log_likelihoods(&first)
        .iter()
        .zip(&log_likelihoods(&second))
    {
        assert!((a - b).abs() < 1e-9, "{a}, not {b}");
    }
    assert_eq!(log_likelihoods(&first).len(), 8 * 4);
    let finished = client.count(|event| {
        matches!(event, Event::Run(_, RunEvent::EvaluationFinished { phase, .. })
            if *phase == EvaluationPhase::Before)
    });
    assert_eq!(finished, 1);
    // Other items are scored.
    spec.evaluation.limit = Some(6);
    let (other, n_other) = run(&mut client, &spec);
    assert!(n_other > 1, "{n_other}");
    assert_eq!(file(&client, &other).lines().count(), 7);
}
