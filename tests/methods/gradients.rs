//! The gradients of the paper's methods are slopes of the whole objective.

use burn::tensor::{Device, Tensor, TensorData};
use gosling::model::state::Start;
use gosling::model::{LossOptions, Model, TapeOptions};
use gosling::tuning::method::decorrelation::DecorrelationMatrix;
use gosling::tuning::method::tuned::{LiftValues, Tuned};
use gosling::tuning::spec::{DecorrelationSpec, Dynamics, Layers, LiftKind, LiftSpec, Method};

use crate::reference::differentiate;
use crate::support::{assert_close, values};
use crate::{all_methods, at_step_0, joint, model, shaken, spec, tokens};

/// Loss of predicting the text, and gradients where they are wanted: of S_0,
/// of Z, of the write gates and of R, as in a step.
struct Objective {
    loss: f64,
    state: Vec<f32>,
    weights: Vec<f32>,
    gate: Vec<f32>,
    r: Vec<f32>,
}

/// The loss counts `lambda` times L_decor, where `spec` says how.
fn objective(
    model: &Model,
    device: &Device,
    tuned: &Tuned,
    decorrelation: Option<(f64, DecorrelationSpec)>,
) -> Objective {
    let ids = tokens(device);
    let [_, n] = ids.dims();
    let all = values(ids.clone().float());
    let targets: Vec<u32> = all[1..].iter().map(|id| *id as u32).collect();
    let at: Vec<u32> = (0..n as u32 - 1).collect();
    let lift = tuned.lift.as_ref().unwrap();
    let mut tensors = lift.tensors(device);
    tensors.trains_r = tensors.r.is_some();
    let n_layer = model.config().n_layer;
    let start = Start {
        branches: tensors.branches(n_layer),
        ..tuned.start(device)
    };
    let options = TapeOptions {
        first_layer: lift.layers[0],
        recompute: false,
        token_shifts: false,
    };
    let (x, tape) = model.forward_taped(ids, start.state(model.config(), 1, device), options);
    let options = LossOptions {
        gradient_scale: Some(1.0),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, options);
    let everywhere: Vec<i32> = (0..n as i32).collect();
    let everywhere = Tensor::from_data(TensorData::new(everywhere, [n]), device);
    let gradients = model.backward(tape, loss.dx.unwrap(), Some(&everywhere));
    let mut all = Objective {
        loss: f64::from(values(loss.sum)[0]),
        state: Vec::new(),
        weights: Vec::new(),
        gate: Vec::new(),
        r: Vec::new(),
    };
    let mut moments = Vec::new();
    let layers = gradients.into_iter().filter(|layer| layer.branch.is_some());
    for (idx, gradient) in layers.enumerate() {
        all.state.extend(values(gradient.state));
        let branch = gradient.branch.unwrap();
        moments.extend(branch.moments);
        all.gate.extend(branch.gate.map(values).unwrap_or_default());
        let z: Tensor<3> = tensors.weights.clone().narrow(0, idx, 1).squeeze_dim(0);
        let r = tensors.r.as_ref();
        let r = r.map(|r| r.clone().narrow(0, idx, 1).squeeze_dim::<3>(0));
        match (lift.kind, r) {
            (LiftKind::Constant, Some(r)) => {
                let folded = branch.weights;
                let [n_head, ..] = folded.dims();
                let [_, m, _] = r.dims();
                let r = r.expand([n_head, m, m]);
                all.weights
                    .extend(values(folded.clone().matmul(r.swap_dims(1, 2))));
                all.r.extend(values(z.swap_dims(1, 2).matmul(folded)));
            }
            (_, _) => {
                all.weights.extend(values(branch.weights));
                all.r.extend(branch.mixing.map(values).unwrap_or_default());
            }
        }
    }
    if let (Some((lambda, spec)), Some(r)) = (decorrelation, tensors.r) {
        let matrix = DecorrelationMatrix {
            spec,
            r,
            mean: tensors.mean,
        };
        let moments = matrix.second_moments(&moments);
        let a = matrix.decorrelated(&moments);
        let of_loss = values(matrix.loss(&a));
        let sum: f64 = of_loss.iter().map(|x| f64::from(*x)).sum();
        all.loss += lambda * sum / of_loss.len() as f64;
        let own = values(matrix.loss_gradient(&a, &moments) * lambda);
        all.r.iter_mut().zip(own).for_each(|(r, own)| *r += own);
    }
    all
}

/// The slope of the loss along its own gradient, by central differences.
pub fn check_slope(what: &str, gradient: &[f32], loss_at: impl Fn(&dyn Fn(&mut [f32])) -> f64) {
    let square: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
    assert!(square > 0.0, "{what}");
    let step = 0.02 / square;
    let moved = |sign: f64| {
        loss_at(&|values: &mut [f32]| {
            for (value, g) in values.iter_mut().zip(gradient) {
                *value += (sign * step * f64::from(*g)) as f32;
            }
        })
    };
    let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
    let gap = (slope / square - 1.0).abs();
    assert!(gap < 0.02, "{what}: slope {slope}, not {square}");
}

