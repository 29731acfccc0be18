//! The state over a text, and the curves that are drawn of all its tokens.

use std::sync::Arc;

use crate::colormap::{Limits, Scale};
use crate::protocol::trace::{TraceRequest, Traced};

/// A text that was followed, told apart by its number.
pub(crate) struct TracedText {
    pub number: u64,
    pub request: TraceRequest,
    pub traced: std::result::Result<Arc<Traced>, String>,
    /// Norm of S before the first token and after every one.
    pub norms: Vec<f64>,
    /// The limits that show S at every token, symmetric and sequential: the
    /// colours mean the same while it plays.
    limits: [Limits; 2],
}

impl TracedText {
    /// What came of a request.
    pub fn new(
        number: u64,
        request: TraceRequest,
        traced: std::result::Result<Traced, String>,
    ) -> Self {
        let states = traced
            .as_ref()
            .map(|traced| traced.trajectory.states.as_slice());
        let states = states.unwrap_or_default();
        let limits = |scale| Limits::of(scale, states.iter().flatten());
        Self {
            number,
            request,
            norms: states.iter().map(|state| norm(state)).collect(),
            limits: [limits(Scale::Symmetric), limits(Scale::Sequential)],
            traced: traced.map(Arc::new),
        }
    }

    /// The limits that show S at every token.
    pub fn limits(&self, scale: Scale) -> Limits {
        match scale {
            Scale::Symmetric => self.limits[0],
            Scale::Sequential => self.limits[1],
        }
    }
}

fn norm(state: &[f32]) -> f64 {
    let squares = state.iter().map(|x| f64::from(*x).powi(2));
    squares.sum::<f64>().sqrt()
}
