//! The console: the one that Windows opens beside a program of the command line, and
//! what a terminal understands.

use std::io::{IsTerminal as _, stderr, stdout};

/// Whether the error stream is a terminal on which a line can be cleared.
pub(super) fn can_clear_errors() -> bool {
    stderr().is_terminal() && takes_codes(&stderr())
}

/// Whether the output is a terminal that shows colours.
pub(super) fn shows_colours() -> bool {
    stdout().is_terminal() && takes_codes(&stdout())
}

/// Whether a terminal takes codes for what they are. A console of Windows prints them
/// until it is told to; older ones cannot.
#[cfg(windows)]
fn takes_codes(terminal: &impl std::os::windows::io::AsRawHandle) -> bool {
    use windows_sys::Win32::System::Console::{
        ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, SetConsoleMode,
    };
    let handle = terminal.as_raw_handle();
    let mut mode = 0;
    // SAFETY: the handle is that of a stream of this process, and the mode is ours.
    if unsafe { GetConsoleMode(handle, &raw mut mode) } == 0 {
        // No console: a terminal of MSYS, which takes them.
        return true;
    }
    let wanted = mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING;
    // SAFETY: as above.
    mode == wanted || unsafe { SetConsoleMode(handle, wanted) } != 0
}

/// Terminals of other systems do.
#[cfg(not(windows))]
fn takes_codes<T>(_terminal: &T) -> bool {
    true
}

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

/// Has `does` done where the console is closed or the user logs off, and then keeps
/// Windows waiting for the end of the program: it ends one that lets it go on at once,
/// and one that does not after some seconds.
#[cfg(windows)]
pub(super) fn when_closed(does: impl Fn() + Send + Sync + 'static) {
    use std::sync::OnceLock;
    use windows_sys::Win32::System::Console::{
        CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT, SetConsoleCtrlHandler,
    };
    use windows_sys::core::BOOL;
    static DOES: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();
    unsafe extern "system" fn handle(event: u32) -> BOOL {
        match event {
            CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT => {
                if let Some(does) = DOES.get() {
                    does();
                }
                loop {
                    std::thread::park();
                }
            }
            // Others come to the handler of before.
            _ => 0,
        }
    }
    if DOES.set(Box::new(does)).is_ok() {
        // SAFETY: the handler lives as long as the program. Without it, what was saved
        // last is what stays.
        unsafe { SetConsoleCtrlHandler(Some(handle), 1) };
    }
}

/// Elsewhere a closed terminal sends a signal like Ctrl-C.
#[cfg(not(windows))]
pub(super) fn when_closed(_does: impl Fn() + Send + Sync + 'static) {}
