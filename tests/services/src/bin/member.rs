//! One process of a fleet: several tasks post into the rooms of one account, whose budgets are in Redis. It prints each text
//! that was posted, and its warnings to the standard error.

use kaiwa::chatwork::{self, RoomId};
use kaiwa::store::Redis;
use kaiwa::{Outcome, Pace};
use std::time::Duration;

const TASKS: usize = 16;
/// So many that only the account's window is short.
const ROOMS: u64 = 40;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let set = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let (name, posts): (String, usize) = (set("NAME")?, set("POSTS")?.parse()?);
    // A machine on which all tests run at once can be slow, which would look like an outage.
    let redis = Redis::builder(set("REDIS")?)
        .processes(set("PROCESSES")?.parse()?)
        .connect_timeout(Duration::from_secs(2))
        .response_timeout(Duration::from_millis(400))
        .build()?;
    // An outage before the first answer is another one than those that the tests make.
    while redis.check().await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let budgets = redis.budgets("fleet")?;
    let client = chatwork::Client::builder()
        .api_token("a-token-of-a-test")
        .base_url(set("SERVICE")?)
        .pace(Pace::new().store(budgets.clone()))
        .timeout(Duration::from_secs(300))
        .build()?;
    let tasks = (0..TASKS).map(|task| {
        let (client, name) = (client.clone(), name.clone());
        tokio::spawn(async move {
            for number in (task..posts).step_by(TASKS) {
                let text = format!("{name}-{number}");
                let room = client.room(RoomId(number as u64 % ROOMS + 1));
                while let Err(error) = room.post(text.as_str()).await {
                    eprintln!("{text}: {error}");
                    if error.outcome() == Outcome::Unknown {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                println!("{text}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await?;
    }
    budgets.flush().await?;
    Ok(())
}
