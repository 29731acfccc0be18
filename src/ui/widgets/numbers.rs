//! Numbers as they stand at axes and in tables.

pub use crate::format::{number, plain};

/// `0.031`, and `1.2e-9` below a thousandth.
pub fn p_value(p: f64) -> String {
    match p < 0.001 {
        true => format!("{p:.0e}"),
        false => format!("{p:.3}"),
    }
}
