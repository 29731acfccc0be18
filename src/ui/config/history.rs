//! The configurations that were there before, to go back to and forth again.
//! Whatever changes the configuration is noted, by hand or by a file.

use std::collections::VecDeque;

use eframe::egui::{Context, Id};

use crate::protocol::run_spec::RunSpec;

/// Configurations that are kept; older ones go.
const MAX_KEPT: usize = 100;

/// What the configuration was and is.
#[derive(Debug)]
pub struct DraftHistory {
    /// Oldest first.
    past: VecDeque<RunSpec>,
    /// What was gone back from, the nearest last.
    future: Vec<RunSpec>,
    present: RunSpec,
    /// The control that is being dragged or typed into, whose changes are one.
    held: Option<Id>,
}

impl DraftHistory {
    /// Of a configuration with nothing before it.
    pub fn new(draft: RunSpec) -> Self {
        Self {
            past: VecDeque::new(),
            future: Vec::new(),
            present: draft,
            held: None,
        }
    }

    /// Notes what the configuration is now. Changes while the same control is
    /// `held` are one entry.
    pub fn note(&mut self, draft: &RunSpec, held: Option<Id>) {
        let goes_on = held.is_some() && held == self.held;
        if !is_same(draft, &self.present) {
            let before = std::mem::replace(&mut self.present, draft.clone());
            self.future.clear();
            self.held = held;
            if goes_on {
                // Back where it began, there is nothing to undo.
                let is_back = self.past.pop_back_if(|before| is_same(before, draft));
                if is_back.is_some() {
                    self.held = None;
                }
            } else {
                self.past.push_back(before);
                if self.past.len() > MAX_KEPT {
                    self.past.pop_front();
                }
            }
        } else if !goes_on {
            // The control was let go of, or another one was taken.
            self.held = None;
        }
    }

    /// Notes a configuration that did not come by a control.
    pub fn note_whole(&mut self, draft: &RunSpec) {
        if !is_same(draft, &self.present) {
            self.note(draft, None);
        }
    }

    /// Whether there is something to go back to.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether something was gone back from.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    /// The configuration before this one, which is this one from now on.
    pub fn undo(&mut self) -> Option<RunSpec> {
        let before = self.past.pop_back()?;
        let after = std::mem::replace(&mut self.present, before);
        self.future.push(after);
        self.held = None;
        Some(self.present.clone())
    }

    /// The configuration that was gone back from, which is this one from now on.
    pub fn redo(&mut self) -> Option<RunSpec> {
        let after = self.future.pop()?;
        let before = std::mem::replace(&mut self.present, after);
        self.past.push_back(before);
        self.held = None;
        Some(self.present.clone())
    }
}

/// The pointer while it is pressed, which drags one control, or else the field that
/// is typed into.
pub fn held(ctx: &Context) -> Option<Id> {
    let is_pressed = ctx.input(|input| input.pointer.any_down() || input.pointer.any_released());
    if is_pressed {
        return Some(Id::unique("the pressed pointer"));
    }
    let focused = ctx.memory(|memory| memory.focused());
    focused.filter(|_| ctx.text_edit_focused())
}

/// A number that is NaN is the same as itself here, or it would be noted again
/// in every frame.
fn is_same(a: &RunSpec, b: &RunSpec) -> bool {
    a == b || format!("{a:?}") == format!("{b:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_steps(steps: usize) -> RunSpec {
        let mut spec = RunSpec::default();
        spec.training.steps = steps;
        spec
    }

    fn steps(spec: Option<RunSpec>) -> Option<usize> {
        spec.map(|spec| spec.training.steps)
    }

    #[test]
    fn what_was_changed_goes_back_and_forth() {
        let mut history = DraftHistory::new(with_steps(1));
        assert!(!history.can_undo() && !history.can_redo());
        for n in [2, 2, 3] {
            history.note(&with_steps(n), None);
        }
        assert_eq!(steps(history.undo()), Some(2));
        assert_eq!(steps(history.undo()), Some(1));
        assert_eq!(steps(history.undo()), None);
        assert_eq!(steps(history.redo()), Some(2));
        // What is undone is no change of its own.
        history.note(&with_steps(2), None);
        assert_eq!(steps(history.redo()), Some(3));
        assert_eq!(steps(history.undo()), Some(2));
        // Another way from here ends the one that was gone back from.
        history.note(&with_steps(9), None);
        assert!(!history.can_redo());
        assert_eq!(steps(history.undo()), Some(2));
    }

    #[test]
    fn a_drag_that_ends_where_it_began_is_no_change() {
        let mut history = DraftHistory::new(with_steps(1));
        let held = Some(Id::unique("a"));
        for n in [2, 3, 1] {
            history.note(&with_steps(n), held);
        }
        assert!(!history.can_undo());
        // It continues through there.
        for n in [4, 5] {
            history.note(&with_steps(n), held);
        }
        assert_eq!(steps(history.undo()), Some(1));
        assert!(!history.can_undo());
    }

    #[test]
    fn a_drag_is_one_change() {
        let mut history = DraftHistory::new(with_steps(1));
        let (first, second) = (Some(Id::unique("a")), Some(Id::unique("b")));
        for n in 2..20 {
            history.note(&with_steps(n), first);
        }
        history.note(&with_steps(20), second);
        history.note(&with_steps(21), second);
        // It is let go of and taken again.
        history.note(&with_steps(21), None);
        history.note(&with_steps(22), second);
        for expected in [21, 19, 1] {
            assert_eq!(steps(history.undo()), Some(expected));
        }
        assert!(!history.can_undo());
    }

    #[test]
    fn the_oldest_go_and_no_number_is_noted_twice() {
        let mut history = DraftHistory::new(with_steps(0));
        for n in 1..=250 {
            history.note(&with_steps(n), None);
        }
        assert_eq!(history.past.len(), MAX_KEPT);
        let mut broken = with_steps(250);
        broken.training.learning_rate = f64::NAN;
        history.note(&broken, None);
        history.note(&broken, None);
        assert_eq!(steps(history.undo()), Some(250));
        assert_eq!(steps(history.undo()), Some(249));
    }
}
