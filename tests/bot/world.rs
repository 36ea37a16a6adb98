//! A sandbox, messages without a service, and handlers that end when the test says so.

use kaiwa::VirtualClock;
use kaiwa::chatwork::bot::{Bot, Context, Notice};
use kaiwa::chatwork::webhook::Event;
use kaiwa::chatwork::{AccountId, Client, RoomId};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

pub const ME: AccountId = AccountId(1);

pub struct World {
    pub clock: VirtualClock,
    pub sandbox: Sandbox,
    pub client: Client,
}

impl World {
    /// The bot is account 1, Alice 2; both are in the rooms 10 and 11.
    pub async fn new() -> Self {
        let seed = Seed::new()
            .account(Account::new(1, "Bot").token("bot"))
            .account(Account::new(2, "Alice").token("alice"))
            .room(Room::group(10, "Builds").admin(1).member(2))
            .room(Room::group(11, "Tests").admin(1).member(2));
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
        let client = sandbox.chatwork_client("bot").build().expect("a client");
        Self { clock, sandbox, client }
    }

    pub fn bodies(&self, room: u64) -> Vec<String> {
        self.sandbox.chatwork().room(room).messages().into_iter().map(|message| message.body).collect()
    }

    pub fn calls(&self, operation: &str) -> usize {
        self.sandbox.requests().iter().filter(|request| request.operation == Some(operation)).count()
    }
}

/// A bot that makes no call unless its handler does, on a clock that stands still.
pub fn bot() -> (Bot, VirtualClock) {
    let clock = VirtualClock::new();
    (bot_on(&clock), clock)
}

/// A bot as from [`bot`], on a clock that it shares with others. It need not ask what its rooms are.
pub fn bot_on(clock: &VirtualClock) -> Bot {
    (1..100).fold(lonely_bot(clock), |bot, room| bot.direct_chat(RoomId(room)))
}

/// A bot without a service.
pub fn lonely_bot(clock: &VirtualClock) -> Bot {
    let client = Client::builder().api_token("x").base_url("http://127.0.0.1:1").clock(clock.clone());
    let client = client.timeout(None).attempt_timeout(None).build().expect("a client");
    Bot::new(client).me(ME)
}

fn fields(room: u64, id: u64, account: u64, body: &str, edited: i64) -> serde_json::Value {
    json!({
        "message_id": id.to_string(), "room_id": room, "body": body, "send_time": 1_767_193_200, "update_time": edited,
        "account_id": account, "from_account_id": account, "to_account_id": ME.0,
    })
}

/// Alice posts.
pub fn created(room: u64, id: u64) -> Event {
    by(2, room, id)
}

pub fn by(account: u64, room: u64, id: u64) -> Event {
    Event::MessageCreated(serde_json::from_value(fields(room, id, account, "text", 0)).expect("an event"))
}

pub fn mention(room: u64, id: u64) -> Event {
    Event::MentionToMe(serde_json::from_value(fields(room, id, 2, "text", 0)).expect("an event"))
}

pub fn edited(room: u64, id: u64, body: &str, at: i64) -> Event {
    Event::MessageUpdated(serde_json::from_value(fields(room, id, 2, body, at)).expect("an event"))
}

/// A handler that has begun.
pub struct Begun {
    pub id: u64,
    end: oneshot::Sender<()>,
}

impl Begun {
    pub fn end(self) {
        self.end.send(()).expect("the handler waits");
    }
}

/// Handlers that report that they have begun, and continue when the test allows it.
pub struct Desk {
    sender: mpsc::UnboundedSender<Begun>,
    receiver: tokio::sync::Mutex<mpsc::UnboundedReceiver<Begun>>,
}

impl Desk {
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver: receiver.into() }
    }

    pub async fn handle(&self, context: Context) -> Result<(), kaiwa::Error> {
        let (end, ended) = oneshot::channel();
        self.sender.send(Begun { id: id(&context), end }).expect("the desk is there");
        // If the test has dropped the handle, the handler ends.
        ended.await.unwrap_or_default();
        Ok(())
    }

    pub async fn begun(&self) -> Begun {
        self.receiver.lock().await.recv().await.expect("handlers begin")
    }

    pub fn nothing_begun(&self) -> bool {
        self.receiver.try_lock().expect("no test waits for the lock").try_recv().is_err()
    }
}

pub fn id(context: &Context) -> u64 {
    context.message().message_id.as_str().parse().expect("a number")
}

/// Its text for a log is one line that names the message and does not quote it.
fn assert_is_a_line(notice: &Notice) {
    let line = notice.to_string();
    assert!(!line.is_empty() && !line.contains('\n'), "{line}");
    let (Notice::Failed { message, .. } | Notice::Abandoned { message, .. }) = notice else { return };
    let place = format!("message {} of room {}", message.message_id, message.room_id);
    assert!(line.starts_with(&place), "{line}");
    let failure =
        if let Notice::Failed { failure, .. } = notice { failure.to_string() } else { String::new() };
    assert!(
        message.body.len() < 4 || failure.contains(&message.body) || !line.contains(&message.body),
        "{line}"
    );
}

/// A bot's notices, abbreviated.
pub fn notices(bot: Bot) -> (Bot, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let bot = bot.on_notice(move |notice| {
        assert_is_a_line(&notice);
        let short = match notice {
            Notice::Failed { message, failure, .. } => format!("{}: {failure}", message.message_id),
            Notice::Source(error) => format!("source: {:?}", error.status().map(|status| status.as_u16())),
            Notice::Abandoned { message, begun, .. } => format!("abandoned: {} {begun}", message.message_id),
            Notice::Webhook(other) => format!("webhook: {}", other.event_type),
            other => format!("{other:?}"),
        };
        sink.lock().expect("no panic").push(short);
    });
    (bot, seen)
}
