//! Which files of a folder are a split of a benchmark: under the names of its
//! publishers, or as the Hugging Face hub has them.

use std::path::{Path, PathBuf};

use super::mmlu;
use crate::data::benchmark::{Benchmark, Split};
use crate::data::rows::Rows;
use crate::error::{Error, Result};

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum SplitFile {
    /// A split.
    Split(Split),
    /// The solved questions of MMLU, which have files of their own.
    FewShot,
}

impl SplitFile {
    pub fn of(split: Split) -> Self {
        Self::Split(split)
    }

    /// In words.
    fn name(self) -> String {
        match self {
            Self::Split(split) => tr!("{split} split", split),
            Self::FewShot => tr!("dev split").into(),
        }
    }

    /// What the names of Parquet files begin with, best first.
    fn hub_names(self, benchmark: Benchmark) -> &'static [&'static str] {
        match (self, benchmark) {
            (Self::FewShot, _) => &["dev"],
            (Self::Split(Split::Train), Benchmark::Mmlu) => &["train", "auxiliary_train"],
            (Self::Split(Split::Train), _) => &["train"],
            (Self::Split(Split::Validation), _) => &["validation"],
            (Self::Split(Split::Test), _) => &["test"],
        }
    }

    /// The names of MMLU's folders, best first.
    fn table_folders(self) -> &'static [&'static str] {
        match self {
            Self::FewShot => &["dev"],
            Self::Split(split) => mmlu::folders(split),
        }
    }
}

/// The files of what is wanted: `path` itself, or those in that folder.
///
/// # Errors
/// [`Error::Io`] where `path` cannot be read, [`Error::Input`] where nothing or
/// not all of it is there: what to save where, and where it is published.
pub(in crate::data) fn find(
    path: &Path,
    benchmark: Benchmark,
    wanted: SplitFile,
) -> Result<Vec<Rows<'static>>> {
    let is_table = benchmark == Benchmark::Mmlu;
    let found = paths(path, benchmark, wanted)?;
    let opened = found.iter().map(|file| Rows::open(file, is_table));
    opened.collect()
}

/// As [`find`], without a look into the files.
///
/// # Errors
/// As [`find`].
pub(in crate::data) fn paths(
    path: &Path,
    benchmark: Benchmark,
    wanted: SplitFile,
) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        let there = std::fs::metadata(path).map_err(|source| Error::io("open", path, source));
        return there.map(|_| vec![path.to_path_buf()]);
    }
    let mut found = match (benchmark, wanted) {
        (Benchmark::Mmlu, _) => mmlu::tables_of(path, wanted.table_folders())?,
        (_, SplitFile::Split(split)) => first_of(path, benchmark.file_names(split)),
        (_, SplitFile::FewShot) => Vec::new(),
    };
    if found.is_empty() {
        found = parquet_files(path, benchmark, wanted)?;
    }
    match found.is_empty() {
        true => Err(missing(path, benchmark, wanted)),
        false => Ok(found),
    }
}

/// The first of the files that is there, packed or not.
fn first_of(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let packed = names.iter().map(|name| folder.join(format!("{name}.gz")));
    let mut files = names.iter().map(|name| folder.join(name)).chain(packed);
    files.find(|file| file.is_file()).into_iter().collect()
}

/// The Parquet files in the folder, or in one of those below it that the hub has.
fn parquet_files(path: &Path, benchmark: Benchmark, wanted: SplitFile) -> Result<Vec<PathBuf>> {
    let folders = ["", "data"]
        .into_iter()
        .chain(benchmark.hub_folders().iter().copied());
    for folder in folders
        .map(|name| path.join(name))
        .filter(|folder| folder.is_dir())
    {
        let entries = std::fs::read_dir(&folder);
        let entries = entries.map_err(|source| Error::io("list", &folder, source))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".parquet"))
            .collect();
        names.sort();
        for wanted in wanted.hub_names(benchmark) {
            let is_part = |name: &&String| {
                let rest = name.strip_prefix(wanted);
                rest.is_some_and(|rest| rest.starts_with('-') || rest == ".parquet")
            };
            let parts: Vec<&String> = names.iter().filter(is_part).collect();
            if let Some(first) = parts.first() {
                check_parts(&folder, first, parts.len())?;
                return Ok(parts.iter().map(|name| folder.join(name)).collect());
            }
        }
    }
    Ok(Vec::new())
}

