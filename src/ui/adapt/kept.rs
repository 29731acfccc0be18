//! A state that was written down, beside the base that it came from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::adapt::spec::Base;
use crate::colormap::{Limits, Scale};
use crate::error::{Error, Result};
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::state_file::{TunedState, locate_state};
use crate::ui::shared::background::{Background, Threads};
use crate::ui::widgets::heatmap_data::HeatmapData;

/// What is shown of two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// S_b.
    Base,
    /// S.
    Adapted,
    /// S - S_b.
    Difference,
}

/// Two states of the same sizes, and what was made of them for the GPU.
pub(super) struct StatePair {
    n_layer: usize,
    n_head: usize,
    /// Value and key channels of a head.
    sizes: [usize; 2],
    /// S_b, S and S - S_b, [L, H, N, K] each, flat.
    values: [Vec<f32>; 3],
    /// The same as an image, layers down and heads across.
    images: [Arc<HeatmapData>; 3],
    /// Of both states, and of their difference.
    limits: [Limits; 2],
}

impl StatePair {
    /// Of a base and what it became.
    ///
    /// # Errors
    /// [`Error::Spec`] where they are of different models.
    pub fn new(base: &TunedState, adapted: &TunedState) -> Result<Self> {
        let sizes = |of: &TunedState| [of.n_layer, of.n_head, of.head_size, of.key_size];
        if sizes(base) != sizes(adapted) {
            let [layers, heads, size, keys] = sizes(base);
            let [own_layers, own_heads, own_size, own_keys] = sizes(adapted);
            let reason = tr!(
                "has {own_layers} layers of {own_heads} heads of {own_size}x{own_keys}, the base \
                 {layers} of {heads} of {size}x{keys}",
                own_layers,
                own_heads,
                own_size,
                own_keys,
                layers,
                heads,
                size,
                keys
            );
            return Err(Error::spec("state", reason));
        }
        let flat = |of: &TunedState| of.layers.concat();
        let (base_values, own) = (flat(base), flat(adapted));
        let difference = own.iter().zip(&base_values).map(|(a, b)| a - b).collect();
        let values = [base_values, own, difference];
        let of_both = values[0].iter().chain(&values[1]);
        let limits = [
            Limits::of(Scale::Symmetric, of_both),
            Limits::of(Scale::Symmetric, &values[2]),
        ];
        let images = [0, 1, 2].map(|idx| Arc::new(image(base, &values[idx])));
        Ok(Self {
            n_layer: base.n_layer,
            n_head: base.n_head,
            sizes: [base.head_size, base.key_size],
            values,
            images,
            limits,
        })
    }

    /// Reads a state and the base that it came from.
    fn read(file: &Path, base: &Base) -> Result<Self> {
        let (adapted, _) = read_tuned(file, None)?;
        let base = match base {
            Base::Zero => zero_like(&adapted.state),
            Base::File(path) => read_tuned(locate_state(path)?, None)?.0.state,
        };
        Self::new(&base, &adapted.state).map_err(|error| error.at_file(file))
    }

    /// Layers, heads, value and key channels of a head.
    pub fn sizes(&self) -> [usize; 4] {
        let [n_values, n_keys] = self.sizes;
        [self.n_layer, self.n_head, n_values, n_keys]
    }

    pub fn image(&self, what: Shown) -> &Arc<HeatmapData> {
        &self.images[what as usize]
    }

    /// What the ends of the colours stand for.
    pub fn limits(&self, what: Shown) -> Limits {
        match what {
            Shown::Base | Shown::Adapted => self.limits[0],
            Shown::Difference => self.limits[1],
        }
    }

    /// The numbers of a head, [value, key].
    pub fn head(&self, what: Shown, layer: usize, head: usize) -> &[f32] {
        let [n_values, n_keys] = self.sizes;
        let n = n_values * n_keys;
        let first = (layer * self.n_head + head) * n;
        self.values[what as usize]
            .get(first..first + n)
            .unwrap_or_default()
    }

    /// The norm of a head.
    pub fn norm(&self, what: Shown, layer: usize, head: usize) -> f64 {
        let values = self.head(what, layer, head).iter();
        values.map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
    }

    /// The head that moved most: its layer and itself.
    pub fn most_moved(&self) -> [usize; 2] {
        let all =
            (0..self.n_layer).flat_map(|layer| (0..self.n_head).map(move |head| [layer, head]));
        let norm = |of: &[usize; 2]| self.norm(Shown::Difference, of[0], of[1]);
        let most = all.max_by(|a, b| norm(a).total_cmp(&norm(b)));
        most.unwrap_or_default()
    }
}

fn zero_like(state: &TunedState) -> TunedState {
    TunedState {
        layers: state.layers.iter().map(|of| vec![0.0; of.len()]).collect(),
        shifts: None,
        ..*state
    }
}

