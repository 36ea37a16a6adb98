//! The clients that an outbox sends with, and how it looks for what they have sent.

use super::rendered::{Rendered, Stored};
use super::status::Progress;
use crate::Unsure;
use crate::client::Client;
use crate::error::Error;
use crate::limits::date;
#[cfg(any(feature = "chatwork", feature = "lancers"))]
use crate::reconcile::Found;
use crate::transport::retry::RetryPolicy;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A message may be this much older than it seems while the difference of the clocks is not known, and afterwards.
const UNKNOWN_CLOCK: SignedDuration = SignedDuration::from_secs(10 * 60);
const WHOLE_SECONDS: SignedDuration = SignedDuration::from_secs(2);

/// What a look shows.
pub(super) enum Looked {
    Found(String),
    Missing,
    /// It cannot be said.
    Unsure(Unsure),
    /// The service has no list of what was asked for.
    Never,
    /// The look failed.
    Failed(Error),
}

#[derive(Default)]
pub(super) struct Clients {
    #[cfg(feature = "chatwork")]
    pub(super) chatwork: Option<crate::chatwork::Client>,
    #[cfg(feature = "tascha")]
    pub(super) tascha: Option<crate::tascha::Client>,
    #[cfg(feature = "lancers")]
    /// With the login name of the user.
    pub(super) lancers: Option<(crate::lancers::Client, String)>,
    /// The account of Chatwork's credential, once it was asked for.
    #[cfg(feature = "chatwork")]
    account: std::sync::OnceLock<crate::chatwork::AccountId>,
    /// How far the clock of a service is ahead of this machine's.
    ahead: Mutex<HashMap<String, SignedDuration>>,
}

impl Clients {
    pub(super) fn has(&self, service: &str) -> bool {
        match service {
            #[cfg(feature = "chatwork")]
            "chatwork" => self.chatwork.is_some(),
            #[cfg(feature = "tascha")]
            "tascha" => self.tascha.is_some(),
            #[cfg(feature = "lancers")]
            "lancers" => self.lancers.is_some(),
            _ => false,
        }
    }

    pub(super) async fn send(&self, rendered: &Rendered) -> Result<Value, Error> {
        match rendered.service.as_str() {
            #[cfg(feature = "chatwork")]
            "chatwork" => self.send_by(self.chatwork.as_deref(), rendered).await,
            #[cfg(feature = "tascha")]
            "tascha" => self.send_by(self.tascha.as_deref(), rendered).await,
            #[cfg(feature = "lancers")]
            "lancers" => self.send_by(self.lancers.as_ref().map(|(client, _)| &**client), rendered).await,
            _ => Err(missing(rendered)),
        }
    }

    async fn send_by<S: Stored>(
        &self,
        client: Option<&Client<S>>,
        rendered: &Rendered,
    ) -> Result<Value, Error> {
        let client = client.ok_or_else(|| missing(rendered))?;
        // The outbox has its own waits, and a claim must not outlast its time in those of the client.
        let sent = rendered.request(client).with_retry(RetryPolicy::none()).send().await;
        let headers = sent.as_ref().map_or_else(Error::headers, |answer| answer.headers());
        self.note_time(&rendered.service, headers, client.transport().clock().wall());
        Ok(kept(sent?.into_inner()))
    }

    /// Whether a message can be looked for.
    pub(super) fn can_look(&self, rendered: &Rendered) -> bool {
        let listed = ["chatwork", "lancers"].contains(&rendered.service.as_str());
        listed && rendered.operation == "post_message" && self.has(&rendered.service)
    }

    /// The longest time for an attempt of the clients.
    pub(super) fn attempt_timeout(&self) -> Duration {
        let mut times = Vec::new();
        #[cfg(feature = "chatwork")]
        times.extend(self.chatwork.as_ref().map(|client| client.transport().settings().attempt_timeout));
        #[cfg(feature = "tascha")]
        times.extend(self.tascha.as_ref().map(|client| client.transport().settings().attempt_timeout));
        #[cfg(feature = "lancers")]
        times.extend(self.lancers.as_ref().map(|(client, _)| client.transport().settings().attempt_timeout));
        times.into_iter().flatten().max().unwrap_or_default()
    }

