//! The element types of a `.pth` state.

/// The element type of a `.pth` state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PthDType {
    /// Exact. Every program that loads states converts it.
    #[default]
    F32,
    /// Half the size and 8 bits of mantissa, as RWKV-PEFT saves.
    BF16,
}
