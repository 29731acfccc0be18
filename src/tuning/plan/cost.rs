//! What a token of a step costs by arithmetic, to compare runs with.

use crate::model::ModelConfig;
use crate::tuning::spec::{DecorrelationSpec, LiftKind, Method};

/// Multiplications that a token of a training step takes, about: a measure to
/// scale the time of one run by to that of another on the same device.
pub fn token_cost(model: &ModelConfig, method: &Method) -> f64 {
    let n_heads = (model.n_layer * model.n_head) as f64;
    let n = model.head_size as f64;
    // Forward, and backward to the activations alone.
    let plain = 2.0 * model.n_params() as f64;
    if let Some(lora) = method.lora() {
        // Forward, to the activations, and the two factors of a gradient.
        return plain + 3.0 * lora.n_parameters(model) as f64;
    }
    let Some(lifting) = method.lifting() else {
        return plain;
    };
    let m = lifting.features.upscaled_size as f64;
    // The features of every vector that is lifted, there and back, and R.
    let mixes = lifting.decorrelation.is_some() && lifting.kind != LiftKind::Constant;
    let mixing = if mixes { 2.0 * m * m } else { 0.0 };
    let vectors = lifting.kind.n_lifted() as f64 * (4.0 * n * m + mixing);
    // Forward, the states of a chunk again, backward.
    let operator = match lifting.kind.is_recurrence() {
        true => 20.0 * n * m,
        false => 2.0 * n * m,
    };
    let decorrelation = lifting.decorrelation.map_or(0.0, |of: DecorrelationSpec| {
        m * m * of.sample / of.interval as f64
    });
    plain + n_heads * (vectors + operator + decorrelation)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recurrence costs more than a readout of the same size.
    #[test]
    fn the_cost_knows_the_dynamics() {
        let shape = crate::model::random::SHAPE_0_1B;
        let of = |name: &str| {
            let spec = crate::persist::presets::preset(name).unwrap();
            token_cost(&shape, &spec.method)
        };
        let names = ["standard", "lifted", "lifted-recurrent", "paper-literal"];
        assert!(names.map(of).is_sorted(), "{:?}", names.map(of));
    }
}
