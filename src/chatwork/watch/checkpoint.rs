//! Checkpoints: the position of a watch, for saving.

use super::budget::SavedUp;
use super::room::{Position, RoomState};
use crate::chatwork::RoomId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The position of a [`Watch`](super::Watch): the events that it has yielded for each room.
///
/// Opaque, and stable over versions of this crate. It holds ids and times of the newest 100 messages of each room and no
/// text: at most about 7 kB of JSON for a room. It also holds how many calls the client could make at once and when, so a
/// program that is restarted often stays within its share. Equality ignores that number.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct WatchCheckpoint {
    /// The position at which other rooms than `rooms` begin.
    pub(super) absent: Position,
    pub(super) rooms: BTreeMap<RoomId, RoomState>,
    pub(super) saved_up: Option<SavedUp>,
}

impl PartialEq for WatchCheckpoint {
    fn eq(&self, other: &Self) -> bool {
        (&self.absent, &self.rooms) == (&other.absent, &other.rooms)
    }
}

/// The serialised form. A later form gets another version number.
#[derive(Serialize, Deserialize)]
struct Saved {
    version: u8,
    absent: Position,
    rooms: BTreeMap<RoomId, RoomState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saved_up: Option<SavedUp>,
}

const VERSION: u8 = 1;

impl From<WatchCheckpoint> for Saved {
    fn from(WatchCheckpoint { absent, rooms, saved_up }: WatchCheckpoint) -> Self {
        Self { version: VERSION, absent, rooms, saved_up }
    }
}

impl TryFrom<Saved> for WatchCheckpoint {
    type Error = String;

    fn try_from(Saved { version, absent, rooms, saved_up }: Saved) -> Result<Self, String> {
        if version != VERSION {
            return Err(format!("a checkpoint of version {version}; this version of kaiwa reads {VERSION}"));
        }
        Ok(Self { absent, rooms, saved_up })
    }
}
