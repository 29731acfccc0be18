//! What an adaptation is: every choice that changes its result, as plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::{Benchmark, MmluTemplate, Split};
use crate::error::{Error, Result};
use crate::kernels::device::DeviceChoice;
use crate::protocol::run_spec::ModelSpec;

mod guide;
mod objective;
mod presets;

pub use guide::{GuideApi, GuideSpec, HttpSpec};
pub use objective::{Estimator, Exponent, Objective};
pub use presets::{PRESETS, preset};

/// A whole adaptation. Fields that are left out of a RON file take their defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptSpec {
    /// A short name.
    pub name: String,
    /// Where it computes.
    pub device: DeviceChoice,
    /// The frozen model.
    pub model: ModelSpec,
    /// The state that it starts from.
    pub base: Base,
    /// Which questions.
    pub task: TaskSpec,
    /// What has a state of its own.
    pub mode: Mode,
    /// What the state is moved towards.
    pub objective: Objective,
    /// How it is moved.
    pub update: UpdateSpec,
    /// When it stops.
    pub stops: StopSpec,
    /// Where texts of another model come from, for objectives that need one.
    pub guide: Option<GuideSpec>,
    /// What it is compared with.
    pub baselines: BaselineSpec,
    /// States of so many questions are written down to be looked at.
    pub keep_states: usize,
    /// Fixes every draw.
    pub seed: u64,
}

/// What an adaptation starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Base {
    /// The untuned model.
    #[default]
    Zero,
    /// A tuned or imported state, a lifted one or the folder of a run. Only S_0
    /// moves; a lifted branch stays as it is.
    File(PathBuf),
}

/// What has a state of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Every question; its state is thrown away after it.
    Item,
    /// The set that is scored (transductive).
    #[default]
    Shared,
    /// Questions without answers of another split; the state is worth an export.
    Pool,
}

/// Which questions are answered, and by which rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskSpec {
    /// The benchmark.
    pub benchmark: Benchmark,
    /// The folder of its official files; the mini benchmark without one.
    pub data: Option<PathBuf>,
    /// What is scored.
    pub split: Split,
    /// The first so many of it; all without a number.
    pub limit: Option<usize>,
    /// Where [`Mode::Pool`] takes its questions from.
    pub pool: Split,
    /// The first so many of the pool; all without a number.
    pub pool_limit: Option<usize>,
    /// The wording of official MMLU.
    pub mmlu: MmluTemplate,
    /// Where written answers are cut, in tokens; by the gold answers of the training
    /// split without a number.
    pub max_new_tokens: Option<usize>,
}

/// How a state is moved: Adam (0.9, 0.99, 1e-8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateSpec {
    /// The rate after the warm-up.
    pub learning_rate: f64,
    /// Optimiser steps, of every question or of the one state.
    pub steps: usize,
    /// Questions of one step of a state that is shared.
    pub batch: usize,
    /// Questions whose states are held at once, each with its own.
    pub items: usize,
    /// Answers that are written for a question and compared with each other.
    pub group: usize,
    /// What logits are divided by where answers are drawn and where they are
    /// trained alike; 1 or 0.6 by the objective without a number.
    pub temperature: Option<f32>,
    /// The largest norm of the gradient of a state.
    pub clip_norm: Option<f64>,
}

/// When an adaptation stops before its last step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopSpec {
    /// Forward-equivalent tokens a question.
    pub budget_tokens: Option<f64>,
    /// Wall time of the whole adaptation.
    pub budget_secs: Option<f64>,
    /// Questions that a guide is asked at most.
    pub guide_calls: Option<usize>,
    /// The largest |S - S_b| / |S_b|; of a base of zero, the largest root mean square
    /// of S.
    pub max_drift: Option<f64>,
    /// Stop where answers become fewer, shorter or all alike while the reward
    /// rises; without a guide only.
    pub collapse_guard: bool,
    /// A state without a step is as good as this mean loss of a text that it is
    /// taught.
    pub loss_below: f64,
}

/// What an adaptation is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineSpec {
    /// Measure them.
    pub measure: bool,
    /// Solved questions in front of a question, for those that read some.
    pub examples: usize,
    /// Orders of the options that are voted over.
    pub orders: usize,
    /// The most answers a question that votes are taken of.
    pub max_votes: usize,
    /// Score the state every so many steps, for the curve; 0 for the end alone.
    pub score_every: usize,
}

