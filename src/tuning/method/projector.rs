//! From a receptance of N numbers to M kernel features (arXiv 2504.05097,
//! section 3.2, step 1), one set of support vectors a head:
//! `phi_m(x) = exp(-gamma |x / |x| - u_m|^2)`.

use burn::tensor::{Device, Tensor, TensorData};

use super::receptance_sample::{ReceptanceSample, normalize};
use crate::error::{Error, Result};
use crate::kernels::features::RadialFeatures;
use crate::random::SplitMix64;
use crate::tuning::spec::{FeatureSpec, Gamma, SupportVectors};

/// Rounds of k-means; centres hardly move after the first few.
const ROUNDS: usize = 8;
/// Pairs of a position and a support vector that the median is taken over.
const MEDIAN_PAIRS: usize = 4096;

/// Support vectors and gamma of the chosen layers.
#[derive(Debug, Clone)]
pub struct KernelProjector {
    /// Unit vectors u, [layers, H, M, N].
    pub support_vectors: Tensor<4>,
    /// [layers, H].
    pub gamma: Tensor<2>,
}

impl KernelProjector {
    /// A projector as `spec` wants it, of as many layers as the sample has. The
    /// same seed gives the same bits on the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] if the device does not answer.
    pub fn new(
        spec: &FeatureSpec,
        sample: &ReceptanceSample,
        n_head: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let (mut vectors, mut gammas) = (Vec::new(), Vec::new());
        let mut head_size = 0;
        for layer_idx in 0..sample.layers.len() {
            let points = sample.heads(layer_idx, n_head, device);
            let layer = Layer {
                points: &sample.layers[layer_idx],
                sizes: points.dims(),
            };
            head_size = layer.sizes[2];
            let seed = SplitMix64::mix(seed, layer_idx as u64);
            let chosen = match spec.support_vectors {
                SupportVectors::Random => random_vectors(&layer, spec.upscaled_size, seed),
                SupportVectors::Cluster => {
                    layer.cluster(points, spec.upscaled_size, seed, device)?
                }
            };
            for (head, vectors) in chosen.iter().enumerate() {
                gammas.push(match spec.gamma {
                    Gamma::Value(gamma) => gamma as f32,
                    Gamma::Median => layer.median_gamma(head, vectors, seed),
                });
            }
            vectors.extend(chosen.into_iter().flatten());
        }
        let n_layer = sample.layers.len();
        let shape = [n_layer, n_head, spec.upscaled_size, head_size];
        Ok(Self {
            support_vectors: Tensor::from_data(TensorData::new(vectors, shape), device),
            gamma: Tensor::from_data(TensorData::new(gammas, [n_layer, n_head]), device),
        })
    }

    /// The feature map of a layer, by index into the chosen ones.
    pub fn features(&self, layer_idx: usize) -> RadialFeatures {
        RadialFeatures {
            support_vectors: self
                .support_vectors
                .clone()
                .narrow(0, layer_idx, 1)
                .squeeze_dim(0),
            gamma: self.gamma.clone().narrow(0, layer_idx, 1).squeeze_dim(0),
            normalizes: true,
        }
    }

    /// For [`crate::tuning::spec::Dynamics::Decayed`]: `P_mj = u_mj^2`, whose rows sum
    /// to 1, [H, M, N].
    pub fn averages(&self, layer_idx: usize) -> Tensor<3> {
        let vectors = self.support_vectors.clone().narrow(0, layer_idx, 1);
        vectors.squeeze_dim::<3>(0).powi_scalar(2)
    }

    /// The mean of the features over the sample and that of their squares,
    /// [layers, H, M] each.
    pub fn feature_means(
        &self,
        sample: &ReceptanceSample,
        device: &Device,
    ) -> (Tensor<3>, Tensor<3>) {
        let n_head = self.gamma.dims()[1];
        let of_layer = |layer_idx| {
            let points = sample.heads(layer_idx, n_head, device);
            let features = self.features(layer_idx).forward(points);
            let mean = |x: Tensor<3>| x.mean_dim(1).swap_dims(0, 1);
            (mean(features.clone()), mean(features.powi_scalar(2)))
        };
        let (first, second) = (0..sample.layers.len()).map(of_layer).unzip();
        (Tensor::cat(first, 0), Tensor::cat(second, 0))
    }
}

/// The sampled vectors of one layer.
struct Layer<'a> {
    /// [n, H, N].
    points: &'a [f32],
    /// H, n, N.
    sizes: [usize; 3],
}

