//! Adaptations that ship with the program.

use super::AdaptSpec;
use crate::error::{Error, Result};
use crate::persist::spec_file::parse_ron;

/// Embeds files of `assets/presets/adapt/`.
macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../assets/presets/adapt/", $name, ".ron")))),*]
    };
}

/// Names and texts of the adaptations that ship with the program.
pub const PRESETS: &[(&str, &str)] = embed!(
    "mmlu-information",
    "mmlu-views",
    "mmlu-pool",
    "mmlu-distillation",
    "mmlu-guided-item",
    "arc-information",
    "arc-guided-item",
    "gsm8k-majority",
    "gsm8k-entropy",
    "gsm8k-guided-item",
    "gsm8k-guided-server",
    "gsm8k-guided-shared",
    "gsm8k-guided-steps",
    "gsm8k-guided-agreement",
);

/// The adaptation of that name.
///
/// # Errors
/// [`Error::Spec`] with the names that there are.
pub fn preset(name: &str) -> Result<AdaptSpec> {
    match PRESETS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => parse_ron(text, format!("{name}.ron")),
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
