//! The relay between two services of the sandbox, as a process of its own, which is killed while it posts into both rooms.

use super::Result;
use kaiwa::chatwork::{AccountId, notation};
use kaiwa::sandbox::{Fault, Provider, Recorded, Sandbox, Script, chatwork, tascha};
use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The colleagues' messages: the first are there when the relay is killed, and the last show that it continues.
const ON_CHATWORK: [&str; 3] = ["おはようございます", "資料を送りました", "お疲れさまでした"];
const ON_TASCHA: [&str; 3] = ["会議は3時からです", "部屋が変わりました [toall]", "ありがとうございます"];

const ROOM: u64 = chatwork::Seed::ROOM;
const OTHER: &str = tascha::Seed::SECOND_ROOM;

pub async fn play() -> Result<()> {
    println!("There are no tokens, so both services are played by the sandbox, on this machine.");
    let builder = Sandbox::builder().chatwork(chatwork::Seed::default().unlimited());
    let sandbox = builder.tascha(tascha::Seed::default().unlimited()).start().await?;
    // TAS-CHA loses the response to the first message, and later says that the second is still in progress.
    let to_tascha = Script::on("create_message").then(Fault::reset().after()).pass(1);
    let to_tascha = to_tascha.then(Fault::silence().after()).then(Fault::status(409));
    sandbox.faults().script(Provider::Tascha, to_tascha);
    let to_chatwork = Script::on("post_message").pass(1).then(Fault::silence().after());
    sandbox.faults().script(Provider::Chatwork, to_chatwork);
    let before = sizes(&sandbox);
    let folder = tempfile::tempdir()?;
    let on_chatwork = |text| sandbox.chatwork().room(ROOM).post_as(chatwork::Seed::COLLEAGUE, text);
    let on_tascha = |text| sandbox.tascha().room(OTHER).post(tascha::Seed::COLLEAGUE, text);

    let mut relay = Relay::start(&sandbox, folder.path())?;
    relay.until(|| posts(&sandbox, Provider::Chatwork, "list_messages") > 0).await?;
    ON_CHATWORK[..2].iter().for_each(|text| drop(on_chatwork(text)));
    ON_TASCHA[..2].iter().for_each(|text| drop(on_tascha(text)));
    // The first, the first again under its key, and the second; the two into Chatwork.
    let posted = || [(Provider::Tascha, "create_message"), (Provider::Chatwork, "post_message")];
    let posted = || posted().map(|(service, operation)| posts(&sandbox, service, operation));
    relay.until(|| posted() == [3, 2]).await?;
    drop(relay);
    println!("Killed while it was posting into both rooms.");
    println!("Its claims end after 30 s; after 40 s more, Chatwork's room is looked through.");

    // Any duplicate post would come before these: a room's posts are in order.
    let mut relay = Relay::start(&sandbox, folder.path())?;
    on_chatwork(ON_CHATWORK[2]);
    on_tascha(ON_TASCHA[2]);
    let are_there =
        || relayed(&sandbox, ON_CHATWORK[2], true).len() + relayed(&sandbox, ON_TASCHA[2], false).len() == 2;
    relay.until(are_there).await?;
    drop(relay);
    check(&sandbox, before)?;
    let [keyed, unkeyed] = posted();
    println!("\nPosts to TAS-CHA: {keyed}, of them {} again under the same key.", keyed - ON_CHATWORK.len());
    println!("Posts to Chatwork: {unkeyed}, of them {} again.", unkeyed - ON_TASCHA.len());
    println!("Every message is on the other side exactly once.");
    Ok(())
}

/// The relay as a process, which is killed when this is dropped.
struct Relay(Child);

