//! A specification with what the table of fields says of each line.

use super::{HEADER, field_value, print_compact, print_ron};
use crate::error::Result;
use crate::language;
use crate::persist::printed_fields::printed_fields;
use crate::protocol::fields;
use crate::protocol::fields::field::Field;
use crate::protocol::fields::slot::{Number, Slot};
use crate::protocol::run_spec::RunSpec;

/// As [`super::print_spec`], with a comment at every field: its name, its unit and
/// what can be put there.
///
/// # Errors
/// [`crate::error::Error::Spec`] if a path in it is not Unicode and so has no text.
pub fn print_commented_spec(spec: &RunSpec) -> Result<String> {
    let mut in_order = printed_fields(&print_compact(spec)?);
    in_order.sort_by_key(|(_, value)| (value.start, usize::MAX - value.end));
    let mut paths = in_order.into_iter().map(|(path, _)| path);
    let mut text = HEADER.to_owned();
    for line in print_ron(spec)?.lines() {
        text.push_str(line);
        // Both prints have the same fields in the same order.
        if is_field(line)
            && let Some(field) = paths.next().as_deref().and_then(fields::find)
        {
            text.push_str(" // ");
            text.push_str(&comment(field, spec));
        }
        text.push('\n');
    }
    Ok(text)
}

/// Whether a line begins with a field's name.
fn is_field(line: &str) -> bool {
    let name = line.trim_start().split_once(": ").map(|(name, _)| name);
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.is_some_and(|name| name.chars().all(is_part))
}

fn comment(field: &Field, of: &RunSpec) -> String {
    let name = field.name_and_unit();
    let mut spec = of.clone();
    let Some(slot) = field.slot(&mut spec) else {
        return name;
    };
    let values = match (&slot, slot.number()) {
        (Slot::Choice(choice), _) => {
            let n_choices = choice.names().len();
            choices(field, of, n_choices).join(", ")
        }
        (Slot::Switch(_), _) => "true, false".to_owned(),
        (Slot::OptionalPath(_), _) => tr!("a file, or None").to_owned(),
        (Slot::Gamma(_), _) => format!("Value({}), Median", field.range.words()),
        (Slot::Patience(_), _) => tr!("patience {}, or None", field.range.words()),
        (Slot::OptionalCount(_) | Slot::OptionalReal(_), _) => {
            tr!(
                "{}, or None ({})",
                field.range.words(),
                language::text(field.absent)
            )
        }
        (_, Number::Is(_)) => field.range.words(),
        (_, Number::Absent | Number::No) => return name,
    };
    format!("{name}: {values}")
}

/// The choices as a specification has them, each once, without their fields.
fn choices(field: &Field, spec: &RunSpec, n_choices: usize) -> Vec<String> {
    let mut all = Vec::new();
    for idx in 0..n_choices {
        let mut spec = spec.clone();
        if let Some(Slot::Choice(choice)) = field.slot(&mut spec) {
            choice.choose(idx);
        }
        let value = field_value(&spec, field.path).unwrap_or_default();
        let name = value.split('(').next().unwrap_or_default().to_owned();
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::presets::{PRESETS, preset};
    use crate::persist::spec_file::parse_spec;

    #[test]
    fn what_is_printed_with_comments_reads_back_equal() {
        for (name, _) in PRESETS {
            let spec = preset(name).unwrap();
            let text = print_commented_spec(&spec).unwrap();
            assert_eq!(parse_spec(&text, name).unwrap(), spec, "{text}");
        }
    }

    #[test]
    fn every_line_says_what_can_be_put_there() {
        let mut spec = preset("lifted-decorrelation").unwrap();
        spec.method
            .tuned_mut()
            .unwrap()
            .1
            .clone_from(&crate::tuning::spec::StartState::Text(
                "a: b,\nbatch: 3, // ( \"c\"".into(),
            ));
        let text = print_commented_spec(&spec).unwrap();
        assert_eq!(parse_spec(&text, "a").unwrap(), spec, "{text}");
        for line in [
            "batch: 32, // Batch size B, examples: 1 to 65536",
            "learning_rate: 0.8, // Learning rate η: above 0 to 100",
            "clip_norm: 1.0, // Clip gradient: above 0, or None (off)",
            "loss_on: Answer, // Loss on: Answer, LastAnswer, Marked, Everything",
            "schedule: Cosine( // Schedule: Cosine, Linear, Constant",
            "last: 0.05, // Final rate, of the peak: 0 to 1",
            "gamma: Value(1.0), // Kernel sharpness γ: Value(above 0 to 10000), Median",
            "rule: LocalRule( // Decorrelation rule: LocalRule, Joint, ScalarRms",
            "checkpoint: Mini, // Weights: Mini, File",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
