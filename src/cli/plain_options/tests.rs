//! Tests of plain options.

use std::fs;

use super::*;
use crate::persist::presets::preset;
use crate::persist::spec_file::set_field;

fn changed(options: &SourceOptions, base: &RunSpec) -> Result<RunSpec> {
    let mut spec = base.clone();
    for change in options.changes(base)? {
        set_field(&mut spec, &change.assignment())?;
    }
    Ok(spec)
}

fn source(options: SourceOptions, base: &RunSpec) -> Result<DataSource, String> {
    let spec = changed(&options, base).map_err(|error| error.to_string())?;
    Ok(spec.data.source)
}

fn data(name: impl Into<String>) -> SourceOptions {
    SourceOptions {
        data: Some(name.into()),
        ..SourceOptions::default()
    }
}

#[test]
fn numbers_and_the_model_are_set() {
    let base = preset("cpu").unwrap();
    let options = SourceOptions {
        model: Some(r"C:\new\it's a.pth".into()),
        batch: Some(3),
        rate: Some(0.25),
        ..SourceOptions::default()
    };
    let mut expected = base.clone();
    expected.model.checkpoint = CheckpointSource::File(r"C:\new\it's a.pth".into());
    expected.training.batch = 3;
    expected.training.learning_rate = 0.25;
    assert_eq!(changed(&options, &base).unwrap(), expected);
    let mini = SourceOptions {
        model: Some("mini".into()),
        ..SourceOptions::default()
    };
    let spec = changed(&mini, &expected).unwrap();
    assert_eq!(spec.model.checkpoint, CheckpointSource::Mini);
}

#[test]
fn a_warm_up_fits_the_steps() {
    let base = preset("cpu").unwrap();
    assert_eq!(base.training.warmup_steps, 10);
    let of = |steps: usize| {
        let steps = Some(steps);
        let changes = StepOptions { steps }.changes(&base).unwrap();
        changes.iter().map(Change::assignment).collect::<Vec<_>>()
    };
    assert_eq!(of(11), ["training.steps=11"]);
    assert_eq!(of(10), ["training.steps=10", "training.warmup_steps=1"]);
    assert_eq!(of(1), ["training.steps=1", "training.warmup_steps=0"]);
}

#[test]
fn data_is_a_file_a_name_or_a_folder() {
    let base = preset("cpu").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    fs::write(path("own.jsonl"), "{\"text\": \"a\"}\n").unwrap();
    for name in ["gsm", "empty"] {
        fs::create_dir(path(name)).unwrap();
    }
    let line = "{\"question\": \"1+1?\", \"answer\": \"It is 2.\\n#### 2\"}\n";
    fs::write(path("gsm/train.jsonl"), line).unwrap();

    let own = DataSource::Jsonl {
        train: path("own.jsonl"),
        validation: None,
        template: Template::Plain,
    };
    assert_eq!(source(data(text("own.jsonl")), &base), Ok(own));
    for name in ["arc", "arc-mini"] {
        let arc = DataSource::Mini(Benchmark::Arc);
        assert_eq!(source(data(name), &base), Ok(arc));
    }
    let gsm8k = DataSource::Official {
        benchmark: Benchmark::Gsm8k,
        folder: path("gsm"),
    };
    assert_eq!(source(data(text("gsm")), &base), Ok(gsm8k.clone()));
    let named = format!("gsm8k:{}", text("gsm"));
    assert_eq!(source(data(named), &base), Ok(gsm8k));
    let error = source(data(text("empty")), &base).unwrap_err();
    assert!(error.contains("has no files of a benchmark"), "{error}");
    let error = source(data(text("absent")), &base).unwrap_err();
    assert!(
        error.starts_with("--data: there is no file or folder"),
        "{error}"
    );
}

#[test]
fn own_files_keep_what_is_not_named() {
    let base = preset("cpu").unwrap();
    let own = |train: &str, validation: Option<&str>, template| DataSource::Jsonl {
        train: train.into(),
        validation: validation.map(PathBuf::from),
        template,
    };
    let options = |train: Option<&str>, validation: Option<&str>| SourceOptions {
        train: train.map(PathBuf::from),
        validation: validation.map(PathBuf::from),
        ..SourceOptions::default()
    };
    assert_eq!(
        source(options(Some("a b"), Some("c")), &base),
        Ok(own("a b", Some("c"), Template::Plain))
    );
    let error = source(options(None, Some("c")), &base).unwrap_err();
    assert!(
        error.starts_with("--validation: a benchmark has"),
        "{error}"
    );
    let mut chat = base;
    chat.data.source = own("x", Some("y"), Template::UserAssistant);
    assert_eq!(
        source(options(Some("a"), None), &chat),
        Ok(own("a", Some("y"), Template::UserAssistant))
    );
    assert_eq!(
        source(options(None, Some("b")), &chat),
        Ok(own("x", Some("b"), Template::UserAssistant))
    );
}

#[test]
fn chats_get_the_template_of_chats_and_others_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let chats = path("chats.jsonl", "{\"messages\": []}\n");
    let texts = path("texts.jsonl", "{\"text\": \"a\"}\n");
    let base = RunSpec::default();
    let template = |options: SourceOptions| match source(options, &base) {
        Ok(DataSource::Jsonl { template, .. }) => Ok(template),
        Ok(other) => panic!("{other:?}"),
        Err(message) => Err(message),
    };
    let of = |path: &Path| data(path.to_str().unwrap());
    assert_eq!(template(of(&chats)), Ok(Template::UserAssistant));
    assert_eq!(template(of(&texts)), Ok(Template::Plain));
    let asked = |path: &Path| SourceOptions {
        template: Some(Template::Think),
        ..of(path)
    };
    assert_eq!(template(asked(&chats)), Ok(Template::Think));
    let benchmark = SourceOptions {
        template: Some(Template::Think),
        ..SourceOptions::default()
    };
    assert!(
        template(benchmark)
            .unwrap_err()
            .starts_with("--template: a benchmark")
    );
    // A folder of texts is data too.
    path("a.txt", "a");
    assert_eq!(template(of(folder.path())), Ok(Template::Plain));
}
