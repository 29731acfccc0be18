//! Token shifts that are tuned beside S_0: their gradients, and that every way through
//! a text begins with them.

use burn::tensor::{Device, Tensor, TensorData};
use gosling::model::generate::Generation;
use gosling::model::tokenizer::Tokenizer;
use gosling::model::{LossOptions, Model, TapeOptions};
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::states::state_file::TunedState;

use crate::gradients::check_slope;
use crate::reference::differentiate_shifts;
use crate::support::{assert_close, values};
use crate::{TEXT, logits, model, tokens, wave};

/// A state far from zero, with token shifts as large as normalised inputs are.
fn shifted(model: &Model) -> Tuned {
    let config = model.config();
    let mut state = TunedState::zero(config);
    for (layer, values) in state.layers.iter_mut().enumerate() {
        *values = wave(values.len(), layer as f32, 0.05);
    }
    let shifts = |layer: usize| wave(2 * config.n_embd, 0.7 + layer as f32, 0.8);
    state.shifts = Some((0..config.n_layer).map(shifts).collect());
    state.into()
}

/// Loss of predicting the text, and gradients from `first_layer` on: of S_0, of the
/// shifts of time mixing and of those of channel mixing.
struct Objective {
    loss: f64,
    state: Vec<f32>,
    shifts: Vec<f32>,
}

fn objective(tuned: &Tuned, model: &Model, device: &Device, options: TapeOptions) -> Objective {
    let ids = tokens(device);
    let all = values(ids.clone().float());
    let targets: Vec<u32> = all[1..].iter().map(|id| *id as u32).collect();
    let at: Vec<u32> = (0..targets.len() as u32).collect();
    let state = tuned.start(device).state(model.config(), 1, device);
    let (x, tape) = model.forward_taped(ids, state, options);
    let wanted = LossOptions {
        gradient_scale: Some(1.0),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, wanted);
    let (layers, front) = model.backward_of_window(tape, loss.dx.unwrap(), None, None);
    let shifts = front.token_shifts().into_iter().flat_map(values);
    Objective {
        loss: f64::from(values(loss.sum)[0]),
        state: layers
            .into_iter()
            .flat_map(|layer| values(layer.state))
            .collect(),
        shifts: shifts.collect(),
    }
}

fn options(first_layer: usize, recompute: bool) -> TapeOptions {
    TapeOptions {
        first_layer,
        token_shifts: true,
        recompute,
    }
}

/// The twin: the whole model in plain operations, which Burn differentiates.
#[test]
fn gradients_of_token_shifts_are_those_of_autodiff() {
    let device = Device::flex();
    let model = model(&device);
    let tuned = shifted(&model);
    let ids: Vec<i32> = tokens(&device).into_data().iter::<i32>().collect();
    let want = differentiate_shifts(&tuned, &ids);
    let config = model.config();
    let n_state = config.n_head * config.head_size * config.head_size;
    for (first_layer, recompute) in [(0, false), (0, true), (3, false)] {
        let got = objective(&tuned, &model, &device, options(first_layer, recompute));
        let what = format!("from layer {first_layer}, recompute {recompute}");
        assert!((got.loss / want.loss - 1.0).abs() < 1e-5, "{what}");
        let check = |name: &str, got: &[f32], want: &[f32]| {
            let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(largest > 0.0, "{name}, {what}");
            assert_close(&format!("{name}, {what}"), got, want, 1e-4 * largest, 0.0);
        };
        check("S_0", &got.state, &want.state[first_layer * n_state..]);
        let shifts = &want.shifts[first_layer * 2 * config.n_embd..];
        check("token shifts", &got.shifts, shifts);
    }
}

#[test]
fn gradients_of_token_shifts_are_slopes() {
    let device = Device::flex();
    let model = model(&device);
    let tuned = shifted(&model);
    let n_embd = model.config().n_embd;
    let gradients = objective(&tuned, &model, &device, options(0, false));
    // Those of one kind alone, in the first layer and in all.
    for (what, chosen) in [
        ("time mixing", [true, false]),
        ("channel mixing", [false, true]),
    ] {
        for n_layer in [1, model.config().n_layer] {
            let is_chosen = |at: usize| chosen[at / n_embd % 2] && at / (2 * n_embd) < n_layer;
            let own = gradients.shifts.iter().enumerate();
            let own: Vec<f32> = own
                .map(|(at, g)| if is_chosen(at) { *g } else { 0.0 })
                .collect();
            check_slope(&format!("{what} of {n_layer} layers"), &own, |change| {
                let mut tuned = tuned.clone();
                let shifts = tuned.state.shifts.as_mut().unwrap();
                let mut all = shifts.concat();
                change(&mut all);
                *shifts = all.chunks(2 * n_embd).map(<[f32]>::to_vec).collect();
                objective(&tuned, &model, &device, options(0, false)).loss
            });
        }
    }
}

/// Token by token and all at once, one text and several, and nothing where they are
/// scaled away.
#[test]
fn every_way_through_a_text_begins_with_the_token_shifts() {
    let device = Device::flex();
    let model = model(&device);
    let tuned = shifted(&model);
    let start = tuned.start(&device);
    let whole = logits(&model, &start, &device);
    let mut alone = tuned.clone();
    alone.state.shifts = None;
    let without = logits(&model, &alone.start(&device), &device);
    assert!(whole != without);
    let n_vocab = model.config().vocab_size;
    // The first token sees them, and few later ones would show it by themselves.
    let first = |of: &[f32]| of[..n_vocab].to_vec();
    assert!(first(&whole) != first(&without));
    let mut text = Generation::new(&model, &device, Some(&start), &[]).unwrap();
    let ids = Tokenizer::mini().unwrap().encode(TEXT);
    for (t, id) in ids.iter().enumerate() {
        for (got, want) in text.logits().iter().zip(&whole[t * n_vocab..]) {
            assert!((got - want).abs() < 1e-4 * (1.0 + want.abs()), "token {t}");
        }
        text.push(*id).unwrap();
    }
    let two = start.state(model.config(), 2, &device);
    let ids: Vec<i32> = tokens(&device).into_data().iter::<i32>().collect();
    let shape = [2, ids.len()];
    let both = Tensor::from_data(
        TensorData::new([&ids[..], &ids[..]].concat(), shape),
        &device,
    );
    let both = values(model.forward(both, two).0);
    let bound = whole.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    for half in both.chunks(whole.len()) {
        assert_close("a batch", half, &whole, 1e-4 * bound, 0.0);
    }
    let nothing = tuned.scaled(0.0).start(&device);
    let zero = Tuned::from(TunedState::zero(model.config())).start(&device);
    assert!(logits(&model, &nothing, &device) == logits(&model, &zero, &device));
}
