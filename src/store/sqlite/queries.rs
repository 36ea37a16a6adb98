//! What is read and written, each within a transaction. All times are milliseconds since 1970.

use crate::sqlite::{Failure, Statements};
use crate::webhook::{Claim, ClaimId};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// How many events at most are removed at once, so that no call waits for many of them.
const REMOVED: usize = 100;

pub(super) struct Queries<'c>(Statements<'c>);

impl<'c> Queries<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self(Statements::new(connection))
    }

    pub(super) fn claim(
        &mut self,
        [name, key]: [&str; 2],
        id: ClaimId,
        lease: Duration,
        now: i64,
    ) -> Result<Claim, Failure> {
        self.remove_over(now)?;
        match self.event(name, key, now)? {
            Some((None, _)) => return Ok(Claim::Done),
            Some((Some(other), until)) if other != id.to_string() => {
                let left = Duration::from_millis(until.saturating_sub(now).unsigned_abs());
                return Ok(Claim::Held { left });
            }
            _ => {}
        }
        self.set_event([name, key], Some(id), after(now, lease))?;
        Ok(Claim::New)
    }

    pub(super) fn done(
        &mut self,
        [name, key]: [&str; 2],
        id: ClaimId,
        time: Duration,
        now: i64,
    ) -> Result<bool, Failure> {
        self.remove_over(now)?;
        match self.event(name, key, now)? {
            Some((None, _)) => return Ok(true),
            Some((Some(other), _)) if other != id.to_string() => return Ok(false),
            _ => {}
        }
        self.set_event([name, key], None, after(now, time))?;
        Ok(true)
    }

    pub(super) fn release(&mut self, [name, key]: [&str; 2], id: ClaimId) -> Result<(), Failure> {
        let sql = "DELETE FROM replays WHERE name = ?1 AND key = ?2 AND claim = ?3";
        self.0.get(sql)?.execute(params![name, key, id.to_string()])?;
        Ok(())
    }

    pub(super) fn forget(&mut self, [name, key]: [&str; 2]) -> Result<(), Failure> {
        self.0.get("DELETE FROM replays WHERE name = ?1 AND key = ?2")?.execute([name, key])?;
        Ok(())
    }

    /// Who has claimed the event, or `None` if it is done; and until when.
    fn event(&mut self, name: &str, key: &str, now: i64) -> Result<Option<(Option<String>, i64)>, Failure> {
        let sql = "SELECT claim, until FROM replays WHERE name = ?1 AND key = ?2 AND until > ?3";
        let event = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        Ok(self.0.get(sql)?.query_row(params![name, key, now], event).optional()?)
    }

    fn set_event(
        &mut self,
        [name, key]: [&str; 2],
        claim: Option<ClaimId>,
        until: i64,
    ) -> Result<(), Failure> {
        let claim = claim.map(|id| id.to_string());
        self.0
            .get("INSERT OR REPLACE INTO replays (name, key, claim, until) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![name, key, claim, until])?;
        Ok(())
    }

    fn remove_over(&mut self, now: i64) -> Result<(), Failure> {
        self.0
            .get(
                "DELETE FROM replays WHERE (name, key) IN
                     (SELECT name, key FROM replays WHERE until <= ?1 ORDER BY until LIMIT ?2)",
            )?
            .execute(params![now, REMOVED as i64])?;
        Ok(())
    }
}

#[cfg(feature = "oauth")]
mod tokens {
    use super::{Failure, OptionalExtension, Queries, after, params};
    use crate::store::lease::{Ask, LEASE};

    impl Queries<'_> {
        /// The tokens as they were saved.
        pub(in crate::store::sqlite) fn tokens(&mut self, name: &str) -> Result<Option<String>, Failure> {
            let sql = "SELECT tokens FROM tokens WHERE name = ?1";
            Ok(self.0.get(sql)?.query_row([name], |row| row.get(0)).optional()?)
        }

        pub(in crate::store::sqlite) fn save(
            &mut self,
            name: &str,
            tokens: &str,
            now: i64,
        ) -> Result<(), Failure> {
            self.0
                .get("INSERT OR REPLACE INTO tokens (name, tokens, saved_at) VALUES (?1, ?2, ?3)")?
                .execute(params![name, tokens, now])?;
            Ok(())
        }

        /// Whether the lease of this holder holds from now on.
        pub(in crate::store::sqlite) fn lease(
            &mut self,
            name: &str,
            holder: &str,
            ask: Ask,
            now: i64,
        ) -> Result<bool, Failure> {
            let until = after(now, LEASE);
            // A holder that was late has its lease still, if nobody has taken it. After the clock was set back, a lease would last that much longer. Its holder renews it, if it lives.
            self.0
                .get("UPDATE refreshes SET until = ?2 WHERE name = ?1 AND until > ?2")?
                .execute(params![name, until])?;
            let held: Option<String> = self
                .0
                .get("SELECT holder FROM refreshes WHERE name = ?1 AND (until > ?2 OR holder = ?3)")?
                .query_row(params![name, now, holder], |row| row.get(0))
                .optional()?;
            let may = match held {
                Some(held) => held == holder,
                None => ask == Ask::Lease,
            };
            if may {
                self.0
                    .get("INSERT OR REPLACE INTO refreshes (name, holder, until) VALUES (?1, ?2, ?3)")?
                    .execute(params![name, holder, until])?;
            }
            Ok(may)
        }

        pub(in crate::store::sqlite) fn give_back(
            &mut self,
            name: &str,
            holder: &str,
        ) -> Result<(), Failure> {
            self.0.get("DELETE FROM refreshes WHERE name = ?1 AND holder = ?2")?.execute([name, holder])?;
            Ok(())
        }
    }
}

/// The end of a time that begins now, at least a millisecond later.
fn after(now: i64, time: Duration) -> i64 {
    now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1))
}
