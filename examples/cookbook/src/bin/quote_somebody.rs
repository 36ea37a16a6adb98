//! Quotes a message of a Chatwork room, and answers its author: `quote_somebody MESSAGE TEXT`, with the id of the message. Reads
//! `CHATWORK_API_TOKEN` and `CHATWORK_ROOM`.
use anyhow::{Context, Result, bail};
use kaiwa::chatwork::notation::{MessageBuilder, parse};
use kaiwa::chatwork::{self, Reconcile};
use std::env;

#[tokio::main]
async fn main() -> Result<()> {
    let [_, id, text] = &env::args().collect::<Vec<_>>()[..] else {
        bail!("usage: quote_somebody MESSAGE TEXT");
    };
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let room = chatwork::Client::from_env()?.room(room.context("CHATWORK_ROOM is not the id of a room")?);

    let quoted = room.message(id.as_str()).get().await?;
    let author = quoted.account.account_id;
    // As it is read, without tags: `text` would escape their brackets. Of a long message, its beginning.
    let words: String = parse(&quoted.body).plain_text().chars().take(1_000).collect();
    let answer = MessageBuilder::new()
        .to(author)
        .text(format!(" {}さん\n", quoted.account.name))
        .quote(author, Some(quoted.send_time), |quotation| quotation.text(words))
        .text(text);
    // If the answer of the service is lost, the client looks for the message before it posts again.
    let sent = room.post(answer).with_reconcile(Reconcile::new()).await?;
    println!("posted message {}", sent.message_id);
    Ok(())
}
