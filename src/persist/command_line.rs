//! A run as the command line that does the same.

use std::path::Path;

use super::presets::{PRESETS, preset};
use super::printed_fields::{Field, is_below, printed_fields};
use super::spec_file::quotes::to_single;
use super::spec_file::{options, unprintable};
use crate::data::Template;
use crate::error::Result;
use crate::protocol::run_spec::{CheckpointSource, DataSource, RunSpec};
use crate::shell::Shell;

/// The shortest `gosling tune` line for a run, as the usual shell of this system
/// takes it: the preset nearest to it, and what is different.
///
/// # Errors
/// [`crate::error::Error::Spec`] if a path in it is not Unicode and so has no
/// text.
pub fn command_line(spec: &RunSpec) -> Result<String> {
    command_line_for(spec, Shell::HERE)
}

/// As [`command_line`], for a shell.
///
/// # Errors
/// As [`command_line`].
pub fn command_line_for(spec: &RunSpec, shell: Shell) -> Result<String> {
    let mut shortest: Option<(&str, Vec<String>)> = None;
    for (name, _) in PRESETS {
        let mut base = preset(name)?;
        let mut different = plain_options(spec, &mut base);
        for assignment in assignments(spec, &base)? {
            different.extend(["--set".into(), assignment]);
        }
        if shortest
            .as_ref()
            .is_none_or(|(_, best)| different.len() < best.len())
        {
            shortest = Some((name, different));
        }
    }
    let (name, different) = shortest.unwrap_or_default();
    let mut line = format!("gosling tune --preset {name}");
    for argument in different {
        let single = shell
            .dislikes_double_quotes()
            .then(|| to_single(&argument))
            .flatten();
        line.push(' ');
        line.push_str(&shell.quoted(&single.unwrap_or(argument)));
    }
    Ok(line)
}

/// What `gosling tune` has plain options for where it would need quotes else,
/// which are set in `base`.
fn plain_options(spec: &RunSpec, base: &mut RunSpec) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let mut options = Vec::new();
    if spec.name != base.name {
        base.name.clone_from(&spec.name);
        options.extend(["--name".into(), spec.name.clone()]);
    }
    if let CheckpointSource::File(path) = &spec.model.checkpoint
        && spec.model.checkpoint != base.model.checkpoint
    {
        base.model.checkpoint = spec.model.checkpoint.clone();
        options.extend(["--model".into(), text(path)]);
    }
    if let DataSource::Jsonl {
        train,
        validation,
        template: _,
    } = &spec.data.source
        && spec.data.source != base.data.source
    {
        base.data.source = DataSource::Jsonl {
            train: train.clone(),
            validation: validation.clone(),
            template: Template::default(),
        };
        options.extend(["--train".into(), text(train)]);
        if let Some(path) = validation {
            options.extend(["--validation".into(), text(path)]);
        }
    }
    options
}

/// The assignments that make `base` into `spec` by
/// [`super::spec_file::set_field`], each of the smallest field that can be set.
///
/// # Errors
/// [`crate::error::Error::Spec`] if a path in them is not Unicode and so has no text.
pub fn assignments(spec: &RunSpec, base: &RunSpec) -> Result<Vec<String>> {
    let print = |spec: &RunSpec| {
        let text = options().to_string(spec);
        text.map_err(|error| unprintable(&error))
    };
    let (new, old) = (print(spec)?, print(base)?);
    let (mut fields, old_fields) = (printed_fields(&new), printed_fields(&old));
    // Parents in front of what is below them.
    fields.sort_by_key(|(_, value)| (value.start, usize::MAX - value.end));
    let old_value = |path: &str| {
        let known = old_fields.iter().find(|(other, _)| other == path);
        known.map(|(_, value)| &old[value.clone()])
    };
    let children = |fields: &[Field], parent: &str| {
        let is_child = |path: &&str| {
            path.rsplit_once('.')
                .is_some_and(|(above, _)| above == parent)
        };
        let paths = fields.iter().map(|(path, _)| path.as_str());
        let mut children: Vec<String> = paths.filter(is_child).map(String::from).collect();
        children.sort();
        children
    };
    let mut set: Vec<(String, String)> = Vec::new();
    for (path, value) in &fields {
        let value = &new[value.clone()];
        let is_set = set.iter().any(|(parent, _)| is_below(path, parent));
        if is_set || old_value(path) == Some(value) {
            continue;
        }
        let here = children(&fields, path);
        let is_same_variant = variant(value) == old_value(path).map_or("", variant);
        let has_same_fields =
            !here.is_empty() && is_same_variant && here == children(&old_fields, path);
        if !has_same_fields {
            set.push((path.clone(), value.to_owned()));
        }
    }
    let assignments = set.into_iter();
    Ok(assignments
        .map(|(path, value)| format!("{path}={value}"))
        .collect())
}

