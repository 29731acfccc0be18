//! The readers, with good files of each format and the words that it is made of.

mod data;
mod models;

use std::path::Path;

use super::dictionary::{JSON_WORDS, RON_WORDS, SAFETENSORS_WORDS, TORCH_WORDS, VOCABULARY_WORDS};
use super::engine::Reader;
use super::feed::feed;
use super::good_files::{
    adapted, checkpoint_seeds, lift, metadata, state, state_seeds, torch_seeds, tuned, vocabulary,
    written,
};
use crate::data::{Benchmark, Split, Template, read_items};
use crate::model::ModelConfig;
use crate::model::checkpoint::Checkpoint;
use crate::model::pickle::read_state_dict;
use crate::model::tokenizer::Tokenizer;
use crate::persist::metrics::{MetricRecord, records_in};
use crate::persist::spec_file::{parse_spec, print_spec, set_field};
use crate::protocol::event::{RunOutcome, StepMetrics};
use crate::protocol::run_spec::{CheckpointSource, DataSource, RunSpec};
use crate::tuning::spec::{LiftSpec, Method};
use crate::tuning::states::checkpoint_file::checkpoint_in;
use crate::tuning::states::lift_bundle::{bundle_in, write_bundle};
use crate::tuning::states::snapshot_file::{Snapshot, snapshot_in, write_snapshot};
use crate::tuning::states::state_file::sidecar::is_description;
use crate::tuning::states::state_file::{
    Orientation, PthDType, raw_in, state_in, write_companions, write_pth, write_raw,
};

pub(super) fn check(
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    words: &[&[u8]],
    read: &dyn Fn(&[u8]) -> bool,
) {
    feed(&Reader {
        name,
        seeds,
        words,
        read,
        extra_bytes: 0,
    });
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn pth() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch");
    let mut seeds = torch_seeds();
    seeds.push(std::fs::read(golden.join("old_format.pth")).unwrap());
    check("pth", seeds, &TORCH_WORDS, &|bytes| {
        let Ok(file) = Checkpoint::from_bytes("a.pth", bytes.to_vec()) else {
            return false;
        };
        for tensor in file.tensors() {
            assert_eq!(tensor.to_f32().len(), tensor.n_elements());
        }
        // Models are read from the same bytes; these are not models.
        let _ = ModelConfig::from_checkpoint(&file);
        let _ = file.fingerprint();
        state_in(&file, None).is_ok()
    });
}

#[test]
fn pickle() {
    let seeds = torch_seeds().into_iter().map(|archive| {
        let start = archive
            .windows(2)
            .position(|two| two == b"\x80\x02")
            .unwrap();
        let end = archive[start..]
            .windows(4)
            .position(|four| four == b"PK\x03\x04")
            .unwrap();
        archive[start..start + end].to_vec()
    });
    check("pickle", seeds.collect(), &TORCH_WORDS, &|bytes| {
        read_state_dict(bytes).is_ok_and(|tensors| !tensors.is_empty())
    });
}

#[test]
fn safetensors() {
    check("safetensors", state_seeds(), &SAFETENSORS_WORDS, &|bytes| {
        let Ok(file) = Checkpoint::from_bytes("a.safetensors", bytes.to_vec()) else {
            return false;
        };
        for tensor in file.tensors() {
            assert_eq!(tensor.to_f32().len(), tensor.n_elements());
        }
        let _ = ModelConfig::from_checkpoint(&file);
        true
    });
}

#[test]
fn states() {
    check("state", state_seeds(), &SAFETENSORS_WORDS, &|bytes| {
        let Ok(file) = Checkpoint::from_bytes("a.st", bytes.to_vec()) else {
            return false;
        };
        let all = [
            None,
            Some(Orientation::ValueKey),
            Some(Orientation::KeyValue),
        ];
        all.into_iter().any(|told| match state_in(&file, told) {
            Ok((state, _)) => {
                assert_eq!(state.layers.len(), state.n_layer);
                assert!(state.layers.iter().all(|x| x.len() == state.n_per_layer()));
                true
            }
            Err(_) => false,
        })
    });
}

#[test]
fn descriptions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pth");
    write_pth(&tuned(None).state, &path, PthDType::F32).unwrap();
    write_companions(&path, &metadata()).unwrap();
    let seed = std::fs::read(folder.path().join("a.pth.json")).unwrap();
    check("description", vec![seed], &JSON_WORDS, &is_description);
}

