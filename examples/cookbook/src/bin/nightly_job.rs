//! Runs a job, and posts how it ended, once a day: `nightly_job NAME COMMAND [ARGUMENT…]`, for example by cron. Reads
//! `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` and `OUTBOX`, the file of the outbox (`outbox.sqlite`).
use anyhow::{Context, Result, bail};
use kaiwa::outbox::{Outbox, Phase, SqliteOutboxStore};
use kaiwa::{chatwork::Client, chatwork::notation::MessageBuilder, jiff::Timestamp, jiff::tz};
use std::{env, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let [_, name, command, arguments @ ..] = &env::args().collect::<Vec<_>>()[..] else {
        bail!("usage: nightly_job NAME COMMAND [ARGUMENT…]");
    };
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let chatwork = Client::from_env()?;
    let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);
    let store = SqliteOutboxStore::open(env::var("OUTBOX").unwrap_or("outbox.sqlite".into())).await?;
    let outbox = Outbox::builder(store).chatwork(chatwork).build();

    let today = Timestamp::now().to_zoned_datetime(tz::TimeZone::fixed(tz::offset(9))).date(); // in Japan
    let key = format!("{name}-{today}");
    if outbox.status(&key).await?.is_none() {
        let job = tokio::process::Command::new(command).args(arguments).output().await;
        let (ended, errors) = match job {
            Ok(job) => (job.status.to_string(), String::from_utf8_lossy(&job.stderr).into()),
            Err(error) => ("cannot be started".into(), error.to_string()),
        };
        let mut report = MessageBuilder::new().info(&key, |info| info.text(ended).code(errors)).split();
        outbox.enqueue(&key, room.post(report.swap_remove(0))).await?; // as much as a message holds
    }
    // Until it is certain that the report is there: a lost answer is looked for after a minute and a half.
    let closed = async {
        while outbox.status(&key).await.is_ok_and(|entry| entry.is_some_and(|entry| entry.phase.is_open())) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    outbox.run(closed).await;
    let entry = outbox.status(&key).await?.context("the outbox was changed meanwhile")?;
    println!("the report of {key} is {}", entry.phase.name());
    if entry.phase == Phase::Sent { Ok(()) } else { bail!(entry.reason.unwrap_or_default()) }
}
