//! Texts that leave this machine, without the names of its users.

use std::sync::LazyLock;

use regex::Regex;

/// The folder of any user, on Linux, macOS and Windows. A program that was built on
/// another machine names folders of that one.
static HOMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?:/home/|/Users/|[a-z]:[\\/]+Users[\\/]+)[^/\\\s"']+"#).ok()
});

/// The text with `~` in place of the folder of every user.
pub fn without_names(text: &str) -> String {
    let home = std::env::home_dir();
    let home = home.as_deref().and_then(|home| home.to_str());
    let text = match home {
        Some(home) if home.len() > 1 => text.replace(home, "~"),
        Some(_) | None => text.to_owned(),
    };
    match HOMES.as_ref() {
        Some(homes) => homes.replace_all(&text, "~").into_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_users_lose_their_names() {
        for (text, expected) in [
            ("/home/zebedee/model.pth", "~/model.pth"),
            ("(/Users/zebedee/a b)", "(~/a b)"),
            (r"C:\Users\zebedee\runs", r"~\runs"),
            (r#""C:\\Users\\zebedee\\runs""#, r#""~\\runs""#),
            ("/srv/models/home", "/srv/models/home"),
        ] {
            assert_eq!(without_names(text), expected);
        }
        let own = std::env::home_dir().unwrap().join("x");
        assert_eq!(
            without_names(own.to_str().unwrap()),
            std::path::Path::new("~").join("x").to_str().unwrap()
        );
    }
}
