//! What is known of the paper's fourth method, what is done here, and what came out.
//!
//! # What is known
//!
//! The paper (arXiv 2504.05097) calls it test-time scaling. A guide of about 70
//! billion parameters writes a chain of thought for the question that is being
//! answered. The state of RWKV-7 is moved by reinforcement learning, its weights
//! frozen, and the reward of a step is whether RWKV's next token is the guide's. It
//! is said to improve on the base, to need much computation, and perhaps to overlook
//! coherence over several steps; rewards over several steps, and doing without the
//! larger model, are named as open questions.
//!
//! No code was published, and much is not known: the estimator, the baseline, the
//! rate and the number of steps, whether S_0 or the running state is moved, whether
//! it is set back between questions, and whether RWKV goes on from its own text or the
//! guide's. Everything below that fills these gaps is ours.
//!
//! # What is done here
//!
//! S_0 moves, by Adam, with the gradient of each state clipped for itself. Where a
//! base has a lifted branch, that stays as it is. A state belongs to one question and
//! is thrown away after it ([`Mode::Item`](super::spec::Mode::Item)), to the set that is
//! scored ([`Shared`](super::spec::Mode::Shared), which every figure calls
//! transductive), or to a pool of other questions
//! ([`Pool`](super::spec::Mode::Pool)).
//!
//! **The reward of a single step has a closed form.** On the guide's text, at a
//! position where RWKV gives the guide's token the probability p, the expected reward
//! is p and its gradient is p times that of log p. So the policy gradient is cross
//! entropy in which each token counts its own probability. One family holds both:
//!
//! ```text
//! L_x = mean of (1 - p^x) / x     gradient: -p^x grad log p
//! ```
//!
//! with x = 1 the reward and x towards 0 cross entropy. Samples would only add
//! variance; [`Estimator::Sampled`](super::spec::Estimator::Sampled) is there to show that they
//! agree. From an untuned base x = 1 hands out almost no gradient, since p is small
//! everywhere; from a tuned base cross entropy ends as a copy of the guide, mistakes
//! included, while the bounded reward leaves alone what the base finds implausible.
//! [`Exponent::Auto`](super::spec::Exponent::Auto) decides by how many of the guide's tokens are the base's
//! likeliest.
//!
//! **Several steps** are rewards on answers that RWKV writes itself: the log-ratio to
//! the guide with a discount, its divergence in closed form, the length of the prefix
//! that is shared with the guide's text, or the guide's answer. There is one gradient
//! step a batch of answers, so that no ratio to an older policy exists. A letter or an
//! option is one step: of several there are none.
//!
//! A guide in this process chooses among options by its own scores, as the benchmark
//! does; a server writes its choice. [`Objective::Soft`](super::spec::Objective::Soft)
//! learns how likely the guide finds each option, or each token along its text.
//!
//! **Without a guide**, written answers are rewarded by what most of a group say, by
//! the share that says the same, or by their own probability; or their entropy is
//! lowered. Options become surer ([`OptionEntropy`](super::spec::Objective::OptionEntropy)), surer without
//! any letter being preferred ([`Information`](super::spec::Objective::Information)), or learn what is
//! likeliest over several orders of them ([`Views`](super::spec::Objective::Views)).
//!
//! **No label reaches what moves a state.** A [`Question`](super::question::Question) has its label
//! written over; labels are in [`exam`](super::exam), which nothing that moves a state
//! names. A test changes every label and compares the states bit by bit. A simulated
//! guide reads labels: it is named so wherever a figure of it stands.
//!
//! **Cost** is counted in tokens of a forward pass, a trained token for three, a
//! prompt once a group, answering included; a guide's tokens are counted apart. The
//! same command measures what the same tokens buy without a step: votes, votes over
//! orders, calibration, solved questions in front or in the state, and with a guide
//! its answer as a few more votes; of options its choice beside the model's own
//! probabilities. "Adaptation gains" is only said where it is above the best of these
//! that cost no more, at p < 0.05 by McNemar's exact test, once all of them are measured
//! and no vote was cut short.
//!
//! # What came out
//!
//! `benches/RESULTS.md` has the figures of the mini model, made by
//! `benches/adapt/study.py`. A prototype in PyTorch came first, with one seed; on 500
//! test questions it found:
//!
//! | | adapted | best without a step |
//! |---|---|---|
//! | mmlu-mini from untuned, no label, `Information` | 0.800 | 0.766, vote over four orders |
//! | arc-mini from untuned, no label, `OptionEntropy` | 0.630 | 0.59, solved questions in front |
//! | gsm8k-mini, tuned base, majority reward | 0.608 | 0.79, votes |
//! | gsm8k-mini, tuned base, a guide right in 0.886, x = 1, each question | 0.908 | 0.892, its answer among votes |
//! | gsm8k-mini, tuned base, several steps, questions without a guide's text | 0.768 to 0.792 | 0.766, the base |
//!
//! So the state finds the form of an answer and the balance of the letters by itself,
//! about as well as 2,000 labels teach it on mmlu-mini (0.804). It finds nothing by
//! itself that votes do not find for worked answers. With a guide, a state for each
//! question gains little over counting the guide's answer as a few votes, and a state
//! that is shared hardly carries over to questions that the guide did not answer.
