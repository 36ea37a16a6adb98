//! Why the file could not be read or written, without anything that is stored in it.

use rusqlite::ErrorCode;
use std::fmt;

/// What happened, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The thread ended, which it does only if it panicked.
    pub(super) fn gone() -> Self {
        Self::new("its thread has ended; open it again")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Whether another connection has a lock that is needed.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        // The text of a value that cannot be read may be quoted in its error.
        if let rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) = error
        {
            return Self::new("it holds what this version cannot read; was it changed by hand?");
        }
        let problem = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "the disk is full: make room, then try again",
            Some(ErrorCode::ReadOnly) => {
                "it can only be read: let this program's user write it and its folder"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another process has kept it locked for 5 s: end what holds it, such as an open transaction"
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                "it is damaged: restore it, or save what `sqlite3` can `.recover`"
            }
            Some(ErrorCode::NotADatabase) => "it is no SQLite database",
            Some(ErrorCode::CannotOpen) => {
                "it cannot be opened: can this program's user read and write it and its folder?"
            }
            Some(ErrorCode::SystemIoFailure) => "the disk failed, or has a limit that was reached",
            _ => "SQLite refused",
        };
        Self::new(format!("{problem} ({error})"))
    }
}
