//! Reasons of errors are texts as well: none stands in the code as a literal of which no
//! other language can have a message.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::tests::{LITERAL, bare, close, said};

/// How an expression begins that says why something cannot be done.
const BEGINS: &str = r"\bError::(?:input|spec|changed|Device)\(|\bRefusal::new\(|\brefuse\(|\bErr\(|\.ok_or(?:_else)?\(|\.map_err\(|\blet reason\b[^=;]*=";

/// What stays English: where it is, how it begins, and why.
const ENGLISH: [(&str, &str, &str); 4] = [
    (
        "src/cli/serve/",
        "",
        "other programs read what a server answers",
    ),
    (
        "src/adapt/outcome.rs",
        "expected 0 and 1",
        "of a file that nobody but the program writes",
    ),
    ("src/model/sampling.rs", "{name} penalty", "names a field"),
    (
        "src/language.rs",
        "choose en or zh",
        "no language is chosen yet",
    ),
];

/// Where the expression ends that begins here.
fn end(code: &str) -> usize {
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!(r"(?s){LITERAL}|'(?:\\.|[^'\\])'|[()\[\]{{}};]")).unwrap()
    });
    let mut depth = 0;
    for found in TOKEN.find_iter(code) {
        match found.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" | ";" if depth == 0 => return found.start(),
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// The code without the texts that have messages, those of [`crate::Error::io`] included,
/// and without the names of fields.
fn without_texts(code: &str) -> String {
    let field = Regex::new(&format!(r"(?s)\b(Error::(?:io|spec)\()\s*{LITERAL}\s*,")).unwrap();
    let code = field.replace_all(code, "$1");
    let call = Regex::new(r"\b(?:tr|mark)!\s*\(").unwrap();
    let mut rest: &str = &code;
    let mut left = String::new();
    while let Some(found) = call.find(rest) {
        left.push_str(&rest[..found.start()]);
        let inner = &rest[found.end()..];
        rest = &inner[close(inner) + 1..];
    }
    left + rest
}

/// The literals with words in the reasons of a file.
fn reasons(code: &str) -> Vec<String> {
    let code = without_texts(&bare(code));
    let begins = Regex::new(BEGINS).unwrap();
    // A character may be a quote.
    let literal = Regex::new(&format!(r"(?s){LITERAL}|'(?:\\.|[^'\\])'")).unwrap();
    let place = Regex::new(r"\{[^{}]*\}").unwrap();
    let words = Regex::new("[A-Za-z]{2,} | [A-Za-z]{2,}").unwrap();
    let mut found = Vec::new();
    for begin in begins.find_iter(&code) {
        let rest = &code[begin.end()..];
        let literals = literal.find_iter(&rest[..end(rest)]);
        let literals = literals.filter(|of| !of.as_str().starts_with('\''));
        let literals = literals.map(|of| said(of.as_str()));
        found.extend(literals.filter(|of| words.is_match(&place.replace_all(of, ""))));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Every file below `folder` with its path in the repository, those of tests excepted.
fn files(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "fuzz" && name != "layers" {
                files(root, &path, found);
            }
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let own = path.strip_prefix(root).unwrap().components();
            let own: Vec<_> = own.map(|of| of.as_os_str().to_string_lossy()).collect();
            found.push((own.join("/"), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_reason_has_a_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    files(root, &root.join("src"), &mut all);
    assert!(all.len() > 500, "only {} files were found", all.len());
    let mut missing = Vec::new();
    let mut used = [false; ENGLISH.len()];
    for (file, code) in &all {
        for reason in reasons(code) {
            let stays = |(place, start, _): &(&str, &str, &str)| {
                file.starts_with(place) && reason.starts_with(start)
            };
            match ENGLISH.iter().position(stays) {
                Some(idx) => used[idx] = true,
                None => missing.push(format!("{file}: {reason:?}")),
            }
        }
    }
    assert!(missing.is_empty(), "wrap them with tr!: {missing:#?}");
    let unused = ENGLISH.iter().zip(used).filter(|(_, used)| !used);
    let unused: Vec<_> = unused.map(|(of, _)| of).collect();
    assert!(unused.is_empty(), "nothing is there any more: {unused:?}");
}

#[test]
fn the_scanner_sees_every_way_to_give_a_reason() {
    let code = r##"
        // Err("in a comment")
        let reason = "is not one";
        let reason = format!("is not two of {n}", n = f("x;)"));
        return Err(Error::input(path, "size", "is not three"));
        value.ok_or("is not four")?;
        value.ok_or_else(|| { let n = 1; format!("is not {n} but five") })?;
        value.map_err(|_| "is not \"six\"".to_owned())?;
        Error::Device("is not seven".into());
        refuse(if a { tr!("has a message") } else { "is not eight" });
        Refusal::new("header", r#"is not "nine""#);
        Error::changed(path, tr!("a place"), "is not ten");
        let reason = tr!("one ({})", f(")"));
        Err(Error::spec("top p", tr!("must be {n} here", n)));
        Err(Error::spec("top-p", "is not eleven"));
        Err(Error::input(path, "size", mark!("a mark")));
        file.flush().map_err(|source| Error::io("write to", path, source))?;
        Err(quoted('"', "not", '"'));
        let name = "not a reason";
        #[cfg(test)]
mod tests {
        Err("in a test")
    "##;
    let expected = [
        "is not \"nine\"",
        "is not \"six\"",
        "is not eight",
        "is not eleven",
        "is not four",
        "is not one",
        "is not seven",
        "is not ten",
        "is not three",
        "is not two of {n}",
        "is not {n} but five",
    ];
    assert_eq!(reasons(code), expected);
}
