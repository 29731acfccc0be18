//! The result of a run as a table.

use crate::bench::Accuracy;
use crate::cli::progress::{duration, short};
use crate::cli::quoted;
use crate::cli::table::columns;
use crate::model::TextStart;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, Score, WrittenAnswers};
use crate::protocol::run_spec::CheckpointSource;
use crate::runs::run::{ExportedState, Run};
use crate::tuning::spec::{Method, SelectBy};

/// Accuracies, speed, and what was written and how to use it.
pub(super) fn report(run: &Run) -> String {
    let mut text = String::new();
    if !run.evaluations.is_empty() {
        text.push_str(&accuracies(run));
        text.push('\n');
    }
    text.push_str(&speed(run));
    text.push_str(&files(run));
    text
}

/// One row a figure, one column an evaluation.
fn accuracies(run: &Run) -> String {
    let phases = [
        EvaluationPhase::Before,
        EvaluationPhase::FewShot,
        EvaluationPhase::After,
    ];
    let measured: Vec<&(EvaluationPhase, EvaluationSummary)> = phases
        .iter()
        .filter_map(|phase| run.evaluations.iter().find(|(of, _)| of == phase))
        .collect();
    let Some((_, first)) = measured.first() else {
        return String::new();
    };
    let mut rows = vec![vec![first.benchmark.clone()]];
    rows[0].extend(
        measured
            .iter()
            .map(|(phase, summary)| title(*phase, summary, run)),
    );
    for Score { name, .. } in &first.scores {
        let mut row = vec![name.clone()];
        row.extend(measured.iter().map(|(_, summary)| cell(summary, name)));
        rows.push(row);
    }
    if measured
        .iter()
        .any(|(_, summary)| summary.written.is_some())
    {
        let row = |name: &str, words: fn(&WrittenAnswers) -> String| {
            let cells = measured.iter().map(|(_, summary)| match &summary.written {
                Some(written) => words(written),
                None => "-".into(),
            });
            std::iter::once(name.to_owned()).chain(cells).collect()
        };
        rows.push(row(tr!("ended"), |of| {
            tr!(
                "{} within {} tokens",
                format_args!("{:.3}", of.ended()),
                of.max_new_tokens
            )
        }));
        rows.push(row(tr!("extracted"), |of| format!("{:.3}", of.extracted())));
    }
    let secs = measured
        .iter()
        .map(|(_, summary)| format!("{:.1}", summary.secs));
    rows.push(
        std::iter::once(tr!("seconds").to_owned())
            .chain(secs)
            .collect(),
    );
    columns(&rows)
}

fn title(phase: EvaluationPhase, summary: &EvaluationSummary, run: &Run) -> String {
    match phase {
        EvaluationPhase::Before => tr!("untuned").into(),
        EvaluationPhase::FewShot => tr!("untuned, {}-shot", summary.few_shot),
        EvaluationPhase::After => match run.spec.data.leading_token.in_use() {
            TextStart::Zero => tr!("tuned").into(),
            start @ TextStart::None => tr!("tuned, {start}", start),
        },
    }
}

fn cell(summary: &EvaluationSummary, name: &str) -> String {
    let score = summary.scores.iter().find(|score| score.name == name);
    score.map_or("-".into(), |score| {
        let accuracy = Accuracy {
            n_correct: score.n_correct,
            n_items: score.n_items,
        };
        match summary.n_total > score.n_items + summary.left_out {
            true => tr!("{accuracy} of {}", summary.n_total, accuracy),
            false => accuracy.to_string(),
        }
    })
}

/// How fast the steps were, and which state is the result.
fn speed(run: &Run) -> String {
    let secs = run.series.step_secs.points();
    if secs.is_empty() {
        return String::new();
    }
    let total: f64 = secs.iter().map(|(_, secs)| secs).sum();
    let mut text = tr!(
        "{} steps in {}, {} ms a step, {} tokens/s\n",
        run.step,
        duration(total),
        format_args!("{:.1}", 1000.0 * total / secs.len() as f64),
        short(run.n_tokens() / total)
    );
    if let Some(ExportedState { step, .. }) = run.exported.last() {
        let why = match run.spec.training.select_by {
            SelectBy::ValidationLoss => {
                let lowest = run.best_validation().filter(|(best, _)| best == step);
                lowest.map_or(String::new(), |(_, loss)| {
                    tr!(
                        ", which has the lowest validation loss, {loss}",
                        loss = format_args!("{loss:.4}")
                    )
                })
            }
            SelectBy::ValidationAccuracy => {
                let series = run.series.validation_accuracy.points().iter();
                let right = series.copied().find(|(at, _)| at == step);
                right.map_or(String::new(), |(_, share)| {
                    tr!(
                        ", which answers the most held-out items correctly, {share}",
                        share = format_args!("{share:.3}")
                    )
                })
            }
            SelectBy::LastStep => String::new(),
        };
        text.push_str(&tr!("the state is that of step {step}{why}\n", step, why));
    }
    text
}

