//! The axes of a plot: where they end and which numbers stand at them.

use std::ops::RangeInclusive;

use eframe::egui::{Id, RichText, Vec2b, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, Plot, uniform_grid_spacer};

use super::plot_scales::{Extent, Scales};
use super::ticks::round_step;
use crate::ui::shell::theme::{Palette, blend};
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::numbers::number;

/// The height from which a plot says what it runs over.
const NAMED_FROM: f32 = 150.0;

/// A plot of a number over the steps, without its lines.
pub fn plot<'a>(
    metric: Metric,
    scales: Scales,
    height: f32,
    colours: &Palette,
    extent: Option<Extent>,
) -> Plot<'a> {
    let (grid, cursor) = (colours.border, blend(colours.weak, colours.sunken, 0.6));
    let link = Id::unique("steps of runs");
    let value = move |y: f64| number(if scales.is_log_y { 10_f64.powf(y) } else { y });
    let step = move |mark: GridMark, _: &RangeInclusive<f64>| {
        let x = scales.x(mark.value);
        let is_whole = x >= 0.0 && (x - x.round()).abs() < 1e-6 * x.max(1.0);
        if is_whole {
            scales.axis.tick(x)
        } else {
            String::new()
        }
    };
    let mut x_axis = AxisHints::new_x()
        .formatter(step)
        .label_spacing(34.0..=70.0);
    // All plots share the axis; the small ones have no room to say what it is.
    if height >= NAMED_FROM {
        x_axis = x_axis.label(RichText::new(scales.axis.unit()).size(11.0));
    }
    let y_axis = AxisHints::new_y()
        .formatter(move |mark, _| value(mark.value))
        .min_thickness(46.0)
        // Small plots have room for few numbers.
        .label_spacing(14.0..=40.0);
    let mut plot = Plot::new(metric.title())
        .height(height)
        .link_axis(link, Vec2b::new(true, false))
        .link_cursor(link, Vec2b::new(true, false))
        .show_y(false)
        .allow_scroll(false)
        .allow_drag(Vec2b::new(true, false))
        .allow_zoom(Vec2b::new(true, false))
        .set_margin_fraction(vec2(0.01, 0.08))
        .grid_color(grid)
        .cursor_color(cursor)
        .custom_x_axes(vec![x_axis])
        .x_grid_spacer(spacer(7.0, 1.0))
        .y_grid_spacer(spacer(3.5, 0.0))
        .custom_y_axes(vec![y_axis]);
    if !scales.is_log_x {
        plot = plot.include_x(0.0);
    }
    if let Some(Extent { x, y }) = extent {
        plot = plot.include_x(x.0).include_x(x.1);
        let (low, high) = widened(y);
        plot = plot.include_y(low).include_y(high);
    }
    plot
}

/// A range that is a little wider and moves now and then, and not whenever the
/// numbers do, which would place every line anew.
fn widened((low, high): (f64, f64)) -> (f64, f64) {
    let coarse = ((high - low).log2().floor() - 4.0).exp2();
    if !coarse.is_normal() {
        return (low, high);
    }
    (
        (low / coarse).floor() * coarse,
        (high / coarse).ceil() * coarse,
    )
}

/// Lines at 1, 2 or 5 times a power of ten, `wide` times as far apart as the
/// closest ones could be and not below `smallest`.
fn spacer(wide: f64, smallest: f64) -> impl Fn(GridInput) -> Vec<GridMark> {
    uniform_grid_spacer(move |input| {
        let step = round_step(input.base_step_size * wide).max(smallest);
        [step, 5.0 * step, 10.0 * step]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_widened_by_little_and_seldom() {
        for (low, high) in [(0.013, 4.02), (-3.0, 9.9e9), (0.5, 0.500_001)] {
            let wide = widened((low, high));
            let range = high - low;
            assert!(wide.0 <= low && wide.1 >= high, "{wide:?}");
            assert!(wide.1 - wide.0 <= 1.13 * range, "{wide:?}");
            assert_eq!(widened((low, high + 1e-5 * range)), wide);
        }
        assert_eq!(widened((2.0, 2.0)), (2.0, 2.0));
    }
}
