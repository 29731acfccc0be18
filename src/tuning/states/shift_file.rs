//! Token shifts in Gosling's own files of several states: `shift.{layer}`, [2, C].

use std::path::Path;

use super::lift_file::NamedValues;
use super::state_file::TunedState;
use crate::error::{Error, Result};

/// Names, shapes and numbers of the token shifts of a state; none where they are zero.
pub(super) fn shift_values<'a>(prefix: &str, state: &'a TunedState) -> Vec<NamedValues<'a>> {
    let shape = vec![2, state.n_head * state.head_size];
    let layers = state.shifts.iter().flatten().enumerate();
    layers
        .map(|(layer, values)| {
            let name = format!("{prefix}.{layer}");
            (name, shape.clone(), values.as_slice())
        })
        .collect()
}

/// Puts the token shifts that [`shift_values`] named into the state, where the file
/// `has` some.
///
/// # Errors
/// What `values` reports, and [`Error::Input`] where their sizes do not fit.
pub(super) fn read_shifts_into(
    state: &mut TunedState,
    has: bool,
    path: &Path,
    prefix: &str,
    values: &dyn Fn(&str) -> Result<Vec<f32>>,
) -> Result<()> {
    if !has {
        return Ok(());
    }
    let mut layers = Vec::new();
    for layer in 0..state.n_layer {
        let name = format!("{prefix}.{layer}");
        let values = values(&name)?;
        if values.len() != state.n_shifts_per_layer() {
            return Err(Error::input(path, name, tr!("has the wrong size")));
        }
        layers.push(values);
    }
    state.shifts = Some(layers);
    Ok(())
}
