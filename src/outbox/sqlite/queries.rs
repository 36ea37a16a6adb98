//! What is read and written, each within a transaction.

use crate::clock::later_on_the_wall;
use crate::outbox::entry::{Change, Claim, Commit, Enqueued, NewEntry, Next, Note, Phase, StoredEntry};
use crate::sqlite::{Failure, Statements};
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::{ToSqlOutput, Type};
use rusqlite::{Connection, OptionalExtension, Row, Statement, ToSql, params, params_from_iter};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;

/// Selects the columns of a [`StoredEntry`], and what else is named.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, key, lane, request, phase, progress, not_before, queue", $rest)
    };
}

/// The entry of a queue that is due first.
const FIRST: &str = select!(
    ", fence, due_at FROM entries WHERE queue = ?1 AND due_at IS NOT NULL ORDER BY due_at, id LIMIT 1"
);

/// That of those without a time.
const FIRST_AT_ONCE: &str = select!(
    ", fence, NULL FROM entries
     WHERE queue = ?1 AND due_at IS NOT NULL AND not_before IS NULL AND claimed_until IS NULL
     ORDER BY due_at, id LIMIT 1"
);

/// A time as it is written: in UTC, with as many digits as any other, so that texts compare as times. That
/// does not hold before the year 1, which is as good as any earlier one.
pub(super) struct Time(pub(super) Timestamp);

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let earliest = Timestamp::constant(-62_135_596_800, 0);
        Ok(format!("{:.9}", self.0.max(earliest)).into())
    }
}

/// The statements of a connection.
pub(super) struct Queries<'c> {
    connection: &'c Connection,
    salt: String,
    statements: Statements<'c>,
}

/// An owned [`Filter`](crate::outbox::Filter).
pub(super) struct Selection {
    pub(super) queue: String,
    pub(super) lane: Option<String>,
    pub(super) phase: Option<Phase>,
    pub(super) after: i64,
    pub(super) newest: bool,
    pub(super) limit: usize,
}

impl<'c> Queries<'c> {
    pub(super) fn new(connection: &'c Connection) -> Result<Self, Failure> {
        let salt = "SELECT value FROM settings WHERE name = 'key_salt'";
        let salt = connection.query_row(salt, [], |row| row.get(0))?;
        Ok(Self { connection, salt, statements: Statements::new(connection) })
    }

    fn statement(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'c>> {
        self.statements.get(sql)
    }

