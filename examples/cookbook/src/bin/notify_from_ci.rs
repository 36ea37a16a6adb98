//! Posts the result of a CI job, once for each text: `notify_from_ci TEXT || true`, with the job's number in the text. Reads
//! `CHATWORK_API_TOKEN` and `CHATWORK_ROOM`, and stores nothing, since a runner's disk is gone after the job.
use anyhow::{Context, Result, bail, ensure};
use kaiwa::chatwork::{self, Reconcile, Sought, notation::MessageBuilder};
use kaiwa::{Found, jiff::Timestamp};
use std::{env, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let [_, text] = &env::args().collect::<Vec<_>>()[..] else { bail!("usage: notify_from_ci TEXT") };
    ensure!(!text.trim().is_empty(), "TEXT is empty");
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let chatwork = chatwork::Client::from_env()?;
    let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);

    // The name of a branch, such as `[toall]`, notifies no one: `text` escapes it.
    let notice = MessageBuilder::new().text(text);
    // The job, or its notice, is run again: the newest 100 messages show what an earlier run has posted.
    let me = chatwork.me().await?.account_id;
    let earlier = Sought::new(notice.as_str(), me, Timestamp::UNIX_EPOCH);
    if let Found::Yes(there) = room.look_for(&earlier).await?.into_inner() {
        println!("message {there} is there already");
        return Ok(());
    }
    let post = room.post(notice).with_reconcile(Reconcile::new().account(me));
    let sent = post.with_timeout(Duration::from_secs(60)).await?; // a job does not wait for long
    println!("posted message {}", sent.message_id);
    Ok(())
}
