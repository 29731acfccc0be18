//! The numbers of steps: kept on the device, read back together.

use burn::tensor::Tensor;

use crate::error::Result;
use crate::kernels::device::read_back::read_f32;
use crate::model::branch::BranchGuard;

/// The numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepNumbers {
    /// Steps taken, from 1.
    pub step: usize,
    /// Mean nats a counted token, before the step's update.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The part of it in S_0; 0 where S_0 is not trained.
    pub state_grad_norm: f64,
    /// Norm of S_0 over the tuned layers after the update.
    pub state_norm: f64,
    /// The learning rate used.
    pub learning_rate: f64,
    /// Numbers of the branch, of a lifted run.
    pub lift: Option<LiftNumbers>,
    /// Numbers of the adapters, of a LoRA run.
    pub lora: Option<LoraNumbers>,
}

/// Numbers of the adapters of a LoRA run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoraNumbers {
    /// Norm of all A and B together after the update.
    pub norm: f64,
    /// Norm of their gradient before clipping.
    pub grad_norm: f64,
}

/// Numbers of the branch of a lifted run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiftNumbers {
    /// Norm of Z over the tuned layers after the update.
    pub norm: f64,
    /// Norm of the gradient in Z before clipping.
    pub grad_norm: f64,
    /// The same in R, where it is trained with the rest.
    pub r_grad_norm: Option<f64>,
    /// The mean magnitude of the write gates, of a recurrent one.
    pub gate: Option<f64>,
    /// Of the paper's recurrence as it is printed.
    pub literal: Option<LiteralNumbers>,
    /// Where R was looked at in this step.
    pub decorrelation: Option<DecorrelationNumbers>,
}

/// What the guard of the paper's recurrence saw while a step read its texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiteralNumbers {
    /// Share of the decays that were outside 0 to 1 and clamped.
    pub clamped: f64,
    /// The largest magnitude in the states, seen at every stored state and
    /// after the last token.
    pub largest: f64,
}

/// What R makes of the features of a step, before its update; means over
/// layers and heads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecorrelationNumbers {
    /// L_decor.
    pub loss: f64,
    /// Mean |corr_ij| of two different features.
    pub off_diagonal: f64,
    /// Root mean square of z.
    pub rms: f64,
    /// |R|, after the update.
    pub norm: f64,
}

/// A step that was not sound, and so changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The step, from 1.
    pub step: usize,
    /// Layer, head and numbers, for the user.
    pub detail: String,
}

/// A state of the paper's recurrence with a number above this ends the run.
pub(super) const MAX_LITERAL_STATE: f64 = 1e4;

/// Numbers of [`LiteralNumbers`].
const N_LITERAL: usize = 2;
/// Numbers of [`DecorrelationNumbers`].
const N_DECORRELATION: usize = 4;

/// Steps whose numbers are still on the device.
#[derive(Debug)]
pub(super) struct Pending {
    layers: Vec<usize>,
    n_head: usize,
    steps: Vec<PendingStep>,
    divergence: Option<Divergence>,
}

#[derive(Debug)]
struct PendingStep {
    step: usize,
    learning_rate: f64,
    has_lift: bool,
    has_lora: bool,
    has_shifts: bool,
    has_r_gradient: bool,
    has_gate: bool,
    has_literal: bool,
    has_decorrelation: bool,
    record: Tensor<1>,
}

/// The numbers of a step on the device.
pub(super) struct StepTensors {
    /// `[1]`.
    pub loss: Tensor<1>,
    /// Of the gradient, `[1]`.
    pub norm: Tensor<1>,
    /// Sums of squares of the gradient of every head in S_0, [layers, H].
    pub gradient: Tensor<2>,
    /// The same of S_0 after the step.
    pub state: Tensor<2>,
    /// Of the branch, of a lifted run.
    pub lift: Option<BranchSquares>,
    /// Of the adapters, of a LoRA run.
    pub lora: Option<LoraSquares>,
    /// Of the token shifts, where they are trained.
    pub shifts: Option<ShiftSquares>,
    /// The mean magnitude of the write gates, `[1]`.
    pub gate: Option<Tensor<1>>,
    /// What watches over the paper's recurrence.
    pub guard: Option<BranchGuard>,
    /// In the order of [`DecorrelationNumbers`].
    pub decorrelation: Option<Tensor<1>>,
}

/// The numbers of all adapters on the device, `[1]` each.
pub(super) struct LoraSquares {
    /// The sum of squares of their gradient.
    pub gradient: Tensor<1>,
    /// The same of A and B after the step.
    pub weights: Tensor<1>,
}

/// The numbers of the token shifts on the device, `[1]` each.
pub(super) struct ShiftSquares {
    /// The sum of squares of their gradient.
    pub gradient: Tensor<1>,
    /// The same of the shifts after the step.
    pub values: Tensor<1>,
}

