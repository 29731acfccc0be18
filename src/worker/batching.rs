//! Which examples a step has, and how they become batches.

use crate::data::Example;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::train::batch::{Batch, DataOrder};

/// Batches that the share of padding is taken from.
const LOOKED_AT: usize = 64;
/// The share of padding from which on something is said, if grouping halves it.
const MUCH: f64 = 0.25;

/// The order in which a run reads its examples.
pub(super) fn order(train: &[Example], spec: &RunSpec) -> DataOrder {
    let training = &spec.training;
    let order = DataOrder::new(train.len(), training.batch, training.seed);
    match training.group_by_length {
        true => order.by_length(train.iter().map(Example::n_tokens).collect()),
        false => order,
    }
}

/// The micro-batches of the step after `step` steps.
pub(super) fn micro_batches(
    order: &DataOrder,
    train: &[Example],
    spec: &RunSpec,
    step: usize,
) -> Vec<Batch> {
    let accumulate = spec.training.accumulate;
    let (leading, seed) = (spec.data.leading_token, spec.training.seed);
    let batch = |idx| {
        let first = idx * spec.training.batch;
        let chosen = (first..).zip(order.batch(idx));
        let examples: Vec<_> = chosen
            .map(|(position, idx)| (&train[idx], leading.of_example(seed, position)))
            .collect();
        Batch::of(&examples, spec.data.loss_on)
    };
    (step * accumulate..(step + 1) * accumulate)
        .map(batch)
        .collect()
}

/// Batches of examples of like length, so that little is padding; each example as
/// the state will be used.
pub(super) fn batches_by_length(examples: &[Example], spec: &RunSpec) -> Vec<Batch> {
    let start = spec.data.leading_token.in_use();
    let mut sorted: Vec<_> = examples.iter().map(|example| (example, start)).collect();
    sorted.sort_by_key(|(example, _)| example.n_tokens());
    sorted
        .chunks(spec.training.batch)
        .map(|batch| Batch::of(batch, spec.data.loss_on))
        .collect()
}

/// What there is to say of a run that mostly computes padding; nothing where grouping
/// by length would not help much, or is chosen.
pub(super) fn padding_note(train: &[Example], spec: &RunSpec) -> Option<String> {
    if train.is_empty() || spec.training.group_by_length || spec.method.tuned().is_none() {
        return None;
    }
    let share = |group_by_length| {
        let mut spec = spec.clone();
        spec.training.group_by_length = group_by_length;
        padding(&order(train, &spec), train)
    };
    let (now, grouped) = (share(false), share(true));
    (now > MUCH && grouped < now / 2.0).then(|| {
        tr!(
            "{} % of what steps compute is padding, since examples of a batch differ in \
             length; training.group_by_length=true makes it {} %",
            format_args!("{:.0}", 100.0 * now),
            format_args!("{:.0}", 100.0 * grouped)
        )
    })
}

/// The share of padding in the first batches.
fn padding(order: &DataOrder, train: &[Example]) -> f64 {
    let (mut n_real, mut n_computed) = (0, 0);
    for idx in 0..LOOKED_AT {
        let lengths = order.batch(idx).into_iter().map(|at| train[at].n_tokens());
        let lengths: Vec<usize> = lengths.collect();
        n_real += lengths.iter().sum::<usize>();
        n_computed += lengths.len() * lengths.iter().max().copied().unwrap_or(0);
    }
    1.0 - n_real as f64 / n_computed.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two short texts for each long one.
    fn examples() -> Vec<Example> {
        let text = |n: usize| Example::new(vec![], vec![1; n]);
        (0..600)
            .map(|idx| text(if idx % 3 == 0 { 400 } else { 20 + idx % 7 }))
            .collect()
    }

    #[test]
    fn padding_is_told_where_grouping_saves_it() {
        let train = examples();
        let mut spec = RunSpec::default();
        spec.training.batch = 4;
        let note = padding_note(&train, &spec).unwrap();
        assert!(
            note.ends_with("training.group_by_length=true makes it 3 %"),
            "{note}"
        );
        spec.training.group_by_length = true;
        assert_eq!(padding_note(&train, &spec), None);
        spec.training.group_by_length = false;
        assert_eq!(padding_note(&train[..1], &spec), None);
        spec.method = crate::tuning::spec::Method::Base;
        assert_eq!(padding_note(&train, &spec), None);
    }
}
