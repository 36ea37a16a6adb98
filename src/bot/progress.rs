//! What is noted of a message between its runs.

use serde::{Deserialize, Serialize};

/// It is written into the progress of its entry.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// How often its handler has failed.
    #[serde(default)]
    pub(super) failures: u32,
    /// How often the process has ended while it was handled.
    #[serde(default)]
    pub(super) deaths: u32,
    /// The last claim of which the end is known. Whoever held a later one has died.
    #[serde(default)]
    pub(super) ended: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Progress {
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are valid JSON")
    }
}
