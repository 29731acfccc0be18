//! Runs a reader on mutated inputs and holds it to its bounds.

use std::any::Any;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::coverage::Coverage;
use super::mutation::mutate;
use crate::allocator::counted::Peak;
use crate::atomic::sha256_hex;
use crate::random::SplitMix64;

/// Inputs for a reader where nobody asks for more.
const FEW_INPUTS: u64 = 3_000;
/// Memory that a reader may take for every byte of its input: parsers of JSON
/// and pickles make tables of what they read.
const BYTES_PER_BYTE: usize = 192;
/// And for any input at all: buffers, tables of fixed size, messages.
const BYTES_AT_ALL: usize = 512 << 10;
/// A reader that takes longer on a few kilobytes hangs.
const MAX_SECS: f64 = 5.0;
/// Good inputs that are kept to make others from.
const MAX_CORPUS: usize = 4_096;

/// One reader at a time, for all count in the same counters.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

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
struct Finding {
    trouble: String,
    input: Vec<u8>,
}

/// Feeds the reader; panics with the first input that breaks a bound.
pub(super) fn feed(reader: &Reader<'_>) {
    if let Err(Finding { trouble, input }) = hunt(reader) {
        panic!("{}: {trouble}; {}", reader.name, kept(reader.name, &input));
    }
}

fn hunt(reader: &Reader<'_>) -> Result<(), Finding> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let n_inputs = number("GOSLING_FUZZ_INPUTS").unwrap_or(FEW_INPUTS);
    let limit = number("GOSLING_FUZZ_SECS").map(Duration::from_secs);
    let mut random = SplitMix64::new(number("GOSLING_FUZZ_SEED").unwrap_or(0));
    let mut coverage = Coverage::new();
    let mut corpus = reader.seeds.clone();
    let watch = Watch::start(reader.name);
    let mut n_good = 0_u64;
    let mut is_any_good = false;
    for seed in &reader.seeds {
        // Twice, for the first time shows which counters matter.
        for _ in 0..2 {
            coverage.clear();
            is_any_good |= check(reader, seed, &watch)?;
        }
        coverage.gain();
    }
    assert!(is_any_good, "{}: no seed is a good file", reader.name);
    let start = Instant::now();
    let mut n_done = 0;
    while n_done < n_inputs && limit.is_none_or(|limit| start.elapsed() < limit) {
        // Half of the inputs come from the newest tenth, where the new paths are.
        let newest = corpus.len().div_ceil(10);
        let idx = match random.below(2) {
            0 => random.below(corpus.len()),
            _ => corpus.len() - 1 - random.below(newest),
        };
        let other = random.below(corpus.len());
        let mut input = corpus[idx].clone();
        mutate(&mut input, &corpus[other], reader.words, &mut random);
        if coverage.is_there() {
            coverage.clear();
        }
        let is_good = check(reader, &input, &watch)?;
        n_good += u64::from(is_good);
        if coverage.is_there() && coverage.gain() {
            match corpus.len() {
                MAX_CORPUS => {
                    let idx = random.below(MAX_CORPUS);
                    corpus[idx] = input;
                }
                _ => corpus.push(input),
            }
        }
        n_done += 1;
    }
    println!(
        "{}: {n_done} inputs in {:.0} s, {n_good} good, corpus {}, edges {}",
        reader.name,
        start.elapsed().as_secs_f64(),
        corpus.len(),
        match coverage.is_there() {
            true => coverage.n_edges().to_string(),
            false => "not counted".into(),
        }
    );
    Ok(())
}

/// Whether the input was a good one.
fn check(reader: &Reader<'_>, input: &[u8], watch: &Watch) -> Result<bool, Finding> {
    let start = Instant::now();
    watch.begin(input);
    let peak = Peak::start();
    let outcome = catch_unwind(AssertUnwindSafe(|| (reader.read)(input)));
    let peak = peak.bytes();
    watch.end();
    let allowed = BYTES_AT_ALL + reader.extra_bytes + BYTES_PER_BYTE * input.len();
    let secs = start.elapsed().as_secs_f64();
    let trouble = match &outcome {
        Err(panic) => format!("panics, {}", said(&**panic)),
        Ok(_) if peak > allowed => format!("takes {peak} bytes, more than {allowed}"),
        Ok(_) if secs > MAX_SECS => format!("takes {secs:.1} s"),
        Ok(is_good) => return Ok(*is_good),
    };
    Err(Finding {
        trouble,
        input: input.to_vec(),
    })
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

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Ends the program with the input that never comes back.
struct Watch {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Counts inputs begun and ended; odd while one is read.
    ticks: AtomicU64,
    input: Mutex<Vec<u8>>,
    is_over: AtomicBool,
}

impl Watch {
    fn start(name: &'static str) -> Self {
        let shared = Arc::new(Shared::default());
        let seen = shared.clone();
        thread::spawn(move || {
            let mut last = 0;
            let mut since = Instant::now();
            while !seen.is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(200));
                let now = seen.ticks.load(Ordering::Relaxed);
                if now != last || now.is_multiple_of(2) {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed().as_secs_f64() > 6.0 * MAX_SECS {
                    let input = seen.input.lock().unwrap_or_else(PoisonError::into_inner);
                    eprintln!("{name}: hangs; {}", kept(name, &input));
                    std::process::abort();
                }
            }
        });
        Self { shared }
    }

    fn begin(&self, input: &[u8]) {
        let mut held = self
            .shared
            .input
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.clear();
        held.extend_from_slice(input);
        self.shared.ticks.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.shared.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
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
