//! A bot that says what it is told: webhooks in, by axum, and answers out, each once.
//!
//! ```text
//! cargo run --example echo_bot
//! ```
//!
//! The server verifies a webhook, puts it into the bot's inbox and answers at once; the bot answers those messages
//! that name it and are no replies to it. It passes over its own messages and repeats, keeps the order within a room,
//! and with Ctrl-C finishes what it accepted.
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN` | the token of the bot's account |
//! | `CHATWORK_WEBHOOK_TOKEN` | the tokens of its webhooks, separated by spaces |
//! | `ADDRESS` | where to listen, 127.0.0.1:3000 by default; a proxy in front of it has to bring the `https` |
//!
//! Without a token the sandbox plays the service in this process: two colleagues say something, the bot answers over
//! the same way, the conversation is shown, and the program ends.

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
    // Before the server listens: what it accepts while the bot cannot start would be lost.
    let me = client.me().await?.account_id;
    let mut bot = Bot::new(client).me(me).grace(Duration::from_secs(30)).on_notice(tell);
    let (inbox, deliveries) = bot.inbox(256);
    let router = Router::new().route("/", post(hook)).with_state(App { verifier, inbox });
    let stop = stop.shared();
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone());
    let server = tokio::spawn(server.into_future());
    let summary = bot.shutdown(stop).run(deliveries, echo).await;
    // What it still has open is of no use to anybody.
    server.abort();
    Ok(summary?)
}

/// Into a log, where what people write does not belong.
fn tell(notice: Notice) {
    match notice {
        Notice::Failed { message, failure, .. } => eprintln!("message {}: {failure}", message.message_id),
        Notice::Abandoned { message, .. } => eprintln!("message {} is not answered", message.message_id),
        Notice::Webhook(other) => eprintln!("an event that does not read: {}", other.event_type),
        // With webhooks for a source there is nothing else yet.
        _ => eprintln!("another notice"),
    }
}

/// Answers 200 in any case: the service does not send a webhook again, and switches it off after many errors.
async fn hook(State(app): State<App>, Verified(event): Verified<Event>) {
    if let Err(error) = app.inbox.push(event) {
        eprintln!("a message is not answered: {error}");
    }
}

async fn echo(context: Context) -> Result<(), kaiwa::Error> {
    if context.mentions_me() && !answers_me(&context) {
        // What the user typed may be `[toall]`: as text it notifies nobody.
        context.reply(context.plain_text()).await?;
    }
    Ok(())
}

/// Whether it is a reply to the bot. Two echo bots would otherwise answer each other for ever.
fn answers_me(context: &Context) -> bool {
    let document = parse(&context.message().body);
    document.nodes().any(|node| matches!(node.kind(), Kind::Reply(reply) if reply.account == context.me()))
}

/// The same against the sandbox, with colleagues who say something.
async fn play() -> Result<(), AnyError> {
    println!("CHATWORK_API_TOKEN is not set, so the service is played by the sandbox, on this machine.\n");
    let sandbox = Sandbox::start().await?;
    let service = sandbox.chatwork();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    // With a webhook of each kind, a mention in room 100 comes twice.
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
    let said = room.post_as(3, "[To:1] [code][toall][/code]");
    // As another bot would answer.
    room.post_as(2, &format!("[rp aid=1 to=100-{said}] わかりました"));
    // Four messages, three mentions, and the two answers, which the bot is told of as well.
    let delivered = async {
        while service.deliveries().len() < 9 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), delivered).await.map_err(|_| "the bot does not answer")?;
    // The receiver is gone only if the bot has failed, and then it says so itself.
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
        return Err(format!("these are not the answers that were expected: {answers:?}").into());
    }
    println!("Every mention was answered once. The reply was not.");
    Ok(())
}
