//! The command line of Gosling.

use std::process::ExitCode;

/// Tensors of a megabyte come and go thousands of times a second; the system's
/// allocator would give each back and fetch it again, page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gosling::cli::main()
}