/// The numbers of a branch on the device.
pub(super) struct BranchSquares {
    /// Sums of squares of the gradient of every head in Z, [layers, H].
    pub gradient: Tensor<2>,
    /// The same of Z after the step.
    pub weights: Tensor<2>,
    /// The sum of squares of the gradient in R, `[1]`, where it is trained.
    pub r_gradient: Option<Tensor<1>>,
}

impl Pending {
    pub(crate) fn new(layers: Vec<usize>, n_head: usize) -> Self {
        Self {
            layers,
            n_head,
            steps: Vec::new(),
            divergence: None,
        }
    }

    pub(crate) fn push(&mut self, step: usize, learning_rate: f64, tensors: StepTensors) {
        let flat = |x: Tensor<2>| {
            let n = x.dims().iter().product::<usize>();
            x.reshape([n])
        };
        let (of_lift, has_r_gradient) = match tensors.lift {
            Some(lift) => {
                let has_r_gradient = lift.r_gradient.is_some();
                let mut parts = vec![flat(lift.gradient), flat(lift.weights)];
                parts.extend(lift.r_gradient);
                (parts, has_r_gradient)
            }
            None => (Vec::new(), false),
        };
        let has_lift = !of_lift.is_empty();
        let has_decorrelation = tensors.decorrelation.is_some();
        let mut parts = vec![
            tensors.loss,
            tensors.norm,
            flat(tensors.gradient),
            flat(tensors.state),
        ];
        parts.extend(of_lift);
        let has_lora = tensors.lora.is_some();
        parts.extend(
            tensors
                .lora
                .into_iter()
                .flat_map(|lora| [lora.gradient, lora.weights]),
        );
        let has_shifts = tensors.shifts.is_some();
        parts.extend(
            tensors
                .shifts
                .into_iter()
                .flat_map(|shifts| [shifts.gradient, shifts.values]),
        );
        let (has_gate, has_literal) = (tensors.gate.is_some(), tensors.guard.is_some());
        parts.extend(tensors.gate);
        parts.extend(
            tensors
                .guard
                .into_iter()
                .flat_map(|guard| [guard.clamped, guard.largest]),
        );
        parts.extend(tensors.decorrelation);
        self.steps.push(PendingStep {
            step,
            learning_rate,
            has_lift,
            has_lora,
            has_shifts,
            has_r_gradient,
            has_gate,
            has_literal,
            has_decorrelation,
            record: Tensor::cat(parts, 0),
        });
    }

    pub(crate) fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_ref()
    }

    pub(crate) fn read(&mut self, limits: Limits) -> Result<Vec<StepNumbers>> {
        if self.steps.is_empty() {
            return Ok(Vec::new());
        }
        let steps = std::mem::take(&mut self.steps);
        let records = steps.iter().map(|step| step.record.clone()).collect();
        let values = read_f32(Tensor::cat(records, 0))?;
        let mut rest = values.as_slice();
        let mut numbers = Vec::with_capacity(steps.len());
        for step in &steps {
            let record = self.take(step, &mut rest);
            numbers.push(record.numbers(step));
            if self.divergence.is_none() {
                let detail = self.trouble(&record, limits);
                self.divergence = detail.map(|detail| Divergence {
                    step: step.step,
                    detail,
                });
            }
        }
        Ok(numbers)
    }

    fn take<'v>(&self, step: &PendingStep, rest: &mut &'v [f32]) -> Record<'v> {
        let n_heads = self.layers.len() * self.n_head;
        let mut next = |n: usize| {
            let (part, behind) = rest.split_at(n);
            *rest = behind;
            part
        };
        Record {
            scalars: next(2),
            gradient: next(n_heads),
            state: next(n_heads),
            lift: step.has_lift.then(|| LiftRecord {
                gradient: next(n_heads),
                weights: next(n_heads),
                r_gradient: step.has_r_gradient.then(|| next(1)[0]),
            }),
            lora: step.has_lora.then(|| next(2)),
            shifts: step.has_shifts.then(|| next(2)),
            gate: step.has_gate.then(|| next(1)),
            literal: step.has_literal.then(|| next(N_LITERAL)),
            decorrelation: step.has_decorrelation.then(|| next(N_DECORRELATION)),
        }
    }

    /// What is wrong with a step, if anything is.
    fn trouble(&self, record: &Record<'_>, limits: Limits) -> Option<String> {
        let place = |idx: usize| {
            let (layer, head) = (self.layers[idx / self.n_head], idx % self.n_head);
            tr!("layer {layer}, head {head}", layer, head)
        };
        if let Some(largest) = record.literal.map(|numbers| f64::from(numbers[1]))
            && (largest.is_nan() || largest > MAX_LITERAL_STATE)
        {
            return Some(tr!(
                "the paper's recurrence reached a state of {largest} while it read the texts; a larger gamma, with which fewer kernels fire, may help",
                largest = format_args!("{largest:.3e}")
            ));
        }
        let of_lift = record.lift.as_ref().map_or(&[][..], |lift| lift.gradient);
        let total: f32 = record.gradient.iter().chain(of_lift).sum();
        if !total.is_finite() || !record.scalars[1].is_finite() {
            let worst = |squares: &[f32]| squares.iter().position(|x| !x.is_finite());
            let worst = worst(record.gradient).or_else(|| worst(of_lift));
            let of_adapters = record.lora.is_some_and(|lora| !lora[0].is_finite());
            let of_shifts = record.shifts.is_some_and(|shifts| !shifts[0].is_finite());
            let everything = match (of_adapters, of_shifts) {
                (true, _) => tr!("the adapters"),
                (false, true) => tr!("the token shifts"),
                (false, false) => tr!("all heads together"),
            };
            let at = worst.map_or_else(|| everything.to_owned(), place);
            let loss = record.scalars[0];
            return Some(tr!(
                "the gradient of {at} is not finite (loss {loss}); a lower learning rate may help",
                at,
                loss = format_args!("{loss:.4}")
            ));
        }
        let too_large = |squares: &[f32], limit: f64| {
            let roots = squares.iter().map(|square| f64::from(*square).sqrt());
            let mut roots = roots.enumerate();
            roots.find(|(_, norm)| !norm.is_finite() || *norm > limit)
        };
        if let Some((worst, norm)) = too_large(record.state, limits.state) {
            return Some(tr!(
                "the state of {} would have norm {norm}; a lower learning rate may help",
                place(worst),
                norm = format_args!("{norm:.3e}")
            ));
        }
        if let Some(lora) = record.lora
            && let Some((_, norm)) = too_large(&lora[1..], limits.lora)
        {
            return Some(tr!(
                "the adapters would have norm {norm}; a lower learning_rate_lora may help",
                norm = format_args!("{norm:.3e}")
            ));
        }
        if let Some(shifts) = record.shifts
            && let Some((_, norm)) = too_large(&shifts[1..], limits.shifts)
        {
            return Some(tr!(
                "the token shifts would have norm {norm}; a lower learning_rate_shift may help",
                norm = format_args!("{norm:.3e}")
            ));
        }
        let (worst, norm) = too_large(record.lift.as_ref()?.weights, limits.lift)?;
        Some(tr!(
            "the lifted state of {} would have norm {norm}; a lower learning_rate_lift may help",
            place(worst),
            norm = format_args!("{norm:.3e}")
        ))
    }
}

