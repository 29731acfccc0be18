//! Adam, AdamW and SGD on the device, as `torch.optim` defines them.

use burn::tensor::Tensor;

use crate::tuning::spec::OptimizerSpec;

/// An optimiser and its moments, of the parameter's shape.
#[derive(Debug, Clone)]
pub struct Optimizer {
    spec: OptimizerSpec,
    moments: Moments,
}

/// What an optimiser remembers: running means of the gradient and of its
/// square; SGD has the first only.
#[derive(Debug, Clone)]
pub struct Moments {
    /// Mean of the gradient, or SGD's momentum.
    pub first: Tensor<4>,
    /// Mean of the squared gradient.
    pub second: Tensor<4>,
}

impl Moments {
    /// As before the first step.
    pub fn zero(like: &Tensor<4>) -> Self {
        Self {
            first: like.zeros_like(),
            second: like.zeros_like(),
        }
    }
}

impl Optimizer {
    /// An optimiser that has these moments.
    pub fn new(spec: OptimizerSpec, moments: Moments) -> Self {
        Self { spec, moments }
    }

    /// What it remembers.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Puts other moments in place of its own.
    pub fn set_moments(&mut self, moments: Moments) {
        self.moments = moments;
    }

    /// The parameter and the moments after step `step_idx`, counted from 0.
    /// Nothing is kept, so that a step that went wrong can be dropped.
    pub fn step(
        &self,
        parameter: Tensor<4>,
        gradient: Tensor<4>,
        learning_rate: f64,
        step_idx: usize,
    ) -> (Tensor<4>, Moments) {
        match self.spec {
            OptimizerSpec::Adam {
                beta1,
                beta2,
                epsilon,
            } => self.adam(
                parameter,
                gradient,
                learning_rate,
                step_idx,
                [beta1, beta2, epsilon],
            ),
            OptimizerSpec::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                let kept = parameter * (1.0 - learning_rate * weight_decay);
                self.adam(
                    kept,
                    gradient,
                    learning_rate,
                    step_idx,
                    [beta1, beta2, epsilon],
                )
            }
            OptimizerSpec::Sgd { momentum } => {
                let first = if step_idx == 0 {
                    gradient
                } else {
                    self.moments.first.clone() * momentum + gradient
                };
                let moments = Moments {
                    first: first.clone(),
                    second: self.moments.second.clone(),
                };
                (parameter - first * learning_rate, moments)
            }
        }
    }

    fn adam(
        &self,
        parameter: Tensor<4>,
        gradient: Tensor<4>,
        learning_rate: f64,
        step_idx: usize,
        [beta1, beta2, epsilon]: [f64; 3],
    ) -> (Tensor<4>, Moments) {
        let n = i32::try_from(step_idx + 1).unwrap_or(i32::MAX);
        let first = self.moments.first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
        let second = self.moments.second.clone() * beta2 + gradient.powi_scalar(2) * (1.0 - beta2);
        let deviation = (second.clone() / (1.0 - beta2.powi(n))).sqrt() + epsilon;
        let change = first.clone() / deviation * (learning_rate / (1.0 - beta1.powi(n)));
        (parameter - change, Moments { first, second })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use serde::Deserialize;

    use super::*;

    /// Eight steps of `torch.optim` on six numbers.
    #[derive(Deserialize)]
    struct Golden {
        start: Vec<f32>,
        grads: Vec<Vec<f32>>,
        adam: Case,
        adamw: Case,
        sgd: Case,
    }

    #[derive(Deserialize)]
    struct Case {
        after: Vec<Vec<f32>>,
    }

    fn check(spec: OptimizerSpec, golden: &Golden, case: &Case) {
        let device = Device::flex();
        let tensor = |values: &[f32]| {
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 6]), &device)
        };
        let mut parameter = tensor(&golden.start);
        let mut optimizer = Optimizer::new(spec, Moments::zero(&parameter));
        for (step_idx, (gradient, want)) in golden.grads.iter().zip(&case.after).enumerate() {
            let (after, moments) = optimizer.step(parameter, tensor(gradient), 0.01, step_idx);
            optimizer.set_moments(moments);
            parameter = after;
            let got = parameter.clone().into_data().try_to_vec::<f32>().unwrap();
            for (got, want) in got.iter().zip(want) {
                let gap = (got - want).abs();
                assert!(gap <= 1e-6, "{spec:?}, step {step_idx}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn steps_are_those_of_torch() {
        let text = include_str!("../../../tests/golden/adam.json");
        let golden: Golden = serde_json::from_str(text).unwrap();
        let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-8);
        let adam = OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        };
        check(adam, &golden, &golden.adam);
        let adamw = OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay: 0.1,
        };
        check(adamw, &golden, &golden.adamw);
        check(OptimizerSpec::Sgd { momentum: 0.9 }, &golden, &golden.sgd);
    }
}
