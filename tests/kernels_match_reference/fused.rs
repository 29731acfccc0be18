//! The fused element-wise operators of a layer.

use burn::tensor::{Device, Gradients, Tensor};
use gosling::kernels::norm::LayerNorm;
use gosling::kernels::product::squared_relu::{
    squared_relu, squared_relu_backward, squared_relu_reference,
};
use gosling::kernels::token_mix::TokenMix;
use gosling::kernels::wkv7::prepare::{Prepare, Prepared, Projections};
use gosling::kernels::wkv7::readout::{Readout, ReadoutInputs};

use crate::support::values;
use crate::{Named, check_equal, software_gpu, u};

/// B, T, H, N with T odd, and more rows than one task has.
const SHAPE: [usize; 4] = [3, 23, 2, 32];

fn stream(q: f64, device: &Device) -> Tensor<3> {
    let [b, t, h, n] = SHAPE;
    u(q, 1.0, 0.2, [b, t, h * n], device)
}

fn heads(q: f64, device: &Device) -> Tensor<4> {
    u(q, 1.0, 0.1, SHAPE, device)
}

fn vector(q: f64, scale: f64, offset: f64, device: &Device) -> Tensor<1> {
    u(q, scale, offset, [SHAPE[2] * SHAPE[3]], device)
}

pub(crate) fn leaf<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::<D>::from_inner(x).require_grad()
}

pub(crate) fn constant<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(x)
}

pub(crate) fn gradient<const D: usize>(x: &Tensor<D>, gradients: &Gradients) -> Vec<f32> {
    values(x.grad(gradients).unwrap())
}

fn norm(epsilon: f64, device: &Device) -> LayerNorm {
    LayerNorm {
        weight: vector(10.0, 0.3, 1.0, device),
        bias: vector(11.0, 0.2, 0.1, device),
        epsilon,
    }
}

fn constant_norm(norm: LayerNorm) -> LayerNorm {
    LayerNorm {
        weight: constant(norm.weight),
        bias: constant(norm.bias),
        epsilon: norm.epsilon,
    }
}

/// Compares on the CPU and on the software adapter with the reference on the CPU.
pub(crate) fn check(what: &str, fused: impl Fn(&Device) -> Vec<Named>, reference: &[Named]) {
    check_equal(
        &format!("{what} on the CPU"),
        &fused(&Device::flex()),
        reference,
    );
    check_equal(
        &format!("{what} on a GPU"),
        &fused(&software_gpu()),
        reference,
    );
}

#[test]
fn layer_norm() {
    let [b, t, h, n] = SHAPE;
    let rows = |x: Tensor<3>| x.reshape([b * t, h * n]);
    let fused = |device: &Device| {
        let norm = norm(1e-5, device);
        let x = rows(stream(0.0, device));
        vec![
            ("y", values(norm.forward(x.clone()))),
            ("dx", values(norm.backward(x, rows(stream(1.0, device))))),
        ]
    };
    let device = Device::flex();
    let x = leaf(rows(stream(0.0, &device)));
    let y = constant_norm(norm(1e-5, &device)).reference(x.clone());
    let loss = (y.clone() * constant(rows(stream(1.0, &device)))).sum();
    let reference = [
        ("y", values(y.inner())),
        ("dx", gradient(&x, &loss.backward())),
    ];
    check("layer norm", fused, &reference);
}

/// Names of what is mixed.
const MIXED: [&str; 6] = ["r", "w", "k", "v", "a", "g"];

/// Channel mixing has one interpolation, time mixing six.
#[test]
fn token_mix() {
    check_token_mix::<1>();
    check_token_mix::<6>();
}

