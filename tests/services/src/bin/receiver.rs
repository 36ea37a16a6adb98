//! What takes a bot's webhooks, and is killed at any moment: `receiver STORE SETTLE TOWN PORT`. It ends when its input ends.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use kaiwa::bot::Inbox;
use kaiwa::chatwork::webhook::{Event, Verifier};
use kaiwa::webhook::Verified;
use services::bots::{bot, input_ends};
use services::town::{HOOK, Town};
use std::time::Duration;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Receiver {
    inbox: Inbox,
    verifier: Verifier,
}

impl FromRef<Receiver> for Verifier {
    fn from_ref(receiver: &Receiver) -> Self {
        receiver.verifier.clone()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let [store, settle, town, port] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "4 arguments")?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let town = Town::read(&town);
    let (bot, _) = bot(&store, &town, Duration::from_secs(settle.parse()?)).await?;
    // The store recognizes repeats, and an event that it did not take must come again.
    let verifier = Verifier::with_clock(HOOK, town.shared_clock())?.without_replay_cache();
    let receiver = Receiver { inbox: bot.inbox(), verifier };
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    let serving = axum::serve(listener, Router::new().route("/hook", post(receive)).with_state(receiver));
    tokio::select! {
        served = serving.into_future() => served?,
        () = input_ends() => {}
    }
    Ok(())
}

async fn receive(State(receiver): State<Receiver>, Verified(event): Verified<Event>) -> StatusCode {
    match receiver.inbox.push(event).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
