//! The clients that an outbox sends with, and how it looks for what they have sent.

use super::rendered::{Rendered, Stored, service_name};
use super::status::Progress;
use crate::Unsure;
use crate::client::{Client, Service};
use crate::clock::later_on_the_wall;
use crate::error::Error;
use crate::input::InvalidInput;
use crate::limits::date;
#[cfg(any(feature = "chatwork", feature = "lancers"))]
use crate::reconcile::Found;
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::Transport;
use crate::transport::retry::RetryPolicy;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A message may be this much older than it seems while the difference of the clocks is not known, and afterwards.
const UNKNOWN_CLOCK: SignedDuration = SignedDuration::from_secs(10 * 60);
const SERVERS_DIFFER: SignedDuration = SignedDuration::from_secs(5);

/// How long a request may wait for its permit and its token.
const WAITS: Duration = Duration::from_secs(10);

/// What a look shows.
pub(super) enum Looked {
    Found(String),
    Missing,
    /// It cannot be said.
    Unsure(Unsure),
    /// A person has to say.
    #[cfg_attr(not(feature = "lancers"), allow(dead_code))]
    Doubt(String),
    /// The service has no list of what was asked for.
    Never,
    /// The look failed.
    Failed(Error),
}

/// The user of Lancers' credential.
#[cfg(feature = "lancers")]
#[derive(Clone)]
struct User {
    name: String,
    /// Whether the answer to a post has said so.
    is_confirmed: bool,
    /// The other users of the board that was asked.
    others: Vec<String>,
}

#[derive(Default)]
pub(super) struct Clients {
    #[cfg(feature = "chatwork")]
    pub(super) chatwork: Option<crate::chatwork::Client>,
    #[cfg(feature = "tascha")]
    pub(super) tascha: Option<crate::tascha::Client>,
    /// With the name of its user.
    #[cfg(feature = "lancers")]
    pub(super) lancers: Option<(crate::lancers::Client, String)>,
    #[cfg(feature = "lancers")]
    user: Mutex<Option<User>>,
    /// The account of Chatwork's credential, once it was asked for.
    #[cfg(feature = "chatwork")]
    account: std::sync::OnceLock<crate::chatwork::AccountId>,
    /// The time of a service, and when that was, by a clock that is not set.
    times: Mutex<HashMap<String, (Timestamp, Instant)>>,
}

impl Clients {
    pub(super) fn has(&self, service: &str) -> bool {
        self.transport(service).is_some()
    }

    /// Where the requests of a service go.
    pub(super) fn base(&self, service: &str) -> Option<&str> {
        Some(&*self.transport(service)?.settings().base_text)
    }

    pub(super) async fn send(&self, rendered: &Rendered) -> Result<Value, Error> {
        match rendered.service.as_str() {
            #[cfg(feature = "chatwork")]
            "chatwork" => self.send_by(self.chatwork.as_deref(), rendered).await,
            #[cfg(feature = "tascha")]
            "tascha" => self.send_by(self.tascha.as_deref(), rendered).await,
            #[cfg(feature = "lancers")]
            "lancers" => self.send_by(self.lancers.as_ref().map(|(client, _)| &**client), rendered).await,
            _ => Err(Error::config(missing(rendered))),
        }
    }

    async fn send_by<S: Stored>(
        &self,
        client: Option<&Client<S>>,
        rendered: &Rendered,
    ) -> Result<Value, Error> {
        let client = client.ok_or_else(|| Error::config(missing(rendered)))?;
        let answer = bounded(rendered.request(client)).await?;
        self.note_time(&rendered.service, answer.headers(), client);
        let answer = answer.into_inner();
        #[cfg(feature = "lancers")]
        if rendered.service == "lancers" {
            self.note_user(&answer);
        }
        Ok(kept(answer))
    }

    /// Refuses a request that the outbox would send elsewhere than its own client does, or as somebody else.
    ///
    /// # Errors
    /// The base URL or the credential is another one.
    pub(super) fn check_same<E: Endpoint>(&self, request: &Request<E>) -> Result<(), Error> {
        let Some(own) = self.transport(&service_name::<E::Service>()) else { return Ok(()) };
        let (own, theirs) = (own.settings(), request.client.transport().settings());
        let problem = if own.base_text != theirs.base_text {
            "has another base URL than the outbox's client, which would send it"
        } else if own
            .credential
            .as_ref()
            .zip(theirs.credential.as_ref())
            .is_some_and(|(own, theirs)| own.differs(theirs))
        {
            "has another credential than the outbox's client, which would send it"
        } else {
            return Ok(());
        };
        Err(request.refused(InvalidInput::new("client", problem)))
    }

