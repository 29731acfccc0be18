//! SPIR-V or WGSL: what the kernels of an adapter are compiled to.
//!
//! SPIR-V reaches the matrix units of a GPU and 16-bit factors; Vulkan drivers take
//! it where they are new enough, and software adapters crash on it. WGSL runs
//! everywhere. So every adapter gets SPIR-V that is a real GPU behind Vulkan and
//! computes right with it, and the others WGSL. What computes right is tried once
//! for each driver, by a function that [`check_spirv_by`] is given: a driver that
//! crashes must not take the program along.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::adapters::{AdapterKind, AdapterSummary, kind_of};
use crate::error::{Error, Result};

/// The environment variable of the choice, for processes that this one starts.
pub const BACKEND: &str = "GOSLING_BACKEND";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LanguageChoice {
    /// SPIR-V where it works, else WGSL.
    #[default]
    Auto,
    /// SPIR-V, without a check.
    SpirV,
    /// WGSL.
    Wgsl,
}

impl fmt::Display for LanguageChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::SpirV => "spirv",
            Self::Wgsl => "wgsl",
        })
    }
}

impl FromStr for LanguageChoice {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "spirv" => Ok(Self::SpirV),
            "wgsl" => Ok(Self::Wgsl),
            other => Err(Error::spec(
                "--backend",
                tr!("`{other}` is unknown; choose auto, spirv or wgsl", other),
            )),
        }
    }
}

/// The language of an adapter's kernels, and why it is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// Whether it is SPIR-V; else it is WGSL.
    pub is_spirv: bool,
    /// The reason, in words.
    pub why: String,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_spirv { "SPIR-V" } else { "WGSL" };
        write!(f, "{name} ({})", self.why)
    }
}

/// Tries SPIR-V kernels on an adapter; an error says what went wrong, in words.
pub type SpirvCheck = fn(&AdapterSummary) -> std::result::Result<(), String>;

static CHOICE: OnceLock<LanguageChoice> = OnceLock::new();
static CHECK: OnceLock<SpirvCheck> = OnceLock::new();
/// What was settled, by the adapter's name and driver.
static SETTLED: Mutex<Option<HashMap<String, Language>>> = Mutex::new(None);

/// Sets what is asked for, before a device is opened; the first call holds.
pub fn choose_language(choice: LanguageChoice) {
    let _ = CHOICE.set(choice);
}

/// What was asked for.
pub fn language_choice() -> LanguageChoice {
    CHOICE.get().copied().unwrap_or_default()
}

/// Sets how SPIR-V is tried. Without it no adapter is tried, and real GPUs behind
/// Vulkan get SPIR-V.
pub fn check_spirv_by(check: SpirvCheck) {
    let _ = CHECK.set(check);
}

/// The language of an adapter's kernels. The first time an adapter is asked for it
/// may be tried, which takes some seconds.
pub fn language_of(summary: &AdapterSummary) -> Language {
    cubecl::wgpu::set_spirv_for(|info| {
        let driver = format!("{} {}", info.driver, info.driver_info);
        let key = key(&info.name, driver.trim());
        let settled = SETTLED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = settled.as_ref().and_then(|settled| settled.get(&key));
        // An adapter that nobody asked for: the runtime's own look at the machine.
        known.map_or(kind_of(info) != AdapterKind::Software, |known| {
            known.is_spirv
        })
    });
    let key = key(&summary.name, &summary.driver);
    let mut settled = SETTLED.lock().unwrap_or_else(PoisonError::into_inner);
    let settled = settled.get_or_insert_default();
    if let Some(known) = settled.get(&key) {
        return known.clone();
    }
    let language = settle(summary, language_choice(), CHECK.get().copied());
    settled.insert(key, language.clone());
    language
}

fn key(name: &str, driver: &str) -> String {
    format!("{name}\n{driver}")
}

fn settle(summary: &AdapterSummary, choice: LanguageChoice, check: Option<SpirvCheck>) -> Language {
    let wgsl = |why: &str| Language {
        is_spirv: false,
        why: why.into(),
    };
    let spirv = |why: &str| Language {
        is_spirv: true,
        why: why.into(),
    };
    if cfg!(target_os = "macos") || summary.backend != "Vulkan" {
        return wgsl(&tr!("{} takes no SPIR-V", summary.backend));
    }
    if summary.kind == AdapterKind::Software {
        return wgsl(tr!("software adapters crash on SPIR-V"));
    }
    match choice {
        LanguageChoice::Wgsl => wgsl(tr!("asked for")),
        LanguageChoice::SpirV => spirv(tr!("asked for")),
        LanguageChoice::Auto => match check.map(|check| check(summary)) {
            None => spirv(tr!("a GPU behind Vulkan")),
            Some(Ok(())) => spirv(tr!("computes right on this driver")),
            Some(Err(why)) => wgsl(&tr!("SPIR-V failed on this driver: {why}", why)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::device::{DeviceChoice, list_adapters, open};

    fn adapter(kind: AdapterKind, backend: &str) -> AdapterSummary {
        AdapterSummary {
            index: 0,
            name: "a card".into(),
            backend: backend.into(),
            driver: "a driver 1.2".into(),
            kind,
            max_storage_bytes: 1 << 30,
            max_buffer_bytes: 1 << 30,
            has_f16: true,
        }
    }

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn spirv_is_for_real_gpus_that_compute_right_with_it() {
        let right: SpirvCheck = |_| Ok(());
        let wrong: SpirvCheck = |_| Err("it ended by signal 11".into());
        let is_spirv = |kind, backend, choice, check| {
            settle(&adapter(kind, backend), choice, Some(check)).is_spirv
        };
        let (auto, discrete) = (LanguageChoice::Auto, AdapterKind::Discrete);
        assert!(is_spirv(discrete, "Vulkan", auto, right));
        assert!(!is_spirv(discrete, "Vulkan", auto, wrong));
        assert!(!is_spirv(discrete, "Vulkan", LanguageChoice::Wgsl, right));
        assert!(is_spirv(discrete, "Vulkan", LanguageChoice::SpirV, wrong));
        assert!(!is_spirv(
            discrete,
            "DirectX 12",
            LanguageChoice::SpirV,
            right
        ));
        let software = AdapterKind::Software;
        assert!(!is_spirv(software, "Vulkan", LanguageChoice::SpirV, right));
        let said = settle(&adapter(discrete, "Vulkan"), auto, Some(wrong)).to_string();
        assert!(
            said.contains("WGSL") && said.contains("signal 11"),
            "{said}"
        );
    }

    #[test]
    fn software_adapters_get_wgsl() {
        let mut all = list_adapters().into_iter();
        let software = all.find(|adapter| adapter.kind == AdapterKind::Software);
        let software = software.expect("a software adapter, such as Mesa's");
        assert!(!language_of(&software).is_spirv);
        let opened = open(DeviceChoice::GpuIndex(software.index)).unwrap();
        let ones = burn::tensor::Tensor::<1>::ones([4], &opened.device);
        let on_gpu = crate::kernels::op::on_gpu(ones);
        assert_eq!(on_gpu.client.name(), "wgpu<wgsl>");
    }

    #[test]
    fn choices_are_read_and_written() {
        for choice in [
            LanguageChoice::Auto,
            LanguageChoice::SpirV,
            LanguageChoice::Wgsl,
        ] {
            assert_eq!(
                choice.to_string().parse::<LanguageChoice>().unwrap(),
                choice
            );
        }
        let error = "opencl".parse::<LanguageChoice>().unwrap_err().to_string();
        assert!(error.contains("auto, spirv or wgsl"), "{error}");
    }
}
