//! The data of parallel coordinates: a line for every run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tables::english_name;
use super::{Metric, Row, SweepResults};
use crate::sweep::values::FieldValue;

impl SweepResults {
    /// Axes and lines of parallel coordinates: every field, then every metric.
    pub fn parallel_coordinates(&self) -> Value {
        let axis = |idx: usize, field: &String| {
            let values: Vec<&FieldValue> = self
                .rows
                .iter()
                .filter_map(|row| row.values[idx].as_ref())
                .collect();
            let is_number = values.iter().all(|value| value.number().is_some());
            let choices: BTreeSet<&str> = values.iter().map(|value| value.0.as_str()).collect();
            json!({"name": field, "label": english_name(field), "kind": if is_number { "number" } else { "choice" },
                   "is_log": is_number && is_log(values.iter().filter_map(|value| value.number())),
                   "choices": if is_number { Value::Null } else { json!(choices) }})
        };
        let mut axes: Vec<Value> = self
            .fields
            .iter()
            .enumerate()
            .map(|(idx, field)| axis(idx, field))
            .collect();
        axes.extend(Metric::ALL.iter().map(|metric| {
            json!({"name": metric.words(), "label": metric.words(), "kind": "metric",
                   "is_higher_better": metric.is_higher_better()})
        }));
        let line = |row: &Row| {
            let own = row.values.iter().map(|value| match value {
                None => Value::Null,
                Some(value) => value
                    .number()
                    .map_or_else(|| json!(value.0), |number| json!(number)),
            });
            let metrics = Metric::ALL
                .iter()
                .map(|metric| json!(metric.of(&row.facts)));
            let values: Vec<Value> = own.chain(metrics).collect();
            json!({"run": row.name, "part": self.parts[row.part],
                   "status": row.facts.state.word(), "values": values})
        };
        json!({"axes": axes, "lines": self.rows.iter().map(line).collect::<Vec<_>>()})
    }
}

/// Whether numbers are better seen on a logarithmic axis.
pub fn is_log(numbers: impl Iterator<Item = f64>) -> bool {
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for number in numbers {
        low = low.min(number);
        high = high.max(number);
    }
    low > 0.0 && high / low >= 8.0
}
