//! Lists of texts as Python and NumPy print them into the cells of a table.

/// The texts of `['a', "b's"]`, of `['a' 'b']`, or of a JSON list; none where
/// it is no such list.
pub(in crate::data) fn parse_list(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut texts = Vec::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => texts.push(quoted(&mut chars, c)?),
            ',' => {}
            c if c.is_whitespace() => {}
            _ => return None,
        }
    }
    Some(texts)
}

/// The text up to the closing quote.
fn quoted(chars: &mut std::str::Chars<'_>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(text),
            '\\' => text.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'x' => coded(chars, 2)?,
                'u' => coded(chars, 4)?,
                c @ ('\'' | '"' | '\\' | '/') => c,
                _ => return None,
            }),
            c => text.push(c),
        }
    }
}

/// The character of so many hexadecimal digits.
fn coded(chars: &mut std::str::Chars<'_>, n_digits: usize) -> Option<char> {
    let digits: String = chars.take(n_digits).collect();
    let is_hex = digits.len() == n_digits && digits.bytes().all(|it| it.is_ascii_hexdigit());
    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
    char::from_u32(code?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[&str]>) {
        let got = parse_list(text);
        let got: Option<Vec<&str>> = got
            .as_ref()
            .map(|texts| texts.iter().map(String::as_str).collect());
        assert_eq!(got.as_deref(), expected, "{text}");
    }

    #[test]
    fn lists_are_read_as_they_are_printed() {
        check("[]", Some(&[]));
        check("['a', 'b']", Some(&["a", "b"]));
        check("['a' \"it's\"\n 'c']", Some(&["a", "it's", "c"]));
        check(
            r#"["a\"b", 'c\'d', 'e\\f', '\xe9\u4f60\n']"#,
            Some(&["a\"b", "c'd", "e\\f", "é你\n"]),
        );
        check("[' ]', ',']", Some(&[" ]", ","]));
        check("a, b", None);
        check("[1, 2]", None);
        check("['a", None);
        check("['a']x", None);
        check(r"['\xg0']", None);
    }
}
