//! Pictures of what the window shows: of all of it, of a view, a plot or a matrix,
//! cut out of what the GPU painted, or the shapes that it was painted of, and written
//! beside the window.

use std::path::{Path, PathBuf};

use eframe::egui::layers::PaintList;
use eframe::egui::{ColorImage, Context, Id, LayerId, Rect, Ui, vec2};

use super::docking::Dock;
use super::path_dialogs::PathFor;
use super::theme::palette;
use super::vector::VectorPicture;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::language::in_english;
use crate::persist::heatmap_png::write_rgb_png;
use crate::ui::shared::notice::Notice;
use crate::ui::shared::tab::Tab;
use crate::ui::shared::workspace::{Workspace, start_quietly, write_text};
use crate::ui::widgets::metric::Metric;

/// Frames from the wish to the picture: menus and dialogs are gone by then, and
/// what is written for the picture alone is there.
const FRAMES_BEFORE: u8 = 3;
/// The frame that asks for the picture, and the one that is taken.
const FRAMES_OF_IT: u8 = 2;

/// What a picture is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureOf {
    /// The whole window.
    Window,
    /// A view of the centre.
    View(Tab),
    /// The plot of a number over steps.
    Plot(Metric),
    /// The matrix that is looked at.
    Matrix,
    /// The matrices of every head beside each other.
    Heads,
    /// The results of a sweep.
    Sweep,
    /// A chart within a view.
    Chart(Chart),
}

/// A chart within a view. A number tells charts of one kind from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chart {
    /// How often which numbers are in a matrix.
    Histogram,
    /// The singular values of a matrix.
    SingularValues,
    /// The norm of a state over the tokens of a text.
    TokenNorms,
    /// Accuracies as bars.
    Accuracies(u64),
    /// Accuracies against what they cost.
    Costs(u64),
    /// The loss over learning rates.
    Rates,
    /// How far apart vectors lie for a kernel.
    Distances,
    /// The accuracy of an adaptation against what it costs.
    Adaptation,
    /// What is seen of the steps of an adaptation.
    AdaptationSteps,
}

impl Chart {
    /// What the user calls it.
    fn words(self) -> &'static str {
        match self {
            Self::Histogram => tr!("the histogram"),
            Self::SingularValues => tr!("the singular values"),
            Self::TokenNorms => tr!("the norms over the tokens"),
            Self::Accuracies(_) => tr!("the accuracies"),
            Self::Costs(_) => tr!("the accuracies by cost"),
            Self::Rates => tr!("the loss over learning rates"),
            Self::Distances => tr!("the distances"),
            Self::Adaptation => tr!("the adaptation by cost"),
            Self::AdaptationSteps => tr!("the steps of the adaptation"),
        }
    }

    /// What a file of it is called at first, without its ending.
    fn file_name(self) -> &'static str {
        match self {
            Self::Histogram => "histogram",
            Self::SingularValues => "singular-values",
            Self::TokenNorms => "token-norms",
            Self::Accuracies(_) => "accuracies",
            Self::Costs(_) => "costs",
            Self::Rates => "learning-rates",
            Self::Distances => "distances",
            Self::Adaptation => "adaptation",
            Self::AdaptationSteps => "adaptation-steps",
        }
    }
}

impl PictureOf {
    /// What the user calls it.
    pub fn words(self) -> String {
        match self {
            Self::Window => tr!("the window").into(),
            Self::View(tab) => tr!("the view {}", tab.name()),
            Self::Plot(metric) => tr!("the plot {}", metric.title()),
            Self::Matrix => tr!("the matrix").into(),
            Self::Heads => tr!("every head").into(),
            Self::Sweep => tr!("the results of the sweep").into(),
            Self::Chart(chart) => chart.words().into(),
        }
    }

    /// What a file of it is called at first, without its ending.
    pub(super) fn file_name(self) -> String {
        let name = match self {
            Self::Window => "gosling",
            Self::View(tab) => in_english(|| tab.name()),
            Self::Plot(metric) => in_english(|| metric.title()),
            Self::Matrix => "matrix",
            Self::Heads => "heads",
            Self::Sweep => "sweep",
            Self::Chart(chart) => chart.file_name(),
        };
        name.to_lowercase().replace(' ', "-")
    }