fn check_token_mix<const K: usize>() {
    let [b, _, h, n] = SHAPE;
    let phases = |first: usize| std::array::from_fn::<_, K, _>(|k| (first + k) as f64);
    let mix = |device: &Device| TokenMix::<K> {
        norm: norm(1e-5, device),
        mix: phases(2).map(|q| vector(q, 0.5, 0.5, device)),
    };
    let last = |device: &Device| u(8.0, 1.0, 0.0, [b, h * n], device);
    let upstream = |device: &Device| phases(9).map(|q| stream(q, device));
    let fused = |device: &Device| {
        let (mix, x) = (mix(device), stream(0.0, device));
        let output = mix.forward(x.clone(), last(device));
        let dx = mix.backward(x, upstream(device), stream(15.0, device));
        let mixed = MIXED.into_iter().zip(output.mixed.map(values));
        let mut all: Vec<_> = mixed.collect();
        all.extend([("last", values(output.last)), ("dx", values(dx))]);
        all
    };
    let device = Device::flex();
    let TokenMix { norm, mix } = mix(&device);
    let mix = TokenMix {
        norm: constant_norm(norm),
        mix: mix.map(constant),
    };
    let x = leaf(stream(0.0, &device));
    let output = mix.reference(x.clone(), constant(last(&device)));
    let onto = (x.clone() * constant(stream(15.0, &device))).sum();
    let loss = output
        .mixed
        .iter()
        .zip(upstream(&device))
        .fold(onto, |sum, (y, dy)| sum + (y.clone() * constant(dy)).sum());
    let dx = gradient(&x, &loss.backward());
    let mixed = output.mixed.map(|y| values(y.inner()));
    let mut reference: Vec<_> = MIXED.into_iter().zip(mixed).collect();
    reference.extend([("last", values(output.last.inner())), ("dx", dx)]);
    check("token mix", fused, &reference);
}

/// A window of a text: the next one reads its last token, and its first token reads
/// the last of the one in front.
#[test]
fn token_mix_of_a_window() {
    check_token_mix_of_a_window::<1>();
    check_token_mix_of_a_window::<6>();
}

fn check_token_mix_of_a_window<const K: usize>() {
    let [b, _, h, n] = SHAPE;
    let phases = |first: usize| std::array::from_fn::<_, K, _>(|k| (first + k) as f64);
    let mix = |device: &Device| TokenMix::<K> {
        norm: norm(1e-5, device),
        mix: phases(2).map(|q| vector(q, 0.5, 0.5, device)),
    };
    let of_text = |q, device: &Device| u::<2>(q, 1.0, 0.0, [b, h * n], device);
    let upstream = |device: &Device| phases(9).map(|q| stream(q, device));
    let fused = |device: &Device| {
        let dlast = Some(of_text(20.0, device));
        let (dx, dbefore) = mix(device).backward_of_window(
            stream(0.0, device),
            upstream(device),
            stream(15.0, device),
            dlast,
        );
        vec![("dx", values(dx)), ("dbefore", values(dbefore))]
    };
    let device = Device::flex();
    let TokenMix { norm, mix } = mix(&device);
    let mix = TokenMix {
        norm: constant_norm(norm),
        mix: mix.map(constant),
    };
    let (x, before) = (leaf(stream(0.0, &device)), leaf(of_text(8.0, &device)));
    let output = mix.reference(x.clone(), before.clone());
    let onto = (x.clone() * constant(stream(15.0, &device))).sum();
    let onto = onto + (output.last * constant(of_text(20.0, &device))).sum();
    let loss = output
        .mixed
        .iter()
        .zip(upstream(&device))
        .fold(onto, |sum, (y, dy)| sum + (y.clone() * constant(dy)).sum());
    let gradients = loss.backward();
    let reference = [
        ("dx", gradient(&x, &gradients)),
        ("dbefore", gradient(&before, &gradients)),
    ];
    check("token mix of a window", fused, &reference);
}

