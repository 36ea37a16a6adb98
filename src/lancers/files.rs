//! Files of a board.

use super::BoardHandle;
use super::operations::ListFiles;
use crate::Request;

impl BoardHandle {
    /// The files from `.file_id(…)` on, that file included. Awaited without `.limit(…)`, the service answers with one.
    pub fn files(&self) -> Request<ListFiles> {
        self.call(ListFiles::new(self.id))
    }
}
