//! Relays messages between a Chatwork room and a TAS-CHA room, both ways, each once.
//!
//! ```text
//! cargo run --example relay
//! ```
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` | the token of an account that only the relay uses, and one of its rooms |
//! | `TASCHA_API_KEY`, `TASCHA_ROOM` | the same for TAS-CHA |
//! | `RELAY_STATE` | the file with the relay's state, `relay.json` by default |
//!
//! It begins with messages that are posted from now on, and resumes where it was. Messages of the two accounts are not relayed,
//! or they would come back; neither are edits and deletions. It can be killed at any moment: before a message is sent, the
//! state file names it, and the next run finishes it first.
//! It expects that TAS-CHA lists messages in the order in which they were posted, which is not documented. If the messages in
//! the room at the first start are in the opposite order, it ends with an error.
//!
//! * **Into TAS-CHA** each message is posted exactly once: its idempotency key is made from the Chatwork message's id,
//!   and the service remembers it for 24 hours. If a post may have arrived and cannot be repeated within that time,
//!   because the service or the relay is down, the relay reports it and does not post again.
//! * **Into Chatwork**, which has no idempotency keys, a post without a response is looked up in the room, by the TAS-CHA
//!   message's id in its title. The message is there twice if the service executes a post after that lookup. If more than 100
//!   messages came meanwhile, it may be missing; then the relay reports it and does not post again.
//!
//! Without tokens the sandbox plays both services in this process. Responses are lost, and the relay is killed twice. At the
//! end the program prints how often each message is on the other side, and fails if any is not there exactly once.

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kaiwa::chatwork::notation::{self, parse};
use kaiwa::chatwork::watch::{self, Event};
use kaiwa::chatwork::{self, AccountId, Reconcile};
use kaiwa::sandbox::{Fault, Provider, Recorded, Sandbox, Script, chatwork as played, tascha::Seed};
use kaiwa::tascha::{self, UserId};
use kaiwa::{Checkpoint, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The longest message that TAS-CHA takes, in characters.
const LONGEST: usize = 10_000;

/// How far the clocks of the service and of this machine may be apart.
const CLOCKS: Duration = Duration::from_secs(600);

/// How long TAS-CHA remembers an idempotency key.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    if env::var_os("CHATWORK_API_TOKEN").is_none() && env::var_os("TASCHA_API_KEY").is_none() {
        return play().await;
    }
    let set = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let ends = Ends {
        chatwork: chatwork::Client::from_env()?.room(set("CHATWORK_ROOM")?.parse::<u64>()?.into()),
        account: chatwork::Client::from_env()?.me().await?.account_id,
        tascha: tascha::Client::from_env()?.room(set("TASCHA_ROOM")?),
        user: tascha::Client::from_env()?.me().await?.id.clone(),
        // A unit each: 14,400 of the 20,000 of a month.
        poll: Duration::from_secs(180),
        watch: Duration::from_secs(2),
        look: Duration::from_secs(2),
    };
    let path = PathBuf::from(env::var_os("RELAY_STATE").unwrap_or_else(|| "relay.json".into()));
    println!("Relaying; Ctrl-C ends it.");
    tokio::select! {
        ended = relay(ends, &path) => ended,
        // The state file is valid at every moment.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// The two rooms, the relay's account in each, and how often it polls.
#[derive(Clone)]
struct Ends {
    chatwork: chatwork::RoomHandle,
    account: AccountId,
    tascha: tascha::RoomHandle,
    user: UserId,
    poll: Duration,
    watch: Duration,
    look: Duration,
}

/// The state of the relay.
#[derive(Serialize, Deserialize)]
struct State {
    chatwork: watch::WatchCheckpoint,
    tascha: Checkpoint,
    /// The message that is being sent. The checkpoints are after it.
    outgoing: Option<Outgoing>,
}

/// A message in flight, in its final form, so that a retry sends the same.
#[derive(Clone, Serialize, Deserialize)]
enum Outgoing {
    ToTascha { key: String, body: String, since: Timestamp },
    ToChatwork { mark: String, body: String, since: Timestamp },
}

struct Relay<'a> {
    ends: Ends,
    /// The names of the members of the TAS-CHA room.
    names: HashMap<UserId, String>,
    path: &'a Path,
    state: State,
}

async fn relay(ends: Ends, path: &Path) -> Result<(), AnyError> {
    let state = match fs::read(path) {
        Ok(saved) => serde_json::from_slice(&saved)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Existing messages are not relayed.
            let mut old = ends.tascha.messages().limit(200).stream();
            let mut times: Option<(Timestamp, Timestamp)> = None;
            while let Some(message) = old.try_next().await? {
                if let Some(posted) = message.created_at {
                    times = Some((times.map_or(posted, |(first, _)| first), posted));
                }
            }
            if times.is_some_and(|(first, last)| first > last) {
                return Err("TAS-CHA lists the newest message first, so nothing new would be seen".into());
            }
            let chatwork = ends.chatwork.watch().stream().checkpoint();
            State { chatwork, tascha: old.checkpoint(), outgoing: None }
        }
        Err(error) => return Err(error.into()),
    };
    let mut names = HashMap::new();
    let mut members = ends.tascha.members().limit(200).stream();
    while let Some(member) = members.try_next().await? {
        names.extend(member.user_id.map(|id| (id, member.display_name)));
    }
    let mut relay = Relay { ends, names, path, state };
    relay.save()?;
    relay.deliver(true).await?;

    let watch =
        relay.ends.chatwork.watch().min_interval(relay.ends.watch).max_interval(relay.ends.watch * 10);
    let mut events = watch.from_checkpoint(relay.state.chatwork.clone()).stream();
    let mut ticks = interval(relay.ends.poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(event) = events.next() => {
                relay.state.chatwork = events.checkpoint();
                relay.on_chatwork(event).await?;
            }
            _ = ticks.tick() => relay.look_at_tascha().await?,
        }
    }
}

impl Relay<'_> {
    async fn on_chatwork(&mut self, event: Result<Event, kaiwa::Error>) -> Result<(), AnyError> {
        match event {
            Ok(Event::Message { message, .. }) if message.account.account_id != self.ends.account => {
                let text =
                    format!("{} (Chatwork)\n{}", message.account.name, parse(&message.body).plain_text());
                let body = text.chars().take(LONGEST).collect();
                let key = format!("relay-{}-{}", self.ends.chatwork.id(), message.message_id);
                self.send(Outgoing::ToTascha { key, body, since: Timestamp::now() }).await
            }
            Ok(Event::Gap { after, before, .. }) => {
                eprintln!("Chatwork: messages between {after:?} and {before} may be missing");
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                eprintln!("Chatwork: {error}; still watching");
                Ok(())
            }
        }
    }

    async fn look_at_tascha(&mut self) -> Result<(), AnyError> {
        let mut new = self.ends.tascha.messages().limit(200).stream_from(&self.state.tascha)?;
        loop {
            match new.try_next().await {
                Ok(Some(message)) => {
                    self.state.tascha = new.checkpoint();
                    if message.author_id.as_ref() == Some(&self.ends.user) {
                        continue;
                    }
                    let author = self.name(message.author_id.as_ref());
                    let mark = format!("(TAS-CHA {})", message.id);
                    let body = notation::MessageBuilder::new()
                        .info(format!("{author} {mark}"), |info| info.text(&message.body))
                        .to_string();
                    self.send(Outgoing::ToChatwork { mark, body, since: Timestamp::now() }).await?;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    eprintln!("TAS-CHA: {error}; still polling");
                    return Ok(());
                }
            }
        }
    }

    /// The name of a member, or the id of a member who joined later.
    fn name(&self, author: Option<&UserId>) -> String {
        let Some(id) = author else { return "?".to_owned() };
        self.names.get(id).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| id.to_string())
    }

    /// Saves the message to the state file, and sends it.
    async fn send(&mut self, outgoing: Outgoing) -> Result<(), AnyError> {
        self.state.outgoing = Some(outgoing);
        self.save()?;
        self.deliver(false).await
    }

    /// Sends the saved message. `in_doubt`: it may have been sent before.
    async fn deliver(&mut self, mut in_doubt: bool) -> Result<(), AnyError> {
        while let Some(outgoing) = self.state.outgoing.clone() {
            let sent = match outgoing {
                Outgoing::ToTascha { key, since, .. } if in_doubt && is_forgotten(since) => {
                    eprintln!("it is unknown whether {key} arrived; it is not posted again");
                    Ok(())
                }
                Outgoing::ToTascha { key, body, .. } => {
                    self.ends.tascha.post(body).with_idempotency_key(key).await.map(drop)
                }
                Outgoing::ToChatwork { mark, body, since } => {
                    self.to_chatwork(&mark, body, since, in_doubt).await
                }
            };
            match sent {
                Ok(()) => {}
                Err(error) if error.outcome() == Outcome::Applied => {}
                Err(error) if is_final(&error) => {
                    eprintln!("not relayed, because the service refuses it: {error}")
                }
                // A token can be replaced, and a service recovers; meanwhile no other message is sent first.
                Err(error) => {
                    in_doubt |= error.outcome() == Outcome::Unknown;
                    eprintln!("not relayed yet: {error}");
                    sleep(error.retry_after().unwrap_or(self.ends.poll)).await;
                    continue;
                }
            }
            self.state.outgoing = None;
            self.save()?;
        }
        Ok(())
    }

    async fn to_chatwork(
        &self,
        mark: &str,
        body: String,
        since: Timestamp,
        in_doubt: bool,
    ) -> Result<(), kaiwa::Error> {
        if in_doubt {
            let newest = self.ends.chatwork.messages().force(true).await?;
            if newest
                .iter()
                .any(|message| message.account.account_id == self.ends.account && message.body.contains(mark))
            {
                return Ok(());
            }
            if newest.len() >= 100 && newest.iter().all(|message| message.send_time > since - CLOCKS) {
                eprintln!("it is unknown whether the message {mark} arrived; it is not posted again");
                return Ok(());
            }
        }
        let reconcile = Reconcile::new().account(self.ends.account).delay(self.ends.look);
        self.ends.chatwork.post(body).with_reconcile(reconcile).await.map(drop)
    }

    /// Written under another name first, so that there is always a complete file.
    fn save(&self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&self.state)?)?;
        file.sync_all()?;
        fs::rename(&new, self.path)
    }
}

/// Whether the same message would be refused again.
fn is_final(error: &kaiwa::Error) -> bool {
    // A refusal of this attempt does not mean that an earlier one did not arrive.
    let refused = matches!(error.outcome(), Outcome::Rejected | Outcome::NotSent);
    let status = error.status().map(|status| status.as_u16());
    refused && (error.is_invalid_input() || matches!(status, Some(400 | 409 | 413 | 422)))
}

/// Whether TAS-CHA may have forgotten the key of a post.
fn is_forgotten(since: Timestamp) -> bool {
    Timestamp::now() > since + REMEMBERED - CLOCKS
}

/// The colleagues' messages: two with faults, and one that shows that the relay continues.
const ON_CHATWORK: [&str; 3] = ["おはようございます", "資料を送りました", "お疲れさまでした"];
const ON_TASCHA: [&str; 3] = ["会議は3時からです", "部屋が変わりました [toall]", "ありがとうございます"];

/// Runs the relay between two services of the sandbox, with lost responses and kills.
async fn play() -> Result<(), AnyError> {
    println!("There are no tokens, so both services are played by the sandbox, on this machine.\n");
    let builder = Sandbox::builder().chatwork(played::Seed::default().unlimited());
    let sandbox = builder.tascha(Seed::default().unlimited()).start().await?;
    let clients = sandbox.clients();
    let ends = Ends {
        chatwork: clients.chatwork.room(100.into()),
        account: clients.chatwork.me().await?.account_id,
        tascha: clients.tascha.room(Seed::SECOND_ROOM),
        user: clients.tascha.me().await?.id.clone(),
        poll: Duration::from_millis(50),
        watch: Duration::from_millis(50),
        look: Duration::from_millis(200),
    };
    // In each direction, the responses to the first two messages are lost. After the second, the relay is killed before it can
    // react.
    let lost = |operation: &str| Script::on(operation).then(Fault::reset().after());
    let faults = sandbox.faults();
    let to_tascha = lost("create_message").pass(1).then(Fault::silence().after());
    // TAS-CHA says that the second is still in progress. The third is lost before it is posted.
    let to_tascha = to_tascha.then(Fault::status(409)).pass(1).then(Fault::reset()).then(Fault::status(409));
    faults.script(Provider::Tascha, to_tascha);
    faults.script(Provider::Chatwork, lost("post_message").then(Fault::silence().after()));

    let before = sizes(&sandbox);
    let path = env::temp_dir().join(format!("kaiwa-relay-{}.json", std::process::id()));
    let played = timeout(Duration::from_secs(60), converse(&sandbox, &ends, &path)).await;
    // The rooms of this state are about to be deleted.
    let _ = fs::remove_file(&path);
    played.map_err(|_| "the relay does not come to an end")??;
    check(&sandbox, before)
}

async fn converse(sandbox: &Sandbox, ends: &Ends, path: &Path) -> Result<(), AnyError> {
    let on_chatwork = |text| sandbox.chatwork().room(100).post_as(2, text);
    let on_tascha = |text| sandbox.tascha().room(Seed::SECOND_ROOM).post(Seed::COLLEAGUE, text);
    let posted = |service, operation| posts(sandbox, service, operation);
    let start = || {
        let (ends, path) = (ends.clone(), path.to_owned());
        tokio::spawn(async move { relay(ends, &path).await })
    };

    let running = start();
    until(|| posted(Provider::Chatwork, "list_messages") > 0).await;
    ON_CHATWORK[..2].iter().for_each(|text| drop(on_chatwork(text)));
    // The first, the first again under the same key, and the second.
    until(|| posted(Provider::Tascha, "create_message") == 3).await;
    kill(running).await;
    println!("Killed while it was posting to TAS-CHA.");

    let running = start();
    until(|| posted(Provider::Tascha, "create_message") == 4).await;
    ON_TASCHA[..2].iter().for_each(|text| drop(on_tascha(text)));
    until(|| posted(Provider::Chatwork, "post_message") == 2).await;
    kill(running).await;
    println!("Killed while it was posting to Chatwork.");

    // Any duplicate post would come before these.
    let running = start();
    on_chatwork(ON_CHATWORK[2]);
    on_tascha(ON_TASCHA[2]);
    until(|| {
        !relayed(sandbox, ON_CHATWORK[2], true).is_empty()
            && !relayed(sandbox, ON_TASCHA[2], false).is_empty()
    })
    .await;
    kill(running).await;
    Ok(())
}

async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        sleep(Duration::from_millis(10)).await;
    }
}

async fn kill(running: tokio::task::JoinHandle<Result<(), AnyError>>) {
    running.abort();
    if let Ok(Err(error)) = running.await {
        eprintln!("the relay had already ended: {error}");
    }
}

/// The posts of the relay's account with this text.
fn relayed(sandbox: &Sandbox, text: &str, into_tascha: bool) -> Vec<String> {
    let text = notation::escape(text);
    let own: Vec<String> = if into_tascha {
        let messages = sandbox.tascha().room(Seed::SECOND_ROOM).messages().into_iter();
        messages
            .filter(|message| message.author_id == Some(Seed::USER.into()))
            .map(|message| message.body)
            .collect()
    } else {
        let messages = sandbox.chatwork().room(100).messages().into_iter();
        messages
            .filter(|message| message.account.account_id == AccountId(1))
            .map(|message| message.body)
            .collect()
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
    let tascha = sandbox.tascha().room(Seed::SECOND_ROOM).messages().len();
    [sandbox.chatwork().room(100).messages().len(), tascha]
}

/// Prints how often each message is on the other side.
fn check(sandbox: &Sandbox, before: [usize; 2]) -> Result<(), AnyError> {
    let messages =
        ON_CHATWORK.map(|text| (text, true)).into_iter().chain(ON_TASCHA.map(|text| (text, false)));
    let mut wrong = 0;
    println!();
    for (text, into_tascha) in messages {
        let times = relayed(sandbox, text, into_tascha).len();
        wrong += usize::from(times != 1);
        println!("{times} × into {}: {text}", if into_tascha { "TAS-CHA " } else { "Chatwork" });
    }
    let named = ON_TASCHA
        .iter()
        .all(|text| relayed(sandbox, text, false).iter().all(|body| body.contains("Bob (TAS-CHA ")));
    if !named {
        return Err("the messages do not say who wrote them".into());
    }
    // Three were written in each room, three were relayed into it, and nothing came back.
    let added = [0, 1].map(|room| sizes(sandbox)[room] - before[room]);
    if wrong > 0 || added != [6, 6] {
        return Err(format!("{wrong} messages are not there once; {added:?} were added to the rooms").into());
    }
    let [keyed, unkeyed] = [(Provider::Tascha, "create_message"), (Provider::Chatwork, "post_message")]
        .map(|(service, operation)| posts(sandbox, service, operation));
    let again = [keyed - ON_CHATWORK.len(), unkeyed - ON_TASCHA.len()];
    println!("\nPosts to TAS-CHA: {keyed}, of them {} again under the same key.", again[0]);
    println!("Posts to Chatwork: {unkeyed}, of them {} again.", again[1]);
    println!("Every message is on the other side exactly once.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_with_the_newest_first_is_an_error() {
        let sandbox = Sandbox::start().await.expect("a port");
        let clients = sandbox.clients();
        let second = Duration::from_secs(1);
        let ends = Ends {
            chatwork: clients.chatwork.room(100.into()),
            account: AccountId(1),
            tascha: clients.tascha.room(Seed::SECOND_ROOM),
            user: UserId::from(Seed::USER),
            poll: second,
            watch: second,
            look: second,
        };
        let message =
            |id, day| format!(r#"{{"id":"{id}","body":"a","createdAt":"2026-01-{day}T00:00:00Z"}}"#);
        let list = format!(r#"{{"data":[{},{}],"nextCursor":null}}"#, message("b", "02"), message("a", "01"));
        let list = Fault::status(200).body("application/json", list);
        sandbox.faults().script(Provider::Tascha, Script::on("list_messages").then(list));
        let path = env::temp_dir().join(format!("kaiwa-relay-order-{}.json", std::process::id()));
        let ended =
            timeout(Duration::from_secs(30), relay(ends, &path)).await.expect("it ends without a kill");
        let error = ended.expect_err("nothing new would be seen");
        assert!(error.to_string().contains("newest"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_key_counts_as_expired_before_it_is_forgotten() {
        let ago = |hours: u64| Timestamp::now() - Duration::from_secs(hours * 3600);
        assert!(!is_forgotten(ago(23)) && is_forgotten(ago(24)));
    }
}