/// Two texts of more tokens than a GPU has cubes along one axis.
#[test]
fn token_mix_of_a_long_text() {
    let (b, t, c) = (2, 70_001, 8);
    let run = |device: &Device| {
        let vector = |q, scale, offset| u::<1>(q, scale, offset, [c], device);
        let mix = TokenMix::<6> {
            norm: LayerNorm {
                weight: vector(10.0, 0.3, 1.0),
                bias: vector(11.0, 0.2, 0.1),
                epsilon: 1e-5,
            },
            mix: std::array::from_fn(|k| vector(k as f64, 0.5, 0.5)),
        };
        let one = TokenMix {
            norm: mix.norm.clone(),
            mix: [mix.mix[0].clone()],
        };
        // Apart in every token: a norm magnifies the rounding of equal channels.
        let sides: Vec<f32> = (0..c)
            .map(|k| if k % 2 == 0 { -3.0 } else { 3.0 })
            .collect();
        let sides = Tensor::<1>::from_data(sides.as_slice(), device).unsqueeze::<3>();
        let tokens = |q| u::<3>(q, 1.0, 0.2, [b, t, c], device) + sides.clone();
        let last = u(8.0, 1.0, 0.0, [b, c], device);
        let output = mix.forward(tokens(0.0), last.clone());
        let of_one = one.forward(tokens(0.0), last);
        let upstream = std::array::from_fn(|k| tokens(k as f64));
        let dx = mix.backward(tokens(0.0), upstream, tokens(7.0));
        let dx_of_one = one.backward(tokens(0.0), [tokens(1.0)], tokens(7.0));
        let mut all: Vec<_> = MIXED.into_iter().zip(output.mixed.map(values)).collect();
        all.push(("last", values(output.last)));
        all.push(("one", values(of_one.mixed[0].clone())));
        all.push(("last of one", values(of_one.last)));
        all.extend([("dx", values(dx)), ("dx of one", values(dx_of_one))]);
        all
    };
    // The operator of the CPU is compared with the reference above.
    check_equal("a long text", &run(&software_gpu()), &run(&Device::flex()));
}

fn prepare(first_layer: bool, device: &Device) -> Prepare {
    Prepare {
        decay: vector(12.0, 2.0, -1.0, device),
        iclr: vector(13.0, 1.0, 0.0, device),
        share: (!first_layer).then(|| vector(14.0, 1.0, 0.0, device)),
        k_k: vector(15.0, 0.3, 0.8, device),
        k_a: vector(16.0, 0.3, 1.0, device),
    }
}

fn projections(first_layer: bool, device: &Device) -> Projections {
    Projections {
        key: stream(0.0, device),
        value: stream(1.0, device),
        decay: stream(2.0, device),
        iclr: stream(3.0, device),
        share: (!first_layer).then(|| (stream(4.0, device), stream(5.0, device))),
    }
}

fn prepared_upstream(device: &Device) -> Prepared {
    Prepared {
        w: heads(6.0, device),
        k: heads(7.0, device),
        v: heads(8.0, device),
        removal: heads(9.0, device),
        write: heads(10.0, device),
    }
}

fn named(prepared: Prepared) -> Vec<(&'static str, Tensor<4>)> {
    let Prepared {
        w,
        k,
        v,
        removal,
        write,
    } = prepared;
    vec![
        ("w", w),
        ("k", k),
        ("v", v),
        ("removal", removal),
        ("write", write),
    ]
}

