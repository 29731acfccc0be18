//! Matrices as pictures on the disk, in the colours of the window.

use std::io::{self, Write};
use std::path::Path;

use crate::atomic::write_atomic;
use crate::colormap::{ColourMap, Limits, Rgb, Scale};
use crate::error::Result;
use crate::tuning::inspect::head_matrices::Matrix;
use crate::tuning::states::state_file::TunedState;

/// Pixels that a side of a picture has at least, so that cells can be seen.
const MIN_SIDE: usize = 512;
/// Pixels between two heads of a grid.
const GAP: usize = 2;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heatmap {
    width: usize,
    /// Row by row from the top.
    pixels: Vec<Rgb>,
    /// What the colours stand for, in words.
    caption: String,
}

impl Heatmap {
    /// A matrix, one cell a number, between these limits.
    pub fn new(matrix: &Matrix, scale: Scale, limits: Limits) -> Self {
        let map = ColourMap::new(scale, false);
        let width = matrix.columns;
        let pixels = matrix.values.iter().map(|x| map.colour(*x, limits));
        Self::enlarged(width, pixels.collect(), limits)
    }

    /// S_0 of every head between common limits: layers downwards, heads across.
    pub fn of_state(state: &TunedState) -> Self {
        let limits = Limits::of(Scale::Symmetric, state.layers.iter().flatten());
        let map = ColourMap::new(Scale::Symmetric, false);
        let n = state.key_size;
        let (across, down) = (state.key_size + GAP, state.head_size + GAP);
        let (width, height) = (state.n_head * across - GAP, state.n_layer * down - GAP);
        // What lies between heads is grey, so that it is no number.
        let mut pixels = vec![[0xa8; 3]; width * height];
        for layer in 0..state.n_layer {
            for head in 0..state.n_head {
                let rows = state.head(layer, head).unwrap_or_default().chunks_exact(n);
                for (row, values) in rows.enumerate() {
                    let start = (layer * down + row) * width + head * across;
                    let cells = &mut pixels[start..start + n];
                    let colours = values.iter().map(|x| map.colour(*x, limits));
                    cells
                        .iter_mut()
                        .zip(colours)
                        .for_each(|(to, from)| *to = from);
                }
            }
        }
        Self::enlarged(width, pixels, limits)
    }

    /// Every cell as a square of whole pixels.
    fn enlarged(width: usize, cells: Vec<Rgb>, limits: Limits) -> Self {
        let height = cells.len() / width.max(1);
        let times = MIN_SIDE.div_ceil(width.min(height).max(1));
        let mut pixels = Vec::with_capacity(cells.len() * times * times);
        for row in cells.chunks_exact(width.max(1)) {
            for _ in 0..times {
                let wide = row
                    .iter()
                    .flat_map(|cell| std::iter::repeat_n(*cell, times));
                pixels.extend(wide);
            }
        }
        Self {
            width: width * times,
            pixels,
            caption: format!("colours from {:e} to {:e}", limits.low, limits.high),
        }
    }

    /// Writes it as a PNG whose text says what the colours stand for.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if it cannot be written.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        write_rgb_png(path, self.width, &self.pixels, &self.caption)
    }
}

/// Writes `pixels`, rows of `width` from the top, as a PNG whose text says what it
/// is of.
///
/// # Errors
/// [`crate::error::Error::Io`] if it cannot be written.
pub(crate) fn write_rgb_png(
    path: impl AsRef<Path>,
    width: usize,
    pixels: &[Rgb],
    caption: &str,
) -> Result<()> {
    write_atomic(path, |file| encode(file, width, pixels, caption))
}

/// The same in memory, without a text.
///
/// # Errors
/// [`crate::error::Error::Io`] if it is too large for a PNG.
#[cfg(feature = "gui")]
pub(crate) fn rgb_png(width: usize, pixels: &[Rgb]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(&mut bytes, width, pixels, "")
        .map_err(|error| crate::error::Error::io("encode", "picture", error))?;
    Ok(bytes)
}

fn encode(to: impl Write, width: usize, pixels: &[Rgb], caption: &str) -> io::Result<()> {
    let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
    let height = pixels.len() / width.max(1);
    let mut encoder = png::Encoder::new(to, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    if !caption.is_empty() {
        encoder.add_text_chunk("Description".into(), caption.into())?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels.as_flattened())?;
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colormap::NOT_FINITE;

    #[test]
    fn a_picture_reads_back_with_its_caption() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let matrix = Matrix {
            values: vec![1.0, -1.0, f32::NAN, 0.0, 1.0, -1.0],
            columns: 3,
        };
        let limits = Limits::of(Scale::Symmetric, &matrix.values);
        let picture = Heatmap::new(&matrix, Scale::Symmetric, limits);
        picture.write_png(&path).unwrap();
        let file = io::BufReader::new(std::fs::File::open(&path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let info = reader.info();
        assert_eq!((info.width, info.height), (768, 512));
        let text = &info.uncompressed_latin1_text[0].text;
        assert_eq!(text, "colours from -1e0 to 1e0");
        let at = |x: usize, y: usize| &pixels[(y * 768 + x) * 3..][..3];
        let map = ColourMap::new(Scale::Symmetric, false);
        assert_eq!(at(0, 0), map.colour(1.0, limits));
        assert_eq!(at(255, 255), map.colour(1.0, limits));
        assert_eq!(at(256, 0), map.colour(-1.0, limits));
        assert_eq!(at(700, 100), NOT_FINITE);
        assert_eq!(at(100, 400), map.colour(0.0, limits));
    }

    #[test]
    fn a_grid_has_every_head_and_gaps_between_them() {
        let state = TunedState {
            n_layer: 1,
            n_head: 2,
            head_size: 2,
            key_size: 2,
            layers: vec![vec![1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0]],
            shifts: None,
        };
        let picture = Heatmap::of_state(&state);
        assert_eq!(picture.width, 6 * 256);
        let map = ColourMap::new(Scale::Symmetric, false);
        let limits = Limits::symmetric(1.0);
        let cell = |column: usize| picture.pixels[column * 256];
        assert_eq!(cell(1), map.colour(1.0, limits));
        assert_eq!(cell(2), [0xa8; 3]);
        assert_eq!(cell(5), map.colour(-1.0, limits));
    }
}
