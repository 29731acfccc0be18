#![doc = include_str!("method.md")]
#![doc = include_str!("method.md")]

pub mod decorrelation;
pub(crate) mod lift;
pub mod lift_start;
pub mod lift_tensors;
pub(crate) mod lora;
pub mod lora_values;
pub mod projection_matrix;
pub mod projector;
pub mod receptance_sample;
pub(crate) mod shift;
pub mod tuned;
