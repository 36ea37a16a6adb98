//! A bot behind actix-web, which answers each mention once, however often it is killed: `receive_actix`. Reads `CHATWORK_API_TOKEN`,
//! `CHATWORK_WEBHOOK_TOKEN`, `ADDRESS` (`127.0.0.1:3000`, with a proxy for `https` in front) and `STORE` (`bot.sqlite`).
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web, web::post};
use anyhow::{Context, Result};
use kaiwa::bot::{DurableContext, Inbox, Source};
use kaiwa::chatwork::webhook::{MAX_BODY, SIGNATURE_HEADER, Verifier, signature};
use kaiwa::{chatwork::Client, chatwork::bot::Bot, outbox::SqliteOutboxStore};

#[tokio::main]
async fn main() -> Result<()> {
    let token = std::env::var("CHATWORK_WEBHOOK_TOKEN").context("CHATWORK_WEBHOOK_TOKEN is not set")?;
    let store = SqliteOutboxStore::open(std::env::var("STORE").unwrap_or("bot.sqlite".into())).await?;
    let bot = Bot::new(Client::from_env()?).durable(store).on_notice(|notice| eprintln!("{notice}"));
    let state = web::Data::new((Verifier::new(&token)?, bot.inbox()));
    let body = web::PayloadConfig::new(MAX_BODY); // the longest message has more than the default
    // Each worker has a runtime of its own, and the client belongs to this one: workers store, and the bot posts.
    let app = move || App::new().app_data(state.clone()).app_data(body.clone()).route("/", post().to(hook));
    let address = std::env::var("ADDRESS").unwrap_or("127.0.0.1:3000".into());
    let server = HttpServer::new(app).workers(2).disable_signals().bind(&address).context(address)?;
    println!("listening on {}", server.addrs()[0]);
    tokio::spawn(server.run());
    let bot = bot.shutdown(async { drop(tokio::signal::ctrl_c().await) });
    let answer = async |context: DurableContext| match context.is_addressed() {
        true => context.reply(format!("「{}」ですね。", context.text())).map(drop),
        false => Ok(()),
    };
    println!("{:?}", bot.run(Source::webhooks(), answer).await?);
    Ok(())
}

async fn hook(state: web::Data<(Verifier, Inbox)>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let header = request.headers().get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let signed = signature(header, Some(request.query_string()));
    let mut response = HttpResponse::Ok().finish(); // in any case: the service sends nothing again
    match signed.and_then(|signature| state.0.verify_repeats(&body, &signature)) {
        Ok(event) => drop(state.1.push(event).await.inspect_err(|error| eprintln!("lost: {error}"))),
        Err(error) => *response.status_mut() = StatusCode::from_u16(error.status()).unwrap_or_default(),
    }
    response
}