/// What was written, and what each file is for.
fn files(run: &Run) -> String {
    let mut rows = Vec::new();
    let mut is_part = false;
    for exported in &run.exported {
        let path = quoted(&exported.path);
        let extension = exported.path.extension().unwrap_or_default();
        if extension == "pth" {
            let script = exported.path.with_file_name("state_rwkv_pip.py");
            rows.push(vec![
                path,
                tr!("for RWKV-Runner and the rwkv package").into(),
            ]);
            rows.push(vec![
                quoted(&script),
                tr!("loads it in Python; its first lines say how").into(),
            ]);
        } else if exported.path.ends_with("lifted.safetensors") {
            rows.push(vec![
                path,
                tr!("the whole lifted state, which only Gosling loads").into(),
            ]);
            is_part = true;
        } else if exported.path.ends_with("lora.safetensors") {
            rows.push(vec![
                path,
                tr!("the adapters with all that the run trained, for Gosling").into(),
            ]);
            is_part = true;
        } else if is_part {
            rows.push(vec![
                path,
                tr!("S_0 alone, and so are the files below").into(),
            ]);
        } else {
            rows.push(vec![
                path,
                tr!("for Gosling, with the settings that made it").into(),
            ]);
        }
    }
    let folder = quoted(&run.folder);
    rows.push(vec![folder.clone(), tr!("everything about the run").into()]);
    let files = columns(&rows);
    if run.exported.is_empty() {
        return files;
    }
    let model = match &run.spec.model.checkpoint {
        CheckpointSource::Mini => String::new(),
        CheckpointSource::File(path) => format!(" --model {}", quoted(path)),
    };
    let mut uses = vec![vec![
        format!("gosling generate{model} --state {folder} \"a prompt\""),
        tr!("continues a text from it").into(),
    ]];
    if run.spec.method.lora().is_some() {
        uses.push(vec![
            format!("gosling export {folder} --to peft --output adapters"),
            tr!("writes the adapters for Hugging Face PEFT").into(),
        ]);
        uses.push(vec![
            format!("gosling export {folder} --to merged --output model.pth"),
            tr!("writes the model with the adapters in it").into(),
        ]);
    }
    let has_state = match &run.spec.method {
        // The paper's recurrence has no state that others load.
        Method::PaperLiteral(_) => false,
        Method::Lora(lora) => lora.tune_s0,
        Method::Base | Method::Standard(_) | Method::Lifted(_) => true,
    };
    // Of other models than RWKV-7 a run writes no .pth, and no program has a .st.
    let is_pth = |of: &ExportedState| of.path.extension().is_some_and(|ending| ending == "pth");
    let is_of_rwkv = run.exported.is_empty() || run.exported.iter().any(is_pth);
    if has_state && is_of_rwkv {
        uses.push(vec![
            format!("gosling export {folder} --to st --output state.st"),
            tr!("writes it for Ai00 and web-rwkv").into(),
        ]);
    } else if has_state {
        uses.push(vec![
            format!("gosling export {folder} --to s0 --output state"),
            tr!("writes it as a folder of s0-tuning").into(),
        ]);
    }
    let uses = columns(&uses);
    format!("{files}\n{uses}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{Event, RunEvent, RunId, StepMetrics};
    use crate::protocol::run_spec::RunSpec;
    use crate::runs::RunStore;

    fn summary(few_shot: usize, n_correct: usize) -> EvaluationSummary {
        let score = |name: &str, n_correct| Score {
            name: name.into(),
            n_correct,
            n_items: 500,
        };
        EvaluationSummary {
            benchmark: "gsm8k-mini".into(),
            few_shot,
            scores: vec![score("strict", n_correct), score("flexible", n_correct + 1)],
            n_total: 500,
            written: Some(WrittenAnswers {
                max_new_tokens: 140,
                n_items: 500,
                n_ended: 498,
                n_extracted: n_correct + 5,
            }),
            left_out: 0,
            secs: 24.9,
        }
    }

    #[test]
    fn a_run_is_reported_in_columns() {
        let id = RunId("a-0001".into());
        let mut store = RunStore::default();
        store.apply(Event::Run(
            id.clone(),
            RunEvent::Started {
                spec: Box::new(RunSpec::default()),
                folder: "my runs/a-0001".into(),
                first_step: 0,
                notes: Vec::new(),
            },
        ));
        for (phase, summary) in [
            (EvaluationPhase::Before, summary(0, 0)),
            (EvaluationPhase::After, summary(0, 231)),
        ] {
            store.apply(Event::Run(
                id.clone(),
                RunEvent::EvaluationFinished { phase, summary },
            ));
        }
        for step in 1..=2 {
            store.apply(Event::Run(
                id.clone(),
                RunEvent::Step(StepMetrics {
                    step,
                    loss: 1.0,
                    grad_norm: 1.0,
                    state_norm: 1.0,
                    learning_rate: 0.1,
                    tokens: 1000,
                    secs: 0.5,
                    lift: None,
                    lora: None,
                }),
            ));
        }
        let mut run = store.take(&id).unwrap();
        run.exported.push(ExportedState {
            step: 2,
            path: "my runs/a-0001/state.pth".into(),
            bytes: 1,
        });
        let expected = "\
gsm8k-mini  untuned                       tuned, without token 0
strict      0.000 [0.000, 0.008] n = 500  0.462 [0.419, 0.506] n = 500
flexible    0.002 [0.000, 0.011] n = 500  0.464 [0.421, 0.508] n = 500
ended       0.996 within 140 tokens       0.996 within 140 tokens
extracted   0.010                         0.472
seconds     24.9                          24.9

2 steps in 1 s, 500.0 ms a step, 2000 tokens/s
the state is that of step 2
'my runs/a-0001/state.pth'          for RWKV-Runner and the rwkv package
'my runs/a-0001/state_rwkv_pip.py'  loads it in Python; its first lines say how
'my runs/a-0001'                    everything about the run

gosling generate --state 'my runs/a-0001' \"a prompt\"       continues a text from it
gosling export 'my runs/a-0001' --to st --output state.st  writes it for Ai00 and web-rwkv
";
        assert_eq!(report(&run), expected);
    }
}
