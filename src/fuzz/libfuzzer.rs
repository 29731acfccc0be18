//! A reader under libFuzzer, whose mutations follow the code that they reach.

use std::env;
use std::ffi::{CString, c_char, c_int};
use std::fs;
use std::process::abort;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};

use libfuzzer_sys as _;

use super::engine::{MAX_BYTES, MAX_SECS, Reader};

unsafe extern "C" {
    /// `FuzzerInterface.h`: fuzzes until it is over, and ends the process then.
    fn LLVMFuzzerRunDriver(
        n_arguments: *mut c_int,
        arguments: *mut *mut *mut c_char,
        read: extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

/// The reader of this process.
static READER: AtomicPtr<Reader<'static>> = AtomicPtr::new(ptr::null_mut());

/// Fuzzes the reader with libFuzzer's own arguments, divided by spaces, and ends
/// the process: a reader that holds its bounds with 0. An input that breaks one
/// is kept in the folder for temporary files.
pub(super) fn run(reader: &Reader<'_>, arguments: &str) {
    // What was reached before is where the next run continues from.
    let folder = env::temp_dir().join("gosling-fuzz").join(reader.name);
    let corpus = folder.join("corpus");
    fs::create_dir_all(&corpus).unwrap();
    for (idx, seed) in reader.seeds.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{idx}")), seed).unwrap();
    }
    let findings = env::temp_dir().join(format!("gosling-{}-", reader.name));
    let mut all = vec![
        reader.name.to_owned(),
        format!("-max_len={MAX_BYTES}"),
        format!("-timeout={}", (2.0 * MAX_SECS) as u32),
        format!("-artifact_prefix={}", findings.display()),
        "-print_final_stats=1".into(),
    ];
    // libFuzzer takes no dictionary without a word.
    if !reader.words.is_empty() {
        let words = folder.join("words");
        fs::write(&words, dictionary(reader.words)).unwrap();
        all.push(format!("-dict={}", words.display()));
    }
    all.extend(arguments.split_whitespace().map(str::to_owned));
    all.push(corpus.display().to_string());
    let all: Vec<CString> = all
        .into_iter()
        .map(|text| CString::new(text).unwrap())
        .collect();
    let mut pointers: Vec<*mut c_char> = all.iter().map(|text| text.as_ptr().cast_mut()).collect();
    pointers.push(ptr::null_mut());
    let mut n_arguments = all.len() as c_int;
    let mut arguments = pointers.as_mut_ptr();
    READER.store(ptr::from_ref(reader).cast_mut().cast(), Ordering::SeqCst);
    // SAFETY: the arguments end with a null pointer and live until the process
    // ends, and so does the reader.
    unsafe { LLVMFuzzerRunDriver(&raw mut n_arguments, &raw mut arguments, check) };
    abort();
}

/// The words as libFuzzer reads them, one a line.
fn dictionary(words: &[&[u8]]) -> String {
    let line = |word: &&[u8]| {
        let bytes: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{bytes}\"\n")
    };
    words.iter().map(line).collect()
}

/// Reads one input; a bound that breaks ends the process, as libFuzzer wants it.
extern "C" fn check(data: *const u8, size: usize) -> c_int {
    let input = match size {
        0 => &[][..],
        // SAFETY: libFuzzer gives the bounds of its input.
        _ => unsafe { slice::from_raw_parts(data, size) },
    };
    // SAFETY: `run` has stored a reader that lives as long as the driver calls this.
    let reader = unsafe { &*READER.load(Ordering::SeqCst) };
    if let Err(trouble) = reader.check(input) {
        eprintln!("{}: {trouble}", reader.name);
        abort();
    }
    0
}

/// What libfuzzer-sys wants of a program of its own; [`run`] stands in its place.
#[unsafe(no_mangle)]
extern "C" fn rust_fuzzer_test_input(input: &[u8]) -> c_int {
    check(input.as_ptr(), input.len())
}
