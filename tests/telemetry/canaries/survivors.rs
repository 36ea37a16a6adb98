//! Durable bots: what people wrote and what the bot knows of them is secret, as well as the credential.

use super::{Walk, echoes};
use crate::server::{Server, clients};
use kaiwa::bot::{DurableContext, Incoming, Notice, Reply, Source};
use kaiwa::chatwork::{self, AccountId, RoomId};
use kaiwa::outbox::{Commit, MemoryOutboxStore, Note};
use kaiwa::tascha::bot::Poll;
use kaiwa::{RetryPolicy, VirtualClock, tascha};
use serde_json::json;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub async fn bots(walk: &mut Walk) {
    let (token, text) = (walk.plant("durable-token"), walk.plant("durable-text"));
    let clock = VirtualClock::new();
    let server = Server::play(echoes(&token)).await;
    let client = clients::chatwork(&server, &clock).api_token(&*token).retry(RetryPolicy::none());
    let client = client.build().expect("a client");
    let store = MemoryOutboxStore::with_clock(Arc::new(clock.clone()));
    walk.debug(&Source::from(client.room(RoomId(1)).watch()));
    let notices = Arc::<Mutex<Vec<Notice>>>::default();
    let sink = Arc::clone(&notices);
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let bot =
        chatwork::bot::Bot::new(client).me(AccountId(1)).durable(store.clone()).attempts(2).apology(&*text);
    let bot = bot.on_notice(move |notice| {
        let mut notices = sink.lock().expect("not poisoned");
        notices.push(notice);
        if notices.len() == 2 {
            stopped.notify_one();
        }
    });
    let bot = bot.shutdown(async move { stop.notified().await });
    walk.debug(&bot);
    let inbox = bot.inbox();
    walk.debug(&inbox);
    let event = || {
        let fields = json!({ "message_id": "1", "room_id": 1, "account_id": 2, "body": text, "send_time": 1,
            "update_time": 0 });
        chatwork::webhook::Event::MessageCreated(serde_json::from_value(fields).expect("an event"))
    };
    walk.debug(&Incoming::from(event()));
    walk.debug(&Reply::from(&*text));
    inbox.push(event()).await.expect("it is stored");
    let shown = RefCell::new(walk);
    let handler = async |context: DurableContext| -> Result<(), kaiwa::Error> {
        let reply = context.reply(context.text())?;
        let state = context.state::<String>();
        state.set(&text)?;
        // It does not read as a number, and the error must not say what it is.
        let error = context.state::<u32>().get().await.expect_err("it is a text");
        let walk = &mut *shown.borrow_mut();
        walk.debug(&context);
        walk.debug(&reply);
        walk.debug(&state);
        Err(error)
    };
    let summary = clock.drive(bot.run(Source::webhooks(), handler)).await.expect("it has run");
    let walk = shown.into_inner();
    walk.debug(&summary);
    for notice in notices.lock().expect("not poisoned").iter() {
        walk.debug(notice);
        if let Notice::SetAside(set_aside) = notice {
            walk.debug(set_aside);
        }
    }
    walk.debug(&(
        Note::new("key", text.clone()),
        Commit::new(vec![Note::new("key", text.clone())], Vec::new()),
    ));

    let tascha =
        tascha::Client::builder().api_key(&*token).base_url("http://127.0.0.1:1").clock(clock.clone());
    let bot = tascha::bot::Bot::new(tascha.build().expect("a client")).me("u1", &*text);
    walk.debug(&bot);
    walk.debug(&Poll::new(["room"]).every(Duration::from_secs(600)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let bot = bot.durable(store).shutdown(async { drop(stopped.await) });
    let message = json!({ "id": "m1", "roomId": "room", "authorId": "u2", "body": text });
    let message: tascha::Message = serde_json::from_value(message).expect("a message");
    bot.inbox().push(message).await.expect("it is stored");
    let shown = RefCell::new((walk, Some(stop)));
    let handler = async |context: DurableContext| -> Result<(), kaiwa::Error> {
        let (walk, stop) = &mut *shown.borrow_mut();
        walk.debug(context.tascha().expect("it is of TAS-CHA"));
        drop(stop.take());
        Ok(())
    };
    let summary = clock.drive(bot.run(Source::webhooks(), handler)).await.expect("it has run");
    assert_eq!(summary.handled, 1);
}