impl Default for AdaptSpec {
    fn default() -> Self {
        Self {
            name: "adapt".into(),
            device: DeviceChoice::default(),
            model: ModelSpec::default(),
            base: Base::Zero,
            task: TaskSpec::default(),
            mode: Mode::Shared,
            objective: Objective::Information,
            update: UpdateSpec::default(),
            stops: StopSpec::default(),
            guide: None,
            baselines: BaselineSpec::default(),
            keep_states: 0,
            seed: 0,
        }
    }
}

impl Default for TaskSpec {
    fn default() -> Self {
        Self {
            benchmark: Benchmark::Mmlu,
            data: None,
            split: Split::Test,
            limit: None,
            pool: Split::Train,
            pool_limit: None,
            mmlu: MmluTemplate::default(),
            max_new_tokens: None,
        }
    }
}

impl Default for UpdateSpec {
    fn default() -> Self {
        Self {
            learning_rate: 0.05,
            steps: 60,
            batch: 64,
            items: 64,
            group: 8,
            temperature: None,
            clip_norm: Some(1.0),
        }
    }
}

impl Default for StopSpec {
    fn default() -> Self {
        Self {
            budget_tokens: None,
            budget_secs: None,
            guide_calls: None,
            max_drift: None,
            collapse_guard: true,
            loss_below: 0.02,
        }
    }
}

impl Default for BaselineSpec {
    fn default() -> Self {
        Self {
            measure: true,
            examples: 3,
            orders: 4,
            max_votes: 64,
            score_every: 0,
        }
    }
}

impl Mode {
    /// In words, as figures name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Item => "a state for each question",
            Self::Shared => "one state, transductive",
            Self::Pool => "one state of a pool",
        }
    }
}

impl AdaptSpec {
    /// The temperature that answers are drawn and trained at.
    pub fn temperature(&self) -> f32 {
        let own = self.update.temperature;
        own.unwrap_or_else(|| self.objective.default_temperature())
    }

    /// Whether it can be run at all; models and files are not looked at.
    ///
    /// # Errors
    /// [`Error::Spec`] with the first field that cannot, and why.
    pub fn check(&self) -> Result<()> {
        let refuse = |field: &str, reason: &str| Err(Error::spec(field, reason));
        let UpdateSpec {
            learning_rate,
            batch,
            items,
            group,
            ..
        } = self.update;
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return refuse("update.learning_rate", tr!("must be above 0"));
        }
        for (field, n) in [
            ("update.batch", batch),
            ("update.items", items),
            ("baselines.orders", self.baselines.orders),
            ("baselines.max_votes", self.baselines.max_votes),
        ] {
            if n == 0 {
                return refuse(field, tr!("must be at least 1"));
            }
        }
        let temperature = self.temperature();
        if !(temperature > 0.0 && temperature.is_finite()) {
            return refuse("update.temperature", tr!("must be above 0"));
        }
        if self
            .update
            .clip_norm
            .is_some_and(|norm| norm.is_nan() || norm <= 0.0)
        {
            return refuse("update.clip_norm", tr!("must be above 0, or None"));
        }
        let StopSpec {
            budget_tokens,
            budget_secs,
            max_drift,
            ..
        } = self.stops;
        for (field, most) in [
            ("stops.budget_tokens", budget_tokens),
            ("stops.budget_secs", budget_secs),
            ("stops.max_drift", max_drift),
        ] {
            if most.is_some_and(|most| most.is_nan() || most <= 0.0) {
                return refuse(field, tr!("must be above 0, or None"));
            }
        }
        if self.stops.guide_calls == Some(0) && self.objective.is_guided() {
            return refuse("stops.guide_calls", tr!("must be at least 1, or None"));
        }
        if self.task.max_new_tokens == Some(0) {
            return refuse("task.max_new_tokens", tr!("must be at least 1"));
        }
        if self.objective.compares_answers() && group < 2 {
            return refuse(
                "update.group",
                tr!("must be at least 2, since the objective compares answers"),
            );
        }
        if self.mode == Mode::Pool && self.task.pool == self.task.split {
            let reason =
                tr!("is the split that is scored; choose another split, or the mode Shared");
            return refuse("task.pool", reason);
        }
        self.objective.check(self.mode, self.task.benchmark)?;
        match (&self.guide, self.objective.is_guided()) {
            (None, true) => refuse(
                "guide",
                tr!("is None, but the objective needs a guide; choose Local, Http or Recorded"),
            ),
            (Some(guide), true) => guide.check(&self.objective, self.task.benchmark),
            (Some(_), false) => refuse("guide", tr!("is not used by the objective; choose None")),
            (None, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
