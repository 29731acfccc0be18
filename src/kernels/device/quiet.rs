//! Silences what drivers print by themselves.

use std::env;
use std::path::Path;

/// Keeps drivers from printing lines of their own before ours. To be called
/// before a thread is started, for it changes the environment.
///
/// Mesa's Vulkan layer for choosing a device asks a Wayland compositor which GPU
/// it draws on, and libwayland prints `error: XDG_RUNTIME_DIR is invalid ..`
/// twice where there can be none, as on a server. There the layer has nothing to
/// choose by, unless the user has chosen for it.
pub fn quiet_drivers() {
    const CHOICES: [&str; 3] = ["MESA_VK_DEVICE_SELECT", "DRI_PRIME", SWITCH];
    let runtime_dir = env::var_os("XDG_RUNTIME_DIR");
    let has_wayland = runtime_dir.is_some_and(|dir| Path::new(&dir).is_absolute());
    let has_chosen = CHOICES.iter().any(|name| env::var_os(name).is_some());
    if cfg!(target_os = "linux") && !has_wayland && !has_chosen {
        // SAFETY: no other thread is there to read the environment.
        unsafe { env::set_var(SWITCH, "1") };
    }
}

/// Leaves the layer out.
const SWITCH: &str = "NODEVICE_SELECT";
