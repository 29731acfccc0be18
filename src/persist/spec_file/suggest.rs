//! The name that was perhaps meant.

use super::shorten;
use crate::persist::printed_fields::{Field, is_below};

/// Names this much alike (Jaro-Winkler) are taken for slips of the pen.
const ALIKE: f64 = 0.75;

/// What other programs call a field, and its name here. By letters `lr` is nearer
/// to `l2wrap` than to what it stands for.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    (
        "learning_rate",
        &["lr", "lr_init", "rate", "peak_lr", "max_lr"],
    ),
    ("learning_rate_lift", &["lr_lift", "lift_lr"]),
    ("learning_rate_lora", &["lr_lora", "lora_lr"]),
    ("learning_rate_shift", &["lr_shift", "shift_lr"]),
    ("rank", &["r", "lora_r", "lora_rank"]),
    ("alpha", &["lora_alpha"]),
    (
        "batch",
        &["bs", "batch_size", "micro_bsz", "bsz", "mini_batch"],
    ),
    (
        "accumulate",
        &[
            "grad_accum",
            "gradient_accumulation_steps",
            "accumulate_grad_batches",
        ],
    ),
    (
        "steps",
        &["epochs", "max_steps", "n_steps", "iterations", "iters"],
    ),
    (
        "context_length",
        &[
            "ctx_len",
            "ctx",
            "context",
            "max_length",
            "max_seq_len",
            "seq_len",
        ],
    ),
    ("warmup_steps", &["warmup", "warm_up"]),
    (
        "clip_norm",
        &["grad_clip", "gradient_clip_val", "max_grad_norm", "clip"],
    ),
    ("weight_decay", &["wd"]),
    ("epsilon", &["eps", "adam_eps"]),
    ("beta1", &["b1"]),
    ("beta2", &["b2"]),
    ("momentum", &["mu"]),
    ("schedule", &["scheduler", "lr_scheduler", "lr_schedule"]),
    ("optimizer", &["optim", "optimiser"]),
    (
        "activation_checkpointing",
        &["grad_cp", "gradient_checkpointing"],
    ),
    ("precision", &["dtype", "fp16", "bf16"]),
    (
        "checkpoint",
        &["load_model", "weights", "model_path", "path"],
    ),
    ("vocabulary", &["vocab", "tokenizer"]),
    ("upscaled_size", &["m"]),
    ("validation", &["val", "valid", "dev", "eval_file"]),
    ("train", &["data_file", "train_file", "file"]),
    ("early_stopping", &["patience"]),
    ("few_shot", &["n_shot", "num_fewshot", "fewshot"]),
    ("seed", &["random_seed"]),
];

/// The one of `expected` that `found` stands for: what other programs call so,
/// else the one that is spelled most like it.
fn nearest<'a>(found: &str, expected: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let found = found.to_lowercase();
    let other_name = OTHER_NAMES
        .iter()
        .find(|(_, others)| others.contains(&found.as_str()));
    if let Some((meant, _)) = other_name
        && let Some(name) = expected.clone().find(|name| name == meant)
    {
        return Some(name);
    }
    expected
        .map(|name| (strsim::jaro_winkler(&found, &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// What is said of an unknown name, with the one that was perhaps meant.
pub(super) fn unknown(what: &str, found: &str, expected: &[&str]) -> String {
    let found = shorten(found);
    match nearest(&found, expected.iter().copied()) {
        Some(near) => tr!(
            "unknown {what} `{found}`; did you mean `{near}`?",
            what,
            found,
            near
        ),
        None if expected.is_empty() => {
            tr!("unknown {what} `{found}`; there are none here", what, found)
        }
        None => tr!(
            "unknown {what} `{found}`; expected one of `{}`",
            expected.join("`, `"),
            what,
            found
        ),
    }
}

/// Why `path` leads to no field, and which path was perhaps meant.
pub(super) fn no_such_path(printed: &str, fields: &[Field], path: &str) -> String {
    let paths = || fields.iter().map(|(other, _)| other.as_str());
    let last = last_part(path);
    let parent = fields
        .iter()
        .filter(|(other, _)| is_below(path, other))
        .max_by_key(|(other, _)| other.len());
    if let Some((parent, value)) = parent {
        let beside: Vec<&str> = paths().filter(|other| is_below(other, parent)).collect();
        if let Some(near) = nearest(last, beside.iter().copied().map(last_part))
            && let Some(path) = beside.iter().find(|path| last_part(path) == near)
        {
            return tr!("unknown field; did you mean `{path}`?", path);
        }
        let value = shorten(&printed[value.clone()]);
        return if beside.is_empty() {
            tr!(
                "`{parent}` is `{value}`, which has no fields; set it whole",
                parent,
                value
            )
        } else {
            tr!("unknown field; there are `{}`", beside.join("`, `"))
        };
    }
    let has_name = |name: &str| paths().find(|other| last_part(other) == name);
    let near = has_name(last)
        .or_else(|| has_name(nearest(last, paths().map(last_part))?))
        .or_else(|| nearest(path, paths()));
    match near {
        Some(near) => tr!("unknown field; did you mean `{near}`?", near),
        None => tr!("unknown field; a path is like `training.batch`").into(),
    }
}

/// The field's own name at the end of a path.
fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::spec_file::fields;
    use crate::protocol::run_spec::RunSpec;
    use crate::tuning::spec::{DecorrelationSpec, LiftSpec, LoraSpec, Method, OptimizerSpec};

    #[test]
    fn abbreviations_come_before_letters() {
        let check = |found: &str, expected: &[&str], meant: Option<&str>| {
            assert_eq!(nearest(found, expected.iter().copied()), meant, "{found}");
        };
        let fields = ["steps", "batch", "learning_rate", "l2wrap", "clip_norm"];
        check("lr", &fields, Some("learning_rate"));
        check("LR", &fields, Some("learning_rate"));
        check("batch_size", &fields, Some("batch"));
        check("grad_clip", &fields, Some("clip_norm"));
        check("l2warp", &fields, Some("l2wrap"));
        check("learnig_rate", &fields, Some("learning_rate"));
        // Where there is no such field, letters decide.
        check("lr", &["lrx"], Some("lrx"));
        check("zzz", &fields, None);
    }

    #[test]
    fn every_name_is_that_of_a_field() {
        let mut spec = RunSpec::default();
        let lift = LiftSpec {
            decorrelation: Some(DecorrelationSpec::default()),
            ..LiftSpec::default()
        };
        let mut known = fields(&spec).unwrap();
        spec.method = Method::Lifted(lift);
        known.extend(fields(&spec).unwrap());
        spec.method = Method::Lora(LoraSpec::default());
        known.extend(fields(&spec).unwrap());
        for optimizer in [
            "Sgd(momentum: 0.9)",
            "AdamW(beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weight_decay: 0.0)",
        ] {
            spec.training.optimizer = ron::from_str::<OptimizerSpec>(optimizer).unwrap();
            known.extend(fields(&spec).unwrap());
        }
        let jsonl = "data.source=Jsonl(train:\"a\",validation:None,template:Plain)";
        crate::persist::spec_file::set_field(&mut spec, jsonl).unwrap();
        known.extend(fields(&spec).unwrap());
        for (name, _) in OTHER_NAMES {
            let is_it = |(path, _): &(String, String)| path.rsplit('.').next() == Some(name);
            assert!(known.iter().any(is_it), "{name}");
        }
    }
}