    fn id(self) -> Id {
        Id::unique(("place of a picture", self))
    }
}

/// Where something was drawn.
#[derive(Debug, Clone, Copy)]
struct PicturePlace {
    pass: u64,
    rect: Rect,
    /// That of the window, or that of a dialog.
    layer: LayerId,
    /// Whether all of it was in sight.
    is_whole: bool,
}

/// A picture that is to be written.
#[derive(Debug)]
struct PendingPicture {
    of: PictureOf,
    path: PathBuf,
    n_frames_left: u8,
}

/// Says where something is drawn in this frame.
pub(crate) fn place(ui: &Ui, of: PictureOf, rect: Rect) {
    let place = PicturePlace {
        pass: ui.ctx().cumulative_pass_nr(),
        rect: rect.intersect(ui.clip_rect()),
        layer: ui.layer_id(),
        is_whole: ui.clip_rect().expand(1.0).contains_rect(rect),
    };
    ui.data_mut(|data| data.insert_temp(of.id(), place));
}

/// Where something was drawn in this frame or the last.
fn placed(ctx: &Context, of: PictureOf) -> Option<PicturePlace> {
    let place: PicturePlace = ctx.data(|data| data.get_temp(of.id()))?;
    let is_new = place.pass + 2 > ctx.cumulative_pass_nr();
    (is_new && place.rect.is_positive()).then_some(place)
}

/// Whether something is on the screen.
pub(crate) fn is_placed(ctx: &Context, of: PictureOf) -> bool {
    placed(ctx, of).is_some()
}

/// Whether a picture of it is about to be taken, so that it says what it is of.
pub(crate) fn is_taken(ui: &Ui, of: PictureOf) -> bool {
    ui.data(|data| data.get_temp(being_taken())) == Some(of)
}

fn being_taken() -> Id {
    Id::unique("what a picture is being taken of")
}

/// Where the picture is that is taken of a frame.
#[derive(Debug, Clone, Copy)]
struct Due {
    rect: Rect,
    /// Whether all of it is in sight.
    is_whole: bool,
    /// The layer of a dialog; none of the window itself.
    layer: Option<LayerId>,
}

/// Pictures of what the window shows.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    /// What one is to be of, while the user chooses its file.
    asked: Option<PictureOf>,
    /// The one that is to be taken.
    pending: Option<PendingPicture>,
    /// Where it is in the frame that it is of.
    due: Option<Due>,
}

impl Pictures {
    /// Asks where to write a picture.
    pub fn ask_where(&mut self, of: PictureOf, workspace: &Workspace) {
        self.asked = Some(of);
        workspace.choose(PathFor::Picture, &of.file_name());
    }

    /// Writes the picture that was asked for where the user chose.
    pub fn save_asked(&mut self, path: PathBuf, workspace: &Workspace) {
        if let Some(of) = self.asked.take() {
            self.save(of, path, workspace);
        }
    }

    /// Takes a picture of what is on the screen in a few frames from now, and
    /// writes it to `path`: as SVG where its ending says so, else as PNG.
    pub fn save(&mut self, of: PictureOf, path: PathBuf, workspace: &Workspace) {
        self.pending = Some(PendingPicture {
            of,
            path,
            n_frames_left: FRAMES_BEFORE + FRAMES_OF_IT,
        });
        workspace.threads.wake();
    }

