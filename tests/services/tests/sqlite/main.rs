//! The outbox, tokens and seen webhooks in SQLite files, by several processes, which are killed, and on disks that fail.

mod failures;
mod files;
mod processes;
mod refreshes;
mod replays;
#[path = "../../../stores/outbox.rs"]
mod rules;
mod store;
mod tokens;

use kaiwa::outbox::{NewEntry, SqliteOutboxStore};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// A folder of a test's own, with the path of an outbox.
struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox.db");
        Self { folder, path }
    }

    async fn open(&self) -> SqliteOutboxStore {
        SqliteOutboxStore::open(&self.path).await.expect("it can be opened")
    }

    /// What it says instead of opening.
    async fn refusal(&self) -> String {
        let error = SqliteOutboxStore::open(&self.path).await.expect_err("it is refused").to_string();
        assert!(error.starts_with("the store failed: the outbox ") && error.contains("outbox.db"), "{error}");
        error
    }

    fn beside(&self, end: &str) -> PathBuf {
        self.folder.path().join(format!("outbox.db{end}"))
    }

    /// A connection as another program has it.
    fn connection(&self) -> Connection {
        Connection::open(&self.path).expect("it can be opened")
    }

    /// Waits until the last store has closed the file.
    async fn closed(&self) {
        while self.beside("-wal").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

fn entry(key: &str) -> NewEntry {
    NewEntry::new(key, "1", format!("the request of {key}"))
}

fn is_sound(path: &Path) {
    let connection = Connection::open(path).expect("it can be opened");
    let sound: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it can be read");
    assert_eq!(sound, "ok");
}
