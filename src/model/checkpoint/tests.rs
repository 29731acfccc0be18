use std::io::{Cursor, Write as _};

use half::f16;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::model::pickle::tests::Pickle;

const MINI: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/assets/mini/rwkv7-mini-7m-f16.pth"
));

fn archive(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(*name, options.with_alignment(64)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A pickle of `a` [2, 3] f16 and `b` [2] f32, and their storages.
fn small_pth() -> Vec<u8> {
    let pickle = Pickle::dict()
        .tensor("a", "HalfStorage", ("0", 6), (0, &[2, 3], &[3, 1]))
        .tensor("b", "FloatStorage", ("1", 3), (1, &[2], &[1]))
        .end();
    let halves: Vec<u8> = (0..6_u8)
        .flat_map(|i| f16::from_f32(i.into()).to_le_bytes())
        .collect();
    let floats: Vec<u8> = (0..3_u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    let entries: [(&str, &[u8]); 4] = [
        ("x/data.pkl", &pickle),
        ("x/byteorder", b"little"),
        ("x/data/0", &halves),
        ("x/data/1", &floats),
    ];
    archive(&entries, CompressionMethod::Stored)
}

fn safetensors(header: &str, n_data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + n_data, 0x3c);
    bytes
}

fn small_safetensors() -> Vec<u8> {
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}"#;
    safetensors(header, 20)
}

fn check_refused(bytes: impl Into<Vec<u8>>, want: &str) {
    let error = Checkpoint::from_bytes("f.pth", bytes.into()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("f.pth: "), "{error}");
    assert!(error.contains(want), "{error}");
    assert!(!error.contains('\n') && error.len() < 400, "{error}");
}

#[test]
fn the_mini_model_opens_in_place() {
    let checkpoint = Checkpoint::from_bytes("mini", MINI).unwrap();
    assert_eq!(checkpoint.names().len(), 204);
    let embedding = checkpoint.tensor("emb.weight").unwrap();
    assert_eq!(embedding.dtype, TensorDType::F16);
    assert_eq!(embedding.shape, [4096, 256]);
    assert_eq!(embedding.stored_bytes().len(), 2 * embedding.n_elements());
    assert!(
        MINI.as_ptr_range()
            .contains(&embedding.stored_bytes().as_ptr())
    );
    assert!(embedding.to_f32().iter().all(|value| value.is_finite()));
    assert!(checkpoint.tensor("absent").is_none());
}

#[test]
fn a_file_reads_like_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    std::fs::write(&path, small_pth()).unwrap();
    let mapped = Checkpoint::open(&path).unwrap();
    assert_eq!(mapped.file(), path);
    let values = |name: &str| mapped.tensor(name).unwrap().to_f32();
    assert_eq!(values("a"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(values("b"), [1.0, 2.0]);
    let held = Checkpoint::from_bytes("x", small_pth()).unwrap();
    assert_eq!(mapped.fingerprint(), held.fingerprint());
    let error = Checkpoint::open(folder.path().join("no")).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
    std::fs::write(&path, b"").unwrap();
    let error = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(error.contains("is empty"), "{error}");
}

#[test]
fn safetensors_open_with_their_metadata() {
    let checkpoint = Checkpoint::from_bytes("x", small_safetensors()).unwrap();
    assert_eq!(checkpoint.metadata()["format"], "pt");
    assert_eq!(checkpoint.tensor("b").unwrap().shape, [2]);
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn any_header_length_is_a_safetensors() {
    let header = r#"{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#;
    for length in header.len()..700 {
        let header = format!("{header:<length$}");
        Checkpoint::from_bytes("x", safetensors(&header, 2)).unwrap();
    }
}

#[test]
fn the_fingerprint_depends_on_content_and_not_on_format() {
    let fingerprint = |bytes: Vec<u8>| Checkpoint::from_bytes("x", bytes).unwrap().fingerprint();
    let header = |name: &str, shape: &str| {
        format!(r#"{{"{name}":{{"dtype":"F16","shape":{shape},"data_offsets":[0,12]}}}}"#)
    };
    let base = fingerprint(safetensors(&header("a", "[2,3]"), 12));
    let pickle = Pickle::dict()
        .tensor("a", "HalfStorage", ("0", 6), (0, &[2, 3], &[3, 1]))
        .end();
    let entries: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle), ("x/data/0", &[0x3c; 12])];
    assert_eq!(
        base,
        fingerprint(archive(&entries, CompressionMethod::Stored))
    );
    assert_ne!(base, fingerprint(safetensors(&header("b", "[2,3]"), 12)));
    assert_ne!(base, fingerprint(safetensors(&header("a", "[3,2]"), 12)));
    let mut flipped = safetensors(&header("a", "[2,3]"), 12);
    *flipped.last_mut().unwrap() ^= 1;
    assert_ne!(base, fingerprint(flipped));
}

#[test]
fn foreign_files_are_named() {
    check_refused(b"", "is empty");
    check_refused(b"lmgg\x03\0\0\0", "is a ggml file");
    check_refused(
        b"version https://git-lfs.github.com/spec/v1\noid",
        "git lfs pull",
    );
    check_refused(b"\n<!DOCTYPE html><html>", "web page");
    check_refused(b"{\"error\": \"Entry not found\"}", "JSON text");
    check_refused(
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8",
        "pickle: byte 2: the pickle ends in the middle",
    );
    check_refused(b"\x80\x04\x95", "bare Python pickle");
    check_refused(b"\x1f\x8b\x08", "gzip");
    check_refused([0; 5000], "begins with zeros");
    check_refused(b"hello world, hello", "is text, where a .pth");
    check_refused(b"\xff\xfe{\0\"\0", "is text, where a .pth");
    check_refused(
        b"prompt,completion\n\xe4\xbd\xa0,b\n",
        "is text, where a .pth",
    );
    check_refused(b"PAR1\x15\x04\x15\x10", "is a Parquet file");
    check_refused(b"hello\x01wo\xff, hello", r#"begins with "hello\x01wo""#);
    let other: [(&str, &[u8]); 1] = [("word/document.xml", b"<xml/>")];
    check_refused(
        archive(&other, CompressionMethod::Stored),
        "without data.pkl",
    );
    let script: [(&str, &[u8]); 2] = [("x/data.pkl", b"."), ("x/constants.pkl", b"")];
    check_refused(archive(&script, CompressionMethod::Stored), "TorchScript");
    let big: [(&str, &[u8]); 2] = [("x/data.pkl", b"."), ("x/byteorder", b"big")];
    check_refused(archive(&big, CompressionMethod::Stored), "big-endian");
}

#[test]
fn archives_that_contradict_themselves_are_refused() {
    let check = |storage: (&str, i64), place: (i64, &[i64], &[i64]), want| {
        let pickle = Pickle::dict()
            .tensor("a", "HalfStorage", storage, place)
            .end();
        let entries: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle), ("x/data/0", &[0; 12])];
        check_refused(archive(&entries, CompressionMethod::Stored), want);
    };
    check(("7", 6), (0, &[6], &[1]), "data/7 is not in the archive");
    check(
        ("0", 1 << 40),
        (0, &[6], &[1]),
        "claims 1099511627776 elements",
    );
    check(
        ("0", i64::MAX),
        (0, &[6], &[1]),
        "claims 9223372036854775807 elements",
    );
    check(
        ("0", 6),
        (0, &[7], &[1]),
        "reaches element 6 of a storage of 6",
    );
    check(
        ("0", 6),
        (0, &[1 << 40, 1 << 40], &[0, 0]),
        "no memory can hold",
    );
    check(("0", 6), (0, &[1 << 30], &[0]), ".contiguous()");
}

#[test]
fn damaged_archives_are_refused() {
    let whole = small_pth();
    check_refused(&whole[..whole.len() - 1], "truncated");
    check_refused(&whole[..whole.len() / 2], "truncated");
    let end = whole.len() - END_RECORD;
    let mut many = whole.clone();
    many[end + 8..end + 12].copy_from_slice(&[0xff; 4]);
    check_refused(many, "claims 65535 zip entries");
    let mut outside = whole.clone();
    outside[end + 16..end + 20].copy_from_slice(&[0xf0; 4]);
    check_refused(outside, "outside the file");
    // The method and the sizes of the first central header.
    let central = u32::from_le_bytes(whole[end + 16..end + 20].try_into().unwrap()) as usize;
    let patched = |at: usize, bytes: &[u8]| {
        let mut patched = whole.clone();
        patched[central + at..central + at + bytes.len()].copy_from_slice(bytes);
        patched
    };
    check_refused(patched(10, &[8]), "is compressed");
    check_refused(patched(8, &[1]), "is encrypted");
    check_refused(patched(20, &[0xfe, 0xff]), "two different sizes");
    check_refused(patched(20, &[0xff; 8]), "is damaged");
    check_refused(patched(42, &[0x01]), "outside the file");
    check_refused(patched(0, &[0]), "directory is damaged");
}

#[test]
fn one_storage_under_very_many_names_is_refused() {
    let names: Vec<String> = (0..2000).map(|i| format!("t{i}")).collect();
    let place: (i64, &[i64], &[i64]) = (0, &[1 << 20], &[1]);
    let pickle = names.iter().fold(Pickle::dict(), |pickle, name| {
        pickle.tensor(name, "HalfStorage", ("0", 1 << 20), place)
    });
    let data = vec![0; 2 << 20];
    let entries: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle.end()), ("x/data/0", &data)];
    check_refused(
        archive(&entries, CompressionMethod::Stored),
        "shares its elements",
    );
}

