//! Prints the rooms of a Chatwork account and their members, within the limits that all processes of the account share in Redis:
//! `limits_by_redis`, several at once. Reads `CHATWORK_API_TOKEN` and `REDIS_URL`.
use anyhow::{Context, Result};
use kaiwa::{Pace, chatwork::Client, store::Redis};
use std::env;

#[tokio::main]
async fn main() -> Result<()> {
    let redis = Redis::new(env::var("REDIS_URL").context("REDIS_URL is not set")?)?;
    redis.check().await?; // a wrong password ends the program here; an outage later only makes it careful

    // The same name in all processes of the account, and another one for another account.
    let budgets = redis.budgets("support")?;
    let builder = Client::builder_from_env()?.pace(Pace::new().store(budgets.clone()));
    let chatwork = builder.build()?;
    for room in chatwork.rooms().await?.iter() {
        let members = chatwork.room(room.room_id).members().await?; // waits for its turn among all processes
        println!("{}: {} members", room.name, members.len());
    }
    budgets.flush().await?; // the permits that came back last
    Ok(())
}