    /// With a salt, so that nobody finds out keys of blanked entries by hashing guesses from a table.
    fn hash(&self, key: &str) -> String {
        let digest = Sha256::new().chain_update(&self.salt).chain_update(key).finalize();
        digest[..16].iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    pub(super) fn enqueue(&mut self, entry: &NewEntry, now: Timestamp) -> Result<Enqueued, Failure> {
        if let Some(known) = self.get(&entry.key)? {
            return Ok(Enqueued::Known(Box::new(known)));
        }
        let NewEntry { queue, key, lane, request, not_before } = entry;
        let hash = self.hash(key);
        self.statement(
            "INSERT INTO entries (key, key_hash, lane, phase, request, not_before, created_at, due_at, queue)
             SELECT ?1, ?2, ?3, 'waiting', ?4, ?5, ?6, CASE
                 WHEN EXISTS (SELECT 1 FROM entries WHERE queue = ?7 AND lane = ?3 AND closed_at IS NULL) THEN NULL
                 ELSE coalesce(?5, ?6)
             END, ?7",
        )?
        .execute(params![key, hash, lane, request, not_before.map(Time), Time(now), queue])?;
        let id = self.connection.last_insert_rowid();
        Ok(Enqueued::New(Box::new(StoredEntry::new(id, entry.clone()))))
    }

    pub(super) fn get(&mut self, key: &str) -> Result<Option<StoredEntry>, Failure> {
        let hash = self.hash(key);
        let found = self
            .statement(select!(" FROM entries WHERE key_hash = ?1"))?
            .query_row([hash], stored)
            .optional()?;
        Ok(found.map(|entry| StoredEntry { key: key.to_owned(), ..entry }))
    }

    pub(super) fn claim(&mut self, queue: &str, lease: Duration, now: Timestamp) -> Result<Next, Failure> {
        let mut first = self.first(FIRST, queue, now)?;
        if first.as_ref().is_some_and(|(.., due_at)| *due_at > now) {
            // What is due at once does not wait for a clock that was set back.
            first = self.first(FIRST_AT_ONCE, queue, now)?.or(first);
        }
        let Some((entry, fence, due_at)) = first else { return Ok(Next::Wait(None)) };
        if due_at > now {
            return Ok(Next::Wait(Some(Duration::try_from(due_at.duration_since(now)).unwrap_or_default())));
        }
        let claim = Claim { id: entry.id, fence: fence + 1 };
        self.statement("UPDATE entries SET fence = ?2, claimed_until = ?3, due_at = ?3 WHERE id = ?1")?
            .execute(params![claim.id, claim.fence, Time(later_on_the_wall(now, lease))])?;
        Ok(Next::Entry(Box::new(entry), claim))
    }

    /// An entry with its fence, and when it is due. One that cannot be read is put off, and its lane with it: somebody has changed
    /// the file.
    fn first(
        &mut self,
        sql: &'static str,
        queue: &str,
        now: Timestamp,
    ) -> Result<Option<(StoredEntry, i64, Timestamp)>, Failure> {
        const PUT_OFF: Duration = Duration::from_secs(5 * 60);
        loop {
            let read = |row: &Row<'_>| {
                let entry = (|| Ok::<_, rusqlite::Error>((stored(row)?, row.get(8)?, time(row, 9)?)))();
                Ok((row.get::<_, i64>(0)?, entry))
            };
            match self.statements.get(sql)?.query_row([queue], read).optional()? {
                None => return Ok(None),
                Some((_, Ok((entry, fence, due_at)))) => {
                    return Ok(Some((entry, fence, due_at.unwrap_or(Timestamp::MIN))));
                }
                Some((id, Err(_))) => {
                    tracing::warn!(
                        id,
                        queue,
                        "an entry of the outbox cannot be read, and its room waits for 5 minutes"
                    );
                    self.statements
                        .get("UPDATE entries SET due_at = ?2, not_before = ?2 WHERE id = ?1")?
                        .execute(params![id, Time(later_on_the_wall(now, PUT_OFF))])?;
                }
            }
        }
    }

    pub(super) fn renew(&mut self, claim: &Claim, lease: Duration, now: Timestamp) -> Result<bool, Failure> {
        let until = Time(later_on_the_wall(now, lease));
        let renewed = self
            .statement(
                "UPDATE entries SET claimed_until = ?4, due_at = max(?4, coalesce(not_before, ?4))
                 WHERE id = ?1 AND fence = ?2 AND claimed_until > ?3",
            )?
            .execute(params![claim.id, claim.fence, Time(now), until])?;
        Ok(renewed > 0)
    }

    pub(super) fn change(
        &mut self,
        claim: &Claim,
        change: &Change,
        keep: bool,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Change { phase, progress, wait } = change;
        let not_before = wait.map(|wait| later_on_the_wall(now, wait));
        let changed = self
            .statement(
                "UPDATE entries SET phase = ?4, progress = ?5, not_before = ?6, closed_at = ?7,
                     claimed_until = CASE WHEN ?8 THEN claimed_until END,
                     due_at = CASE WHEN ?7 IS NULL THEN due_at ELSE ?6 END
                 WHERE id = ?1 AND fence = ?2 AND claimed_until > ?3",
            )?
            .execute(params![
                claim.id,
                claim.fence,
                Time(now),
                phase.name(),
                progress,
                not_before.map(Time),
                (!phase.is_open()).then_some(Time(now)),
                keep && phase.is_open(),
            ])?;
        if changed > 0 {
            self.order_lane(claim.id)?;
        }
        Ok(changed > 0)
    }

