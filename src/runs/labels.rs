//! What people write on a run.

use serde::{Deserialize, Serialize};

/// What people write on a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunLabels {
    /// A name instead of that of the folder; nothing takes that one.
    pub title: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Anything else.
    pub note: String,
}

impl RunLabels {
    /// Tags as they are typed, with commas between them.
    pub fn tags_text(&self) -> String {
        self.tags.join(", ")
    }

    /// Takes tags as they are typed.
    pub fn set_tags(&mut self, text: &str) {
        let mut tags: Vec<String> = Vec::new();
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        self.tags = tags;
    }
}
