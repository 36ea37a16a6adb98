//! One replica of a bot behind a webhook. Each line of its input is an event; it prints the id of each message once its handler
//! has ended.

use kaiwa::chatwork::bot::{Bot, Context};
use kaiwa::chatwork::webhook::Event;
use kaiwa::chatwork::{self, AccountId};
use kaiwa::store::{Redis, Sqlite};
use kaiwa::webhook::ReplayCache;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let replays: Arc<dyn ReplayCache> = match std::env::var("SQLITE") {
        Ok(path) => Arc::new(Sqlite::open(path).await?.replays("replicas")?),
        Err(_) => Arc::new(Redis::new(std::env::var("REDIS")?)?.replays("replicas")?),
    };
    let client = chatwork::Client::builder().api_token("a-token-of-a-test").build()?;
    let bot = Bot::new(client).me(AccountId(1)).lease(Duration::from_secs(2)).queue(2_000);
    let mut bot = bot.replay_cache(replays);
    let (inbox, deliveries) = bot.inbox(2_000);
    tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let message = serde_json::from_str(&line).expect("the test writes events");
            inbox.push(Event::MessageCreated(message)).expect("there is room");
        }
        inbox.close();
    });
    bot.run(deliveries, handle).await?;
    Ok(())
}

async fn handle(context: Context) -> Result<(), kaiwa::Error> {
    tokio::time::sleep(Duration::from_millis(30)).await;
    println!("{}", context.message().message_id);
    Ok(())
}
