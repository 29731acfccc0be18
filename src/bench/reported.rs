//! Figures that the paper reports. They were not measured here, stand apart from
//! measured ones wherever they are shown, and belong to the official benchmarks.

use crate::data::Benchmark;

/// What the paper reports for a benchmark, in per cent; none where its figure is
/// not known to us.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reported {
    /// The official benchmark.
    pub benchmark: Benchmark,
    /// Of the untuned model.
    pub untuned: Option<f64>,
    /// Of its best method.
    pub best: Option<f64>,
}

/// arXiv 2504.05097, for a model it calls a 7B RWKV-7. It gives no number of
/// items, no interval and no prompts, and no public checkpoint has these
/// untuned figures, so that nothing measured here is expected to match.
pub const PAPER: [Reported; 4] = [
    Reported {
        benchmark: Benchmark::Mmlu,
        untuned: Some(76.0),
        best: Some(79.0),
    },
    Reported {
        benchmark: Benchmark::Gsm8k,
        untuned: Some(78.0),
        best: Some(89.0),
    },
    Reported {
        benchmark: Benchmark::WinoGrande,
        untuned: None,
        best: None,
    },
    Reported {
        benchmark: Benchmark::Arc,
        untuned: None,
        best: None,
    },
];

impl Reported {
    /// What the paper reports for `benchmark`.
    pub fn of(benchmark: Benchmark) -> Option<&'static Self> {
        PAPER
            .iter()
            .find(|reported| reported.benchmark == benchmark)
    }
}
