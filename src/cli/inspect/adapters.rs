//! Adapters in a few numbers each, as `gosling inspect` prints them.

use crate::cli::table::table;
use crate::model::adapter::AdapterTarget;
use crate::tuning::inspect::adapter_matrices::{AdapterFactors, norm_of, sum_singular_values};
use crate::tuning::method::lora_values::LoraValues;

/// Singular values that are printed.
const N_SHOWN: usize = 4;

/// One line for every adapter: the norms of A, B and (alpha / rank) B A, and the largest
/// singular values of that.
pub(super) fn adapters_table(lora: &LoraValues) -> String {
    let mut rows = Vec::new();
    for layer in &lora.layers {
        for target in AdapterTarget::ALL {
            let Some(of) = AdapterFactors::new(lora, *layer, target) else {
                continue;
            };
            let values = sum_singular_values(&[of]);
            let number = |value: f64| match value.is_finite() {
                true => format!("{value:.4}"),
                false => tr!("not finite").into(),
            };
            let shown = values.iter().flatten().take(N_SHOWN);
            let shown: Vec<String> = shown.map(|value| format!("{value:.4}")).collect();
            rows.push([
                layer.to_string(),
                target.module().to_owned(),
                number(norm(of.a)),
                number(norm(of.b)),
                number(values.as_deref().map_or(f64::NAN, norm_of)),
                shown.join(" "),
            ]);
        }
    }
    let heading = [
        tr!("layer"),
        tr!("frozen matrix"),
        "|A|",
        "|B|",
        "|alpha/rank B A|",
        tr!("its largest singular values"),
    ];
    table(heading, &rows, &[0, 2, 3, 4])
}

fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|x| f64::from(*x).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::method::lora_values::LoraFactors;

    #[test]
    fn every_adapter_has_its_norms_and_singular_values() {
        let lora = LoraValues {
            layers: vec![3],
            rank: 2,
            alpha: 4.0,
            factors: vec![LoraFactors {
                target: AdapterTarget::FfnKey,
                n_out: 3,
                n_in: 2,
                a: vec![3.0, 0.0, 0.0, 1.0],
                b: vec![0.5, 0.0, 0.0, 2.0, 0.0, 0.0],
            }],
        };
        // B A = diag(1.5, 2) above a row of zeros, times alpha / rank = 2: 3 and 4.
        let text = adapters_table(&lora);
        let line = text.lines().last().unwrap();
        let cells: Vec<&str> = line.split_whitespace().collect();
        let want = [
            "3", "ffn.key", "3.1623", "2.0616", "5.0000", "4.0000", "3.0000",
        ];
        assert_eq!(cells, want);
        let mut broken = lora;
        broken.factors[0].b[0] = f32::NAN;
        assert!(adapters_table(&broken).contains("not finite"));
    }
}
