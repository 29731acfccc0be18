//! What the user is told of the fields of the kernel-lifted state.

use crate::ui::widgets::field::{Field, Range, field};
use crate::worker::validate::method::{MAX_GAMMA, MAX_SIZE};
use crate::worker::validate::{MAX_RATE, MAX_STEPS};

pub const TUNE_S0: Field = field(
    "method.tune_s0",
    "Train S₀ too",
    "S₀",
    "",
    "Whether the plain state is trained beside the branch.",
)
.switch();
pub const UPSCALED_SIZE: Field = field(
    "method.features.upscaled_size",
    "Features",
    "M",
    "",
    "Number of support vectors, at least the head size (64 in released models) and a multiple of 16. Memory and time of the branch grow with it. Section 3.2; the paper tries 256, 512 and 768.",
)
.number(Range::whole(64, MAX_SIZE));
pub const SUPPORT_VECTORS: Field = field(
    "method.features.support_vectors",
    "Support vectors",
    "u",
    "",
    "Where the M unit vectors come from. Clusters are the centres of the receptance vectors that the frozen model makes of the training set (k-means); random ones ignore the data. Section 3.2.",
)
.choice();
pub const GAMMA: Field = field(
    "method.features.gamma",
    "Kernel width",
    "γ",
    "",
    "φ(x) = exp(-γ |x/|x| - u|²). Large γ makes narrow kernels of which few answer, small γ wide ones that all answer alike; 0.25 to 4 is a good range. By the median takes 1 / the median squared distance of each head. Section 3.2.",
)
.optional(Range::above(0.0).up_to(MAX_GAMMA), "by the median");
pub const DYNAMICS: Field = field(
    "method.dynamics",
    "Over tokens",
    "L",
    "",
    "How the lifted state changes from token to token. Constant does not: it is a readout of the present receptance and no memory. Decayed fades as the model\u{2019}s own state does. Constant won in the measurements.",
)
.choice();
pub const LEARNING_RATE: Field = field(
    "method.learning_rate_lift",
    "Rate of Z",
    "η_Z",
    "",
    "Peak learning rate of the branch, usually below that of S₀.",
)
.number(Range::above(0.0).up_to(MAX_RATE));
pub const RULE: Field = field(
    "method.decorrelation.rule",
    "R follows",
    "R",
    "",
    "How the features are made uncorrelated. The local rule moves R by what it sees of the features alone (decorrelated backpropagation); jointly, R also follows the loss plus λ times L_decor. Section 3.3.",
)
.choice();
pub const ETA: Field = field(
    "method.decorrelation.rule.eta",
    "Step of R",
    "η_R",
    "",
    "Step size of the local rule. It is not λ.",
)
.number(Range::above(0.0).up_to(1.0));
pub const LAMBDA: Field = field(
    "method.decorrelation.rule.lambda",
    "Weight",
    "λ",
    "",
    "Weight of the decorrelation loss in L_task + λ L_decor. Section 3.3.",
)
.number(Range::from(0.0));
pub const KAPPA: Field = field(
    "method.decorrelation.rule.kappa",
    "Unit variance",
    "κ",
    "",
    "Share of unit variance against decorrelation: 0 only takes correlations away, 1 only scales.",
)
.number(Range::from(0.0).up_to(1.0));
pub const RULE_RATE: Field = field(
    "method.decorrelation.rule.learning_rate",
    "Rate of R",
    "η_R",
    "",
    "Peak learning rate of R.",
)
.number(Range::above(0.0).up_to(MAX_RATE));
pub const CENTER: Field = field(
    "method.decorrelation.center",
    "Centre",
    "",
    "",
    "Take the running mean of the features off first: on unit-length features most of the second moment is the mean.",
)
.switch();
pub const INTERVAL: Field = field(
    "method.decorrelation.interval",
    "Update every",
    "",
    "steps",
    "Steps from one update of R to the next.",
)
.number(Range::whole(1, MAX_STEPS));
pub const SAMPLE: Field = field(
    "method.decorrelation.sample",
    "Positions",
    "",
    "share",
    "The share of a batch\u{2019}s positions that an update looks at. Less is faster.",
)
.number(Range::from(0.01).up_to(1.0));
pub const SHARED: Field = field(
    "method.decorrelation.shared",
    "One for all heads",
    "",
    "",
    "One R for all heads of a layer. Otherwise each head has its own.",
)
.switch();

/// All of them.
pub const ALL: [Field; 15] = [
    TUNE_S0,
    UPSCALED_SIZE,
    SUPPORT_VECTORS,
    GAMMA,
    DYNAMICS,
    LEARNING_RATE,
    RULE,
    ETA,
    LAMBDA,
    KAPPA,
    RULE_RATE,
    CENTER,
    INTERVAL,
    SAMPLE,
    SHARED,
];
