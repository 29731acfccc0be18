//! Dialogs of the system that ask for a path. They are made on the window's
//! thread, as macOS wants it, and waited for on another.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rfd::AsyncFileDialog;

use crate::error::Result;
use crate::format::shown;
use crate::report::SavedTable;
use crate::ui::shared::background::Background;
use crate::ui::widgets::metric::Metric;

/// The endings of training sets.
const TEXTS: [&str; 5] = ["jsonl", "json", "csv", "tsv", "gz"];

/// The endings of models.
const MODELS: [&str; 7] = ["pth", "pt", "safetensors", "st", "gguf", "bin", "json"];

/// What a path that is chosen in a dialog is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFor {
    /// The model of the draft.
    Checkpoint,
    /// The same as a folder with the files of a model.
    CheckpointFolder,
    /// Its vocabulary.
    Vocabulary,
    /// The folder of an official benchmark.
    BenchmarkFolder,
    /// Training examples.
    Train,
    /// Held-out examples.
    Validation,
    /// What stands around prompts.
    Template,
    /// The state that S_0 starts from.
    StartState,
    /// A state of another program to import.
    ImportedState,
    /// A specification to open.
    OpenSpec,
    /// The folder of a run or of a sweep to look at.
    OpenFolder,
    /// Where to save the draft.
    SaveSpec,
    /// A sweep to set up.
    OpenSweep,
    /// Where to save the sweep that is set up.
    SaveSweep,
    /// Where to write a state.
    Export,
    /// Where to save a conversation.
    Chat,
    /// Where to write the numbers of runs.
    Numbers,
    /// Where to write a plot as a picture that scales.
    Svg(Metric),
    /// Where to write a report of runs.
    Report,
    /// Where to write a picture of what the window shows.
    Picture,
    /// The folder of official files that a run is scored on.
    ScoredFolder,
    /// Where to write what helps to find a fault.
    Diagnostics,
}

/// Asks where to save a table, `name` at first, and saves it in the format of
/// the ending that was chosen.
pub(crate) fn save_table(written: &Background<Result<String>>, table: SavedTable, name: &str) {
    let dialog = AsyncFileDialog::new()
        .set_title(tr!("Save the table"))
        .set_file_name(format!("{name}.csv"));
    let formats = [
        ("CSV", "csv"),
        ("Markdown", "md"),
        ("LaTeX", "tex"),
        ("JSON", "json"),
        (tr!("Text"), "txt"),
    ];
    let with =
        |dialog: AsyncFileDialog, (name, ending): (&str, &str)| dialog.add_filter(name, &[ending]);
    let dialog = formats.into_iter().fold(dialog, with).save_file();
    written.start(move || {
        let chosen = block_on(dialog)?;
        let path = chosen.path();
        let saved = table.write(path);
        Some(saved.map(|()| tr!("Saved {}", shown(path))))
    });
}

