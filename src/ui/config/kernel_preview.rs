//! What the kernels see: how far receptance vectors and support vectors lie
//! apart, with phi drawn over it as gamma moves. The distances are measured
//! once; phi is worked out while it is drawn.

use eframe::egui::{
    Align2, Color32, FontId, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, pos2, vec2,
};

use crate::protocol::event::KernelDistances;
use crate::report::{Cell, Table};
use crate::tuning::spec::{FeatureSpec, Gamma};
use crate::ui::shared::action::Action;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{Palette, blend, palette};
use crate::ui::widgets::controls::{named, reserved, small_lines, weak_small};

const HEIGHT: f32 = 96.0;
/// Bars across.
const N_BARS: usize = 48;
/// The largest squared distance of unit vectors.
const MAX_DISTANCE: f64 = 4.0;
/// Points of the curve.
const N_POINTS: usize = 96;
/// Features below this hardly answer.
const FAINT: f64 = 0.01;

/// What is known of the distances.
#[derive(Debug, Clone, Copy)]
pub enum Distances<'a> {
    /// Nothing, of these features.
    Unknown,
    /// They are being measured.
    Measuring,
    /// These.
    Known(&'a KernelDistances),
}

/// Draws the preview.
pub fn kernel_preview_ui(
    ui: &mut Ui,
    features: &FeatureSpec,
    distances: Distances<'_>,
) -> Vec<Action> {
    let colours = palette(ui.visuals());
    let size = vec2(ui.available_width(), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
    let painter = ui.painter();
    painter.rect_filled(rect, 4.0, colours.sunken);
    let plot = rect
        .shrink2(vec2(6.0, 6.0))
        .with_max_y(rect.bottom() - 16.0);
    let known = match distances {
        Distances::Known(known) => Some(known),
        Distances::Unknown | Distances::Measuring => None,
    };
    if let Some(known) = known {
        bars(
            ui,
            plot,
            &known.pairs,
            blend(colours.weak, colours.sunken, 0.45),
        );
        bars(
            ui,
            plot,
            &known.nearest,
            blend(colours.good, colours.sunken, 0.6),
        );
    }
    let gamma = gamma(features, known);
    if let Some(gamma) = gamma {
        curve(ui, plot, gamma, colours);
    }
    for (value, text) in [(0.0, "0"), (2.0, "2"), (4.0, "4")] {
        let x = plot.left() + (value / MAX_DISTANCE) as f32 * plot.width();
        let align = match value {
            0.0 => Align2::LEFT_BOTTOM,
            4.0 => Align2::RIGHT_BOTTOM,
            _ => Align2::CENTER_BOTTOM,
        };
        let at = pos2(x, rect.bottom() - 1.0);
        painter.text(at, align, text, FontId::proportional(10.5), colours.weak);
    }
    named(&response, Role::Image, tr!("Kernel against distance"));
    if let Some(known) = known {
        let of = PictureOf::Chart(Chart::Distances);
        charts::leaves(ui, of, rect, || distances_table(known, gamma));
        charts::menu(&response, of);
    }
    response.on_hover_text(tr!("Squared distance between receptance vectors and support vectors, both of unit length. Grey: all pairs. Green: the nearest support vector of each receptance vector. Line: φ, from 1 down to 0."));
    let mut actions = Vec::new();
    let height = small_lines(ui, 2);
    reserved(ui, height, |ui| match (distances, gamma) {
        (Distances::Known(known), Some(gamma)) => {
            weak_small(ui, sentence(known, gamma));
        }
        (Distances::Known(_), None) => {}
        (Distances::Measuring, _) => {
            weak_small(ui, tr!("Measuring distances"));
        }
        (Distances::Unknown, _) => {
            let measure = ui.small_button(tr!("Measure distances"));
            let hint = tr!(
                "Reads some training examples with the model when the worker is free; nothing is written"
            );
            if measure.on_hover_text(hint).clicked() {
                actions.push(Action::MeasureDistances);
            }
        }
    });
    actions
}

/// The width that is drawn: by the median only where that is known.
fn gamma(features: &FeatureSpec, known: Option<&KernelDistances>) -> Option<f64> {
    match features.gamma {
        Gamma::Value(gamma) => Some(gamma),
        Gamma::Median => {
            let median = *known?.pairs.get(known?.pairs.len() / 2)?;
            Some(1.0 / f64::from(median).max(1e-6))
        }
    }
}

/// What the numbers mean.
fn sentence(known: &KernelDistances, gamma: f64) -> String {
    let phi = |distance: f32| (-gamma * f64::from(distance)).exp();
    let middle = |all: &[f32]| all.get(all.len() / 2).copied().unwrap_or_default();
    let n_faint = known.pairs.iter().filter(|d| phi(**d) < FAINT).count();
    let share = n_faint as f64 / known.pairs.len().max(1) as f64;
    let (near, any) = (phi(middle(&known.nearest)), phi(middle(&known.pairs)));
    let verdict = if share > 0.9 {
        tr!("; almost no kernel responds, try a smaller γ")
    } else if any > 0.9 {
        tr!("; all kernels respond alike, try a larger γ")
    } else {
        ""
    };
    tr!(
        "γ {gamma}: φ is {near} at the nearest, {any} at a typical support vector; {}% below {FAINT}{verdict}",
        format_args!("{:.0}", 100.0 * share),
        gamma = format_args!("{gamma:.3}"),
        near = format_args!("{near:.2}"),
        any = format_args!("{any:.2}"),
        FAINT,
        verdict
    )
}

/// What is drawn, a row for each bar.
fn distances_table(known: &KernelDistances, gamma: Option<f64>) -> Table {
    let columns = [
        tr!("from"),
        tr!("to"),
        tr!("pairs"),
        tr!("nearest"),
        tr!("phi in the middle"),
    ];
    let mut table = Table::new(tr!("Squared distances of the kernels"), columns);
    let (pairs, nearest) = (counts(&known.pairs), counts(&known.nearest));
    let width = MAX_DISTANCE / N_BARS as f64;
    for (idx, (pairs, nearest)) in pairs.into_iter().zip(nearest).enumerate() {
        let from = width * idx as f64;
        let phi = gamma.map(|gamma| (-gamma * (from + width / 2.0)).exp());
        table.push([
            Cell::number(from, 4),
            Cell::number(from + width, 4),
            Cell::Count(pairs as u64),
            Cell::Count(nearest as u64),
            phi.map_or(Cell::Empty, |phi| Cell::number(phi, 6)),
        ]);
    }
    table.notes.push(tr!(
        "Between receptance vectors and support vectors of unit length: n = {} pairs, n = {} nearest ones.",
        known.pairs.len(),
        known.nearest.len()
    ));
    table
}

/// Distances in each bar.
fn counts(values: &[f32]) -> [usize; N_BARS] {
    let mut counts = [0_usize; N_BARS];
    for value in values {
        let share = f64::from(*value) / MAX_DISTANCE;
        let idx = (share * N_BARS as f64) as usize;
        counts[idx.min(N_BARS - 1)] += 1;
    }
    counts
}

fn bars(ui: &Ui, plot: Rect, values: &[f32], colour: Color32) {
    let counts = counts(values);
    let most = counts.iter().max().copied().unwrap_or_default().max(1);
    let width = plot.width() / N_BARS as f32;
    for (idx, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = *count as f32 / most as f32 * plot.height();
        let left = plot.left() + idx as f32 * width;
        let bar = Rect::from_min_max(
            pos2(left, plot.bottom() - height),
            pos2(left + width - 1.0, plot.bottom()),
        );
        ui.painter().rect_filled(bar, 0.0, colour);
    }
}

fn curve(ui: &Ui, plot: Rect, gamma: f64, colours: &Palette) {
    let point = |idx: usize| -> Pos2 {
        let share = idx as f64 / (N_POINTS - 1) as f64;
        let phi = (-gamma * share * MAX_DISTANCE).exp();
        pos2(
            plot.left() + share as f32 * plot.width(),
            plot.bottom() - phi as f32 * plot.height(),
        )
    };
    let points = (0..N_POINTS).map(point).collect();
    let stroke = Stroke::new(2.0, colours.accent);
    ui.painter().add(Shape::line(points, stroke));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_and_saturated_kernels_are_named() {
        let known = KernelDistances {
            pairs: vec![1.6, 1.8, 2.0, 2.1, 2.2],
            nearest: vec![0.2, 0.4, 0.5],
        };
        assert!(sentence(&known, 100.0).contains("smaller"));
        assert!(sentence(&known, 1e-3).contains("larger"));
        let good = sentence(&known, 1.0);
        assert!(!good.contains("try"), "{good}");
        assert!(good.contains("0.67 at the nearest, 0.14"), "{good}");
        let median = FeatureSpec {
            gamma: Gamma::Median,
            ..FeatureSpec::default()
        };
        assert_eq!(gamma(&median, Some(&known)), Some(0.5));
        assert_eq!(gamma(&median, None), None);
    }

    #[test]
    fn the_table_has_what_the_bars_are_of() {
        let known = KernelDistances {
            pairs: vec![0.0, 1.9, 2.0, 9.0],
            nearest: vec![0.01],
        };
        let table = distances_table(&known, Some(1.0));
        assert_eq!(table.rows.len(), N_BARS);
        let count = |row: usize, column: usize| table.rows[row][column].clone();
        assert_eq!((count(0, 2), count(0, 3)), (Cell::Count(1), Cell::Count(1)));
        // 48 bars up to 4: 2.0 is the first of the upper half, and what lies beyond is
        // in the last.
        assert_eq!(count(N_BARS / 2, 2), Cell::Count(1));
        assert_eq!(count(N_BARS - 1, 2), Cell::Count(1));
        let of_pairs = table.rows.iter().map(|row| match row[2] {
            Cell::Count(n) => n,
            _ => 0,
        });
        assert_eq!(of_pairs.sum::<u64>(), 4);
        assert!(table.notes[0].contains("n = 4 pairs"));
    }
}
