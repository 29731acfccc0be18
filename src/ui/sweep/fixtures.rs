//! Results for the tests of the views.

use std::collections::BTreeMap;

use crate::sweep::queue::Queue;
use crate::sweep::results::SweepResults;
use crate::sweep::sweep_file::parse_sweep;

/// Six runs, rates 0.01, 0.1 and 1 by two gammas, none started.
pub fn results() -> SweepResults {
    let text = r#"(base: Preset("lifted"), parts: [(search: Grid([
        (field: "method.features.gamma", values: List([Median, 0.5])),
        (field: "training.learning_rate", values: List([0.01, 0.1, 1.0])),
    ]))])"#;
    let plan = parse_sweep(text, "a.ron").unwrap().plan().unwrap();
    let queue = Queue {
        order: Vec::new(),
        facts: BTreeMap::new(),
        sessions: Vec::new(),
    };
    let mut results = SweepResults::of_runs(&plan, &queue);
    // The rate first, as the tests have it.
    results.fields.swap(0, 1);
    for row in &mut results.rows {
        row.values.swap(0, 1);
    }
    results
}
