//! Tables whose columns have widths of their own, so that no cell is drawn over
//! its neighbour: a text that does not fit is cut, and whole in its tooltip.

use std::slice::Iter;

use eframe::egui::{Align, Layout, Rect, Sense, Ui, UiBuilder, pos2, vec2};

/// Room between two columns.
pub const BETWEEN: f32 = 10.0;
/// Room at both ends of a row.
const END: f32 = 6.0;

/// The widths of the columns of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    widths: Vec<f32>,
}

impl Columns {
    /// Columns of at least `widths`; the first takes what they leave of `room`.
    pub fn within(room: f32, widths: Vec<f32>) -> Self {
        let mut columns = Self { widths };
        let left = (room - columns.width()).max(0.0);
        if let Some(first) = columns.widths.first_mut() {
            *first += left;
        }
        columns
    }

    /// The width of a row; more than the room where the columns do not fit.
    pub fn width(&self) -> f32 {
        let n_gaps = self.widths.len().saturating_sub(1);
        self.widths.iter().sum::<f32>() + n_gaps as f32 * BETWEEN + 2.0 * END
    }

    /// Draws a row; `content` draws its cells from left to right.
    pub fn row_ui<R>(
        &self,
        ui: &mut Ui,
        height: f32,
        is_striped: bool,
        content: impl FnOnce(&mut Cells<'_>) -> R,
    ) -> R {
        let (rect, _) = ui.allocate_exact_size(vec2(self.width(), height), Sense::hover());
        if is_striped {
            let fill = ui.visuals().faint_bg_color;
            ui.painter().rect_filled(rect, 3.0, fill);
        }
        let mut cells = Cells {
            ui,
            rect,
            left: rect.left() + END,
            widths: self.widths.iter(),
        };
        content(&mut cells)
    }
}

/// The cells of a row that are not drawn yet.
pub struct Cells<'a> {
    ui: &'a mut Ui,
    rect: Rect,
    left: f32,
    widths: Iter<'a, f32>,
}

impl Cells<'_> {
    /// Draws the next cell: lines below each other, at its left or right.
    pub fn cell<R>(&mut self, align: Align, content: impl FnOnce(&mut Ui) -> R) -> R {
        let width = self.widths.next().copied().unwrap_or_default();
        let at = pos2(self.left, self.rect.top());
        let cell = Rect::from_min_size(at, vec2(width, self.rect.height()));
        self.left += width + BETWEEN;
        let place = UiBuilder::new()
            .max_rect(cell)
            .layout(Layout::top_down(align));
        let mut ui = self.ui.new_child(place);
        ui.shrink_clip_rect(cell);
        ui.spacing_mut().item_spacing.y = 1.0;
        ui.add_space(3.0);
        content(&mut ui)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_takes_what_is_left_and_none_is_squeezed() {
        let least = vec![100.0, 40.0, 40.0];
        let natural = Columns::within(0.0, least.clone());
        assert_eq!(natural.widths, least);
        let wide = Columns::within(natural.width() + 60.0, least);
        assert_eq!(wide.widths, [160.0, 40.0, 40.0]);
    }
}
