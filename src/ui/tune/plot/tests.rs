use super::*;
use crate::protocol::run_spec::RunSpec;
use crate::runs::run::RunStatus;

#[test]
fn an_empty_plot_says_what_it_waits_for() {
    let mut run = Run::new(RunId("a".into()), RunSpec::default(), "a".into());
    let words = |metric, run: &Run| {
        let colour = Color32::WHITE;
        let is_baseline = false;
        empty_words(
            metric,
            &[Drawn {
                run,
                members: Vec::new(),
                colour,
                is_baseline,
            }],
        )
    };
    run.status = RunStatus::Running { step: 0, total: 10 };
    assert_eq!(
        words(Metric::Loss, &run),
        Some("Waiting for the first step")
    );
    run.step = 1;
    run.series.loss.push(1, 2.0);
    assert_eq!(words(Metric::Loss, &run), None);
    let held_out = Metric::HeldOutAccuracy;
    assert_eq!(words(held_out, &run), Some("Waiting for the first value"));
    run.status = RunStatus::Finished;
    assert_eq!(words(held_out, &run), Some("No values"));
}
