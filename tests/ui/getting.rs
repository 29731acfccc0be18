//! Published models are listed, downloaded from a server on this machine, and used.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use eframe::egui::vec2;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use gosling::atomic::sha256_hex;
use gosling::hub::Stage;
use gosling::model::BytesRead;
use gosling::protocol::run_spec::CheckpointSource;
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::dialogs::get_model::UnderWay;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::click_through::click;
use crate::pictures::{app, harness, picture, wait_for};

const FILE: &str = "rwkv7-g1d-0.1b-20260129-ctx8192.pth";

/// A server of a file with this checksum. It sends `n_bytes` zeros of a million and
/// then waits for the client to go.
fn server(sha256: String, n_bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sha256 = sha256.clone();
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let asked = lines.next().unwrap().unwrap();
                while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nX-Linked-ETag: \"{sha256}\"\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).unwrap();
                if asked.starts_with("GET") {
                    let _ = stream.write_all(&vec![0; n_bytes]);
                    // Ends when the client does.
                    let _ = lines.next();
                }
            });
        }
    });
    format!("http://{address}")
}

fn listed<'a>(endpoint: String, folder: &Path) -> Harness<'a, App> {
    let mut app = app(RunStore::default(), Tab::Tune, Appearance::Dark);
    app.models.endpoint = Some(endpoint);
    app.models.folder = folder.to_string_lossy().into_owned();
    let mut harness = harness(app, vec2(1000.0, 700.0), Appearance::Dark);
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenModels, &ctx);
    wait_for(&mut harness, "Get 13.3b");
    harness
}

fn checkpoint(harness: &Harness<'_, App>) -> CheckpointSource {
    harness.state().workspace.draft.model.checkpoint.clone()
}

#[test]
fn a_model_comes_and_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = server(sha256_hex(&vec![0; 1_000_000]), 1_000_000);
    let mut harness = listed(endpoint, folder.path());
    click(&mut harness, "Get 0.1b");
    wait_for(&mut harness, "the one that the server states");
    let file = folder.path().join(FILE);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 1_000_000);
    assert_eq!(checkpoint(&harness), CheckpointSource::File(file.clone()));
    // It is here now, and can be used again after another one was.
    harness.state_mut().workspace.draft.model.checkpoint = CheckpointSource::Mini;
    click(&mut harness, "Use 0.1b");
    assert_eq!(checkpoint(&harness), CheckpointSource::File(file));
    assert!(
        harness.query_by_label("Get 13.3b").is_none(),
        "it is closed"
    );
}

#[test]
fn what_came_wrong_is_said_and_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = listed(server("0".repeat(64), 1_000_000), folder.path());
    click(&mut harness, "Get 0.1b");
    wait_for(&mut harness, "it was removed; try again");
    assert_eq!(checkpoint(&harness), CheckpointSource::Mini);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(harness.query_by_label("Get 0.1b").is_some());
}

#[test]
fn a_download_is_cancelled_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = listed(server("0".repeat(64), 400_000), folder.path());
    click(&mut harness, "Get 0.1b");
    wait_for(&mut harness, "of 977 KiB");
    click(&mut harness, "Close");
    let ctx = harness.ctx.clone();
    // It goes on behind the window.
    harness.state_mut().apply(Action::OpenModels, &ctx);
    wait_for(&mut harness, "Cancel download");
    harness.state_mut().apply(Action::CancelModel, &ctx);
    // The server is silent, which is waited for.
    assert_eq!(checkpoint(&harness), CheckpointSource::Mini);
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.len() == 1 && names[0].ends_with(".part"), "{names:?}");
}

#[test]
fn the_list_and_a_download_as_pictures() {
    let mut results = SnapshotResults::new();
    for (look, name, is_on) in [
        (Appearance::Dark, "models_dark", true),
        (Appearance::Light, "models_light", false),
    ] {
        let mut app = app(RunStore::default(), Tab::Tune, look);
        app.models.folder = "models".into();
        app.models.is_open = true;
        if is_on {
            let read = BytesRead {
                done: 9_000_000_000,
                total: 26_540_868_485,
            };
            app.models.under_way = Some(UnderWay::new("13.3b", Stage::Coming(read)));
        }
        let mut harness = harness(app, vec2(1000.0, 700.0), look);
        wait_for(&mut harness, "Get 13.3b");
        wait_for(&mut harness, "2000 examples");
        picture(&mut harness, name);
        results.extend_harness(&mut harness);
    }
}