#[test]
fn raw_states() {
    let model = ModelConfig {
        architecture: crate::model::Architecture::Rwkv7,
        n_layer: 2,
        n_embd: 4,
        n_head: 2,
        head_size: 2,
        keys: None,
        end_of_document: 0,
        vocab_size: 10,
        n_ffn: 16,
        decay_rank: 1,
        iclr_rank: 1,
        value_rank: 1,
        gate_rank: 1,
    };
    let seed = written("a.bin", |path| {
        write_raw(&state(), path).unwrap();
    });
    check("raw", vec![seed], &[], &|bytes| {
        raw_in(Path::new("a.bin"), bytes, &model).is_ok()
    });
}

#[test]
fn checkpoints() {
    check(
        "checkpoint",
        checkpoint_seeds(),
        &SAFETENSORS_WORDS,
        &|bytes| {
            let file = Checkpoint::from_bytes("step-000003.safetensors", bytes.to_vec());
            file.is_ok_and(|file| checkpoint_in(&file).is_ok())
        },
    );
}

#[test]
fn bundles() {
    let seed = written("lifted.safetensors", |path| {
        write_bundle(&tuned(Some(lift())), path, &metadata()).unwrap();
    });
    let adapted = written("lora.safetensors", |path| {
        write_bundle(&adapted(), path, &metadata()).unwrap();
    });
    check(
        "bundle",
        vec![seed, adapted],
        &SAFETENSORS_WORDS,
        &|bytes| {
            let file = Checkpoint::from_bytes("lifted.safetensors", bytes.to_vec());
            file.is_ok_and(|file| bundle_in(&file).is_ok())
        },
    );
}

#[test]
fn snapshots() {
    let seeds = [tuned(None), tuned(Some(lift())), adapted()].map(|tuned| {
        written("step-000003.safetensors", |path| {
            let snapshot = Snapshot { step: 3, tuned };
            write_snapshot(path, &snapshot).unwrap();
        })
    });
    check("snapshot", seeds.to_vec(), &SAFETENSORS_WORDS, &|bytes| {
        let file = Checkpoint::from_bytes("step-000003.safetensors", bytes.to_vec());
        file.is_ok_and(|file| snapshot_in(&file).is_ok())
    });
}

#[test]
fn vocabularies() {
    let reader = |bytes: &[u8]| match Tokenizer::from_bytes("vocab.txt", bytes) {
        Ok(tokenizer) => {
            let ids = tokenizer.encode_bytes(b"ab\xff\nabc");
            assert_eq!(tokenizer.decode_bytes(&ids), b"ab\xff\nabc");
            true
        }
        Err(_) => false,
    };
    feed(&Reader {
        name: "vocabulary",
        seeds: vec![vocabulary()],
        words: &VOCABULARY_WORDS,
        read: &reader,
        // The lines of all 65536 ids, and the first two levels of the trie.
        extra_bytes: 4 << 20,
    });
}

/// Without byte-level ones, whose patterns take longer to compile than a file to read.
#[test]
fn vocabularies_of_other_models() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bpe");
    let seeds = ["mistral.json", "metaspace.json"];
    let seeds = seeds.map(|name| std::fs::read(golden.join(name)).unwrap());
    let reader = |bytes: &[u8]| match Tokenizer::from_bytes("tokenizer.json", bytes) {
        Ok(tokenizer) => {
            let ids = tokenizer.encode_bytes(b"ab\xff\n abc");
            let is_known = |id: &u32| (*id as usize) < tokenizer.vocab_size();
            assert!(ids.iter().all(is_known), "{ids:?}");
            tokenizer.decode_bytes(&ids);
            true
        }
        Err(_) => false,
    };
    feed(&Reader {
        name: "tokenizer",
        seeds: seeds.to_vec(),
        words: &JSON_WORDS,
        read: &reader,
        // Where the bytes of every id are, up to the largest.
        extra_bytes: 32 << 20,
    });
}

#[test]
fn benchmarks_of_json_lines() {
    let seeds = texts(&[
        "{\"question\":\"2+3?\",\"answer\":\"5\\n#### 5\"}\n",
        "{\"id\":\"a\",\"question\":{\"stem\":\"s\",\"choices\":[{\"text\":\"x\",\"label\":\"A\"},{\"text\":\"y\",\"label\":\"B\"},{\"text\":\"z\",\"label\":\"C\"}]},\"answerKey\":\"B\"}\n",
        "{\"qID\":\"q-1\",\"sentence\":\"The _ fell.\",\"option1\":\"cup\",\"option2\":\"cat\",\"answer\":\"1\"}\n",
    ]);
    check("benchmark", seeds, &JSON_WORDS, &|bytes| {
        let all = [Benchmark::Gsm8k, Benchmark::Arc, Benchmark::WinoGrande];
        // A name without a stem has no list of labels on the disk beside it.
        let read = |benchmark| read_items(benchmark, "..", bytes, Split::Test).is_ok();
        all.into_iter().filter(|benchmark| read(*benchmark)).count() > 0
    });
}

