//! An outbox in PostgreSQL, for several machines.
//!
//! Copy this file and `outbox_postgres_1.sql`. It needs the crates `futures-util`, `kaiwa`, `tokio` and `tokio-postgres`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kaiwa::jiff::Timestamp;
use kaiwa::outbox::{
    Change, Claim, Commit, Enqueued, Filter, NewEntry, Next, OutboxStore, Phase, StoredEntry,
};
use kaiwa::{Clock, StoreError};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, future, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, Row};

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;
type Values<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];
macro_rules! values {
    ($($value:expr => $type:ident),*) => { &[$((&$value as &(dyn ToSql + Sync), Type::$type)),*] };
}

/// What makes each version of the schema from the one before. A step that was released is never changed.
const STEPS: &[&str] = &[include_str!("outbox_postgres_1.sql")];

const UNREADABLE: &str = "the outbox in PostgreSQL: an entry is unreadable; was it changed by hand?";

/// An outbox in a schema of a PostgreSQL database (13 or newer), which programs on several machines may use at once.
///
/// It works on a client that is its own, and never in a transaction of the program. Each call is one statement: it is carried
/// out as a whole or not at all, also behind a pooler, and also if its future is dropped. An entry that a dropped future has
/// claimed is handed out again when its lease ends. Leases and times are by the server's clock.
///
/// A client whose connection is lost stays closed, and every call says so: the program makes a new client and a new store, as
/// `examples/cookbook/src/bin/outbox_on_postgres.rs` does. How long a call may take is set with the connection.
///
/// Ids ascend within a lane. Of two lanes, an entry with a higher id can be seen before one with a lower.
///
/// `NOTIFY` on the channel with the schema's name says that an entry was added that can be sent at once: a hint for
/// [`wake`](kaiwa::outbox::Outbox::wake), which [`drive`] hears.
///
/// Times are kept in microseconds. PostgreSQL keeps no U+0000: it is written as U+001A and `0`, and U+001A as U+001A and `1`.
#[derive(Clone, Debug)]
pub struct PostgresOutboxStore {
    client: Arc<Client>,
    schema: Arc<str>,
    clock: Option<Arc<dyn Clock>>,
}

impl PostgresOutboxStore {
    /// An outbox in this schema, such as `kaiwa_outbox`, which [`migrate`](Self::migrate) creates. The program drives the
    /// client's connection.
    ///
    /// # Errors
    /// The name is not made of lower-case letters, digits and `_`, has more than 63 characters, or begins with a digit or `pg_`.
    pub fn new(client: Arc<Client>, schema: &str) -> Result<Self, StoreError> {
        let is_plain = schema.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let is_reserved = schema.starts_with("pg_") || schema.starts_with(char::is_numeric);
        if !is_plain || is_reserved || !matches!(schema.len(), 1..64) {
            return Err("the schema of an outbox has a name of a-z, 0-9 and _, at most 63, and not pg_ or a digit first".into());
        }
        Ok(Self { client, schema: schema.into(), clock: None })
    }

