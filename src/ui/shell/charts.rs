//! Charts that leave the window: as pictures, and as the numbers that they are drawn
//! of. Each says in every frame where it is and how its table is made; the menu of a
//! chart, the menu of its view and the list of all commands ask for either.

use eframe::egui::{Context, Id, Rect, Response, Ui};

use super::pictures::{PictureOf, is_taken, place};
use crate::report::{SavedTable, Table};
use crate::ui::shared::action::Action;
use crate::ui::widgets::controls::weak_small;

/// Charts that are remembered before those that are off the screen are forgotten.
const MAX_KNOWN: usize = 64;

/// Charts that were drawn, and what is wanted of them.
#[derive(Debug, Clone, Default)]
struct Charts {
    /// The charts that were drawn, each with the frame that it was drawn in last.
    known: Vec<(PictureOf, u64)>,
    /// The one whose numbers are wanted.
    wanted: Option<PictureOf>,
    /// What was asked for in this frame.
    asked: Vec<Action>,
}

fn id() -> Id {
    Id::unique("charts that leave the window")
}

/// Takes what was asked for by the menus of charts, and by charts whose numbers were
/// wanted.
pub(crate) fn take_asked(ctx: &Context) -> Vec<Action> {
    ctx.data_mut(|data| {
        let charts: &mut Charts = data.get_temp_mut_or_default(id());
        std::mem::take(&mut charts.asked)
    })
}

/// The charts that views show, in sight or scrolled away: their numbers can be saved.
pub(crate) fn shown(ctx: &Context) -> Vec<PictureOf> {
    let charts: Charts = ctx.data(|data| data.get_temp(id())).unwrap_or_default();
    let now = ctx.cumulative_pass_nr();
    let known = charts.known.into_iter();
    let new = known.filter(|(_, drawn)| drawn + 2 > now);
    new.map(|(of, _)| of).collect()
}

/// Has the chart save its numbers when it is drawn next.
pub(crate) fn want_numbers(ctx: &Context, of: PictureOf) {
    ctx.data_mut(|data| {
        let charts: &mut Charts = data.get_temp_mut_or_default(id());
        charts.wanted = Some(of);
    });
    ctx.request_repaint();
}

fn ask(ui: &Ui, action: Action) {
    ui.data_mut(|data| {
        let charts: &mut Charts = data.get_temp_mut_or_default(id());
        charts.asked.push(action);
    });
}

/// Lets a chart that is drawn in `rect` leave the window; `table` makes its numbers
/// where they are wanted. A menu of its own it has by [`menu`].
pub(crate) fn leaves(ui: &Ui, of: PictureOf, rect: Rect, table: impl FnMut() -> Table) {
    place(ui, of, rect);
    let now = ui.ctx().cumulative_pass_nr();
    let is_wanted = ui.data_mut(|data| {
        let charts: &mut Charts = data.get_temp_mut_or_default(id());
        match charts.known.iter_mut().find(|(known, _)| *known == of) {
            Some((_, drawn)) => *drawn = now,
            None => {
                if charts.known.len() >= MAX_KNOWN {
                    charts.known.retain(|(_, drawn)| drawn + 2 > now);
                }
                charts.known.push((of, now));
            }
        }
        charts.wanted.take_if(|wanted| *wanted == of).is_some()
    });
    if is_wanted {
        let table = SavedTable::of(table);
        ask(ui, Action::SaveTable(Box::new(table), of.file_name()));
    }
}

/// The menu of a chart under the right button. It is no place that the Tab key stops
/// at: what it has is in the list of all commands too.
pub(crate) fn menu(response: &Response, of: PictureOf) {
    response.context_menu(|ui| {
        entries_ui(ui, of, tr!("Save as PNG or SVG…"), tr!("Save the numbers…"))
    });
}

/// Entries of the menu of a view that save one of its charts.
pub(crate) fn named_entries_ui(ui: &mut Ui, of: PictureOf, name: &str) {
    let picture = tr!("{name} as PNG or SVG…", name);
    entries_ui(ui, of, &picture, &tr!("{name} as a table…", name));
}

fn entries_ui(ui: &mut Ui, of: PictureOf, picture: &str, numbers: &str) {
    if ui.button(picture).clicked() {
        ask(ui, Action::SavePicture(of));
        ui.close();
    }
    if ui.button(numbers).clicked() {
        want_numbers(ui.ctx(), of);
        ui.close();
    }
}

/// What the numbers of a chart are of, in a line that only its picture has: beside it
/// in the window something else says so.
pub(crate) fn origin_ui(ui: &mut Ui, of: PictureOf, words: impl FnOnce() -> String) {
    if is_taken(ui, of) {
        weak_small(ui, words());
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Sense, vec2};

    use super::*;
    use crate::report::{Cell, TableFormat};
    use crate::ui::shell::pictures::Chart;

    #[test]
    fn numbers_are_made_when_they_are_wanted_and_once() {
        let ctx = Context::default();
        let of = PictureOf::Chart(Chart::Histogram);
        let mut n_made = 0;
        let mut frame = |ctx: &Context| {
            let _ = ctx.run_ui(Default::default(), |ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(30.0, 20.0), Sense::hover());
                leaves(ui, of, rect, || {
                    n_made += 1;
                    let mut table = Table::new("Histogram", ["from"]);
                    table.push([Cell::Count(7)]);
                    table
                });
            });
            take_asked(ctx)
        };
        assert!(frame(&ctx).is_empty());
        assert_eq!(shown(&ctx), [of]);
        // Those of another chart, which is not drawn, are not these.
        want_numbers(&ctx, PictureOf::Chart(Chart::SingularValues));
        assert!(frame(&ctx).is_empty());
        want_numbers(&ctx, of);
        let asked = frame(&ctx);
        let [Action::SaveTable(table, name)] = &asked[..] else {
            panic!("{asked:?}");
        };
        let csv = table.in_format(TableFormat::Csv);
        assert_eq!((csv.rows.len(), name.as_str()), (1, "histogram"));
        assert!(frame(&ctx).is_empty());
        // Once for programs and once for readers.
        assert_eq!(n_made, 2);
        // What is not drawn any more is not shown.
        for _ in 0..3 {
            let _ = ctx.run_ui(Default::default(), |_| ());
        }
        assert!(shown(&ctx).is_empty());
    }
}
