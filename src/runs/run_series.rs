//! The numbers of a run, step by step.

use super::series::Series;
use crate::protocol::event::StepMetrics;
use crate::tuning::spec::LiftRates;

/// The numbers of a run's steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSeries {
    /// Mean nats a counted token.
    pub loss: Series,
    /// The same on held-out examples.
    pub validation_loss: Series,
    /// The share of held-out items answered right, where a run selects by it.
    pub validation_accuracy: Series,
    /// Global norm of the gradient before clipping.
    pub grad_norm: Series,
    /// Norm of S_0.
    pub state_norm: Series,
    /// The learning rate.
    pub learning_rate: Series,
    /// Tokens a step computed.
    pub tokens: Series,
    /// Wall time of a step.
    pub step_secs: Series,
    /// Tokens computed a second.
    pub tokens_per_sec: Series,
    /// Norm of Z, of a lifted run.
    pub lift_norm: Series,
    /// Norm of all A and B, of a LoRA run.
    pub lora_norm: Series,
    /// L_decor.
    pub decorrelation_loss: Series,
    /// Mean |corr| of two different features.
    pub off_diagonal: Series,
    /// Root mean square of the features after R.
    pub feature_rms: Series,
    /// |R|.
    pub decorrelation_norm: Series,
    /// The learning rate of Z.
    pub lift_rate: Series,
    /// The learning rate of A and B.
    pub lora_rate: Series,
    /// The learning rate of R, of the steps in which it was looked at.
    pub decorrelation_rate: Series,
}

impl RunSeries {
    /// Takes in a step of a run that has these `rates` beside that of S_0, and this
    /// one of adapters.
    pub(super) fn push(
        &mut self,
        metrics: &StepMetrics,
        rates: Option<LiftRates>,
        of_lora: Option<f64>,
    ) {
        let StepMetrics {
            step,
            loss,
            grad_norm,
            state_norm,
            learning_rate,
            tokens,
            secs,
            lift,
            lora,
        } = *metrics;
        self.loss.push(step, loss);
        self.grad_norm.push(step, grad_norm);
        self.state_norm.push(step, state_norm);
        self.learning_rate.push(step, learning_rate);
        self.tokens.push(step, tokens as f64);
        self.step_secs.push(step, secs);
        // A clock too coarse for the step gives no rate.
        if secs > 0.0 {
            self.tokens_per_sec.push(step, tokens as f64 / secs);
        }
        if let Some(lora) = lora {
            self.lora_norm.push(step, lora.norm);
        }
        if let Some(rate) = of_lora {
            self.lora_rate.push(step, rate);
        }
        let Some(lift) = lift else { return };
        self.lift_norm.push(step, lift.norm);
        if let Some(rates) = rates {
            self.lift_rate.push(step, rates.lift);
        }
        if let Some(of) = lift.decorrelation {
            if let Some(rate) = rates.and_then(|rates| rates.decorrelation) {
                self.decorrelation_rate.push(step, rate);
            }
            self.decorrelation_loss.push(step, of.loss);
            self.off_diagonal.push(step, of.off_diagonal);
            self.feature_rms.push(step, of.rms);
            self.decorrelation_norm.push(step, of.norm);
        }
    }

    pub(super) fn truncate_after(&mut self, step: usize) {
        let Self {
            loss,
            validation_loss,
            validation_accuracy,
            grad_norm,
            state_norm,
            learning_rate,
            tokens,
            step_secs,
            tokens_per_sec,
            lift_norm,
            lora_norm,
            decorrelation_loss,
            off_diagonal,
            feature_rms,
            decorrelation_norm,
            lift_rate,
            lora_rate,
            decorrelation_rate,
        } = self;
        let held_out = [validation_loss, validation_accuracy];
        let first = [loss, grad_norm, state_norm];
        let others = [learning_rate, tokens, step_secs, tokens_per_sec];
        let of_features = [off_diagonal, feature_rms, decorrelation_norm];
        let of_lift = [lift_norm, decorrelation_loss, lift_rate, decorrelation_rate]
            .into_iter()
            .chain(of_features);
        for series in first
            .into_iter()
            .chain(held_out)
            .chain(others)
            .chain([lora_norm, lora_rate])
            .chain(of_lift)
        {
            series.truncate_after(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{DecorrelationMetrics, LiftMetrics};

    #[test]
    fn the_rate_of_r_is_that_of_steps_in_which_it_was_looked_at() {
        let mut series = RunSeries::default();
        for step in 1..=3 {
            let decorrelation = (step != 2).then_some(DecorrelationMetrics {
                loss: 1.0,
                off_diagonal: 0.1,
                rms: 1.0,
                norm: 1.0,
                condition: None,
            });
            let lift = LiftMetrics {
                norm: 1.0,
                gate: None,
                literal: None,
                decorrelation,
            };
            let metrics = StepMetrics {
                step,
                loss: 1.0,
                grad_norm: 1.0,
                state_norm: 1.0,
                learning_rate: 0.1,
                tokens: 1,
                secs: 1.0,
                lift: Some(lift),
                lora: None,
            };
            let rates = LiftRates {
                lift: step as f64,
                decorrelation: Some(10.0 * step as f64),
            };
            series.push(&metrics, Some(rates), None);
        }
        assert_eq!(series.lift_rate.points(), [(1, 1.0), (2, 2.0), (3, 3.0)]);
        assert_eq!(series.decorrelation_rate.points(), [(1, 10.0), (3, 30.0)]);
        series.truncate_after(2);
        assert_eq!(series.lift_rate.len(), 2);
        assert_eq!(series.decorrelation_rate.len(), 1);
    }
}
