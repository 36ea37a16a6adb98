//! A bot behind hyper alone, which answers each mention once, however often it is killed: `receive_hyper`. Reads `CHATWORK_API_TOKEN`,
//! `CHATWORK_WEBHOOK_TOKEN`, `ADDRESS` (such as `127.0.0.1:3000`, with a proxy for `https` in front) and `STORE` (`bot.sqlite`).
use anyhow::{Context, Error, Result};
use http_body_util::{BodyExt, Limited};
use hyper::{Request, Response, body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use kaiwa::bot::{DurableContext, Inbox, Source};
use kaiwa::chatwork::webhook::{SIGNATURE_HEADER, Verifier, signature};
use kaiwa::{chatwork::Client, chatwork::bot::Bot, outbox::SqliteOutboxStore};

#[tokio::main]
async fn main() -> Result<()> {
    let set = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let bot = Bot::new(Client::from_env()?).durable(SqliteOutboxStore::open(set("STORE")?).await?);
    let state = (Verifier::new(&set("CHATWORK_WEBHOOK_TOKEN")?)?, bot.inbox());
    let listener = tokio::net::TcpListener::bind(set("ADDRESS")?).await.context("ADDRESS")?;
    let server = async move {
        loop {
            let (io, state) = (TokioIo::new(listener.accept().await?.0), state.clone());
            let service = service_fn(move |request| hook(state.clone(), request)); // a header has 30 s, by the timer
            tokio::spawn(Builder::new().timer(TokioTimer::new()).serve_connection(io, service));
        }
    };
    let answer = async |context: DurableContext| context.reply(context.text()).map(drop);
    let bot = async { bot.run(Source::webhooks(), answer).await.map(|summary| println!("{summary:?}")) };
    tokio::select! { ended = bot => Ok(ended?), ended = server => ended }
}

async fn hook((verifier, inbox): (Verifier, Inbox), request: Request<Incoming>) -> Result<Response<String>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, 1 << 20).collect().await.map_err(Error::from_boxed)?.to_bytes();
    let header = head.headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let signed = signature(header, head.uri.query());
    let mut response = Response::new(String::new()); // in any case: the service sends nothing again
    match signed.and_then(|signature| verifier.verify_repeats(&body, &signature)) {
        Ok(event) => drop(inbox.push(event).await.inspect_err(|error| eprintln!("lost: {error}"))),
        Err(error) => *response.status_mut() = error.status().try_into()?,
    }
    Ok(response)
}