    fn transport(&self, service: &str) -> Option<&Transport> {
        match service {
            #[cfg(feature = "chatwork")]
            "chatwork" => self.chatwork.as_ref().map(|client| client.transport()),
            #[cfg(feature = "tascha")]
            "tascha" => self.tascha.as_ref().map(|client| client.transport()),
            #[cfg(feature = "lancers")]
            "lancers" => self.lancers.as_ref().map(|(client, _)| client.transport()),
            _ => None,
        }
    }

    /// Whether a message can be looked for.
    pub(super) fn can_look(&self, rendered: &Rendered) -> bool {
        let listed = ["chatwork", "lancers"].contains(&rendered.service.as_str());
        listed && rendered.operation == "post_message" && self.has(&rendered.service)
    }

    /// The longest time for an attempt of the clients.
    pub(super) fn attempt_timeout(&self) -> Duration {
        let transports =
            ["chatwork", "tascha", "lancers"].into_iter().filter_map(|name| self.transport(name));
        transports.filter_map(|transport| transport.settings().attempt_timeout).max().unwrap_or_default()
    }

    /// Who sends a message for which one can look, as a look has to know. With the answer comes the time of the service.
    ///
    /// # Errors
    /// A look would never find the message. The text says why.
    pub(super) async fn sender(&self, rendered: &Rendered) -> Result<Option<String>, String> {
        if !self.can_look(rendered) {
            return Ok(None);
        }
        match rendered.service.as_str() {
            #[cfg(feature = "chatwork")]
            "chatwork" => {
                let client = self.chatwork.as_ref().ok_or_else(|| missing(rendered))?;
                Ok(self.account(client).await.ok().map(|account| account.to_string()))
            }
            #[cfg(feature = "lancers")]
            "lancers" => Ok(Some(self.user(rendered).await?.name)),
            _ => Ok(None),
        }
    }

    /// Lancers' user, who has to be one of the board's.
    #[cfg(feature = "lancers")]
    async fn user(&self, rendered: &Rendered) -> Result<User, String> {
        let known = self.user.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some((client, name)), Some(board)) = (&self.lancers, rendered.number_after("/boards/")) else {
            return Err(missing(rendered));
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let mut user = User { name: name.clone(), is_confirmed: false, others: Vec::new() };
        // If it cannot be read, the post itself says why.
        if let Ok(users) = bounded(client.board(crate::lancers::BoardId(board)).users()).await {
            self.note_time("lancers", users.headers(), client);
            let (own, others): (Vec<_>, _) = users.iter().partition(|user| user.name == *name);
            if own.is_empty() {
                return Err(format!(
                    "board {board} has no user `{name}`, by which the outbox would look for the message: \
                     give `OutboxBuilder::lancers` the name that the board shows"
                ));
            }
            user.others = others.into_iter().map(|user| user.name.clone()).collect();
            *self.user.lock().unwrap_or_else(PoisonError::into_inner) = Some(user.clone());
        }
        Ok(user)
    }

    /// What the answer to a post says of its sender is more certain than what the program was given.
    #[cfg(feature = "lancers")]
    fn note_user(&self, answer: &Value) {
        let Some(sender) = answer.pointer("/send_user/name").and_then(Value::as_str) else { return };
        let mut user = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        if user.as_ref().is_some_and(|user| user.name != sender) {
            tracing::warn!(
                "the user of Lancers has another name than the outbox was given, and is looked for by that one"
            );
        }
        *user = Some(User { name: sender.to_owned(), is_confirmed: true, others: Vec::new() });
    }

    /// The account of Chatwork's credential.
    #[cfg(feature = "chatwork")]
    async fn account(&self, client: &crate::chatwork::Client) -> Result<crate::chatwork::AccountId, Error> {
        if let Some(account) = self.account.get() {
            return Ok(*account);
        }
        let me = bounded(client.me()).await?;
        self.note_time("chatwork", me.headers(), client);
        Ok(*self.account.get_or_init(|| me.account_id))
    }

    fn note_time<S: Service>(&self, service: &str, headers: &HeaderMap, client: &Client<S>) {
        if let Some(theirs) = date(headers) {
            let noted = (theirs, client.transport().clock().now());
            self.times.lock().unwrap_or_else(PoisonError::into_inner).insert(service.to_owned(), noted);
        }
    }

    /// Looks for a message that was sent as these notes say, and is none of those that are `taken`.
    pub(super) async fn look(&self, rendered: &Rendered, sent: &Progress, taken: &[String]) -> Looked {
        let looked = match (rendered.service.as_str(), rendered.operation.as_str()) {
            #[cfg(feature = "chatwork")]
            ("chatwork", "post_message") => self.look_in_chatwork(rendered, sent, taken).await,
            #[cfg(feature = "lancers")]
            ("lancers", "post_message") => self.look_in_lancers(rendered, sent, taken).await,
            _ => return Looked::Never,
        };
        match looked {
            Ok(Some(looked)) => looked,
            Ok(None) => Looked::Never,
            Err(error) => Looked::Failed(error),
        }
    }

