//! A sandbox in which people write to a bot with commands.

use clap::Parser;
use futures_util::stream;
use kaiwa::VirtualClock;
use kaiwa::chatwork::bot::{Bot, Context};
use kaiwa::chatwork::webhook::Event;
use kaiwa::chatwork::{AccountId, Client, RoomId};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use serde_json::json;

/// リリースのボット
#[derive(Parser, Debug, PartialEq)]
#[command(version = "1.2")]
pub enum Cli {
    /// リリースする
    Deploy {
        /// 環境
        #[arg(value_parser = ["prod", "staging"])]
        target: String,
        /// メモ
        #[arg(long)]
        note: Option<String>,
    },
    /// 状態を見る
    Status,
}

/// The bot is account 1, Alice 2 and Bob 3. In the rooms 10 and 11 Alice is an administrator and Bob a member; the bot has a
/// direct chat with Alice.
pub struct World {
    pub sandbox: Sandbox,
    pub clock: VirtualClock,
    pub client: Client,
    pub chat: RoomId,
    next: std::cell::Cell<u64>,
}

impl World {
    pub async fn new() -> Self {
        let seed = Seed::new()
            .account(Account::new(1, "Bot").token("bot"))
            .account(Account::new(2, "Alice"))
            .account(Account::new(3, "Bob"))
            .contact(1, 2)
            .room(Room::group(10, "Releases").admin(2).member(1).member(3))
            .room(Room::group(11, "Tests").admin(2).member(1).member(3));
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
        let client = sandbox.chatwork_client("bot").build().expect("a client");
        let chat = sandbox.chatwork().contacts(1)[0].room_id;
        Self { sandbox, clock, client, chat, next: std::cell::Cell::new(1) }
    }

    pub fn bot(&self) -> Bot {
        Bot::new(self.client.clone())
    }

    /// An event of a message that this account wrote.
    pub fn wrote(&self, account: u64, room: RoomId, body: &str) -> Event {
        let id = self.next.get();
        self.next.set(id + 1);
        let message = json!({
            "message_id": id.to_string(), "room_id": room, "account_id": account, "body": body, "send_time": 1_767_193_200,
            "update_time": 0,
        });
        Event::MessageCreated(serde_json::from_value(message).expect("an event"))
    }

    /// An event of a message of Alice in which the service names this account.
    pub fn mentioned(&self, account: u64, room: RoomId, body: &str) -> Event {
        let id = self.next.get();
        self.next.set(id + 1);
        let mention = json!({
            "message_id": id.to_string(), "room_id": room, "from_account_id": 2, "to_account_id": account, "body": body,
            "send_time": 1_767_193_200, "update_time": 0,
        });
        Event::MentionToMe(serde_json::from_value(mention).expect("an event"))
    }

    /// What the bot said, each with the line that addresses the author taken off, and the commands that were run.
    pub async fn talk(
        &self,
        bot: Bot,
        events: impl IntoIterator<Item = Event>,
        handler: impl AsyncFn(Context) -> Result<(), kaiwa::Error>,
    ) -> Vec<String> {
        let before: Vec<usize> = self.posted().iter().map(Vec::len).collect();
        let events: Vec<Event> = events.into_iter().collect();
        let summary = self.clock.drive(bot.run(stream::iter(events), handler)).await.expect("it runs");
        assert_eq!(summary.failed, 0);
        let said = self
            .posted()
            .into_iter()
            .zip(before)
            .flat_map(|(bodies, before)| bodies.into_iter().skip(before));
        said.map(|body| without_address(&body).to_owned()).collect()
    }

    /// All that the bot said so far, as from [`talk`](Self::talk).
    pub fn said(&self) -> Vec<String> {
        self.posted().into_iter().flatten().map(|body| without_address(&body).to_owned()).collect()
    }

    /// What the bot posted, in each room.
    fn posted(&self) -> Vec<Vec<String>> {
        let by_bot = |room| {
            let messages = self.sandbox.chatwork().room(room).messages().into_iter();
            messages
                .filter(|message| message.account.account_id == AccountId(1))
                .map(|message| message.body)
                .collect()
        };
        [RoomId(10), RoomId(11), self.chat].map(by_bot).into()
    }

    /// What a bot that runs [`Cli`] says to one message.
    pub async fn says(&self, account: u64, room: RoomId, body: &str) -> Vec<String> {
        self.talk(self.bot(), [self.wrote(account, room, body)], run).await
    }
}

/// A long reply comes in several messages, of which only the first has an address.
fn without_address(body: &str) -> &str {
    let reply = body.split_once('\n').filter(|(line, _)| line.starts_with("[rp aid=") && line.ends_with(']'));
    reply.map_or(body, |(_, text)| text)
}

/// Says what was run.
pub async fn run(context: Context) -> Result<(), kaiwa::Error> {
    if let Some(command) = context.command::<Cli>().await? {
        context.reply(format!("{command:?}")).await?;
    }
    Ok(())
}
