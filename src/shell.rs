//! Command lines that can be pasted: how a shell takes an argument; and processes that
//! show nothing.

use std::path::Path;
use std::process::Command;

/// Keeps a process that only computes from having a console of its own, which Windows
/// opens for every program of the command line that a window starts.
pub fn without_console(command: &mut Command) -> &mut Command {
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt as _;
        /// `CREATE_NO_WINDOW` of the Windows API.
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NO_WINDOW);
    }
    command
}

/// Adds a path that no program divides: the Explorer of Windows takes a comma outside
/// quotes for the end of a path, and quotes are put around spaces only.
pub fn in_quotes<'a>(command: &'a mut Command, path: &Path) -> &'a mut Command {
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt as _;
        // No path has a quote in it there.
        let mut quoted = std::ffi::OsString::from("\"");
        quoted.push(path);
        quoted.push("\"");
        command.raw_arg(quoted)
    }
    #[cfg(not(windows))]
    {
        command.arg(path)
    }
}

/// A shell that the user types into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh and their like.
    Posix,
    /// The old command prompt of Windows.
    Cmd,
    /// PowerShell, which a terminal of Windows opens today.
    PowerShell,
}

impl Shell {
    /// The one that is usual on this system.
    pub const HERE: Self = if cfg!(windows) {
        Self::PowerShell
    } else {
        Self::Posix
    };

    /// The argument as this shell takes it, in quotes where it needs them.
    pub fn quoted(self, argument: &str) -> String {
        let extra = match self {
            Self::Posix => "-_./=:,+%",
            Self::Cmd => "-_./=:,+\\",
            // A comma makes a list there.
            Self::PowerShell => "-_./=:+\\",
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
        if !argument.is_empty() && argument.chars().all(is_plain) {
            return argument.to_owned();
        }
        match self {
            Self::Posix => format!("'{}'", argument.replace('\'', "'\\''")),
            Self::Cmd => cmd_quoted(argument),
            Self::PowerShell => powershell_quoted(argument),
        }
    }

    /// A path as this shell takes it.
    pub fn quoted_path(self, path: &Path) -> String {
        self.quoted(&path.display().to_string())
    }

    /// Whether double quotes inside an argument are best avoided: both shells of
    /// Windows hand them on in ways of their own.
    pub fn dislikes_double_quotes(self) -> bool {
        match self {
            Self::Posix => false,
            Self::Cmd | Self::PowerShell => true,
        }
    }
}

/// In the quotes that every program of Windows reads: a backslash is doubled in
/// front of a quote only.
fn program_quoted(argument: &str) -> String {
    let mut text = String::from("\"");
    let mut n_backslashes = 0;
    for c in argument.chars() {
        match c {
            '\\' => n_backslashes += 1,
            '"' => {
                text.push_str(&"\\".repeat(n_backslashes + 1));
                n_backslashes = 0;
            }
            _ => n_backslashes = 0,
        }
        text.push(c);
    }
    text.push_str(&"\\".repeat(n_backslashes));
    text.push('"');
    text
}

/// The prompt reads its own signs outside quotes, and `%` inside them too. Where
/// the argument has quotes of its own it loses count of them, so that every sign
/// is marked with `^` instead.
fn cmd_quoted(argument: &str) -> String {
    let quoted = program_quoted(argument);
    if !argument.contains(['"', '%', '!']) {
        return quoted;
    }
    let mut text = String::new();
    for c in quoted.chars() {
        if "\"%!^&|<>()".contains(c) {
            text.push('^');
        }
        text.push(c);
    }
    text
}

/// Single quotes are doubled, as are the typographic ones that it takes for such.
fn powershell_quoted(argument: &str) -> String {
    let mut text = String::from("'");
    for c in argument.chars() {
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            text.push(c);
        }
        text.push(c);
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_has_its_quotes() {
        for (argument, posix, cmd, powershell) in [
            (
                "training.steps=50",
                "training.steps=50",
                "training.steps=50",
                "training.steps=50",
            ),
            ("", "''", "\"\"", "''"),
            (
                "Only([1,2])",
                "'Only([1,2])'",
                "\"Only([1,2])\"",
                "'Only([1,2])'",
            ),
            ("1,2", "1,2", "1,2", "'1,2'"),
            (
                "C:\\my data\\a.pth",
                "'C:\\my data\\a.pth'",
                "\"C:\\my data\\a.pth\"",
                "'C:\\my data\\a.pth'",
            ),
            (
                "C:\\data\\a.pth",
                "'C:\\data\\a.pth'",
                "C:\\data\\a.pth",
                "C:\\data\\a.pth",
            ),
            ("a b\\", "'a b\\'", "\"a b\\\\\"", "'a b\\'"),
            ("it's", "'it'\\''s'", "\"it's\"", "'it''s'"),
            ("$HOME `x`", "'$HOME `x`'", "\"$HOME `x`\"", "'$HOME `x`'"),
            (
                "100% \"x\"",
                "'100% \"x\"'",
                "^\"100^% \\^\"x\\^\"^\"",
                "'100% \"x\"'",
            ),
            ("a&b", "'a&b'", "\"a&b\"", "'a&b'"),
        ] {
            assert_eq!(Shell::Posix.quoted(argument), posix);
            assert_eq!(Shell::Cmd.quoted(argument), cmd);
            assert_eq!(Shell::PowerShell.quoted(argument), powershell);
        }
    }

    /// What the shell itself makes of it.
    #[cfg(unix)]
    #[test]
    fn a_real_shell_gives_the_argument_back() {
        for argument in [
            "",
            "a b",
            "it's",
            "$HOME `id` \\ \"x\" *",
            "Text(\"a\\nb\")",
            "-x",
        ] {
            let script = format!("printf '%s' {}", Shell::Posix.quoted(argument));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                argument,
                "{script}"
            );
        }
    }
}
