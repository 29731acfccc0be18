//! A run as the command line that does the same.

use super::presets::{PRESETS, preset};
use super::printed_fields::{Field, is_below, printed_fields};
use super::spec_file::{options, unprintable};
use crate::error::Result;
use crate::protocol::run_spec::RunSpec;

/// The shortest `gosling tune` line for a run: the preset nearest to it, and
/// what is different.
///
/// # Errors
/// [`crate::error::Error::Spec`] if a path in it is not Unicode and so has no
/// text.
pub fn command_line(spec: &RunSpec) -> Result<String> {
    let mut shortest: Option<(&str, Vec<String>)> = None;
    for (name, _) in PRESETS {
        let different = assignments(spec, &preset(name)?)?;
        if shortest
            .as_ref()
            .is_none_or(|(_, best)| different.len() < best.len())
        {
            shortest = Some((name, different));
        }
    }
    let (name, different) = shortest.unwrap_or_default();
    let mut line = format!("gosling tune --preset {name}");
    for assignment in different {
        line.push_str(" --set ");
        line.push_str(&quoted(&assignment));
    }
    Ok(line)
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+".contains(c);
    if argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
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
    use crate::protocol::run_spec::{DataSource, DataSpec};
    use crate::tuning::spec::{Layers, Method, OptimizerSpec, Schedule, StandardSpec, StartState};

    /// The line, and that its assignments give the specification back.
    fn check(change: impl FnOnce(&mut RunSpec), expected: &str) {
        let mut spec = preset("cpu").unwrap();
        change(&mut spec);
        assert_eq!(command_line(&spec).unwrap(), expected);
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
            "gosling tune --preset cpu --set 'name=\"mine\"' --set training.steps=50 \
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
            "gosling tune --preset cpu --set 'data.source=Jsonl(train:\"a b.jsonl\",\
             validation:None,template:Plain)'",
        );
    }
}
