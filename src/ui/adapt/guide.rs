//! Where the guide is.

use eframe::egui::{DragValue, TextEdit, Ui};

use super::labels::labelled;
use crate::adapt::spec::{GuideApi, GuideSpec, HttpSpec};
use crate::protocol::run_spec::CheckpointSource;
use crate::ui::widgets::choices::{combo, pick};
use crate::ui::widgets::controls::weak_small;

/// Draws it.
pub(super) fn guide_ui(ui: &mut Ui, guide: &mut GuideSpec) {
    let kinds = [tr!("A model here"), tr!("A server"), tr!("A file of texts")];
    let kind = match guide {
        GuideSpec::Local { .. } => kinds[0],
        GuideSpec::Http(_) => kinds[1],
        GuideSpec::Recorded { .. } => kinds[2],
        GuideSpec::Simulated { .. } => tr!("Simulated, of the labels"),
    };
    let mut chosen = None;
    labelled(
        ui,
        tr!("Guide"),
        tr!("The model whose texts or probabilities are learned"),
        |ui| pick(ui, "guide kind", kind, &kinds, |idx| chosen = Some(idx)),
    );
    if let Some(chosen) = chosen {
        *guide = match chosen {
            0 => GuideSpec::Local {
                checkpoint: CheckpointSource::Mini,
                state: None,
                examples: 0,
            },
            1 => GuideSpec::Http(HttpSpec::default()),
            _ => GuideSpec::Recorded {
                path: "guide.jsonl".into(),
            },
        };
    }
    match guide {
        GuideSpec::Local {
            checkpoint,
            state,
            examples,
        } => {
            let mut path = match checkpoint {
                CheckpointSource::Mini => String::new(),
                CheckpointSource::File(path) => path.to_string_lossy().into_owned(),
            };
            let hint =
                tr!("The weights of an RWKV-7 with the same vocabulary; empty for the mini model");
            if text_ui(ui, tr!("Weights"), hint, tr!("the mini model"), &mut path) {
                *checkpoint = match path.trim() {
                    "" => CheckpointSource::Mini,
                    path => CheckpointSource::File(path.into()),
                };
            }
            let mut path = state
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default();
            let hint = tr!(
                "A state file or the folder of a run that these weights start from; empty for none"
            );
            if text_ui(ui, tr!("Guide's state"), hint, tr!("untuned"), &mut path) {
                *state = Some(path.trim())
                    .filter(|path| !path.is_empty())
                    .map(Into::into);
            }
            examples_ui(ui, examples);
        }
        GuideSpec::Http(http) => http_ui(ui, http),
        GuideSpec::Recorded { path } => {
            let mut text = path.to_string_lossy().into_owned();
            let hint =
                tr!("JSON lines with id and text, such as the guide.jsonl of another adaptation");
            if text_ui(ui, tr!("File"), hint, "", &mut text) {
                *path = text.into();
            }
        }
        GuideSpec::Simulated { .. } => {
            weak_small(
                ui,
                tr!("Simulated guide: it reads the labels, and proves nothing."),
            );
        }
    }
}

fn http_ui(ui: &mut Ui, http: &mut HttpSpec) {
    let apis = [
        (GuideApi::Completions, "/completions"),
        (GuideApi::Chat, "/chat/completions"),
        (GuideApi::OllamaGenerate, tr!("/api/generate of Ollama")),
        (GuideApi::Responses, "/responses"),
    ];
    let hint = tr!(
        "Up to and without the route. llama.cpp listens at port 8080, vLLM at 8000, Ollama at 11434, LM Studio at 1234"
    );
    text_ui(
        ui,
        tr!("Address"),
        hint,
        "http://127.0.0.1:8080/v1",
        &mut http.base_url,
    );
    text_ui(
        ui,
        tr!("Model"),
        tr!("Its name on the server"),
        tr!("default"),
        &mut http.model,
    );
    labelled(ui, tr!("Route"), tr!("How the server is asked"), |ui| {
        combo(ui, "guide route", &mut http.api, &apis)
    });
    examples_ui(ui, &mut http.examples);
    let mut key = http.key_env.clone().unwrap_or_default();
    let hint =
        tr!("The environment variable that holds the key. The key itself is written nowhere");
    if text_ui(ui, tr!("Key's variable"), hint, tr!("none"), &mut key) {
        http.key_env = Some(key.trim().to_owned()).filter(|key| !key.is_empty());
    }
    ui.checkbox(
        &mut http.allow_remote,
        tr!("Questions may leave this machine"),
    )
    .on_hover_text(tr!("Without it only a server on this machine is asked"));
}

fn examples_ui(ui: &mut Ui, examples: &mut usize) {
    let hint = tr!(
        "Solved training questions in front of every question, so that the answer comes in their form"
    );
    labelled(ui, tr!("Solved in front"), hint, |ui| {
        ui.add(DragValue::new(examples).range(0..=32).speed(0.1))
    });
}

fn text_ui(ui: &mut Ui, name: &str, hint: &str, empty: &str, text: &mut String) -> bool {
    let mut is_changed = false;
    labelled(ui, name, hint, |ui| {
        let width = ui.available_width();
        let edit = TextEdit::singleline(text)
            .hint_text(empty)
            .desired_width(width);
        let edited = ui.add(edit);
        is_changed = edited.changed();
        edited
    });
    is_changed
}