/// Heads side by side, layers below each other.
fn image(of: &TunedState, values: &[f32]) -> HeatmapData {
    let [heads, n_values, n_keys] = of.shape();
    HeatmapData::tiles(pixels(of, values), heads * n_keys, [n_keys, n_values])
}

/// Row by row of the whole image.
fn pixels(of: &TunedState, values: &[f32]) -> Vec<f32> {
    let [heads, n_values, n_keys] = of.shape();
    let mut pixels = Vec::with_capacity(values.len());
    for layer in values.chunks(heads * n_values * n_keys) {
        for row in 0..n_values {
            for head in layer.chunks(n_values * n_keys) {
                pixels.extend_from_slice(&head[row * n_keys..(row + 1) * n_keys]);
            }
        }
    }
    pixels
}

/// The state that is looked at: read on a thread of its own, once.
pub(super) struct KeptState {
    answers: Background<(PathBuf, Result<StatePair>)>,
    /// What was asked for last.
    asked: Option<PathBuf>,
    /// What came of it.
    found: Option<Result<StatePair, String>>,
    /// Which head is large.
    pub layer: usize,
    pub head: usize,
}

impl KeptState {
    pub fn new(threads: &Threads) -> Self {
        Self {
            answers: Background::new(threads),
            asked: None,
            found: None,
            layer: 0,
            head: 0,
        }
    }

    /// The state that was asked for, with its base; none before both are read.
    pub fn found(&self) -> Option<&Result<StatePair, String>> {
        self.found.as_ref()
    }

    /// Asks for the state in `file`, once, and takes in what has come.
    pub fn ask(&mut self, file: PathBuf, base: &Base) {
        for (of, found) in self.answers.answers() {
            // Another one may have been asked for since.
            if self.asked.as_ref() == Some(&of) {
                if let Ok(pair) = &found
                    && self.found.is_none()
                {
                    [self.layer, self.head] = pair.most_moved();
                }
                self.found = Some(found.map_err(|error| error.to_string()));
            }
        }
        if self.asked.as_ref() != Some(&file) {
            self.asked = Some(file.clone());
            self.found = None;
            let base = base.clone();
            self.answers.start(move || {
                let found = StatePair::read(&file, &base);
                Some((file, found))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two layers of two heads of 2x2, numbered from 0.
    fn state() -> TunedState {
        let layer = |first: u8| (first..first + 8).map(f32::from).collect();
        TunedState {
            n_layer: 2,
            n_head: 2,
            head_size: 2,
            key_size: 2,
            layers: vec![layer(0), layer(8)],
            shifts: None,
        }
    }

    #[test]
    fn a_state_is_laid_beside_its_base() {
        let mut adapted = state();
        // The second head of the first layer, row 1, column 0.
        adapted.layers[0][6] = 9.5;
        let pair = StatePair::new(&state(), &adapted).unwrap();
        assert_eq!(pair.head(Shown::Difference, 0, 1), [0.0, 0.0, 3.5, 0.0]);
        assert_eq!(pair.norm(Shown::Difference, 0, 1), 3.5);
        assert_eq!(pair.norm(Shown::Difference, 1, 1), 0.0);
        assert_eq!(pair.most_moved(), [0, 1]);
        assert_eq!(pair.limits(Shown::Difference), Limits::symmetric(3.5));
        assert_eq!(pair.limits(Shown::Base), Limits::symmetric(15.0));
        let image = pair.image(Shown::Base);
        assert_eq!((image.width, image.height), (4, 4));
        let other = TunedState {
            n_layer: 1,
            ..state()
        };
        let refused = StatePair::new(&other, &state()).map(|_| ()).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("has 2 layers of 2 heads of 2x2")
        );
    }

    /// A head of one value and two keys is wider than it is high.
    #[test]
    fn values_and_keys_may_be_of_two_numbers() {
        let of = TunedState {
            head_size: 1,
            n_layer: 2,
            layers: vec![vec![1.0, 2.0, 3.0, 4.0], vec![5.0; 4]],
            ..state()
        };
        let pair = StatePair::new(&of, &of).unwrap();
        let image = pair.image(Shown::Base);
        assert_eq!((image.width, image.height), (4, 2));
        assert_eq!(pair.head(Shown::Base, 0, 1), [3.0, 4.0]);
        assert_eq!(pair.sizes(), [2, 2, 1, 2]);
    }

    #[test]
    fn an_image_has_layers_down_and_heads_across() {
        let of = state();
        let pixels = pixels(&of, &of.layers.concat());
        let want = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];
        assert_eq!(pixels, want.map(|x: u8| f32::from(x)));
    }
}
