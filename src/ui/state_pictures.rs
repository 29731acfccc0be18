//! The state that is looked at, as a texture that is made once for every state
//! shown. While no state is on screen the worker's slot stays full, so that
//! nothing is computed for it.

use std::path::PathBuf;

use eframe::egui::{
    ColorImage, Context, Rect, TextureFilter, TextureHandle, TextureOptions, Visuals, pos2,
};

use super::ui_state::ColourRange;
use super::widgets::colormap::Diverging;
use crate::error::Result;
use crate::runs::run::Run;
use crate::tuning::state_file::TunedState;
use crate::tuning::state_statistics::{LayerStatistics, layer_statistics};
use crate::worker::event::RunId;
use crate::worker::latest::{Latest, StateSnapshot};

/// Pixels that every device can have at a side of a texture.
const MAX_SIDE: usize = 8192;

/// The state that is looked at.
pub(super) struct Picture {
    pub run: RunId,
    /// Steps that made it.
    pub step: usize,
    pub state: TunedState,
    /// Of every layer.
    pub statistics: Vec<LayerStatistics>,
    /// Norm and largest magnitude of every head, layer by layer.
    pub heads: Vec<(f32, f32)>,
    /// Whether it is what the run handed over.
    is_final: bool,
    texture: Option<(ColourRange, bool, TextureHandle)>,
}

/// The state that is looked at, and what is being read.
#[derive(Default)]
pub(super) struct StatePictures {
    picture: Option<Picture>,
    asked: Option<(RunId, usize)>,
    problem: Option<(RunId, String)>,
}

impl StatePictures {
    /// Takes the newest snapshot of a run that is on. Of one that is over,
    /// returns the step and the folder of the state to read, once.
    pub fn wants(
        &mut self,
        run: &Run,
        slot: Option<&Latest<StateSnapshot>>,
    ) -> Option<(usize, PathBuf)> {
        if !run.status.is_over() {
            if let Some(snapshot) = slot.and_then(Latest::take)
                && snapshot.run == run.id
            {
                let StateSnapshot { run, step, state } = snapshot;
                self.picture = Some(Picture::new(run, step, state, false));
            }
            return None;
        }
        let step = run.exported.last()?.step;
        let is_shown = matches!(&self.picture, Some(picture)
            if picture.run == run.id && picture.step == step && picture.is_final);
        let key = (run.id.clone(), step);
        if is_shown || self.asked.as_ref() == Some(&key) {
            return None;
        }
        self.asked = Some(key);
        Some((step, run.folder.clone()))
    }

    /// Takes in a state that was read.
    pub fn take(&mut self, run: &RunId, step: usize, state: Result<TunedState>) {
        match state {
            Ok(state) => {
                self.problem = None;
                self.picture = Some(Picture::new(run.clone(), step, state, true));
            }
            Err(error) => self.problem = Some((run.clone(), error.to_string())),
        }
        // It is read again when people come back to the run.
        if self.problem.is_none() {
            self.asked = None;
        }
    }

    /// The state of a run, if there is one to show.
    pub fn of(&mut self, run: &RunId) -> Option<&mut Picture> {
        self.picture.as_mut().filter(|picture| picture.run == *run)
    }

    /// Why the state of a run cannot be shown.
    pub fn problem(&self, run: &RunId) -> Option<&str> {
        let problem = self.problem.as_ref().filter(|(of, _)| of == run);
        problem.map(|(_, reason)| reason.as_str())
    }
}

impl Picture {
    fn new(run: RunId, step: usize, state: TunedState, is_final: bool) -> Self {
        let n_per_head = state.head_size * state.head_size;
        let heads = state
            .layers
            .iter()
            .flat_map(|layer| layer.chunks_exact(n_per_head));
        let of_head = |values: &[f32]| {
            let squares: f64 = values.iter().map(|x| f64::from(*x).powi(2)).sum();
            let most = values.iter().fold(0.0, |most: f32, x| x.abs().max(most));
            (squares.sqrt() as f32, most)
        };
        Self {
            heads: heads.map(of_head).collect(),
            statistics: layer_statistics(&state),
            run,
            step,
            state,
            is_final,
            texture: None,
        }
    }

    /// What the ends of a head's colours stand for.
    pub fn limit(&self, layer: usize, head: usize, range: ColourRange) -> f32 {
        match range {
            ColourRange::Shared => self.heads.iter().fold(0.0, |most, (_, max)| max.max(most)),
            ColourRange::PerHead => {
                let idx = layer * self.state.n_head + head;
                self.heads.get(idx).map_or(0.0, |(_, max)| *max)
            }
        }
    }

