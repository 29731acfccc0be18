//! What `gosling inspect` shows of one head: its matrices in numbers, and its
//! state over the tokens of a text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::pictures::Pictures;
use crate::cli::model_choice::ModelChoice;
use crate::cli::table::table;
use crate::cli::tune::print;
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::adapter::AdapterTarget;
use crate::model::tokenizer::TokenText;
use crate::persist::heatmap_png::Heatmap;
use crate::persist::run_folder::{snapshot_file, snapshot_steps};
use crate::tuning::inspect::adapter_matrices::{AdapterFactors, sum_singular_values};
use crate::tuning::inspect::head_matrices::{Matrix, MatrixKind};
use crate::tuning::inspect::matrix_statistics::{Histogram, MatrixStatistics};
use crate::tuning::inspect::trajectory::{LiftedCourse, Place, Trajectory};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::LiftKind;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::state_file::{Metadata, Orientation, locate_state};

/// Singular values that are printed.
const N_SHOWN: usize = 8;
/// Text of a token that is printed at most.
const MAX_TOKEN_CHARS: usize = 16;

/// Which head, and what of it.
#[derive(Args)]
pub(super) struct HeadArguments {
    /// Show the matrices of this layer of a tuned state, counted from 0.
    #[arg(long)]
    layer: Option<usize>,
    /// Head of the layer, counted from 0.
    #[arg(long)]
    head: Option<usize>,
    /// Of a LoRA run, show A, B and B A beside this frozen matrix of the layer instead of
    /// a head: att.receptance, att.key, att.value, att.output, ffn.key or ffn.value.
    #[arg(long, value_name = "MATRIX", conflicts_with_all = ["head", "text"])]
    adapter: Option<String>,
    /// Use the run's snapshot after this many steps.
    #[arg(long)]
    step: Option<usize>,
    /// Follow the head's state over the tokens of this text.
    #[arg(long)]
    text: Option<String>,
    /// Write heatmaps into this folder.
    #[arg(long, value_name = "DIR")]
    png: Option<PathBuf>,
    /// Device for --text.
    #[command(flatten)]
    pub model: ModelChoice,
}

impl HeadArguments {
    /// Whether anything of this was asked for.
    pub fn is_wanted(&self) -> bool {
        let Self {
            layer,
            head,
            adapter,
            step,
            text,
            png,
            model: _,
        } = self;
        let of_head = layer.is_some() || head.is_some() || adapter.is_some();
        of_head || step.is_some() || text.is_some() || png.is_some()
    }

    /// Prints what was asked for of the state at `path`, of the untuned model
    /// without one, and writes its pictures.
    ///
    /// # Errors
    /// Bad input: what it is, and where.
    pub fn run(&self, path: Option<&Path>, orientation: Option<Orientation>) -> Result<()> {
        let tuned = match path {
            Some(path) => Some(self.read(path, orientation)?),
            None if self.text.is_some() => None,
            None => {
                let reason = tr!("needs a tuned state, a snapshot or a run's folder to show");
                return Err(Error::spec("--layer", reason));
            }
        };
        let (tuned, says) = match tuned {
            Some((file, tuned, metadata)) => (Some(tuned), Some((file, metadata))),
            None => (None, None),
        };
        if let Some(folder) = &self.png {
            std::fs::create_dir_all(folder)
                .map_err(|source| Error::io("create", folder, source))?;
        }
        let place = Place {
            layer: self.layer.unwrap_or(0),
            head: self.head.unwrap_or(0),
        };
        let mut pictures = Pictures::new(self.png.as_deref());
        if let (Some(tuned), Some(name)) = (&tuned, &self.adapter) {
            print(&adapter_matrices(tuned, place.layer, name, &mut pictures)?);
            print(&pictures.summary());
            return Ok(());
        }
        if let Some(tuned) = &tuned {
            print(&matrices(tuned, place, &mut pictures)?);
            pictures.add("S0-all-heads", &Heatmap::of_state(&tuned.state))?;
        }
        if let Some(text) = &self.text {
            let says = says.as_ref().map(|(file, of)| (file.as_path(), of));
            let trajectory = self.follow(text, tuned.as_ref(), says, place)?;
            print(&trajectory.0);
            pictures.add_trajectory(&trajectory.1)?;
        }
        print(&pictures.summary());
        Ok(())
    }

    fn read(
        &self,
        path: &Path,
        orientation: Option<Orientation>,
    ) -> Result<(PathBuf, Tuned, Metadata)> {
        let file = match self.step {
            None => locate_state(path)?,
            Some(step) => {
                let file = snapshot_file(path, step);
                if !file.is_file() {
                    return Err(no_snapshot(path, step)?);
                }
                file
            }
        };
        let (tuned, metadata) = read_tuned(&file, orientation)?;
        Ok((file, tuned, metadata))
    }

