//! Where a watch stands, in a form that can be kept.

use super::budget::SavedUp;
use super::room::{Position, RoomState};
use crate::chatwork::RoomId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a [`Watch`](super::Watch) stands: what it has told of each room, to the message.
///
/// Opaque, and stable over versions of this crate. It holds ids and times of the newest 100 messages of each room and
/// no text: about 7 kB of JSON for a room at the most. It also holds how many calls the client had left to make at once
/// and when that was, so that a program that is restarted again and again keeps to its share; two checkpoints are equal
/// without that.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct WatchCheckpoint {
    /// Where a room begins that is not among `rooms`.
    pub(super) absent: Position,
    pub(super) rooms: BTreeMap<RoomId, RoomState>,
    pub(super) saved_up: Option<SavedUp>,
}

impl PartialEq for WatchCheckpoint {
    fn eq(&self, other: &Self) -> bool {
        (&self.absent, &self.rooms) == (&other.absent, &other.rooms)
    }
}

/// As it is written. A later form gets a number of its own.
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
