//! How far receptance vectors and support vectors lie apart: what gamma is
//! chosen by, measured before a run.

use super::context::{Context, JobPhase};
use super::loading::load_data;
use super::session::Session;
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::protocol::event::{Event, JobEvent, KernelDistances};
use crate::protocol::run_spec::RunSpec;
use crate::random::SplitMix64;
use crate::tuning::method::projector::KernelProjector;
use crate::tuning::method::receptance_sample::ReceptanceSample;
use crate::tuning::spec::{LiftSpec, Method};

/// Training examples that are looked at.
const MAX_EXAMPLES: usize = 64;
/// Pairs of each layer and head.
const N_PAIRS: usize = 256;
/// Receptance vectors of each layer and head whose nearest support vector is
/// looked for.
const N_NEAREST: usize = 64;

/// Measures the distances and reports them.
///
/// # Errors
/// [`Error::Spec`] where there are no kernels, bad input, and what the device
/// reports.
pub(super) fn measure_distances(
    spec: &RunSpec,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    let lift = lift_of(&spec.method)?;
    spec.check()?;
    let (data, _) = load_data(spec, context)?;
    context.during = JobPhase::LoadingModel;
    let (loaded, _) = context.load(session, spec)?;
    context.poll(0)?;
    context.during = JobPhase::MeasuringDistances;
    let examples = &data.train[..data.train.len().min(MAX_EXAMPLES)];
    if examples.is_empty() {
        return Err(Error::spec(
            "data",
            tr!("has no training example to measure"),
        ));
    }
    let (model, device) = (&loaded.model, &loaded.device);
    let config = model.config();
    let layers = lift.layers.chosen(config.n_layer)?;
    let seed = spec.training.seed;
    let leading = spec.data.leading_token;
    let sample = ReceptanceSample::take(model, device, &layers, examples, leading, &spec.training)?;
    context.poll(0)?;
    let projector = KernelProjector::new(&lift.features, &sample, config.n_head, seed, device)?;
    let vectors = read_f32(projector.support_vectors)?;
    let (n_head, head_size) = (config.n_head, config.head_size);
    let of_head = lift.features.upscaled_size * head_size;
    let mut distances = KernelDistances {
        pairs: Vec::new(),
        nearest: Vec::new(),
    };
    let mut random = SplitMix64::new(seed);
    for (points, vectors) in sample
        .layers
        .iter()
        .zip(vectors.chunks_exact(n_head * of_head))
    {
        for (head, vectors) in vectors.chunks_exact(of_head).enumerate() {
            let point = |idx: usize| &points[(idx * n_head + head) * head_size..][..head_size];
            let vectors: Vec<&[f32]> = vectors.chunks_exact(head_size).collect();
            for _ in 0..N_PAIRS {
                let x = point(random.below(sample.n_positions));
                let u = vectors[random.below(vectors.len())];
                distances.pairs.push(distance_sq(x, u));
            }
            for _ in 0..N_NEAREST {
                let x = point(random.below(sample.n_positions));
                let all = vectors.iter().map(|u| distance_sq(x, u));
                distances.nearest.push(all.fold(f32::INFINITY, f32::min));
            }
        }
    }
    distances.pairs.sort_unstable_by(f32::total_cmp);
    distances.nearest.sort_unstable_by(f32::total_cmp);
    context.report(Event::Job(JobEvent::DistancesMeasured {
        spec: Box::new(spec.clone()),
        distances,
    }))
}

/// The lift whose distances can be measured.
fn lift_of(method: &Method) -> Result<&LiftSpec> {
    match method {
        Method::Lifted(lift) => Ok(lift),
        Method::PaperLiteral(_) => {
            let reason = tr!(
                "is PaperLiteral, whose kernels use six vectors of a token that are not scaled to unit length; distances are measured for the receptance of Lifted only"
            );
            Err(Error::spec("method", reason))
        }
        Method::Base | Method::Standard(_) | Method::Lora(_) => {
            Err(Error::spec("method", tr!("has no kernels; choose Lifted")))
        }
    }
}

fn distance_sq(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::spec::{PaperLiteralSpec, StandardSpec};

    #[test]
    fn a_method_is_refused_for_what_it_is() {
        assert!(lift_of(&Method::Lifted(LiftSpec::default())).is_ok());
        let reason = |method: &Method| lift_of(method).unwrap_err().to_string();
        let literal = reason(&Method::PaperLiteral(PaperLiteralSpec::default()));
        assert!(
            literal.starts_with("method: is PaperLiteral, whose kernels"),
            "{literal}"
        );
        let standard = reason(&Method::Standard(StandardSpec::default()));
        assert_eq!(standard, "method: has no kernels; choose Lifted");
    }
}
