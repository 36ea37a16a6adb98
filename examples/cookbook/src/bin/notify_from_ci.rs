//! Posts the result of a CI job, once for each text: `notify_from_ci TEXT || true`, with the job's number in the text. Reads
//! `CHATWORK_API_TOKEN` and `CHATWORK_ROOM`, and stores nothing, since a runner's disk is gone after the job.
use anyhow::{Context, Result};
use kaiwa::chatwork::{self, Reconcile, notation::MessageBuilder};
use std::{env, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let text = env::args().nth(1).context("usage: notify_from_ci TEXT")?;
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let chatwork = chatwork::Client::from_env()?;
    let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);

    // The name of a branch, such as `[toall]`, notifies no one: `text` escapes it.
    let notice = MessageBuilder::new().text(text);
    // The job, or its notice, is run again: the newest 100 messages show what an earlier run has posted.
    let me = chatwork.me().await?.account_id;
    let known = room.messages().force(true).await?;
    let mut mine = known.iter().filter(|message| message.account.account_id == me);
    if let Some(there) = mine.find(|message| message.body.trim() == notice.as_str().trim()) {
        println!("message {} is there already", there.message_id);
        return Ok(());
    }
    let post = room.post(notice).with_reconcile(Reconcile::new().account(me));
    let sent = post.with_timeout(Duration::from_secs(60)).await?; // a job does not wait for long
    println!("posted message {}", sent.message_id);
    Ok(())
}
