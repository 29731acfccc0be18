//! Arithmetic that the compiler turns into vector instructions, compiled once
//! for each instruction set and chosen when the program runs.

/// Lanes of a sum, so that its additions are independent and vectorise.
pub(super) const LANES: usize = 16;

/// `a * b + c`, in one rounding where the processor has the instruction.
/// Without it `f32::mul_add` would call a slow library function.
#[inline(always)]
pub(super) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Adds up the lanes of a sum, pairwise.
#[inline(always)]
pub(super) fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `sum_j a_j b_j`; N is a multiple of [`LANES`].
#[inline(always)]
pub(super) fn dot<const N: usize, const FMA: bool>(a: &[f32; N], b: &[f32; N]) -> f32 {
    let mut lanes = [0.0; LANES];
    for start in (0..N).step_by(LANES) {
        for lane in 0..LANES {
            lanes[lane] = mul_add::<FMA>(a[start + lane], b[start + lane], lanes[lane]);
        }
    }
    sum_lanes(lanes)
}

/// Defines `$name::<N>(argument)`, which runs `$body::<N, FMA>(argument)`
/// compiled for the best instruction set of this processor.
macro_rules! dispatch {
    ($name:ident, $body:ident, $argument:ty) => {
        fn $name<const N: usize>(argument: $argument) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn v4<const N: usize>(argument: $argument) {
                    $body::<N, true>(argument);
                }
                #[target_feature(enable = "avx2,fma")]
                fn v3<const N: usize>(argument: $argument) {
                    $body::<N, true>(argument);
                }
                let has_v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if has_v3
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the processor has these instructions.
                    return unsafe { v4::<N>(argument) };
                }
                if has_v3 {
                    // SAFETY: the processor has these instructions.
                    return unsafe { v3::<N>(argument) };
                }
            }
            $body::<N, { cfg!(target_arch = "aarch64") }>(argument);
        }
    };
}
pub(super) use dispatch;
