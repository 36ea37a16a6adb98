//! Files of a board.

use super::operations::ListFiles;
use super::{BoardHandle, requests, returns};

impl BoardHandle {
    /// The files from `.file_id(…)` on, including that file. If it is awaited without `.limit(…)`, the service returns one.
    #[doc = returns!(ListFiles)]
    pub fn files(&self) -> requests::ListFiles {
        self.call(ListFiles::new(self.id))
    }
}
