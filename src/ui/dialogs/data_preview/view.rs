//! The training data as the model would see them: their lengths, the first
//! examples token by token, and what was left out.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{
    Align, Color32, Context, FontId, Frame, Layout, Margin, Rect, RichText, Role, ScrollArea,
    Sense, Spinner, Stroke, Ui, pos2, vec2,
};

use super::DataPreview;
use crate::data::{BadLine, Preview, ShownToken};
use crate::protocol::fields;
use crate::ui::shell::theme::{GAP, Palette, blend, palette};
use crate::ui::widgets::controls::{cut_label, from_right, modal, named, weak_small};

const WIDTH: f32 = 620.0;
const BARS_HEIGHT: f32 = 64.0;
/// Lines that were left out and are listed.
const MAX_LINES: usize = 50;
/// Tokens of an example that are drawn; the middle of a longer one is left out.
const MAX_TOKENS: usize = 2000;

/// Draws the dialog, if it is open.
pub fn data_ui(ctx: &Context, look: &mut Option<DataPreview>) {
    let Some(open) = look else {
        return;
    };
    let mut is_done = false;
    let shown = modal(ctx, "data").show(ctx, |ui| {
        ui.set_width(WIDTH.min(ctx.content_rect().width() - 80.0));
        ui.heading(tr!("Training data"));
        weak_small(
            ui,
            tr!("{}, as the tokens that the model sees", open.source),
        );
        ui.add_space(GAP);
        let height = (ctx.content_rect().height() - 200.0).clamp(160.0, 480.0);
        let size = vec2(ui.available_width(), height);
        ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
            ui.set_min_size(size);
            match &open.outcome {
                None => {
                    ui.horizontal(|ui| {
                        ui.add(Spinner::new().size(16.0));
                        ui.label(tr!("Reading the data"));
                    });
                }
                Some(Err(error)) => {
                    let bad = palette(ui.visuals()).bad;
                    ui.label(RichText::new(format!("× {error}")).color(bad));
                }
                Some(Ok(preview)) => {
                    preview_ui(ui, preview, &mut open.shown);
                }
            }
        });
        ui.add_space(GAP);
        let is_reading = open.outcome.is_none();
        from_right(ui, |ui| {
            let text = if is_reading {
                tr!("Cancel")
            } else {
                tr!("Close")
            };
            is_done = ui.button(text).clicked();
        });
    });
    if is_done || shown.should_close() {
        *look = None;
    }
}

fn preview_ui(ui: &mut Ui, preview: &Preview, shown: &mut usize) {
    let Preview {
        n_examples,
        n_tokens,
        n_counted_tokens,
        shortest,
        longest,
        context_limit,
        n_over_limit,
        ..
    } = preview;
    ui.label(tr!("{n_examples} examples of {shortest} to {longest} tokens, {n_tokens} in all; the loss counts {n_counted_tokens} of them.", n_examples, shortest, longest, n_tokens, n_counted_tokens));
    if *n_over_limit > 0 {
        let warning = palette(ui.visuals()).warning;
        let text = tr!(
            "! {n_over_limit} examples are longer than the context of {context_limit} tokens and are left out; the numbers above include them. Long texts can cut or split them.",
            n_over_limit,
            context_limit
        );
        ui.label(RichText::new(text).color(warning));
    }
    lengths_ui(ui, preview);
    ScrollArea::vertical()
        .auto_shrink([false, false])
        .show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 12.0);
            example_ui(ui, &preview.examples, shown);
            notes_ui(ui, &preview.notes);
            bad_lines_ui(ui, &preview.bad_lines, preview.n_bad_lines);
        });
}

/// How many examples have how many tokens: each bar reaches twice as far as the
/// one before it.
fn lengths_ui(ui: &mut Ui, preview: &Preview) {
    let visuals = ui.visuals().clone();
    let colours = palette(&visuals);
    let counts = &preview.bucket_counts;
    let most = counts.iter().copied().max().unwrap_or_default();
    weak_small(
        ui,
        tr!(
            "Examples by their length in tokens; the highest bar has {most}",
            most
        ),
    );
    let most = most.max(1);
    // It ends where the examples do, which have a bar at their right.
    let size = vec2(ui.available_width() - 12.0, BARS_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let painter = ui.painter();
    painter.rect_filled(rect, 4.0, colours.sunken);
    let plot = rect
        .shrink2(vec2(6.0, 4.0))
        .with_max_y(rect.bottom() - 16.0);
    let width = plot.width() / counts.len().max(1) as f32;
    let mut told = Vec::new();
    let mut first = 0;
    for (idx, (count, edge)) in counts.iter().zip(&preview.bucket_edges).enumerate() {
        let left = plot.left() + idx as f32 * width;
        // One of many is still seen.
        let least = if *count > 0 { 1.5 } else { 0.0 };
        let height = (*count as f32 / most as f32 * plot.height()).max(least);
        let bar = Rect::from_min_max(
            pos2(left + 1.0, plot.bottom() - height),
            pos2(left + width - 1.0, plot.bottom()),
        );
        let is_over = first > preview.context_limit;
        let colour = if is_over {
            colours.warning
        } else {
            colours.accent
        };
        painter.rect_filled(bar, 1.0, colour);
        let at = pos2(left + width / 2.0, rect.bottom() - 1.0);
        painter.text(
            at,
            eframe::egui::Align2::CENTER_BOTTOM,
            format!("≤ {edge}"),
            FontId::proportional(10.5),
            colours.weak,
        );
        told.push(tr!(
            "{first} to {edge} tokens: {count} examples",
            first,
            edge,
            count
        ));
        first = edge + 1;
    }
    named(&response, Role::Image, tr!("Lengths of the examples"));
    response.on_hover_text(told.join("\n"));
    ui.add_space(6.0);
}

fn example_ui(ui: &mut Ui, examples: &[Vec<ShownToken>], shown: &mut usize) {
    let Some(last) = examples.len().checked_sub(1) else {
        return;
    };
    *shown = (*shown).min(last);
    ui.horizontal(|ui| {
        let before = ui.add_enabled(*shown > 0, eframe::egui::Button::new(tr!("Back")));
        if before.on_hover_text(tr!("Previous example")).clicked() {
            *shown -= 1;
        }
        let next = ui.add_enabled(*shown < last, eframe::egui::Button::new(tr!("Next")));
        if next.on_hover_text(tr!("Next example")).clicked() {
            *shown += 1;
        }
        let n_tokens = examples[*shown].len();
        let text = tr!("Example {} of the first {}, {n_tokens} tokens; tokens that count in the loss are green and underlined", *shown + 1, last + 1, n_tokens);
        cut_label(ui, RichText::new(text).small().weak());
    });
    let colours = palette(ui.visuals());
    let frame = Frame::new()
        .fill(colours.sunken)
        .corner_radius(4.0)
        .inner_margin(Margin::same(8));
    let job = tokens_job(&examples[*shown], colours);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        tokens_ui(ui, &examples[*shown], job);
    });
}

