//! Runs a reader on mutated inputs and holds it to its bounds: some thousand of
//! them from proptest in every `cargo test`.

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use crate::allocator::counted::Peak;
use crate::atomic::sha256_hex;
use crate::worker::panic_message;

/// Inputs for a reader in `cargo test`.
const N_INPUTS: u32 = 3_000;
/// The longest input. Readers meet their limits of size in their own tests.
pub(super) const MAX_BYTES: usize = 3 << 12;
/// Memory that a reader may take for every byte of its input: parsers of JSON
/// and pickles make tables of what they read.
const BYTES_PER_BYTE: usize = 192;
/// And for any input at all: buffers, tables of fixed size, messages.
const BYTES_AT_ALL: usize = 512 << 10;
/// A reader that takes longer on a few kilobytes hangs.
pub(super) const MAX_SECS: f64 = 5.0;

/// Numbers at which arithmetic goes wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff8,
    u64::MAX,
];

/// A reader and what it is fed with.
pub(super) struct Reader<'a> {
    pub name: &'static str,
    /// Files that it reads, and earlier findings.
    pub seeds: Vec<Vec<u8>>,
    /// Words of its format.
    pub words: &'a [&'a [u8]],
    /// Reads the input; whether it was a good one.
    pub read: &'a dyn Fn(&[u8]) -> bool,
    /// Memory that it may take beside that for its input.
    pub extra_bytes: usize,
}

/// An input that breaks a bound.
#[derive(Debug)]
struct Finding {
    trouble: String,
    input: Vec<u8>,
}

/// Gives the reader inputs of proptest; panics with the first that breaks a bound.
pub(super) fn run(reader: &Reader<'_>) {
    if let Err(Finding { trouble, input }) = hunt(reader) {
        panic!("{}: {trouble}; {}", reader.name, kept(reader.name, &input));
    }
}

fn hunt(reader: &Reader<'_>) -> Result<(), Finding> {
    let mut is_any_good = false;
    for seed in &reader.seeds {
        match reader.check(seed) {
            Ok(is_good) => is_any_good |= is_good,
            Err(trouble) => {
                let input = seed.clone();
                return Err(Finding { trouble, input });
            }
        }
    }
    assert!(is_any_good, "{}: no seed is a good file", reader.name);
    let config = ProptestConfig {
        cases: N_INPUTS,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let found = TestRunner::new_with_rng(config, random).run(&inputs(reader), |input| {
        reader.check(&input).map(drop).map_err(TestCaseError::fail)
    });
    match found {
        Ok(()) => Ok(()),
        Err(TestError::Fail(trouble, input)) => Err(Finding {
            trouble: trouble.message().to_owned(),
            input,
        }),
        Err(TestError::Abort(why)) => panic!("{}: {why}", reader.name),
    }
}

/// A seed with a few changes: some bytes in place of some others.
fn inputs(reader: &Reader<'_>) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = reader.seeds.clone();
    let words: Vec<Vec<u8>> = reader.words.iter().map(|word| word.to_vec()).collect();
    let binary = EDGES.iter().flat_map(|edge| {
        let bytes = edge.to_le_bytes();
        [1, 2, 4, 8].map(|len| bytes[..len].to_vec())
    });
    let written = EDGES.iter().map(|edge| edge.to_string().into_bytes());
    let edges: Vec<Vec<u8>> = binary.chain(written).collect();
    let known = select([words, edges].concat());
    // A piece of a seed, which may be the changed one.
    let piece =
        (select(seeds.clone()), any::<Index>(), 0..256_usize).prop_map(|(seed, at, len)| {
            let at = at.index(seed.len() + 1);
            seed[at..seed.len().min(at + len)].to_vec()
        });
    let put = prop_oneof![
        Just(Vec::new()),
        vec(any::<u8>(), 1..16),
        (any::<u8>(), 1..16_usize).prop_map(|(byte, len)| vec![byte; len]),
        known,
        piece,
    ];
    let taken = prop_oneof![Just(0), Just(1), Just(4), 0..64_usize, Just(MAX_BYTES)];
    let changes = vec((any::<Index>(), taken, put), 1..8);
    (select(seeds), changes).prop_map(|(mut input, changes)| {
        for (at, taken, put) in changes {
            let at = at.index(input.len() + 1);
            let end = input.len().min(at + taken);
            input.splice(at..end, put);
        }
        input.truncate(MAX_BYTES);
        input
    })
}

impl Reader<'_> {
    /// Whether the input is a good one.
    ///
    /// # Errors
    /// The bound that it breaks.
    pub(super) fn check(&self, input: &[u8]) -> Result<bool, String> {
        let start = Instant::now();
        let peak = Peak::start();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.read)(input)));
        let peak = peak.bytes();
        let allowed = BYTES_AT_ALL + self.extra_bytes + BYTES_PER_BYTE * input.len();
        let secs = start.elapsed().as_secs_f64();
        match outcome {
            Err(panic) => Err(format!("panics, {}", panic_message(&*panic))),
            Ok(_) if peak > allowed => Err(format!("takes {peak} bytes, more than {allowed}")),
            Ok(_) if secs > MAX_SECS => Err(format!("takes {secs:.1} s")),
            Ok(is_good) => Ok(is_good),
        }
    }
}

/// Writes an input down, and says where.
fn kept(name: &str, input: &[u8]) -> String {
    let file = format!("gosling-{name}-{}", &sha256_hex(input)[..12]);
    let path = env::temp_dir().join(file);
    let written = fs::write(&path, input).is_ok();
    let place = if written {
        path.display().to_string()
    } else {
        "not written".into()
    };
    format!("{} bytes in {place}: {}", input.len(), input.escape_ascii())
}

/// A reader of a word and a length, with a fault or without.
#[cfg(test)]
fn toy(fault: impl Fn(&[u8])) -> Result<(), Finding> {
    hunt(&Reader {
        name: "toy",
        seeds: vec![b"word\x01\0\0\0x".to_vec()],
        words: &[b"word"],
        read: &|bytes| {
            let is_good = bytes.starts_with(b"word") && bytes.len() > 8;
            if is_good {
                fault(bytes);
            }
            is_good
        },
        extra_bytes: 0,
    })
}

#[test]
fn faults_are_found() {
    assert!(toy(|_| ()).is_ok());
    let found = |fault: fn(&[u8])| match toy(fault) {
        Ok(()) => panic!("not found"),
        Err(Finding { trouble, input }) => {
            assert!(input.starts_with(b"word"));
            trouble
        }
    };
    let trouble = found(|bytes| assert!(bytes[4] != 0xff, "too long"));
    assert!(trouble.starts_with("panics, too long"), "{trouble}");
    let trouble = found(|bytes| {
        let len = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        drop(std::hint::black_box(vec![0_u8; (len >> 6) as usize]));
    });
    assert!(trouble.starts_with("takes "), "{trouble}");
}
