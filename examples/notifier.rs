//! Posts a notice to a Chatwork room once, however often it is killed and run again.
//!
//! ```text
//! cargo run --example notifier -- deploy-42 "デプロイ 42 が終わりました"
//! ```
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` | the token of the account that posts, and the room |
//! | `NOTIFIER_STATE` | the folder with a file for each notice, the current one by default |
//!
//! The first argument names the notice, and the file that remembers it. Give a scheduler or a shell loop the same command
//! until it succeeds. If it cannot be known whether a notice is there, the program says so and does not post: a person has to
//! look, and to delete the file.
//!
//! Without a token the sandbox plays the service. Two runs are killed: one before its request has any effect, and one after
//! it, when only the result was not stored yet.

use kaiwa::chatwork::{self, AccountId, MessageId, Reconcile, RoomHandle, RoomId, Sought};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script, chatwork::Seed};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, error::Error};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is stored of a notice.
#[derive(Serialize, Deserialize)]
struct Notice {
    sought: Sought,
    message_id: Option<MessageId>,
}

/// How long the request of a killed run may still be on its way, if it is not the default, and between two looks.
type Waits = Option<(Duration, Duration)>;

#[tokio::main]
async fn main() -> Result<()> {
    if env::var_os("CHATWORK_API_TOKEN").is_none() {
        return play().await;
    }
    let [name, text] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: notifier <name of the notice> <text>".into());
    };
    let client = chatwork::Client::from_env()?;
    let me = client.me().await?.account_id;
    let room = env::var("CHATWORK_ROOM").map_err(|_| "CHATWORK_ROOM is not set")?.parse()?;
    let folder = PathBuf::from(env::var_os("NOTIFIER_STATE").unwrap_or_else(|| ".".into()));
    let path = folder.join(format!("{name}.json"));
    println!("{}", notify(&client.room(room), me, text, &path, None).await?);
    Ok(())
}

/// One run for a notice. It can end at any moment; the next one goes on.
async fn notify(room: &RoomHandle, me: AccountId, text: &str, path: &Path, waits: Waits) -> Result<String> {
    let mut notice: Notice = match fs::read(path) {
        Ok(stored) => serde_json::from_slice(&stored)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let sought = room.before_post(text, me).await?.into_inner();
            let notice = Notice { sought, message_id: None };
            store(path, &notice)?;
            notice
        }
        Err(error) => return Err(error.into()),
    };
    if notice.sought.text != text {
        return Err(format!("{} is of a notice with another text", path.display()).into());
    }
    if let Some(id) = &notice.message_id {
        return Ok(format!("An earlier run posted it: {id}"));
    }
    let mut post = room.post_once(&notice.sought);
    if let Some((settle, delay)) = waits {
        post = post.with_settle(settle).with_reconcile(Reconcile::new().delay(delay));
    }
    let sent = post.await?;
    notice.message_id = Some(sent.message_id.clone());
    store(path, &notice)?;
    Ok(format!("{:?}, in {} post(s) of this run: {}", sent.arrival, sent.attempts(), sent.message_id))
}

/// The file is replaced as a whole, and is on the disk when this returns.
fn store(path: &Path, notice: &Notice) -> Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    io::Write::write_all(&mut file, &serde_json::to_vec(notice)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The name is on the disk once its folder is.
    #[cfg(unix)]
    File::open(path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")))?
        .sync_all()?;
    Ok(())
}

async fn play() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let (room, me) = (RoomId(100), AccountId(Seed::ACCOUNT));
    let folder = tempfile::tempdir()?;
    let waits = Some((Duration::from_millis(200), Duration::from_millis(20)));
    let kills = [
        ("Killed before the request had an effect.", Fault::silence(), "ビルド 1 が通りました"),
        ("Killed before the result was stored.", Fault::silence().after(), "ビルド 2 が通りました"),
    ];
    for (number, (killed, fault, text)) in kills.into_iter().enumerate() {
        let path = folder.path().join(format!("build-{number}.json"));
        sandbox.faults().script(Provider::Chatwork, Script::on("post_message").then(fault));
        let mut requests = sandbox.subscribe_requests();
        let first = sandbox.clients().chatwork.room(room);
        // The run is dropped as soon as the service has its request.
        tokio::select! {
            ended = notify(&first, me, text, &path, waits) => drop(ended?),
            () = async { while requests.recv().await.is_ok_and(|seen| seen.operation != Some("post_message")) {} } => {}
        }
        println!("{killed}");
        for _ in 0..2 {
            let again = sandbox.clients().chatwork.room(room);
            println!("  run again: {}", notify(&again, me, text, &path, waits).await?);
        }
        let there = sandbox.chatwork().room(room).messages();
        let count = there.iter().filter(|message| message.body == text).count();
        println!("  in the room {count} time(s)");
        assert_eq!(count, 1, "it is there once");
    }
    println!("Each notice is there once.");
    Ok(())
}
