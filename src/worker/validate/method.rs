//! The rules of the method.

use super::{MAX_RATE, MAX_STEPS, check, check_count, check_path, check_strength};
use crate::error::{Error, Result};
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, FeatureSpec, Gamma, Layers, LiftSpec, Method,
    PaperLiteralSpec, StandardSpec, StartState,
};

/// Support vectors come in multiples of this.
const SIZE_STEP: usize = 16;
/// Smallest head that the operators are compiled for; the model's own is
/// checked when it is loaded.
const MIN_SIZE: usize = 16;
pub(crate) const MAX_SIZE: usize = 1024;
pub(crate) const MAX_GAMMA: f64 = 1e4;

pub(super) fn check_method(method: &Method) -> Result<()> {
    match method {
        Method::Base => Ok(()),
        Method::Standard(StandardSpec { layers, start }) => {
            check_chosen(layers)?;
            check_start(start)
        }
        Method::Lifted(lifted) => check_lifted(lifted),
        Method::PaperLiteral(literal) => check_literal(literal),
    }
}

fn check_lifted(lifted: &LiftSpec) -> Result<()> {
    let LiftSpec {
        layers,
        start,
        tune_s0: _,
        features,
        dynamics: _,
        decorrelation,
        learning_rate_lift,
    } = lifted;
    check_chosen(layers)?;
    check_start(start)?;
    check_features(features)?;
    if let Some(decorrelation) = decorrelation {
        check_decorrelation(decorrelation)?;
    }
    check_rate("method.learning_rate_lift", *learning_rate_lift)
}

fn check_literal(literal: &PaperLiteralSpec) -> Result<()> {
    let PaperLiteralSpec {
        layers,
        features,
        decorrelation,
        learning_rate_lift,
    } = literal;
    check_chosen(layers)?;
    check_features(features)?;
    if let Some(decorrelation) = decorrelation {
        check_decorrelation(decorrelation)?;
    }
    check_rate("method.learning_rate_lift", *learning_rate_lift)
}

fn check_features(features: &FeatureSpec) -> Result<()> {
    let FeatureSpec {
        upscaled_size,
        support_vectors: _,
        gamma,
    } = features;
    let field = "method.features.upscaled_size";
    check_count(field, *upscaled_size, MIN_SIZE, MAX_SIZE)?;
    check(
        field,
        upscaled_size.is_multiple_of(SIZE_STEP),
        upscaled_size,
        &format!("must be a multiple of {SIZE_STEP}"),
    )?;
    match gamma {
        Gamma::Median => Ok(()),
        Gamma::Value(gamma) => check(
            "method.features.gamma",
            *gamma > 0.0 && *gamma <= MAX_GAMMA,
            gamma,
            &format!("must be above 0 and at most {MAX_GAMMA}"),
        ),
    }
}

fn check_decorrelation(decorrelation: &DecorrelationSpec) -> Result<()> {
    let DecorrelationSpec {
        rule,
        center: _,
        interval,
        sample,
        shared: _,
    } = decorrelation;
    let check_kappa = |kappa: f64| {
        let field = "method.decorrelation.rule.kappa";
        let fits = (0.0..=1.0).contains(&kappa);
        check(field, fits, &kappa, "must be from 0 to 1")
    };
    let check_eta = |eta: f64| {
        let field = "method.decorrelation.rule.eta";
        let fits = eta > 0.0 && eta <= 1.0;
        check(field, fits, &eta, "must be above 0 and at most 1")
    };
    match *rule {
        DecorrelationRule::LocalRule { eta, kappa } => {
            check_eta(eta)?;
            check_kappa(kappa)?;
        }
        DecorrelationRule::ScalarRms { eta } => check_eta(eta)?,
        DecorrelationRule::Joint {
            lambda,
            kappa,
            learning_rate,
        } => {
            check_strength("method.decorrelation.rule.lambda", lambda)?;
            check_kappa(kappa)?;
            check_rate("method.decorrelation.rule.learning_rate", learning_rate)?;
        }
    }
    check_count("method.decorrelation.interval", *interval, 1, MAX_STEPS)?;
    check(
        "method.decorrelation.sample",
        *sample > 0.0 && *sample <= 1.0,
        sample,
        "must be above 0 and at most 1, a share of the positions",
    )
}

fn check_rate(field: &str, rate: f64) -> Result<()> {
    let fits = rate > 0.0 && rate <= MAX_RATE;
    let range = format!("must be above 0 and at most {MAX_RATE}");
    check(field, fits, &rate, &range)
}

fn check_start(start: &StartState) -> Result<()> {
    match start {
        StartState::Zero => Ok(()),
        StartState::File(path) => check_path("method.start", path),
        StartState::Text(text) => check(
            "method.start",
            !text.is_empty(),
            text,
            "must be text of at least 1 character",
        ),
    }
}

fn check_chosen(layers: &Layers) -> Result<()> {
    match layers {
        Layers::All => Ok(()),
        Layers::Only(chosen) => check_layers(chosen),
    }
}

fn check_layers(chosen: &[usize]) -> Result<()> {
    let field = "method.layers";
    if chosen.is_empty() {
        let reason = "must name at least 1 layer or be All, is Only([])";
        return Err(Error::spec(field, reason));
    }
    let mut sorted = chosen.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::spec(
            field,
            format!("must name every layer once, has {} twice", pair[0]),
        )),
        None => Ok(()),
    }
}
