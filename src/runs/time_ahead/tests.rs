use super::*;
use crate::kernels::device::DeviceChoice;
use crate::model::random::SHAPE_0_1B;
use crate::protocol::event::{EvaluationSummary, Score, StepMetrics};
use crate::protocol::run_spec::CheckpointSource;
use crate::tuning::spec::LiftSpec;

const AHEAD: Ahead<'_> = Ahead {
    model: &SHAPE_0_1B,
    example_tokens: 60.0,
    n_validation: 0,
    n_items: 100,
};

/// A run of `batch` examples of 60 tokens, whose steps took `secs`.
fn run(name: &str, batch: usize, secs: f64) -> Run {
    let mut spec = RunSpec::default();
    spec.training.batch = batch;
    let mut run = Run::new(RunId(name.into()), spec, name.into());
    for step in 1..=9 {
        run.add_step(&StepMetrics {
            step,
            loss: 1.0,
            grad_norm: 1.0,
            state_norm: 1.0,
            learning_rate: 0.1,
            tokens: 60 * batch,
            secs,
            lift: None,
            lora: None,
        });
    }
    run
}

fn measure(run: &mut Run, phase: EvaluationPhase, secs: f64) {
    let summary = EvaluationSummary {
        benchmark: "gsm8k-mini".into(),
        few_shot: 0,
        scores: vec![Score {
            name: "strict".into(),
            n_correct: 1,
            n_items: 50,
        }],
        n_total: 500,
        written: None,
        left_out: 0,
        secs,
    };
    run.add_evaluation(phase, summary);
}

fn ten_steps(batch: usize) -> RunSpec {
    let mut spec = RunSpec::default();
    spec.training.steps = 10;
    spec.training.batch = batch;
    spec
}

#[test]
fn a_like_run_tells_the_time_of_the_next() {
    let mut done = run("a", 32, 2.0);
    measure(&mut done, EvaluationPhase::Before, 5.0);
    let mut spec = ten_steps(32);
    spec.evaluation.few_shot = 0;
    let measured = Measured::of([done].iter());
    let told = measured.ahead(&spec, AHEAD).unwrap();
    // 10 steps of 2 s, and twice 100 items of 0.1 s.
    assert_eq!(told.time.secs, 40.0);
    assert!(told.time.low < 40.0 && told.time.high > 40.0 && told.time.high < 50.0);
    assert_eq!(told.from, Some(RunId("a".into())));
    assert!(!told.is_scaled && told.has_evaluations);
    // A rate costs nothing.
    spec.training.learning_rate = 0.7;
    assert_eq!(measured.ahead(&spec, AHEAD).unwrap(), told);
}

#[test]
fn checks_on_held_out_examples_take_their_time() {
    let measured = Measured::of([run("a", 32, 2.0)].iter());
    let mut spec = ten_steps(32);
    spec.training.validate_every = 5;
    let ahead = Ahead {
        n_validation: 64,
        ..AHEAD
    };
    // 4 checks of 64 examples are 8 forward passes of a batch of 32.
    let told = measured.ahead(&spec, ahead).unwrap();
    assert_eq!(told.time.secs, 20.0 + 8.0);
    spec.training.validate_every = 0;
    assert_eq!(measured.ahead(&spec, ahead).unwrap().time.secs, 20.0);
}

#[test]
fn runs_alike_make_a_range() {
    let runs = [
        run("slow", 32, 3.0),
        run("fast", 32, 1.0),
        run("a", 32, 2.0),
    ];
    let told = Measured::of(runs.iter())
        .ahead(&ten_steps(32), AHEAD)
        .unwrap();
    let TimeRange { secs, low, high } = told.time;
    assert_eq!((low, secs, high), (10.0, 20.0, 30.0));
    assert_eq!(told.time.words(), "10 to 30 s");
}

#[test]
fn other_steps_lie_on_the_line_between_those_that_were_timed() {
    let runs = [run("small", 4, 0.5), run("large", 64, 4.0)];
    let measured = Measured::of(runs.iter());
    let told = |spec: &RunSpec| {
        let told = measured.ahead(spec, AHEAD).unwrap();
        assert!(told.is_scaled && !told.has_evaluations);
        assert!(told.time.low < told.time.secs && told.time.secs < told.time.high);
        (told.time.secs, told.from.unwrap().0)
    };
    // 0.5 s for 4 and 4 s for 64: 34 lie in the middle.
    assert_eq!(told(&ten_steps(34)), (22.5, "large".into()));
    // Beyond both it is in proportion to the nearest.
    assert_eq!(told(&ten_steps(128)), (80.0, "large".into()));
    assert_eq!(told(&ten_steps(2)), (2.5, "small".into()));
    let mut spec = ten_steps(32);
    spec.training.accumulate = 4;
    assert_eq!(told(&spec), (80.0, "large".into()));
    // A branch takes more than none.
    let plain = told(&ten_steps(32)).0;
    let mut lifted = ten_steps(32);
    lifted.method = Method::Lifted(LiftSpec::default());
    assert!(told(&lifted).0 > plain);
}

#[test]
fn what_is_farther_away_is_told_less_exactly() {
    let measured = Measured::of([run("a", 4, 0.5)].iter());
    let width = |batch: usize| {
        let time = measured.ahead(&ten_steps(batch), AHEAD).unwrap().time;
        time.high / time.low
    };
    assert!(width(4) < width(8) && width(8) < width(64));
}

#[test]
fn nothing_is_told_where_nothing_is_known() {
    let measured = Measured::of([run("a", 32, 2.0)].iter());
    let refused = |change: &dyn Fn(&mut RunSpec)| {
        let mut spec = ten_steps(8);
        change(&mut spec);
        measured.ahead(&spec, AHEAD).is_none()
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|spec| spec.device = DeviceChoice::Cpu));
    assert!(refused(&|spec| {
        spec.model.checkpoint = CheckpointSource::File("m".into());
    }));
    assert!(refused(
        &|spec| spec.training.activation_checkpointing = true
    ));
    assert!(refused(&|spec| spec.method = Method::Base));
    assert!(Measured::default().ahead(&ten_steps(8), AHEAD).is_none());
}