    /// The same outbox on this clock instead of the server's, for tests. It should be that of the clients.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Creates what is missing, or brings an earlier version to this one. Several programs may do it at once, or one as another
    /// user, who owns the schema; the others then need `USAGE` of it, and the right to read and write its tables.
    ///
    /// # Errors
    /// The schema is of a newer version, or of something else; the database's encoding is not UTF8; or the server failed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        loop {
            let version = self.version().await?;
            let Some(step) = STEPS.get(version) else { return Ok(()) };
            // All of it is one transaction. If somebody else was faster, it fails, and the version is another one.
            let script = format!(
                "SELECT pg_advisory_xact_lock(hashtextextended('kaiwa {0}', 0));
                 DO $$ BEGIN IF to_regnamespace('\"{0}\"') IS NULL THEN CREATE SCHEMA \"{0}\"; END IF; END $$;
                 SELECT set_config('search_path', '\"{0}\", pg_temp', true); {step}",
                self.schema
            );
            if let Err(failure) = self.client.batch_execute(&script).await
                && self.version().await? == version
            {
                return Err(self.told(problem(&failure)));
            }
        }
    }

    /// How many of the [`STEPS`] were taken.
    async fn version(&self) -> Result<usize, StoreError> {
        if !self.value::<bool>("to_regclass('@.outbox') IS NOT NULL", &[]).await? {
            return Ok(0);
        }
        let version = self.value::<i32>("(SELECT version FROM @.outbox)", &[]).await? as usize;
        let newest = STEPS.len();
        let problem = format!("it is of version {version}, and this program knows {newest}: use a newer one");
        if version > newest { Err(self.told(problem)) } else { Ok(version) }
    }

    /// What a statement selects. It is sent with its values at once, and the server forgets it: a pooler may stand between.
    async fn rows(&self, what: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        let statement = format!("SELECT {}", what.replace('@', &format!("\"{}\"", self.schema)));
        self.client.query_typed(&statement, values).await.map_err(|error| self.told(problem(&error)))
    }

    /// Of a statement that always has one.
    async fn row(&self, what: &str, values: Values<'_>) -> Result<Row, StoreError> {
        self.rows(what, values).await?.pop().ok_or_else(|| self.told("it was changed by hand"))
    }

    async fn value<T: FromSqlOwned>(&self, what: &str, values: Values<'_>) -> Result<T, StoreError> {
        read(&self.row(&format!("{what} AS value"), values).await?, "value")
    }

    async fn clean(&self, queue: &str, age: Duration, forget: bool) -> Result<u64, StoreError> {
        let values =
            values![escaped(queue) => TEXT, micros(age) => INT8, forget => BOOL, self.now() => TIMESTAMPTZ];
        Ok(self.value::<i64>("@.clean($1, $2, $3, $4)", values).await? as u64)
    }

    fn told(&self, problem: impl fmt::Display) -> StoreError {
        format!("the outbox in PostgreSQL, schema {}: {problem}", self.schema).into()
    }

    fn now(&self) -> Option<SystemTime> {
        self.clock.as_ref().map(|clock| time(clock.wall()))
    }
}

/// Drives a connection until it ends, and calls `notified` for each notification, such as that of an entry that was added.
pub async fn drive<S, T>(mut connection: Connection<S, T>, notified: impl Fn())
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = future::poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message {
            notified();
        }
    }
}

/// What happened, and what to do. An error of the server can quote what is stored, and only some kinds cannot.
fn problem(error: &tokio_postgres::Error) -> String {
    let Some(refusal) = error.as_db_error() else {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        return format!("there is no connection ({error}{cause}): make one; what was asked for may be done");
    };
    let code = refusal.code().code();
    let problem = match code {
        "25006" => "this server can only be read: connect to the primary",
        "42501" => "this user may not do that: GRANT it the schema and its tables, or `migrate` as its owner",
        "3F000" | "42P01" | "42883" => "its tables are missing: call `migrate`",
        "42P07" | "42723" => "the schema has something else: choose another name",
        "53100" => "the disk of the server is full: make room",
        "55P03" => "somebody keeps a lock: end what holds it, such as an open transaction",
        "57014" => "the statement was ended, by `statement_timeout` or by a person",
        // Ours, and those about logins and the server's state.
        _ if ["KW", "08", "28", "3D", "53", "57P"].iter().any(|kind| code.starts_with(kind)) => {
            refusal.message()
        }
        _ => "PostgreSQL refused, which its log explains",
    };
    format!("{problem} (SQLSTATE {code})")
}

fn read<T: FromSqlOwned>(row: &Row, column: &str) -> Result<T, StoreError> {
    row.try_get(column).map_err(|_| UNREADABLE.into())
}