impl Layer<'_> {
    fn point(&self, idx: usize, head: usize) -> &[f32] {
        let [n_head, _, n] = self.sizes;
        &self.points[(idx * n_head + head) * n..][..n]
    }

    /// Spherical k-means for every head: each round takes the mean direction of
    /// the points that are nearest to a centre. Gives [M, N] a head.
    fn cluster(
        &self,
        points: Tensor<3>,
        n_centres: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Vec<Vec<f32>>> {
        let [n_head, n_points, head_size] = self.sizes;
        let mut centres = self.first_centres(n_centres, seed);
        for _ in 0..ROUNDS {
            let shape = [n_head, n_centres, head_size];
            let all = Tensor::<3>::from_data(TensorData::new(centres.concat(), shape), device);
            // For unit vectors the nearest has the largest product.
            let products = points.clone().matmul(all.swap_dims(1, 2));
            let nearest = products.argmax(2).into_data();
            let nearest: Vec<usize> = nearest.iter::<i64>().map(|idx| idx as usize).collect();
            if nearest.len() != n_head * n_points {
                return Err(Error::Device(tr!("k-means could not be read back").into()));
            }
            for (head, centres) in centres.iter_mut().enumerate() {
                self.move_centres(head, centres, &nearest[head * n_points..][..n_points]);
            }
        }
        Ok(centres)
    }

    /// Points drawn without repetition; random directions where they run out.
    fn first_centres(&self, n_centres: usize, seed: u64) -> Vec<Vec<f32>> {
        let [n_head, n_points, head_size] = self.sizes;
        let mut random = SplitMix64::new(seed);
        let of_head = |head| {
            let mut order: Vec<usize> = (0..n_points).collect();
            let mut centres = Vec::with_capacity(n_centres * head_size);
            for idx in 0..n_centres.min(n_points) {
                order.swap(idx, idx + random.below(n_points - idx));
                centres.extend_from_slice(self.point(order[idx], head));
            }
            while centres.len() < n_centres * head_size {
                centres.extend(random_direction(head_size, &mut random));
            }
            centres
        };
        (0..n_head).map(of_head).collect()
    }

    /// A centre without points stays where it is.
    fn move_centres(&self, head: usize, centres: &mut [f32], nearest: &[usize]) {
        let head_size = self.sizes[2];
        let mut sums = vec![0.0; centres.len()];
        for (idx, centre) in nearest.iter().enumerate() {
            let sum = &mut sums[centre * head_size..][..head_size];
            for (sum, x) in sum.iter_mut().zip(self.point(idx, head)) {
                *sum += x;
            }
        }
        let both = centres
            .chunks_exact_mut(head_size)
            .zip(sums.chunks_exact_mut(head_size));
        for (centre, sum) in both {
            if sum.iter().any(|x| *x != 0.0) {
                normalize(sum);
                centre.copy_from_slice(sum);
            }
        }
    }

    /// 1 / the median squared distance between points and support vectors.
    fn median_gamma(&self, head: usize, vectors: &[f32], seed: u64) -> f32 {
        let [_, n_points, head_size] = self.sizes;
        let mut random = SplitMix64::new(SplitMix64::mix(!seed, head as u64));
        let mut squares: Vec<f32> = (0..MEDIAN_PAIRS)
            .map(|_| {
                let point = self.point(random.below(n_points), head);
                let m = random.below(vectors.len() / head_size);
                let vector = &vectors[m * head_size..][..head_size];
                let pairs = point.iter().zip(vector);
                pairs.map(|(x, u)| (x - u) * (x - u)).sum()
            })
            .collect();
        squares.sort_unstable_by(f32::total_cmp);
        // Points that all lie on their support vectors have no width.
        1.0 / squares[MEDIAN_PAIRS / 2].max(1e-6)
    }
}

fn random_vectors(layer: &Layer<'_>, n_vectors: usize, seed: u64) -> Vec<Vec<f32>> {
    let [n_head, _, head_size] = layer.sizes;
    let mut random = SplitMix64::new(seed);
    let mut of_head = || {
        let vectors = (0..n_vectors).flat_map(|_| random_direction(head_size, &mut random));
        vectors.collect()
    };
    (0..n_head).map(|_| of_head()).collect()
}

