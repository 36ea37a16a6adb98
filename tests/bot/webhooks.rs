//! The whole loop: webhooks of the sandbox, an HTTP server, the bot, and its answers, which cause webhooks again.

use crate::world::World;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::post;
use kaiwa::chatwork::bot::{Bot, Context, Inbox, PushError};
use kaiwa::chatwork::webhook::{Event, Verified, Verifier};
use kaiwa::sandbox::chatwork::Webhook;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

#[derive(Clone)]
struct App {
    verifier: Verifier,
    inbox: Inbox,
    lost: Arc<Mutex<Vec<PushError>>>,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

async fn hook(State(app): State<App>, Verified(event): Verified<Event>) {
    if let Err(error) = app.inbox.push(event) {
        app.lost.lock().expect("no panic").push(error);
    }
}

/// A server for webhooks of the bot's mentions and of room 10.
async fn serve(world: &World, inbox: Inbox) -> Arc<Mutex<Vec<PushError>>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let mentions = world.sandbox.chatwork().add_webhook(Webhook::account(1, &url));
    let room = world.sandbox.chatwork().add_webhook(Webhook::room(1, 10, &url));
    let verifier = Verifier::with_clock(&mentions.token, Arc::new(world.clock.clone())).expect("a token");
    let verifier = verifier.add_token(&room.token).expect("a token");
    let lost = Arc::<Mutex<_>>::default();
    let app = App { verifier, inbox, lost: Arc::clone(&lost) };
    let router = Router::new().route("/hook", post(hook)).with_state(app);
    tokio::spawn(async move { axum::serve(listener, router).await });
    lost
}

/// Waits until this many webhooks were answered, and returns the answers.
async fn delivered(world: &World, count: usize) -> Vec<(&'static str, Option<u16>)> {
    loop {
        let deliveries = world.sandbox.chatwork().deliveries();
        if deliveries.len() >= count {
            return deliveries.iter().map(|delivery| (delivery.event_type, delivery.status)).collect();
        }
        tokio::task::yield_now().await;
    }
}

async fn echo(context: Context) -> Result<(), kaiwa::Error> {
    if context.mentions_me() {
        context.reply(context.plain_text()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_mention_is_answered_once_and_answers_are_not_answered() {
    let world = World::new().await;
    let mut bot = Bot::new(world.client.clone());
    let (inbox, deliveries) = bot.inbox(16);
    let lost = serve(&world, inbox.clone()).await;
    let running = tokio::spawn(bot.run(deliveries, echo));

    let room = |id| world.sandbox.chatwork().room(id);
    let first = room(10).post_as(2, "[To:1] Bot\nhello");
    room(10).post_as(2, "[toall] not for bots");
    let third = room(11).post_as(2, "[To:1] say [code][toall][/code][To:2]");
    // Created and mention of the first, created of the second, mention of the third, and the bot's own answer in room 10.
    let answered = delivered(&world, 6).await;
    assert!(answered.iter().all(|(_, status)| *status == Some(200)), "{answered:?}");
    let own = answered.iter().filter(|(event_type, _)| *event_type == "message_created").count();
    assert_eq!((answered.len(), own), (6, 3), "{answered:?}");

    inbox.close();
    let summary = running.await.expect("no panic").expect("it runs");
    assert_eq!((summary.handled, summary.own, summary.repeated, summary.failed), (3, 1, 2, 0));
    assert!(lost.lock().expect("no panic").is_empty());
    let answer = format!("[rp aid=2 to=10-{first}]\nBot\nhello");
    assert_eq!(world.bodies(10)[2..], [answer]);
    // A tag that a user typed as code is text in the answer, and notifies no one.
    let answer = format!("[rp aid=2 to=11-{third}]\nsay \n［toall］");
    assert_eq!(world.bodies(11)[1..], [answer]);
}

/// The service does not repeat a webhook that was answered with an error, and after many errors it sends none at all.
#[tokio::test]
async fn a_webhook_for_a_full_inbox_is_answered_with_200() {
    let world = World::new().await;
    let mut bot = Bot::new(world.client.clone());
    let (inbox, deliveries) = bot.inbox(1);
    let lost = serve(&world, inbox.clone()).await;
    let room = world.sandbox.chatwork().room(10);
    room.post_as(2, "one");
    room.post_as(2, "two");
    let webhooks = delivered(&world, 2).await;
    assert_eq!(webhooks, [("message_created", Some(200)), ("message_created", Some(200))]);
    inbox.close();
    room.post_as(2, "three");
    assert_eq!(delivered(&world, 3).await[2].1, Some(200));
    assert_eq!(*lost.lock().expect("no panic"), [PushError::Full, PushError::Closed]);
    assert_eq!(bot.run(deliveries, echo).await.expect("it runs").handled, 1);
}
