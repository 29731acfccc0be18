use burn::tensor::{Device, DeviceKind, TensorData};

use super::*;
use crate::kernels::device::read_back::read_f32;
use crate::random::SplitMix64;

/// Texts, tokens, inputs, outputs and rank; four divides the widths, as kernels want.
const SIZES: [usize; 5] = [2, 3, 8, 12, 4];

struct Case {
    x: Vec<f32>,
    y: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
    dy: Vec<f32>,
    /// The gradient through the frozen matrix.
    onto: Vec<f32>,
}

impl Case {
    fn new() -> Self {
        let [texts, tokens, n_in, n_out, rank] = SIZES;
        let mut random = SplitMix64::new(11);
        let mut numbers = |n: usize| (0..n).map(|_| random.uniform()).collect();
        Self {
            x: numbers(texts * tokens * n_in),
            y: numbers(texts * tokens * n_out),
            a: numbers(rank * n_in),
            b: numbers(n_out * rank),
            dy: numbers(texts * tokens * n_out),
            onto: numbers(texts * tokens * n_in),
        }
    }
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// What comes out, and the gradients of x, A and B, as the layer works them out.
fn got(case: &Case, dropout: Option<Dropout>, start: Start, device: &Device) -> [Vec<f32>; 4] {
    let [texts, tokens, n_in, n_out, rank] = SIZES;
    let target = AdapterTarget::FfnValue;
    let mut adapters = LayerAdapters::new(|of| {
        (of == target).then(|| Adapter {
            a: tensor(&case.a, [rank, n_in], device).into(),
            b: tensor(&case.b, [n_out, rank], device).into(),
            scale: 0.5,
        })
    });
    if let Some(dropout) = dropout {
        adapters = adapters.dropping(dropout);
    }
    let mut pass = Some(AdapterPass::new(adapters, true));
    let x = tensor(&case.x, [texts, tokens, n_in], device);
    let y = tensor(&case.y, [texts, tokens, n_out], device);
    let y = adapted(&mut pass, target, &x, start, y);
    let mut back = AdaptersBack::new(pass);
    let dy = tensor(&case.dy, [texts, tokens, n_out], device);
    let onto = tensor(&case.onto, [texts, tokens, n_in], device);
    let dx = back.through(target, &dy, onto);
    let mut gradients = back.gradients().unwrap();
    let AdapterGradient { a, b } = gradients[target as usize].take().unwrap();
    [
        read_f32(y).unwrap(),
        read_f32(dx).unwrap(),
        read_f32(a).unwrap(),
        read_f32(b).unwrap(),
    ]
}

/// The same by the equation, with the gradients that Burn finds.
fn wanted(case: &Case, dropout: Option<Dropout>, start: Start) -> [Vec<f32>; 4] {
    let [texts, tokens, n_in, n_out, rank] = SIZES;
    let cpu = Device::flex();
    let shape = [texts, tokens, n_in];
    let leaf = |values: &[f32], shape: [usize; 2]| {
        Tensor::<2>::from_inner(tensor(values, shape, &cpu)).require_grad()
    };
    let constant = |values: &[f32]| {
        let shape = [texts * tokens, n_out];
        Tensor::<2>::from_inner(tensor(values, shape, &cpu))
    };
    let x = Tensor::<3>::from_inner(tensor(&case.x, shape, &cpu)).require_grad();
    let (a, b) = (leaf(&case.a, [rank, n_in]), leaf(&case.b, [n_out, rank]));
    let read = match start {
        Start::SquaredRelu => burn::tensor::activation::relu(x.clone()).powi_scalar(2),
        Start::Plain | Start::Gradient => x.clone(),
    };
    let read = match dropout {
        None => read,
        Some(dropout) => {
            let factors = dropout
                .of(AdapterTarget::FfnValue as u32)
                .reference(Tensor::ones(shape, &cpu));
            let factors = read_f32(factors).unwrap();
            read * Tensor::<3>::from_inner(tensor(&factors, shape, &cpu))
        }
    };
    let read = read.reshape([texts * tokens, n_in]);
    let added = read
        .matmul(a.clone().transpose())
        .matmul(b.clone().transpose())
        * 0.5;
    let (y, dy) = (constant(&case.y) + added, constant(&case.dy));
    let gradients = (y.clone() * dy).sum().backward();
    // A squared ReLU is the frozen matrix's too, whose gradient `onto` is through it.
    let dx: Vec<f32> = read_f32(x.grad(&gradients).unwrap()).unwrap();
    let dx = dx.iter().zip(&case.onto).map(|(dx, onto)| dx + onto);
    [
        read_f32(y.inner()).unwrap(),
        dx.collect(),
        read_f32(a.grad(&gradients).unwrap()).unwrap(),
        read_f32(b.grad(&gradients).unwrap()).unwrap(),
    ]
}

fn check(device: &Device) {
    let case = Case::new();
    let dropout = Dropout::new(0.4, 77, 3).behind(9);
    for start in [Start::Plain, Start::SquaredRelu] {
        let mut outputs = Vec::new();
        for dropout in [None, Some(dropout)] {
            let got = got(&case, dropout, start, device);
            let want = wanted(&case, dropout, start);
            for (what, (got, want)) in ["y", "dx", "dA", "dB"].iter().zip(got.iter().zip(&want)) {
                assert_eq!(got.len(), want.len(), "{what}");
                for (place, (got, want)) in got.iter().zip(want).enumerate() {
                    let off = (got - want).abs();
                    assert!(
                        off < 1e-5 * (1.0 + want.abs()),
                        "{what} {place}, {dropout:?}, {start:?}: {got}, not {want}"
                    );
                }
            }
            outputs.push(got);
        }
        // What is dropped is seen in all of them.
        for (whole, thinned) in outputs[0].iter().zip(&outputs[1]) {
            assert_ne!(whole, thinned);
        }
        // Nothing dropped is no dropout.
        let none = got(&case, Some(Dropout::new(0.0, 5, 0)), start, device);
        for (got, want) in none.iter().zip(&outputs[0]) {
            let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5 * (1.0 + b.abs());
            assert!(got.iter().zip(want).all(close));
        }
    }
}

#[test]
fn adapters_and_their_gradients_are_those_of_the_equation() {
    check(&Device::flex());
}

#[test]
fn adapters_and_their_gradients_are_those_of_the_equation_on_a_gpu() {
    check(&Device::wgpu(DeviceKind::Cpu));
}
