//! Simple quantisers, and by how much the values that they store may differ from
//! those that they were given.

use half::f16;

use super::super::blocks::BlockType;

/// A scale that is no smaller than `x`.
fn up(x: f32) -> f16 {
    let near = f16::from_f32(x);
    match near.to_f32() < x {
        true => f16::from_bits(near.to_bits() + 1),
        false => near,
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// The nearest whole step from 0 to `most`.
fn step_of(x: f32, step: f32, most: f32) -> u8 {
    let number = if step > 0.0 { x / step } else { 0.0 };
    number.round().clamp(0.0, most) as u8
}

/// The blocks of `values`, and half a step of each value: how far the stored one
/// may be off.
pub(crate) fn quantised(kind: BlockType, values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let (mut bytes, mut bounds) = (Vec::new(), Vec::new());
    for block in values.chunks_exact(kind.n_elements()) {
        let from = bytes.len();
        match kind {
            BlockType::Q8_0 => {
                let scale = up(largest(block) / 127.0);
                bytes.extend(scale.to_le_bytes());
                let scale = scale.to_f32();
                let number = |x: &f32| if scale > 0.0 { x / scale } else { 0.0 };
                bytes.extend(
                    block
                        .iter()
                        .map(|x| (number(x).round() as i8).cast_unsigned()),
                );
                bounds.extend([0.5 * scale; 32]);
            }
            BlockType::Q4_0 | BlockType::Q5_0 => {
                let middle = if kind == BlockType::Q4_0 { 8.0 } else { 16.0 };
                let scale = up(largest(block) / (middle - 1.0));
                bytes.extend(scale.to_le_bytes());
                let scale = scale.to_f32();
                let shifted = block.iter().map(|x| x + middle * scale);
                small(shifted, scale, 2.0 * middle - 1.0, &mut bytes);
                bounds.extend([0.501 * scale; 32]);
            }
            BlockType::Q4_1 | BlockType::Q5_1 => {
                let most = if kind == BlockType::Q4_1 { 15.0 } else { 31.0 };
                let least = block.iter().copied().fold(f32::INFINITY, f32::min);
                // One that is no larger.
                let least = -up(-least).to_f32();
                let highest = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let scale = up((highest - least) / most);
                bytes.extend(scale.to_le_bytes());
                bytes.extend(f16::from_f32(least).to_le_bytes());
                let scale = scale.to_f32();
                small(block.iter().map(|x| x - least), scale, most, &mut bytes);
                bounds.extend([0.501 * scale; 32]);
            }
            BlockType::Q4K => with_minima(block, 15.0, &mut bytes, &mut bounds),
            BlockType::Q5K => with_minima(block, 31.0, &mut bytes, &mut bounds),
            BlockType::Q6K => six_bits(block, &mut bytes, &mut bounds),
        }
        assert_eq!(bytes.len() - from, kind.n_bytes(), "{kind:?}");
    }
    (bytes, bounds)
}

/// The numbers of a block of 32: the fifth bits where there are 5, the nibbles.
fn small(values: impl Iterator<Item = f32>, scale: f32, most: f32, bytes: &mut Vec<u8>) {
    let numbers: Vec<u8> = values.map(|x| step_of(x, scale, most)).collect();
    if most > 15.0 {
        let bit = |(i, n): (usize, &u8)| u32::from(n >> 4) << i;
        let fifth: u32 = numbers.iter().enumerate().map(bit).sum();
        bytes.extend(fifth.to_le_bytes());
    }
    bytes.extend((0..16).map(|j| numbers[j] & 15 | (numbers[j + 16] & 15) << 4));
}

fn with_minima(block: &[f32], most: f32, bytes: &mut Vec<u8>, bounds: &mut Vec<f32>) {
    let groups: Vec<&[f32]> = block.chunks_exact(32).collect();
    let below = |group: &&[f32]| group.iter().fold(0.0_f32, |low, x| low.max(-x));
    let below: Vec<f32> = groups.iter().map(below).collect();
    let minimum = up(largest(&below) / 63.0);
    let minima: Vec<u8> = below
        .iter()
        .map(|low| (low / minimum.to_f32().max(1e-20)).ceil().min(63.0) as u8)
        .collect();
    let low = |group: usize| minimum.to_f32() * f32::from(minima[group]);
    let ranges: Vec<f32> = (0..8)
        .map(|group| {
            let high = groups[group].iter().copied().fold(0.0, f32::max);
            (high + low(group)) / most
        })
        .collect();
    let scale = up(largest(&ranges) / 63.0);
    let scales: Vec<u8> = ranges
        .iter()
        .map(|range| (range / scale.to_f32().max(1e-20)).ceil().min(63.0) as u8)
        .collect();
    bytes.extend(scale.to_le_bytes());
    bytes.extend(minimum.to_le_bytes());
    let mut packed = [0_u8; 12];
    for group in 0..4 {
        packed[group] = scales[group] | scales[group + 4] >> 4 << 6;
        packed[group + 4] = minima[group] | minima[group + 4] >> 4 << 6;
        packed[group + 8] = scales[group + 4] & 15 | (minima[group + 4] & 15) << 4;
    }
    bytes.extend(packed);
    let mut numbers = Vec::new();
    for (group, values) in groups.iter().enumerate() {
        let step = scale.to_f32() * f32::from(scales[group]);
        numbers.extend(values.iter().map(|x| step_of(x + low(group), step, most)));
        bounds.extend([0.501 * step + 1e-7; 32]);
    }
    if most > 15.0 {
        let bits = (0..32).map(|l| (0..8).map(|g| (numbers[32 * g + l] >> 4) << g).sum::<u8>());
        bytes.extend(bits);
    }
    for pair in numbers.chunks_exact(64) {
        bytes.extend((0..32).map(|l| pair[l] & 15 | (pair[l + 32] & 15) << 4));
    }
}

fn six_bits(block: &[f32], bytes: &mut Vec<u8>, bounds: &mut Vec<f32>) {
    let groups: Vec<&[f32]> = block.chunks_exact(16).collect();
    let ranges: Vec<f32> = groups.iter().map(|group| largest(group) / 31.0).collect();
    let scale = up(largest(&ranges) / 127.0);
    let scales: Vec<u8> = ranges
        .iter()
        .map(|range| (range / scale.to_f32().max(1e-20)).ceil().min(127.0) as u8)
        .collect();
    let mut numbers = Vec::new();
    for (group, values) in groups.iter().enumerate() {
        let step = scale.to_f32() * f32::from(scales[group]);
        numbers.extend(values.iter().map(|x| step_of(x + 32.0 * step, step, 63.0)));
        bounds.extend([0.501 * step + 1e-7; 16]);
    }
    for half in numbers.chunks_exact(128) {
        bytes.extend((0..64).map(|l| half[l] & 15 | (half[l + 64] & 15) << 4));
    }
    for half in numbers.chunks_exact(128) {
        let quarter = |l: usize, q: usize| (half[l + 32 * q] >> 4) << (2 * q);
        bytes.extend((0..32).map(|l| (0..4).map(|q| quarter(l, q)).sum::<u8>()));
    }
    bytes.extend(&scales);
    bytes.extend(scale.to_le_bytes());
}
