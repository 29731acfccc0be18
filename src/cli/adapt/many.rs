//! `gosling adapt --many`: adaptations one after the other in one process, which keeps the
//! device, its kernels and the models.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;

use super::load::KeptModels;
use super::tell::AdaptProgress;
use super::{AdaptArguments, adapt};
use crate::adapt::folder::Folder;
use crate::adapt::spec::{AdaptSpec, preset};
use crate::cli::follow::{INTERRUPTED, interrupts};
use crate::cli::many::{Lines, Next};
use crate::error::{Error, Result};
use crate::persist::spec_file::set_field;

/// One of many adaptations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneOfMany {
    preset: String,
    #[serde(default)]
    set: Vec<String>,
    out: PathBuf,
}

/// Does all that a file says; what is wrong with one keeps no other from being
/// done. Prints a line of JSON for each that has ended.
pub(super) fn many(arguments: &AdaptArguments, path: &Path) -> Result<ExitCode> {
    let empty = tr!("lists no adaptation; write one JSON object per line");
    let mut lines: Lines<OneOfMany> = Lines::open(path, empty)?;
    let mut teller = AdaptProgress::new(arguments.quiet, true, interrupts()?);
    let mut kept = KeptModels::default();
    loop {
        let (out, done) = match lines.next(teller.interrupts()) {
            Next::End => return Ok(ExitCode::SUCCESS),
            Next::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
            Next::Wrong(error) => (None, Err(error)),
            Next::One(one) => {
                let done = one.spec(arguments).and_then(|spec| {
                    spec.check()?;
                    let folder = Folder::open(&one.out, &spec)?;
                    adapt(&spec, &folder, &mut teller, &mut kept)
                });
                (Some(one.out), done)
            }
        };
        teller.clear();
        if let Err(Error::Stopped) = done {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let error = done.err().map(|error| error.to_string());
        println!("{}", serde_json::json!({"out": out, "error": error}));
    }
}

impl OneOfMany {
    fn spec(&self, arguments: &AdaptArguments) -> Result<AdaptSpec> {
        let mut spec = preset(&self.preset)?;
        if let Some(device) = arguments.device {
            spec.device = device;
        }
        for assignment in &self.set {
            set_field(&mut spec, assignment)?;
        }
        Ok(spec)
    }
}
