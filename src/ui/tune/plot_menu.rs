//! The menu of a plot: what leaves it as a file, its place and its room.

use eframe::egui::{Response, Ui};

use super::charts::{ChartChange, ChartPlace, ChartSize};
use crate::ui::shared::action::Action;
use crate::ui::shell::pictures::PictureOf;

/// A chart that is drawn, and where those before and after it stand in the layout.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// The chart.
    pub place: ChartPlace,
    /// The one before it that is drawn too.
    pub before: Option<usize>,
    /// The one after it.
    pub after: Option<usize>,
}

/// Draws the menu while it is open; what was chosen.
pub(super) fn plot_menu_ui(plot: &Response, placed: &Placed) -> Option<Action> {
    let mut asked = None;
    plot.context_menu(|ui| {
        asked = entries_ui(ui, placed);
        if asked.is_some() {
            ui.close();
        }
    });
    asked
}

fn entries_ui(ui: &mut Ui, placed: &Placed) -> Option<Action> {
    let Placed {
        place: ChartPlace { metric, size },
        before,
        after,
    } = *placed;
    let of = PictureOf::Plot(metric);
    let mut asked = None;
    let mut entry = |ui: &mut Ui, text: &str, action: Action| {
        if ui.button(text).clicked() {
            asked = Some(action);
        }
    };
    entry(ui, tr!("Save as PNG…"), Action::SavePicture(of));
    entry(ui, tr!("Save as SVG…"), Action::SaveSvg(metric));
    entry(ui, tr!("Save the numbers…"), Action::SaveChartNumbers(of));
    ui.separator();
    let arrange = Action::Arrange;
    if let Some(to) = before {
        let change = ChartChange::Move(metric, to);
        entry(ui, tr!("Move before the previous chart"), arrange(change));
    }
    if let Some(to) = after {
        let change = ChartChange::Move(metric, to);
        entry(ui, tr!("Move behind the next chart"), arrange(change));
    }
    for (other, text) in [
        (ChartSize::Half, tr!("Make it half a row")),
        (ChartSize::Row, tr!("Make it a row")),
        (ChartSize::Tall, tr!("Make it a tall row")),
    ] {
        if other != size {
            let change = ChartChange::Resize(metric, other);
            entry(ui, text, arrange(change));
        }
    }
    let change = ChartChange::Toggle(metric);
    entry(ui, tr!("Remove the chart"), arrange(change));
    asked
}