/// Length of the zip end record without a comment.
const END_RECORD: usize = 22;

#[test]
fn damaged_safetensors_are_refused() {
    let whole = small_safetensors();
    check_refused(&whole[..whole.len() - 1], "truncated");
    check_refused(&whole[..50], "longer than the file");
    check_refused(&whole[..8], "longer than the file");
    let tensor = |dtype: &str, shape: &str, to: u64| {
        let header =
            format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{to}]}}}}"#);
        safetensors(&header, 12)
    };
    check_refused(tensor("F16", "[2,3]", 1 << 50), "does not match its bytes");
    check_refused(
        tensor("F16", "[9223372036854775807,3]", 12),
        "does not match its bytes",
    );
    check_refused(tensor("F8_E4M3", "[12]", 12), "quantised");
    check_refused(tensor("F16", "[2,3]", 10), "does not match");
    let overlap = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#;
    check_refused(safetensors(overlap, 6), "over another one");
    let mut huge = vec![b' '; (16 << 20) + 9];
    huge[..9].copy_from_slice(b"\x01\0\0\x01\0\0\0\0{");
    check_refused(huge, "takes less than");
    check_refused(
        safetensors("{\"a\":".repeat(5000).as_str(), 0),
        "not that of a .safetensors",
    );
}

/// Reads everything, so that a range that is out of bounds shows.
fn touch(bytes: Vec<u8>) {
    let size = bytes.len();
    if let Ok(checkpoint) = Checkpoint::from_bytes("f", bytes) {
        let n_elements: usize = checkpoint.tensors().map(|t| t.to_f32().len()).sum();
        assert!(n_elements <= 2 * size);
        checkpoint.fingerprint();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn arbitrary_bytes_never_panic(
        start in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{\""]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        touch([start, &rest].concat());
    }

    #[test]
    fn truncated_files_are_refused(at in any::<prop::sample::Index>()) {
        for whole in [small_pth(), small_safetensors()] {
            let at = at.index(whole.len());
            prop_assert!(Checkpoint::from_bytes("f", whole[..at].to_vec()).is_err());
        }
    }

    #[test]
    fn flipped_bytes_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for mut bytes in [small_pth(), small_safetensors()] {
            for (at, byte) in &flips {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            touch(bytes);
        }
    }
}
