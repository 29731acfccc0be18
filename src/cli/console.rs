//! The console that Windows opens beside a program of the command line.

/// Lets go of a console that is this program's alone: Windows opened it for a start by
/// a double click, and it would stay beside the window. One that a shell has stays.
/// Whether there was one.
#[cfg(windows)]
pub(super) fn leave_own() -> bool {
    use windows_sys::Win32::System::Console::{FreeConsole, GetConsoleProcessList};
    let mut processes = [0_u32; 2];
    let most = processes.len() as u32;
    // SAFETY: the list has room for as many as is said.
    let n_processes = unsafe { GetConsoleProcessList(processes.as_mut_ptr(), most) };
    // SAFETY: what is printed later finds no console, which the standard library takes
    // for a success.
    n_processes == 1 && unsafe { FreeConsole() } != 0
}

/// Other systems open none.
#[cfg(not(windows))]
pub(super) fn leave_own() -> bool {
    false
}
