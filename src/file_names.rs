//! Names of files and folders that every system takes: what one machine writes is
//! copied to another one, and watched from it.

/// Whether Windows has a device of this name and so no file, whatever its ending is:
/// `con`, `nul.txt`.
pub(crate) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let stem = stem.trim_end_matches(' ').to_ascii_lowercase();
    let is_numbered = ["com", "lpt"].iter().any(|of| {
        let mut number = stem.strip_prefix(of).unwrap_or_default().chars();
        // Of the small digits Windows knows three.
        let is_digit = |c: char| c.is_ascii_digit() || "¹²³".contains(c);
        number.next().is_some_and(is_digit) && number.next().is_none()
    });
    is_numbered || ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&stem.as_str())
}

/// Whether it is a name within a folder on every system: no path, no sign that Windows
/// keeps for itself, no end that it drops, no device.
pub(crate) fn is_name_everywhere(name: &str) -> bool {
    let is_kept = |c: char| c.is_control() || r#"<>:"/\|?*"#.contains(c);
    !name.is_empty() && !name.contains(is_kept) && !name.ends_with(['.', ' ']) && !is_device(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_windows_are_known_with_every_ending() {
        for name in [
            "con", "NUL", "Aux.txt", "prn .a.b", "com1", "LPT9.ron", "com²", "conout$",
        ] {
            assert!(is_device(name), "{name}");
            assert!(!is_name_everywhere(name), "{name}");
        }
        for name in [
            "con-0001", "console", "com", "com12", "lpt-1", "a.con", "nul_",
        ] {
            assert!(!is_device(name), "{name}");
            assert!(is_name_everywhere(name), "{name}");
        }
    }

    #[test]
    fn names_that_one_system_refuses_are_none() {
        for name in [
            "", ".", "..", "a.", "a ", "a/b", r"a\b", "C:", "12:30", "a?", "a*", "a\"b", "a<b",
            "a>b", "a|b", "a\nb",
        ] {
            assert!(!is_name_everywhere(name), "{name:?}");
        }
        for name in [".hidden", "a b (2)", "微调-0001", "a.b.c", "λ=1,2"] {
            assert!(is_name_everywhere(name), "{name:?}");
        }
    }
}