    /// Who sends a message for which one can look, as a look has to know. With the answer comes the time of the service.
    pub(super) async fn sender(&self, rendered: &Rendered) -> Option<String> {
        if !self.can_look(rendered) {
            return None;
        }
        match rendered.service.as_str() {
            #[cfg(feature = "chatwork")]
            "chatwork" => self.account().await.ok().map(|account| account.to_string()),
            #[cfg(feature = "lancers")]
            "lancers" => {
                let (client, login) = self.lancers.as_ref()?;
                if !self.knows_time("lancers")
                    && let Ok(answer) = client.unread().await
                {
                    self.note_time("lancers", answer.headers(), client.transport().clock().wall());
                }
                Some(login.clone())
            }
            _ => None,
        }
    }

    /// The account of Chatwork's credential.
    #[cfg(feature = "chatwork")]
    async fn account(&self) -> Result<crate::chatwork::AccountId, Error> {
        if let Some(account) = self.account.get() {
            return Ok(*account);
        }
        let client =
            self.chatwork.as_ref().ok_or_else(|| Error::config("the outbox has no client for chatwork"))?;
        let me = client.me().await?;
        self.note_time("chatwork", me.headers(), client.transport().clock().wall());
        Ok(*self.account.get_or_init(|| me.account_id))
    }

    fn knows_time(&self, service: &str) -> bool {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).contains_key(service)
    }

    fn note_time(&self, service: &str, headers: &HeaderMap, now: Timestamp) {
        if let Some(theirs) = date(headers) {
            let ahead = theirs.duration_since(now);
            self.ahead.lock().unwrap_or_else(PoisonError::into_inner).insert(service.to_owned(), ahead);
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
        let client = self.chatwork.as_ref().ok_or_else(|| missing(rendered))?;
        let (Some(room), Some(text)) = (rendered.room, rendered.field("body")) else { return Ok(None) };
        let author = match sent.author.as_deref().and_then(|author| author.parse().ok()) {
            Some(author) => crate::chatwork::AccountId(author),
            None => self.account().await?,
        };
        let sought =
            crate::chatwork::Sought::new(text, author, sent.since()).taken(taken.iter().map(String::as_str));
        Ok(Some(found(client.room(crate::chatwork::RoomId(room)).look_for(&sought).await?.into_inner())))
    }

    #[cfg(feature = "lancers")]
    async fn look_in_lancers(
        &self,
        rendered: &Rendered,
        sent: &Progress,
        taken: &[String],
    ) -> Result<Option<Looked>, Error> {
        let (client, login) = self.lancers.as_ref().ok_or_else(|| missing(rendered))?;
        let (Some(board), Some(text)) = (rendered.number_after("/boards/"), rendered.field("description"))
        else {
            return Ok(None);
        };
        let author = sent.author.as_ref().unwrap_or(login);
        let taken = taken.iter().filter_map(|id| id.parse::<u64>().ok());
        let sought = crate::lancers::Sought::new(text, author.clone(), sent.since()).taken(taken);
        Ok(Some(found(client.board(crate::lancers::BoardId(board)).look_for(&sought).await?.into_inner())))
    }

    /// Now, by a service's clock, and rather too early than too late.
    pub(super) fn service_time(&self, service: &str, now: Timestamp) -> Timestamp {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).get(service).copied();
        let margin = if ahead.is_some() { WHOLE_SECONDS } else { UNKNOWN_CLOCK };
        let theirs = now.checked_add(ahead.unwrap_or_default()).unwrap_or(now);
        theirs.checked_sub(margin).unwrap_or(Timestamp::MIN)
    }
}

fn missing(rendered: &Rendered) -> Error {
    Error::config(format!("the outbox has no client for {}", rendered.service))
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
        answer
    } else {
        json!({ "id": answer.get("id"), "message_id": answer.get("message_id") })
    }
}
