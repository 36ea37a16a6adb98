//! A bot that answers questions, in several processes.

use crate::store::open;
use crate::town::{BOT, Town};
use kaiwa::bot::{DurableBot, DurableContext};
use kaiwa::chatwork::bot::Bot;
use kaiwa::chatwork::{self, AccountId};
use kaiwa::outbox::Outbox;
use std::time::Duration;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Each process makes it from its arguments.
pub async fn bot(
    store: &str,
    town: &Town,
    settle: Duration,
) -> Result<(DurableBot, chatwork::Client), BoxError> {
    let client = town.chatwork_client(settle)?;
    let outbox = Outbox::builder(open(store, town).await?)
        .chatwork(client.clone())
        .settle(settle)
        .clock(town.clock.clone())
        .build();
    let bot = Bot::new(client.clone()).me(AccountId(BOT)).durable_with(outbox);
    Ok((bot, client))
}

/// Numbers the questions of a room. If anything of a run that was killed or has failed were stored, a number would be missing.
///
/// # Errors
/// The store failed, or it is the first run for each seventh question.
pub async fn answer(context: DurableContext) -> Result<(), BoxError> {
    let count = context.room_state::<u64>();
    let number = count.get().await?.unwrap_or(0) + 1;
    count.set(&number)?;
    context.reply(format!("{number}: {}", context.text()))?;
    // Time to be killed in.
    tokio::time::sleep(Duration::from_millis(10)).await;
    if number.is_multiple_of(7) && context.attempt() == 1 {
        return Err("it fails once".into());
    }
    Ok(())
}

/// Waits until whoever has started the program closes its input, or has died.
pub async fn input_ends() {
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
}
