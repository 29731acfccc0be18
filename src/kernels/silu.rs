//! SiLU, `x sigmoid(x)`, which gates and convolutions end in, and its gradient; and
//! softplus without overflow. Burn operations that run on every device.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

/// `x sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clone() * sigmoid(x)
}

/// The gradient of x for `dy`, that of [`silu`].
pub fn silu_backward<const D: usize>(x: Tensor<D>, dy: Tensor<D>) -> Tensor<D> {
    let s = sigmoid(x.clone());
    dy * s.clone() * (x * (-s + 1.0) + 1.0)
}

/// `up silu(gate)`, the inside of SwiGLU.
pub fn gated<const D: usize>(up: Tensor<D>, gate: Tensor<D>) -> Tensor<D> {
    up * silu(gate)
}

/// The gradients of `up` and `gate` for `dy`, that of [`gated`].
pub fn gated_backward<const D: usize>(
    up: Tensor<D>,
    gate: Tensor<D>,
    dy: Tensor<D>,
) -> (Tensor<D>, Tensor<D>) {
    let dup = dy.clone() * silu(gate.clone());
    (dup, silu_backward(gate, dy * up))
}

/// `log(1 + e^x)`, also where e^x is beyond 32-bit numbers. Its derivative is the
/// logistic function.
pub fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clone().clamp_min(0.0) + x.abs().neg().exp().log1p()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::kernels::device::read_back::read_f32;

    fn of_64_bits(x: f64) -> f64 {
        x / (1.0 + (-x).exp())
    }

    fn check(device: &Device) {
        let xs = [-90.0_f32, -20.0, -3.0, -0.5, 0.0, 0.25, 2.0, 15.0, 95.0];
        let ups = [0.5_f32, -1.0, 2.0, 0.3, -0.7, 1.5, -2.5, 0.1, 0.01];
        let tensor = |values: [f32; 9]| {
            Tensor::<1>::from_data(TensorData::new(values.to_vec(), [9]), device)
        };
        let dy = tensor([1.0; 9]);
        let y = read_f32(gated(tensor(ups), tensor(xs))).unwrap();
        let (dup, dgate) = gated_backward(tensor(ups), tensor(xs), dy);
        let (dup, dgate) = (read_f32(dup).unwrap(), read_f32(dgate).unwrap());
        let plus = read_f32(softplus(tensor(xs))).unwrap();
        for (i, (x, up)) in xs.iter().zip(ups).enumerate() {
            let (x, up) = (f64::from(*x), f64::from(up));
            let slope = (of_64_bits(x + 1e-5) - of_64_bits(x - 1e-5)) / 2e-5;
            for (what, got, want) in [
                ("gated", y[i], up * of_64_bits(x)),
                ("of up", dup[i], of_64_bits(x)),
                ("of gate", dgate[i], up * slope),
                ("softplus", plus[i], x.max(0.0) + (-x.abs()).exp().ln_1p()),
            ] {
                let bound = 2e-5 * (1.0 + want.abs());
                let off = (f64::from(got) - want).abs();
                assert!(off < bound, "{what} at {x}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn they_are_those_of_64_bits_also_far_out() {
        check(&Device::flex());
        check(&Device::wgpu(burn::tensor::DeviceKind::Cpu));
    }
}
