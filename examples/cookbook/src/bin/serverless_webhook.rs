//! A webhook on a serverless platform, which stores in PostgreSQL before it responds; `serverless_webhook deliver`, a job of each minute,
//! posts, and prints what was refused. Both read `CHATWORK_API_TOKEN` and `DATABASE_URL`, and the webhook `CHATWORK_WEBHOOK_TOKEN`, `PORT`.
use anyhow::{Context, Error, Result};
use axum::{Extension, Router, routing::post};
use kaiwa::chatwork::webhook::{Event, Verified, Verifier};
use kaiwa::{chatwork::Client, chatwork::notation::MessageBuilder, outbox::Outbox, outbox::Phase};
use kaiwa_cookbook::outbox_postgres::PostgresOutboxStore;
use std::{env, sync::Arc, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?;
    if env::args().nth(1).is_some_and(|job| job == "deliver") {
        let outbox = outbox(&client).await?;
        println!("{} done; {:?}", outbox.deliver_due().await?, outbox.list(Some(Phase::Rejected), 9).await?);
        return Ok(());
    }
    let key = env::var("CHATWORK_WEBHOOK_TOKEN").context("CHATWORK_WEBHOOK_TOKEN is not set")?;
    let app = Router::new().route("/", post(hook)).layer(Extension(client)).with_state(Verifier::new(&key)?);
    let port = env::var("PORT").context("PORT is not set")?.parse::<u16>().context("PORT is not a port")?;
    Ok(axum::serve(tokio::net::TcpListener::bind(("0.0.0.0", port)).await?, app).await?)
}

async fn hook(client: Extension<Client>, Verified(event): Verified<Event>) {
    let Event::MentionToMe(it) = event else { return }; // 200 in any case: nothing is sent again
    let answer = MessageBuilder::new().reply(it.room_id, &it.message_id, it.from_account_id);
    let post = client.room(it.room_id).post(answer.text("受け付けました。"));
    let store = async { Ok(outbox(&client).await?.enqueue(it.message_id.to_string(), post).await?) };
    let stored = tokio::time::timeout(Duration::from_secs(8), store).await.map_err(Error::from).flatten();
    drop(stored.inspect_err(|error| eprintln!("a message is lost: {error:#}"))); // the service waits for 10 s
}

async fn outbox(client: &Client) -> Result<Outbox> {
    let url = env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let (database, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection); // one for each request: a kept one may be gone at the next
    let store = PostgresOutboxStore::new(Arc::new(database), "kaiwa_outbox").map_err(Error::from_boxed)?;
    store.migrate().await.map_err(Error::from_boxed)?;
    Ok(Outbox::builder(store).chatwork(client.clone()).build())
}
