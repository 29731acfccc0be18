//! The fields of the method.

use super::field::{Field, choice, slot};
use super::range::Range;
use super::training::{MAX_RATE, MAX_STEPS};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, FeatureSpec, Layers, LoraSpec, Method, StartState,
    TunedParts,
};

/// Support vectors come in multiples of this. It is also the smallest head that the
/// operators are compiled for; the model's own is checked when it is loaded.
const SIZE_STEP: usize = 16;
const MAX_SIZE: usize = 1024;
const MAX_GAMMA: f64 = 1e4;
const MAX_RANK: usize = 1024;
const MAX_ALPHA: f64 = 1e4;

pub(super) const METHOD: &[Field] = &[
    Field::new("method", "Method", |spec| choice(&mut spec.method))
        .hint("Standard trains S₀, the state that every text starts from, of every layer and head; all weights stay frozen (arXiv 2504.05097, section 3.1). Lifted adds a branch of kernel features (section 3.2); its whole works in Gosling only, and gosling export --fold fits a plain S₀ to it for other programs. Decorrelation removes the correlations between features (section 3.3). LoRA trains low-rank adapters beside frozen matrices instead of a state, or together with it (arXiv 2106.09685). Base trains nothing and evaluates the model as it is."),
    Field::new("method.layers", "Layers", |spec| choice(layers(spec)?))
        .hint("The layers whose state is trained. Leaving out the lower layers saves time and memory."),
    Field::new("method.layers", "Layer numbers", |spec| match layers(spec)? {
        Layers::All => None,
        Layers::Only(layers) => slot(layers),
    })
    .hint("Layers counted from 0, separated by commas."),
    Field::new("method.start", "Start state", |spec| choice(start(spec)?))
        .hint("What S₀ starts from. Zero is the untuned model. A state file continues from another run. A text starts from the state of the model after it has read the text."),
    Field::new("method.start", "State file", |spec| match start(spec)? {
        StartState::File(path) => slot(path),
        StartState::Zero | StartState::Text(_) => None,
    })
    .hint("The file with the state."),
    Field::new("method.start", "Start text", |spec| match start(spec)? {
        StartState::Text(text) => slot(text),
        StartState::Zero | StartState::File(_) => None,
    })
    .hint("The text that the model reads first."),
    Field::new("method.tune", "Trained parts", |spec| match &mut spec.method {
        Method::Standard(standard) => choice(&mut standard.tune),
        Method::Base | Method::Lifted(_) | Method::PaperLiteral(_) | Method::Lora(_) => None,
    })
    .hint("S₀ is what every program with tuned states takes. The token shifts are what the last inputs of time mixing and of channel mixing are before a text, one vector of C numbers each per layer; they act on the first token. Gosling, the exported script for the rwkv package (.pth) and rwkv.cpp (.bin) use them; the exports for Ai00, the RWKV app, vLLM and s0-tuning refuse such a state."),
    Field::new("method.learning_rate_shift", "Rate of token shifts", |spec| {
        match &mut spec.method {
            Method::Standard(standard) if standard.tune == TunedParts::S0AndShift => {
                slot(&mut standard.learning_rate_shift)
            }
            Method::Base
            | Method::Standard(_)
            | Method::Lifted(_)
            | Method::PaperLiteral(_)
            | Method::Lora(_) => None,
        }
    })
    .range(Range::above(0.0).up_to(MAX_RATE))
    .log_slider(1e-4, 1.0)
    .hint("The peak learning rate of the token shifts. It follows the schedule of the run; a search for a rate moves it in proportion to that of S₀."),
    Field::new("method.features.upscaled_size", "Features", |spec| {
        slot(&mut features(spec)?.upscaled_size)
    })
    .symbol("M")
    .range(Range::whole(SIZE_STEP, MAX_SIZE).multiples_of(SIZE_STEP))
    .log_slider(64.0, MAX_SIZE as f64)
    .hint("The number of support vectors: at least the head size (64 in released models). Memory and time of the branch grow with it. The paper tries 256, 512 and 768 (section 3.2)."),
    Field::new("method.features.support_vectors", "Support vectors", |spec| {
        choice(&mut features(spec)?.support_vectors)
    })
    .hint("Where the M unit vectors come from. Clusters: the centres (k-means) of the receptance vectors of the frozen model on the training set. Random: random directions, which ignore the data. Section 3.2."),
    Field::new("method.features.gamma", "Kernel sharpness", |spec| {
        slot(&mut features(spec)?.gamma)
    })
    .symbol("γ")
    .range(Range::above(0.0).up_to(MAX_GAMMA))
    .log_slider(0.01, 100.0)
    .optional("auto", 1.0)
    .hint("φ(x) = exp(-γ |x/|x| - u|²). A large γ makes narrow kernels, and few features respond; a small γ makes wide kernels, and all respond alike. Between 0.5 and 2 it made little difference on gsm8k-mini. Auto: γ = 1 / median squared distance, per head. Section 3.2."),
    Field::new("method.dynamics", "State dynamics", |spec| match &mut spec.method {
        Method::Lifted(lift) => choice(&mut lift.dynamics),
        Method::Base | Method::Standard(_) | Method::PaperLiteral(_) | Method::Lora(_) => None,
    })
    .hint("How the lifted state changes from token to token. Constant: not at all; it is a readout of the current receptance, without memory. Decayed: it fades as the model's own state does. Recurrent: it fades, removes and writes as the model's own state does. Constant was the best of the three on gsm8k-mini."),
    Field::new("method.learning_rate_lift", "Learning rate of Z", |spec| {
        match &mut spec.method {
            Method::Lifted(lift) => slot(&mut lift.learning_rate_lift),
            Method::PaperLiteral(literal) => slot(&mut literal.learning_rate_lift),
            Method::Base | Method::Standard(_) | Method::Lora(_) => None,
        }
    })
    .symbol("η_Z")
    .range(Range::above(0.0).up_to(MAX_RATE))
    .log_slider(1e-4, 1.0)
    .hint("The peak learning rate of the lifted state. With constant dynamics 0.08 was best on gsm8k-mini with decorrelation and 0.02 without; 0.08 is too high for features that are not decorrelated."),
    Field::new("method.tune_s0", "Train S₀ too", |spec| match &mut spec.method {
        Method::Lifted(lift) => slot(&mut lift.tune_s0),
        Method::Lora(lora) => slot(&mut lora.tune_s0),
        Method::Base | Method::Standard(_) | Method::PaperLiteral(_) => None,
    })
    .hint("Also trains the plain state S₀, beside the lifted branch or beside the adapters. On gsm8k-mini the branch without S₀ reached 0.509 with decorrelation and 0.067 without."),
    Field::new("method.decorrelation.rule", "Decorrelation rule", |spec| {
        choice(&mut decorrelation(spec)?.rule)
    })
    .hint("How R follows the features. Local rule: R moves by the statistics of the features alone (decorrelated backpropagation). Joint: R is trained on the loss plus λ times the decorrelation loss. Scalar: a control that only rescales the features. Section 3.3."),
    Field::new("method.decorrelation.rule.eta", "Step size of R", |spec| {
        match &mut decorrelation(spec)?.rule {
            DecorrelationRule::LocalRule { eta, .. } | DecorrelationRule::ScalarRms { eta } => {
                slot(eta)
            }
            DecorrelationRule::Joint { .. } => None,
        }
    })
    .symbol("η_R")
    .range(Range::above(0.0).up_to(1.0))
    .log_slider(1e-4, 1.0)
    .hint("The step size of the local rule and of the scalar. It is not the λ of the paper."),
    Field::new("method.decorrelation.rule.lambda", "Decorrelation weight", |spec| {
        match &mut decorrelation(spec)?.rule {
            DecorrelationRule::Joint { lambda, .. } => slot(lambda),
            DecorrelationRule::LocalRule { .. } | DecorrelationRule::ScalarRms { .. } => None,
        }
    })
    .symbol("λ")
    .range(Range::from(0.0))
    .log_slider(1e-4, 100.0)
    .hint("The weight of the decorrelation loss in L_task + λ L_decor, where L_decor is the mean over all matrices R. Section 3.3."),
    Field::new("method.decorrelation.rule.kappa", "Variance weight", |spec| {
        match &mut decorrelation(spec)?.rule {
            DecorrelationRule::LocalRule { kappa, .. } | DecorrelationRule::Joint { kappa, .. } => {
                slot(kappa)
            }
            DecorrelationRule::ScalarRms { .. } => None,
        }
    })
    .symbol("κ")
    .range(Range::from(0.0).up_to(1.0))
    .slider()
    .hint("0: decorrelate only. 1: normalise variance only."),
    Field::new("method.decorrelation.rule.learning_rate", "Learning rate of R", |spec| {
        match &mut decorrelation(spec)?.rule {
            DecorrelationRule::Joint { learning_rate, .. } => slot(learning_rate),
            DecorrelationRule::LocalRule { .. } | DecorrelationRule::ScalarRms { .. } => None,
        }
    })
    .range(Range::above(0.0).up_to(MAX_RATE))
    .log_slider(1e-5, 0.1)
    .hint("The peak learning rate of R."),
    Field::new("method.decorrelation.center", "Centre features", |spec| {
        slot(&mut decorrelation(spec)?.center)
    })
    .hint("Subtracts the running mean of the features first. Most of the second moment of unit-length features is the mean."),
    Field::new("method.decorrelation.interval", "Update R every", |spec| {
        slot(&mut decorrelation(spec)?.interval)
    })
    .unit("steps")
    .range(Range::whole(1, MAX_STEPS))
    .hint("Steps from one update of R to the next."),
    Field::new("method.decorrelation.sample", "Share of positions", |spec| {
        slot(&mut decorrelation(spec)?.sample)
    })
    .range(Range::above(0.0).up_to(1.0))
    .slider()
    .hint("The share of a batch's positions that an update of R uses. Less is faster: a tenth at every fourth step added 0 to 4% to the time of a step, all positions at every step 45 to 62% (mini model, H200)."),
    Field::new("method.decorrelation.shared", "One R per layer", |spec| {
        slot(&mut decorrelation(spec)?.shared)
    })
    .hint("All heads of a layer share one R. Otherwise each head has its own."),
    Field::new("method.rank", "Rank", |spec| slot(&mut lora(spec)?.rank))
        .range(Range::whole(1, MAX_RANK))
        .log_slider(1.0, 128.0)
        .hint("The inner size of the adapters: A has so many rows, B so many columns. Their size and the time of a step grow with it."),
    Field::new("method.alpha", "Adapter scale", |spec| slot(&mut lora(spec)?.alpha))
        .symbol("α")
        .range(Range::above(0.0).up_to(MAX_ALPHA))
        .log_slider(1.0, 256.0)
        .hint("An adapter adds (α / rank) B A x. Twice the rank is usual for RWKV. Changing it is like changing the learning rate."),
    Field::new("method.dropout", "Adapter dropout", |spec| {
        slot(&mut lora(spec)?.dropout)
    })
    .range(Range::from(0.0).below(1.0))
    .slider()
    .hint("The share of what an adapter multiplies that is dropped in training, anew in every step; the rest is scaled up by as much. Nothing is dropped when the model is evaluated. 0.05 and 0.1 are usual values."),
    Field::new("method.learning_rate_lora", "LoRA learning rate", |spec| {
        slot(&mut lora(spec)?.learning_rate_lora)
    })
    .range(Range::above(0.0).up_to(MAX_RATE))
    .log_slider(1e-6, 0.1)
    .hint("The peak learning rate of the adapters, A and B. It follows the schedule of the run; a search for a rate moves it in proportion to that of S₀."),
    Field::new("method.targets.receptance", "Adapt receptance", |spec| {
        slot(&mut lora(spec)?.targets.receptance)
    })
    .hint("Adapters beside the receptance matrix of time mixing."),
    Field::new("method.targets.key", "Adapt key", |spec| {
        slot(&mut lora(spec)?.targets.key)
    })
    .hint("Adapters beside the key matrix of time mixing."),
    Field::new("method.targets.value", "Adapt value", |spec| {
        slot(&mut lora(spec)?.targets.value)
    })
    .hint("Adapters beside the value matrix of time mixing."),
    Field::new("method.targets.output", "Adapt output", |spec| {
        slot(&mut lora(spec)?.targets.output)
    })
    .hint("Adapters beside the output matrix of time mixing."),
    Field::new("method.targets.ffn_key", "Adapt FFN key", |spec| {
        slot(&mut lora(spec)?.targets.ffn_key)
    })
    .hint("Adapters beside the key matrix of channel mixing, the feed-forward network."),
    Field::new("method.targets.ffn_value", "Adapt FFN value", |spec| {
        slot(&mut lora(spec)?.targets.ffn_value)
    })
    .hint("Adapters beside the value matrix of channel mixing, the feed-forward network."),
];

