//! Pictures that leave the window: what is on the screen, cut out and written.

use std::path::Path;
use std::time::{Duration, Instant};

use eframe::egui::{ViewportCommand, ViewportId, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::ui::Metric;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::palette::PaletteState;
use gosling::ui::shell::pictures::PictureOf;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures;
use crate::pictures::{app, harness, wait_for};

fn window<'a>(tab: Tab) -> (Harness<'a, App>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let store = fixtures::finished(folder.path());
    let app = app(store, tab, Appearance::Dark);
    let mut harness = harness(app, vec2(1400.0, 900.0), Appearance::Dark);
    harness.run_steps(4);
    (harness, folder)
}

/// Has a picture taken as the window of the system takes it, from what is painted;
/// the red, green and blue of that.
fn take(harness: &mut Harness<'_, App>, of: PictureOf, path: &Path) -> Vec<u8> {
    harness.state_mut().save_picture(of, path.into());
    let mut asked = None;
    for _ in 0..10 {
        harness.step();
        let commands = &harness.output().viewport_output[&ViewportId::ROOT].commands;
        let found = commands.iter().find_map(|command| match command {
            ViewportCommand::Screenshot(callback) => Some(callback.clone()),
            _ => None,
        });
        if found.is_some() {
            asked = found;
            break;
        }
    }
    let painted = harness.render().unwrap();
    let size = [painted.width() as usize, painted.height() as usize];
    let image = eframe::egui::ColorImage::from_rgba_unmultiplied(size, painted.as_raw());
    asked
        .expect("a picture is asked for")
        .complete(image.into());
    let rgb = painted.pixels().flat_map(|of| [of[0], of[1], of[2]]);
    rgb.collect()
}

fn read(path: &Path) -> (usize, usize, Vec<u8>, String) {
    let start = Instant::now();
    while !path.is_file() {
        assert!(start.elapsed() < Duration::from_secs(30), "no {path:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let info = reader.info();
    let caption = info.uncompressed_latin1_text[0].text.clone();
    (info.width as usize, info.height as usize, pixels, caption)
}

#[test]
fn the_window_and_its_parts_are_written_as_they_are_painted() {
    let (mut harness, folder) = window(Tab::Tune);
    let path = folder.path().join("window.png");
    let painted = take(&mut harness, PictureOf::Window, &path);
    let (width, height, pixels, caption) = read(&path);
    assert_eq!((width, height), (1400, 900));
    assert_eq!(caption, "the window");
    assert!(pixels == painted);
    wait_for(&mut harness, "window.png");

    let path = folder.path().join("loss.png");
    let painted = take(&mut harness, PictureOf::Plot(Metric::Loss), &path);
    let (width, height, pixels, caption) = read(&path);
    assert_eq!(caption, "the plot Loss");
    let plot = harness.get_by_role_and_label(eframe::egui::accesskit::Role::Image, "Loss");
    assert!(
        width as f32 >= plot.rect().width() - 2.0 && width < 1000,
        "{width}"
    );
    assert!(height as f32 > plot.rect().height(), "{height}");
    // It is a part of what was painted, row by row.
    let rows: Vec<&[u8]> = pixels.chunks_exact(3 * width).collect();
    let middle = rows[rows.len() / 2];
    let parts = painted.windows(middle.len()).step_by(3);
    assert!(parts.into_iter().any(|part| part == middle));
    wait_for(&mut harness, "loss.png");
}

#[test]
fn a_matrix_says_of_which_run_and_step_it_is_while_its_picture_is_taken() {
    let (mut harness, folder) = window(Tab::States);
    wait_for(&mut harness, "Layer 0, head 0");
    let words = "batch-8-0002, after step 200";
    assert!(harness.query_by_label(words).is_none());
    let path = folder.path().join("matrix.png");
    harness
        .state_mut()
        .save_picture(PictureOf::Matrix, path.clone());
    harness.run_steps(2);
    assert!(harness.query_by_label(words).is_some());
    take(&mut harness, PictureOf::Matrix, &path);
    let (width, height, _, caption) = read(&path);
    assert!(width > 300 && height > 200, "{width} x {height}");
    assert_eq!(caption, "the matrix");
    harness.run_steps(4);
    assert!(harness.query_by_label(words).is_none());
}

#[test]
fn what_is_not_on_the_screen_has_no_picture() {
    let (mut harness, folder) = window(Tab::Compare);
    let path = folder.path().join("states.png");
    let of = PictureOf::View(Tab::States);
    harness.state_mut().save_picture(of, path.clone());
    wait_for(&mut harness, "the view States is not on the screen");
    assert!(!path.exists());
}

#[test]
fn pictures_are_among_what_can_be_done() {
    let (mut harness, _folder) = window(Tab::Tune);
    let listed = |harness: &mut Harness<'_, App>, typed: &str, text: &str| {
        harness.state_mut().shell.palette = Some(PaletteState {
            typed: typed.into(),
            chosen: 0,
        });
        harness.run_steps(4);
        let found = harness.query_all_by_label_contains(text).next().is_some();
        harness.state_mut().shell.palette = None;
        harness.run_steps(2);
        found
    };
    for text in [
        "Save a picture of the window",
        "Save a picture of the view Tune",
        "Save a picture of the plot Gradient norm",
        "Save the plot Loss as SVG",
    ] {
        assert!(listed(&mut harness, text, text), "{text}");
    }
    // What is not on the screen is there with the reason.
    let of_states = "Save a picture of the view States";
    assert!(listed(&mut harness, of_states, of_states));
    assert!(listed(&mut harness, of_states, "it is not on the screen"));
    let of_norm = "Save a picture of the plot Gradient norm";
    assert!(!listed(&mut harness, of_norm, "it is not on the screen"));
    let plot = harness.get_by_role_and_label(eframe::egui::accesskit::Role::Image, "Loss");
    plot.click_secondary();
    harness.run_steps(4);
    assert!(harness.query_by_label("Save as PNG…").is_some());
    assert!(harness.query_by_label("Save as SVG…").is_some());
    assert!(harness.query_by_label("Save the numbers…").is_some());
}

/// The picture as text once it is written.
fn read_svg(path: &Path) -> String {
    let start = Instant::now();
    while !path.is_file() {
        assert!(start.elapsed() < Duration::from_secs(30), "no {path:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn views_and_matrices_leave_as_pictures_that_scale() {
    let (mut harness, folder) = window(Tab::Compare);
    wait_for(&mut harness, "gsm8k-mini, test");
    let path = folder.path().join("compare.svg");
    take(&mut harness, PictureOf::View(Tab::Compare), &path);
    let svg = read_svg(&path);
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    // Letters stay letters, and bars are rectangles.
    for letters in [">gsm8k-mini, test</text>", ">untuned</text>"] {
        assert!(svg.contains(letters), "{letters} is not in it");
    }
    assert!(svg.matches("<rect ").count() > 5);
    // What lies beside the view is not in it.
    assert!(!svg.contains(">Configuration</text>"));
    assert!(!svg.contains("<image "));

    let (mut harness, folder) = window(Tab::States);
    wait_for(&mut harness, "Layer 0, head 0");
    let path = folder.path().join("matrix.svg");
    take(&mut harness, PictureOf::Matrix, &path);
    let svg = read_svg(&path);
    assert_eq!(svg.matches("<image ").count(), 1, "the heatmap");
    assert!(svg.contains("href=\"data:image/png;base64,iVBORw0KGgo"));
    assert!(
        svg.contains(">value channel</text>"),
        "its axes are letters"
    );
}
