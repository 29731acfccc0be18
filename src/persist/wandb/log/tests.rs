use super::*;

/// What wandb's own classes write, by tests/golden/wandb_log.py.
const GOLDEN: &str = include_str!("../../../../tests/golden/wandb.json");

/// CRC-32 bit by bit, as IEEE 802.3 defines it.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), bit);
    !bytes.iter().fold(!0, byte)
}

/// The records of a log, put together from pieces that are checked, and the kinds of
/// all pieces.
fn read(log: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    assert_eq!(&log[..7], b":W&B\xe1\xbe\x00");
    let (mut at, mut records, mut kinds) = (7, Vec::new(), Vec::new());
    let (mut record, mut is_open): (Vec<u8>, bool) = (Vec::new(), false);
    while at < log.len() {
        let left = 32_768 - at % 32_768;
        if left < 7 {
            assert!(log[at..at + left].iter().all(|byte| *byte == 0));
            at += left;
            continue;
        }
        let crc = u32::from_le_bytes(log[at..at + 4].try_into().unwrap());
        let n = usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
        assert!(7 + n <= left, "a piece at {at} crosses a block");
        // The kind and the bytes behind it lie side by side.
        assert_eq!(crc32(&log[at + 6..at + 7 + n]), crc, "at {at}");
        let kind = log[at + 6];
        assert_eq!(matches!(kind, 3 | 4), is_open, "at {at}");
        is_open = matches!(kind, 2 | 3);
        record.extend(&log[at + 7..at + 7 + n]);
        if !is_open {
            records.push(std::mem::take(&mut record));
        }
        kinds.push(kind);
        at += 7 + n;
    }
    assert!(!is_open);
    (records, kinds)
}

fn head<'a>(config: &'a [(String, String)]) -> RunHead<'a> {
    RunHead {
        id: "0a1b2c3d",
        project: "gosling",
        name: "state-0001",
        config,
        begin: 1_796_068_994.25,
    }
}

#[test]
fn records_are_those_of_wandb() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    let config = [
        ("name".to_owned(), r#""state""#.to_owned()),
        (
            "training".to_owned(),
            r#"{"steps":3,"rate":0.01}"#.to_owned(),
        ),
    ];
    let mut log = Log::new("gosling 9.8.7", &head(&config));
    log.add_row(0, &[("accuracy/untuned", 0.125)]);
    log.add_row(
        1,
        &[
            ("train/loss", 1.5),
            ("train/norm", f64::NAN),
            ("lift/largest", f64::INFINITY),
        ],
    );
    log.add_row(
        300,
        &[("train/loss", 0.5), ("lift/largest", f64::NEG_INFINITY)],
    );
    log.add_summary(&[("train/loss", 0.5), ("_step", 300.0)]);
    log.add_exit(1);
    let (records, kinds) = read(&log.into_bytes());
    let got: Vec<String> = records
        .iter()
        .map(|record| record.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    let want: Vec<&str> = golden["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    assert_eq!(got, want);
    assert_eq!(kinds, [1; 7]);
}

/// Every length of a record near the end of a block, and one of several blocks.
#[test]
fn long_records_are_cut_at_blocks() {
    let long = |n: usize| [("x".to_owned(), format!("\"{}\"", "y".repeat(n)))];
    let mut last_kinds = Vec::new();
    for n in (32_600..32_768).chain([100_000]) {
        let config = long(n);
        let mut log = Log::new("gosling", &head(&config));
        log.add_row(1, &[("train/loss", 1.5)]);
        let (records, kinds) = read(&log.into_bytes());
        assert_eq!(records.len(), 3, "{n}");
        let ys = records[1].iter().filter(|byte| **byte == b'y').count();
        assert!(ys >= n, "{n}: {ys}");
        last_kinds = kinds;
    }
    assert_eq!(last_kinds, [1, 2, 3, 3, 4, 1]);
}
