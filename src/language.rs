//! The language of what the program says. English stands in the code and is the key
//! of its translation, as with gettext: `tr!("Start run")`. The messages of the other
//! languages lie in `assets/languages`, one file each, and are a part of the program.
//!
//! Names in files, paths of fields, tables for programs and what models write are the
//! same in every language.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Once};

use serde::{Deserialize, Serialize};

/// The text in the language that was chosen. A text alone is a `&'static str`; with
/// arguments, as in `tr!("{} of {total} items", done, total)`, it is a `String` and
/// every argument is named behind it. An argument with digits to round to is
/// `loss = format_args!("{loss:.4}")`. A text that counts has both forms:
/// `tr!("one run" | "{n} runs" % n)`. A text whose meaning is not clear by itself
/// has a word in front: `tr!("noun" => "Split")`.
macro_rules! tr {
    ($text:literal) => {
        $crate::language::text($text)
    };
    ($context:literal => $text:literal) => {
        $crate::language::text_of($context, $text)
    };
    ($text:literal, $($argument:tt)+) => {
        ::tr::tr!($text, $($argument)+)
    };
    ($one:literal | $many:literal % $($argument:tt)+) => {
        ::tr::tr!($one | $many % $($argument)+)
    };
}

/// A text that is translated where it is shown, by [`text`]: for constants and tables.
macro_rules! mark {
    ($text:literal) => {
        $text
    };
}

/// The environment variable that chooses a language.
pub const LANGUAGE: &str = "GOSLING_LANGUAGE";

/// A language that the program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English, as the code has it.
    English,
    /// Chinese in simplified characters.
    Chinese,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The first language of the system that the program speaks; English where it
    /// speaks none of them.
    pub fn of_system() -> Self {
        let known = |tag: String| Self::of_tag(&tag);
        let first = sys_locale::get_locales().find_map(known);
        first.unwrap_or(Self::English)
    }

    /// The language of a tag such as zh-CN or en_GB.UTF-8.
    fn of_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_', '.']).next().unwrap_or_default();
        match language.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }
}

impl Display for Language {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::English => "en",
            Self::Chinese => "zh",
        })
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of_tag(text).ok_or_else(|| "choose en or zh".into())
    }
}

/// Whether Chinese was chosen.
static IS_CHINESE: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this thread speaks English whatever was chosen.
    static IN_ENGLISH: Cell<bool> = const { Cell::new(false) };
}

/// Makes a language that of the program, from the next text on. Until this is called
/// it is English, whatever the system says.
pub fn choose(language: Language) {
    static INSTALLED: Once = Once::new();
    // Once: it is asked for the language with every text, so that changing the
    // language takes no lock that a thread may hold which asks for a second text.
    INSTALLED.call_once(|| ::tr::set_translator!(Chosen));
    IS_CHINESE.store(language == Language::Chinese, Ordering::Relaxed);
}

/// The language that was chosen.
pub fn chosen() -> Language {
    match IS_CHINESE.load(Ordering::Relaxed) && !IN_ENGLISH.get() {
        true => Language::Chinese,
        false => Language::English,
    }
}

/// Does something in English, on this thread: what goes into files for programs.
pub fn in_english<T>(work: impl FnOnce() -> T) -> T {
    /// Puts back what was there, also where the work panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IN_ENGLISH.set(self.0);
        }
    }
    let _before = Before(IN_ENGLISH.replace(true));
    work()
}

/// A text that is made once and stays: in the language that was chosen when it was made,
/// and in English, which files for programs have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bilingual {
    chosen: String,
    english: String,
}

impl Bilingual {
    /// Makes the text in both languages.
    pub fn of(words: impl Fn() -> String) -> Self {
        Self {
            chosen: words(),
            english: in_english(words),
        }
    }

    /// A name, which is the same in every language.
    pub fn name(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            chosen: name.clone(),
            english: name,
        }
    }

    /// A text around this one.
    pub fn within(&self, words: impl Fn(&str) -> String) -> Self {
        Self {
            chosen: words(&self.chosen),
            english: in_english(|| words(&self.english)),
        }
    }

    /// The text in the language of now.
    pub fn text(&self) -> &str {
        match chosen() {
            Language::English => &self.english,
            Language::Chinese => &self.chosen,
        }
    }
}

/// A text in the language that was chosen; the text itself where there is no other.
pub fn text(english: &str) -> &str {
    match chosen() {
        Language::English => english,
        Language::Chinese => CHINESE.get(english).map_or(english, String::as_str),
    }
}

/// The same of a text that has several meanings; `context` says which.
pub fn text_of<'a>(context: &str, english: &'a str) -> &'a str {
    match chosen() {
        Language::English => english,
        Language::Chinese => {
            let key = with_context(context, english);
            CHINESE.get(&key).map_or(english, String::as_str)
        }
    }
}

/// The key of a text that has several meanings, as in binary message files.
fn with_context(context: &str, english: &str) -> String {
    format!("{context}\u{4}{english}")
}

/// Chinese by its English.
static CHINESE: LazyLock<HashMap<String, String>> =
    LazyLock::new(|| messages(include_bytes!("../assets/languages/zh.po")));

/// The messages of a file by their keys; none of a file that cannot be read, which a
/// test rules out. Of a message that counts it is the last form: Chinese has one.
fn messages(file: &[u8]) -> HashMap<String, String> {
    let Ok(catalogue) = polib::po_file::parse_from_reader(file) else {
        return HashMap::new();
    };
    let messages = catalogue.messages().filter_map(|message| {
        let key = match message.msgctxt() {
            Some(context) if !context.is_empty() => with_context(context, message.msgid()),
            Some(_) | None => message.msgid().to_owned(),
        };
        let text = match message.is_plural() {
            true => message.msgstr_plural().ok()?.last()?.clone(),
            false => message.msgstr().ok()?.to_owned(),
        };
        (!text.is_empty()).then_some((key, text))
    });
    messages.collect()
}

/// What `tr!` asks for texts with arguments.
struct Chosen;

impl ::tr::Translator for Chosen {
    fn translate<'a>(&'a self, string: &'a str, context: Option<&'a str>) -> Cow<'a, str> {
        match context {
            Some(context) => text_of(context, string).into(),
            None => text(string).into(),
        }
    }

    fn ntranslate<'a>(
        &'a self,
        n: u64,
        singular: &'a str,
        plural: &'a str,
        context: Option<&'a str>,
    ) -> Cow<'a, str> {
        match chosen() {
            Language::English if n == 1 => singular.into(),
            Language::English => plural.into(),
            Language::Chinese => self.translate(singular, context),
        }
    }
}

#[cfg(test)]
mod reason_tests;
#[cfg(test)]
mod tests;
