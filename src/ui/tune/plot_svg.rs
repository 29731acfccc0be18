//! Plots of numbers over steps as pictures that scale, for papers and pages: the
//! lines, axes and marks that the plot in the window has.

use std::fmt::Write as _;

use eframe::egui::{Color32, Visuals};
use egui_plot::PlotPoint;

use super::along::Along;
use super::plot_cache::{is_bold, steps_in};
use super::plot_drawn::Drawn;
use super::plot_lines::{Lines, Made};
use super::plot_marks::marks;
use super::plot_scales::{Extent, Scales};
use super::plot_settings::PlotSettings;
use super::plot_table::data_words;
use super::ticks::{linear_ticks, log_ticks};
use crate::runs::run::Run;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::numbers::number;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for the numbers at the axes and the names above.
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 16.0;
const RIGHT: f64 = 16.0;
/// Stretches that a line is cut into.
const N_BUCKETS: usize = 400;
/// Numbers at an axis at most.
const MAX_TICKS: usize = 7;
/// Runs whose names are written.
const MAX_NAMES: usize = 16;
const LINE_HEIGHT: f64 = 16.0;

/// A number of runs over their steps as SVG, on the axes of the settings and over
/// the steps that are in sight, all if none. One that jumps is drawn raw and faint,
/// and smoothed and strong; held-out losses are dots, and the steps of the last run
/// are marked.
pub fn metric_svg(
    metric: Metric,
    drawn: &[Drawn<'_>],
    settings: &PlotSettings,
    in_sight: Option<(f64, f64)>,
) -> String {
    let scales = Scales::of(settings, metric);
    let lines: Vec<Lines> = drawn
        .iter()
        .map(|of| {
            let alongs: Vec<(&Run, Along)> = of
                .runs()
                .map(|run| (run, Along::of(scales.axis, run)))
                .collect();
            let steps = match (in_sight, alongs.last()) {
                (Some(sight), Some((_, along))) => steps_in(sight, along),
                _ => (0, usize::MAX),
            };
            let made = Made {
                n_points: 0,
                n_checks: 0,
                n_rewrites: 0,
                smoothing: settings.smoothing,
                scales,
                steps,
                n_buckets: N_BUCKETS,
                has_raw: settings.shows_raw && metric.is_noisy() && is_bold(drawn.len()),
                n_members: of.members.len(),
            };
            let mut lines = Lines::none(made);
            match (&of.members[..], alongs.last()) {
                ([], Some((run, along))) => lines.remake(metric, run, along, made, 1),
                _ => {
                    let all: Vec<_> = alongs.iter().map(|(run, along)| (*run, along)).collect();
                    lines.remake_mean(metric, &all, made, 1);
                }
            }
            lines
        })
        .collect();
    let axes = Axes::around(&lines, scales);
    let mut svg = Svg::begin();
    svg.axes(
        &axes,
        metric,
        &data_words(drawn.iter().flat_map(Drawn::runs)),
    );
    if let Some(of) = drawn.last().filter(|of| of.members.is_empty()) {
        svg.marks(&axes, metric, of.run);
    }
    for (of, lines) in drawn.iter().zip(&lines) {
        svg.run(&axes, of, lines);
    }
    svg.names(drawn);
    svg.end()
}

/// What the picture spans, as its axes count.
struct Axes {
    scales: Scales,
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn around(lines: &[Lines], scales: Scales) -> Self {
        let extents = lines.iter().filter_map(|lines| lines.extent);
        let nothing = Extent {
            x: (0.0, 1.0),
            y: (0.0, 1.0),
        };
        let Extent { x, y } = extents.reduce(Extent::with).unwrap_or(nothing);
        // The first step of all stands at the edge, as does what comes before it.
        let first = if scales.is_log_x || x.0 > 1.0 {
            x.0
        } else {
            0.0
        };
        let room = 0.05
            * match y.1 - y.0 {
                range if range > 0.0 => range,
                // Of one value alone, some of it at each side.
                _ if y.0 != 0.0 => y.0.abs(),
                _ => 1.0,
            };
        Self {
            scales,
            x: (first, x.1.max(first + 1e-9)),
            y: (y.0 - room, y.1 + room),
        }
    }

    fn x(&self, x: f64) -> f64 {
        let (first, last) = self.x;
        LEFT + (x - first) / (last - first) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        let (low, high) = self.y;
        TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)
    }

    /// Where numbers stand below the picture, and what they say.
    fn x_ticks(&self) -> Vec<(f64, String)> {
        let (first, last) = self.x;
        let ticks = match self.scales.is_log_x {
            true => log_ticks(first, last, MAX_TICKS),
            false => linear_ticks(first, last, MAX_TICKS, 1.0),
        };
        let written = |x: f64| self.scales.axis.tick(self.scales.x(x));
        ticks.into_iter().map(|x| (x, written(x))).collect()
    }

    /// Where numbers stand beside the picture, and what they say.
    fn y_ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = self.y;
        let (ticks, is_log) = match self.scales.is_log_y {
            true => (log_ticks(low, high, MAX_TICKS), true),
            false => (linear_ticks(low, high, MAX_TICKS, 0.0), false),
        };
        let written = |y: f64| number(if is_log { 10_f64.powf(y) } else { y });
        ticks.into_iter().map(|y| (y, written(y))).collect()
    }
}

