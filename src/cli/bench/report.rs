//! Figures of a measurement: their spread, and the tables that they end up in.

use std::io::Write as _;
use std::time::Instant;

use burn::tensor::Device;
use serde_json::{Value, json};

use super::target::TargetArguments;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::kernels::device::OpenDevice;
use crate::report::{Cell, Table, TableFormat};

/// Quartiles of what was measured more than once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// The value that half of them reach.
    pub median: f64,
    /// A quarter of them lies below.
    pub lower: f64,
    /// A quarter of them lies above.
    pub upper: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Self {
            median: at(0.5),
            lower: at(0.25),
            upper: at(0.75),
        }
    }

    /// Of the milliseconds that each of `n` calls takes.
    ///
    /// # Errors
    /// What a call reports.
    pub fn of_calls(n: usize, mut call: impl FnMut() -> Result<()>) -> Result<Self> {
        let mut timed = || {
            let start = Instant::now();
            call().map(|()| 1e3 * start.elapsed().as_secs_f64())
        };
        let all: Result<Vec<f64>> = (0..n).map(|_| timed()).collect();
        all.map(Self::of)
    }

    /// Of the milliseconds of one call, measured `repeats` times as a share of `calls`
    /// between two waits for `device`.
    ///
    /// # Errors
    /// A device that fails.
    pub fn of_queued(
        device: &Device,
        calls: usize,
        repeats: usize,
        mut call: impl FnMut(),
    ) -> Result<Self> {
        let mut all_calls = || {
            (0..calls).for_each(|_| call());
            device.sync().map_err(|error| {
                Error::Device(tr!(
                    "the device failed: {error}",
                    error = format_args!("{error:?}")
                ))
            })
        };
        // The first call builds the kernels.
        all_calls()?;
        let Self {
            median,
            lower,
            upper,
        } = Self::of_calls(repeats, all_calls)?;
        let n = calls as f64;
        Ok(Self {
            median: median / n,
            lower: lower / n,
            upper: upper / n,
        })
    }

    /// Three cells: the median and the quartiles.
    pub fn cells(self, digits: usize) -> [Cell; 3] {
        let Self {
            median,
            lower,
            upper,
        } = self;
        [median, lower, upper].map(|value| Cell::number(value, digits))
    }
}

/// Prints the tables, and writes them where that was asked for, with the device,
/// the version and the command line.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn report(
    target: &TargetArguments,
    opened: &OpenDevice,
    tables: &[Table],
) -> Result<()> {
    for table in tables {
        print!("\n{}", table.render(TableFormat::Text));
    }
    let Some(path) = &target.json else {
        return Ok(());
    };
    let unreadable = |error: serde_json::Error| {
        Error::Device(tr!("the figures cannot be written: {error}", error))
    };
    let of_table = |table: &Table| -> Result<Value> {
        let rows: Value =
            serde_json::from_str(&table.render(TableFormat::Json)).map_err(unreadable)?;
        Ok(json!({ "title": table.title, "rows": rows, "notes": table.notes }))
    };
    let tables: Result<Vec<Value>> = tables.iter().map(of_table).collect();
    let report = json!({
        "gosling_version": env!("CARGO_PKG_VERSION"),
        "device": opened.name,
        "arguments": std::env::args().skip(1).collect::<Vec<_>>(),
        "tables": tables?,
    });
    let text = serde_json::to_string_pretty(&report).map_err(unreadable)?;
    write_atomic(path, |writer| writer.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_do_not_mind_the_order() {
        let got = Spread::of(vec![9.0, 1.0, 5.0, 3.0, 7.0]);
        let want = Spread {
            median: 5.0,
            lower: 3.0,
            upper: 7.0,
        };
        assert_eq!(got, want);
    }
}
