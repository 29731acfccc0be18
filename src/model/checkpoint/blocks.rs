//! Quantised elements, which ggml stores in blocks with scales, and their
//! values as `f32`.
//!
//! Layouts: llama.cpp `ggml/src/ggml-common.h` (`block_q4_0` and the others),
//! values: `ggml-quants.c` (`dequantize_row_*`), in the same order of operations.

use half::f16;

/// How a block of quantised elements is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockType {
    /// 32 elements of 4 bits and a scale.
    Q4_0,
    /// 32 elements of 4 bits, a scale and a minimum.
    Q4_1,
    /// 32 elements of 5 bits and a scale.
    Q5_0,
    /// 32 elements of 5 bits, a scale and a minimum.
    Q5_1,
    /// 32 elements of 8 bits and a scale.
    Q8_0,
    /// 256 elements of 4 bits in 8 groups with scales and minima of 6 bits.
    Q4K,
    /// 256 elements of 5 bits in 8 groups with scales and minima of 6 bits.
    Q5K,
    /// 256 elements of 6 bits in 16 groups with scales of 8 bits.
    Q6K,
}

/// Elements of a block of the older types.
const SMALL: usize = 32;
/// Elements of a block of the K types.
const LARGE: usize = 256;

impl BlockType {
    /// Elements of a block.
    pub fn n_elements(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => SMALL,
            Self::Q4K | Self::Q5K | Self::Q6K => LARGE,
        }
    }

    /// Bytes of a block.
    pub fn n_bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// The name that llama.cpp gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// The values of whole blocks.
    pub(super) fn write_f32(self, bytes: &[u8], out: &mut [f32]) {
        let blocks = bytes.chunks_exact(self.n_bytes());
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.n_elements())) {
            match self {
                Self::Q4_0 => small(block, Small::Q4_0, out),
                Self::Q4_1 => small(block, Small::Q4_1, out),
                Self::Q5_0 => small(block, Small::Q5_0, out),
                Self::Q5_1 => small(block, Small::Q5_1, out),
                Self::Q8_0 => {
                    let scale = half_at(block, 0);
                    for (value, byte) in out.iter_mut().zip(&block[2..]) {
                        *value = scale * f32::from(byte.cast_signed());
                    }
                }
                Self::Q4K => with_minima(block, &block[16..], None, out),
                Self::Q5K => with_minima(block, &block[48..], Some(&block[16..48]), out),
                Self::Q6K => six_bits(block, out),
            }
        }
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The types of 4 and 5 bits in blocks of 32.
#[derive(Clone, Copy, PartialEq)]
enum Small {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
}

fn small(block: &[u8], kind: Small, out: &mut [f32]) {
    let scale = half_at(block, 0);
    let has_minimum = matches!(kind, Small::Q4_1 | Small::Q5_1);
    let mut at = if has_minimum { 4 } else { 2 };
    let (offset, minimum) = match kind {
        Small::Q4_0 => (8, 0.0),
        Small::Q5_0 => (16, 0.0),
        Small::Q4_1 | Small::Q5_1 => (0, half_at(block, 2)),
    };
    let mut fifth = 0;
    if matches!(kind, Small::Q5_0 | Small::Q5_1) {
        fifth = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        at += 4;
    }
    for (j, byte) in block[at..].iter().enumerate() {
        for (place, nibble) in [(j, byte & 15), (j + 16, byte >> 4)] {
            let high = (fifth >> place & 1) << 4;
            let number = (u32::from(nibble) | high).cast_signed() - offset;
            out[place] = scale * number as f32 + minimum;
        }
    }
}

/// Scale and minimum of one of the 8 groups, 6 bits each in 12 bytes.
fn scale_and_minimum(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        (
            low & 15 | packed[group - 4] >> 6 << 4,
            low >> 4 | packed[group] >> 6 << 4,
        )
    };
    (f32::from(scale), f32::from(minimum))
}

/// The K types of 4 and 5 bits; `fifth` are the fifth bits, one of every byte for
/// a group.
fn with_minima(block: &[u8], nibbles: &[u8], fifth: Option<&[u8]>, out: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let packed = &block[4..16];
    for (group, out) in out.chunks_exact_mut(SMALL).enumerate() {
        let (of_group, least) = scale_and_minimum(packed, group);
        let (of_group, least) = (scale * of_group, minimum * least);
        let bytes = &nibbles[group / 2 * SMALL..][..SMALL];
        for (l, value) in out.iter_mut().enumerate() {
            let nibble = bytes[l] >> (4 * (group % 2)) & 15;
            let high = fifth.map_or(0, |bits| (bits[l] >> group & 1) << 4);
            *value = of_group * f32::from(nibble | high) - least;
        }
    }
}

fn six_bits(block: &[u8], out: &mut [f32]) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let scale = half_at(rest, 16);
    for (half, out) in out.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&low[64 * half..], &high[32 * half..]);
        let scales = &rest[8 * half..];
        for quarter in 0..4 {
            for l in 0..SMALL {
                let nibble = low[l + SMALL * (quarter % 2)] >> (4 * (quarter / 2)) & 15;
                let number = nibble | (high[l] >> (2 * quarter) & 3) << 4;
                let of_group = f32::from(scales[l / 16 + 2 * quarter].cast_signed());
                let number = f32::from(number.cast_signed() - 32);
                out[SMALL * quarter + l] = scale * of_group * number;
            }
        }
    }
}
