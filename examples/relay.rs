//! Relays messages between a Chatwork room and a TAS-CHA room, both ways, each once.
//!
//! ```text
//! cargo run --example relay --features sqlite-bundled
//! ```
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` | the token of an account that only the relay uses, and one of its rooms |
//! | `TASCHA_API_KEY`, `TASCHA_ROOM` | the same for TAS-CHA |
//! | `RELAY_STATE` | the folder with the relay's state, `relay` by default |
//! | `RELAY_POLL` | seconds between two looks into TAS-CHA; 180 by default: 14,400 of a month's 20,000 units |
//! | `RELAY_SETTLE` | how many seconds a request may be on its way, 90 by default: see the guide `killed` |
//!
//! It begins with messages that are posted from now on, and resumes where it was. Messages of the two accounts are not relayed,
//! or they would come back; neither are edits and deletions. It can be killed at any moment: a post is in the outbox, on the
//! disk, before the place in the room is stored, and a message that is read again has the same key. What may have arrived and
//! cannot be looked for is told, and again at each start. It expects that TAS-CHA lists old messages first.
//! Without tokens the sandbox plays both services, and the relay is killed while it posts: `relay/play.rs`.

#[path = "relay/play.rs"]
mod play;

use futures::{StreamExt, TryStreamExt};
use kaiwa::chatwork::notation::{MessageBuilder, parse};
use kaiwa::chatwork::watch::{Event, WatchCheckpoint};
use kaiwa::outbox::{Outbox, Phase, SqliteOutboxStore};
use kaiwa::tascha::{self, UserId};
use kaiwa::{Checkpoint, Endpoint, Request, chatwork};
use std::{collections::HashMap, env, fs, time::Duration};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Relay {
    chatwork: chatwork::RoomHandle,
    account: chatwork::AccountId,
    tascha: tascha::RoomHandle,
    user: UserId,
    outbox: Outbox,
}

#[tokio::main]
async fn main() -> Result<()> {
    if env::var_os("CHATWORK_API_TOKEN").is_none() && env::var_os("TASCHA_API_KEY").is_none() {
        return play::play().await;
    }
    let set = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let seconds = |name, default| set(name).map_or(Ok(default), |text| text.parse()).map(Duration::from_secs);
    let (chatwork, tascha) = (chatwork::Client::from_env()?, tascha::Client::from_env()?);
    let state = set("RELAY_STATE").unwrap_or_else(|_| "relay".into());
    fs::create_dir_all(&state)?;
    let store = SqliteOutboxStore::open(format!("{state}/outbox.sqlite")).await?;
    let outbox = Outbox::builder(store).chatwork(chatwork.clone()).tascha(tascha.clone());
    let outbox = outbox.settle(seconds("RELAY_SETTLE", 90)?).build();
    outbox.blank(Duration::from_secs(7 * 24 * 60 * 60)).await?;
    outbox.list(Some(Phase::Uncertain), 1_000).await?.iter().for_each(|known| eprintln!("{known:?}"));
    let (account, user) = (chatwork.me().await?.account_id, tascha.me().await?.id.clone());
    let (chatwork, tascha) =
        (chatwork.room(set("CHATWORK_ROOM")?.parse()?), tascha.room(set("TASCHA_ROOM")?));
    let relay = Relay { chatwork, account, tascha, user, outbox: outbox.clone() };
    println!("Relaying; Ctrl-C ends it.");
    tokio::select! {
        ended = relay.read(&state, seconds("RELAY_POLL", 180)?) => ended,
        () = outbox.run(async { drop(tokio::signal::ctrl_c().await) }) => Ok(()),
        () = outbox.outcomes().for_each(async |status| println!("{status:?}")) => Ok(()),
    }
}

impl Relay {
    async fn read(&self, state: &str, poll: Duration) -> Result<()> {
        let (path, new) = (format!("{state}/places.json"), format!("{state}/places.new"));
        let (mut chatwork, mut tascha): (WatchCheckpoint, Checkpoint) =
            if fs::exists(&path)? { serde_json::from_slice(&fs::read(&path)?)? } else { self.ends().await? };
        let members = self.tascha.members().limit(200).stream();
        let names: HashMap<_, _> = members.map_ok(|m| (m.user_id, m.display_name)).try_collect().await?;
        let watch = self.chatwork.watch().max_interval(Duration::from_secs(20));
        let mut events = watch.from_checkpoint(chatwork.clone()).stream();
        let mut ticks = tokio::time::interval(poll);
        loop {
            // The file is replaced as a whole, and what is before these places is in the outbox.
            let file = fs::File::create(&new)?;
            serde_json::to_writer(&file, &(&chatwork, &tascha))?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            tokio::select! {
                Some(event) = events.next() => self.on_chatwork(event).await?,
                _ = ticks.tick() => {
                    let mut new = self.tascha.messages().limit(200).stream_from(&tascha)?;
                    let told = |error: &_| eprintln!("TAS-CHA: {error}; still polling");
                    while let Some(Ok(message)) = new.next().await.map(|message| message.inspect_err(told)) {
                        self.on_tascha(message, &names).await?;
                    }
                    tascha = new.checkpoint();
                    ticks.reset();
                }
            }
            chatwork = events.checkpoint();
        }
    }

    /// The ends of both rooms: old messages are not relayed.
    async fn ends(&self) -> Result<(WatchCheckpoint, Checkpoint)> {
        let mut old = self.tascha.messages().limit(200).stream();
        let times: Vec<_> = old.by_ref().try_filter_map(async |m| Ok(m.created_at)).try_collect().await?;
        if times.first() > times.last() {
            return Err("TAS-CHA lists the newest message first, so nothing new would be seen".into());
        }
        Ok((self.chatwork.watch().stream().checkpoint(), old.checkpoint()))
    }

    async fn on_chatwork(&self, event: std::result::Result<Event, kaiwa::Error>) -> Result<()> {
        match event {
            Ok(Event::Message { message, .. }) if message.account.account_id != self.account => {
                let text =
                    format!("{} (Chatwork)\n{}", message.account.name, parse(&message.body).plain_text());
                let text: String = text.chars().take(10_000).collect(); // TAS-CHA takes no more.
                let key = format!("relay-{}-{}", self.chatwork.id(), message.message_id);
                return self.enqueue(&key, self.tascha.post(text).with_idempotency_key(&key)).await;
            }
            Ok(Event::Gap { .. }) => eprintln!("Chatwork: more than 100 messages came, and some are missing"),
            Ok(_) => {}
            Err(error) => eprintln!("Chatwork: {error}; still watching"),
        }
        Ok(())
    }

    async fn on_tascha(&self, new: tascha::Message, names: &HashMap<Option<UserId>, String>) -> Result<()> {
        if new.author_id.as_ref() == Some(&self.user) {
            return Ok(());
        }
        let name = names.get(&new.author_id).filter(|name| !name.is_empty()).map(String::as_str);
        let name = name.or(new.author_id.as_ref().map(UserId::as_str)).unwrap_or("?");
        let title = format!("{name} (TAS-CHA {})", new.id);
        let text = MessageBuilder::new().info(title, |info| info.text(&new.body));
        let key = format!("relay-{}-{}", self.tascha.id(), new.id);
        self.enqueue(&key, self.chatwork.post(text.to_string())).await
    }

    async fn enqueue<E: Endpoint>(&self, key: &str, post: Request<E>) -> Result<()> {
        // With another name of its author it would be another post under this key.
        if self.outbox.status(key).await?.is_none() {
            match self.outbox.enqueue(key, post).await {
                Err(error) if error.is_invalid_input() => eprintln!("{key} cannot be relayed: {error}"),
                stored => drop(stored?),
            }
        }
        Ok(())
    }
}
