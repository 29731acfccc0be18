//! The name of a run.

use serde::{Deserialize, Serialize};

/// Names a run; also the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub String);
