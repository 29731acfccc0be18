//! How strong a state is best, by the held-out examples.

use super::Tuning;
use crate::error::Result;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::alpha_scan::{ALPHAS, AlphaLoss};
use crate::tuning::train::text_loss::text_loss;
use crate::worker::context::{Context, JobPhase};
use crate::worker::session::LoadedModel;

impl Tuning<'_> {
    /// The losses of a state times each of [`ALPHAS`]; none where nothing is held out.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`] when the run is to end; what the device reports.
    pub fn scan_alphas(&self, tuned: &Tuned, context: &mut Context<'_>) -> Result<Vec<AlphaLoss>> {
        if self.held_out.is_empty() {
            return Ok(Vec::new());
        }
        context.during = JobPhase::Validating;
        let LoadedModel { device, model, .. } = self.loaded;
        let step = self.trainer.steps_taken();
        let window = self.spec.training.window;
        let mut losses = Vec::new();
        for alpha in ALPHAS {
            let start = tuned.clone().scaled(alpha).start(device);
            let (mut nats, mut n_tokens) = (0.0, 0);
            for batch in &self.held_out {
                context.poll(step)?;
                let (of_batch, n_of_batch) = text_loss(model, device, &start, batch, window)?;
                nats += of_batch;
                n_tokens += n_of_batch;
            }
            let loss = nats / n_tokens.max(1) as f64;
            losses.push(AlphaLoss { alpha, loss });
        }
        Ok(losses)
    }
}
