//! Records of a room.

use super::operations::{CreateRecord, ListRecords, UpdateRecord};
use super::{RecordId, RoomHandle, requests, returns};

impl RoomHandle {
    /// The records, without their content: no operation reads it.
    #[doc = returns!(ListRecords)]
    pub fn records(&self) -> requests::ListRecords {
        self.call(ListRecords::new(&self.id))
    }

    /// Creates a record with a title of 1 to 200 characters.
    #[doc = returns!(CreateRecord)]
    pub fn create_record(&self, title: impl Into<String>) -> requests::CreateRecord {
        self.call(CreateRecord::new(&self.id, title))
    }

    /// One record.
    pub fn record(&self, id: impl Into<RecordId>) -> RecordHandle {
        RecordHandle { room: self.clone(), id: id.into() }
    }
}

/// A record, by its room and id.
#[derive(Clone, Debug)]
pub struct RecordHandle {
    room: RoomHandle,
    id: RecordId,
}

impl RecordHandle {
    /// Changes the fields that are set on the request. Only the creator may do so, and only while the record is neither locked
    /// nor archived; otherwise the status is 403.
    #[doc = returns!(UpdateRecord)]
    pub fn update(&self) -> requests::UpdateRecord {
        self.room.call(UpdateRecord::new(&self.room.id, &self.id))
    }
}