    /// All of it, unless there is a claim that does not hold.
    pub(super) fn commit(&mut self, commit: &Commit, now: Timestamp) -> Result<bool, Failure> {
        let Commit { change, notes, entries } = commit;
        if let Some((claim, change)) = change
            && !self.change(claim, change, false, now)?
        {
            return Ok(false);
        }
        for Note { key, text, keep } in notes {
            let until = keep.map(|time| Time(later_on_the_wall(now, time)));
            match text {
                Some(text) => self
                    .statement(
                        "INSERT INTO notes (key, text, until) VALUES (?1, ?2, ?3)
                         ON CONFLICT (key) DO UPDATE SET text = excluded.text, until = excluded.until",
                    )?
                    .execute(params![key, text, until])?,
                None => self.statement("DELETE FROM notes WHERE key = ?1")?.execute([key])?,
            };
        }
        for entry in entries {
            self.enqueue(entry, now)?;
        }
        Ok(true)
    }

    pub(super) fn note(&mut self, key: &str, now: Timestamp) -> Result<Option<String>, Failure> {
        let note = self
            .statement("SELECT text FROM notes WHERE key = ?1 AND (until IS NULL OR until > ?2)")?
            .query_row(params![key, Time(now)], |row| row.get(0));
        Ok(note.optional()?)
    }

    /// Gives back a claim of which nobody knows.
    pub(super) fn release(&mut self, claim: &Claim) -> Result<(), Failure> {
        let released = self
            .statement(
                "UPDATE entries SET claimed_until = NULL,
                     due_at = CASE WHEN closed_at IS NULL THEN due_at ELSE not_before END
                 WHERE id = ?1 AND fence = ?2 AND claimed_until IS NOT NULL",
            )?
            .execute(params![claim.id, claim.fence])?;
        if released > 0 {
            self.order_lane(claim.id)?;
        }
        Ok(())
    }

    pub(super) fn decide(
        &mut self,
        key: &str,
        from: &[Phase],
        to: Phase,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let hash = self.hash(key);
        let found = self
            .statement("SELECT id, phase, claimed_until FROM entries WHERE key_hash = ?1")?
            .query_row([hash], |row| Ok((row.get::<_, i64>(0)?, phase(row, 1)?, time(row, 2)?)))
            .optional()?;
        let free = |until: Option<Timestamp>| until.is_none_or(|until| until <= now);
        let Some((id, ..)) = found.filter(|(_, phase, until)| from.contains(phase) && free(*until)) else {
            return Ok(false);
        };
        self.statement(
            "UPDATE entries SET phase = ?2, closed_at = ?3, not_before = NULL, claimed_until = NULL, due_at = NULL
             WHERE id = ?1",
        )?
        .execute(params![id, to.name(), (!to.is_open()).then_some(Time(now))])?;
        self.order_lane(id)?;
        Ok(true)
    }

