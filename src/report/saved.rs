//! A table that is saved in a format which is chosen later.

use std::path::Path;

use super::format::TableFormat;
use super::table::Table;
use crate::error::Result;
use crate::language::in_english;

/// A table for a file. In formats for programs its columns and words are English
/// whatever the language of the window, so that a script reads the files of everyone;
/// in formats for readers they are those of the window.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedTable {
    for_programs: Table,
    for_readers: Table,
}

impl SavedTable {
    /// Makes the table in English and in the language that was chosen.
    pub fn of(mut make: impl FnMut() -> Table) -> Self {
        let for_programs = in_english(&mut make);
        Self::new(for_programs, make())
    }

    /// The same table for programs, in English, and for readers.
    pub fn new(for_programs: Table, for_readers: Table) -> Self {
        Self {
            for_programs,
            for_readers,
        }
    }

    /// The table as it is in files of a format.
    pub fn in_format(&self, format: TableFormat) -> &Table {
        match format.is_for_programs() {
            true => &self.for_programs,
            false => &self.for_readers,
        }
    }

    /// Writes the table to `path` in the format of its extension.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for another extension, [`crate::Error::Io`]
    /// where it cannot be written; an older file is then as it was.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.in_format(TableFormat::of_path(path)?).write(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Cell;

    fn table(column: &str) -> Table {
        let mut table = Table::new("Runs", [column]);
        table.push([Cell::Count(1)]);
        table
    }

    #[test]
    fn programs_and_readers_have_a_table_each() {
        let saved = SavedTable::new(table("run"), table("yunxing"));
        let folder = tempfile::tempdir().unwrap();
        for (name, column) in [
            ("a.csv", "run"),
            ("a.json", "run"),
            ("a.md", "yunxing"),
            ("a.tex", "yunxing"),
            ("a.txt", "yunxing"),
        ] {
            let path = folder.path().join(name);
            saved.write(&path).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let has = |column: &str| text.contains(column);
            assert!(
                has(column) && (has("run") != has("yunxing")),
                "{name}: {text}"
            );
        }
        saved.write(folder.path().join("a.xls")).unwrap_err();
    }
}
