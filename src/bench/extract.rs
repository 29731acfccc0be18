//! The number in a written answer to a GSM8K question.

use std::sync::LazyLock;

use regex::Regex;

use crate::data::Protocol;

/// What stands for an answer without a number (lm-evaluation-harness).
pub(super) const INVALID: &str = "[invalid]";

// A pattern that does not compile would read nothing; the tests below read both.

/// The first `#### number`; "strict-match" of lm-evaluation-harness.
static STRICT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"#### (\-?[0-9\.\,]+)").ok());
/// Any number; "flexible-extract" of lm-evaluation-harness takes the last.
static FLEXIBLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(-?[$0-9.,]{2,})|(-?[0-9]+)").ok());

/// What was read out of a written answer, and whether it is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// The number after the first `####`, or `[invalid]`.
    pub strict: String,
    /// The last number of any kind, or `[invalid]`.
    pub flexible: String,
    /// The right number.
    pub gold: String,
    /// Whether the strict one is right.
    pub correct: bool,
    /// Whether the flexible one is right.
    pub correct_flexible: bool,
}

/// Reads the number out of `output` and compares it with the official `answer`,
/// whose last line is `#### number`.
///
/// Under the mini protocol a strict number loses the full stops at its end and
/// has to equal the gold one letter by letter (`proto.py`). Under lm-eval, and
/// for the flexible number always, both sides lose commas, `$`, everything up to
/// the last `#### ` and one full stop at the end.
pub fn extract(protocol: Protocol, output: &str, answer: &str) -> Extracted {
    let strict = STRICT
        .as_ref()
        .and_then(|strict| strict.captures(output))
        .map_or(INVALID, |captures| {
            captures.get(1).map_or(INVALID, |m| m.as_str())
        });
    let flexible = FLEXIBLE
        .as_ref()
        .and_then(|flexible| flexible.find_iter(output).last())
        .map_or(INVALID, |found| found.as_str());
    let gold = answer.split_once("#### ").map_or(answer, |(_, gold)| gold);
    // The mini protocol ends the gold where a second mark begins, as Python's
    // split does.
    let gold = gold.split_once("#### ").map_or(gold, |(gold, _)| gold);
    let reference = normalise(answer);
    let correct = match protocol {
        Protocol::Mini => strict.trim_end_matches('.') == gold,
        Protocol::LmEval { .. } => normalise(strict) == reference,
    };
    Extracted {
        strict: strict.to_owned(),
        flexible: flexible.to_owned(),
        gold: gold.to_owned(),
        correct,
        correct_flexible: normalise(flexible) == reference,
    }
}

/// The answer that the strict rule reads out of `output`, in the form in which two
/// of them are compared: without commas, `$` and full stops at the end. None where
/// there is none; what is right plays no part.
pub fn written_answer(output: &str) -> Option<String> {
    let captures = STRICT.as_ref()?.captures(output)?;
    let number = normalise(captures.get(1)?.as_str());
    let number = number.trim_end_matches('.');
    (!number.is_empty()).then(|| number.to_owned())
}

/// What `exact_match` compares: its `regexes_to_ignore` in their order, then
/// lower case.
fn normalise(text: &str) -> String {
    let text = text.replace([',', '$'], "");
    let text = match text.rsplit_once("#### ") {
        Some((_, number)) => number,
        None => &text,
    };
    text.strip_suffix('.').unwrap_or(text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strict and flexible numbers of an output, derived by hand from the
    /// patterns: strict is the first match of `#### (\-?[0-9\.\,]+)`, flexible
    /// the last of `(-?[$0-9.,]{2,})|(-?[0-9]+)`.
    fn check_numbers(output: &str, strict: &str, flexible: &str) {
        let extracted = extract(Protocol::LM_EVAL, output, "#### 1");
        assert_eq!(extracted.strict, strict, "{output:?}");
        assert_eq!(extracted.flexible, flexible, "{output:?}");
    }

    #[test]
    fn numbers_are_found_where_the_patterns_find_them() {
        check_numbers(" 1+1 = 2\n#### 2\n\n", "2", "2");
        check_numbers("#### 1,234", "1,234", "1,234");
        check_numbers("#### -5", "-5", "-5");
        check_numbers("#### 2.", "2.", "2.");
        check_numbers("#### 3\n#### 4", "3", "4");
        check_numbers("#### $20", "[invalid]", "$20");
        check_numbers("####5", "[invalid]", "5");
        check_numbers("####  5", "[invalid]", "5");
        check_numbers("### 5", "[invalid]", "5");
        check_numbers("##### 5", "5", "5");
        check_numbers("#### .", ".", "[invalid]");
        check_numbers("#### ,,", ",,", ",,");
        check_numbers("the answer is $1,000.50.", "[invalid]", "$1,000.50.");
        check_numbers("costs $5", "[invalid]", "$5");
        check_numbers("7 apples...", "[invalid]", "...");
        check_numbers("10% of 5", "[invalid]", "5");
        check_numbers("5-3", "[invalid]", "-3");
        check_numbers("no number", "[invalid]", "[invalid]");
        check_numbers("", "[invalid]", "[invalid]");
        check_numbers("twelve", "[invalid]", "[invalid]");
        check_numbers("#### 12abc", "12", "12");
        check_numbers("٣ #### ٣", "[invalid]", "[invalid]");
        check_numbers("\u{fffd}#### 9\u{fffd}", "9", "9");
    }

    fn check_correct(output: &str, answer: &str, mini: bool, strict: bool, flexible: bool) {
        let extracted = extract(Protocol::Mini, output, answer);
        assert_eq!(extracted.correct, mini, "mini {output:?}");
        let extracted = extract(Protocol::LM_EVAL, output, answer);
        assert_eq!(extracted.correct, strict, "strict {output:?}");
        assert_eq!(extracted.correct_flexible, flexible, "flexible {output:?}");
    }

    #[test]
    fn answers_that_mean_the_same_are_alike() {
        for (output, want) in [
            ("a\n#### 1,000", Some("1000")),
            ("#### 1000..", Some("1000")),
            ("#### -5.", Some("-5")),
            ("#### 2\n#### 3", Some("2")),
            ("#### ,", None),
            ("1000", None),
        ] {
            assert_eq!(written_answer(output).as_deref(), want, "{output}");
        }
    }

    #[test]
    fn right_answers_count_by_each_rule() {
        let answer = "She has 3*5 = <<3*5=15>>15.\n#### 15";
        check_correct("#### 15", answer, true, true, true);
        check_correct("#### 15.", answer, true, true, true);
        check_correct("#### 15..", answer, true, false, false);
        check_correct("#### 16", answer, false, false, false);
        check_correct("so 15", answer, false, false, true);
        check_correct("#### 15\nor 16", answer, true, true, false);
        check_correct("#### 14\n#### 15", answer, false, false, true);
        check_correct("#### 15.0", answer, false, false, false);
        check_correct("", answer, false, false, false);
        // Commas and dollars are ignored by the harness only.
        check_correct("#### 1,500", "#### 1500", false, true, true);
        check_correct("#### 1500", "#### 1,500", false, true, true);
        check_correct("it is $1,500.", "#### 1500", false, false, true);
        check_correct("#### -4", "#### -4", true, true, true);
        check_correct("[invalid]", "#### 1", false, false, false);
    }
}