/// The name in front of the fields of a printed value.
fn variant(value: &str) -> &str {
    value.split('(').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::device::DeviceChoice;
    use crate::persist::spec_file::set_field;
    use crate::protocol::run_spec::{DataSpec, VocabularySource};
    use crate::tuning::spec::{Layers, Method, OptimizerSpec, Schedule, StandardSpec, StartState};

    /// The line, and that its assignments give the specification back.
    fn check(change: impl FnOnce(&mut RunSpec), expected: &str) {
        let mut spec = preset("cpu").unwrap();
        change(&mut spec);
        assert_eq!(command_line_for(&spec, Shell::Posix).unwrap(), expected);
        for (name, _) in PRESETS {
            let mut again = preset(name).unwrap();
            for assignment in assignments(&spec, &again).unwrap() {
                set_field(&mut again, &assignment).unwrap();
            }
            assert_eq!(again, spec, "from {name}");
        }
    }

    #[test]
    fn only_what_differs_is_set() {
        check(|_| {}, "gosling tune --preset cpu");
        check(
            |spec| {
                spec.name = "mine".into();
                spec.training.steps = 50;
                spec.training.schedule = Schedule::Cosine { last: 0.1 };
            },
            "gosling tune --preset cpu --name mine --set training.steps=50 \
             --set training.schedule.last=0.1",
        );
        check(
            |spec| spec.training.optimizer = OptimizerSpec::Sgd { momentum: 0.5 },
            "gosling tune --preset cpu --set 'training.optimizer=Sgd(momentum:0.5)'",
        );
        check(
            |spec| spec.device = DeviceChoice::GpuIndex(1),
            "gosling tune --preset cpu --set 'device=GpuIndex(1)'",
        );
        check(
            |spec| {
                spec.method = Method::Standard(StandardSpec {
                    layers: Layers::Only(vec![1, 2]),
                    start: StartState::Text("it's (a, b)".into()),
                    ..StandardSpec::default()
                });
            },
            "gosling tune --preset cpu --set 'method.layers=Only([1,2])' \
             --set 'method.start=Text(\"it\\'\\''s (a, b)\")'",
        );
        check(
            |spec| {
                spec.data = DataSpec {
                    source: DataSource::Jsonl {
                        train: "a b.jsonl".into(),
                        validation: None,
                        template: Default::default(),
                    },
                    ..spec.data.clone()
                };
            },
            "gosling tune --preset cpu --train 'a b.jsonl'",
        );
    }

    #[test]
    fn every_shell_gets_its_own_quotes() {
        let mut spec = preset("cpu").unwrap();
        spec.model.checkpoint = CheckpointSource::File(r"C:\my models\a.pth".into());
        spec.model.vocabulary = VocabularySource::File(r"C:\my models\v.txt".into());
        spec.data.source = DataSource::Jsonl {
            train: "train.jsonl".into(),
            validation: Some("held out.jsonl".into()),
            template: Template::UserAssistant,
        };
        for (shell, expected) in [
            (
                Shell::Posix,
                r#"--model 'C:\my models\a.pth' --train train.jsonl --validation 'held out.jsonl' --set data.source.template=UserAssistant --set 'model.vocabulary=File("C:\\my models\\v.txt")'"#,
            ),
            (
                Shell::Cmd,
                r#"--model "C:\my models\a.pth" --train train.jsonl --validation "held out.jsonl" --set data.source.template=UserAssistant --set "model.vocabulary=File('C:\my models\v.txt')""#,
            ),
            (
                Shell::PowerShell,
                r"--model 'C:\my models\a.pth' --train train.jsonl --validation 'held out.jsonl' --set data.source.template=UserAssistant --set 'model.vocabulary=File(''C:\my models\v.txt'')'",
            ),
        ] {
            let line = command_line_for(&spec, shell).unwrap();
            let options = line.strip_prefix("gosling tune --preset cpu ");
            let mut words: Vec<&str> = options.unwrap().split(" --").collect();
            let mut expected: Vec<&str> = expected.split(" --").collect();
            // The order of fields is not what is looked at.
            words.sort_unstable();
            expected.sort_unstable();
            assert_eq!(words, expected, "{shell:?}");
        }
        // What stands in single quotes is what was meant.
        let mut again = preset("cpu").unwrap();
        set_field(&mut again, r"model.vocabulary=File('C:\my models\v.txt')").unwrap();
        assert_eq!(again.model.vocabulary, spec.model.vocabulary);
    }
}