fn lora(spec: &mut RunSpec) -> Option<&mut LoraSpec> {
    match &mut spec.method {
        Method::Lora(lora) => Some(lora),
        Method::Base | Method::Standard(_) | Method::Lifted(_) | Method::PaperLiteral(_) => None,
    }
}

fn layers(spec: &mut RunSpec) -> Option<&mut Layers> {
    match &mut spec.method {
        Method::Base => None,
        Method::Standard(standard) => Some(&mut standard.layers),
        Method::Lifted(lift) => Some(&mut lift.layers),
        Method::PaperLiteral(literal) => Some(&mut literal.layers),
        Method::Lora(lora) => Some(&mut lora.layers),
    }
}

fn start(spec: &mut RunSpec) -> Option<&mut StartState> {
    spec.method.start_mut()
}

fn features(spec: &mut RunSpec) -> Option<&mut FeatureSpec> {
    match &mut spec.method {
        Method::Base | Method::Standard(_) | Method::Lora(_) => None,
        Method::Lifted(lift) => Some(&mut lift.features),
        Method::PaperLiteral(literal) => Some(&mut literal.features),
    }
}

fn decorrelation(spec: &mut RunSpec) -> Option<&mut DecorrelationSpec> {
    match &mut spec.method {
        Method::Base | Method::Standard(_) | Method::Lora(_) => None,
        Method::Lifted(lift) => lift.decorrelation.as_mut(),
        Method::PaperLiteral(literal) => literal.decorrelation.as_mut(),
    }
}