/// The tokens, and the bytes of the one under the pointer where it is no whole
/// characters.
fn tokens_ui(ui: &mut Ui, tokens: &[ShownToken], mut job: LayoutJob) {
    job.wrap.max_width = ui.available_width();
    let galley = ui.painter().layout_job(job);
    let shown = ui.label(galley.clone());
    let Some(pointer) = shown.hover_pos() else {
        return;
    };
    if tokens.len() > MAX_TOKENS {
        return;
    }
    let at = galley.cursor_from_pos(pointer - shown.rect.min).index.0;
    let mut end = 0;
    let under = tokens.iter().enumerate().find(|(idx, token)| {
        let line = speaker(*idx, token).unwrap_or_default();
        end += line.chars().count() + token.text.chars().count();
        at < end
    });
    if let Some(bytes) = under.and_then(|(_, token)| token.bytes.as_ref()) {
        shown.on_hover_text_at_pointer(tr!("A part of a character, bytes {bytes}", bytes));
    }
}

/// The line above a token with which another speaker begins.
fn speaker(idx: usize, token: &ShownToken) -> Option<String> {
    let line = if idx == 0 { "" } else { "\n" };
    Some(format!("{line}{}\n", token.begins?.name()))
}

/// Tokens on grounds of two shades, so that one sees where each ends.
fn tokens_job(tokens: &[ShownToken], colours: &Palette) -> LayoutJob {
    let mut job = LayoutJob::default();
    let format = |is_counted: bool, is_odd: bool| {
        let share = if is_odd { 0.16 } else { 0.05 };
        TextFormat {
            font_id: FontId::monospace(12.0),
            color: if is_counted {
                colours.good
            } else {
                colours.text
            },
            background: blend(colours.weak, colours.sunken, share),
            underline: match is_counted {
                true => Stroke::new(1.0, colours.good),
                false => Stroke::NONE,
            },
            ..TextFormat::default()
        }
    };
    let half = MAX_TOKENS / 2;
    let n_hidden = tokens.len().saturating_sub(MAX_TOKENS);
    for (idx, token) in tokens.iter().enumerate() {
        if n_hidden > 0 && idx == half {
            let text = tr!(" … {n_hidden} tokens … ", n_hidden);
            let plain = TextFormat::simple(FontId::proportional(12.0), colours.weak);
            job.append(&text, 0.0, plain);
        }
        if n_hidden > 0 && (half..half + n_hidden).contains(&idx) {
            continue;
        }
        if let Some(line) = speaker(idx, token) {
            let small = TextFormat::simple(FontId::proportional(11.0), colours.weak);
            job.append(&line, 0.0, small);
        }
        job.append(&token.text, 0.0, format(token.is_counted, idx % 2 == 1));
    }
    if tokens.is_empty() {
        let plain = TextFormat::simple(FontId::proportional(12.0), Color32::GRAY);
        job.append(tr!("no token"), 0.0, plain);
    }
    job
}

fn notes_ui(ui: &mut Ui, notes: &[String]) {
    let warning = palette(ui.visuals()).warning;
    for note in notes {
        ui.add_space(GAP);
        let note = fields::with_names(note);
        ui.label(RichText::new(format!("! {note}")).color(warning));
    }
}

fn bad_lines_ui(ui: &mut Ui, lines: &[BadLine], n_lines: usize) {
    if n_lines == 0 {
        return;
    }
    ui.add_space(GAP);
    let warning = palette(ui.visuals()).warning;
    let text = tr!("! {n_lines} lines cannot be used and are left out", n_lines);
    ui.label(RichText::new(text).color(warning));
    for bad in lines.iter().take(MAX_LINES) {
        let name = bad.file.file_name().unwrap_or_default().to_string_lossy();
        let text = tr!("{name}, line {}: {}", bad.line, bad.reason, name);
        cut_label(ui, RichText::new(text).small().weak());
    }
    let n_more = n_lines.saturating_sub(MAX_LINES);
    if n_more > 0 {
        weak_small(ui, tr!("and {n_more} more", n_more));
    }
}
