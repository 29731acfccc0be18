//! Sweeps as RON, read and printed as runs are.

use std::path::Path;

use strsim::damerau_levenshtein;

use super::spec::SweepSpec;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::persist::spec_file::{parse_ron, print_ron, read_text};

const HEADER: &str = "// A sweep of Gosling: many runs, each a change of one.\n";

/// Letters in which the name of a sweep that ships may be mistaken.
const MAX_TYPOS: usize = 2;

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

/// What a sweep that ships is about: the text at its start, up to a colon, whose
/// message the window shows.
pub fn about(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//"));
    let words: Vec<&str> = lines.map(str::trim).collect();
    let words = words.join(" ");
    words.split(':').next().unwrap_or_default().to_owned()
}

/// Reads a sweep from a file, or one that ships with the program by its name.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Spec`] where there is none
/// and its name is almost that of a sweep that ships, else [`Error::Input`] with
/// the line and column of what is wrong.
/// The values themselves are not judged; [`SweepSpec::plan`] does that.
pub fn read_sweep(path: impl AsRef<Path>) -> Result<SweepSpec> {
    let path = path.as_ref();
    let shipped = SWEEPS.iter().find(|(name, _)| Path::new(name) == path);
    match shipped {
        Some((name, text)) if !path.exists() => parse_sweep(text, format!("{name}.ron")),
        Some(_) | None => match almost_shipped(path) {
            Some(name) => Err(Error::spec(
                "sweep",
                tr!("there is no {}; did you mean `{name}`?", shown(path), name),
            )),
            None => parse_sweep(&read_text(path)?, path),
        },
    }
}

/// The sweep that ships whose name is nearest to that of a file which is not there.
fn almost_shipped(path: &Path) -> Option<&'static str> {
    let asked = path.to_str().filter(|_| !path.exists())?;
    let names = SWEEPS.iter().map(|(name, _)| *name);
    let distances = names.map(|name| (damerau_levenshtein(asked, name), name));
    let (distance, name) = distances.min()?;
    (distance <= MAX_TYPOS).then_some(name)
}

/// Reads a sweep from text; `origin` names it in errors.
///
/// # Errors
/// [`Error::Input`] with the line and column of what is wrong.
pub fn parse_sweep(text: &str, origin: impl AsRef<Path>) -> Result<SweepSpec> {
    parse_ron(text, origin)
}

/// The sweep as RON that [`parse_sweep`] reads back equal.
///
/// # Errors
/// [`Error::Spec`] if a path in it is not Unicode and so has no text.
pub fn print_sweep(sweep: &SweepSpec) -> Result<String> {
    Ok(format!("{HEADER}{}\n", print_ron(sweep)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_almost_one_that_ships_is_told() {
        let message = read_sweep("four-run").unwrap_err().to_string();
        let expected = "sweep: there is no four-run; did you mean `four-runs`?";
        assert_eq!(message, expected);
        let missing = read_sweep("nights.ron").unwrap_err();
        assert!(matches!(missing, Error::Io { .. }), "{missing}");
    }

    #[test]
    fn the_sweeps_that_ship_read_back_equal_and_can_be_run() {
        for (name, text) in SWEEPS {
            let sweep = parse_sweep(text, name).unwrap();
            assert_eq!(sweep.name, *name);
            let again = parse_sweep(&print_sweep(&sweep).unwrap(), name).unwrap();
            assert_eq!(again, sweep);
            sweep.plan().unwrap();
            assert!(about(text).len() > 20, "{name}");
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
