//! The native window, and the settings that are kept over restarts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eframe::egui::{self, Context, ViewportBuilder};
use eframe::{CreationContext, Frame, NativeOptions, Storage};

use super::app::App;
use super::app::saved::SavedState;
use super::widgets::heatmap_gpu::set_surface_format;
use crate::error::Result;
use crate::language::choose;
use crate::persist::presets::preset;
use crate::persist::spec_file::{parse_spec, print_spec};
use crate::protocol::run_spec::RunSpec;
use crate::worker::Worker;

/// Events make the window draw at most so often.
const REDRAW: Duration = Duration::from_millis(100);
const STATE_KEY: &str = "ui state";
const DRAFT_KEY: &str = "draft";

/// Opens the window and returns when it is closed. With a `draft` it is
/// configured for that run, else as it was left. Unless the user `has_language` from
/// elsewhere, it has the one that was chosen in it.
///
/// # Errors
/// A sentence for the user where there is no display, with what to do instead.
pub fn open(runs_dir: PathBuf, draft: Option<RunSpec>, has_language: bool) -> Result<(), String> {
    if !has_display() {
        return Err(no_window(tr!("there is no display")));
    }
    let options = NativeOptions {
        viewport: ViewportBuilder::default()
            .with_app_id("gosling")
            .with_title("Gosling")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([820.0, 520.0]),
        ..NativeOptions::default()
    };
    let create = Box::new(move |context: &CreationContext<'_>| {
        let window = Window::new(context, runs_dir, draft, has_language)?;
        Ok(Box::new(window) as Box<dyn eframe::App>)
    });
    eframe::run_native("gosling", options, create).map_err(|error| {
        // The toolkit says the place in its own source first.
        let error = error.to_string();
        no_window(error.rsplit(": ").next().unwrap_or(&error))
    })
}

/// Shows a message by itself, where there is no window and no console.
pub fn tell(reason: &str) {
    rfd::MessageDialog::new()
        .set_level(rfd::MessageLevel::Error)
        .set_title("Gosling")
        .set_description(reason)
        .show();
}

/// Whether a window could be shown at all: asked before the toolkit is, which
/// ends the program on some systems.
fn has_display() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(not(all(unix, not(target_os = "macos"))))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
            .into_iter()
            .any(is_set)
}

fn no_window(reason: &str) -> String {
    tr!(
        "cannot open a window, {reason}; use gosling tune on the command line",
        reason
    )
}

/// The application as the toolkit runs it.
struct Window {
    app: App,
    /// Whether a look is due anyway, so that the next event need not ask.
    is_awake: Arc<AtomicBool>,
    has_begun: bool,
}

impl Window {
    fn new(
        context: &CreationContext<'_>,
        runs_dir: PathBuf,
        draft: Option<RunSpec>,
        has_language: bool,
    ) -> Result<Self> {
        let mut state: SavedState = context
            .storage
            .and_then(|storage| eframe::get_value(storage, STATE_KEY))
            .unwrap_or_default();
        if let (Some(language), false) = (state.language, has_language) {
            choose(language);
        }
        let kept = match draft {
            Some(_) => None,
            None => context.storage.and_then(kept_draft),
        };
        if kept.is_none() {
            // What is configured now is no copy of what was before.
            state.draft_of = None;
        }
        state.draft = match draft.or(kept) {
            Some(draft) => draft,
            None => first_draft(context)?,
        };
        let is_awake = Arc::new(AtomicBool::new(false));
        let wake: Arc<dyn Fn() + Send + Sync> = {
            let (ctx, is_awake) = (context.egui_ctx.clone(), is_awake.clone());
            Arc::new(move || {
                if !is_awake.swap(true, Ordering::AcqRel) {
                    ctx.request_repaint_after(REDRAW);
                }
            })
        };
        if let Some(state) = &context.wgpu_render_state {
            set_surface_format(state.target_format);
        }
        let of_worker = wake.clone();
        let worker = Worker::spawn(move || of_worker())?;
        Ok(Self {
            app: App::new(Some(worker), state, runs_dir, wake),
            is_awake,
            has_begun: false,
        })
    }
}

impl eframe::App for Window {
    fn logic(&mut self, ctx: &Context, _frame: &mut Frame) {
        // Before the events are taken, so that one that comes now asks again.
        self.is_awake.store(false, Ordering::Release);
        self.app.take_in(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        self.app.show(ui);
        if !self.has_begun {
            // The first frame comes before anything that takes its time.
            self.has_begun = true;
            self.app.begin();
        }
    }

    fn save(&mut self, storage: &mut dyn Storage) {
        eframe::set_value(storage, STATE_KEY, &self.app.saved());
        // A path that is not Unicode has no text; then the last draft stays.
        if let Ok(text) = print_spec(&self.app.workspace.draft) {
            storage.set_string(DRAFT_KEY, text);
        }
    }
}

/// The draft as it was left, unless this version cannot read it.
fn kept_draft(storage: &dyn Storage) -> Option<RunSpec> {
    let text = storage.get_string(DRAFT_KEY)?;
    parse_spec(&text, DRAFT_KEY).ok()
}

/// The preset for the adapter that draws the window: without a real GPU, that
/// for the CPU.
fn first_draft(context: &CreationContext<'_>) -> Result<RunSpec> {
    use eframe::wgpu::DeviceType;
    let adapter = context
        .wgpu_render_state
        .as_ref()
        .map(|state| &state.adapter);
    let is_software =
        adapter.is_none_or(|adapter| adapter.get_info().device_type == DeviceType::Cpu);
    preset(if is_software { "cpu" } else { "standard" })
}
