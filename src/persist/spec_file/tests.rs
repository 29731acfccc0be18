//! Tests of the specification file.

use proptest::prelude::*;

use super::*;
use crate::data::{Benchmark, Template};
use crate::kernels::device::DeviceChoice;
use crate::protocol::run_spec::DataSource;
use crate::tuning::spec::{EarlyStopping, Layers, Method, Schedule, StandardSpec, StartState};

fn error_of(text: &str) -> String {
    parse_spec(text, "run.ron").unwrap_err().to_string()
}

fn check_error(text: &str, want: &str) {
    assert_eq!(error_of(text), format!("run.ron: {want}"), "{text}");
}

pub(super) fn check_round_trip(spec: &RunSpec) {
    let text = print_spec(spec).unwrap();
    assert_eq!(&parse_spec(&text, "run.ron").unwrap(), spec, "{text}");
}

#[test]
fn nothing_is_the_default() {
    assert_eq!(parse_spec("()", "run.ron").unwrap(), RunSpec::default());
    assert_eq!(
        parse_spec("\u{feff}// note\n()\n", "run.ron").unwrap(),
        RunSpec::default()
    );
}

#[test]
fn round_trips() {
    check_round_trip(&RunSpec::default());
    let mut spec = RunSpec {
        name: "a \"quoted\"\n\\ näme".into(),
        device: DeviceChoice::GpuIndex(3),
        method: Method::Standard(StandardSpec {
            layers: Layers::Only(vec![0, 7]),
            start: StartState::Text("User: (a, b)\n".into()),
            ..StandardSpec::default()
        }),
        ..RunSpec::default()
    };
    spec.data.source = DataSource::Jsonl {
        train: "C:\\data\\train.jsonl".into(),
        validation: None,
        template: Template::UserAssistant,
    };
    spec.training.clip_norm = None;
    spec.training.early_stopping = Some(EarlyStopping { patience: 3 });
    spec.training.seed = u64::MAX;
    check_round_trip(&spec);
    spec.method = Method::Base;
    spec.data.source = DataSource::Mini(Benchmark::WinoGrande);
    check_round_trip(&spec);
}

proptest! {
    #[test]
    fn floats_round_trip_exactly(bits: u64, last: f64, name in ".*") {
        let mut spec = RunSpec { name, ..RunSpec::default() };
        let rate = f64::from_bits(bits);
        prop_assume!(!rate.is_nan());
        spec.training.learning_rate = rate;
        spec.training.schedule = Schedule::Linear { last };
        check_round_trip(&spec);
    }

    #[test]
    fn any_text_is_an_error_or_a_spec(text in "[(a-zA-Z0-9.:,)\\[\\]\" \n/*#!-]{0,60}") {
        let _ = parse_spec(&text, "run.ron");
        let _ = set_field(&mut RunSpec::default(), &format!("training.batch={text}"));
        let _ = set_field(&mut RunSpec::default(), &text);
    }
}

#[test]
fn options_and_variants_are_read_either_way() {
    for (short, long) in [
        (
            "(training: (clip_norm: 3))",
            "(training: (clip_norm: Some(3.0)))",
        ),
        (
            "(method: Standard(layers: All))",
            "(method: Standard((layers: All)))",
        ),
        (
            "(training: (early_stopping: (patience: 2)))",
            "(training: (early_stopping: Some((patience: 2))))",
        ),
    ] {
        assert_eq!(
            parse_spec(short, "a").unwrap(),
            parse_spec(long, "b").unwrap(),
            "{short}"
        );
    }
}

