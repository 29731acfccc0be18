//! Published models: which there are, what memory they need, and how they come to
//! this machine.
//!
//! Downloads go by the Hugging Face hub's plain addresses, so that its mirrors work as
//! well (`HF_ENDPOINT`), through a proxy where the usual variables name one
//! (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`). What has come stays in a part file until
//! it is whole and checked, and the next try continues there.

mod address;
mod catalogue;
mod download;
mod headers;
mod needs;
mod pace;
mod part;

use std::env;
use std::path::PathBuf;

pub use self::address::Hub;
pub use self::catalogue::{HubFile, LICENCE, PAGE, PUBLISHED, Published};
pub use self::download::{Checked, Got, Stage, download};
pub use self::needs::{Need, needs};
pub use self::pace::Pace;

/// The environment variable of the folder for models.
pub const MODELS: &str = "GOSLING_MODELS";

/// Where models go unless another folder is named: the user's folder for data of
/// programs, or `models` where there is none.
pub fn models_folder() -> PathBuf {
    if let Some(folder) = env::var_os(MODELS).filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    match dirs::data_dir() {
        Some(data) => data.join("gosling").join("models"),
        None => PathBuf::from("models"),
    }
}
