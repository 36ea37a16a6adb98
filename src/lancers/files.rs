//! Files of a board.

use super::operations::ListFiles;
use super::{BoardHandle, requests, returns};

impl BoardHandle {
    /// The files from `.file_id(…)` on, that file included. Awaited without `.limit(…)`, the service answers with one.
    #[doc = returns!(ListFiles)]
    pub fn files(&self) -> requests::ListFiles {
        self.call(ListFiles::new(self.id))
    }
}