/// The entry of a row, whose key may be known from elsewhere.
fn entry(row: &Row, key: Option<&str>) -> Result<StoredEntry, StoreError> {
    let text = |column| read::<Option<String>>(row, column).map(|text| unescaped(&text.unwrap_or_default()));
    let key = key.map_or_else(|| text("key"), |key| Ok(key.to_owned()))?;
    let new = NewEntry::new(key, text("lane")?, text("request")?).queue(text("queue")?);
    let mut entry = StoredEntry::new(read(row, "id")?, new);
    entry.phase = Phase::from_name(&read::<String>(row, "phase")?).ok_or(UNREADABLE)?;
    entry.progress = text("progress")?;
    let not_before = read::<Option<SystemTime>>(row, "not_before")?;
    entry.not_before = not_before.map(Timestamp::try_from).transpose().map_err(|_| UNREADABLE)?;
    Ok(entry)
}

/// A part of each, as an array.
fn each<T, U>(all: &[T], part: impl Fn(&T) -> U) -> Vec<U> {
    all.iter().map(part).collect()
}

fn escaped(text: &str) -> String {
    text.replace('\u{1A}', "\u{1A}1").replace('\0', "\u{1A}0")
}

fn unescaped(text: &str) -> String {
    text.replace("\u{1A}0", "\0").replace("\u{1A}1", "\u{1A}")
}

/// In microseconds, not earlier than it was, and after 1970.
fn time(time: Timestamp) -> SystemTime {
    let micros = time.as_nanosecond().max(0).unsigned_abs().div_ceil(1_000);
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros.min(Timestamp::MAX.as_microsecond() as u128) as u64)
}

/// In microseconds, not shorter than it was, and at most 200 years.
fn micros(duration: Duration) -> i64 {
    duration.min(Duration::from_secs(200 * 365 * 24 * 60 * 60)).as_nanos().div_ceil(1_000) as i64
}

