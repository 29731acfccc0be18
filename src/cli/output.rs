//! What the command line writes. The standard library's `println!` panics where
//! nobody reads any more, as in `gosling inspect x | head -1`, and where a disk is
//! full. Its names mean the ones below in every file of this folder, so that no
//! subcommand can forget: a loss is noted, the work goes on (what it saves is
//! saved), and [`code_after`] ends the program as Unix tools end.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::OnceLock;

/// What a shell shows of a program that SIGPIPE ended. Windows has no such code,
/// and a reader that wants no more is no failure there.
const UNREAD: u8 = if cfg!(unix) { 141 } else { 0 };

/// The first thing that kept output from being written.
static LOST: OnceLock<io::Error> = OnceLock::new();

macro_rules! print {
    ($($argument:tt)*) => {
        $crate::cli::output::write(format_args!($($argument)*))
    };
}

macro_rules! println {
    () => {
        $crate::cli::output::write(format_args!("\n"))
    };
    ($($argument:tt)*) => {
        $crate::cli::output::write(format_args!("{}\n", format_args!($($argument)*)))
    };
}

macro_rules! eprint {
    ($($argument:tt)*) => {
        $crate::cli::output::complain(format_args!($($argument)*))
    };
}

macro_rules! eprintln {
    ($($argument:tt)*) => {
        $crate::cli::output::complain(format_args!("{}\n", format_args!($($argument)*)))
    };
}

/// Writes to the output at once, unless something was lost before.
pub(super) fn write(text: Arguments<'_>) {
    write_bytes(text.to_string().as_bytes());
}

/// The same with bytes that are no text.
pub(super) fn write_bytes(bytes: &[u8]) {
    if LOST.get().is_some() {
        return;
    }
    let mut stdout = stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    if let Err(error) = written {
        // Another thread's loss is as good.
        let _ = LOST.set(error);
    }
}

/// Writes to the error stream; what cannot be said there is said nowhere.
pub(super) fn complain(text: Arguments<'_>) {
    let mut stderr = stderr().lock();
    let _ = stderr.write_all(text.to_string().as_bytes());
    let _ = stderr.flush();
}

/// Whether what is written reaches nobody.
pub(super) fn is_lost() -> bool {
    LOST.get().is_some()
}

/// Prints what clap has to say, a help text or what is wrong with the arguments.
pub(super) fn code_after_help(said: &clap::Error) -> ExitCode {
    if let Err(error) = said.print() {
        let _ = LOST.set(error);
    }
    match said.use_stderr() {
        true => ExitCode::from(2),
        false => code_after(ExitCode::SUCCESS),
    }
}

/// The exit code of a command that did what was asked with `code`: another one
/// where its output was not taken.
pub(super) fn code_after(code: ExitCode) -> ExitCode {
    match LOST.get() {
        Some(error) if code == ExitCode::SUCCESS => {
            if error.kind() == ErrorKind::BrokenPipe {
                return ExitCode::from(UNREAD);
            }
            eprintln!(
                "{}",
                tr!("gosling: cannot write the standard output: {error}", error)
            );
            ExitCode::from(2)
        }
        Some(_) | None => code,
    }
}