#[test]
fn tables() {
    let seeds = texts(&[
        "Q?,a,b,c,d,A\n\"Long, \"\"quoted\"\"\nquestion\",1,2,3,4,D\n",
        "\u{feff}Q,a,b,c,d,B\r\n\r\nR,e,f,g,h,C\r\n",
        "question,choice0,choice1,choice2,choice3,answer\nQ?,1,2,3,4,0\n",
        "question,subject,choices,answer\nQ?,s,\"['a' 'b'\n \"\"c\"\" 'd']\",3\n",
        "[{\"question\":\"q\",\"subject\":\"s\",\"choices\":[\"a\",\"b\",\"c\",\"d\"],\"answer\":1}]",
    ]);
    let words: [&[u8]; 16] = [
        b",",
        b"\"",
        b"\"\"",
        b"\r\n",
        b"\n",
        b",A\n",
        b"\xff",
        b"\r",
        b"\t",
        b";",
        b"answer",
        b"question",
        b"choices",
        b"['",
        b"\\x",
        b"4\n",
    ];
    check("csv", seeds, &words, &|bytes| {
        read_items(Benchmark::Mmlu, "biology_test.csv", bytes, Split::Test).is_ok()
    });
}

#[test]
fn specifications() {
    let lifted = RunSpec {
        method: Method::Lifted(LiftSpec {
            decorrelation: Some(Default::default()),
            ..LiftSpec::default()
        }),
        ..RunSpec::default()
    };
    let mut files = RunSpec::default();
    files.model.checkpoint = CheckpointSource::File("a b.pth".into());
    files.data.source = DataSource::Jsonl {
        train: "t.jsonl".into(),
        validation: Some("v.jsonl".into()),
        template: Template::UserAssistant,
    };
    let mut seeds: Vec<_> = [RunSpec::default(), lifted, files]
        .iter()
        .map(|spec| print_spec(spec).unwrap().into_bytes())
        .collect();
    seeds.extend(texts(&["(name: \"a\", training: (batch: 8))", "()"]));
    check("ron", seeds, &RON_WORDS, &|bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return false;
        };
        match parse_spec(text, "a.ron") {
            Ok(spec) => {
                let _ = spec.check();
                let printed = print_spec(&spec).unwrap();
                let again = parse_spec(&printed, "b.ron").unwrap();
                assert_eq!(printed, print_spec(&again).unwrap());
                true
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                false
            }
        }
    });
}

#[test]
fn assignments() {
    let seeds = texts(&[
        "training.batch=8",
        "method=Lifted(features: (upscaled_size: 64))",
        "model.checkpoint=File(\"a.pth\")",
        "training.optimizer.beta1=0.5",
    ]);
    check("assignment", seeds, &RON_WORDS, &|bytes| {
        let mut spec = RunSpec::default();
        let text = std::str::from_utf8(bytes);
        text.is_ok_and(|text| set_field(&mut spec, text).is_ok())
    });
}

#[test]
fn metrics() {
    let step = MetricRecord::Step(StepMetrics {
        step: 3,
        loss: f64::NAN,
        grad_norm: 0.5,
        state_norm: 1.0,
        learning_rate: 0.1,
        tokens: 7,
        secs: 0.25,
        lift: None,
        lora: None,
    });
    let end = MetricRecord::End {
        outcome: RunOutcome::Diverged {
            step: 3,
            detail: "layer 0".into(),
        },
    };
    let line = |record: &MetricRecord| serde_json::to_string(record).unwrap() + "\n";
    let seeds = vec![[line(&step), line(&end)].concat().into_bytes()];
    check("metrics", seeds, &JSON_WORDS, &|bytes| {
        let mut n_records = 0;
        records_in(bytes, |line, record| {
            n_records += 1;
            // What was read can be written and read again.
            let again = serde_json::to_vec(&record).unwrap();
            assert!(serde_json::from_slice::<MetricRecord>(&again).is_ok());
            assert!(!line.is_empty());
        })
        .unwrap();
        n_records > 0
    });
}
