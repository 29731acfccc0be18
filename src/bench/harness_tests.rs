//! Prompts, token pairs, verdicts and standard errors against those of
//! lm-evaluation-harness (`tests/golden/lm_eval_rules.py`).

use serde_json::Value;

use super::judge;
use super::options::{FewShot, ScoreOptions};
use super::{Accuracy, Answer, extract};
use crate::data::{Benchmark, Item, Pairing, Protocol, Split, load};
use crate::model::tokenizer::Tokenizer;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/lm_eval.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// The documents, read from a file of that name and content.
fn items(benchmark: Benchmark, name: &str, content: &str) -> Vec<Item> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, content).unwrap();
    let loaded = load(benchmark, &file, Split::Test).unwrap();
    assert_eq!(loaded.bad_lines, []);
    loaded.items
}

fn lines(value: &Value) -> String {
    list(value)
        .iter()
        .map(|line| format!("{}\n", text(line)))
        .collect()
}

/// The last two documents are asked, the ones before are the solved questions.
fn check_prompts(items: &[Item], expected: &Value) {
    let protocol = Protocol::LM_EVAL;
    let (pool, asked) = items.split_at(items.len() - 2);
    for (n_solved, expected) in expected.as_object().unwrap() {
        let solved: Vec<&Item> = pool.iter().take(n_solved.parse().unwrap()).collect();
        for (item, expected) in asked.iter().zip(list(expected)) {
            let prefix = protocol.prefix(item, &solved);
            let mut pairs = protocol.pairs(item);
            if pairs.is_empty() {
                pairs.push((protocol.question(item), String::new()));
            }
            let got: Vec<_> = pairs
                .into_iter()
                .map(|(context, continuation)| [format!("{prefix}{context}"), continuation])
                .collect();
            let expected: Vec<_> = list(expected)
                .iter()
                .map(|pair| [text(&pair[0]).to_owned(), text(&pair[1]).to_owned()])
                .collect();
            // The harness gives as many options as the question has texts.
            assert_eq!(
                got[..expected.len()],
                expected,
                "{} with {n_solved}",
                item.id
            );
        }
    }
}

#[test]
fn prompts_are_those_of_the_harness() {
    let golden = golden();
    let gsm8k = &golden["gsm8k"];
    let of_gsm8k = items(Benchmark::Gsm8k, "test.jsonl", &lines(&gsm8k["lines"]));
    check_prompts(&of_gsm8k, &gsm8k["prompts"]);
    let arc = &golden["arc"];
    for form in ["lines", "hub_lines"] {
        let of_arc = items(Benchmark::Arc, "test.jsonl", &lines(&arc[form]));
        check_prompts(&of_arc, &arc["prompts"]);
    }
    let winogrande = &golden["winogrande"];
    let of_it = items(
        Benchmark::WinoGrande,
        "dev.jsonl",
        &lines(&winogrande["lines"]),
    );
    check_prompts(&of_it, &winogrande["prompts"]);
    let mmlu = &golden["mmlu"];
    let name = "abstract_algebra_test.csv";
    let of_mmlu = items(Benchmark::Mmlu, name, text(&mmlu["table"]));
    check_prompts(&of_mmlu, &mmlu["prompts"]);
    let stops: Vec<_> = list(&gsm8k["until"]).iter().map(text).collect();
    assert_eq!(ScoreOptions::new(Protocol::LM_EVAL).stops(), stops);
}

#[test]
fn solved_questions_are_drawn_as_the_harness_draws_them() {
    let drawn = &golden()["drawn"];
    let of = |name: &str| items(Benchmark::Gsm8k, "test.jsonl", &lines(&drawn[name]));
    let (pool, asked) = (of("pool"), of("asked"));
    let mut options = ScoreOptions::new(Protocol::LM_EVAL);
    options.few_shot = FewShot::Drawn { pool, n: 5 };
    let solved = options.few_shot_of(&asked);
    for ((item, solved), expected) in asked.iter().zip(solved).zip(list(&drawn["contexts"])) {
        let protocol = options.protocol;
        let context = protocol.prefix(item, &solved) + &protocol.question(item);
        assert_eq!(context, text(expected));
    }
}

#[test]
fn numbers_and_verdicts_are_those_of_the_harness() {
    let golden = golden();
    let verdicts = list(&golden["gsm8k"]["verdicts"]);
    assert!(verdicts.len() > 100);
    for verdict in verdicts {
        let got = extract(Protocol::LM_EVAL, text(&verdict[1]), text(&verdict[0]));
        let what = format!("{verdict}");
        assert_eq!(got.strict, text(&verdict[2]), "{what}");
        assert_eq!(got.correct, verdict[3].as_bool().unwrap(), "{what}");
        assert_eq!(got.flexible, text(&verdict[4]), "{what}");
        assert_eq!(
            got.correct_flexible,
            verdict[5].as_bool().unwrap(),
            "{what}"
        );
    }
}

