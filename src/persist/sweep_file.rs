//! Sweeps as RON, read and printed as runs are.

use std::path::Path;

use super::spec_file::{parse_ron, print_ron, read_text};
use crate::error::Result;
use crate::sweep::spec::SweepSpec;

const HEADER: &str = "// A sweep of Gosling: many runs, each a change of one.\n";

/// Sweeps that ship with the program, by name.
pub const SWEEPS: &[(&str, &str)] = &[
    (
        "gsm8k-mini",
        include_str!("../../assets/sweeps/gsm8k-mini.ron"),
    ),
    (
        "four-runs",
        include_str!("../../assets/sweeps/four-runs.ron"),
    ),
];

/// Reads a sweep from a file, or one that ships with the program by its name.
///
/// # Errors
/// [`crate::error::Error::Io`] if the file cannot be read, else
/// [`crate::error::Error::Input`] with the line and column of what is wrong.
/// The values themselves are not judged; [`SweepSpec::plan`] does that.
pub fn read_sweep(path: impl AsRef<Path>) -> Result<SweepSpec> {
    let path = path.as_ref();
    let shipped = SWEEPS.iter().find(|(name, _)| Path::new(name) == path);
    match shipped {
        Some((name, text)) if !path.exists() => parse_sweep(text, format!("{name}.ron")),
        Some(_) | None => parse_sweep(&read_text(path)?, path),
    }
}

/// Reads a sweep from text; `origin` names it in errors.
///
/// # Errors
/// [`crate::error::Error::Input`] with the line and column of what is wrong.
pub fn parse_sweep(text: &str, origin: impl AsRef<Path>) -> Result<SweepSpec> {
    parse_ron(text, origin)
}

/// The sweep as RON that [`parse_sweep`] reads back equal.
///
/// # Errors
/// [`crate::error::Error::Spec`] if a path in it is not Unicode and so has no text.
pub fn print_sweep(sweep: &SweepSpec) -> Result<String> {
    Ok(format!("{HEADER}{}\n", print_ron(sweep)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweeps_that_ship_read_back_equal_and_can_be_run() {
        for (name, text) in SWEEPS {
            let sweep = parse_sweep(text, name).unwrap();
            assert_eq!(sweep.name, *name);
            let again = parse_sweep(&print_sweep(&sweep).unwrap(), name).unwrap();
            assert_eq!(again, sweep);
            sweep.plan().unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let message = |text: &str| parse_sweep(text, "a.ron").unwrap_err().to_string();
        assert_eq!(
            message("(nmae: \"x\")"),
            "a.ron: line 1, column 2: unknown field `nmae`; did you mean `name`?"
        );
        assert_eq!(
            message("(parts: [(search: Gird([]))])"),
            "a.ron: line 1, column 19: unknown choice `Gird`; did you mean `Grid`?"
        );
    }
}
