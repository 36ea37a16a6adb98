//! SQLite, for what the processes of one machine share.

mod file;
mod queries;
mod replays;
#[cfg(feature = "oauth")]
mod tokens;

pub use replays::SqliteReplays;
#[cfg(feature = "oauth")]
pub use tokens::SqliteTokens;

use super::name;
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::sqlite::SqliteFile;
use file::File;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A SQLite file, for what several processes of one machine share: the [webhooks](Self::replays) that were seen, and OAuth
/// [tokens](Self::tokens). The budgets of an account need [Redis](crate::guide::many_processes).
///
/// Clones, and all that they give, share one connection, which has a thread of its own. What a call returned is on the disk. The
/// last of them waits for that thread when it is dropped, half a second at most, so that no lease is left behind.
///
/// ```no_run
/// # #[cfg(feature = "chatwork")]
/// # async fn example(client: kaiwa::chatwork::Client) -> Result<(), kaiwa::Error> {
/// use kaiwa::chatwork::bot::Bot;
/// use kaiwa::store::Sqlite;
///
/// let store = Sqlite::open("/var/lib/bot/state.sqlite").await?;
/// let bot = Bot::new(client).replay_cache(store.replays("support")?);
/// # let _ = bot;
/// # Ok(())
/// # }
/// ```
///
/// # The file
///
/// It is one of its own: the file of an outbox is refused, and an outbox refuses this one. On Unix only its owner can read it and
/// the files `-wal` and `-shm` beside it, from before anything is in them. It is refused, with what to do, where it would not be
/// safe: a file that other users may use, a link, a file with a second name, a folder in which every user may write, and, as far
/// as Linux tells, a network file system. [`SqliteOutboxStore`](crate::outbox::SqliteOutboxStore) says more, such as how to copy
/// a file; the same holds here.
///
/// No text of a message is stored; the keys of webhooks hold the ids of messages. Events are removed once their time is over, tokens
/// only when others replace them. Only [`tokens`](Self::tokens) stores secrets, and nothing is encrypted.
///
/// # Time
///
/// Claims and leases end by the machine's clock. If it is set back, a claim of a process that was killed holds that much longer;
/// a lease holds for 10 s from then.
#[derive(Clone)]
pub struct Sqlite(File);

impl Sqlite {
    /// Opens the file, or creates it in a folder that exists. A file of an earlier version is brought to this version.
    ///
    /// # Errors
    /// It cannot be opened, is of a newer version, is something else, or is in a place where it would not be safe.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let file = SqliteFile::open(path.into()).await?;
        Ok(Self(File { file, clock: Arc::new(SystemClock) }))
    }

    /// The same file on this clock, for tests. It should be that of all processes that open the file.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self(File { clock, ..self.0 })
    }

    /// The webhooks that some processes have seen, under a name of your own. All processes that one webhook reaches use the
    /// same name.
    ///
    /// If the file cannot be used, [`StoreFailure`](crate::webhook::StoreFailure) says what happens to an event.
    ///
    /// # Errors
    /// The name is not 1 to 100 ASCII letters, digits, `_`, `-` and `.`, or looks like a credential.
    pub fn replays(&self, name: &str) -> Result<SqliteReplays, Error> {
        Ok(SqliteReplays { file: self.0.clone(), name: name::check(name)?.into() })
    }

    /// The OAuth tokens of one person, and the right to refresh them, under a name of your own.
    ///
    /// Whoever can read the file has the tokens: keep it, and copies of it, from others. Tokens that were replaced are overwritten
    /// in the file and its log; copies, and blocks that a file system or a disk keeps, are beyond the store. A process that is
    /// killed while it refreshes holds up the others for 10 s. The lock of a
    /// [`FileTokenStore`](crate::oauth::FileTokenStore) ends at once; this store has the tokens of many people in one file.
    ///
    /// If the file cannot be used, no token is refreshed: an access token is used until it expires.
    ///
    /// # Errors
    /// As [`replays`](Self::replays).
    #[cfg(feature = "oauth")]
    pub fn tokens(&self, name: &str) -> Result<SqliteTokens, Error> {
        Ok(SqliteTokens { file: self.0.clone(), name: name::check(name)?.into() })
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.0.file).finish_non_exhaustive()
    }
}
