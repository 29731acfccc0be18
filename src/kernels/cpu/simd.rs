//! Arithmetic that the compiler turns into vector instructions, compiled once
//! for each instruction set and chosen when the program runs.

/// Lanes of a sum, so that its additions are independent and vectorise.
pub(crate) const LANES: usize = 16;

/// Work whose body is compiled for several instruction sets. Implementations
/// and all they call are `#[inline(always)]`, since only inlined code takes on
/// the instruction set of its caller.
pub(crate) trait Task {
    /// Does the work. `FMA` says whether `a * b + c` is one instruction.
    fn run<const FMA: bool>(&self);
}

/// Runs a task with the best instruction set of this processor.
pub(crate) fn run(task: &impl Task) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        fn v4(task: &impl Task) {
            task.run::<true>();
        }
        #[target_feature(enable = "avx2,fma")]
        fn v3(task: &impl Task) {
            task.run::<true>();
        }
        let has_v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if has_v3
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
        {
            // SAFETY: the processor has these instructions.
            return unsafe { v4(task) };
        }
        if has_v3 {
            // SAFETY: the processor has these instructions.
            return unsafe { v3(task) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    task.run::<true>();
    #[cfg(not(target_arch = "aarch64"))]
    task.run::<false>();
}

/// `a * b + c`, in one rounding where the processor has the instruction.
/// Without it `f32::mul_add` would call a slow library function.
#[inline(always)]
pub(crate) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Adds up the lanes of a sum, pairwise.
#[inline(always)]
pub(crate) fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `sum_j a_j b_j`; N is a power of two.
#[inline(always)]
pub(crate) fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    let mut products = [0.0; N];
    for j in 0..N {
        products[j] = a[j] * b[j];
    }
    let mut width = N / 2;
    while width > 0 {
        for j in 0..width {
            products[j] += products[j + width];
        }
        width /= 2;
    }
    products[0]
}

/// `sum_i f(a_i)`, in lanes.
#[inline(always)]
pub(crate) fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum2(a, a, |x, _| f(x))
}

/// `sum_i f(a_i, b_i)`, in lanes.
#[inline(always)]
pub(crate) fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    sum3(a, b, b, |x, y, _| f(x, y))
}

/// `sum_i f(a_i, b_i, c_i)`, in lanes.
#[inline(always)]
pub(crate) fn sum3(a: &[f32], b: &[f32], c: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((a, a_rest), (b, b_rest), (c, c_rest)) = (
        a.as_chunks::<LANES>(),
        b.as_chunks::<LANES>(),
        c.as_chunks::<LANES>(),
    );
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane], c[lane]);
        }
    }
    for ((a, b), c) in a_rest.iter().zip(b_rest).zip(c_rest) {
        lanes[0] += f(*a, *b, *c);
    }
    sum_lanes(lanes)
}

/// The largest element; minus infinity where there is none.
#[inline(always)]
pub(crate) fn largest(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = a.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane].max(chunk[lane]);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |a, b| a.max(*b))
}

/// e^x to about 2 units in the last place, without a branch, so that loops over
/// it vectorise: Cody and Waite's reduction by ln 2 and a polynomial for the rest
/// (Cephes `expf`). Below -87 it gives about 1e-38, above 88 about 1.7e38.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    /// Adding and subtracting it rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = mul_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let rest = mul_add::<FMA>(n, -LN_2_LOW, mul_add::<FMA>(n, -LN_2_HIGH, x));
    let mut p = 1.987_569_1e-4;
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = mul_add::<FMA>(p, rest, coefficient);
    }
    let p = mul_add::<FMA>(p, rest * rest, rest + 1.0);
    // The low bits of `rounded` are n, between -126 and 127, so the exponent
    // field stays normal.
    let exponent = (rounded.to_bits() << 23).wrapping_add(127 << 23);
    p * f32::from_bits(exponent)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_library() {
        for i in -8700..8800 {
            let x = i as f32 * 0.01;
            let (got, want) = (exp::<true>(x), x.exp());
            assert!(
                (got - want).abs() <= 3e-7 * want,
                "exp({x}) = {got}, not {want}"
            );
        }
    }

    #[test]
    fn exp_outside_its_range_is_finite() {
        assert!(exp::<true>(-1e9) > 0.0 && exp::<true>(-1e9) < 1e-37);
        assert!(exp::<true>(1e9).is_finite() && exp::<true>(1e9) > 1e38);
    }

    #[test]
    fn sums_count_every_element() {
        for len in [0, 1, 15, 16, 17, 63] {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let want = values.iter().sum::<f32>();
            assert_eq!(sum(&values, |x| x), want, "{len}");
            assert_eq!(sum2(&values, &values, |x, y| x + y), 2.0 * want, "{len}");
        }
    }
}
