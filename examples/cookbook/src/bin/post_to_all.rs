//! Posts one message to Chatwork, TAS-CHA and Lancers, once for each key: `post_to_all KEY TEXT`. If it was killed or has failed, run it
//! again. Reads `CHATWORK_API_TOKEN`, `CHATWORK_ROOM`, `TASCHA_API_KEY`, `TASCHA_ROOM`, `LANCERS_COOKIE`, `LANCERS_BOARD`,
//! `LANCERS_USER` (the name that boards show for its account) and `OUTBOX`, the file of the outbox (`outbox.sqlite`).
use anyhow::{Context, Result, bail, ensure};
use kaiwa::outbox::{Outbox, Phase, SqliteOutboxStore};
use kaiwa::{chatwork, chatwork::notation::MessageBuilder, lancers, tascha};
use std::env;

#[tokio::main]
async fn main() -> Result<()> {
    let [_, key, text] = &env::args().collect::<Vec<_>>()[..] else { bail!("usage: post_to_all KEY TEXT") };
    let set = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
    let number = |name: &str| set(name)?.parse::<u64>().with_context(|| format!("{name} is not a number"));
    let chatwork = chatwork::Client::from_env()?;
    let (tascha, lancers) = (tascha::Client::from_env()?, lancers::Client::from_env()?);
    let room = chatwork.room(number("CHATWORK_ROOM")?.into());
    let tascha_room = tascha.room(set("TASCHA_ROOM")?);
    let board = lancers.board(number("LANCERS_BOARD")?.into());
    let store = SqliteOutboxStore::open(set("OUTBOX").unwrap_or("outbox.sqlite".into())).await?;
    let outbox = Outbox::builder(store).chatwork(chatwork).tascha(tascha);
    let outbox = outbox.lancers(lancers, set("LANCERS_USER")?).build();

    // The three fail, wait and are looked for each on its own.
    let [first, second, third] = ["chatwork", "tascha", "lancers"].map(|service| format!("{key}-{service}"));
    outbox.enqueue(&first, room.post(MessageBuilder::new().text(text))).await?;
    outbox.enqueue(&second, tascha_room.post(text).with_idempotency_key(&second)).await?;
    outbox.enqueue(&third, board.post(text)).await?;
    outbox.deliver_due().await?;
    let mut missing = 0;
    for key in [first, second, third] {
        let status = outbox.status(&key).await?.context("the outbox was changed meanwhile")?;
        println!("{key} is {} {}", status.phase.name(), status.reason.unwrap_or_default());
        missing += usize::from(status.phase != Phase::Sent);
    }
    ensure!(missing == 0, "{missing} of 3 are not there: run it again in two minutes");
    Ok(())
}
