//! The list of published models, what they need, and how far a download is.

use eframe::egui::{Context, Grid, ProgressBar, RichText, TextEdit, Ui};

use super::{ModelDownloads, UnderWay};
use crate::format::{byte_rate, byte_size, duration, gibibytes, part_of_bytes};
use crate::hub::{LICENCE, PAGE, PUBLISHED, Stage, needs};
use crate::kernels::device::Room;
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{from_right, modal, weak_small};

/// Draws the dialog, if it is open; `room` is what the configuration's device holds,
/// where that is known.
pub(crate) fn get_model_ui(
    ctx: &Context,
    models: &mut ModelDownloads,
    room: Option<Room>,
) -> Vec<Action> {
    if !models.is_open {
        return Vec::new();
    }
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "get model").show(ctx, |ui| {
        ui.set_width(640.0);
        ui.heading(tr!("Get a model"));
        ui.horizontal(|ui| {
            weak_small(ui, tr!("Published RWKV-7 checkpoints, {LICENCE}", LICENCE));
            ui.hyperlink_to(RichText::new(tr!("About these models")).small(), PAGE);
        });
        ui.add_space(GAP);
        table_ui(ui, models, room.unwrap_or_default(), &mut actions);
        ui.add_space(GAP);
        let of_device = match room.and_then(Room::usable) {
            Some(bytes) => tr!("; yellow is more than the {} of the device", gibibytes(bytes)),
            None => String::new(),
        };
        let text =
            tr!("F32 to NF4: memory of a step with one example of 1024 tokens, activations recomputed{of_device}", of_device);
        weak_small(ui, text);
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            let label = ui.label(tr!("Folder")).id;
            let field = TextEdit::singleline(&mut models.folder).desired_width(f32::INFINITY);
            let field = ui.add_enabled(models.under_way.is_none(), field);
            field.labelled_by(label).on_hover_text(
                tr!("Where the file goes. A file that was downloaded elsewhere can be put here too"),
            );
        });
        ui.add_space(GAP);
        match (&models.under_way, &models.outcome) {
            (Some(under_way), _) => under_way_ui(ui, under_way),
            (None, Some(Ok(text))) => {
                ui.label(RichText::new(text).color(palette(ui.visuals()).good));
            }
            (None, Some(Err(text))) => {
                let text = format!("× {text}");
                ui.label(RichText::new(text).color(palette(ui.visuals()).bad));
            }
            (None, None) => {}
        }
        ui.add_space(GAP);
        from_right(ui, |ui| {
            if let Some(under_way) = &models.under_way {
                let cancel = |ui: &mut Ui| ui.button(tr!("Cancel download"));
                let button = ui.add_enabled_ui(!under_way.is_cancelled(), cancel).inner;
                if button.clicked() {
                    actions.push(Action::CancelModel);
                }
            }
            if ui.button(tr!("Close")).clicked() {
                is_done = true;
            }
        });
    });
    if is_done || shown.should_close() {
        models.is_open = false;
    }
    actions
}

fn table_ui(ui: &mut Ui, models: &mut ModelDownloads, room: Room, actions: &mut Vec<Action>) {
    let colours = palette(ui.visuals());
    let grid = Grid::new("models").num_columns(8).spacing([18.0, 6.0]);
    grid.show(ui, |ui| {
        for heading in [
            tr!("Model"),
            tr!("Parameters"),
            tr!("Download"),
            "F32",
            "BF16",
            "Int8",
            "NF4",
            "",
        ] {
            weak_small(ui, heading);
        }
        ui.end_row();
        for (idx, of) in PUBLISHED.iter().enumerate() {
            ui.label(RichText::new(of.name).strong())
                .on_hover_text(of.file);
            ui.label(format!("{:.2} B", of.shape.n_params() as f64 / 1e9));
            let about = if of.bytes.is_some() {
                ""
            } else {
                tr!("about ")
            };
            ui.label(format!("{about}{}", gibibytes(of.about_bytes())));
            for need in needs(&of.shape, room) {
                let text = RichText::new(gibibytes(need.bytes));
                let text = match need.fits {
                    true => text,
                    false => text.color(colours.warning),
                };
                ui.label(text);
            }
            match models.here(idx) {
                Some(path) => {
                    let button = ui.button(tr!("Use {}", of.name));
                    let button =
                        button.on_hover_text(tr!("Make it the model of the configuration"));
                    if button.clicked() {
                        actions.push(Action::UseModel(path));
                    }
                }
                None => {
                    let is_free = models.under_way.is_none();
                    let get = |ui: &mut Ui| ui.button(tr!("Get {}", of.name));
                    let button = ui.add_enabled_ui(is_free, get).inner;
                    if button.on_hover_text(of.file).clicked() {
                        actions.push(Action::GetModel(of.name));
                    }
                }
            }
            ui.end_row();
        }
    });
}

fn under_way_ui(ui: &mut Ui, under_way: &UnderWay) {
    let UnderWay {
        name, stage, pace, ..
    } = under_way;
    let (text, share) = match stage {
        Stage::Asking => (tr!("asking the server").to_owned(), 0.0),
        Stage::Waiting(reason) => (tr!("{reason}; trying again", reason), 0.0),
        Stage::Checking(read) => {
            let bytes = part_of_bytes(read.done, read.total);
            (tr!("checking {bytes}", bytes), read.share())
        }
        Stage::Coming(read) => {
            let rate = pace.bytes_per_sec();
            let rate = rate.map_or(String::new(), |rate| tr!(", {}", byte_rate(rate)));
            let left = pace.secs_left(read.total);
            let left = left.map_or(String::new(), |secs| tr!(", {} left", duration(secs)));
            let bytes = match read.total {
                0 => byte_size(read.done),
                total => part_of_bytes(read.done, total),
            };
            (format!("{bytes}{rate}{left}"), read.share())
        }
    };
    // A silent server may keep it waiting.
    let text = match under_way.is_cancelled() {
        true => tr!("cancelling").to_owned(),
        false => text,
    };
    ui.label(format!("{name}: {text}"));
    ui.add(ProgressBar::new(share.clamp(0.0, 1.0)).desired_height(6.0));
}
