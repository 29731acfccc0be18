//! An adaptation on its way, for the user, on the error stream.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::adapt::job::News;
use crate::cli::follow::end_of_input;
use crate::error::{Error, Result};
use crate::report::{Table, TableFormat};

/// How often a line about steps is written where there is no terminal.
const PLAIN: Duration = Duration::from_secs(5);
/// How often the live line is drawn.
const LIVE: Duration = Duration::from_millis(100);

/// Tells the user, and hears an interrupt.
pub(super) struct AdaptProgress {
    is_one_of_many: bool,
    is_quiet: bool,
    is_live: bool,
    has_line: bool,
    last: Option<Instant>,
    interrupts: Receiver<()>,
    input: Option<Receiver<()>>,
}

impl AdaptProgress {
    pub fn new(is_quiet: bool, is_one_of_many: bool, interrupts: Receiver<()>) -> Self {
        Self {
            is_one_of_many,
            is_quiet,
            is_live: stderr().is_terminal(),
            has_line: false,
            last: None,
            interrupts,
            input: None,
        }
    }

    /// Takes the end of the standard input for an interrupt.
    pub fn end_with_input(&mut self) {
        self.input = Some(end_of_input());
    }

    fn is_interrupted(&self) -> bool {
        let has_ended = |of: &Receiver<()>| of.try_recv().is_ok();
        has_ended(&self.interrupts) || self.input.as_ref().is_some_and(has_ended)
    }

    /// Takes the live line away.
    pub fn clear(&mut self) {
        if self.has_line {
            eprint!("\r\x1b[K");
            self.has_line = false;
        }
    }

    /// A line of its own.
    pub fn say(&mut self, line: &str) {
        if !self.is_quiet {
            self.clear();
            eprintln!("{line}");
        }
    }

    /// The result; among many its files are enough.
    pub fn table(&self, table: &Table) {
        if !self.is_one_of_many {
            print!("{}", table.render(TableFormat::Text));
        }
    }

    /// What the adaptation says.
    ///
    /// # Errors
    /// [`Error::Stopped`] after an interrupt.
    pub fn tell(&mut self, news: News<'_>) -> Result<()> {
        if self.is_interrupted() {
            self.say("stopping and saving; Ctrl-C again ends the program at once");
            return Err(Error::Stopped);
        }
        match news {
            News::Alive => {}
            News::Phase(what) => self.say(what),
            News::Figure(outcome) => {
                let line = format!(
                    "{}: {}, {:.0} tokens a question",
                    outcome.name,
                    outcome.accuracy(),
                    outcome.tokens()
                );
                self.say(&line);
            }
            News::Step {
                part,
                n_states,
                point,
            } => {
                let every = if self.is_live { LIVE } else { PLAIN };
                if self.is_quiet || self.last.is_some_and(|last| last.elapsed() < every) {
                    return Ok(());
                }
                self.last = Some(Instant::now());
                let which = match n_states {
                    1 => String::new(),
                    n => format!("questions {} to {}, ", part + 1, part + n),
                };
                let mut line = format!("{which}step {}", point.step + 1);
                for (name, value) in [
                    ("loss", point.loss),
                    ("reward", point.reward),
                    ("agreement", point.agreement),
                    ("entropy", point.entropy),
                    ("majority", point.majority),
                    ("drift", Some(point.drift)),
                ] {
                    if let Some(value) = value {
                        line += &format!(", {name} {value:.4}");
                    }
                }
                if self.is_live {
                    eprint!("\r\x1b[K{line}");
                    self.has_line = true;
                } else {
                    eprintln!("{line}");
                }
            }
        }
        Ok(())
    }
}
