//! A bot behind axum, which answers each mention once, however often it is killed: `receive_axum`. Reads `CHATWORK_API_TOKEN`,
//! `CHATWORK_WEBHOOK_TOKEN`, `ADDRESS` (`127.0.0.1:3000`, with a proxy for `https` in front) and `STORE` (`bot.sqlite`).
use anyhow::{Context, Result};
use axum::{Router, routing::post};
use kaiwa::bot::{DurableContext, Inbox, Source};
use kaiwa::chatwork::webhook::{Event, Verified, Verifier};
use kaiwa::chatwork::{Client, bot::Bot};
use kaiwa::outbox::SqliteOutboxStore;
use std::env;

#[tokio::main]
async fn main() -> Result<()> {
    let token = env::var("CHATWORK_WEBHOOK_TOKEN").context("CHATWORK_WEBHOOK_TOKEN is not set")?;
    let store = SqliteOutboxStore::open(env::var("STORE").unwrap_or("bot.sqlite".into())).await?;
    let bot = Bot::new(Client::from_env()?).durable(store).on_notice(|notice| eprintln!("{notice}"));
    let inbox = bot.inbox();
    let hook = async move |Verified(event): Verified<Event>| receive(&inbox, event).await;
    let router = Router::new().route("/", post(hook)).with_state(Verifier::new(&token)?);
    let address = env::var("ADDRESS").unwrap_or("127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(&address).await.context(address)?;
    println!("listening on {}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let bot = bot.shutdown(async { drop(tokio::signal::ctrl_c().await) });
    println!("{:?}", bot.run(Source::webhooks(), answer).await?);
    Ok(())
}

/// Stored before the response, which is 200 in any case: the service sends nothing again, and switches off after errors.
async fn receive(inbox: &Inbox, event: Event) {
    if let Err(error) = inbox.push(event).await {
        eprintln!("a message is lost: {error}");
    }
}

async fn answer(context: DurableContext) -> Result<(), kaiwa::Error> {
    if context.is_addressed() {
        context.reply(format!("「{}」ですね。", context.text()))?;
    }
    Ok(())
}
