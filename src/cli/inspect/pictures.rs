//! The heatmaps that `gosling inspect` writes of one head.

use std::path::Path;

use crate::colormap::{Limits, Scale};
use crate::error::{Error, Result};
use crate::persist::heatmap_png::Heatmap;
use crate::tuning::inspect::head_matrices::{Matrix, lifted};
use crate::tuning::inspect::trajectory::{LiftedCourse, Place, Trajectory};

/// The pictures that are written, if a folder for them was given.
pub(super) struct Pictures<'a> {
    folder: Option<&'a Path>,
    n_written: usize,
}

impl<'a> Pictures<'a> {
    /// None yet.
    pub fn new(folder: Option<&'a Path>) -> Self {
        Self {
            folder,
            n_written: 0,
        }
    }

    /// Writes one.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn add(&mut self, name: &str, picture: &Heatmap) -> Result<()> {
        if let Some(folder) = self.folder {
            picture.write_png(folder.join(format!("{name}.png")))?;
            self.n_written += 1;
        }
        Ok(())
    }

    /// Writes one of a matrix of a head.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn add_matrix(&mut self, name: &str, place: Place, matrix: &Matrix) -> Result<()> {
        if self.folder.is_none() {
            return Ok(());
        }
        let Place { layer, head } = place;
        let limits = Limits::of(Scale::Symmetric, &matrix.values);
        let picture = Heatmap::new(matrix, Scale::Symmetric, limits);
        self.add(&format!("layer-{layer}-head-{head}-{name}"), &picture)
    }

    /// Writes one of a matrix of the adapter beside the frozen matrix `module`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn add_adapter(
        &mut self,
        name: &str,
        layer: usize,
        module: &str,
        matrix: &Matrix,
    ) -> Result<()> {
        if self.folder.is_none() {
            return Ok(());
        }
        let limits = Limits::of(Scale::Symmetric, &matrix.values);
        let picture = Heatmap::new(matrix, Scale::Symmetric, limits);
        self.add(&format!("layer-{layer}-{module}-{name}"), &picture)
    }

    /// Writes one a token, all between the same limits.
    ///
    /// # Errors
    /// [`Error::Io`] where one cannot be written.
    pub fn add_trajectory(&mut self, of: &Trajectory) -> Result<()> {
        if self.folder.is_none() {
            return Ok(());
        }
        let place = format!("layer-{}-head-{}", of.layer, of.head);
        let limits = Limits::of(Scale::Symmetric, of.states.iter().flatten());
        for (idx, state) in of.states.iter().enumerate() {
            let matrix = Matrix {
                values: state.clone(),
                columns: of.key_size,
            };
            let picture = Heatmap::new(&matrix, Scale::Symmetric, limits);
            self.add(&format!("{place}-S-{idx:04}"), &picture)?;
        }
        let Some(own) = &of.lifted else { return Ok(()) };
        let n_frames = match own.course {
            LiftedCourse::Unchanging => 1,
            LiftedCourse::Decaying(_) | LiftedCourse::Moving(_) => of.states.len(),
        };
        let frames = (0..n_frames).filter_map(|idx| of.lifted_at(idx));
        let frames: Vec<Vec<f32>> = frames.collect();
        // A state that decays is largest at first, one that is written to in the end.
        let largest = match own.course {
            LiftedCourse::Unchanging | LiftedCourse::Decaying(_) => frames.first(),
            LiftedCourse::Moving(_) => frames.last(),
        };
        let limits = largest.map(|z| self.lifted(of, z)).transpose()?;
        let limits = limits.map(|of| Limits::of(Scale::Symmetric, &of.values));
        for (idx, z) in frames.iter().enumerate() {
            let (matrix, Some(limits)) = (self.lifted(of, z)?, limits) else {
                continue;
            };
            let picture = Heatmap::new(&matrix, Scale::Symmetric, limits);
            self.add(&format!("{place}-L-{idx:04}"), &picture)?;
        }
        Ok(())
    }

    /// L_t of Z_t.
    fn lifted(&self, of: &Trajectory, z: &[f32]) -> Result<Matrix> {
        let Some(own) = &of.lifted else {
            return Err(Error::spec("lift", tr!("is not there")));
        };
        lifted(z, of.head_size, own.upscaled_size, own.projection_seed)
    }

    /// How many there are, and where.
    pub fn summary(&self) -> String {
        match self.folder {
            Some(folder) => tr!(
                "{} pictures in {}\n",
                self.n_written,
                crate::format::shown(folder)
            ),
            None => String::new(),
        }
    }
}
