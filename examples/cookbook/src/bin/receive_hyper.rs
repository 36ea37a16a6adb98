//! A bot behind hyper alone, which answers each mention once, however often it is killed: `receive_hyper`. Reads `CHATWORK_API_TOKEN`,
//! `CHATWORK_WEBHOOK_TOKEN`, `ADDRESS` (such as `127.0.0.1:3000`, with a proxy for `https` in front) and `STORE` (`bot.sqlite`).
use anyhow::{Context, Error, Result};
use http_body_util::{BodyExt, Limited};
use hyper::{Request, Response, body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use kaiwa::bot::{DurableContext as Message, Inbox, Source};
use kaiwa::chatwork::webhook::{MAX_BODY, SIGNATURE_HEADER, Verifier, signature};
use kaiwa::{chatwork::Client, chatwork::bot::Bot, outbox::SqliteOutboxStore};

#[tokio::main]
async fn main() -> Result<()> {
    let set = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let bot = Bot::new(Client::from_env()?).durable(SqliteOutboxStore::open(set("STORE")?).await?);
    let state = (Verifier::new(&set("CHATWORK_WEBHOOK_TOKEN")?)?, bot.inbox());
    let listener = tokio::net::TcpListener::bind(set("ADDRESS")?).await.context("ADDRESS")?;
    let (mut http, service) = (Builder::new(), service_fn(move |request| hook(state.clone(), request)));
    http.timer(TokioTimer::new()); // a header has 30 s
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((io, _)) => drop(tokio::spawn(http.serve_connection(TokioIo::new(io), service.clone()))),
                Err(_) => tokio::time::sleep(std::time::Duration::from_secs(1)).await, // too many open files
            }
        }
    });
    let answer = async |it: Message| it.is_addressed().then(|| it.reply(it.text())).transpose().map(drop);
    Ok(bot.on_notice(|notice| eprintln!("{notice}")).run(Source::webhooks(), answer).await.map(drop)?)
}

async fn hook((verifier, inbox): (Verifier, Inbox), mut post: Request<Incoming>) -> Result<Response<String>> {
    let body = Limited::new(post.body_mut(), MAX_BODY).collect().await.map_err(Error::from_boxed)?.to_bytes();
    let header = post.headers().get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let mut response = Response::new(String::new()); // in any case: the service sends nothing again
    match signature(header, post.uri().query()).and_then(|it| verifier.verify_repeats(&body, &it)) {
        Ok(event) => drop(inbox.push(event).await.inspect_err(|error| eprintln!("lost: {error}"))),
        Err(error) => *response.status_mut() = error.status().try_into()?,
    }
    Ok(response)
}
