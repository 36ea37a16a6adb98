//! Posts a long text in parts, each once and in order: `split_report NAME < report.txt`. If it was killed or has failed, run it again
//! with the same name and text. Reads `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` and `OUTBOX`, the file of the outbox (`split_report.sqlite`).
use anyhow::{Context, Result, bail, ensure};
use kaiwa::chatwork::{self, notation::MessageBuilder};
use kaiwa::outbox::{Outbox, Phase, SqliteOutboxStore};
use std::{env, io, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let [_, name] = &env::args().collect::<Vec<_>>()[..] else { bail!("usage: split_report NAME < FILE") };
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let chatwork = chatwork::Client::from_env()?;
    let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);
    let store = SqliteOutboxStore::open(env::var("OUTBOX").unwrap_or("split_report.sqlite".into())).await?;
    let outbox = Outbox::builder(store).chatwork(chatwork).build();

    let report = io::read_to_string(io::stdin()).context("the report is no text in UTF-8")?;
    ensure!(!report.trim().is_empty(), "the report is empty");
    // The box is closed at the end of each part, and opened again in the next one.
    let parts = MessageBuilder::new().info(name, |info| info.text(report)).split();
    let keys: Vec<_> = (1..=parts.len()).map(|number| format!("{name}-{number}")).collect();
    for (key, part) in keys.iter().zip(&parts) {
        if outbox.enqueue(key, room.post(part.as_str())).await?.phase == Phase::Rejected {
            outbox.retry(key).await?; // the cause is mended, or it is refused again
        }
    }
    for _ in 0..20 {
        outbox.deliver_due().await?; // ten in ten seconds: the client keeps the limit of the room
        if !outbox.list(Some(Phase::Waiting), 1).await?.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await; // another program may have posted there
        }
    }
    for key in &keys {
        let status = outbox.status(key).await?.context("the outbox was changed meanwhile")?;
        let (phase, reason) = (status.phase.name(), status.reason.unwrap_or_default());
        ensure!(status.phase == Phase::Sent, "{key} is {phase}, run it again in two minutes: {reason}");
    }
    println!("{name} is there, in {} parts", keys.len());
    Ok(())
}