#[test]
fn errors_say_where_and_what_would_be_right() {
    for (text, want) in [
        (
            "(\n    training: (\n        learnig_rate: 1.0))",
            "line 3, column 9: unknown field `learnig_rate`; did you mean `learning_rate`?",
        ),
        (
            "(training: (optimizer: adam(beta1: 1.0)))",
            "line 1, column 24: unknown choice `adam`; did you mean `Adam`?",
        ),
        (
            "(device: Xyz)",
            "line 1, column 10: unknown choice `Xyz`; expected one of `Auto`, `Cpu`, `Gpu`, `GpuIndex`",
        ),
        (
            "(training: (optimizer: Sgd(momentum: 0.5, decay: 0.1)))",
            "line 1, column 43: unknown field `decay`; expected one of `momentum`",
        ),
        (
            "(method: Standard((layer: All)))",
            "line 1, column 20: unknown field `layer`; did you mean `layers`?",
        ),
        (
            "(training: (batch: \"x\"))",
            "line 1, column 20: expected a whole number",
        ),
        (
            "(training: (batch: 1.5))",
            "line 1, column 21: expected the value to end here; a whole number has no fraction, \
             and a choice without fields no parentheses",
        ),
        (
            "(training: (batch: -1))",
            "line 1, column 21: the number is too large or negative; expected a whole number from 0",
        ),
        (
            "(training: (optimizer: Adam(beta1: 0.9)))",
            "line 1, column 39: `Adam` needs the field `beta2`",
        ),
        (
            "(name: \"a\", name: \"b\")",
            "line 1, column 13: the field `name` is set twice",
        ),
        (
            "(name: foo)",
            "line 1, column 8: expected text in double quotes",
        ),
        (
            "() ()",
            "line 1, column 4: unexpected text after the specification's end",
        ),
        (
            "(training: (lr: 0.1))",
            "line 1, column 13: unknown field `lr`; did you mean `learning_rate`?",
        ),
        (
            r#"(model: (checkpoint: File("C:\Users\me\rwkv7.pth")))"#,
            r#"line 1, column 28: in quotes a backslash begins an escape; write a path with /, or as r"C:\models\rwkv7.pth""#,
        ),
        (
            "(training: (l2wrap: yes))",
            "line 1, column 21: expected true or false",
        ),
    ] {
        check_error(text, want);
    }
    for text in ["", "(training", "(name: \"abc", "/* open", "[1]"] {
        let error = error_of(text);
        assert!(error.starts_with("run.ron: line 1, column "), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn files_that_are_no_specs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ron");
    let check = |bytes: &[u8], want: &str| {
        std::fs::write(&path, bytes).unwrap();
        let error = read_spec(&path).unwrap_err().to_string();
        assert!(error.ends_with(want), "{error}");
        assert!(error.contains("run.ron"), "{error}");
    };
    check(
        &vec![b' '; (1 << 20) + 1],
        "size: is over 1 MiB; a run specification is a short RON file",
    );
    check(
        b"(\nname: \"\xff\")",
        "line 2: not UTF-8 text at byte 8; save the file as UTF-8",
    );
    check(
        b"PK\x03\x04\x14\0",
        "content: is a zip archive; unpack it and name the file in it",
    );
    check(
        b"{\"prompt\": \"a\"}\n",
        "line 1: is JSON; a run or a sweep is a RON file, and a data set is named in one or with \
         --set data.source='Jsonl(train: \"FILE\", template: Plain)'",
    );
    check(
        b"\n",
        "line 1: is empty; a RON file of a run or a sweep is needed",
    );
    let message = read_spec(folder.path()).unwrap_err().to_string();
    assert!(
        message.ends_with("path: a folder; a file is needed"),
        "{message}"
    );
    let missing = read_spec(folder.path().join("none.ron")).unwrap_err();
    assert!(missing.to_string().ends_with("no such file or folder"));
    std::fs::write(&path, print_spec(&RunSpec::default()).unwrap()).unwrap();
    assert_eq!(read_spec(&path).unwrap(), RunSpec::default());
    // As `gosling .. > run.ron` writes it in PowerShell.
    let text = format!("\u{feff}{}", print_spec(&RunSpec::default()).unwrap());
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, units).unwrap();
    assert_eq!(read_spec(&path).unwrap(), RunSpec::default());
}