fn of_lift(tuned: &mut Tuned) -> &mut LiftValues {
    tuned.lift.as_mut().unwrap()
}

/// What is moved along its gradient.
type Part = fn(&mut LiftValues) -> Option<&mut Vec<f32>>;

#[test]
fn gradients_are_slopes_of_the_whole_objective() {
    let device = Device::flex();
    let model = model(&device);
    for method in all_methods() {
        let what = format!("{method:?}");
        let tuned = shaken(at_step_0(&model, &device, method.clone()));
        let gradients = objective(&model, &device, &tuned, None);
        let loss = |tuned: &Tuned| objective(&model, &device, tuned, None).loss;
        // A run of the paper's recurrence has no other state.
        if matches!(method, Method::Lifted(_)) {
            check_slope(&format!("S_0, {what}"), &gradients.state, |change| {
                let mut tuned = tuned.clone();
                let mut all = tuned.state.layers.concat();
                change(&mut all);
                let n = tuned.state.n_per_layer();
                tuned.state.layers = all.chunks(n).map(<[f32]>::to_vec).collect();
                loss(&tuned)
            });
        }
        let parts: [(&str, &[f32], Part); 3] = [
            ("Z", &gradients.weights, |lift| Some(&mut lift.weights)),
            ("beta", &gradients.gate, |lift| lift.gate.as_mut()),
            ("R", &gradients.r, |lift| lift.decorrelation.as_mut()),
        ];
        for (name, gradient, part) in parts {
            let mut probe = tuned.clone();
            // One R for all heads has the sum of their gradients, which a step takes.
            let len = part(of_lift(&mut probe)).map_or(0, |values| values.len());
            if len == 0 || gradient.len() != len {
                assert!(len == 0 || name == "R", "{name}, {what}");
                continue;
            }
            check_slope(&format!("{name}, {what}"), gradient, |change| {
                let mut tuned = tuned.clone();
                change(part(of_lift(&mut tuned)).unwrap());
                loss(&tuned)
            });
        }
    }
}

/// The same gradients as those that Burn finds of the objective in plain operations.
#[test]
fn gradients_are_those_of_autodiff() {
    let device = Device::flex();
    let model = model(&device);
    let ids: Vec<i32> = tokens(&device).into_data().iter::<i32>().collect();
    for method in all_methods() {
        let what = format!("{method:?}");
        let tuned = shaken(at_step_0(&model, &device, method.clone()));
        let got = objective(&model, &device, &tuned, None);
        let want = differentiate(&tuned, &ids);
        assert!(
            (got.loss / want.loss - 1.0).abs() < 1e-5,
            "{what}: {}, not {}",
            got.loss,
            want.loss
        );
        let check = |name: &str, got: &[f32], want: &[f32]| {
            let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(
                largest > 0.0 || want.is_empty() || name == "S_0",
                "{name}, {what}"
            );
            assert_close(&format!("{name}, {what}"), got, want, 1e-4 * largest, 0.0);
        };
        check("S_0", &got.state, &want.state);
        check("Z", &got.weights, &want.weights);
        check("beta", &got.gate, &want.gate);
        let m = tuned.lift.as_ref().unwrap().upscaled_size;
        // One R for all heads has the sum of their gradients.
        let n_sharing = got.r.len() / want.r.len().max(1);
        let of_r: Vec<f32> = match n_sharing {
            0 | 1 => got.r,
            _ => got
                .r
                .chunks(n_sharing * m * m)
                .flat_map(|heads| (0..m * m).map(|at| heads.iter().skip(at).step_by(m * m).sum()))
                .collect(),
        };
        check("R", &of_r, &want.r);
    }
}

/// Joint with lambda above 0. One layer, for the features of those above it
/// follow its R, which the printed gradient of L_decor does not count.
#[test]
fn the_gradient_of_r_is_the_slope_of_the_joint_objective() {
    let device = Device::flex();
    let model = model(&device);
    for dynamics in [Dynamics::Constant, Dynamics::Decayed, Dynamics::Recurrent] {
        for lambda in [5.0, 5e3] {
            let spec = LiftSpec {
                layers: Layers::Only(vec![2]),
                ..spec(dynamics, joint())
            };
            let decorrelation = Some((lambda, spec.decorrelation.unwrap()));
            let tuned = shaken(at_step_0(&model, &device, Method::Lifted(spec)));
            let gradients = objective(&model, &device, &tuned, decorrelation);
            let what = format!("{dynamics:?}, lambda {lambda}");
            check_slope(&what, &gradients.r, |change| {
                let mut tuned = tuned.clone();
                change(of_lift(&mut tuned).decorrelation.as_mut().unwrap());
                objective(&model, &device, &tuned, decorrelation).loss
            });
        }
    }
}