    /// A number of the state: row = value channel, column = key channel.
    pub fn value(&self, layer: usize, head: usize, row: usize, column: usize) -> Option<f32> {
        let n = self.state.head_size;
        let idx = (head * n + row) * n + column;
        self.state.layers.get(layer)?.get(idx).copied()
    }

    /// Norm over all layers.
    pub fn norm(&self) -> f64 {
        let squares = self.statistics.iter().map(|layer| layer.norm.powi(2));
        squares.sum::<f64>().sqrt()
    }

    /// The whole state: layers from top to bottom, heads from left to right.
    /// None where a texture cannot be that large.
    pub fn texture(
        &mut self,
        ctx: &Context,
        range: ColourRange,
        visuals: &Visuals,
    ) -> Option<&TextureHandle> {
        let TunedState {
            n_layer,
            n_head,
            head_size,
            ..
        } = self.state;
        if n_layer.max(n_head) * head_size > MAX_SIDE {
            return None;
        }
        let is_dark = visuals.dark_mode;
        let is_made =
            matches!(&self.texture, Some((of, dark, _)) if *of == range && *dark == is_dark);
        if !is_made {
            let image = self.image(range, &Diverging::new(is_dark));
            let options = TextureOptions {
                magnification: TextureFilter::Nearest,
                minification: TextureFilter::Linear,
                ..TextureOptions::NEAREST
            };
            let texture = ctx.load_texture("state", image, options);
            self.texture = Some((range, is_dark, texture));
        }
        self.texture.as_ref().map(|(_, _, texture)| texture)
    }

    fn image(&self, range: ColourRange, map: &Diverging) -> ColorImage {
        let n = self.state.head_size;
        let n_head = self.state.n_head;
        let mut pixels = Vec::with_capacity(self.state.n_layer * n_head * n * n);
        for (layer, values) in self.state.layers.iter().enumerate() {
            let limits: Vec<f32> = (0..n_head)
                .map(|head| self.limit(layer, head, range))
                .collect();
            for row in 0..n {
                for (head, limit) in limits.iter().enumerate() {
                    let start = (head * n + row) * n;
                    let values = values.get(start..start + n).unwrap_or_default();
                    pixels.extend(values.iter().map(|value| map.colour(*value, *limit)));
                }
            }
        }
        ColorImage::new([n_head * n, self.state.n_layer * n], pixels)
    }

    /// Where a head lies in the texture.
    pub fn uv(&self, layer: usize, head: usize) -> Rect {
        let (n_layer, n_head) = (self.state.n_layer as f32, self.state.n_head as f32);
        let (layer, head) = (layer as f32, head as f32);
        Rect::from_min_max(
            pos2(head / n_head, layer / n_layer),
            pos2((head + 1.0) / n_head, (layer + 1.0) / n_layer),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let state = TunedState {
            n_layer: 2,
            n_head: 2,
            head_size: 2,
            layers: vec![vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, -5.0], vec![0.5; 8]],
        };
        Picture::new(RunId("a".into()), 3, state, true)
    }

    #[test]
    fn numbers_are_found_by_value_and_key_channel() {
        let picture = picture();
        assert_eq!(picture.value(0, 0, 0, 1), Some(2.0));
        assert_eq!(picture.value(0, 1, 1, 1), Some(-5.0));
        assert_eq!(picture.value(2, 0, 0, 0), None);
        assert_eq!(picture.heads[3], (1.0, 0.5));
        assert_eq!(picture.limit(1, 0, ColourRange::Shared), 5.0);
        assert_eq!(picture.limit(1, 0, ColourRange::PerHead), 0.5);
    }

    #[test]
    fn the_image_has_layers_below_each_other_and_heads_side_by_side() {
        let picture = picture();
        let map = Diverging::new(true);
        let image = picture.image(ColourRange::Shared, &map);
        assert_eq!(image.size, [4, 4]);
        // Row 1 of layer 0: the second row of both heads.
        let row = [3.0, 4.0, 0.0, -5.0].map(|value| map.colour(value, 5.0));
        assert_eq!(image.pixels[4..8], row);
        assert_eq!(
            picture.uv(1, 0),
            Rect::from_min_max(pos2(0.0, 0.5), pos2(0.5, 1.0))
        );
    }
}
