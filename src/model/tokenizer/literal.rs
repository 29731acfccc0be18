//! The Python string and bytes literals that vocabulary files are written in.

/// What the literal stands for, which decides how its escapes read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bytes,
}

/// The bytes that a Python literal stands for: `'…'` and `"…"` as UTF-8,
/// `b'…'` and `b"…"` as they are.
///
/// # Errors
/// A reason in words where the literal is not one that Python would read.
pub(super) fn parse(literal: &str) -> Result<Vec<u8>, String> {
    let (kind, quoted) = match literal.strip_prefix(['b', 'B']) {
        Some(rest) => (Kind::Bytes, rest),
        None => (Kind::Text, literal),
    };
    let mut chars = quoted.chars();
    let quote = match chars.next() {
        Some(quote @ ('\'' | '"')) => quote,
        Some(_) | None => return Err(tr!("the token is not a quoted Python literal").into()),
    };
    let mut body = chars.as_str();
    let mut bytes = Vec::with_capacity(body.len());
    loop {
        let mut chars = body.chars();
        let Some(next) = chars.next() else {
            return Err(tr!("the literal has no closing {quote}", quote));
        };
        body = chars.as_str();
        if next == quote {
            return if body.is_empty() {
                Ok(bytes)
            } else {
                Err(tr!(
                    "text follows the closing {quote} of the literal",
                    quote
                ))
            };
        }
        if next == '\\' {
            body = escape(kind, body, &mut bytes)?;
        } else if kind == Kind::Bytes && !next.is_ascii() {
            return Err(tr!(
                "a bytes literal holds {next}, which is not a byte",
                next = format_args!("{next:?}")
            ));
        } else {
            push_char(next, &mut bytes);
        }
    }
}

/// Reads one escape, whose backslash is already consumed, and returns the rest.
fn escape<'a>(kind: Kind, body: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    let mut chars = body.chars();
    let letter = chars
        .next()
        .ok_or_else(|| tr!("the literal ends in a backslash"))?;
    let rest = chars.as_str();
    let simple = match letter {
        '\\' | '\'' | '"' => letter,
        'a' => '\x07',
        'b' => '\x08',
        't' => '\t',
        'n' => '\n',
        'v' => '\x0b',
        'f' => '\x0c',
        'r' => '\r',
        '0'..='7' => {
            let n_digits = body
                .bytes()
                .take(3)
                .take_while(|digit| (b'0'..=b'7').contains(digit))
                .count();
            return push_code(kind, body, n_digits, 8, bytes);
        }
        'x' => return push_code(kind, rest, 2, 16, bytes),
        'u' if kind == Kind::Text => return push_code(kind, rest, 4, 16, bytes),
        'U' if kind == Kind::Text => return push_code(kind, rest, 8, 16, bytes),
        'N' if kind == Kind::Text => {
            return Err(tr!("the escape \\N{…} is not supported; write \\u or \\U").into());
        }
        other => {
            // Python keeps the backslash of an escape that it does not know.
            bytes.push(b'\\');
            push_char(other, bytes);
            return Ok(rest);
        }
    };
    push_char(simple, bytes);
    Ok(rest)
}

/// Reads `n_digits` digits as a code point or a byte and returns the rest.
fn push_code<'a>(
    kind: Kind,
    body: &'a str,
    n_digits: usize,
    radix: u32,
    bytes: &mut Vec<u8>,
) -> Result<&'a str, String> {
    let digits = body
        .get(..n_digits)
        .filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)))
        .ok_or_else(|| {
            tr!(
                "an escape needs {n_digits} digits of base {radix}",
                n_digits,
                radix
            )
        })?;
    let code = u32::from_str_radix(digits, radix).map_err(|error| error.to_string())?;
    match kind {
        Kind::Bytes => bytes.push(u8::try_from(code).map_err(|_| {
            tr!(
                "the escape {code} is above a byte",
                code = format_args!("{code:#o}")
            )
        })?),
        Kind::Text => push_char(
            char::from_u32(code).ok_or_else(|| {
                tr!(
                    "{code} is not a Unicode character",
                    code = format_args!("{code:#x}")
                )
            })?,
            bytes,
        ),
    }
    Ok(&body[n_digits..])
}

fn push_char(character: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(literal: &str, expected: Result<&[u8], &str>) {
        match (parse(literal), expected) {
            (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected, "{literal}"),
            (Err(reason), Err(expected)) => {
                assert!(reason.contains(expected), "{literal}: {reason}");
            }
            (got, expected) => panic!("{literal}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn literals_read_as_python_reads_them() {
        check("'a'", Ok(b"a"));
        check("\"it's\"", Ok(b"it's"));
        check(r"'it\'s'", Ok(b"it's"));
        check(r"'\\\n\t\r\a\b\v\f'", Ok(b"\\\n\t\r\x07\x08\x0b\x0c"));
        check(r"'\x41\xe9'", Ok("Aé".as_bytes()));
        check(r"b'\x41\xe9'", Ok(b"A\xe9"));
        check(r"'\101\0'", Ok(b"A\0"));
        check(r"b'\377'", Ok(b"\xff"));
        check(r"'\u4e16\U0001f600'", Ok("世😀".as_bytes()));
        check(r"b'\u4e16'", Ok(b"\\u4e16"));
        check(r"'\q'", Ok(b"\\q"));
        check("'世界'", Ok("世界".as_bytes()));
        check("B\"x\"", Ok(b"x"));
        check("''", Ok(b""));
    }

    #[test]
    fn broken_literals_say_what_is_wrong() {
        check("", Err("not a quoted"));
        check("abc", Err("not a quoted"));
        check("r'a'", Err("not a quoted"));
        check("'abc", Err("no closing '"));
        check("'a' + 'b'", Err("text follows"));
        check(r"'a\'", Err("no closing '"));
        check("'a\\", Err("ends in a backslash"));
        check(r"'\x4'", Err("2 digits"));
        check(r"'\xé1'", Err("2 digits"));
        check(r"'\u12'", Err("4 digits"));
        check(r"'\ud800'", Err("not a Unicode character"));
        check(r"'\U00110000'", Err("not a Unicode character"));
        check(r"b'\777'", Err("above a byte"));
        check("b'é'", Err("not a byte"));
        check(r"'\N{DASH}'", Err("not supported"));
    }
}
