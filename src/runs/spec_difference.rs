//! The settings in which runs differ.

use serde_json::Value;

use crate::protocol::run_spec::RunSpec;

/// A setting that is not the same in all of some runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field's path, as `--set` takes it.
    pub field: String,
    /// Its value in each run; "–" where the run has no such field.
    pub values: Vec<String>,
}

/// The settings in which `specs` differ, in the order of the fields.
pub fn spec_difference(specs: &[&RunSpec]) -> Vec<Difference> {
    let flat: Vec<Vec<(String, String)>> = specs.iter().map(|spec| flattened(spec)).collect();
    let mut fields: Vec<&String> = Vec::new();
    for (field, _) in flat.iter().flatten() {
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    let of = |values: &[(String, String)], field: &str| {
        let found = values.iter().find(|(name, _)| name == field);
        found.map_or("–".to_owned(), |(_, value)| value.clone())
    };
    let differences = fields.into_iter().map(|field| Difference {
        field: field.clone(),
        values: flat.iter().map(|values| of(values, field)).collect(),
    });
    differences
        .filter(|difference| difference.values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

fn flattened(spec: &RunSpec) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    // A specification has nothing that JSON could not hold.
    flatten(
        "",
        &serde_json::to_value(spec).unwrap_or_default(),
        &mut fields,
    );
    fields
}

fn flatten(path: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = match path {
                    "" => name.clone(),
                    _ => format!("{path}.{name}"),
                };
                flatten(&path, value, fields);
            }
        }
        Value::String(text) => fields.push((path.to_owned(), text.clone())),
        Value::Null => fields.push((path.to_owned(), "None".into())),
        other => fields.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::spec::Method;

    #[test]
    fn only_what_differs_is_told() {
        let a = RunSpec::default();
        let mut b = a.clone();
        assert_eq!(spec_difference(&[&a, &b]), []);
        b.training.learning_rate = 0.25;
        b.training.seed = 7;
        let mut c = b.clone();
        c.method = Method::Base;
        let differences = spec_difference(&[&a, &b, &c]);
        let of = |field: &str| {
            let found = differences
                .iter()
                .find(|difference| difference.field == field);
            found.map(|difference| difference.values.clone())
        };
        let rate = a.training.learning_rate.to_string();
        let expected = vec![rate, "0.25".to_owned(), "0.25".to_owned()];
        assert_eq!(of("training.learning_rate"), Some(expected));
        assert_eq!(of("training.seed").unwrap()[1..], ["7", "7"]);
        assert_eq!(of("method").unwrap(), ["–", "–", "Base"]);
        assert_eq!(of("training.batch"), None);
    }
}