fn check_prepare(first_layer: bool) {
    let head_size = SHAPE[3];
    let fused = |device: &Device| {
        let (prepare, x) = (
            prepare(first_layer, device),
            projections(first_layer, device),
        );
        let outputs = named(prepare.forward(&x, head_size));
        let d = prepare.backward(&x, prepared_upstream(device));
        let mut all: Vec<Named> = outputs
            .into_iter()
            .map(|(name, y)| (name, values(y)))
            .collect();
        all.extend([
            ("dkey", values(d.key)),
            ("dvalue", values(d.value)),
            ("ddecay", values(d.decay)),
            ("diclr", values(d.iclr)),
        ]);
        all.extend(d.share.map(|share| ("dshare", values(share))));
        all
    };
    let device = Device::flex();
    let Prepare {
        decay,
        iclr,
        share,
        k_k,
        k_a,
    } = prepare(first_layer, &device);
    let parameters = Prepare {
        decay: constant(decay),
        iclr: constant(iclr),
        share: share.map(constant),
        k_k: constant(k_k),
        k_a: constant(k_a),
    };
    let Projections {
        key,
        value,
        decay,
        iclr,
        share,
    } = projections(first_layer, &device);
    let x = Projections {
        key: leaf(key),
        value: leaf(value),
        decay: leaf(decay),
        iclr: leaf(iclr),
        share: share.map(|(share, v_first)| (leaf(share), constant(v_first))),
    };
    let outputs = named(parameters.reference(&x, head_size));
    let mut loss: Option<Tensor<1>> = None;
    for ((_, y), (_, dy)) in outputs.iter().zip(named(prepared_upstream(&device))) {
        let part = (y.clone() * constant(dy)).sum();
        loss = Some(match loss {
            Some(loss) => loss + part,
            None => part,
        });
    }
    let gradients = loss.unwrap().backward();
    let mut all: Vec<Named> = outputs
        .into_iter()
        .map(|(name, y)| (name, values(y.inner())))
        .collect();
    all.extend([
        ("dkey", gradient(&x.key, &gradients)),
        ("dvalue", gradient(&x.value, &gradients)),
        ("ddecay", gradient(&x.decay, &gradients)),
        ("diclr", gradient(&x.iclr, &gradients)),
    ]);
    all.extend(
        x.share
            .map(|(share, _)| ("dshare", gradient(&share, &gradients))),
    );
    check("prepare", fused, &all);
}

#[test]
fn prepare_of_the_first_layer() {
    check_prepare(true);
}

#[test]
fn prepare_of_later_layers() {
    check_prepare(false);
}

#[test]
fn readout() {
    let [_, _, h, n] = SHAPE;
    let readout = |device: &Device| Readout {
        norm: norm(64e-5, device),
        r_k: u(17.0, 0.2, 0.0, [h, n], device),
    };
    let inputs = |device: &Device| ReadoutInputs {
        y: heads(0.0, device),
        r: heads(1.0, device),
        k: heads(2.0, device),
        v: heads(3.0, device),
        gate: stream(4.0, device),
    };
    let fused = |device: &Device| {
        let (readout, x) = (readout(device), inputs(device));
        let out = readout.forward(&x);
        let d = readout.backward(&x, stream(5.0, device));
        vec![
            ("out", values(out)),
            ("dy", values(d.y)),
            ("dr", values(d.r)),
            ("dk", values(d.k)),
            ("dv", values(d.v)),
            ("dgate", values(d.gate)),
        ]
    };
    let device = Device::flex();
    let Readout { norm, r_k } = readout(&device);
    let parameters = Readout {
        norm: constant_norm(norm),
        r_k: constant(r_k),
    };
    let ReadoutInputs { y, r, k, v, gate } = inputs(&device);
    let x = ReadoutInputs {
        y: leaf(y),
        r: leaf(r),
        k: leaf(k),
        v: leaf(v),
        gate: leaf(gate),
    };
    let out = parameters.reference(&x);
    let gradients = (out.clone() * constant(stream(5.0, &device)))
        .sum()
        .backward();
    let reference = [
        ("out", values(out.inner())),
        ("dy", gradient(&x.y, &gradients)),
        ("dr", gradient(&x.r, &gradients)),
        ("dk", gradient(&x.k, &gradients)),
        ("dv", gradient(&x.v, &gradients)),
        ("dgate", gradient(&x.gate, &gradients)),
    ];
    check("readout", fused, &reference);
}

#[test]
fn squared_relu_and_its_gradient() {
    let x = |q, device: &Device| u::<2>(q, 1.0, 0.0, [37, 48], device);
    let fused = |device: &Device| {
        let dx = squared_relu_backward(x(0.0, device), x(1.0, device));
        vec![
            ("y", values(squared_relu(x(0.0, device)))),
            ("dx", values(dx)),
        ]
    };
    let device = Device::flex();
    let leaf = leaf(x(0.0, &device));
    let y = squared_relu_reference(leaf.clone());
    let gradients = (y.clone() * constant(x(1.0, &device))).sum().backward();
    let reference = [
        ("y", values(y.inner())),
        ("dx", gradient(&leaf, &gradients)),
    ];
    check("squared relu", fused, &reference);
}