impl Relay {
    fn start(sandbox: &Sandbox, folder: &Path) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env("CHATWORK_BASE_URL", sandbox.chatwork_url()).env("TASCHA_BASE_URL", sandbox.tascha_url());
        command.env("CHATWORK_API_TOKEN", chatwork::Seed::TOKEN).env("TASCHA_API_KEY", tascha::Seed::TOKEN);
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command.env("CHATWORK_ROOM", ROOM.to_string()).env("TASCHA_ROOM", OTHER);
        command.env("RELAY_STATE", folder.join("state")).env("RELAY_POLL", "1").env("RELAY_SETTLE", "40");
        Ok(Self(command.stdin(Stdio::null()).spawn()?))
    }

    async fn until(&mut self, done: impl Fn() -> bool) -> Result<()> {
        let began = Instant::now();
        while !done() {
            if let Some(status) = self.0.try_wait()? {
                return Err(format!("the relay ended by itself: {status}").into());
            }
            if began.elapsed() > Duration::from_secs(200) {
                return Err("the relay does not come to an end".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// The posts of the relay's account with this text.
fn relayed(sandbox: &Sandbox, text: &str, into_tascha: bool) -> Vec<String> {
    let text = notation::escape(text);
    let own: Vec<String> = if into_tascha {
        let messages = sandbox.tascha().room(OTHER).messages().into_iter();
        let own = |author: &Option<kaiwa::tascha::UserId>| *author == Some(tascha::Seed::USER.into());
        messages.filter(|message| own(&message.author_id)).map(|message| message.body).collect()
    } else {
        let messages = sandbox.chatwork().room(ROOM).messages().into_iter();
        let own = AccountId(chatwork::Seed::ACCOUNT);
        messages.filter(|message| message.account.account_id == own).map(|message| message.body).collect()
    };
    own.into_iter().filter(|body| body.contains(&*text)).collect()
}

/// How often an operation took effect or was replayed.
fn posts(sandbox: &Sandbox, service: Provider, operation: &str) -> usize {
    let of = |request: &Recorded| {
        let answered = request.applied || request.replayed;
        request.provider == service && request.operation == Some(operation) && answered
    };
    sandbox.requests().iter().filter(|request| of(request)).count()
}

/// How many messages the rooms hold.
fn sizes(sandbox: &Sandbox) -> [usize; 2] {
    let tascha = sandbox.tascha().room(OTHER).messages().len();
    [sandbox.chatwork().room(ROOM).messages().len(), tascha]
}

/// Prints how often each message is on the other side.
fn check(sandbox: &Sandbox, before: [usize; 2]) -> Result<()> {
    let messages = ON_CHATWORK.map(|text| (text, true)).into_iter();
    let mut wrong = 0;
    println!();
    for (text, into_tascha) in messages.chain(ON_TASCHA.map(|text| (text, false))) {
        let times = relayed(sandbox, text, into_tascha).len();
        wrong += usize::from(times != 1);
        println!("{times} × into {}: {text}", if into_tascha { "TAS-CHA " } else { "Chatwork" });
    }
    let is_named = |text| relayed(sandbox, text, false).iter().all(|body| body.contains("Bob (TAS-CHA "));
    if !ON_TASCHA.into_iter().all(is_named) {
        return Err("the messages do not say who wrote them".into());
    }
    // Three were written in each room, three were relayed into it, and nothing came back.
    let added = [0, 1].map(|room| sizes(sandbox)[room] - before[room]);
    if wrong > 0 || added != [6, 6] {
        return Err(format!("{wrong} messages are not there once; {added:?} were added to the rooms").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaiwa::outbox::{MemoryOutboxStore, Outbox};

    #[tokio::test]
    async fn a_list_with_the_newest_first_is_an_error() {
        let sandbox = Sandbox::start().await.expect("a port");
        let clients = sandbox.clients();
        let message =
            |id, day| format!(r#"{{"id":"{id}","body":"a","createdAt":"2026-01-{day}T00:00:00Z"}}"#);
        let list = format!(r#"{{"data":[{},{}],"nextCursor":null}}"#, message("b", "02"), message("a", "01"));
        let list = Fault::status(200).body("application/json", list);
        sandbox.faults().script(Provider::Tascha, Script::on("list_messages").then(list));
        let relay = super::super::Relay {
            chatwork: clients.chatwork.room(ROOM.into()),
            account: AccountId(chatwork::Seed::ACCOUNT),
            tascha: clients.tascha.room(OTHER),
            user: tascha::Seed::USER.into(),
            outbox: Outbox::builder(MemoryOutboxStore::new()).build(),
        };
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().to_str().expect("a plain name");
        let ended = relay.read(state, Duration::from_secs(1)).await;
        let error = ended.expect_err("nothing new would be seen");
        assert!(error.to_string().contains("newest"), "{error}");
        assert!(!folder.path().join("places.json").exists());
    }
}
