//! Which methods a model's architecture allows.

use super::Method;
use crate::error::{Error, Result};
use crate::model::{Architecture, ModelConfig};

impl Method {
    /// Whether the method can train this model.
    ///
    /// # Errors
    /// [`Error::Spec`] of `method` where it needs what RWKV-7 alone has here.
    pub fn check_architecture(&self, model: &ModelConfig) -> Result<()> {
        if model.architecture == Architecture::Rwkv7 {
            return Ok(());
        }
        let needs = match self {
            Self::Base | Self::Standard(_) if self.shift_rate().is_none() => return Ok(()),
            Self::Base | Self::Standard(_) => tr!("the token shifts of RWKV-7"),
            Self::Lifted(_) | Self::PaperLiteral(_) => tr!("the receptance of RWKV-7"),
            Self::Lora(_) => tr!("the matrices of RWKV-7"),
        };
        let reason = tr!(
            "is made for {needs}, and the model is {}; choose Standard, which tunes S_0 \
             alone",
            model.architecture.name(),
            needs
        );
        Err(Error::spec("method", reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::SHAPE_0_1B;
    use crate::tuning::spec::{LiftSpec, LoraSpec, PaperLiteralSpec, StandardSpec, TunedParts};

    #[test]
    fn only_the_state_of_other_architectures_is_tuned() {
        let other = ModelConfig {
            architecture: Architecture::GatedDeltaNet,
            ..SHAPE_0_1B
        };
        let refused = [
            Method::Lifted(LiftSpec::default()),
            Method::PaperLiteral(PaperLiteralSpec::default()),
            Method::Lora(LoraSpec::default()),
        ];
        for method in refused {
            assert!(method.check_architecture(&SHAPE_0_1B).is_ok(), "{method:?}");
            let message = method.check_architecture(&other).unwrap_err().to_string();
            assert!(message.starts_with("method: is made for "), "{message}");
            assert!(
                message.contains("Gated DeltaNet; choose Standard"),
                "{message}"
            );
        }
        let shifts = StandardSpec {
            tune: TunedParts::S0AndShift,
            ..StandardSpec::default()
        };
        assert!(Method::Standard(shifts).check_architecture(&other).is_err());
        for method in [Method::Base, Method::Standard(StandardSpec::default())] {
            assert!(method.check_architecture(&other).is_ok(), "{method:?}");
        }
    }
}
