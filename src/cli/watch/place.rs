//! Where runs are that are watched.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A folder of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RunsPlace {
    /// On this machine.
    Here(PathBuf),
    /// On one that ssh reaches.
    There { host: String, folder: String },
}

impl fmt::Display for RunsPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(folder) => write!(f, "{}", folder.display()),
            Self::There { host, folder } => write!(f, "{host}:{folder}"),
        }
    }
}

impl FromStr for RunsPlace {
    type Err = Error;

    /// As scp takes it: what stands before the first colon is a host, unless a slash
    /// comes before it or it is the letter of a drive.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::spec("PLACE", reason));
        let Some((host, folder)) = text.split_once(':') else {
            return match text.is_empty() {
                true => refuse(tr!("is empty; write HOST:FOLDER")),
                false => Ok(Self::Here(text.into())),
            };
        };
        let is_drive = host.len() == 1 && folder.starts_with(['\\', '/']);
        if host.contains(['/', '\\']) || is_drive {
            return Ok(Self::Here(text.into()));
        }
        // ssh would take it for an option.
        if host.is_empty() || host.starts_with('-') || host.chars().any(char::is_whitespace) {
            return refuse(tr!("names no host before the colon; write HOST:FOLDER"));
        }
        let folder = match folder {
            "" => ".",
            folder => folder,
        };
        if folder.starts_with('-') || folder.chars().any(char::is_control) {
            return refuse(tr!("names no folder after the colon; write HOST:FOLDER"));
        }
        Ok(Self::There {
            host: host.to_owned(),
            folder: folder.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_folders_as_scp_does() {
        let there = |host: &str, folder: &str| RunsPlace::There {
            host: host.into(),
            folder: folder.into(),
        };
        for (text, want) in [
            ("me@server:project/runs", there("me@server", "project/runs")),
            ("server:", there("server", ".")),
            ("server:/data/my runs", there("server", "/data/my runs")),
            ("runs", RunsPlace::Here("runs".into())),
            ("./a:b", RunsPlace::Here("./a:b".into())),
            ("C:\\runs", RunsPlace::Here("C:\\runs".into())),
            ("C:/runs", RunsPlace::Here("C:/runs".into())),
        ] {
            assert_eq!(text.parse::<RunsPlace>().unwrap(), want, "{text}");
        }
        for wrong in [
            "",
            ":runs",
            "-oProxyCommand=x:runs",
            "a b:runs",
            "server:-x",
        ] {
            assert!(wrong.parse::<RunsPlace>().is_err(), "{wrong}");
        }
    }
}
