//! A bot with commands: releases for some, the state for all, help for everybody.
//!
//! ```text
//! cargo run --manifest-path tests/commands/Cargo.toml
//! ```
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN` | the token of the bot's account |
//!
//! Without a token the sandbox plays the service in this process: two colleagues talk with the bot, the conversation is shown,
//! and the program ends.

use futures_util::StreamExt;
use kaiwa::chatwork::bot::commands::Guard;
use kaiwa::chatwork::bot::{Bot, Context};
use kaiwa::chatwork::{AccountId, Client, Role};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use std::time::Duration;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// リリースのボット
#[derive(clap::Parser)]
#[command(version = "1.0")]
enum Cli {
    /// リリースする（管理者だけ）
    Deploy {
        /// 環境
        #[arg(value_parser = ["prod", "staging"])]
        target: String,
        /// リリースノート
        #[arg(long)]
        note: Option<String>,
    },
    /// 状態を見る
    Status,
}

/// The bot's rules, and what it does.
struct Releases {
    often: Guard,
    admins: Guard,
}

impl Releases {
    fn new() -> Self {
        let often = Guard::new().limit(10, Duration::from_secs(60));
        Self { often, admins: Guard::new().roles([Role::Admin]) }
    }

    async fn handle(&self, context: Context) -> Result<(), kaiwa::Error> {
        match context.command::<Cli>().guard(&self.often).await? {
            Some(Cli::Deploy { .. }) if !self.admins.admits(&context).await? => {}
            Some(Cli::Deploy { target, note }) => {
                let note = note.map(|note| format!("：{note}")).unwrap_or_default();
                context.reply(format!("{target} へリリースします{note}")).await?;
            }
            Some(Cli::Status) => drop(context.reply("異常ありません").await?),
            None => {}
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    if std::env::var_os("CHATWORK_API_TOKEN").is_none() {
        return play().await;
    }
    let chatwork = Client::from_env()?;
    let messages = chatwork.watch_all().stream();
    let bot = Bot::new(chatwork).shutdown(async { drop(tokio::signal::ctrl_c().await) });
    let releases = Releases::new();
    println!("{:?}", bot.run(messages, async |context: Context| releases.handle(context).await).await?);
    Ok(())
}

/// Runs the bot against the sandbox, with colleagues who write messages.
async fn play() -> Result<(), AnyError> {
    println!("CHATWORK_API_TOKEN is not set, so the service is played by the sandbox, on this machine.\n");
    let seed = Seed::new()
        .account(Account::new(1, "Bot").token("bot"))
        .account(Account::new(2, "Alice"))
        .account(Account::new(3, "Bob"))
        .room(Room::group(100, "リリース").admin(2).member(1).member(3));
    let sandbox = Sandbox::builder().chatwork(seed).start().await?;
    let client = sandbox.chatwork_client("bot").build()?;
    let room = sandbox.chatwork().room(100);
    let lines = [
        (2, "[To:1]Bot\nhelp"),
        (2, "！deploy　prod　—note　“二つの　修正”"),
        (3, "/deploi staging"),
        (3, "[To:1]Bot\ndeploi staging"),
        (3, "/status"),
    ];
    for (author, line) in lines {
        room.post_as(author, line);
    }
    let messages = client.room(kaiwa::chatwork::RoomId(100)).watch().from_window().stream();
    let bot = Bot::new(client).me(AccountId(1)).name(AccountId(1), "Bot");
    let releases = Releases::new();
    let handler = async |context: Context| releases.handle(context).await;
    bot.run(messages.take(lines.len()), handler).await?;
    for message in room.messages() {
        let name = ["Bot", "Alice", "Bob"][message.account.account_id.0 as usize - 1];
        println!("{name:>5}: {}", message.body.replace('\n', "\n       "));
    }
    Ok(())
}
