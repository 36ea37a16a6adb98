//! A connection, and the transactions on it.

use super::content::Content;
use super::failure::{Failure, is_locked};
use super::job::{Access, Job};
use super::place::Place;
use rusqlite::{Connection, OpenFlags};
use std::cell::Cell;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a lock of another process is awaited. An error names it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Held while a store looks at its file: see [`Place::prepare`].
static OPENING: Mutex<()> = Mutex::new(());

/// An open file.
pub(super) struct Database {
    pub(super) place: Place,
    pub(super) connection: Connection,
    /// Whether old texts are in the log still.
    has_old_texts: Cell<bool>,
}

impl Database {
    pub(super) fn open<C: Content>(path: &Path) -> Result<Self, Failure> {
        let opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::prepare(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(&place.path, flags)?;
        drop(opening);
        connection.busy_timeout(PATIENCE)?;
        C::SCHEMA.check(&connection)?;
        log_ahead(&connection)?;
        // A commit is on the disk, also on a Mac, and what is blanked is overwritten.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
             PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;",
        )?;
        C::SCHEMA.migrate(&connection)?;
        place.check()?;
        if may_lose_commits(rusqlite::version_number()) {
            tracing::warn!(
                path = %place.path.display(),
                sqlite = rusqlite::version(),
                "this version of SQLite can damage a file that several processes write: \
                 use 3.51.3 or newer, such as with the feature `sqlite-bundled`"
            );
        }
        Ok(Self { place, connection, has_old_texts: Cell::new(false) })
    }

    /// Runs the jobs in one transaction, and ends them. If one fails, each runs in a transaction of its own.
    pub(super) fn run<C: Content>(&self, mut jobs: Vec<Box<dyn Job<C>>>, queries: &mut C::Queries<'_>) {
        let result = self.transaction(&mut jobs, queries);
        if jobs.len() > 1 && matches!(result, Err(Broken::Job(_))) {
            jobs.into_iter().for_each(|job| self.run(vec![job], queries));
            return;
        }
        if result.is_ok() {
            let blanks = jobs.iter().any(|job| job.access() == Access::Blank);
            self.has_old_texts.set(blanks || self.has_old_texts.get());
            self.empty_log();
        }
        let result = result.map_err(Broken::into_failure);
        jobs.into_iter().for_each(|job| job.end(result.clone()));
    }

    /// Removes old texts from the log as well. It waits for nobody: a reader of another process would hold up all writers. If one
    /// is in the way, it is done after a later transaction.
    fn empty_log(&self) {
        if !self.has_old_texts.get() || self.connection.busy_timeout(Duration::ZERO).is_err() {
            return;
        }
        let busy =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        self.has_old_texts.set(!matches!(busy, Ok(0)));
        let _ = self.connection.busy_timeout(PATIENCE);
    }

    fn transaction<C: Content>(
        &self,
        jobs: &mut [Box<dyn Job<C>>],
        queries: &mut C::Queries<'_>,
    ) -> Result<(), Broken> {
        let has = |accesses: &[Access]| jobs.iter().any(|job| accesses.contains(&job.access()));
        let begin = if has(&[Access::Write, Access::Blank]) {
            "PRAGMA synchronous = FULL; BEGIN IMMEDIATE"
        } else if has(&[Access::Lease]) {
            "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE"
        } else {
            "BEGIN"
        };
        let done = (|| {
            self.place.check().map_err(Broken::All)?;
            // A transaction that begins to write later could find that another has written meanwhile, and would have to start again.
            self.connection.execute_batch(begin).map_err(|error| Broken::All(error.into()))?;
            jobs.iter_mut().try_for_each(|job| job.run(queries)).map_err(Broken::Job)?;
            self.connection.execute_batch("COMMIT").map_err(|error| Broken::All(error.into()))
        })();
        // SQLite may have rolled back by itself.
        if done.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }
}

/// Why a transaction failed.
enum Broken {
    /// For a reason of one of the jobs: the others may succeed alone.
    Job(Failure),
    /// For a reason that all have.
    All(Failure),
}

impl Broken {
    fn into_failure(self) -> Failure {
        match self {
            Self::Job(failure) | Self::All(failure) => failure,
        }
    }
}

/// Whether a checkpoint beside a commit of another connection can skip what was committed: <https://sqlite.org/wal.html#walresetbug>.
/// Two older versions were mended as well.
fn may_lose_commits(version: i32) -> bool {
    !matches!(version, 3_044_006..=3_044_999 | 3_050_007..=3_050_999 | 3_051_003..)
}

/// Makes readers and the writer not wait for each other. SQLite does not wait for a lock here by itself.
fn log_ahead(connection: &Connection) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(Failure::new("its file system has no shared memory: use a local disk")),
            Err(error) if is_locked(&error) && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::content::Content;
    use super::super::job::task;
    use super::super::schema::Schema;
    use super::*;

    struct Levels;

    impl Content for Levels {
        const NAME: &'static str = "file of a test";
        const SCHEMA: Schema = Schema { application: 7, steps: &["CREATE TABLE a (b)"] };
        type Queries<'c> = &'c Connection;

        fn queries(connection: &Connection) -> Result<&Connection, Failure> {
            Ok(connection)
        }
    }

    /// How commits are synced while such jobs run together.
    fn synced(database: &Database, accesses: &[Access]) -> i64 {
        let level =
            |queries: &mut &Connection| Ok(queries.query_row("PRAGMA synchronous", [], |row| row.get(0))?);
        let (jobs, mut replies): (Vec<_>, Vec<_>) = accesses
            .iter()
            .map(|access| task::<Levels, i64, i64, _, _>(*access, level, |level: i64| level))
            .unzip();
        database.run::<Levels>(jobs, &mut &database.connection);
        replies.remove(0).try_recv().expect("it has run").expect("it is read")
    }

    #[test]
    fn only_leases_are_not_synced() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::open::<Levels>(&folder.path().join("file")).expect("it is new");
        const FULL: i64 = 2;
        for _ in 0..2 {
            assert_eq!(synced(&database, &[Access::Lease, Access::Lease]), 1);
            assert_eq!(synced(&database, &[Access::Write]), FULL);
            assert_eq!(synced(&database, &[Access::Lease]), 1);
            assert_eq!(synced(&database, &[Access::Lease, Access::Blank]), FULL);
            assert_eq!(synced(&database, &[Access::Write, Access::Lease]), FULL);
        }
    }

    #[test]
    fn mended_versions_are_known() {
        for mended in [3_044_006, 3_050_007, 3_051_003, 3_053_000, 4_000_000] {
            assert!(!may_lose_commits(mended), "{mended}");
        }
        for broken in [3_007_000, 3_044_005, 3_045_000, 3_050_006, 3_051_002] {
            assert!(may_lose_commits(broken), "{broken}");
        }
    }
}
