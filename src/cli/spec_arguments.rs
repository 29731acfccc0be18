//! Builds the specification of a run from arguments.

use std::path::{Path, PathBuf};

use clap::Args;

use super::plain_options::{SourceOptions, StepOptions, field_help};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::{DeviceChoice, list_adapters};
use crate::persist::presets::preset;
use crate::persist::spec_file::{read_spec, set_field};
use crate::protocol::fields;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::spec::StartState;
use crate::tuning::states::state_file::locate_state;

/// The fields that `--set` takes, one a line.
pub(super) fn fields_help() -> String {
    let mut text = tr!("Fields of --set (those of other methods and choices too):\n").to_owned();
    let mut above = "";
    // A second row of one path is a part of the first.
    for field in fields::all() {
        if field.path != above {
            let about = field.about();
            text.push_str(&format!("  {:<42} {about}\n", field.path));
        }
        above = field.path;
    }
    text
}

/// Which run, and what is different about it.
#[derive(Args)]
pub(super) struct SpecArguments {
    /// A run specification (RON file); default: a preset.
    run: Option<PathBuf>,
    /// A preset that ships with the program, such as standard, cpu, lifted,
    /// lifted-decorrelation or lifted-cpu; default: chosen by the device.
    #[arg(long, conflicts_with = "run")]
    preset: Option<String>,
    #[command(flatten)]
    pub sources: SourceOptions,
    #[arg(long, help = field_help("name"))]
    name: Option<String>,
    /// Set one field, such as training.schedule.last=0.1 or
    /// data.source.template=UserAssistant; applied after all other options; can be
    /// repeated. --print-spec shows all fields. Text can be put in single quotes.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Start from this tuned state instead of zero; gosling import converts states of
    /// other programs.
    #[arg(long, value_name = "STATE")]
    start: Option<PathBuf>,
    /// auto, cpu, gpu, or gpu:N as `gosling devices` lists them.
    #[arg(long)]
    device: Option<DeviceChoice>,
}

/// A specification and where it came from.
pub(super) struct ChosenSpec {
    pub spec: RunSpec,
    /// Why it is this one, for the user.
    pub origin: String,
}

/// What a specification is made from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begin<'a> {
    /// A RON file.
    File(&'a Path),
    /// A preset that ships with the program.
    Preset(&'a str),
}

impl SpecArguments {
    /// Reads the specification and makes the changes.
    ///
    /// # Errors
    /// What is wrong with the file or with a change, and where.
    pub fn spec(&self, steps: &StepOptions) -> Result<ChosenSpec> {
        self.spec_of(steps, None, None, &[])
    }

    /// The same for one of many runs, which may `begin` with something else, has a name
    /// of its own and changes `more` fields, after all others.
    ///
    /// # Errors
    /// As [`Self::spec`].
    pub fn spec_of(
        &self,
        steps: &StepOptions,
        begin: Option<Begin<'_>>,
        own_name: Option<&str>,
        more: &[String],
    ) -> Result<ChosenSpec> {
        let own = match (&self.run, &self.preset) {
            (Some(path), _) => Some(Begin::File(path)),
            (None, Some(name)) => Some(Begin::Preset(name)),
            (None, None) => None,
        };
        let (mut spec, origin) = match begin.or(own) {
            Some(Begin::File(path)) => (read_spec(path)?, shown(path).to_string()),
            Some(Begin::Preset(name)) => (preset(name)?, tr!("preset {name}", name)),
            None => self.by_device()?,
        };
        if let Some(device) = self.device {
            spec.device = device;
        }
        if let Some(path) = &self.start {
            let Some(start) = spec.method.start_mut() else {
                let reason =
                    tr!("the run's method has no S_0, so it cannot start from a state file");
                return Err(Error::spec("--start", reason));
            };
            *start = StartState::File(locate_state(path)?);
        }
        let mut changes = self.sources.changes(&spec)?;
        changes.extend(steps.changes(&spec)?);
        for change in changes {
            set_field(&mut spec, &change.assignment())?;
        }
        if let Some(name) = own_name.or(self.name.as_deref()) {
            name.clone_into(&mut spec.name);
        }
        for assignment in self.set.iter().chain(more) {
            set_field(&mut spec, assignment)?;
        }
        spec.check()?;
        Ok(ChosenSpec { spec, origin })
    }

    /// The preset for the device that would be used.
    fn by_device(&self) -> Result<(RunSpec, String)> {
        let (name, why) = match self.device.unwrap_or_default() {
            DeviceChoice::Cpu => ("cpu", tr!("for the CPU")),
            DeviceChoice::Gpu | DeviceChoice::GpuIndex(_) => ("standard", tr!("for a GPU")),
            DeviceChoice::Auto if has_real_gpu() => ("standard", tr!("since there is a GPU")),
            DeviceChoice::Auto => ("cpu", tr!("since there is no GPU")),
        };
        Ok((preset(name)?, tr!("preset {name}, {why}", name, why)))
    }
}

/// Whether the automatic choice is a GPU.
fn has_real_gpu() -> bool {
    list_adapters().iter().any(|adapter| adapter.kind.is_real())
}
