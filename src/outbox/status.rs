//! What is known of an entry.

use super::entry::{Phase, StoredEntry};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Why an entry waits that a newer version of the program may have written.
pub(super) const UNREADABLE: &str = "what is stored of it cannot be read";

/// The outbox's notes about an entry, as they are stored. A later version of the crate reads what this one wrote.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// How many times its bytes may have left.
    pub(super) attempts: u32,
    /// When they may have left for the first time, by this machine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_sent: Option<Timestamp>,
    /// Since when the message may be in its room, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Timestamp>,
    /// Who sends it, as a look has to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) author: Option<String>,
    /// How many looks have not found it since it was last sent, or, once it is sent, have not found another one.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) looks: u32,
    /// How many tries in a row have failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) failures: u32,
    /// Whether the next step is a look, since the request had its time to arrive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) settling: bool,
    /// Whether it is done, and only its id is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) applied: bool,
    /// Whether it was sent again because looks had not found it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) reposted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<Value>,
    /// The id of its second message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) other: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What a newer version of the crate has noted.
    #[serde(flatten)]
    pub(super) rest: serde_json::Map<String, Value>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Where an entry of an [`Outbox`](super::Outbox) stands.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Ascending in the order in which entries were added.
    pub id: i64,
    /// The key under which it was added.
    pub key: String,
    /// Entries of one lane are sent in order: those of a room, a board or an account.
    pub lane: String,
    /// Where it stands.
    pub phase: Phase,
    /// How many times it was sent, or may have been.
    pub attempts: u32,
    /// The service's answer, or `{"message_id": …}` of a message that was found in its room. `None` before, if the answer was
    /// lost, and some days after.
    pub answer: Option<Value>,
    /// The id of the second message, if it is [there twice](Phase::Doubled).
    pub other_message_id: Option<String>,
    /// Why it waits, was refused, is uncertain or is there twice.
    pub reason: Option<String>,
    /// Whether looks had not found it, so that it is sent again, or was.
    pub reposted: bool,
    /// When it is tried again, or looked for again, at the earliest.
    pub not_before: Option<Timestamp>,
}

/// The answer is left out: it may have what people wrote.
impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, key, lane, phase, attempts, reason, reposted, not_before, .. } = self;
        f.debug_struct("Status")
            .field("id", id)
            .field("key", key)
            .field("lane", lane)
            .field("phase", phase)
            .field("attempts", attempts)
            .field("message_id", &self.message_id())
            .field("other_message_id", &self.other_message_id)
            .field("reason", reason)
            .field("reposted", reposted)
            .field("not_before", not_before)
            .finish()
    }
}

impl Status {
    /// The id of the posted message, if the answer has one.
    pub fn message_id(&self) -> Option<String> {
        let answer = self.answer.as_ref()?;
        let id = ["message_id", "id"].iter().find_map(|name| answer.get(name).filter(|id| !id.is_null()))?;
        id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string()))
    }

    pub(super) fn of(entry: &StoredEntry, progress: &Progress) -> Self {
        let StoredEntry { id, key, lane, phase, not_before, .. } = entry.clone();
        let Progress { attempts, answer, other: other_message_id, reason, reposted, .. } = progress.clone();
        Self { id, key, lane, phase, attempts, answer, other_message_id, reason, reposted, not_before }
    }

    pub(super) fn read(entry: &StoredEntry) -> Self {
        let unreadable = || Progress { reason: Some(UNREADABLE.into()), ..Progress::default() };
        Self::of(entry, &Progress::read(entry).unwrap_or_else(unreadable))
    }
}

impl Progress {
    /// The notes of an entry; `None` if they cannot be read.
    pub(super) fn read(entry: &StoredEntry) -> Option<Self> {
        if entry.progress.is_empty() {
            Some(Self::default())
        } else {
            serde_json::from_str(&entry.progress).ok()
        }
    }

    pub(super) fn was_sent(&self) -> bool {
        self.attempts > 0
    }

    pub(super) fn since(&self) -> Timestamp {
        self.since.unwrap_or(Timestamp::MIN)
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("numbers, times and texts are valid JSON")
    }
}