    #[cfg(feature = "chatwork")]
    async fn look_in_chatwork(
        &self,
        rendered: &Rendered,
        sent: &Progress,
        taken: &[String],
    ) -> Result<Option<Looked>, Error> {
        let client = self.chatwork.as_ref().ok_or_else(|| Error::config(missing(rendered)))?;
        let (Some(room), Some(text)) = (rendered.room, rendered.field("body")) else { return Ok(None) };
        let author = match sent.author.as_deref().and_then(|author| author.parse().ok()) {
            Some(author) => crate::chatwork::AccountId(author),
            None => self.account(client).await?,
        };
        let sought =
            crate::chatwork::Sought::new(text, author, sent.since()).taken(taken.iter().map(String::as_str));
        Ok(Some(found(
            bounded(client.room(crate::chatwork::RoomId(room)).look_for(&sought)).await?.into_inner(),
        )))
    }

    #[cfg(feature = "lancers")]
    async fn look_in_lancers(
        &self,
        rendered: &Rendered,
        sent: &Progress,
        taken: &[String],
    ) -> Result<Option<Looked>, Error> {
        let (client, _) = self.lancers.as_ref().ok_or_else(|| Error::config(missing(rendered)))?;
        let (Some(board), Some(text)) = (rendered.number_after("/boards/"), rendered.field("description"))
        else {
            return Ok(None);
        };
        let user = match self.user(rendered).await {
            Ok(user) => user,
            Err(reason) => return Ok(Some(Looked::Doubt(reason))),
        };
        let board = client.board(crate::lancers::BoardId(board));
        let taken: Vec<_> = taken.iter().filter_map(|id| id.parse::<u64>().ok()).collect();
        let by = async |author: &str| {
            let sought = crate::lancers::Sought::new(&*text, author.to_owned(), sent.since())
                .taken(taken.iter().copied());
            Ok::<_, Error>(found(bounded(board.look_for(&sought)).await?.into_inner()))
        };
        let looked = by(sent.author.as_ref().unwrap_or(&user.name)).await?;
        if matches!(looked, Looked::Missing) && !user.is_confirmed {
            // No answer has said yet that the name is that of the credential.
            for other in &user.others {
                if let Looked::Found(id) = by(other).await? {
                    return Ok(Some(Looked::Doubt(format!(
                        "message {id} of `{other}` has this text, and no answer has said that the outbox posts as `{}`",
                        user.name
                    ))));
                }
            }
        }
        Ok(Some(looked))
    }

    /// Now, by a service's clock, and rather too early than too late. Without an answer it is the time of this machine.
    pub(super) fn service_time(&self, service: &str, now: Timestamp) -> Timestamp {
        let noted = self.times.lock().unwrap_or_else(PoisonError::into_inner).get(service).copied();
        let (theirs, margin) = match noted.zip(self.transport(service)) {
            Some(((theirs, at), transport)) => {
                let since = transport.clock().now().saturating_duration_since(at);
                (later_on_the_wall(theirs, since), SERVERS_DIFFER)
            }
            None => (now, UNKNOWN_CLOCK),
        };
        theirs.checked_sub(margin).unwrap_or(Timestamp::MIN)
    }
}

/// Sends it once. The outbox has its own waits, and a claim must not outlast its time in those of the client.
async fn bounded<E: Endpoint>(request: Request<E>) -> Result<Response<E::Output>, Error> {
    let attempt = request.client.transport().settings().attempt_timeout;
    let request = request.with_retry(RetryPolicy::none());
    match attempt {
        Some(attempt) => request.with_timeout(attempt.saturating_add(WAITS)).await,
        None => request.await,
    }
}

pub(super) fn missing(rendered: &Rendered) -> String {
    format!("the outbox has no client for it: call `OutboxBuilder::{}`", rendered.service)
}

#[cfg(any(feature = "chatwork", feature = "lancers"))]
fn found<Id: ToString>(found: Found<Id>) -> Looked {
    match found {
        Found::Yes(id) => Looked::Found(id.to_string()),
        Found::No => Looked::Missing,
        Found::Unsure(why) => Looked::Unsure(why),
    }
}

/// The answer of a service, as far as it is kept.
fn kept(answer: Value) -> Value {
    const LONGEST: usize = 4_000;
    if answer.to_string().len() <= LONGEST {
        return answer;
    }
    let ids = ["id", "message_id"].into_iter().filter_map(|name| Some((name, answer.get(name)?.clone())));
    ids.collect()
}
