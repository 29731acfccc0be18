//! How the numbers of a frozen matrix lie in memory.

use half::f16;

/// Numbers that share a scale, one after the other in a row-major matrix.
pub const BLOCK: usize = 32;

/// Storage of a frozen matrix. All of it is packed into 32-bit words, the first
/// number in the lowest bits, so that a device needs no 16-bit and no 8-bit type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// The upper halves of 32-bit floats.
    BF16,
    /// Whole numbers from -127 to 127, kept with 128 added, times the scale of
    /// their block.
    Int8,
    /// Places in [`CODES`], whose numbers are taken times the scale of their block.
    NF4,
}

/// The sixteen numbers of NF4: quantiles of a normal distribution with 0, -1 and
/// 1 among them (QLoRA, arXiv 2305.14314, appendix E).
pub const CODES: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

impl Storage {
    /// Every storage.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::BF16, Self::Int8, Self::NF4];

    /// Bits of a number, without its share of a scale.
    pub const fn bits(self) -> usize {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::BF16 => 16,
            Self::Int8 => 8,
            Self::NF4 => 4,
        }
    }

    /// Whether blocks have scales, 16-bit floats.
    pub const fn has_scales(self) -> bool {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => false,
            Self::Int8 | Self::NF4 => true,
        }
    }

    /// Words that hold `n` numbers.
    pub const fn n_words(self, n: usize) -> usize {
        n.div_ceil(32 / self.bits())
    }

    /// Words that hold the scales of `n` numbers, two in each.
    pub const fn n_scale_words(self, n: usize) -> usize {
        match self.has_scales() {
            true => n.div_ceil(2 * BLOCK),
            false => 0,
        }
    }

    /// Bytes of `n` numbers with their scales.
    pub const fn n_bytes(self, n: usize) -> usize {
        size_of::<u32>() * (self.n_words(n) + self.n_scale_words(n))
    }

    /// A bound of what storing changes in a number `x` of a block whose largest
    /// magnitude is `peak`, both in 32 bits.
    pub fn rounding(self, x: f32, peak: f32) -> f32 {
        // Below it 16-bit floats lie 2^-24 apart.
        const LEAST: f32 = 6.2e-5;
        match self {
            Self::F32 => 0.0,
            Self::F16 => x.abs().max(LEAST) / 2048.0,
            Self::BF16 => x.abs() / 256.0,
            // Half a step, and the rounding of the scale.
            Self::Int8 => peak.max(127.0 * LEAST) * (0.5 / 127.0 + 1.0 / 2048.0),
            // Half of the widest gap between codes, or what a shorter scale cuts off.
            Self::NF4 => peak.max(LEAST) * 0.31,
        }
    }
}

/// The number of 16 bits, without the processor's own instruction, so that loops
/// over it vectorise everywhere. The kernels of GPUs do the same.
#[inline(always)]
pub(crate) fn widened_half(bits: u16) -> f32 {
    let magnitude = (u32::from(bits) & 0x7fff) << 13;
    let exponent = magnitude & (0x1f << 23);
    let normal = magnitude + (112 << 23);
    let endless = normal + (112 << 23);
    // Subnormal numbers: as the fraction of a normal one, less that one.
    let small = f32::from_bits(magnitude + (113 << 23)) - f32::from_bits(113 << 23);
    let value = match exponent {
        0 => small.to_bits(),
        0x0f80_0000 => endless,
        _ => normal,
    };
    f32::from_bits(value | (u32::from(bits) & 0x8000) << 16)
}

/// A scale in 16 bits, never infinite.
#[inline(always)]
pub(super) fn scale_bits(scale: f32) -> u16 {
    let most = f16::MAX.to_f32();
    f16::from_f32(scale.clamp(-most, most)).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_widened_as_the_library_does() {
        for bits in 0..=u16::MAX {
            let (got, want) = (widened_half(bits), f16::from_bits(bits).to_f32());
            assert!(got.is_nan() && want.is_nan() || got.to_bits() == want.to_bits());
        }
    }

    #[test]
    fn the_codes_are_the_quantiles_that_the_paper_takes() {
        // Eight quantiles of either half, from 0.5 to 0.9677083, by bisection of
        // the error function's series.
        let cdf = |x: f64| {
            let (mut sum, mut term) = (x, x);
            for n in 1..60 {
                term *= x * x / f64::from(2 * n + 1);
                sum += term;
            }
            0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
        };
        let quantile = |p: f64| {
            let (mut low, mut high) = (0.0, 4.0);
            for _ in 0..60 {
                let middle = (low + high) / 2.0;
                if cdf(middle) < p {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low
        };
        let offset = 0.967_708_3;
        let largest = quantile(offset);
        for idx in 0..8 {
            let p = offset + (0.5 - offset) * f64::from(idx) / 8.0;
            let want = quantile(p) / largest;
            let got = f64::from(CODES[15 - idx as usize]);
            assert!((got - want).abs() < 1e-4, "{idx}: {got}, not {want}");
            let p = offset + (0.5 - offset) * f64::from(idx) / 7.0;
            let want = -quantile(p) / largest;
            let got = f64::from(CODES[idx as usize]);
            assert!((got - want).abs() < 1e-4, "{idx}: {got}, not {want}");
        }
    }
}
