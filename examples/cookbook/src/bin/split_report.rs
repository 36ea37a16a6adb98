//! Posts a long text in parts, each once and in order: `split_report NAME < report.txt`. If it was killed or has failed, run it again
//! with the same name. Reads `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` and `OUTBOX`, the file of the outbox (`outbox.sqlite`).
use anyhow::{Context, Result, bail};
use kaiwa::chatwork::{self, notation::MessageBuilder};
use kaiwa::outbox::{Outbox, Phase, SqliteOutboxStore};
use std::{env, io};

#[tokio::main]
async fn main() -> Result<()> {
    let name = env::args().nth(1).context("usage: split_report NAME < FILE")?;
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let chatwork = chatwork::Client::from_env()?;
    let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);
    let store = SqliteOutboxStore::open(env::var("OUTBOX").unwrap_or("outbox.sqlite".into())).await?;
    let outbox = Outbox::builder(store).chatwork(chatwork).build();

    // The box is closed at the end of each part, and opened again in the next one.
    let report = io::read_to_string(io::stdin())?;
    let parts = MessageBuilder::new().info(&name, |info| info.text(report)).split();
    let keys: Vec<_> = (1..=parts.len()).map(|number| format!("{name}-{number}")).collect();
    for (key, part) in keys.iter().zip(&parts) {
        outbox.enqueue(key, room.post(part.as_str())).await?;
    }
    outbox.deliver_due().await?; // ten in ten seconds: the client keeps the limit of the room
    for key in &keys {
        let status = outbox.status(key).await?.context("the outbox was changed meanwhile")?;
        if status.phase != Phase::Sent {
            let reason = status.reason.unwrap_or_default();
            bail!("{key} is {}, run it again in two minutes: {reason}", status.phase.name());
        }
    }
    println!("{name} is there, in {} parts", keys.len());
    Ok(())
}