fn random_direction(head_size: usize, random: &mut SplitMix64) -> Vec<f32> {
    let mut vector: Vec<f32> = (0..head_size).map(|_| random.normal() as f32).collect();
    normalize(&mut vector);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::device::read_back::read_f32;

    /// Points around four directions of 16 channels, for two heads.
    fn sample() -> ReceptanceSample {
        let mut random = SplitMix64::new(3);
        let mut values = Vec::new();
        for position in 0..400 {
            for head in 0..2 {
                let mut vector: Vec<f32> = (0..16).map(|_| 0.05 * random.uniform()).collect();
                vector[4 * (position % 4) + head] += 1.0;
                normalize(&mut vector);
                values.extend(vector);
            }
        }
        ReceptanceSample {
            n_positions: 400,
            layers: vec![values],
        }
    }

    fn spec(support_vectors: SupportVectors, gamma: Gamma) -> FeatureSpec {
        FeatureSpec {
            upscaled_size: 16,
            support_vectors,
            gamma,
        }
    }

    /// Both layers of the same points, so that only their streams tell them apart.
    #[test]
    fn no_layer_of_a_seed_is_a_layer_of_another() {
        let mut sample = sample();
        let points = sample.layers[0].clone();
        sample.layers = vec![points; 3];
        for support_vectors in [SupportVectors::Random, SupportVectors::Cluster] {
            let spec = spec(support_vectors, Gamma::Value(1.0));
            let mut seen: Vec<Vec<f32>> = Vec::new();
            for seed in 0..4 {
                let projector = KernelProjector::new(&spec, &sample, 2, seed, &Device::flex());
                let vectors = read_f32(projector.unwrap().support_vectors).unwrap();
                for layer in vectors.chunks_exact(2 * 16 * 16) {
                    assert!(!seen.iter().any(|other| other == layer), "seed {seed}");
                    seen.push(layer.to_vec());
                }
            }
        }
    }

    fn vectors(spec: &FeatureSpec, seed: u64) -> Vec<f32> {
        let projector = KernelProjector::new(spec, &sample(), 2, seed, &Device::flex());
        read_f32(projector.unwrap().support_vectors).unwrap()
    }

    #[test]
    fn support_vectors_are_m_of_unit_length_and_fixed_by_the_seed() {
        for support in [SupportVectors::Cluster, SupportVectors::Random] {
            let spec = spec(support, Gamma::Value(1.0));
            let got = vectors(&spec, 5);
            assert_eq!(got.len(), 2 * 16 * 16);
            for vector in got.chunks(16) {
                let square: f32 = vector.iter().map(|x| x * x).sum();
                assert!((square - 1.0).abs() < 1e-5, "{support:?} {square}");
            }
            assert_eq!(got, vectors(&spec, 5), "{support:?}");
            assert_ne!(got, vectors(&spec, 6), "{support:?}");
        }
    }

    #[test]
    fn centres_lie_where_the_points_are() {
        let got = vectors(&spec(SupportVectors::Cluster, Gamma::Value(1.0)), 0);
        for (head, centres) in got.chunks(16 * 16).enumerate() {
            for centre in centres.chunks(16) {
                let largest = (0..4).map(|i| centre[4 * i + head]).fold(0.0, f32::max);
                assert!(largest > 0.97, "head {head}: {centre:?}");
            }
        }
    }

    #[test]
    fn the_median_sets_the_width() {
        let device = Device::flex();
        let spec = spec(SupportVectors::Random, Gamma::Median);
        let projector = KernelProjector::new(&spec, &sample(), 2, 0, &device).unwrap();
        for gamma in read_f32(projector.gamma.clone()).unwrap() {
            // Random directions lie at right angles: |n - u|^2 is near 2.
            assert!((gamma - 0.5).abs() < 0.05, "{gamma}");
        }
        let (mean, _) = projector.feature_means(&sample(), &device);
        let mean = read_f32(mean).unwrap();
        assert_eq!(mean.len(), 2 * 16);
        let all = mean.iter().sum::<f32>() / 32.0;
        assert!((all - (-1.0_f32).exp()).abs() < 0.05, "{all}");
    }

    #[test]
    fn rows_of_the_averages_sum_to_1() {
        let device = Device::flex();
        let spec = spec(SupportVectors::Random, Gamma::Median);
        let projector = KernelProjector::new(&spec, &sample(), 2, 0, &device).unwrap();
        for row in read_f32(projector.averages(0)).unwrap().chunks(16) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}
