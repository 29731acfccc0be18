//! What a step needs and costs, by arithmetic.

pub mod cost;
pub mod fit;
pub mod memory;