/// Norms of a head above which nothing is sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of S_0.
    pub state: f64,
    /// Of Z.
    pub lift: f64,
    /// Of all adapters together.
    pub lora: f64,
    /// Of all token shifts together.
    pub shifts: f64,
}

/// The numbers of one step, read back.
struct Record<'v> {
    /// Loss and norm of the gradient.
    scalars: &'v [f32],
    gradient: &'v [f32],
    state: &'v [f32],
    lift: Option<LiftRecord<'v>>,
    /// Sums of squares of the gradient and of the adapters.
    lora: Option<&'v [f32]>,
    /// Sums of squares of the gradient and of the token shifts.
    shifts: Option<&'v [f32]>,
    gate: Option<&'v [f32]>,
    literal: Option<&'v [f32]>,
    decorrelation: Option<&'v [f32]>,
}

/// The numbers of a branch, read back.
struct LiftRecord<'v> {
    gradient: &'v [f32],
    weights: &'v [f32],
    r_gradient: Option<f32>,
}

impl Record<'_> {
    fn numbers(&self, step: &PendingStep) -> StepNumbers {
        let root = |squares: &[f32]| {
            let sum: f64 = squares.iter().map(|x| f64::from(*x)).sum();
            sum.sqrt()
        };
        let of = |numbers: &[f32], idx: usize| f64::from(numbers[idx]);
        let decorrelation = self.decorrelation.map(|numbers| DecorrelationNumbers {
            loss: of(numbers, 0),
            off_diagonal: of(numbers, 1),
            rms: of(numbers, 2),
            norm: of(numbers, 3),
        });
        StepNumbers {
            step: step.step,
            loss: of(self.scalars, 0),
            grad_norm: of(self.scalars, 1),
            state_grad_norm: root(self.gradient),
            state_norm: root(self.state),
            learning_rate: step.learning_rate,
            lift: self.lift.as_ref().map(|lift| LiftNumbers {
                norm: root(lift.weights),
                grad_norm: root(lift.gradient),
                r_grad_norm: lift.r_gradient.map(|square| f64::from(square).sqrt()),
                gate: self.gate.map(|gate| of(gate, 0)),
                literal: self.literal.map(|numbers| LiteralNumbers {
                    clamped: of(numbers, 0),
                    largest: of(numbers, 1),
                }),
                decorrelation,
            }),
            lora: self.lora.map(|lora| LoraNumbers {
                norm: root(&lora[1..]),
                grad_norm: root(&lora[..1]),
            }),
        }
    }
}
