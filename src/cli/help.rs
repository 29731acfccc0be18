//! The help of every command in the language that was chosen: the arguments have it
//! in English, from their comments.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::{Arg, Command};

use crate::language::{LANGUAGE, Language, chosen, text};

/// The template of a help text, as clap has it, but for the word before the usage.
const TEMPLATE: &str =
    "{before-help}{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The language that the arguments or the environment ask for, before anything else is
/// read of them: what is wrong with them is said in it.
pub(super) fn language_asked(arguments: impl Iterator<Item = OsString>) -> Option<Language> {
    let mut arguments = arguments.skip(1);
    let mut asked = None;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            // What follows is no option.
            Some("--") => break,
            Some("--language") => asked = arguments.next(),
            Some(option) => {
                if let Some(value) = option.strip_prefix("--language=") {
                    asked = Some(value.into());
                }
            }
            None => {}
        }
    }
    let asked = asked.or_else(|| std::env::var_os(LANGUAGE));
    asked?.to_str()?.parse().ok()
}

/// A command and those below it with texts in the language that was chosen.
pub(super) fn translated(mut command: Command) -> Command {
    if chosen() == Language::English {
        return command;
    }
    // What clap adds itself, such as --help, is there then too.
    command.build();
    in_words(command)
}

fn in_words(mut command: Command) -> Command {
    if let Some(about) = shown(command.get_about()) {
        command = command.about(about);
    }
    if let Some(about) = shown(command.get_long_about()) {
        command = command.long_about(about);
    }
    command
        .subcommand_help_heading(tr!("Commands"))
        .help_template(TEMPLATE.replace("{usage-heading}", tr!("Usage:")))
        .mut_args(argument_in_words)
        .mut_subcommands(in_words)
}

fn argument_in_words(mut argument: Arg) -> Arg {
    if let Some(help) = shown(argument.get_help()) {
        argument = argument.help(help);
    }
    if let Some(help) = shown(argument.get_long_help()) {
        argument = argument.long_help(help);
    }
    let heading = match argument.is_positional() {
        true => tr!("Arguments"),
        false => tr!("Options"),
    };
    argument.help_heading(heading)
}

fn shown(english: Option<&StyledStr>) -> Option<String> {
    english.map(|english| text(&english.to_string()).to_owned())
}

/// Every text of a command and of those below it.
#[cfg(test)]
pub(super) fn texts_of(mut command: Command) -> Vec<String> {
    fn collect(command: &Command, texts: &mut Vec<String>) {
        let about = [command.get_about(), command.get_long_about()];
        let arguments = command.get_arguments();
        let help = arguments.flat_map(|of| [of.get_help(), of.get_long_help()]);
        texts.extend(help.chain(about).flatten().map(StyledStr::to_string));
        for below in command.get_subcommands() {
            collect(below, texts);
        }
    }
    command.build();
    let mut texts = Vec::new();
    collect(&command, &mut texts);
    // What the table of fields says is translated there.
    let of_field = |text: &String| {
        let mut fields = crate::protocol::fields::all();
        fields.any(|field| text.starts_with(&super::plain_options::field_help(field.path)))
    };
    texts.retain(|text| !of_field(text));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_read_before_the_arguments() {
        for (line, expected) in [
            ("gosling --language zh tune", Some(Language::Chinese)),
            ("gosling tune --language=en", Some(Language::English)),
            (
                "gosling tune --language=xx --language zh",
                Some(Language::Chinese),
            ),
            ("gosling generate -- --language zh", None),
            ("gosling --language", None),
        ] {
            // The environment of those who run the tests may name one.
            if expected.is_none() && std::env::var_os(LANGUAGE).is_some() {
                continue;
            }
            let words = line.split(' ').map(OsString::from);
            assert_eq!(language_asked(words), expected, "{line}");
        }
    }
}
