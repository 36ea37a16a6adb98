//! The main job on all three services: who am I, what rooms are there, post a message, make a task and close it.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! A service whose credential is set is talked to for real; the others are played by the sandbox, in this process.
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN` | an API token; the message and the task go to your own "My Chat" |
//! | `TASCHA_API_KEY`, `TASCHA_ROOM` | an API key, and the room to post in; without a room it only reads |
//! | `LANCERS_COOKIE`, `LANCERS_BOARD` | a session, and the board to post on; without a board it only reads |

use futures::TryStreamExt;
use kaiwa::chatwork::{RoomType, TaskStatus};
use kaiwa::lancers::BoardId;
use kaiwa::sandbox::{self, Sandbox};
use kaiwa::{RateLimit, chatwork, lancers, tascha};
use std::env;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start().await?;
    let played = sandbox.clients();
    let set = |name: &str| env::var_os(name).is_some();
    if !["CHATWORK_API_TOKEN", "TASCHA_API_KEY", "LANCERS_COOKIE"].into_iter().any(set) {
        println!("No token is set, so all three services are played by the sandbox, on this machine.");
    }

    if set("CHATWORK_API_TOKEN") {
        title("Chatwork", "the service itself");
        talk_on_chatwork(&chatwork::Client::from_env()?).await?;
    } else {
        title("Chatwork", &sandbox.chatwork_url());
        talk_on_chatwork(&played.chatwork).await?;
    }

    if set("TASCHA_API_KEY") {
        title("TAS-CHA", "the service itself");
        talk_on_tascha(&tascha::Client::from_env()?, env::var("TASCHA_ROOM").ok()).await?;
    } else {
        title("TAS-CHA", &sandbox.tascha_url());
        talk_on_tascha(&played.tascha, Some(sandbox::tascha::Seed::ROOM.to_owned())).await?;
    }

    if set("LANCERS_COOKIE") {
        title("Lancers", "the service itself (experimental)");
        let board = env::var("LANCERS_BOARD").ok().map(|id| id.parse()).transpose()?;
        talk_on_lancers(&lancers::Client::from_env()?, board).await?;
    } else {
        title("Lancers", &sandbox.lancers_url());
        let board = played.lancers.boards().limit(1).await?.first().map(|board| board.id);
        talk_on_lancers(&played.lancers, board).await?;
    }
    Ok(())
}

async fn talk_on_chatwork(client: &chatwork::Client) -> Result<(), Box<dyn Error>> {
    let me = client.me().await?;
    say("me", format!("{} (account {})", me.name, me.account_id));

    let rooms = client.rooms().await?;
    say("rooms", rooms.len());
    for room in rooms.iter().take(5) {
        let kind = match &room.type_ {
            RoomType::My => "my chat",
            RoomType::Direct => "direct",
            RoomType::Group => "group",
            other => other.as_str(),
        };
        say("", format!("{} ({kind}, {} unread)", room.name, room.unread_num));
    }

    let mine = client.room(me.room_id);
    let sent = mine.post("kaiwa からこんにちは").self_unread(true).await?;
    say("posted", format!("message {} to My Chat", sent.message_id));

    let made = mine.create_tasks("kaiwa を試す", [me.account_id]).await?;
    for id in &made.task_ids {
        let task = mine.task(*id);
        task.set_status(TaskStatus::Done).await?;
        say("task", format!("{id} made, and closed: it is now {}", task.get().await?.status));
    }
    say("limits", limits(client.rate_limit()));
    Ok(())
}

async fn talk_on_tascha(client: &tascha::Client, room: Option<String>) -> Result<(), Box<dyn Error>> {
    let me = client.me().await?;
    say("me", format!("{} <{}>", me.name, me.email));

    // Every item of every page, while the next page is being fetched.
    let mut count = 0;
    let mut rooms = client.rooms().limit(100).stream();
    while let Some(room) = rooms.try_next().await? {
        count += 1;
        if count <= 5 {
            say(if count == 1 { "rooms" } else { "" }, format!("{} ({})", room.name, room.id));
        }
    }
    say("", format!("{count} in all"));

    let Some(room) = room else {
        say("posted", "nothing: set TASCHA_ROOM to a room's id");
        return Ok(());
    };
    let room = client.room(room);
    let sent = room.post("kaiwa からこんにちは").await?;
    let key = sent.idempotency_key().unwrap_or_default();
    say("posted", format!("message {}, under the key {key}", sent.id));

    let task = room.create_task("kaiwa を試す").await?;
    let mut close = room.task(&task.id).update().status(tascha::TaskStatus::Completed);
    if let Some(version) = task.version {
        close = close.version(version);
    }
    let closed = close.await?;
    let status = closed.status.as_ref().map_or("closed", |status| status.as_str());
    say("task", format!("{} made, and closed: it is now {status}", task.id));
    say("limits", limits(client.rate_limit()));
    Ok(())
}

async fn talk_on_lancers(client: &lancers::Client, board: Option<BoardId>) -> Result<(), Box<dyn Error>> {
    // A stream too, although the service has no cursors: it continues by time, and its default `limit` is 1.
    let mut boards = client.boards().limit(20).stream();
    let some = boards.next_batch(100).await?;
    say("boards", format!("{}{}", some.items.len(), if some.more { ", and more" } else { "" }));
    for board in some.items.iter().take(5) {
        say("", format!("{} ({} unread)", board.title, board.unread_count));
    }

    let Some(board) = board.map(|id| client.board(id)) else {
        say("posted", "nothing: set LANCERS_BOARD to a board's id");
        return Ok(());
    };
    let users: Vec<String> = board.users().await?.into_iter().map(|user| user.name).collect();
    say("users", users.join(", "));
    let sent = board.post("kaiwa からこんにちは").await?;
    say("posted", format!("message {} on board {}", sent.id, sent.board_id));
    let read = board.mark_read().message_id(sent.id).await?;
    say("read", format!("up to it; {} unread", read.unread_count));
    say("tasks", "the service has none");
    say("limits", limits(client.rate_limit()));
    Ok(())
}

fn title(service: &str, place: &str) {
    println!("\n── {service} ── {place}");
}

fn say(label: &str, text: impl std::fmt::Display) {
    println!("   {label:<8}{text}");
}

fn limits(limit: Option<RateLimit>) -> String {
    let Some(limit) = limit else { return "the service says nothing of limits".to_owned() };
    let mut parts = Vec::new();
    if let (Some(remaining), Some(all)) = (limit.remaining, limit.limit) {
        parts.push(format!("{remaining} of {all} calls left"));
    }
    if let Some(after) = limit.reset_after {
        parts.push(format!("a new window in {} s", after.as_secs()));
    }
    if let Some(units) = limit.units {
        let (left, all) = (units.remaining.unwrap_or_default(), units.limit.unwrap_or_default());
        parts.push(format!("{left} of {all} API units left this month"));
    }
    parts.join(", ")
}
