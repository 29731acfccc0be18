//! The estimate against what a pass really keeps.

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::model::random::SHAPE_0_1B;
use crate::model::{Model, TapeOptions, mini};
use crate::tuning::method::lora_values::{LoraFactors, LoraValues};
use crate::tuning::method::tuned::{LiftValues, Tuned};
use crate::tuning::spec::LoraTargets;
use crate::tuning::states::state_file::TunedState;

/// Lifted states of every kind, with every part that a tape may hold.
fn all_branches() -> Vec<Option<LiftValues>> {
    let kinds = [
        LiftKind::Constant,
        LiftKind::Decayed,
        LiftKind::Recurrent,
        LiftKind::PaperLiteral,
    ];
    let parts = [(false, false), (true, false), (true, true)];
    let mut all = vec![None];
    for kind in kinds {
        all.extend(parts.map(|(has_r, centres)| Some(lifted(kind, has_r, centres))));
    }
    all
}

fn lifted(kind: LiftKind, has_r: bool, centres: bool) -> LiftValues {
    let (l, h, n, m) = (6, 4, 64, 144);
    LiftValues {
        layers: (0..l).collect(),
        n_head: h,
        head_size: n,
        upscaled_size: m,
        kind,
        projection_seed: 0,
        weights: vec![0.0; l * h * n * m],
        gate: (kind == LiftKind::Recurrent).then(|| vec![0.0; l * h]),
        support_vectors: vec![0.125; l * h * m * n],
        gamma: vec![1.0; l * h],
        decorrelation: has_r.then(|| vec![0.0; l * h * m * m]),
        mean: centres.then(|| vec![0.0; l * h * m]),
    }
}

/// The estimate against the tensors that a forward pass really keeps.
#[test]
fn activations_are_those_that_are_kept() {
    let device = Device::flex();
    let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
    for lift in all_branches() {
        check_activations(&model, lift);
    }
}

fn check_activations(model: &Model, lift: Option<LiftValues>) {
    let device = Device::flex();
    let config = model.config();
    let branch = lift.as_ref().map(|lift| BranchShape {
        upscaled_size: lift.upscaled_size,
        has_decorrelation: lift.decorrelation.is_some(),
        is_centred: lift.mean.is_some(),
        kind: lift.kind,
    });
    let mut tuned = Tuned::from(TunedState::zero(config));
    tuned.lift = lift;
    for (first_layer, batch, tokens) in [(0, 2, 48), (3, 1, 33), (5, 3, 16)] {
        let ids = vec![1_i32; batch * tokens];
        let ids = Tensor::from_data(TensorData::new(ids, [batch, tokens]), &device);
        let options = TapeOptions {
            first_layer,
            recompute: false,
            token_shifts: false,
        };
        if let Some(lift) = &mut tuned.lift {
            let kept = config.n_layer - first_layer;
            let per_layer = |values: &mut Vec<f32>| {
                values.truncate(values.len() / lift.layers.len() * kept);
            };
            let optional = [&mut lift.gate, &mut lift.decorrelation, &mut lift.mean];
            optional.into_iter().flatten().for_each(per_layer);
            let own = [
                &mut lift.weights,
                &mut lift.support_vectors,
                &mut lift.gamma,
            ];
            own.into_iter().for_each(per_layer);
            lift.layers = (first_layer..config.n_layer).collect();
        }
        let state = tuned.start(&device).state(config, batch, &device);
        let (_, tape) = model.forward_taped(ids, state, options);
        let shape = StepShape {
            batch,
            tokens,
            counted: 10,
            first_layer,
            tuned_layers: config.n_layer - first_layer,
            recompute: false,
            window: None,
            precision: Precision::F32,
            branch,
            adapters: None,
            token_shifts: false,
        };
        let estimate = MemoryEstimate::new(config, &shape);
        assert_eq!(estimate.activations, tape.n_bytes() as u64, "{shape:?}");
    }
}

/// The same where the pass reaches the token shifts of the first tuned layer.
#[test]
fn activations_with_token_shifts_are_those_that_are_kept() {
    let device = Device::flex();
    let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
    let config = model.config();
    for (first_layer, batch, tokens) in [(0, 2, 48), (3, 1, 33)] {
        let ids = vec![1_i32; batch * tokens];
        let ids = Tensor::from_data(TensorData::new(ids, [batch, tokens]), &device);
        let options = TapeOptions {
            first_layer,
            token_shifts: true,
            recompute: false,
        };
        let start = Tuned::from(TunedState::zero(config)).start(&device);
        let (_, tape) = model.forward_taped(ids, start.state(config, batch, &device), options);
        let shape = StepShape {
            batch,
            tokens,
            counted: 10,
            first_layer,
            tuned_layers: config.n_layer - first_layer,
            recompute: false,
            window: None,
            precision: Precision::F32,
            branch: None,
            adapters: None,
            token_shifts: true,
        };
        let estimate = MemoryEstimate::new(config, &shape);
        assert_eq!(estimate.activations, tape.n_bytes() as u64, "{shape:?}");
    }
}

