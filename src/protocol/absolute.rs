//! Paths of a run that hold from any folder, so that it can be resumed there.

use std::path::{Path, PathBuf};

use super::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use crate::data::Template;
use crate::tuning::spec::StartState;

impl RunSpec {
    /// The same run with every path taken from the present folder.
    #[must_use]
    pub fn with_absolute_paths(&self) -> Self {
        let mut spec = self.clone();
        if let CheckpointSource::File(path) = &mut spec.model.checkpoint {
            make_absolute(path);
        }
        if let VocabularySource::File(path) = &mut spec.model.vocabulary {
            make_absolute(path);
        }
        match &mut spec.data.source {
            DataSource::Mini(_) => {}
            DataSource::Official { folder, .. } => make_absolute(folder),
            DataSource::Jsonl {
                train,
                validation,
                template,
            } => {
                if let Template::File(path) = template {
                    make_absolute(path);
                }
                make_absolute(train);
                if let Some(path) = validation {
                    make_absolute(path);
                }
            }
        }
        if let Some(StartState::File(path)) = spec.method.start_mut() {
            make_absolute(path);
        }
        spec
    }
}

/// A path that cannot be made absolute, an empty one, is refused later.
fn make_absolute(path: &mut PathBuf) {
    if let Ok(absolute) = std::path::absolute::<&Path>(path) {
        *path = absolute;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_made_absolute() {
        let mut spec = RunSpec::default();
        assert_eq!(spec.with_absolute_paths(), spec);
        spec.model.checkpoint = CheckpointSource::File("a.pth".into());
        spec.model.vocabulary = VocabularySource::File("b.txt".into());
        spec.data.source = DataSource::Jsonl {
            train: "c.jsonl".into(),
            validation: Some("d.jsonl".into()),
            template: Template::File("f.ron".into()),
        };
        if let Some(start) = spec.method.start_mut() {
            *start = StartState::File("e.pth".into());
        }
        let absolute = format!("{:?}", spec.with_absolute_paths());
        let here = std::env::current_dir().unwrap();
        for name in ["a.pth", "b.txt", "c.jsonl", "d.jsonl", "e.pth", "f.ron"] {
            let path = format!("{:?}", here.join(name));
            assert!(absolute.contains(&path), "{path} in {absolute}");
        }
    }
}
