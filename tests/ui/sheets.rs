//! Every view at three sizes, dark and light: six windows of each view in one picture,
//! a quarter as large. `GOSLING_SHEETS=path/to/folder` writes every window as it is
//! there, to be looked at one by one, and compares nothing.

use std::path::Path;

use eframe::egui::{
    Color32, ColorImage, Context, FontId, Rect, TextureHandle, TextureOptions, Ui, Vec2, pos2, vec2,
};
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::sweep::settings::ResultsView;

use crate::measured::measured;
use crate::pictures::{app, harness, settle, wait_for};
use crate::run_table::seeds;
use crate::{adapting, fixtures, sweep};

const SIZES: [Vec2; 3] = [
    vec2(1024.0, 700.0),
    vec2(1280.0, 800.0),
    vec2(1920.0, 1080.0),
];
const LOOKS: [Appearance; 2] = [Appearance::Dark, Appearance::Light];
/// Pixels of a window at a side of one of the sheet.
const SHRINK: usize = 4;
/// Space around windows, and the height of what stands above each.
const GAP: usize = 8;
const TITLE: usize = 16;

/// A window as it was painted.
pub struct Painted {
    /// What stands above it.
    pub title: String,
    /// Its pixels.
    pub image: ColorImage,
}

impl Painted {
    /// What a window shows.
    pub fn of(harness: &mut Harness<'_, App>, title: String) -> Self {
        harness
            .ctx
            .all_styles_mut(|style| style.visuals.text_cursor.blink = false);
        harness.run_steps(4);
        let image = harness.render().unwrap();
        let size = [image.width() as usize, image.height() as usize];
        let image = ColorImage::from_rgba_unmultiplied(size, image.as_raw());
        Self { title, image }
    }

    /// The same with so many pixels at a side as one, their mean.
    fn shrunk(&self, by: usize) -> ColorImage {
        let [width, height] = self.image.size.map(|n| n / by);
        let mean = |row: usize, column: usize| {
            let mut sums = [0_usize; 3];
            for y in row * by..(row + 1) * by {
                for x in column * by..(column + 1) * by {
                    let pixel = self.image.pixels[y * self.image.size[0] + x];
                    let own = [pixel.r(), pixel.g(), pixel.b()];
                    for (sum, value) in sums.iter_mut().zip(own) {
                        *sum += usize::from(value);
                    }
                }
            }
            let [r, g, b] = sums.map(|sum| (sum / (by * by)) as u8);
            Color32::from_rgb(r, g, b)
        };
        let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        let pixels = pixels.map(|(row, column)| mean(row, column)).collect();
        ColorImage::new([width, height], pixels)
    }
}

/// Compares windows in rows, shrunk, with their picture; or writes them one by one
/// where that is asked for.
pub fn check_sheet(results: &mut SnapshotResults, name: &str, rows: &[Vec<Painted>], by: usize) {
    if let Some(folder) = std::env::var_os("GOSLING_SHEETS") {
        for painted in rows.iter().flatten() {
            let file = format!("{name}_{}.png", painted.title.replace([' ', ','], "_"));
            write_png(&Path::new(&folder).join(file), &painted.image);
        }
        return;
    }
    let small: Vec<Vec<(String, ColorImage)>> = rows
        .iter()
        .map(|row| {
            let small = row.iter().map(|of| (of.title.clone(), of.shrunk(by)));
            small.collect()
        })
        .collect();
    let width = |row: &Vec<(String, ColorImage)>| {
        GAP + row.iter().map(|(_, of)| of.size[0] + GAP).sum::<usize>()
    };
    let height = |row: &Vec<(String, ColorImage)>| {
        TITLE + GAP + row.iter().map(|(_, of)| of.size[1]).max().unwrap_or(0)
    };
    let size = vec2(
        small.iter().map(width).max().unwrap_or(0) as f32,
        (GAP + small.iter().map(height).sum::<usize>()) as f32,
    );
    let mut textures: Vec<TextureHandle> = Vec::new();
    let draw = |ui: &mut Ui| {
        if textures.is_empty() {
            textures = load(ui.ctx(), &small);
        }
        let mut shown = textures.iter();
        let mut top = GAP;
        for row in &small {
            let mut left = GAP;
            for ((title, image), texture) in row.iter().zip(shown.by_ref()) {
                let at = pos2(left as f32, top as f32);
                let font = FontId::proportional(12.0);
                ui.painter().text(
                    at,
                    eframe::egui::Align2::LEFT_TOP,
                    title,
                    font,
                    Color32::GRAY,
                );
                let [width, height] = image.size;
                let corner = at + vec2(0.0, TITLE as f32);
                let rect = Rect::from_min_size(corner, vec2(width as f32, height as f32));
                let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                ui.painter()
                    .image(texture.id(), rect, whole, Color32::WHITE);
                left += width + GAP;
            }
            top += height(row);
        }
    };
    let mut sheet = Harness::builder().with_size(size).wgpu().build_ui(draw);
    sheet.run_steps(3);
    let options = SnapshotOptions::new()
        .output_path("tests/ui/snapshots")
        .max_failed_pixels(10);
    sheet.snapshot_options(format!("sheets/{name}"), &options);
    results.extend_harness(&mut sheet);
}

