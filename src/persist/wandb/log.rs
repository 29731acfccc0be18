//! The log of an offline run of wandb, which `wandb sync` reads.
//!
//! | part | what it is |
//! |---|---|
//! | file | `:W&B`, 0xbee1 as u16, version 0 as u8; then pieces in blocks of 32 KiB |
//! | piece | CRC-32 of its kind and bytes as u32, length as u16, kind; little-endian |
//! | kind | 1 a whole record, 2 its first piece, 3 one between, 4 its last piece |
//! | record | protobuf: number 1, then history 2, summary 3, run 17, exit 18 or header 21 |
//!
//! The last bytes of a block that are too few for a piece are zero. Values are JSON, in
//! which a number that is not finite is written as Python does.

use flate2::Crc;

use crate::persist::protobuf::{put_bytes, put_varint};

const HEAD: [u8; 7] = *b":W&B\xe1\xbe\x00";
const BLOCK: usize = 1 << 15;
/// Checksum, length and kind.
const PIECE_HEAD: usize = 7;

/// What a record is, by the number of its field.
const HISTORY: u32 = 2;
const SUMMARY: u32 = 3;
const RUN: u32 = 17;
const EXIT: u32 = 18;
const HEADER: u32 = 21;

/// What is known of a run before its first step.
#[derive(Debug)]
pub(super) struct RunHead<'a> {
    /// Tells the run from the others of its project.
    pub id: &'a str,
    /// The project that it is shown in.
    pub project: &'a str,
    /// What it is called.
    pub name: &'a str,
    /// Settings: their names, and their values as JSON.
    pub config: &'a [(String, String)],
    /// When it began, in seconds since 1970.
    pub begin: f64,
}

/// A log that is being put together.
#[derive(Debug)]
pub(super) struct Log {
    bytes: Vec<u8>,
    n_records: u64,
}

impl Log {
    /// Begins with who writes it and what the run is.
    pub fn new(producer: &str, run: &RunHead<'_>) -> Self {
        let mut log = Self {
            bytes: HEAD.to_vec(),
            n_records: 0,
        };
        let (mut version, mut header) = (Vec::new(), Vec::new());
        put_bytes(&mut version, 1, producer.as_bytes());
        put_bytes(&mut header, 1, &version);
        log.add(HEADER, &header);
        log.add(RUN, &run_record(run));
        log
    }

    /// Adds the numbers of a step; steps ascend.
    pub fn add_row(&mut self, step: usize, values: &[(&str, f64)]) {
        let (mut history, mut at) = (Vec::new(), Vec::new());
        for (name, value) in values {
            put_bytes(&mut history, 1, &item(name, &number(*value)));
        }
        put_bytes(&mut history, 1, &item("_step", &step.to_string()));
        put_number(&mut at, 1, step as u64);
        put_bytes(&mut history, 2, &at);
        self.add(HISTORY, &history);
    }

    /// Adds what the run comes to: a number for each name.
    pub fn add_summary(&mut self, values: &[(&str, f64)]) {
        let mut summary = Vec::new();
        for (name, value) in values {
            put_bytes(&mut summary, 1, &item(name, &number(*value)));
        }
        self.add(SUMMARY, &summary);
    }

    /// Ends the run: 0, or 1 if it failed.
    pub fn add_exit(&mut self, code: u8) {
        let mut exit = Vec::new();
        put_number(&mut exit, 1, u64::from(code));
        self.add(EXIT, &exit);
    }

    /// The bytes of the file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn add(&mut self, kind: u32, message: &[u8]) {
        self.n_records += 1;
        let mut record = Vec::new();
        put_varint(&mut record, 1, self.n_records);
        put_bytes(&mut record, kind, message);
        self.add_pieces(&record);
    }

    fn add_pieces(&mut self, mut record: &[u8]) {
        let mut is_first = true;
        loop {
            let mut room = BLOCK - self.bytes.len() % BLOCK;
            if room < PIECE_HEAD {
                self.bytes.extend(&[0; PIECE_HEAD][..room]);
                room = BLOCK;
            }
            let (piece, rest) = record.split_at(record.len().min(room - PIECE_HEAD));
            let kind = match (is_first, rest.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            let mut crc = Crc::new();
            crc.update(&[kind]);
            crc.update(piece);
            self.bytes.extend(crc.sum().to_le_bytes());
            // A piece is shorter than a block.
            self.bytes.extend((piece.len() as u16).to_le_bytes());
            self.bytes.push(kind);
            self.bytes.extend(piece);
            if rest.is_empty() {
                return;
            }
            (record, is_first) = (rest, false);
        }
    }
}

fn run_record(run: &RunHead<'_>) -> Vec<u8> {
    let RunHead {
        id,
        project,
        name,
        config,
        begin,
    } = run;
    let mut record = Vec::new();
    put_bytes(&mut record, 1, id.as_bytes());
    put_bytes(&mut record, 3, project.as_bytes());
    let mut settings = Vec::new();
    for (name, value) in *config {
        let mut update = Vec::new();
        put_bytes(&mut update, 1, name.as_bytes());
        put_bytes(&mut update, 16, value.as_bytes());
        put_bytes(&mut settings, 1, &update);
    }
    put_bytes(&mut record, 4, &settings);
    put_bytes(&mut record, 8, name.as_bytes());
    let mut start = Vec::new();
    put_number(&mut start, 1, *begin as u64);
    put_number(&mut start, 2, (begin.fract() * 1e9) as u64);
    put_bytes(&mut record, 17, &start);
    record
}

/// A value in a row or in the summary. Its name is one, whatever dots are in it.
fn item(name: &str, json: &str) -> Vec<u8> {
    let mut item = Vec::new();
    put_bytes(&mut item, 2, name.as_bytes());
    put_bytes(&mut item, 16, json.as_bytes());
    item
}

/// Zero is what a field has that is not there.
fn put_number(to: &mut Vec<u8>, field: u32, value: u64) {
    if value > 0 {
        put_varint(to, field, value);
    }
}

fn number(value: f64) -> String {
    match serde_json::Number::from_f64(value) {
        Some(finite) => finite.to_string(),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

#[cfg(test)]
mod tests;