/// Asks for a path.
pub(crate) fn choose(chosen: &Background<(PathFor, PathBuf)>, what: PathFor, name: &str) {
    let dialog = AsyncFileDialog::new();
    let file = |title: &str, kind: &str, extensions: &[&str]| {
        let dialog = AsyncFileDialog::new().set_title(title);
        dialog.add_filter(kind, extensions).pick_file()
    };
    match what {
        PathFor::Checkpoint => {
            wait_for(
                chosen,
                what,
                file(tr!("Choose a model"), tr!("RWKV-7 model"), &MODELS),
            );
        }
        PathFor::CheckpointFolder => {
            let dialog = dialog.set_title(tr!("Choose the folder of a model"));
            wait_for(chosen, what, dialog.pick_folder());
        }
        PathFor::Vocabulary => wait_for(
            chosen,
            what,
            file(
                tr!("Choose a vocabulary"),
                tr!("Vocabulary"),
                &["txt", "json"],
            ),
        ),
        PathFor::Template => wait_for(
            chosen,
            what,
            file(tr!("Choose a template"), tr!("Template"), &["ron"]),
        ),
        PathFor::Train => wait_for(
            chosen,
            what,
            file(tr!("Choose training examples"), tr!("Texts"), &TEXTS),
        ),
        PathFor::Validation => wait_for(
            chosen,
            what,
            file(tr!("Choose held-out examples"), tr!("Texts"), &TEXTS),
        ),
        PathFor::StartState => wait_for(
            chosen,
            what,
            file(
                tr!("Choose a state"),
                tr!("Tuned state"),
                &["safetensors", "pth", "st", "state"],
            ),
        ),
        PathFor::ImportedState => wait_for(
            chosen,
            what,
            file(
                tr!("Choose a state to import"),
                tr!("State"),
                &["pth", "st", "state", "safetensors", "bin"],
            ),
        ),
        PathFor::OpenFolder => {
            let dialog = dialog.set_title(tr!("Open the folder of a run or of a sweep"));
            wait_for(chosen, what, dialog.pick_folder());
        }
        PathFor::OpenSpec => wait_for(
            chosen,
            what,
            file(
                tr!("Open a run specification"),
                tr!("Run specification"),
                &["ron"],
            ),
        ),
        PathFor::OpenSweep => {
            wait_for(
                chosen,
                what,
                file(tr!("Open a sweep"), tr!("Sweep"), &["ron"]),
            );
        }
        PathFor::SaveSweep => {
            wait_for(
                chosen,
                what,
                save(tr!("Save the sweep"), name, tr!("Sweep"), "ron"),
            );
        }
        PathFor::BenchmarkFolder | PathFor::ScoredFolder => {
            let dialog = dialog.set_title(tr!("Choose the folder of the benchmark's files"));
            wait_for(chosen, what, dialog.pick_folder());
        }
        PathFor::Export => {
            let dialog = dialog
                .set_title(tr!("Where to write the export"))
                .set_file_name(name);
            wait_for(chosen, what, dialog.save_file());
        }
        PathFor::Chat => wait_for(
            chosen,
            what,
            save(tr!("Where to save the chat"), name, tr!("Chat"), "jsonl"),
        ),
        PathFor::Numbers => wait_for(
            chosen,
            what,
            save(tr!("Where to write the numbers"), name, tr!("Table"), "csv"),
        ),
        PathFor::Svg(_) => wait_for(
            chosen,
            what,
            save(
                tr!("Where to write the picture"),
                name,
                tr!("Picture"),
                "svg",
            ),
        ),
        PathFor::Report => {
            let dialog = dialog
                .set_title(tr!("Where to write the report"))
                .set_file_name(format!("{name}.html"))
                .add_filter(tr!("Page"), &["html"])
                .add_filter("Markdown", &["md"]);
            wait_for(chosen, what, dialog.save_file());
        }
        PathFor::Picture => {
            let dialog = dialog
                .set_title(tr!("Where to write the picture"))
                .set_file_name(format!("{name}.png"))
                .add_filter(tr!("Picture"), &["png"])
                .add_filter(tr!("Picture that scales"), &["svg"]);
            wait_for(chosen, what, dialog.save_file());
        }
        PathFor::Diagnostics => wait_for(
            chosen,
            what,
            save(
                tr!("Where to write the diagnostics"),
                name,
                tr!("Archive"),
                "zip",
            ),
        ),
        PathFor::SaveSpec => {
            let dialog = dialog
                .set_title(tr!("Save the run specification"))
                .set_file_name(format!("{name}.ron"));
            wait_for(
                chosen,
                what,
                dialog
                    .add_filter(tr!("Run specification"), &["ron"])
                    .save_file(),
            );
        }
    }
}

fn wait_for(
    chosen: &Background<(PathFor, PathBuf)>,
    what: PathFor,
    dialog: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static,
) {
    chosen.start(move || {
        let chosen = block_on(dialog)?;
        Some((what, chosen.path().to_path_buf()))
    });
}
/// Asks where to write a file of one kind.
fn save(
    title: &str,
    name: &str,
    kind: &str,
    ending: &str,
) -> impl Future<Output = Option<rfd::FileHandle>> + Send + use<> {
    AsyncFileDialog::new()
        .set_title(title)
        .set_file_name(format!("{name}.{ending}"))
        .add_filter(kind, &[ending])
        .save_file()
}

/// Waits on this thread for a future.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