/// The same with adapters beside all matrices, or beside some.
#[test]
fn activations_with_adapters_are_those_that_are_kept() {
    let device = Device::flex();
    let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
    let config = model.config();
    let some = LoraTargets {
        value: false,
        ffn_key: false,
        ..LoraTargets::default()
    };
    for targets in [LoraTargets::default(), some] {
        for (first_layer, batch, tokens) in [(0, 2, 48), (3, 1, 33)] {
            let ids = vec![1_i32; batch * tokens];
            let ids = Tensor::from_data(TensorData::new(ids, [batch, tokens]), &device);
            let options = TapeOptions {
                first_layer,
                recompute: false,
                token_shifts: false,
            };
            let n = config.n_layer - first_layer;
            let rank = 4;
            let factors = targets.chosen().into_iter().map(|target| {
                let [n_out, n_in] = target.dims(config);
                LoraFactors {
                    target,
                    n_out,
                    n_in,
                    a: vec![0.5; n * rank * n_in],
                    b: vec![0.0; n * n_out * rank],
                }
            });
            let mut tuned = Tuned::from(TunedState::zero(config));
            tuned.lora = Some(LoraValues {
                layers: (first_layer..config.n_layer).collect(),
                rank,
                alpha: 4.0,
                factors: factors.collect(),
            });
            let state = tuned.start(&device).state(config, batch, &device);
            let (_, tape) = model.forward_taped(ids, state, options);
            let shape = StepShape {
                batch,
                tokens,
                counted: 10,
                first_layer,
                tuned_layers: n,
                recompute: false,
                window: None,
                precision: Precision::F32,
                branch: None,
                adapters: Some(AdapterShape {
                    rank,
                    targets,
                    drops: false,
                }),
                token_shifts: false,
            };
            let estimate = MemoryEstimate::new(config, &shape);
            assert_eq!(estimate.activations, tape.n_bytes() as u64, "{shape:?}");
        }
    }
}

#[test]
fn the_largest_tensor_of_a_recurrence_is_that_of_its_kernels() {
    let config = ModelConfig {
        n_head: 32,
        n_embd: 2048,
        n_ffn: 8192,
        ..SHAPE_0_1B
    };
    let of = |kind| {
        let shape = StepShape {
            batch: 16,
            tokens: 512,
            counted: 16,
            first_layer: 0,
            tuned_layers: 12,
            recompute: false,
            window: None,
            precision: Precision::F32,
            branch: Some(BranchShape {
                upscaled_size: 512,
                has_decorrelation: true,
                is_centred: true,
                kind,
            }),
            adapters: None,
            token_shifts: false,
        };
        MemoryEstimate::new(&config, &shape).largest_tensor
    };
    let rows = 16 * 512 * 32;
    // The packed gradient of r, w, k, removal and write, and of v.
    assert_eq!(of(LiftKind::Recurrent), 4 * rows * (5 * 512 + 64));
    // Six vectors of every token, lifted and stacked.
    assert_eq!(of(LiftKind::PaperLiteral), 4 * rows * 6 * 512);
}

/// What is held between windows, against the states that a forward pass gives.
#[test]
fn what_is_carried_is_a_state_for_every_window() {
    let device = Device::flex();
    let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
    let config = model.config();
    for lift in all_branches() {
        let branch = lift.as_ref().map(|lift| BranchShape {
            upscaled_size: lift.upscaled_size,
            has_decorrelation: lift.decorrelation.is_some(),
            is_centred: lift.mean.is_some(),
            kind: lift.kind,
        });
        let mut tuned = Tuned::from(TunedState::zero(config));
        tuned.lift = lift;
        let ids = Tensor::from_data(TensorData::new(vec![1_i32; 6], [2, 3]), &device);
        let state = tuned.start(&device).state(config, 2, &device);
        let after = model.advance(ids, state);
        let n_values = |dims: &[usize]| dims.iter().product::<usize>();
        let of_layer = |layer: &crate::model::state::LayerState| {
            let branch = layer.branch.as_ref();
            let moving = branch
                .and_then(|it| it.state())
                .map(|it| n_values(&it.dims()));
            let left = branch
                .and_then(|it| it.left())
                .map(|it| n_values(&it.dims()));
            n_values(&layer.time_shift.dims())
                + n_values(&layer.wkv.dims())
                + layer
                    .channel_shift
                    .as_ref()
                    .map_or(0, |it| n_values(&it.dims()))
                + moving.or(left).unwrap_or(0)
        };
        let of_state: usize = after.layers.iter().map(of_layer).sum();
        let shape = StepShape {
            batch: 2,
            tokens: 160,
            counted: 64,
            first_layer: 0,
            tuned_layers: 6,
            recompute: false,
            window: Some(32),
            precision: Precision::F32,
            branch,
            adapters: None,
            token_shifts: false,
        };
        let estimate = MemoryEstimate::new(config, &shape);
        // Five windows: four boundaries, and two gradients.
        assert_eq!(estimate.carried, 4 * 6 * of_state as u64, "{branch:?}");
        let one = MemoryEstimate::new(
            config,
            &StepShape {
                tokens: 32,
                ..shape
            },
        );
        assert_eq!((one.carried, one.activations), (0, estimate.activations));
        assert_eq!(one.working, estimate.working);
    }
}

#[test]
fn memory_grows_as_the_batch_and_not_as_the_weights() {
    let config = crate::model::ModelConfig::from_checkpoint(&mini::checkpoint().unwrap());
    let config = config.unwrap();
    let of = |batch, recompute| {
        let shape = StepShape {
            batch,
            tokens: 128,
            counted: 64,
            first_layer: 0,
            tuned_layers: 6,
            recompute,
            window: None,
            precision: Precision::F32,
            branch: None,
            adapters: None,
            token_shifts: false,
        };
        MemoryEstimate::new(&config, &shape)
    };
    assert_eq!(of(8, false).activations, 8 * of(1, false).activations);
    assert_eq!(of(8, false).weights, of(1, false).weights);
    assert_eq!(of(1, false).state, 4 * 6 * 4 * 64 * 64 * 4);
    assert!(of(8, true).total() < of(8, false).total() / 2);
}
