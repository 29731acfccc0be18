//! An adaptation on its way, for the user, on the error stream.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::adapt::job::News;
use crate::cli::console::can_clear_errors;
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
    format: TableFormat,
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
            format: TableFormat::Text,
            is_quiet,
            is_live: can_clear_errors(),
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

    /// Prints tables in another format than text.
    pub fn print_as(&mut self, format: TableFormat) {
        self.format = format;
    }

    /// For those who wait for something else.
    pub fn interrupts(&self) -> &Receiver<()> {
        &self.interrupts
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
            print!("{}", table.render(self.format));
        }
    }

    /// What the adaptation says.
    ///
    /// # Errors
    /// [`Error::Stopped`] after an interrupt.
    pub fn tell(&mut self, news: News<'_>) -> Result<()> {
        if self.is_interrupted() {
            self.say(tr!(
                "stopping and saving; Ctrl-C again ends the program at once"
            ));
            return Err(Error::Stopped);
        }
        match news {
            News::Alive => {}
            News::Phase(what) => self.say(what),
            News::Figure(outcome) => {
                let line = tr!(
                    "{}: {}, {} tokens a question",
                    outcome.name,
                    outcome.accuracy(),
                    format_args!("{:.0}", outcome.tokens())
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
                    n => tr!("questions {} to {}, ", part + 1, part + n),
                };
                let mut line = tr!("{which}step {}", point.step + 1, which);
                for (name, value) in [
                    ("loss", point.loss),
                    (tr!("reward"), point.reward),
                    (tr!("agreement"), point.agreement),
                    (tr!("entropy"), point.entropy),
                    (tr!("majority"), point.majority),
                    (tr!("drift"), Some(point.drift)),
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
