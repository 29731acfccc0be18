//! The command line of Gosling.

use std::process::ExitCode;

fn main() -> ExitCode {
    gosling::allocator::keep_freed_memory();
    gosling::cli::main()
}