    /// The states over a text, and a table of them.
    fn follow(
        &self,
        text: &str,
        tuned: Option<&Tuned>,
        says: Option<(&Path, &Metadata)>,
        place: Place,
    ) -> Result<(String, Trajectory)> {
        let choice = match says {
            Some(says) => self.model.for_state(says)?,
            None => self.model.clone(),
        };
        let loaded = choice.load_for(says, None)?;
        if let Some(tuned) = tuned {
            tuned.check_fits(loaded.model.config())?;
        }
        let tokens = loaded.tokenizer.encode(text);
        let (model, device) = (&loaded.model, &loaded.device.device);
        let start = says.map_or(TextStart::Zero, |(_, metadata)| metadata.text_start());
        let mut progress = |_, _| Ok(());
        let trajectory =
            Trajectory::follow(model, device, tuned, start, &tokens, place, &mut progress)?;
        let words = loaded.tokenizer.token_texts(&trajectory.tokens);
        Ok((course(&trajectory, &words), trajectory))
    }
}

fn no_snapshot(folder: &Path, step: usize) -> Result<Error> {
    let steps = snapshot_steps(folder)?;
    let steps: Vec<String> = steps.iter().map(usize::to_string).collect();
    let reason = match steps.as_slice() {
        [] => {
            tr!("has no snapshots; intervals.snapshot says how often a run stores one").to_owned()
        }
        steps => tr!(
            "has no snapshot after step {step}, only after {}",
            steps.join(", "),
            step
        ),
    };
    Ok(Error::input(folder, "snapshots", reason))
}

/// The matrices of a head in numbers.
fn matrices(tuned: &Tuned, place: Place, pictures: &mut Pictures<'_>) -> Result<String> {
    let Place { layer, head } = place;
    let mut text = tr!("layer {layer}, head {head}\n", layer, head);
    let (mut rows, mut details) = (Vec::new(), String::new());
    for kind in MatrixKind::OF_HEADS {
        let Some(matrix) = kind.of(tuned, place)? else {
            continue;
        };
        let statistics = MatrixStatistics::of(&matrix.values, matrix.columns);
        rows.push(row(kind.symbol(), &matrix, &statistics));
        detail(&mut details, kind, &statistics);
        pictures.add_matrix(kind.file_name(), place, &matrix)?;
    }
    text.push_str(&table(heading(), &rows, &[1, 2, 3, 4, 5, 6, 7]));
    text.push_str(&details);
    if let Some(lift) = &tuned.lift {
        let n = lift.head_size;
        text.push_str(&tr!("Q^T Z has rank {n} at most\n", n));
        if lift.kind == LiftKind::Constant {
            text.push_str(tr!(
                "Z does not change over the tokens: the dynamics are Constant\n"
            ));
        }
    }
    Ok(text)
}

/// What stands above the numbers of matrices.
fn heading() -> [&'static str; 8] {
    [
        tr!("matrix"),
        tr!("size"),
        tr!("norm"),
        tr!("largest"),
        tr!("mean"),
        tr!("deviation"),
        tr!("effective rank"),
        tr!("condition"),
    ]
}

/// A, B and B A beside the frozen matrix `name` of a layer in numbers.
fn adapter_matrices(
    tuned: &Tuned,
    layer: usize,
    name: &str,
    pictures: &mut Pictures<'_>,
) -> Result<String> {
    let Some(target) = AdapterTarget::by_module(name) else {
        let all = AdapterTarget::ALL.map(AdapterTarget::module);
        let reason = tr!("must be {}, is {name}", all.join(", "), name);
        return Err(Error::spec("--adapter", reason));
    };
    let place = Place {
        layer,
        head: target as usize,
    };
    let mut text = tr!("layer {layer}, {name}\n", layer, name);
    let (mut rows, mut details) = (Vec::new(), String::new());
    for kind in MatrixKind::OF_ADAPTERS {
        let Some(matrix) = kind.of(tuned, place)? else {
            let reason = tr!(
                "there is no adapter beside {name} of layer {layer}",
                layer,
                name
            );
            return Err(Error::spec("--adapter", reason));
        };
        let factors = AdapterFactors::at(tuned, place).filter(|_| kind == MatrixKind::Product);
        let statistics = match factors {
            // As many as the rank; those of the whole matrix would take long.
            Some(of) => {
                let values = sum_singular_values(&[of]).unwrap_or_default();
                MatrixStatistics::with(&matrix.values, values)
            }
            None => MatrixStatistics::of(&matrix.values, matrix.columns),
        };
        rows.push(row(kind.symbol(), &matrix, &statistics));
        detail(&mut details, kind, &statistics);
        pictures.add_adapter(kind.file_name(), layer, name, &matrix)?;
    }
    text.push_str(&table(heading(), &rows, &[1, 2, 3, 4, 5, 6, 7]));
    text.push_str(&details);
    Ok(text)
}

