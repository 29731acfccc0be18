//! Runs that ship with the program.

use super::spec_file::parse_spec;
use crate::error::{Error, Result};
use crate::protocol::run_spec::RunSpec;

/// Embeds files of `assets/presets/`.
macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../assets/presets/", $name, ".ron")))),*]
    };
}

/// Names and texts of the runs that ship with the program.
pub const PRESETS: &[(&str, &str)] = embed!(
    "standard",
    "cpu",
    "lifted",
    "lifted-decorrelation",
    "lifted-cpu",
    "lifted-recurrent",
    "lora",
    "paper-literal",
    "paper-standard-gsm8k",
    "paper-m",
    "paper-no-decorrelation",
);

/// What a run that ships is about: the comment at its start, whose message the window
/// shows.
pub fn about(text: &str) -> String {
    let comments = text.lines().take_while(|line| line.starts_with("//"));
    let words: Vec<&str> = comments
        .map(|line| line.trim_start_matches('/').trim())
        .collect();
    words.join(" ")
}

/// The run of that name.
///
/// # Errors
/// [`Error::Spec`] with the names that there are.
pub fn preset(name: &str) -> Result<RunSpec> {
    match PRESETS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => parse_spec(text, format!("{name}.ron")),
        None => {
            let names: Vec<&str> = PRESETS.iter().map(|(known, _)| *known).collect();
            let reason = tr!(
                "{name} is unknown; choose from {}",
                names.join(", "),
                name = format_args!("{name:?}")
            );
            Err(Error::spec("preset", reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_run() {
        for (name, _) in PRESETS {
            let spec = preset(name).unwrap();
            spec.check().unwrap();
            assert_eq!(spec.name, *name);
        }
    }

    #[test]
    fn the_standard_preset_is_the_default_run() {
        assert_eq!(preset("standard").unwrap(), RunSpec::default());
    }

    #[test]
    fn an_unknown_preset_names_those_there_are() {
        let message = preset("gpu").unwrap_err().to_string();
        assert_eq!(
            message,
            "preset: \"gpu\" is unknown; choose from standard, cpu, lifted, \
             lifted-decorrelation, lifted-cpu, lifted-recurrent, lora, paper-literal, \
             paper-standard-gsm8k, paper-m, paper-no-decorrelation"
        );
    }
}
