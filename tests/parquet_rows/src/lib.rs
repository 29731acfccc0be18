//! The rows of Parquet files as the program reads them, against those that
//! pyarrow reads, and of damaged files.

/// Gosling's texts as they stand in the code, in English.
#[cfg(test)]
macro_rules! tr {
    ($text:literal) => {
        $text
    };
    ($text:literal, $($part:ident),+) => {
        format!($text, $($part = $part),+)
    };
}

#[cfg(test)]
#[path = "../../../src/data/parquet_rows.rs"]
mod rows;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use serde_json::Value;

    use super::rows::for_each_row;

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../golden/hub/{name}"))
    }

    fn read(path: &Path) -> Result<Vec<(u64, Value)>, String> {
        let mut rows = Vec::new();
        for_each_row(path, |number, row| rows.push((number, row)))?;
        Ok(rows)
    }

    #[test]
    fn rows_are_those_that_pyarrow_reads() {
        for name in ["arc", "gsm8k", "mmlu", "winogrande"] {
            let lines = fs::read_to_string(golden(&format!("{name}.jsonl"))).unwrap();
            let expected = lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap());
            let expected: Vec<(u64, Value)> = (1..).zip(expected).collect();
            let got = read(&golden(&format!("{name}.parquet"))).unwrap();
            assert_eq!(got, expected, "{name}");
        }
    }

    /// A file that is cut short or has bytes changed is an error and no panic;
    /// a change may also leave it whole, as one of a text does.
    #[test]
    fn damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.parquet");
        for name in ["arc", "gsm8k", "mmlu", "winogrande"] {
            let whole = fs::read(golden(&format!("{name}.parquet"))).unwrap();
            let mut n_refused = 0;
            for at in (0..whole.len()).step_by(7) {
                fs::write(&file, &whole[..at]).unwrap();
                assert!(read(&file).is_err(), "{name} cut at {at}");
                let mut changed = whole.clone();
                changed[at] ^= 0xff;
                fs::write(&file, &changed).unwrap();
                n_refused += usize::from(read(&file).is_err());
            }
            assert!(
                n_refused > whole.len() / 56,
                "{name}: {n_refused} of {}",
                whole.len()
            );
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let message = read(&golden("arc.jsonl")).unwrap_err();
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
        assert!(read(&golden("missing.parquet")).is_err());
    }
}
