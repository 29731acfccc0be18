//! A small generator whose every stream is fixed by its seed, on all platforms
//! (Steele, Lea and Flood 2014).

/// The state of the generator.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of a stream of its own for each pair of a `seed` and a `stream`, such
    /// as a layer. Sums would not do: layer 1 of seed 0 would be layer 0 of seed 1.
    pub(crate) fn mix(seed: u64, stream: u64) -> u64 {
        let of_seed = Self::new(seed).next();
        Self::new(of_seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03)).next()
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; the bias of the multiplication is below 2^-32.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number in [0, 1).
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the standard normal distribution (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        // Above 0, so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }

    /// A number in [-1, 1).
    pub(crate) fn uniform(&mut self) -> f32 {
        (2.0 * self.share() - 1.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut generator = SplitMix64::new(5);
        let drawn: Vec<f64> = (0..20_000).map(|_| generator.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let square = drawn.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (square - 1.0).abs() < 0.05,
            "{mean} {square}"
        );
    }

    #[test]
    fn neighbouring_seeds_and_streams_have_nothing_in_common() {
        let pairs = (0..64_u64).flat_map(|seed| (0..64).map(move |stream| (seed, stream)));
        let mixed = pairs.map(|(seed, stream)| SplitMix64::mix(seed, stream));
        let mixed: std::collections::BTreeSet<u64> = mixed.collect();
        assert_eq!(mixed.len(), 64 * 64);
        // Nor is one a few numbers further on in the stream of another.
        let first: Vec<Vec<u64>> = mixed
            .iter()
            .take(500)
            .map(|seed| {
                let mut generator = SplitMix64::new(*seed);
                (0..40).map(|_| generator.next()).collect()
            })
            .collect();
        let all: std::collections::BTreeSet<u64> = first.iter().flatten().copied().collect();
        assert_eq!(all.len(), 500 * 40);
    }

    /// The first outputs for seed 1234567, as its authors' C code gives them.
    #[test]
    fn random_numbers_are_the_published_ones() {
        let mut generator = SplitMix64::new(1_234_567);
        let got: Vec<u64> = (0..3).map(|_| generator.next()).collect();
        let want = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(got, want);
    }
}
