//! The state of the window around the features.

use super::areas::Areas;
use super::docking::Dock;
use super::frame_times::FrameTimes;
use super::log_panel::LogSettings;
use super::palette::PaletteState;
use super::pictures::Pictures;
use super::theme::Appearance;
use crate::language::Language;

/// The window around the features.
pub struct Shell {
    /// Light or dark.
    pub appearance: Appearance,
    /// The language that was chosen in the window; none: that of the system.
    pub language: Option<Language>,
    /// Where the views of the centre stand.
    pub dock: Dock,
    /// Whether the list of runs is shown.
    pub shows_runs: bool,
    /// Whether the configuration is shown.
    pub shows_form: bool,
    /// Whether the log is shown.
    pub shows_log: bool,
    /// Which lines of the log are listed.
    pub log: LogSettings,
    /// Whether the times of frames are shown.
    pub shows_frame_times: bool,
    /// Whether the list of shortcuts is open.
    pub shows_shortcuts: bool,
    /// The list of everything that can be done, if it is open.
    pub palette: Option<PaletteState>,
    /// Where the user is.
    pub(crate) areas: Areas,
    pub(crate) pictures: Pictures,
    pub(crate) frames: FrameTimes,
}

impl Default for Shell {
    fn default() -> Self {
        Self {
            appearance: Appearance::default(),
            language: None,
            dock: Dock::default(),
            shows_runs: true,
            shows_form: true,
            shows_log: true,
            log: LogSettings::default(),
            shows_frame_times: false,
            shows_shortcuts: false,
            palette: None,
            areas: Areas::default(),
            pictures: Pictures::default(),
            frames: FrameTimes::default(),
        }
    }
}
