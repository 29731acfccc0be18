//! Text in single quotes, `File('C:\new\rwkv7.pth')`: it is taken as it stands, and
//! needs no double quotes, which every shell of Windows treats in another way.

/// The value as RON, with raw strings in place of single quotes; none where it
/// has no pair of them.
pub(super) fn from_single(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = value;
    let mut is_other = false;
    while let Some(at) = rest.find(['\'', '"']) {
        let quote = &rest[at..=at];
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if quote == "\"" {
            let end = end_of_string(rest)?;
            text.push('"');
            text.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let (inside, after) = rest.split_once('\'')?;
        let mut hashes = "#".to_owned();
        while inside.contains(&format!("\"{hashes}")) {
            hashes.push('#');
        }
        text.push_str(&format!("r{hashes}\"{inside}\"{hashes}"));
        rest = after;
        is_other = true;
    }
    text.push_str(rest);
    is_other.then_some(text)
}

/// A printed value with single quotes in place of double ones; none where a
/// text in it cannot stand in such.
pub(in crate::persist) fn to_single(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = value;
    while let Some(at) = rest.find(['\'', '"']) {
        if rest[at..].starts_with('\'') {
            return None;
        }
        let inside = &rest[at + 1..];
        let end = end_of_string(inside)?;
        let inside = &inside[..end - 1];
        let unescaped = inside.replace("\\\\", "\u{0}");
        if unescaped.contains(['\\', '\'']) {
            return None;
        }
        let inside = unescaped.replace('\u{0}', "\\");
        text.push_str(&format!("{}'{inside}'", &rest[..at]));
        rest = &rest[at + 1 + end..];
    }
    text.push_str(rest);
    Some(text)
}

/// Where what follows a string's first quote has passed its last one.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_quotes_hold_text_as_it_stands() {
        for (value, expected) in [
            (
                r"File('C:\new\a b.pth')",
                Some(r##"File(r#"C:\new\a b.pth"#)"##),
            ),
            (r#"'not closed "x""#, None),
            (r##"'a"#b'"##, Some(r###"r##"a"#b"##"###)),
            (r#"Text("it's")"#, None),
            (
                r#"Text("it's \"so\"'") 'x'"#,
                Some(r##"Text("it's \"so\"'") r#"x"#"##),
            ),
            ("3.5", None),
        ] {
            assert_eq!(from_single(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn printed_values_come_back() {
        for (value, expected) in [
            (
                r#"File("C:\\new\\a b.pth")"#,
                Some(r"File('C:\new\a b.pth')"),
            ),
            (
                r#"Jsonl(train:"a",validation:None)"#,
                Some("Jsonl(train:'a',validation:None)"),
            ),
            ("Only([1,2])", Some("Only([1,2])")),
            (r#"Text("it's")"#, None),
            (r#"Text("a\nb")"#, None),
            (r#"Text("say \"x\"")"#, None),
        ] {
            assert_eq!(to_single(value).as_deref(), expected, "{value}");
            let Some(single) = expected else { continue };
            let Some(ron) = from_single(single) else {
                continue;
            };
            let read = |text: &str| ron::from_str::<ron::Value>(text).unwrap();
            assert_eq!(read(&ron), read(value));
        }
    }
}