/// Whether all parts of `test-00000-of-00002.parquet` are there.
fn check_parts(folder: &Path, first: &str, n_found: usize) -> Result<()> {
    let n_parts = first
        .strip_suffix(".parquet")
        .and_then(|stem| stem.rsplit_once("-of-"))
        .and_then(|(_, n)| n.parse::<usize>().ok());
    match n_parts {
        Some(n_parts) if n_parts != n_found => {
            let reason = tr!(
                "{n_found} of its {n_parts} parts are here; download all of them",
                n_found,
                n_parts
            );
            Err(Error::input(folder.join(first), tr!("parts"), reason))
        }
        Some(_) | None => Ok(()),
    }
}

fn missing(path: &Path, benchmark: Benchmark, wanted: SplitFile) -> Error {
    let own = match (benchmark, wanted) {
        (Benchmark::Mmlu, _) => {
            let folder = wanted.table_folders().first().copied().unwrap_or("test");
            format!("{folder}/<subject>_{folder}.csv")
        }
        (_, SplitFile::Split(split)) => benchmark.file_names(split).join(" or "),
        (_, SplitFile::FewShot) => String::new(),
    };
    let hub = wanted
        .hub_names(benchmark)
        .first()
        .copied()
        .unwrap_or("test");
    let reason = tr!(
        "no file for it here; save it as {own} or {hub}-00000-of-00001.parquet; {} \
         is published at {}",
        benchmark.title(),
        benchmark.published_at(),
        own,
        hub
    );
    Error::input(path, wanted.name(), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        benchmark: Benchmark,
        wanted: SplitFile,
        files: &[&str],
        expected: Result<&[&str], &str>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = find(folder.path(), benchmark, wanted).map(|found| {
            let paths = found.into_iter().map(|rows| match rows {
                Rows::Entries(source) | Rows::Table(source) => source.file,
                Rows::Parquet(path) => path,
            });
            paths
                .map(|path| path.strip_prefix(folder.path()).unwrap().to_path_buf())
                .collect::<Vec<_>>()
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(
                    found,
                    expected.iter().map(PathBuf::from).collect::<Vec<_>>()
                );
            }
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (found, _) => panic!("{files:?}: {found:?}"),
        }
    }

    #[test]
    fn files_are_found_where_publishers_and_the_hub_put_them() {
        let test = SplitFile::of(Split::Test);
        let jsonl = ["test.jsonl", "main/test-00000-of-00001.parquet"];
        check(Benchmark::Gsm8k, test, &jsonl, Ok(&["test.jsonl"]));
        let hub = [
            "main/test-00000-of-00001.parquet",
            "main/train-00000-of-00001.parquet",
        ];
        check(Benchmark::Gsm8k, test, &hub, Ok(&hub[..1]));
        // An empty file is not gzip, but it is there.
        check(
            Benchmark::Gsm8k,
            test,
            &["test.jsonl.gz"],
            Ok(&["test.jsonl.gz"]),
        );
        check(
            Benchmark::Gsm8k,
            test,
            &["test.parquet"],
            Ok(&["test.parquet"]),
        );
        let parts = [
            "data/test-00000-of-00002.parquet",
            "data/test-00001-of-00002.parquet",
        ];
        check(Benchmark::Arc, test, &parts, Ok(&parts));
        check(
            Benchmark::Arc,
            test,
            &parts[..1],
            Err("parts: 1 of its 2 parts are here"),
        );
        let hub = ["all/dev-00000-of-00001.parquet"];
        check(Benchmark::Mmlu, SplitFile::FewShot, &hub, Ok(&hub));
        let tables = ["test/b_test.csv", "test/a_test.csv", "test/readme.txt"];
        check(
            Benchmark::Mmlu,
            test,
            &tables,
            Ok(&["test/a_test.csv", "test/b_test.csv"]),
        );
        let challenge = ["ARC-Challenge-Test.jsonl"];
        check(Benchmark::Arc, test, &challenge, Ok(&challenge));
    }

    #[test]
    fn what_is_missing_is_named_with_its_place_and_source() {
        let expected = "validation split: no file for it here; save it as validation.jsonl or \
                        dev.jsonl or validation-00000-of-00001.parquet; WinoGrande is published \
                        at winogrande.allenai.org (winogrande_1.1), and the Hugging Face data set \
                        allenai/winogrande (winogrande_xl)";
        let wanted = SplitFile::of(Split::Validation);
        check(
            Benchmark::WinoGrande,
            wanted,
            &["test.jsonl"],
            Err(expected),
        );
        let expected = "dev split: no file for it here; save it as dev/<subject>_dev.csv or";
        check(
            Benchmark::Mmlu,
            SplitFile::FewShot,
            &["test/a_test.csv"],
            Err(expected),
        );
    }
}