    /// Asks for the picture that is wanted once its time has come. What is written
    /// for the picture alone stays until it is taken, which the next frame is for.
    pub fn take(&mut self, ctx: &Context, dock: &Dock, workspace: &mut Workspace) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        let of = pending.of;
        if pending.n_frames_left == 0 {
            self.pending = None;
            ctx.data_mut(|data| data.remove::<PictureOf>(being_taken()));
            ctx.request_repaint();
            return;
        }
        ctx.data_mut(|data| data.insert_temp(being_taken(), of));
        ctx.request_repaint();
        pending.n_frames_left -= 1;
        if pending.n_frames_left != FRAMES_OF_IT {
            return;
        }
        let whole = |rect| Due {
            rect,
            is_whole: true,
            layer: None,
        };
        let place = match of {
            PictureOf::Window => Some(whole(ctx.content_rect())),
            PictureOf::View(tab) => dock.rect(tab).map(whole),
            PictureOf::Plot(_)
            | PictureOf::Matrix
            | PictureOf::Heads
            | PictureOf::Sweep
            | PictureOf::Chart(_) => placed(ctx, of).map(|place| Due {
                rect: place.rect,
                is_whole: place.is_whole,
                layer: Some(place.layer),
            }),
        };
        match place {
            Some(place) => self.due = Some(place),
            None => {
                let text = tr!("No picture was saved: {} is not on the screen", of.words());
                workspace.notify(Notice::error(text));
            }
        }
    }

    /// Asks for the pixels of the frame that was just drawn, and takes its shapes, where
    /// its picture is due: those of the layer that it is in, else of `layer`.
    pub fn take_drawn(&mut self, ctx: &Context, layer: LayerId, workspace: &Workspace) {
        let (Some(due), Some(pending)) = (self.due.take(), &self.pending) else {
            return;
        };
        let Due { rect, is_whole, .. } = due;
        let layer = due.layer.unwrap_or(layer);
        let (of, path) = (pending.of, pending.path.clone());
        let is_svg = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("svg"));
        let ground = palette(&ctx.global_style().visuals).surface;
        let vector = is_svg.then(|| {
            ctx.graphics(|graphics| {
                let shapes = graphics
                    .get(layer)
                    .into_iter()
                    .flat_map(PaintList::all_entries);
                VectorPicture::of(shapes, rect, ground)
            })
        });
        let written = workspace.writer();
        let scale = ctx.pixels_per_point();
        ctx.request_screenshot(move |image| {
            start_quietly(&written, move || {
                match &vector {
                    Some(vector) => write_text(&path, &vector.svg(&image, scale)?)?,
                    None => write_picture(&path, &image, rect * scale, &of.words())?,
                }
                let part = if is_whole {
                    ""
                } else {
                    tr!(" (the visible part)")
                };
                Ok(Some(tr!("Saved {}{part}", shown(&path), part)))
            });
        });
    }
}

/// Writes the part of the window's pixels that is in `rect`, in pixels.
fn write_picture(path: &Path, image: &ColorImage, rect: Rect, caption: &str) -> Result<()> {
    let [width, height] = image.size;
    let whole = Rect::from_min_size(Default::default(), vec2(width as f32, height as f32));
    let rect = rect.intersect(whole);
    // Whole pixels, none of which reaches over the edge.
    let (left, top) = (rect.left().ceil() as usize, rect.top().ceil() as usize);
    let (right, bottom) = (
        rect.right().floor() as usize,
        rect.bottom().floor() as usize,
    );
    if right <= left || bottom <= top {
        return Err(Error::input(
            path,
            "picture",
            tr!("no part of it is on the screen"),
        ));
    }
    let rows = (top..bottom).map(|row| &image.pixels[row * width + left..row * width + right]);
    let pixels: Vec<[u8; 3]> = rows
        .flatten()
        .map(|pixel| [pixel.r(), pixel.g(), pixel.b()])
        .collect();
    write_rgb_png(path, right - left, &pixels, caption)
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Color32, pos2};

    use super::*;

    #[test]
    fn a_picture_is_the_part_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let pixel = |at: usize| Color32::from_rgb((at % 8) as u8, (at / 8) as u8, 7);
        let image = ColorImage::new([8, 6], (0..48).map(pixel).collect());
        let rect = Rect::from_min_max(pos2(1.4, 2.0), pos2(5.9, 9.0));
        write_picture(&path, &image, rect, "the plot").unwrap();
        let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!((reader.info().width, reader.info().height), (3, 4));
        assert_eq!(pixels[..6], [2, 2, 7, 3, 2, 7]);
        assert_eq!(pixels[pixels.len() - 3..], [4, 5, 7]);
        let outside = Rect::from_min_max(pos2(20.0, 20.0), pos2(30.0, 30.0));
        write_picture(&path, &image, outside, "").unwrap_err();
    }

    #[test]
    fn names_of_files_have_no_spaces() {
        assert_eq!(
            PictureOf::Plot(Metric::GradNorm).file_name(),
            "gradient-norm"
        );
        assert_eq!(PictureOf::View(Tab::States).file_name(), "states");
    }
}