fn row(name: &str, matrix: &Matrix, of: &MatrixStatistics) -> [String; 8] {
    let condition = of.condition();
    [
        name.to_owned(),
        format!("{}x{}", matrix.rows(), matrix.columns),
        format!("{:.4}", of.norm),
        format!("{:.4}", of.max_abs),
        format!("{:+.5}", of.mean),
        format!("{:.5}", of.deviation),
        format!("{:.1}", of.effective_rank),
        match condition.is_finite() {
            true => format!("{condition:.3e}"),
            false => tr!("singular").to_owned(),
        },
    ]
}

fn detail(text: &mut String, kind: MatrixKind, of: &MatrixStatistics) {
    let shown = of.singular_values.iter().take(N_SHOWN);
    let shown: Vec<String> = shown.map(|value| format!("{value:.4}")).collect();
    let more = if of.singular_values.len() > N_SHOWN {
        tr!(" … of {}", of.singular_values.len())
    } else {
        String::new()
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:<6} {} {}{more}",
        kind.symbol(),
        tr!("singular values"),
        shown.join(" ")
    );
    let Histogram { limit, counts } = &of.histogram;
    let _ = writeln!(
        text,
        "{:<6} {} -{limit:.3} {} {limit:.3}",
        kind.symbol(),
        tr!("histogram"),
        sparkline(counts)
    );
    if of.n_not_finite > 0 {
        let _ = writeln!(
            text,
            "{}",
            tr!(
                "{} {} numbers are not finite",
                format_args!("{:<6}", kind.symbol()),
                of.n_not_finite
            )
        );
    }
}

/// Counts as bars of eighths; what is there is never drawn as nothing.
fn sparkline(counts: &[usize]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &usize| match count {
        0 => ' ',
        count => BARS[(count * 7).div_ceil(most)],
    };
    counts.iter().map(bar).collect()
}

/// The states over a text, one line a token.
fn course(trajectory: &Trajectory, words: &[TokenText]) -> String {
    let n = trajectory.key_size;
    let mut rows = Vec::new();
    for (idx, state) in trajectory.states.iter().enumerate() {
        let statistics = MatrixStatistics::of(state, n);
        let change = idx.checked_sub(1).map(|before| {
            let pairs = state.iter().zip(&trajectory.states[before]);
            let squares = pairs.map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>().sqrt()
        });
        let word = idx.checked_sub(1).map(|before| &words[before].text);
        let lifted = trajectory.lifted_at(idx).map(|z| {
            let squares = z.iter().map(|x| f64::from(*x).powi(2));
            format!("{:.4}", squares.sum::<f64>().sqrt())
        });
        rows.push([
            idx.to_string(),
            word.map_or(tr!("start").into(), |word| shown(word)),
            format!("{:.4}", statistics.norm),
            change.map_or("-".into(), |change| format!("{change:.4}")),
            format!("{:.1}", statistics.effective_rank),
            lifted.unwrap_or("-".into()),
        ]);
    }
    let heading = [
        "t",
        tr!("token"),
        "|S_t|",
        tr!("change"),
        tr!("effective rank"),
        "|L_t|",
    ];
    let mut text = tr!(
        "the state of layer {}, head {} over the text\n{}",
        trajectory.layer,
        trajectory.head,
        table(heading, &rows, &[0, 2, 3, 4, 5])
    );
    if let Some(lifted) = &trajectory.lifted
        && lifted.course == LiftedCourse::Unchanging
    {
        text.push_str(tr!(
            "L_t does not change over the tokens: the dynamics are Constant\n"
        ));
    }
    text
}

/// A token as it can be printed on one line.
fn shown(word: &str) -> String {
    // Every other token has a text.
    if word.is_empty() {
        return "token 0".into();
    }
    let escaped = word.escape_debug().to_string();
    let kept: String = escaped.chars().take(MAX_TOKEN_CHARS).collect();
    format!("\"{kept}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_the_least_that_is_there() {
        assert_eq!(sparkline(&[0, 1, 700, 350]), " ▂█▅");
        assert_eq!(sparkline(&[0, 0]), "  ");
    }

    #[test]
    fn tokens_are_shown_on_one_line() {
        let word = "a\n\"b\" and so on and on";
        assert_eq!(shown(word), "\"a\\n\\\"b\\\" and so \"");
        assert_eq!(shown(""), "token 0");
    }
}