// Nothing happens before a future is polled, so that it can be dropped unpolled.
impl OutboxStore for PostgresOutboxStore {
    fn enqueue(&self, new: NewEntry) -> Answer<'_, Enqueued> {
        async move {
            let values = values![
                escaped(&new.queue) => TEXT, escaped(&new.key) => TEXT, escaped(&new.lane) => TEXT,
                escaped(&new.request) => TEXT, new.not_before.map(time) => TIMESTAMPTZ, self.now() => TIMESTAMPTZ
            ];
            let row = self.row("(entry).*, is_new FROM @.enqueue($1, $2, $3, $4, $5, $6)", values).await?;
            let entry = Box::new(entry(&row, Some(&new.key))?);
            Ok(if read(&row, "is_new")? { Enqueued::New(entry) } else { Enqueued::Known(entry) })
        }
        .boxed()
    }

    fn claim<'a>(&'a self, queue: &'a str, lease: Duration) -> Answer<'a, Next> {
        async move {
            let values = values![escaped(queue) => TEXT, micros(lease) => INT8, self.now() => TIMESTAMPTZ];
            let row = self.row("(entry).*, wait FROM @.claim($1, $2, $3)", values).await?;
            let Some(id) = read::<Option<i64>>(&row, "id")? else {
                let wait: Option<i64> = read(&row, "wait")?;
                return Ok(Next::Wait(wait.map(|wait| Duration::from_micros(wait as u64))));
            };
            Ok(Next::Entry(Box::new(entry(&row, None)?), Claim { id, fence: read(&row, "fence")? }))
        }
        .boxed()
    }

    fn renew<'a>(&'a self, Claim { id, fence }: &'a Claim, lease: Duration) -> Answer<'a, bool> {
        async move {
            let values = values![id => INT8, fence => INT8, micros(lease) => INT8, self.now() => TIMESTAMPTZ];
            self.value("@.renew($1, $2, $3, $4)", values).await
        }
        .boxed()
    }

    fn change<'a>(&'a self, Claim { id, fence }: &'a Claim, change: Change, keep: bool) -> Answer<'a, bool> {
        async move {
            let Change { phase, progress, wait, .. } = &change;
            let values = values![
                id => INT8, fence => INT8, phase.name() => TEXT, phase.is_open() => BOOL, escaped(progress) => TEXT,
                wait.map(micros) => INT8, keep => BOOL, self.now() => TIMESTAMPTZ
            ];
            self.value("@.change($1, $2, $3, $4, $5, $6, $7, $8)", values).await
        }
        .boxed()
    }

    fn commit(&self, Commit { change, notes, entries, .. }: Commit) -> Answer<'_, bool> {
        async move {
            let (claim, change) = change.unzip();
            let (id, fence) = claim.map(|Claim { id, fence }| (id, fence)).unzip();
            let (phase, progress) =
                change.as_ref().map(|change| (change.phase, escaped(&change.progress))).unzip();
            let wait = change.and_then(|change| change.wait);
            let values = values![
                id => INT8, fence => INT8, phase.map(Phase::name) => TEXT, phase.map(Phase::is_open) => BOOL,
                progress => TEXT, wait.map(micros) => INT8,
                each(&notes, |note| escaped(&note.key)) => TEXT_ARRAY,
                each(&notes, |note| note.text.as_deref().map(escaped)) => TEXT_ARRAY,
                each(&notes, |note| note.keep.map(micros)) => INT8_ARRAY,
                each(&entries, |entry| escaped(&entry.queue)) => TEXT_ARRAY,
                each(&entries, |entry| escaped(&entry.key)) => TEXT_ARRAY,
                each(&entries, |entry| escaped(&entry.lane)) => TEXT_ARRAY,
                each(&entries, |entry| escaped(&entry.request)) => TEXT_ARRAY,
                each(&entries, |entry| entry.not_before.map(time)) => TIMESTAMPTZ_ARRAY,
                self.now() => TIMESTAMPTZ
            ];
            let commit = "@.commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
            self.value(commit, values).await
        }
        .boxed()
    }

    fn note<'a>(&'a self, key: &'a str) -> Answer<'a, Option<String>> {
        async move {
            let which = "text FROM @.notes WHERE key = $1 AND coalesce(until > coalesce($2, now()), true)";
            let found = self.rows(which, values![escaped(key) => TEXT, self.now() => TIMESTAMPTZ]).await?;
            found.first().map(|row| Ok(unescaped(&read::<String>(row, "text")?))).transpose()
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEntry>> {
        async move {
            let which = "* FROM @.entries WHERE key_hash = @.hash($1)";
            let found = self.rows(which, values![escaped(key) => TEXT]).await?;
            found.first().map(|row| entry(row, Some(key))).transpose()
        }
        .boxed()
    }

    fn list<'a>(&'a self, filter: Filter<'a>) -> Answer<'a, Vec<StoredEntry>> {
        async move {
            let (direction, beyond) = if filter.newest { ("DESC", '<') } else { ("ASC", '>') };
            let which = format!(
                "* FROM @.entries WHERE queue = $1 AND ($2 IS NULL OR lane = $2) AND ($3 IS NULL OR phase = $3)
                 AND ($4 = 0 OR id {beyond} $4) ORDER BY id {direction} LIMIT $5"
            );
            let (lane, phase) = (filter.lane.map(escaped), filter.phase.map(Phase::name));
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            let values = values![
                escaped(filter.queue) => TEXT, lane => TEXT, phase => TEXT, filter.after => INT8, limit => INT8
            ];
            self.rows(&which, values).await?.iter().map(|row| entry(row, None)).collect()
        }
        .boxed()
    }

    fn decide<'a>(&'a self, key: &'a str, from: &'a [Phase], to: Phase) -> Answer<'a, bool> {
        async move {
            let (key, from) = (escaped(key), from.iter().map(|phase| phase.name()).collect::<Vec<_>>());
            let (to, is_open, now) = (to.name(), to.is_open(), self.now());
            let values =
                values![key => TEXT, from => TEXT_ARRAY, to => TEXT, is_open => BOOL, now => TIMESTAMPTZ];
            self.value("@.decide($1, $2, $3, $4, $5)", values).await
        }
        .boxed()
    }

    fn blank<'a>(&'a self, queue: &'a str, age: Duration) -> Answer<'a, u64> {
        self.clean(queue, age, false).boxed()
    }

    fn forget<'a>(&'a self, queue: &'a str, age: Duration) -> Answer<'a, u64> {
        self.clean(queue, age, true).boxed()
    }
}