/// The text of the picture. Writing to a string cannot fail.
struct Svg(String);

impl Svg {
    fn begin() -> Self {
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n<clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\"/></clipPath>\n"
        ))
    }

    fn end(self) -> String {
        self.0 + "</svg>\n"
    }

    fn axes(&mut self, axes: &Axes, metric: Metric, data: &str) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (x, text) in axes.x_ticks() {
            let x = axes.x(x);
            let _ = writeln!(
                self.0,
                "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\" fill=\"none\"/>\n<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 16.0,
            );
        }
        for (y, text) in axes.y_ticks() {
            let y = axes.y(y);
            let _ = writeln!(
                self.0,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\" fill=\"none\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 6.0,
                y + 4.0,
            );
        }
        let _ = writeln!(
            self.0,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}; {}, {}; {}</text>",
            WIDTH / 2.0,
            HEIGHT - 8.0,
            axes.scales.axis.unit(),
            metric.title(),
            escaped(metric.unit()),
            escaped(data)
        );
    }

    fn marks(&mut self, axes: &Axes, metric: Metric, run: &Run) {
        let visuals = Visuals::light();
        let bottom = HEIGHT - BOTTOM;
        let along = Along::of(axes.scales.axis, run);
        for (row, mark) in marks(metric, run).iter().enumerate() {
            let x = axes.scales.place(along.x(mark.step));
            if !(axes.x.0..=axes.x.1).contains(&x) {
                continue;
            }
            let (x, colour) = (axes.x(x), hex(mark.colour(&visuals)));
            let dashes = match mark.is_trouble {
                true => "",
                false => " stroke-dasharray=\"4 3\"",
            };
            let (anchor, shift) = match x > WIDTH / 2.0 {
                true => ("end", -4.0),
                false => ("start", 4.0),
            };
            let _ = writeln!(
                self.0,
                "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"{colour}\"{dashes} fill=\"none\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\" font-size=\"11\">{}</text>",
                x + shift,
                bottom - 6.0 - LINE_HEIGHT * row as f64,
                escaped(&mark.text)
            );
        }
    }

    fn run(&mut self, axes: &Axes, of: &Drawn<'_>, lines: &Lines) {
        let colour = hex(of.colour);
        let dashes = match of.is_baseline {
            true => " stroke-dasharray=\"6 4\"",
            false => "",
        };
        let place = |point: &PlotPoint| (axes.x(point.x), axes.y(point.y));
        self.band(axes, &colour, lines);
        for (points, width, style) in [
            (&lines.raw, 1, " stroke-opacity=\"0.3\""),
            (&lines.smooth, 2, dashes),
        ] {
            if points.is_empty() {
                continue;
            }
            let mut path = String::new();
            let mut pen = 'M';
            for point in points {
                if point.y.is_finite() {
                    let (x, y) = place(point);
                    let _ = write!(path, "{pen}{x:.1} {y:.1}");
                    pen = 'L';
                } else {
                    pen = 'M';
                }
            }
            let _ = writeln!(
                self.0,
                "<path d=\"{path}\" clip-path=\"url(#plot)\" stroke=\"{colour}\" fill=\"none\" stroke-width=\"{width}\"{style}/>"
            );
        }
        for check in lines.checks.iter().filter(|check| check.y.is_finite()) {
            let (x, y) = place(check);
            let _ = writeln!(
                self.0,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" clip-path=\"url(#plot)\" fill=\"{colour}\"/>"
            );
        }
    }

    /// From the lowest to the highest run of a mean.
    fn band(&mut self, axes: &Axes, colour: &str, lines: &Lines) {
        let known = |(low, high): &&(PlotPoint, PlotPoint)| low.y.is_finite() && high.y.is_finite();
        let band: Vec<&(PlotPoint, PlotPoint)> = lines.band.iter().filter(known).collect();
        if band.is_empty() {
            return;
        }
        let ends = band.iter().map(|(_, high)| high);
        let ends = ends.chain(band.iter().rev().map(|(low, _)| low));
        let points = ends.map(|of| format!("{:.1},{:.1}", axes.x(of.x), axes.y(of.y)));
        let points: Vec<String> = points.collect();
        let _ = writeln!(
            self.0,
            "<polygon points=\"{}\" clip-path=\"url(#plot)\" fill=\"{colour}\" fill-opacity=\"0.2\"/>",
            points.join(" ")
        );
    }

    /// The last run first, as it stands in front.
    fn names(&mut self, drawn: &[Drawn<'_>]) {
        let mut y = TOP;
        let mut write = |text: &str, colour: &str| {
            y += LINE_HEIGHT;
            let _ = writeln!(
                self.0,
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                WIDTH - RIGHT - 6.0,
                escaped(text)
            );
        };
        for of in drawn.iter().rev().take(MAX_NAMES) {
            let baseline = if of.is_baseline {
                tr!(", baseline")
            } else {
                ""
            };
            write(&format!("{}{baseline}", of.title()), &hex(of.colour));
        }
        if drawn.len() > MAX_NAMES {
            let weak = hex(palette(&Visuals::light()).weak);
            write(&tr!("and {} more", drawn.len() - MAX_NAMES), &weak);
        }
    }
}

/// A colour as pages write it.
fn hex(colour: Color32) -> String {
    let [r, g, b, _] = colour.to_array();
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
