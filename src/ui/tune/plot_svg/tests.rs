use super::*;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;

fn run() -> Run {
    let id = RunId("<a & b>".into());
    let mut run = Run::new(id, RunSpec::default(), "runs/a".into());
    for (step, loss) in [(1, 3.0), (2, 2.0), (3, f64::NAN), (4, 1.0)] {
        run.series.loss.push(step, loss);
    }
    run.series.validation_loss.push(2, 2.5);
    run
}

fn drawn(run: &Run) -> [Drawn<'_>; 1] {
    [Drawn {
        run,
        members: Vec::new(),
        colour: Color32::from_rgb(1, 2, 255),
        is_baseline: false,
    }]
}

fn linear() -> PlotSettings {
    PlotSettings {
        smoothing: 0.5,
        ..PlotSettings::default()
    }
}

/// The one line that has this in it.
fn line<'a>(svg: &'a str, with: &str) -> Option<&'a str> {
    let mut found = svg.lines().filter(|line| line.contains(with));
    let line = found.next();
    assert!(found.next().is_none(), "{with} is there twice");
    line
}

#[test]
fn a_value_that_is_not_finite_is_a_gap_and_names_are_text() {
    let run = run();
    let svg = metric_svg(Metric::Loss, &drawn(&run), &linear(), None);
    assert!(svg.contains("fill=\"#0102ff\">&lt;a &amp; b&gt;</text>"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    assert_eq!(svg.matches("<circle").count(), 1);
    // Two pieces of the smoothed line, and of the faint one behind it.
    let strong = line(&svg, "stroke-width=\"2\"").unwrap();
    let faint = line(&svg, "stroke-width=\"1\"").unwrap();
    assert_eq!(strong.matches('M').count(), 2);
    assert_eq!(faint.matches('M').count(), 2);
    assert!(faint.contains("stroke-opacity=\"0.3\"") && !strong.contains("stroke-opacity"));
    let empty = metric_svg(Metric::Loss, &[], &linear(), None);
    assert!(empty.ends_with("</svg>\n") && !empty.contains("NaN"));
}

#[test]
fn a_number_that_does_not_jump_is_one_line_without_held_out_losses() {
    let mut run = run();
    run.series.state_norm.push(1, 3e-7);
    run.series.state_norm.push(2, 4e-7);
    let svg = metric_svg(Metric::StateNorm, &drawn(&run), &linear(), None);
    assert!(svg.contains("State norm, |S₀| over all layers") && !svg.contains("<circle"));
    assert!(line(&svg, "stroke-width=\"2\"").is_some());
    assert_eq!(line(&svg, "stroke-width=\"1\""), None);
}

#[test]
fn a_constant_number_has_an_axis_too() {
    for value in [0.0, 0.1, 5e5, -3e12] {
        let mut run = run();
        for step in 1..=3 {
            run.series.learning_rate.push(step, value);
        }
        let svg = metric_svg(Metric::LearningRate, &drawn(&run), &linear(), None);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{value}");
        let beside = svg.lines().filter(|line| line.contains("\"end\">"));
        let numbers: Vec<&str> = beside.collect();
        let mut different = numbers.clone();
        different.dedup_by_key(|line| line.split('>').nth(1).map(str::to_owned));
        assert_eq!(different.len(), numbers.len(), "{value}: {numbers:?}");
    }
}

#[test]
fn axes_and_steps_are_those_of_the_plot() {
    let mut run = run();
    run.series = Default::default();
    for step in 1..=1000 {
        run.series.loss.push(step, 100.0 / step as f64);
    }
    let log = PlotSettings {
        smoothing: 0.0,
        is_log: true,
        is_log_x: true,
        ..linear()
    };
    let svg = metric_svg(Metric::Loss, &drawn(&run), &log, None);
    for (tick, n_axes) in [(">1</text>", 1), (">10</text>", 1), (">1000</text>", 1)] {
        assert_eq!(svg.matches(tick).count(), n_axes, "{tick}");
    }
    assert!(svg.contains(">1.00</text>") && svg.contains(">0.100</text>"));
    // A power law is a straight line on them: its middle is the picture's.
    let strong = line(&svg, "stroke-width=\"2\"").unwrap();
    let points: Vec<(f64, f64)> = strong
        .split(['M', 'L', '"'])
        .filter_map(|point| {
            let (x, y) = point.split_once(' ')?;
            Some((x.parse().ok()?, y.parse().ok()?))
        })
        .collect();
    let ((x0, y0), (x1, y1)) = (points[0], points[points.len() - 1]);
    assert!(points.len() > 100);
    for (x, y) in &points {
        let along = (x - x0) / (x1 - x0);
        assert!((y - (y0 + along * (y1 - y0))).abs() < 0.2, "{x} {y}");
    }
    // What is zoomed in on fills the picture.
    let part = metric_svg(Metric::Loss, &drawn(&run), &linear(), Some((501.0, 598.0)));
    assert!(part.contains(">520</text>") && !part.contains(">0</text>"));
}
