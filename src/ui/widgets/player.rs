//! A scrubber that continues by itself.

use std::time::Duration;

use eframe::egui::{Role, Ui};

use super::controls::named;

/// Seconds that a place is shown.
const SECS: f64 = 0.25;

/// Whether a scrubber continues by itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Player {
    is_on: bool,
    /// When it came to where it is, in seconds of the window.
    since: f64,
}

impl Player {
    /// Stays where it is.
    pub fn stop(&mut self) {
        self.is_on = false;
    }

    /// Draws the button, which is called "Play `what`", and continues from `at`
    /// towards `last` when it is time to; whether it moved.
    pub fn ui(&mut self, ui: &mut Ui, what: &str, at: &mut usize, last: usize) -> bool {
        let before = *at;
        self.go_on(ui, at, last);
        let text = if self.is_on {
            tr!("Pause")
        } else {
            tr!("Play")
        };
        let button = ui.button(text);
        named(&button, Role::Button, &format!("{text} {what}"));
        if button.clicked() {
            self.is_on ^= true;
            if self.is_on && *at == last {
                *at = 0;
            }
            self.since = ui.input(|input| input.time);
        }
        *at != before
    }

    fn go_on(&mut self, ui: &Ui, at: &mut usize, last: usize) {
        if !self.is_on {
            return;
        }
        let now = ui.input(|input| input.time);
        if now - self.since >= SECS {
            self.since = now;
            *at = (*at + 1).min(last);
        }
        if *at >= last {
            self.is_on = false;
        } else {
            ui.ctx()
                .request_repaint_after(Duration::from_secs_f64(SECS));
        }
    }
}