    /// Finds the first open entry of this entry's lane, and when it is due. One that was claimed stays the first.
    fn order_lane(&mut self, id: i64) -> Result<(), Failure> {
        let (queue, lane): (String, String) = self
            .statement("SELECT queue, lane FROM entries WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let before: Option<(i64, bool)> = self
            .statement(
                "SELECT id, claimed_until IS NOT NULL FROM entries
                 WHERE queue = ?1 AND lane = ?2 AND due_at IS NOT NULL AND closed_at IS NULL",
            )?
            .query_row([&queue, &lane], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let first = match before {
            Some((id, true)) => Some(id),
            _ => self
                .statement(
                    "SELECT min(id) FROM entries WHERE queue = ?1 AND lane = ?2 AND closed_at IS NULL",
                )?
                .query_row([&queue, &lane], |row| row.get(0))?,
        };
        if let Some((before, _)) = before.filter(|(id, _)| Some(*id) != first) {
            self.statement("UPDATE entries SET due_at = NULL WHERE id = ?1")?.execute([before])?;
        }
        self.statement(
            "UPDATE entries SET
                 due_at = coalesce(max(claimed_until, not_before), claimed_until, not_before, created_at)
             WHERE id = ?1",
        )?
        .execute([first])?;
        Ok(())
    }

    pub(super) fn list(&mut self, selection: &Selection) -> Result<Vec<StoredEntry>, Failure> {
        let Selection { queue, lane, phase, after, newest, limit } = selection;
        let mut sql = select!(" FROM entries WHERE queue = ?").to_owned();
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(queue.clone())];
        if let Some(lane) = lane {
            sql += " AND lane = ?";
            values.push(Box::new(lane.clone()));
        }
        if let Some(phase) = phase {
            sql += " AND phase = ?";
            values.push(Box::new(phase.name()));
        }
        if *after != 0 {
            sql += if *newest { " AND id < ?" } else { " AND id > ?" };
            values.push(Box::new(*after));
        }
        sql += if *newest { " ORDER BY id DESC LIMIT ?" } else { " ORDER BY id LIMIT ?" };
        values.push(Box::new(i64::try_from(*limit).unwrap_or(i64::MAX)));
        let mut statement = self.connection.prepare(&sql)?;
        let entries = statement.query_map(params_from_iter(values), stored)?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    pub(super) fn blank(&mut self, queue: &str, age: Duration, now: Timestamp) -> Result<u64, Failure> {
        self.of_closed(
            "UPDATE entries SET key = NULL, request = '', progress = ''
             WHERE queue = ?1 AND closed_at IS NOT NULL AND key IS NOT NULL AND due_at IS NULL AND closed_at <= ?2
                 AND phase NOT IN ('uncertain', 'doubled', 'failed')",
            queue,
            age,
            now,
        )
    }

    pub(super) fn forget(&mut self, queue: &str, age: Duration, now: Timestamp) -> Result<u64, Failure> {
        self.statement("DELETE FROM notes WHERE until <= ?1")?.execute([Time(now)])?;
        self.of_closed(
            "DELETE FROM entries
             WHERE queue = ?1 AND closed_at IS NOT NULL AND due_at IS NULL AND closed_at <= ?2
                 AND phase NOT IN ('uncertain', 'doubled', 'failed')",
            queue,
            age,
            now,
        )
    }

    /// Changes what was closed at least so long ago.
    fn of_closed(
        &mut self,
        sql: &'static str,
        queue: &str,
        age: Duration,
        now: Timestamp,
    ) -> Result<u64, Failure> {
        let until = SignedDuration::try_from(age).ok().and_then(|age| now.checked_sub(age).ok());
        let Some(until) = until else { return Ok(0) };
        Ok(self.statement(sql)?.execute(params![queue, Time(until)])? as u64)
    }
}

/// The entry of a row that begins as [`select`] says.
fn stored(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
    let key = row.get::<_, Option<String>>(1)?.unwrap_or_default();
    let entry = NewEntry::new(key, row.get::<_, String>(2)?, row.get::<_, String>(3)?);
    let entry = entry.queue(row.get::<_, String>(7)?);
    let (phase, progress, not_before) = (phase(row, 4)?, row.get(5)?, time(row, 6)?);
    Ok(StoredEntry { phase, progress, not_before, ..StoredEntry::new(row.get(0)?, entry) })
}

fn phase(row: &Row<'_>, column: usize) -> rusqlite::Result<Phase> {
    let name: String = row.get(column)?;
    Phase::from_name(&name).ok_or_else(|| unreadable(column, "no phase has this name"))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let text: Option<String> = row.get(column)?;
    let time = text.map(|text| text.parse()).transpose();
    time.map_err(|_| unreadable(column, "it is no time"))
}

fn unreadable(column: usize, problem: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many entries other queues have.
    #[test]
    fn a_claim_reads_its_own_queue_in_the_order_of_an_index() {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(include_str!("schema_1.sql")).expect("it is new");
        for (sql, index) in [(FIRST, "entries_due"), (FIRST_AT_ONCE, "entries_at_once")] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("it is SQL");
            let steps = plan.query_map(["outbox"], |row| row.get::<_, String>(3)).expect("it is planned");
            let steps: Vec<_> = steps.collect::<Result<_, _>>().expect("it is planned");
            // Nothing is sorted, which would be a second step.
            let expected = format!("SEARCH entries USING INDEX {index} (queue=?");
            assert!(steps.len() == 1 && steps[0].starts_with(&expected), "{steps:?}");
        }
    }
}
