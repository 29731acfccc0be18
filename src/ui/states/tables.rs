//! What the charts of states are drawn of, as tables.

use super::context::{module, origin_words, place_words, symbol};
use super::data::{GridKey, MatrixImageKey};
use super::head_grid::HeadGrid;
use super::settings::StatesSettings;
use crate::protocol::head_requests::Ablation;
use crate::protocol::trace::Traced;
use crate::report::{Cell, Table};
use crate::runs::run::Run;
use crate::tuning::inspect::matrix_statistics::Histogram;
use crate::tuning::inspect::trajectory::Place;

/// Digits behind the point of norms and limits.
const DIGITS: usize = 6;

/// Which matrix is shown, of what.
pub(super) fn matrix_title(settings: &StatesSettings, run: &Run, key: &MatrixImageKey) -> String {
    let kind = symbol(settings.kind, settings.follows_text);
    let place = place_words(settings.kind, settings.place());
    let origin = origin_words(key, run);
    tr!("{kind} of {place}, {origin}", kind, place, origin)
}

/// How often which numbers occur; a row for each interval.
pub(super) fn histogram_table(histogram: &Histogram, of: &str) -> Table {
    let title = tr!("Histogram of {of}", of);
    let mut table = Table::new(title, [tr!("from"), tr!("to"), tr!("count")]);
    let n_bars = histogram.counts.len().max(1) as f64;
    let limit = f64::from(histogram.limit);
    let edge = |idx: usize| limit * (2.0 * idx as f64 / n_bars - 1.0);
    for (idx, count) in histogram.counts.iter().enumerate() {
        table.push([
            Cell::number(edge(idx), DIGITS),
            Cell::number(edge(idx + 1), DIGITS),
            Cell::Count(*count as u64),
        ]);
    }
    table
}

/// Singular values, the largest first.
pub(super) fn singular_values_table(values: &[f64], of: &str) -> Table {
    let title = tr!("Singular values of {of}", of);
    let mut table = Table::new(title, [tr!("number"), tr!("singular value")]);
    for (idx, value) in values.iter().enumerate() {
        let number = Cell::Count(idx as u64 + 1);
        table.push([number, Cell::number(*value, DIGITS)]);
    }
    table
}

/// Every head: its norm, its least and largest number, and what it is worth where that
/// was measured.
pub(super) fn heads_table(key: &GridKey, grid: &HeadGrid, worth: Option<&Ablation>) -> Table {
    let kind = symbol(key.kind, key.token.is_some());
    let of = tr!("{}, after step {}", key.of.run.0, key.of.step);
    let less = key.less.as_ref().map_or(String::new(), |less| {
        tr!(", minus {}, after step {}", less.run.0, less.step)
    });
    let token = key.token.map_or(String::new(), |(_, n_tokens)| {
        tr!(", after token {n_tokens} of a text", n_tokens)
    });
    let is_of_adapter = key.kind.is_of_adapter();
    let title = match is_of_adapter {
        true => tr!("{kind} of every adapter, {of}{less}", kind, of, less),
        false => tr!(
            "{kind} of every head, {of}{less}{token}",
            kind,
            of,
            less,
            token
        ),
    };
    let across = match is_of_adapter {
        true => tr!("frozen matrix"),
        false => tr!("head"),
    };
    let mut columns = vec![
        tr!("layer"),
        across,
        tr!("norm"),
        tr!("least"),
        tr!("largest"),
    ];
    if worth.is_some() {
        columns.push(tr!("rise of the held-out loss without it"));
    }
    let mut table = Table::new(title, columns);
    for layer in 0..grid.n_layer {
        for head in 0..grid.n_head {
            let of = grid.head(layer, head);
            let number = |value: Option<f64>| match value {
                Some(value) => Cell::number(value, DIGITS),
                None => Cell::Empty,
            };
            // A sample does not know them.
            let ends = of.filter(|_| !grid.is_sample).map(|of| of.sequential);
            let mut row = vec![
                Cell::Count(layer as u64),
                match is_of_adapter {
                    true => Cell::text(module(Place { layer, head })),
                    false => Cell::Count(head as u64),
                },
                number(of.map(|of| of.norm)),
                number(ends.map(|of| f64::from(of.low))),
                number(ends.map(|of| f64::from(of.high))),
            ];
            if let Some(worth) = worth {
                row.push(number(worth.rise(Place { layer, head })));
            }
            table.push(row);
        }
    }
    if let Some(Ablation {
        n_examples,
        n_tokens,
        ..
    }) = worth
    {
        table.notes.push(tr!(
            "Losses in nats per token, of {n_examples} held-out examples, n = {n_tokens} tokens.",
            n_examples,
            n_tokens
        ));
    }
    table
}

/// The norm of the state after every token of a text.
pub(super) fn norms_table(traced: &Traced, norms: &[f64], of: &str) -> Table {
    let title = tr!("Norm of S over the tokens of a text, {of}", of);
    let mut table = Table::new(title, [tr!("token"), tr!("text"), tr!("norm")]);
    for (idx, norm) in norms.iter().enumerate() {
        // The first norm is that before the text.
        let word = idx.checked_sub(1).and_then(|idx| traced.words.get(idx));
        table.push([
            Cell::Count(idx as u64),
            word.map_or(Cell::Empty, |word| Cell::text(&word.text)),
            Cell::number(*norm, DIGITS),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(table: &Table, row: usize) -> Vec<String> {
        table.rows[row].iter().map(Cell::to_string).collect()
    }

    #[test]
    fn intervals_reach_from_end_to_end() {
        let histogram = Histogram {
            limit: 2.0,
            counts: vec![1, 0, 5, 2],
        };
        let table = histogram_table(&histogram, "S");
        assert_eq!(table.rows.len(), 4);
        assert_eq!(cells(&table, 0), ["-2.000000", "-1.000000", "1"]);
        assert_eq!(cells(&table, 2), ["0.000000", "1.000000", "5"]);
        assert_eq!(cells(&table, 3), ["1.000000", "2.000000", "2"]);
    }

    #[test]
    fn singular_values_are_numbered_from_one() {
        let table = singular_values_table(&[3.5, 0.25], "S");
        assert_eq!(cells(&table, 0), ["1", "3.500000"]);
        assert_eq!(cells(&table, 1), ["2", "0.250000"]);
        assert!(table.title.ends_with("of S"));
    }
}