fn load(ctx: &Context, images: &[Vec<(String, ColorImage)>]) -> Vec<TextureHandle> {
    let all = images.iter().flatten();
    let load = |(title, image): &(String, ColorImage)| {
        ctx.load_texture(title, image.clone(), TextureOptions::NEAREST)
    };
    all.map(load).collect()
}

fn write_png(path: &Path, image: &ColorImage) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let [width, height] = image.size.map(|n| n as u32);
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels = image.pixels.iter();
    let bytes: Vec<u8> = pixels.flat_map(|of| [of.r(), of.g(), of.b()]).collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&bytes).unwrap();
}

type MakeStore = fn(&Path) -> RunStore;
type SetUp = fn(&mut App, &Path);

/// What a view shows: runs, what is set up besides, and what can be read there.
struct Shown {
    tab: Tab,
    store: MakeStore,
    set_up: SetUp,
    label: &'static str,
}

fn finished(folder: &Path) -> RunStore {
    fixtures::write_state(folder);
    fixtures::finished(folder)
}

fn shown(tab: Tab) -> Shown {
    let nothing: SetUp = |_, _| ();
    let (store, set_up, label): (MakeStore, SetUp, _) = match tab {
        Tab::Tune => (measured, nothing, "Finished after 200"),
        Tab::States => (finished, nothing, "Every head"),
        Tab::Sweep => (
            |_| RunStore::default(),
            |app, folder| {
                app.sweep.show(sweep::shown(&folder.join("runs"), 24));
                app.sweep.look.view = ResultsView::Parallel;
            },
            "23 of 24 done",
        ),
        Tab::Compare => (
            measured,
            |app, _| {
                let runs = app.workspace.store.runs().iter();
                let ids: Vec<_> = runs.map(|run| run.id.clone()).collect();
                app.workspace.selection.baseline = Some(ids[0].clone());
                app.workspace.selection.selected = ids;
            },
            "gsm8k-mini, test",
        ),
        Tab::Items => (measured, nothing, "Fixed"),
        Tab::Playground => (
            finished,
            |app, _| {
                let prompt = fixtures::answers(&mut app.workspace.store);
                app.playground.playing = Some(prompt);
                app.playground.plays_tuned = true;
            },
            "the model ended it",
        ),
        Tab::Adapt => (
            |_| RunStore::default(),
            |app, folder| app.adapt.look_at(adapting::fixture(folder)),
            "vote over 4 orders",
        ),
        Tab::Table => (|_| seeds(), nothing, "Row of lifted-0012"),
    };
    Shown {
        tab,
        store,
        set_up,
        label,
    }
}

/// Draws a view in every size and look, with every panel open.
fn check(tab: Tab) {
    let Shown {
        tab,
        store,
        set_up,
        label,
    } = shown(tab);
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut rows = Vec::new();
    for (idx, look) in LOOKS.into_iter().enumerate() {
        let mut row = Vec::new();
        for (column, size) in SIZES.into_iter().enumerate() {
            let mut app = app(store.clone(), tab, look);
            let own = folder.path().join(format!("{idx}-{column}"));
            std::fs::create_dir(&own).unwrap();
            set_up(&mut app, &own);
            let mut harness = harness(app, size, look);
            wait_for(&mut harness, "2000 examples");
            wait_for(&mut harness, label);
            settle(&mut harness);
            let look = format!("{look:?}").to_lowercase();
            let title = format!("{} x {}, {look}", size.x, size.y);
            row.push(Painted::of(&mut harness, title));
        }
        rows.push(row);
    }
    let mut results = SnapshotResults::new();
    check_sheet(&mut results, &tab.name().to_lowercase(), &rows, SHRINK);
}

#[test]
fn tune() {
    check(Tab::Tune);
}

#[test]
fn states() {
    check(Tab::States);
}

#[test]
fn sweeps() {
    check(Tab::Sweep);
}

#[test]
fn comparisons() {
    check(Tab::Compare);
}

#[test]
fn items() {
    check(Tab::Items);
}

#[test]
fn the_playground() {
    check(Tab::Playground);
}

#[test]
fn adaptations() {
    check(Tab::Adapt);
}

#[test]
fn the_table() {
    check(Tab::Table);
}
