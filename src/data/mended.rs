//! JSON as Python writes it: NaN, the infinities, and halves of surrogate pairs,
//! none of which the standard has.

/// The numbers that are no JSON, longest first.
const NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// The text with null for NaN and the infinities, and with U+FFFD for halves of
/// surrogate pairs, and whether there were any of those; none where there was
/// nothing to do.
pub(super) fn mended(text: &str) -> Option<(String, bool)> {
    let mut whole = String::new();
    let (mut has_numbers, mut has_half_pairs) = (false, false);
    let mut is_in_string = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut n_taken = c.len_utf8();
        match c {
            '"' => {
                is_in_string = !is_in_string;
                whole.push(c);
            }
            '\\' if is_in_string => match surrogates(rest) {
                Some((n_bytes, true)) => {
                    whole.push_str(&rest[..n_bytes]);
                    n_taken = n_bytes;
                }
                Some((n_bytes, false)) => {
                    whole.push_str("\\ufffd");
                    has_half_pairs = true;
                    n_taken = n_bytes;
                }
                None => {
                    // With what it escapes, which may be a quote.
                    n_taken = rest.chars().take(2).map(char::len_utf8).sum();
                    whole.push_str(&rest[..n_taken]);
                }
            },
            '-' | 'I' | 'N' if !is_in_string => {
                match NUMBERS.iter().find(|number| rest.starts_with(**number)) {
                    Some(number) => {
                        whole.push_str("null");
                        has_numbers = true;
                        n_taken = number.len();
                    }
                    None => whole.push(c),
                }
            }
            _ => whole.push(c),
        }
        rest = &rest[n_taken..];
    }
    (has_numbers || has_half_pairs).then_some((whole, has_half_pairs))
}

/// How many bytes an escaped surrogate at the start has, with the second half of
/// its pair, and whether it is a whole pair; none where there is none.
fn surrogates(text: &str) -> Option<(usize, bool)> {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    match unit(text)? {
        0xd800..=0xdbff => match text.get(6..).and_then(unit) {
            Some(0xdc00..=0xdfff) => Some((12, true)),
            Some(_) | None => Some((6, false)),
        },
        0xdc00..=0xdfff => Some((6, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, bool)>) {
        let expected = expected.map(|(text, has)| (text.to_owned(), has));
        assert_eq!(mended(text), expected, "{text}");
    }

    #[test]
    fn numbers_that_are_no_json_are_null_outside_of_strings() {
        check(r#"{"a": 1}"#, None);
        check(r#"{"a": NaN}"#, Some((r#"{"a": null}"#, false)));
        check("[-Infinity,Infinity]", Some(("[null,null]", false)));
        check(r#"{"NaN": "-Infinity \" NaN"}"#, None);
        check("-1", None);
    }

    #[test]
    fn halves_of_pairs_are_replaced_and_pairs_kept() {
        check(r#""\ud83d\ude00""#, None);
        check(r#""\ud83d x""#, Some((r#""\ufffd x""#, true)));
        check(r#""\ude00""#, Some((r#""\ufffd""#, true)));
        check(
            r#""\uD83D\ud83d\uDE00""#,
            Some((r#""\ufffd\ud83d\uDE00""#, true)),
        );
        check(r#""\\ud83d""#, None);
        check(r#""\u00e9 é \"#, None);
        check(r#""\ud8"#, None);
    }
}
