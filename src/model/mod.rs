//! The frozen RWKV-7 model's files: vocabularies and checkpoints.

pub mod tokenizer;
