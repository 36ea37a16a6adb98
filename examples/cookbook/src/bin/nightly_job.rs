//! Runs a job, and posts how it ended, once a day: `nightly_job NAME COMMAND [ARGUMENT…]`, for example by cron. A job that was killed is
//! run again. Reads `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` and `OUTBOX`, the file of the outbox (`nightly_job.sqlite`).
use anyhow::{Context, Result, bail};
use kaiwa::outbox::{Outbox, Phase, SqliteOutboxStore};
use kaiwa::{chatwork::Client, chatwork::notation::MessageBuilder, jiff::Timestamp, jiff::tz};
use std::{env, fs::File, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().zip(arguments.next());
    let (name, command) = command.context("usage: nightly_job NAME COMMAND [ARGUMENT…]")?;
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let chatwork = Client::from_env()?;
    let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);
    let path = env::var("OUTBOX").unwrap_or("nightly_job.sqlite".into());
    let lock = File::create(format!("{path}.{name}.lock")).context("the lock of the job cannot be made")?;
    lock.try_lock().with_context(|| format!("{name} is running"))?; // until this program ends
    let outbox = Outbox::builder(SqliteOutboxStore::open(path).await?).chatwork(chatwork).build();

    let today = Timestamp::now().to_zoned_datetime(tz::TimeZone::fixed(tz::offset(9))).date(); // in Japan
    let key = format!("{name}-{today}");
    if outbox.status(&key).await?.is_none() {
        let job = tokio::process::Command::new(command).args(arguments).output().await;
        let job = job.map(|job| (job.status.to_string(), job.stderr));
        let (ended, log) = job.unwrap_or_else(|error| ("cannot be started".into(), error.to_string().into()));
        let last = String::from_utf8_lossy(&log[log.len().saturating_sub(10_000)..]);
        let report = MessageBuilder::new().info(&key, |info| info.text(ended).code(last));
        outbox.enqueue(&key, room.post(report)).await?;
    }
    for _ in 0..30 {
        outbox.deliver_due().await?; // a lost answer is looked for after a minute and a half
        let Some(entry) = outbox.status(&key).await?.filter(|entry| entry.phase.is_open()) else { break };
        eprintln!("the report of {key} waits: {}", entry.reason.unwrap_or_default());
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let entry = outbox.status(&key).await?.context("the outbox was changed meanwhile")?;
    println!("the report of {key} is {}", entry.phase.name());
    if entry.phase == Phase::Sent { Ok(()) } else { bail!(entry.reason.unwrap_or_default()) }
}