#[test]
fn options_win_as_in_the_harness() {
    let golden = golden();
    let items = items(
        Benchmark::Arc,
        "test.jsonl",
        &lines(&golden["arc"]["lines"]),
    );
    for verdict in list(&golden["arc"]["verdicts"]) {
        let item = items
            .iter()
            .find(|item| item.id == text(&verdict[0]))
            .unwrap();
        let scores = list(&verdict[1])
            .iter()
            .map(|score| score.as_f64().unwrap());
        let record = judge::chosen(item, String::new(), scores.collect()).unwrap();
        assert_eq!(record.correct, verdict[2].as_bool().unwrap(), "{verdict}");
        let Answer::Chosen { correct_norm, .. } = record.answer else {
            panic!("{verdict}");
        };
        assert_eq!(correct_norm, verdict[3].as_bool(), "{verdict}");
    }
}

#[test]
fn tokens_are_cut_where_the_harness_cuts_them() {
    let tokenizer = Tokenizer::mini().unwrap();
    let ids = |value: &Value| -> Vec<u32> {
        list(value)
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect()
    };
    for pair in list(&golden()["pairs"]) {
        let got = Pairing::Joint.encode(&tokenizer, text(&pair[0]), text(&pair[1]));
        assert_eq!(got, (ids(&pair[2]), ids(&pair[3])), "{pair}");
    }
}

#[test]
fn standard_errors_are_those_of_the_harness() {
    for error in list(&golden()["standard_errors"]) {
        let accuracy = Accuracy {
            n_correct: error[0].as_u64().unwrap() as usize,
            n_items: error[1].as_u64().unwrap() as usize,
        };
        let difference = accuracy.standard_error() - error[2].as_f64().unwrap();
        assert!(difference.abs() < 1e-12, "{error}");
    }
}

/// What the Hugging Face hub serves is the same questions, under the same ids
/// where it has ids.
fn check_hub(benchmark: Benchmark, own: &[Item], extension: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hub");
    let path = folder.join(format!("{benchmark}.{extension}"));
    let hub = load(benchmark, path, Split::Test).unwrap();
    assert_eq!(hub.bad_lines, [], "{benchmark}");
    let has_ids = benchmark != Benchmark::WinoGrande;
    for (hub, own) in hub.items.iter().zip(own) {
        assert_eq!(hub.task, own.task);
        assert!(!has_ids || hub.id == own.id, "{} and {}", hub.id, own.id);
    }
    assert_eq!(hub.items.len(), own.len());
}

/// The benchmarks of the golden file, as their publishers have them.
fn published() -> [(Benchmark, Vec<Item>); 3] {
    let golden = golden();
    [
        (Benchmark::Gsm8k, "gsm8k", "test.jsonl"),
        (Benchmark::Arc, "arc", "test.jsonl"),
        (Benchmark::WinoGrande, "winogrande", "dev.jsonl"),
    ]
    .map(|(benchmark, name, file)| {
        let content = lines(&golden[name]["lines"]);
        (benchmark, items(benchmark, file, &content))
    })
}

/// The rows of its files, which `tests/parquet_rows` reads from them.
#[test]
fn rows_of_the_hub_hold_the_same_questions() {
    for (benchmark, own) in published() {
        check_hub(benchmark, &own, "jsonl");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_hold_the_same_questions() {
    for (benchmark, own) in published() {
        check_hub(benchmark, &own, "parquet");
    }
    let golden = golden();
    let table = text(&golden["mmlu"]["table"]);
    let own = items(Benchmark::Mmlu, "abstract_algebra_test.csv", table);
    check_hub(Benchmark::Mmlu, &own, "parquet");
}

/// Who has no reader for them is told what to do.
#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_files_are_refused_with_what_to_build() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hub");
    let refused = load(Benchmark::Arc, folder.join("arc.parquet"), Split::Test).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.contains("build it with --features parquet"),
        "{message}"
    );
}

/// A file that is cut short or has bytes changed is an error and no panic.
#[cfg(feature = "parquet")]
#[test]
fn damaged_parquet_files_are_refused() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hub/arc.parquet");
    let whole = std::fs::read(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.parquet");
    let mut n_refused = 0;
    for at in (0..whole.len()).step_by(37) {
        std::fs::write(&file, &whole[..at]).unwrap();
        assert!(load(Benchmark::Arc, &file, Split::Test).is_err(), "{at}");
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        std::fs::write(&file, &changed).unwrap();
        n_refused += usize::from(load(Benchmark::Arc, &file, Split::Test).is_err());
    }
    assert!(n_refused > 10, "{n_refused}");
}
