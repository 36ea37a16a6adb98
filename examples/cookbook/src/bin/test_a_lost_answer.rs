//! A function that posts, and its test against a service that loses the answer: `cargo test --bin test_a_lost_answer`. As a program,
//! `test_a_lost_answer TEXT` posts. Reads `CHATWORK_API_TOKEN` and `CHATWORK_ROOM`.
use anyhow::{Context, Result, bail};
use kaiwa::chatwork::{Arrival, Client, Reconcile, RoomHandle};
use std::{env, time::Duration};

/// Whether the message had to be looked for.
async fn announce(room: &RoomHandle, text: &str, delay: Duration) -> Result<bool, kaiwa::Error> {
    let post = room.post(text).with_reconcile(Reconcile::new().delay(delay));
    Ok(post.await?.arrival == Arrival::Found)
}

#[tokio::main]
async fn main() -> Result<()> {
    let [_, text] = &env::args().collect::<Vec<_>>()[..] else { bail!("usage: test_a_lost_answer TEXT") };
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let room = Client::from_env()?.room(room.context("CHATWORK_ROOM is not the id of a room")?);
    let found = announce(&room, text, Duration::from_secs(2)).await?;
    println!("{}", if found { "posted; its answer was lost" } else { "posted" });
    Ok(())
}

/// `cargo add --dev kaiwa --features sandbox`
#[cfg(test)]
#[tokio::test]
async fn a_message_whose_answer_is_lost_is_there_once() -> Result<()> {
    use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
    let sandbox = Sandbox::start().await?;
    let room = sandbox.clients().chatwork.room(100.into());
    let before = sandbox.chatwork().room(100).messages().len();
    // The service posts the message, and the connection breaks instead of a response. `.after()` left out, it breaks before.
    let lost = Script::on("post_message").then(Fault::reset().after());
    sandbox.faults().script(Provider::Chatwork, lost);
    assert!(announce(&room, "ビルドが通りました", Duration::from_millis(10)).await?);
    assert_eq!(sandbox.chatwork().room(100).messages().len(), before + 1);
    Ok(())
}
