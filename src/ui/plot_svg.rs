//! Plots of numbers over steps as pictures that scale, for papers and pages.

use std::fmt::Write as _;

use super::theme::RUN_COLOURS_ON_LIGHT;
use super::widgets::metric::Metric;
use super::widgets::numbers::number;
use crate::runs::run::Run;
use crate::runs::series::Smoothed;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for the numbers at the axes and the names above.
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 16.0;
const RIGHT: f64 = 16.0;
/// Stretches that a line is cut into.
const N_BUCKETS: usize = 400;
/// Lines across at each axis.
const N_TICKS: usize = 5;

/// What is drawn of a run.
pub struct Curve<'a> {
    /// The run.
    pub run: &'a Run,
    /// The number of its colour.
    pub colour: usize,
}

/// A number of runs over their steps as SVG. One that jumps is drawn raw and faint,
/// and smoothed by `smoothing` and strong; held-out losses are dots.
pub fn metric_svg(metric: Metric, curves: &[Curve<'_>], smoothing: f64) -> String {
    let mut lines = Vec::new();
    let (mut last, mut low, mut high) = (1_usize, f64::INFINITY, f64::NEG_INFINITY);
    for curve in curves {
        let series = metric.series(curve.run);
        let raw = series.decimated(0, usize::MAX, N_BUCKETS);
        let mut smoothed = Smoothed::new(smoothing);
        let (raw, smooth) = if metric.is_noisy() {
            let followed = smoothed.follow(series);
            (raw, followed.decimated(0, usize::MAX, N_BUCKETS))
        } else {
            (Vec::new(), raw)
        };
        let checks = match metric {
            Metric::Loss => curve.run.series.validation_loss.points().to_vec(),
            _ => Vec::new(),
        };
        for (step, value) in raw.iter().chain(&smooth).chain(&checks) {
            last = last.max(*step);
            if value.is_finite() {
                (low, high) = (low.min(*value), high.max(*value));
            }
        }
        lines.push((raw, smooth, checks));
    }
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    let range = (high - low).max(1e-9);
    let (low, high) = (low - 0.05 * range, high + 0.05 * range);
    let x = |step: usize| LEFT + step as f64 / last as f64 * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for tick in 0..=N_TICKS {
        let share = tick as f64 / N_TICKS as f64;
        let (step, value) = (
            (share * last as f64).round() as usize,
            low + share * (high - low),
        );
        let (at_x, at_y) = (x(step), y(value));
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at_y:.1}H{right}M{at_x:.1} {TOP}V{bottom}\" stroke=\"#ddd\" fill=\"none\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n<text x=\"{at_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{step}</text>",
            LEFT - 6.0,
            at_y + 4.0,
            number(value),
            bottom + 16.0,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">step; {}, {}</text>",
        WIDTH / 2.0,
        HEIGHT - 8.0,
        metric.title(),
        escaped(metric.unit())
    );
    for (idx, (curve, (raw, smooth, checks))) in curves.iter().zip(&lines).enumerate() {
        let colour = RUN_COLOURS_ON_LIGHT[curve.colour % RUN_COLOURS_ON_LIGHT.len()];
        for (points, style) in [
            (raw, "stroke-width=\"1\" stroke-opacity=\"0.3\""),
            (smooth, "stroke-width=\"2\""),
        ] {
            let mut path = String::new();
            let mut pen = 'M';
            for (step, value) in points {
                if value.is_finite() {
                    let _ = write!(path, "{pen}{:.1} {:.1}", x(*step), y(*value));
                    pen = 'L';
                } else {
                    pen = 'M';
                }
            }
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" stroke=\"{colour}\" fill=\"none\" {style}/>"
            );
        }
        for (step, value) in checks.iter().filter(|(_, value)| value.is_finite()) {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x(*step),
                y(*value)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
            WIDTH - RIGHT - 6.0,
            TOP + 16.0 * (idx + 1) as f64,
            escaped(curve.run.title())
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;
    use crate::protocol::run_spec::RunSpec;

    /// The raw and the smoothed line of the one run in `svg`, of the colour `idx`.
    fn lines_of(svg: &str, idx: usize) -> [&str; 2] {
        let stroke = format!("stroke=\"{}\"", RUN_COLOURS_ON_LIGHT[idx]);
        let lines = svg.lines().filter(|line| line.contains(&stroke));
        lines.collect::<Vec<_>>().try_into().unwrap()
    }

    fn is_faint(line: &str) -> bool {
        let opacity = line.split("stroke-opacity=\"").nth(1);
        let opacity = opacity.and_then(|rest| rest.split('"').next());
        opacity.is_some_and(|opacity| opacity.parse::<f64>().unwrap() < 0.5)
    }

    #[test]
    fn a_value_that_is_not_finite_is_a_gap_and_names_are_text() {
        let id = RunId("<a & b>".into());
        let mut run = Run::new(id, RunSpec::default(), "runs/a".into());
        for (step, loss) in [(1, 3.0), (2, 2.0), (3, f64::NAN), (4, 1.0)] {
            run.series.loss.push(step, loss);
        }
        run.series.validation_loss.push(2, 2.5);
        let curve = [Curve {
            run: &run,
            colour: 0,
        }];
        let svg = metric_svg(Metric::Loss, &curve, 0.0);
        assert!(svg.contains("&lt;a &amp; b&gt;"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<circle").count(), 1);
        // Two pieces of the raw line, faint, and of the smoothed one, strong.
        let [raw, smoothed] = lines_of(&svg, 0);
        assert_eq!((raw.matches('M').count(), is_faint(raw)), (2, true));
        assert_eq!(
            (smoothed.matches('M').count(), is_faint(smoothed)),
            (2, false)
        );
        assert!(metric_svg(Metric::Loss, &[], 0.9).ends_with("</svg>\n"));
        // A number that does not jump is one line, and has no held-out losses.
        run.series.state_norm.push(1, 3e-7);
        run.series.state_norm.push(2, 4e-7);
        let curve = [Curve {
            run: &run,
            colour: 0,
        }];
        let svg = metric_svg(Metric::StateNorm, &curve, 0.9);
        assert!(svg.contains("State norm, |S₀| over all layers") && !svg.contains("<circle"));
        let [raw, only] = lines_of(&svg, 0);
        assert_eq!(
            (raw.matches('M').count(), only.matches('M').count()),
            (0, 1)
        );
        assert!(!is_faint(only), "{only}");
        assert_eq!(svg.matches("NaN").count(), 0);
    }
}
