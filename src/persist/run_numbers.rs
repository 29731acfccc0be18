//! Every number of every step as a table, for other programs.

use std::io;
use std::path::Path;

use crate::atomic::write_atomic;
use crate::error::Result;
use crate::runs::run::{Run, RunSeries};
use crate::runs::series::Series;

/// Writes the numbers of runs as CSV: a line for each step of a run for which
/// anything is known, with what is known of it.
///
/// # Errors
/// [`crate::error::Error::Io`].
pub fn write_numbers(path: &Path, runs: &[Run]) -> Result<()> {
    write_atomic(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        let names = columns(&RunSeries::default()).map(|(name, _)| name);
        let header = ["run", "step"].into_iter().chain(names);
        table.write_record(header).map_err(io::Error::other)?;
        for run in runs {
            let columns = columns(&run.series);
            let mut steps: Vec<usize> = columns
                .iter()
                .flat_map(|(_, series)| series.points().iter().map(|point| point.0))
                .collect();
            steps.sort_unstable();
            steps.dedup();
            for step in steps {
                let values = columns.iter().map(|(_, series)| match series.at(step) {
                    Some((at, value)) if at == step => value.to_string(),
                    Some(_) | None => String::new(),
                });
                let line = [run.id.0.clone(), step.to_string()]
                    .into_iter()
                    .chain(values);
                table.write_record(line).map_err(io::Error::other)?;
            }
        }
        table.flush()
    })
}

fn columns(series: &RunSeries) -> [(&'static str, &Series); 18] {
    let RunSeries {
        loss,
        validation_loss,
        validation_accuracy,
        grad_norm,
        state_norm,
        learning_rate,
        tokens,
        step_secs,
        tokens_per_sec,
        lift_norm,
        lora_norm,
        decorrelation_loss,
        off_diagonal,
        feature_rms,
        decorrelation_norm,
        lift_rate,
        lora_rate,
        decorrelation_rate,
    } = series;
    [
        ("loss", loss),
        ("validation_loss", validation_loss),
        ("validation_accuracy", validation_accuracy),
        ("grad_norm", grad_norm),
        ("state_norm", state_norm),
        ("learning_rate", learning_rate),
        ("tokens", tokens),
        ("step_secs", step_secs),
        ("tokens_per_sec", tokens_per_sec),
        ("lift_norm", lift_norm),
        ("lora_norm", lora_norm),
        ("decorrelation_loss", decorrelation_loss),
        ("off_diagonal", off_diagonal),
        ("feature_rms", feature_rms),
        ("decorrelation_norm", decorrelation_norm),
        ("learning_rate_lift", lift_rate),
        ("learning_rate_lora", lora_rate),
        ("learning_rate_decorrelation", decorrelation_rate),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;
    use crate::protocol::run_spec::RunSpec;

    #[test]
    fn a_step_has_what_is_known_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.csv");
        let mut run = Run::new(RunId("a, b".into()), RunSpec::default(), "runs/a".into());
        run.series.loss.push(1, 0.5);
        run.series.loss.push(2, f64::NAN);
        run.series.validation_loss.push(2, 0.25);
        write_numbers(&path, &[run]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("run,step,loss,validation_loss,validation_accuracy,"));
        assert_eq!(lines[1], format!("\"a, b\",1,0.5{}", ",".repeat(17)));
        assert_eq!(lines[2], format!("\"a, b\",2,NaN,0.25{}", ",".repeat(16)));
        assert_eq!(lines.len(), 3);
    }
}
