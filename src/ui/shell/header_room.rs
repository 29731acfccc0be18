//! What stands at the top of a view and stays in reach: messages lie below it.

use eframe::egui::{Context, Id, Rect, Ui};

/// A header begins within so many points of the top of the room of all views.
const TOP: f32 = 72.0;

fn id() -> Id {
    Id::unique("headers of views")
}

/// Says that the header of a view ends here, at what `ui` has drawn so far.
pub(crate) fn header_ends(ui: &Ui) {
    let header = ui.min_rect();
    ui.data_mut(|data| {
        let headers: &mut Vec<Rect> = data.get_temp_mut_or_default(id());
        headers.push(header);
    });
}

/// Where the headers end that views had at the top of `room` since this was asked last.
pub(super) fn end_of_headers(ctx: &Context, room: Rect) -> Option<f32> {
    let headers: Vec<Rect> = ctx.data_mut(|data| data.remove_temp(id()))?;
    let tops = room.top() - 1.0..room.top() + TOP;
    let at_top = headers.into_iter().filter(|of| tops.contains(&of.top()));
    at_top.map(|of| of.bottom()).reduce(f32::max)
}
