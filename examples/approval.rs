//! An approval: a person drafts an announcement, and it is posted once another person says はい.
//!
//! ```text
//! cargo run --example approval
//! ```
//!
//! | a person writes | the bot |
//! |---|---|
//! | `[To:bot] 起案 明日は休業です` | shows the draft, and waits for a day |
//! | `[To:bot] はい`, another person | posts it into the announcements' room, and a line into the audit's room that says who |
//! | `[To:bot] いいえ`, any person | drops the draft, and says so in the audit's room |
//!
//! The end of the draft, the announcement, the audit line and the answer are stored at once. However often the bot is killed, and
//! even if two people say はい at the same moment, all of them are there once.
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN` | the token of the bot's account |
//! | `APPROVAL_ROOM`, `APPROVAL_TO`, `APPROVAL_AUDIT` | the rooms of the drafts, of the announcements and of the audit lines |
//! | `APPROVAL_STORE` | the file with what the bot knows, `approval.sqlite` by default; needs `--features sqlite-bundled` |
//!
//! Without a token the sandbox plays the service.

use kaiwa::bot::{DurableBot, DurableContext};
use kaiwa::chatwork::bot::Bot;
use kaiwa::chatwork::notation::MessageBuilder;
use kaiwa::chatwork::{self, RoomId};
use kaiwa::outbox::{MemoryOutboxStore, OutboxStore};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use serde::{Deserialize, Serialize};
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where announcements are drafted, posted and written down.
#[derive(Clone, Copy)]
pub struct Rooms {
    pub drafts: RoomId,
    pub announcements: RoomId,
    pub audit: RoomId,
}

/// What the room of the drafts is about.
#[derive(Serialize, Deserialize)]
enum Draft {
    Waiting {
        author: u64,
        text: String,
    },
    /// By whom it was decided: the second はい gets an answer, and nothing else.
    Decided {
        by: String,
    },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os("CHATWORK_API_TOKEN").is_none() {
        return play().await;
    }
    let room = |name: &str| -> Result<RoomId, Box<dyn Error>> {
        Ok(env::var(name).map_err(|_| format!("{name} is not set"))?.parse()?)
    };
    let rooms = Rooms {
        drafts: room("APPROVAL_ROOM")?,
        announcements: room("APPROVAL_TO")?,
        audit: room("APPROVAL_AUDIT")?,
    };
    let chatwork = chatwork::Client::from_env()?;
    let watch = chatwork.room(rooms.drafts).watch();
    let bot = bot(chatwork, store().await?).shutdown(async { drop(tokio::signal::ctrl_c().await) });
    bot.run(watch, async |context| approve(context, rooms).await).await?;
    Ok(())
}

#[cfg(feature = "sqlite")]
async fn store() -> Result<impl OutboxStore, Box<dyn Error>> {
    let path = env::var("APPROVAL_STORE").unwrap_or_else(|_| "approval.sqlite".to_owned());
    Ok(kaiwa::outbox::SqliteOutboxStore::open(path).await?)
}

#[cfg(not(feature = "sqlite"))]
async fn store() -> Result<MemoryOutboxStore, Box<dyn Error>> {
    Err("a bot that survives needs a file: add --features sqlite-bundled".into())
}

pub fn bot(chatwork: chatwork::Client, store: impl OutboxStore) -> DurableBot {
    Bot::new(chatwork).durable(store).apology("処理できませんでした。担当者が確認します。")
}

/// One message in the room of the drafts.
pub async fn approve(context: DurableContext, rooms: Rooms) -> Result<(), kaiwa::Error> {
    let Some(message) = context.chatwork().map(|chatwork| chatwork.message().clone()) else { return Ok(()) };
    if message.room_id != rooms.drafts {
        return Ok(());
    }
    if !context.is_addressed() {
        return Ok(());
    }
    let state = context.room_state::<Draft>().keep(DAY);
    let (text, draft) = (context.text(), state.get().await?);
    let (me, by) =
        (message.account_id, message.name.clone().unwrap_or_else(|| message.account_id.to_string()));
    if let Some(proposed) = text.strip_prefix("起案") {
        let proposed = proposed.trim();
        if matches!(draft, Some(Draft::Waiting { .. })) {
            return context.reply("先の下書きがまだ決まっていません。").map(drop);
        }
        if proposed.is_empty() {
            return context.reply("起案する文を続けて書いてください。").map(drop);
        }
        let shown = MessageBuilder::new().info("下書き", |info| info.text(proposed));
        context.reply(shown.text("ほかの人が「はい」と返信すると投稿します。「いいえ」で取り下げます。"))?;
        return state.set(&Draft::Waiting { author: me.0, text: proposed.to_owned() });
    }
    match (&*text, draft) {
        ("はい", Some(Draft::Waiting { author, .. })) if author == me.0 => {
            context.reply("起案した人は承認できません。")?;
        }
        ("はい", Some(Draft::Waiting { author, text })) => {
            context.queue(client(&context).room(rooms.announcements).post(text))?;
            write_down(&context, rooms, &format!("承認: {by} ({me}) 起案: {author}"))?;
            context.reply("投稿します。")?;
            state.set(&Draft::Decided { by })?;
        }
        ("いいえ", Some(Draft::Waiting { author, .. })) => {
            write_down(&context, rooms, &format!("取り下げ: {by} ({me}) 起案: {author}"))?;
            context.reply("取り下げました。")?;
            state.set(&Draft::Decided { by })?;
        }
        ("はい" | "いいえ", Some(Draft::Decided { by })) => {
            context.reply(format!("{by} さんが先に決めました。"))?;
        }
        _ => {}
    }
    Ok(())
}

/// A line in the room of the audit, which says when and who.
fn write_down(context: &DurableContext, rooms: Rooms, line: &str) -> Result<(), kaiwa::Error> {
    let time =
        context.chatwork().map(|chatwork| chatwork.message().send_time.to_string()).unwrap_or_default();
    let post = client(context).room(rooms.audit).post(MessageBuilder::new().text(format!("{time} {line}")));
    context.queue(post).map(drop)
}

fn client(context: &DurableContext) -> chatwork::Client {
    context.chatwork().expect("the bot is one of Chatwork").client().clone()
}

/// A draft, and two people who approve it at the same moment. Each step is a run of its own, as after a restart.
async fn play() -> Result<(), Box<dyn Error>> {
    let [alice, bob, carol] = [2, 3, 4];
    let rooms = Rooms { drafts: RoomId(10), announcements: RoomId(11), audit: RoomId(12) };
    let account = |id, name: &str| Account::new(id, name).token(name);
    let seed = Seed::new().account(account(1, "Bot")).account(account(alice, "Alice"));
    let seed = seed.account(account(bob, "Bob")).account(account(carol, "Carol")).unlimited();
    let room = |id, name| Room::group(id, name).admin(1).member(alice).member(bob).member(carol);
    let seed = seed.room(room(10, "起案")).room(room(11, "お知らせ")).room(room(12, "監査"));
    let sandbox = Arc::new(Sandbox::builder().chatwork(seed).start().await?);
    let store = MemoryOutboxStore::new();
    let steps = [
        (vec![(alice, "[To:1]Botさん\n起案 明日は休業です"), (alice, "[To:1]Botさん\nはい")], 4),
        (vec![(bob, "[To:1]Botさん\nはい"), (carol, "[To:1]Botさん\nはい")], 8),
    ];
    for (says, messages) in steps {
        let (chatwork, town) = (sandbox.chatwork_client("Bot").build()?, Arc::clone(&sandbox));
        let watch = chatwork.room(rooms.drafts).watch().min_interval(Duration::from_millis(100));
        let seen = move |room: RoomId| town.chatwork().room(room).messages().len();
        let town = Arc::clone(&sandbox);
        let bot = bot(chatwork, store.clone()).shutdown(async move {
            // The bot has read the room.
            tokio::time::sleep(Duration::from_secs(2)).await;
            for (account, text) in says {
                town.chatwork().room(rooms.drafts).post_as(account, text);
            }
            while seen(rooms.drafts) < messages {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        bot.run(watch, async |context| approve(context, rooms).await).await?;
    }
    for (name, room) in [("起案", rooms.drafts), ("お知らせ", rooms.announcements), ("監査", rooms.audit)]
    {
        println!("── {name} ──");
        for message in sandbox.chatwork().room(room).messages() {
            println!("{}: {}", message.account.name, message.body);
        }
    }
    Ok(())
}
