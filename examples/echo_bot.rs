//! A bot that repeats what people write to it: webhooks by axum come in, and each gets one answer.
//!
//! ```text
//! cargo run --example echo_bot
//! ```
//!
//! The server verifies a webhook, puts it into the bot's inbox and responds at once. The bot answers messages that mention it,
//! except replies to its own messages. It skips its own messages and duplicates, keeps the order within a room, and on Ctrl-C
//! finishes the messages that it accepted.
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN` | the token of the bot's account |
//! | `CHATWORK_WEBHOOK_TOKEN` | the tokens of its webhooks, separated by spaces |
//! | `ADDRESS` | where to listen, 127.0.0.1:3000 by default; a proxy in front of it must provide the `https` |
//!
//! Without a token the sandbox plays the service in this process: two colleagues write messages, the bot answers, the
//! conversation is shown, and the program ends.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::post;
use futures::FutureExt;
use kaiwa::chatwork::bot::{Bot, Context, Inbox, Notice, Summary};
use kaiwa::chatwork::notation::{Kind, parse};
use kaiwa::chatwork::webhook::{Event, Verified, Verifier};
use kaiwa::chatwork::{AccountId, Client};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::Webhook;
use std::env;
use std::future::IntoFuture;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    if env::var_os("CHATWORK_API_TOKEN").is_none() {
        return play().await;
    }
    let tokens = env::var("CHATWORK_WEBHOOK_TOKEN").map_err(|_| "CHATWORK_WEBHOOK_TOKEN is not set")?;
    let mut tokens = tokens.split_whitespace();
    let verifier = Verifier::new(tokens.next().unwrap_or_default())?;
    let verifier = tokens.try_fold(verifier, Verifier::add_token)?;
    let address = env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("Listening on {address}; Ctrl-C ends it.");
    let ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
    let summary = serve(Client::from_env()?, verifier, listener, ctrl_c).await?;
    println!("{summary:?}");
    Ok(())
}

#[derive(Clone)]
struct App {
    verifier: Verifier,
    inbox: Inbox,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

/// Runs server and bot until `stop` ends, and the bot has finished.
async fn serve(
    client: Client,
    verifier: Verifier,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Summary, AnyError> {
    // Before the server listens: events that it accepts before the bot starts could be lost.
    let me = client.me().await?.account_id;
    let mut bot = Bot::new(client).me(me).shutdown_timeout(Duration::from_secs(30)).on_notice(log);
    let (inbox, deliveries) = bot.inbox(256);
    let router = Router::new().route("/", post(hook)).with_state(App { verifier, inbox });
    let stop = stop.shared();
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone());
    let server = tokio::spawn(server.into_future());
    let summary = bot.shutdown(stop).run(deliveries, echo).await;
    // Its open connections are not needed any more.
    server.abort();
    Ok(summary?)
}

/// Logs a notice, without what people wrote.
fn log(notice: Notice) {
    match notice {
        Notice::Failed { message, failure, .. } => eprintln!("message {}: {failure}", message.message_id),
        Notice::Abandoned { message, .. } => eprintln!("message {} is not answered", message.message_id),
        Notice::Webhook(other) => eprintln!("an event that cannot be read: {}", other.event_type),
        // A source of webhooks has no other notices yet.
        _ => eprintln!("another notice"),
    }
}

/// Always responds with 200: the service does not send an event again, and switches a webhook off after many errors.
async fn hook(State(app): State<App>, Verified(event): Verified<Event>) {
    if let Err(error) = app.inbox.push(event) {
        eprintln!("a message is not answered: {error}");
    }
}

async fn echo(context: Context) -> Result<(), kaiwa::Error> {
    if context.mentions_me() && !answers_me(&context) {
        // A user may type `[toall]`: as escaped text it does not notify anyone.
        context.reply(context.plain_text()).await?;
    }
    Ok(())
}

/// Whether it is a reply to the bot. Otherwise two echo bots would answer each other forever.
fn answers_me(context: &Context) -> bool {
    let document = parse(&context.message().body);
    document.nodes().any(|node| matches!(node.kind(), Kind::Reply(reply) if reply.account == context.me()))
}

/// Runs the bot against the sandbox, with colleagues who write messages.
async fn play() -> Result<(), AnyError> {
    println!("CHATWORK_API_TOKEN is not set, so the service is played by the sandbox, on this machine.\n");
    let sandbox = Sandbox::start().await?;
    let service = sandbox.chatwork();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    // There is a webhook of each kind, so a mention in room 100 arrives twice.
    let mentions = service.add_webhook(Webhook::account(1, &url));
    let room = service.add_webhook(Webhook::room(1, 100, &url));
    let verifier = Verifier::new(&mentions.token)?.add_token(&room.token)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let running = tokio::spawn(serve(sandbox.clients().chatwork, verifier, listener, stopped));

    let room = service.room(100);
    let before = room.messages().len();
    room.post_as(2, "[To:1] おはよう");
    room.post_as(3, "だれかお昼に行きませんか");
    let first = room.post_as(3, "[To:1] [code][toall][/code]");
    // A reply, as another bot would write it.
    room.post_as(2, &format!("[rp aid=1 to=100-{first}] わかりました"));
    // Four messages, three mentions, and the two answers, which are events for the bot as well.
    let delivered = async {
        while service.deliveries().len() < 9 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), delivered).await.map_err(|_| "the bot does not answer")?;
    // The receiver is gone only if the bot has failed, and then the bot's error is reported.
    let _ = stop.send(());
    let summary = running.await??;

    let conversation = &room.messages()[before..];
    for message in conversation {
        let name = ["Bot", "Alice", "Bob"][message.account.account_id.0 as usize - 1];
        println!("{name:>5}: {}", message.body.replace('\n', "\n       "));
    }
    println!("\n{summary:?}");
    let answers: Vec<&str> = conversation
        .iter()
        .filter(|message| message.account.account_id == AccountId(1))
        .filter_map(|message| message.body.split_once('\n').map(|(_, text)| text))
        .collect();
    if answers != ["おはよう", "［toall］"] {
        return Err(format!("unexpected answers: {answers:?}").into());
    }
    println!("Every mention was answered once. The reply was not.");
    Ok(())
}
