//! Posts one message to Chatwork, TAS-CHA and Lancers, once for each key: `post_to_all KEY TEXT`. If it was killed or has failed, run it
//! again. Reads `CHATWORK_API_TOKEN`, `CHATWORK_ROOM`, `TASCHA_API_KEY`, `TASCHA_ROOM`, `LANCERS_COOKIE`, `LANCERS_BOARD`,
//! `LANCERS_USER` (the name that boards show for its account) and `OUTBOX`, the file of the outbox (`post_to_all.sqlite`).
use anyhow::{Context, Result, bail, ensure};
use kaiwa::outbox::{Outbox, Phase, SqliteOutboxStore};
use kaiwa::{chatwork, chatwork::notation::MessageBuilder, lancers, tascha};
use std::{env, num::NonZeroU64};

#[tokio::main]
async fn main() -> Result<()> {
    let [_, key, text] = &env::args().collect::<Vec<_>>()[..] else { bail!("usage: post_to_all KEY TEXT") };
    let set = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
    let id = |name| set(name)?.parse().map(NonZeroU64::get).with_context(|| format!("{name} is not an id"));
    let chatwork = chatwork::Client::from_env()?;
    let (tascha, lancers) = (tascha::Client::from_env()?, lancers::Client::from_env()?);
    let (room, board) = (id("CHATWORK_ROOM")?, id("LANCERS_BOARD")?);
    let tascha_room = tascha.room(set("TASCHA_ROOM")?);
    let store = SqliteOutboxStore::open(set("OUTBOX").unwrap_or("post_to_all.sqlite".into())).await?;
    let outbox = Outbox::builder(store).chatwork(chatwork.clone()).tascha(tascha);
    let outbox = outbox.lancers(lancers.clone(), set("LANCERS_USER")?).build();
    // The three fail, wait and are looked for each on its own. TAS-CHA takes the least: of what it refuses nothing is stored.
    let [first, second, third] = ["tascha", "chatwork", "lancers"].map(|service| format!("{key}-{service}"));
    let stored = [
        outbox.enqueue(&first, tascha_room.post(text).with_idempotency_key(&first)).await?,
        outbox.enqueue(&second, chatwork.room(room.into()).post(MessageBuilder::new().text(text))).await?,
        outbox.enqueue(&third, lancers.board(board.into()).post(text)).await?,
    ];
    for entry in stored.iter().filter(|entry| entry.phase == Phase::Rejected) {
        outbox.retry(&entry.key).await?; // the cause is mended, or it is refused again
    }
    outbox.deliver_due().await?;
    let mut missing = 0;
    for key in [first, second, third] {
        let status = outbox.status(&key).await?.context("the outbox was changed meanwhile")?;
        println!("{key} is {} {}", status.phase.name(), status.reason.unwrap_or_default());
        missing += usize::from(status.phase != Phase::Sent);
    }
    ensure!(missing == 0, "{missing} of 3 are not sent: run it again in two minutes");
    Ok(())
}
