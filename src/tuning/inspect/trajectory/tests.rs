use super::*;
use crate::model::mini;
use crate::tuning::states::state_file::TunedState;

const PLACE: Place = Place { layer: 2, head: 1 };

fn model(device: &Device) -> Model {
    Model::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap()
}

/// A state and a decaying branch that are not zero.
fn tuned(model: &Model) -> Tuned {
    let mut state = TunedState::zero(model.config());
    for (idx, value) in state.layers.iter_mut().flatten().enumerate() {
        *value = ((idx % 97) as f32 - 48.0) * 0.01;
    }
    let (h, n, m) = (4, 64, 64);
    let numbers = |count: usize| (0..count).map(|i| (i as f32 * 0.7).sin() * 0.1).collect();
    let mut unit = vec![0.0; h * m * n];
    unit.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
    Tuned {
        state,
        lora: None,
        lift: Some(LiftValues {
            layers: vec![2],
            n_head: h,
            head_size: n,
            upscaled_size: m,
            kind: LiftKind::Decayed,
            gate: None,
            projection_seed: 1,
            weights: numbers(h * n * m),
            support_vectors: unit,
            gamma: vec![1.0; h],
            decorrelation: None,
            mean: None,
        }),
    }
}

fn follow(model: &Model, tuned: Option<&Tuned>, tokens: &[u32]) -> Result<Trajectory> {
    let device = Device::flex();
    let zero = TextStart::Zero;
    Trajectory::follow(model, &device, tuned, zero, tokens, PLACE, &mut |_, _| {
        Ok(())
    })
}

fn assert_close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!(
            (got - want).abs() <= 1e-4 * want.abs() + 1e-5,
            "{got} {want}"
        );
    }
}

#[test]
fn the_last_state_is_that_of_the_whole_text_at_once() {
    let device = Device::flex();
    let model = model(&device);
    let tuned = tuned(&model);
    let text: Vec<u32> = (10..45).collect();
    let got = follow(&model, Some(&tuned), &text).unwrap();
    assert_eq!((got.tokens.len(), got.states.len()), (36, 37));
    let of_head = |state: &TunedState| state.layers[2][64 * 64..][..64 * 64].to_vec();
    assert_eq!(got.states[0], of_head(&tuned.state));
    assert_eq!(
        got.lifted_at(0).unwrap(),
        got.lifted.as_ref().unwrap().start
    );
    // The parallel path, whose state after the text is known.
    let ids: Vec<i32> = got.tokens.iter().map(|id| id.cast_signed()).collect();
    let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [1, 36]), &device);
    let start = tuned.start(&device).state(model.config(), 1, &device);
    let (_, after) = model.hidden(ids, start);
    let layer = &after.layers[2];
    let wkv = read_f32(layer.wkv.clone().narrow(1, 1, 1)).unwrap();
    assert_close(&got.states[36], &wkv);
    let left = layer.branch.as_ref().unwrap().left().unwrap();
    let left = read_f32(left.clone().narrow(1, 1, 1)).unwrap();
    assert!(left.iter().any(|x| *x < 0.9), "nothing decays");
    let start = &got.lifted.as_ref().unwrap().start;
    let want: Vec<f32> = start
        .iter()
        .enumerate()
        .map(|(i, z)| z * left[i % 64])
        .collect();
    assert_close(&got.lifted_at(36).unwrap(), &want);
}

/// The lifted state of a recurrence after a text, token by token and at once.
#[test]
fn a_moving_branch_is_followed() {
    let device = Device::flex();
    let model = model(&device);
    let mut tuned = tuned(&model);
    if let Some(lift) = &mut tuned.lift {
        lift.kind = LiftKind::Recurrent;
        lift.gate = Some(vec![0.5; 4]);
    }
    let text: Vec<u32> = (10..30).collect();
    let got = follow(&model, Some(&tuned), &text).unwrap();
    let ids: Vec<i32> = got.tokens.iter().map(|id| id.cast_signed()).collect();
    let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [1, 21]), &device);
    let start = tuned.start(&device).state(model.config(), 1, &device);
    let (_, after) = model.hidden(ids, start);
    let state = after.layers[2].branch.as_ref().unwrap().state().unwrap();
    let want = read_f32(state.clone().narrow(1, 1, 1)).unwrap();
    assert_close(&got.lifted_at(21).unwrap(), &want);
    assert_ne!(got.lifted_at(0), got.lifted_at(21));
}

#[test]
fn a_constant_branch_does_not_change_and_the_untuned_model_has_none() {
    let model = model(&Device::flex());
    let mut lifted = tuned(&model);
    if let Some(lift) = &mut lifted.lift {
        lift.kind = LiftKind::Constant;
    }
    let got = follow(&model, Some(&lifted), &[5, 6]).unwrap();
    assert_eq!(got.lifted_at(0), got.lifted_at(2));
    let (device, none) = (Device::flex(), TextStart::None);
    let without = Trajectory::follow(
        &model,
        &device,
        Some(&lifted),
        none,
        &[5, 6],
        PLACE,
        &mut |_, _| Ok(()),
    );
    assert_eq!(without.unwrap().tokens, [5, 6]);
    let untuned = follow(&model, None, &[5, 6]).unwrap();
    assert_eq!(untuned.lifted, None);
    assert!(untuned.states[0].iter().all(|x| *x == 0.0));
    assert_ne!(untuned.states[1], untuned.states[2]);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let device = Device::flex();
    let model = model(&device);
    let refuse = |tokens: &[u32], layer, head| {
        let place = Place { layer, head };
        let zero = TextStart::Zero;
        let followed =
            Trajectory::follow(&model, &device, None, zero, tokens, place, &mut |_, _| {
                Ok(())
            });
        followed.unwrap_err().to_string()
    };
    assert_eq!(refuse(&[1], 6, 0), "layer: must be 0 to 5, is 6");
    assert_eq!(refuse(&[1], 0, 4), "head: must be 0 to 3, is 4");
    assert!(refuse(&[1; MAX_TOKENS + 1], 0, 0).starts_with("text: has 4097 tokens"));
    assert!(refuse(&[4096], 0, 0).starts_with("vocabulary: has the token 4096"));
    let mut stop = |_, _| Err(Error::Stopped);
    let none = TextStart::None;
    let stopped = Trajectory::follow(&model, &device, None, none, &[1; 40], PLACE, &mut stop);
    assert!(matches!(stopped, Err(Error::Stopped)));
}
