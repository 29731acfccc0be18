//! What people are told of the fields of the kernel-lifted state.

use super::form_hints::field;
use super::form_row::Field;

pub const TUNE_S0: Field = field(
    "method.tune_s0",
    "Train S₀ too",
    "S₀",
    "",
    "Whether the plain state is trained beside the branch. Default on.",
);
pub const UPSCALED_SIZE: Field = field(
    "method.features.upscaled_size",
    "Features",
    "M",
    "",
    "Number of support vectors, from the head size (64 in released models) to 1024, a multiple of 16; default 256. Memory and time of the branch grow with it. Section 3.2; the paper tries 256, 512 and 768.",
);
pub const SUPPORT_VECTORS: Field = field(
    "method.features.support_vectors",
    "Support vectors",
    "u",
    "",
    "Where the M unit vectors come from. Clusters are the centres of the receptance vectors that the frozen model makes of the training set (k-means); random ones ignore the data. Section 3.2.",
);
pub const GAMMA: Field = field(
    "method.features.gamma",
    "Kernel width",
    "γ",
    "",
    "φ(x) = exp(-γ |x/|x| - u|²). Large γ makes narrow kernels of which few answer, small γ wide ones that all answer alike; default 1, and 0.25 to 4 is a good range. By the median takes 1 / the median squared distance of each head. Section 3.2.",
);
pub const DYNAMICS: Field = field(
    "method.dynamics",
    "Over tokens",
    "L",
    "",
    "How the lifted state changes from token to token. Constant does not: it is a readout of the present receptance and no memory. Decayed fades as the model\u{2019}s own state does. Default constant, the prototype\u{2019}s winner.",
);
pub const LEARNING_RATE: Field = field(
    "method.learning_rate_lift",
    "Rate of Z",
    "η_Z",
    "",
    "Peak learning rate of the branch, above 0; default 0.03, usually below that of S₀.",
);
pub const RULE: Field = field(
    "method.decorrelation.rule",
    "R follows",
    "R",
    "",
    "How the features are made uncorrelated. The local rule moves R by what it sees of the features alone (decorrelated backpropagation); jointly, R also follows the loss plus λ times L_decor. Section 3.3.",
);
pub const ETA: Field = field(
    "method.decorrelation.rule.eta",
    "Step of R",
    "η_R",
    "",
    "Step size of the local rule, above 0; default 0.05. It is not λ.",
);
pub const LAMBDA: Field = field(
    "method.decorrelation.rule.lambda",
    "Weight",
    "λ",
    "",
    "Weight of the decorrelation loss in L_task + λ L_decor, 0 or more. Section 3.3.",
);
pub const KAPPA: Field = field(
    "method.decorrelation.rule.kappa",
    "Unit variance",
    "κ",
    "",
    "Share of unit variance against decorrelation, 0 to 1: 0 only takes correlations away, 1 only scales. Default 0.5.",
);
pub const RULE_RATE: Field = field(
    "method.decorrelation.rule.learning_rate",
    "Rate of R",
    "η_R",
    "",
    "Peak learning rate of R, above 0.",
);
pub const CENTER: Field = field(
    "method.decorrelation.center",
    "Centre",
    "",
    "",
    "Take the running mean of the features off first: on unit-length features most of the second moment is the mean. Default off.",
);
pub const INTERVAL: Field = field(
    "method.decorrelation.interval",
    "Update every",
    "",
    "steps",
    "Steps from one update of R to the next, 1 or more.",
);
pub const SAMPLE: Field = field(
    "method.decorrelation.sample",
    "Positions",
    "",
    "share",
    "The share of a batch\u{2019}s positions that an update looks at, above 0 to 1. Less is faster.",
);
pub const SHARED: Field = field(
    "method.decorrelation.shared",
    "One for all heads",
    "",
    "",
    "One R for all heads of a layer. Default off: each head has its own.",
);
