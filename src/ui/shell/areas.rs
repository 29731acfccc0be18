//! Where in the window the user is, for keys that mean one thing here and another
//! there: the control that has the focus, else where the pointer was pressed last.

use eframe::egui::{Context, Pos2, Rect};

use super::docking::Dock;
use crate::ui::shared::tab::Tab;

/// A part of the window in which keys have a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Nothing was pressed yet.
    Nowhere,
    /// The list of runs.
    Runs,
    /// The configuration.
    Form,
    /// The sweep.
    Sweep,
    /// Somewhere else.
    Elsewhere,
}

/// Where the panels stand, and where the pointer was pressed last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Areas {
    /// The list of runs, while it is shown.
    pub runs: Option<Rect>,
    /// The configuration, while it is shown.
    pub form: Option<Rect>,
    pressed: Option<Pos2>,
}

impl Areas {
    /// Notes where the pointer is pressed.
    pub fn take_in(&mut self, ctx: &Context) {
        let pressed = ctx.input(|input| {
            let pointer = &input.pointer;
            pointer
                .any_pressed()
                .then(|| pointer.interact_pos())
                .flatten()
        });
        self.pressed = pressed.or(self.pressed);
    }

    /// Where the user is.
    pub fn now(&self, ctx: &Context, dock: &Dock) -> Area {
        let focused = ctx.memory(|memory| memory.focused());
        let focused = focused.and_then(|id| ctx.read_response(id));
        let at = focused.map(|focused| focused.rect.center());
        let Some(at) = at.or(self.pressed) else {
            return Area::Nowhere;
        };
        let is_in = |rect: Option<Rect>| rect.is_some_and(|rect| rect.contains(at));
        if is_in(self.runs) {
            Area::Runs
        } else if is_in(self.form) {
            Area::Form
        } else if dock.shows(Tab::Sweep) && is_in(dock.rect(Tab::Sweep)) {
            Area::Sweep
        } else {
            Area::Elsewhere
        }
    }
}
