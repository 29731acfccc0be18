//! What a package brings beside the program, made from the arguments themselves:
//! completions for shells and manual pages.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::{Error, Result};

/// Arguments of `gosling completions`.
#[derive(Args)]
pub struct CompletionsArguments {
    /// The shell that completes the commands
    shell: Shell,
}

/// Arguments of `gosling manual`.
#[derive(Args)]
pub struct ManualArguments {
    /// The folder for the pages, one for each command; it is made if it does not exist
    folder: PathBuf,
}

/// Prints the completions of a shell.
pub fn completions(arguments: &CompletionsArguments, mut command: Command) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "gosling", &mut text);
    print!("{}", String::from_utf8_lossy(&text));
    Ok(())
}

/// Writes the manual pages, `gosling.1` and one for each command. Errors: the folder
/// cannot be made or written to.
pub fn manual(arguments: &ManualArguments, command: Command) -> Result<()> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    clap_mangen::generate_to(command, folder).map_err(|error| Error::io("write", folder, error))
}

#[cfg(test)]
mod tests {
    /// Files of packages name the version by hand.
    #[test]
    fn files_of_packages_have_the_version_of_the_program() {
        let version = env!("CARGO_PKG_VERSION");
        let about = include_str!("../../assets/package/gosling.metainfo.xml");
        assert!(about.contains(&format!("<release version=\"{version}\"")));
        assert!(include_str!("../../CHANGELOG.md").contains(&format!("\n## {version}")));
        for manifest in [
            include_str!("../../assets/package/winget/Gosling.Gosling.yaml"),
            include_str!("../../assets/package/winget/Gosling.Gosling.installer.yaml"),
            include_str!("../../assets/package/winget/Gosling.Gosling.locale.en-US.yaml"),
            include_str!("../../assets/package/winget/Gosling.Gosling.locale.zh-CN.yaml"),
        ] {
            let line = format!("PackageVersion: {version}\n");
            assert!(manifest.replace('\r', "").contains(&line), "{manifest}");
        }
    }

    /// Else Windows would have both.
    #[test]
    fn an_installer_for_windows_replaces_the_one_before() {
        let manifest = include_str!("../../Cargo.toml");
        let installer = include_str!("../../wix/main.wxs");
        for (name, attribute) in [
            ("upgrade-guid", "UpgradeCode"),
            ("path-guid", "Id=\"Path\" Guid"),
        ] {
            let guid = |line: &'static str| {
                let value = line.strip_prefix(name)?.strip_prefix(" = \"")?;
                value.strip_suffix('"')
            };
            let guid = manifest.lines().find_map(guid).unwrap();
            assert_eq!(guid.len(), 36, "{name}");
            assert!(installer.contains(&format!("{attribute}=\"{guid}\"")));
        }
    }
}
