//! One lookup of a message in its room.

use super::ledger::PostGuard;
use crate::chatwork::operations::{GetMe, ListMessages};
use crate::chatwork::{AccountId, Chatwork, Message, MessageId, RoomId};
use crate::client::Client;
use crate::error::Error;
use crate::limits::date;
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::settings::Options;
use crate::transport::timer::Bound;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use std::time::{Duration, Instant};

/// The most messages that the service returns.
const SHOWN: usize = 100;

/// `Date` and `send_time` are whole seconds, and the call may have begun within one.
const WHOLE_SECONDS: Duration = Duration::from_secs(2);

/// The result of a lookup.
pub(super) enum Lookup {
    /// The message is there.
    Found(Box<Response<MessageId>>),
    /// It is not there.
    Missing,
    /// The lookup was not conclusive.
    Unsure,
}

/// The earliest time at which the message can have been sent, by the service's clock.
struct Since {
    /// By the `Date` of the response.
    reported: Timestamp,
    /// The earlier of that and of the local clock: a message before it is another one, whichever clock is wrong.
    earliest: Timestamp,
}

/// The call that lookups are made for, within its time.
pub(super) struct LookupContext<'a> {
    pub(super) client: &'a Client<Chatwork>,
    pub(super) options: &'a Options,
    /// The account of the token, if the caller has set it.
    pub(super) account: Option<AccountId>,
    pub(super) began: Instant,
    pub(super) deadline: Option<Bound>,
}

impl LookupContext<'_> {
    pub(super) async fn at(&self, room: RoomId, guard: &PostGuard<'_>) -> Lookup {
        // A failed lookup is not conclusive; the error of the post is the one to report.
        self.try_lookup(room, guard).await.unwrap_or(Lookup::Unsure)
    }

    async fn try_lookup(&self, room: RoomId, guard: &PostGuard<'_>) -> Result<Lookup, Error> {
        let own = self.own_account().await?;
        let request = self.request(ListMessages::new(room)).force(true);
        let list = request.send().await?;
        let since = self.since(&list);
        let mut candidates: Vec<&Message> = list
            .iter()
            .filter(|message| message.account.account_id == own && guard.is_own_text(&message.body))
            .filter(|message| message.send_time >= since.earliest && !guard.is_claimed(&message.message_id))
            .collect();
        // The order of the list is not documented. The newest message is the likeliest: an earlier one is from a call that
        // failed, and was reported as failed.
        candidates.sort_by_key(|message| (message.send_time, &message.message_id));
        let Some(found) = candidates.last() else {
            return Ok(if reaches_back(&list, &since) { Lookup::Missing } else { Lookup::Unsure });
        };
        if found.send_time < since.reported {
            return Ok(Lookup::Unsure);
        }
        let id = found.message_id.clone();
        guard.claim(&id);
        Ok(Lookup::Found(Box::new(list.map(|_| id))))
    }

    fn since(&self, list: &Response<Vec<Message>>) -> Since {
        let ago = SignedDuration::try_from(self.elapsed() + WHOLE_SECONDS).unwrap_or(SignedDuration::MAX);
        let before = |now: Timestamp| now.checked_sub(ago).unwrap_or(Timestamp::MIN);
        let local = self.client.transport().clock().wall();
        let reported = date(list.headers()).unwrap_or(local);
        Since { reported: before(reported), earliest: before(reported.min(local)) }
    }

    async fn own_account(&self) -> Result<AccountId, Error> {
        let known = self.client.state().ledger.account();
        match self.account.or_else(|| known.get().copied()) {
            Some(account) => Ok(account),
            None => {
                let me = self.request(GetMe::new()).send().await?;
                Ok(*known.get_or_init(|| me.account_id))
            }
        }
    }

    /// A request within the time of the call, with its headers.
    fn request<E: Endpoint<Service = Chatwork>>(&self, endpoint: E) -> Request<E> {
        let options = Options {
            timeout: self.left().or(self.options.timeout),
            attempt_timeout: self.options.attempt_timeout,
            retry: self.options.retry.clone(),
            headers: self.options.headers.clone(),
            ..Options::default()
        };
        Request { options, ..self.client.call(endpoint) }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.client.transport().clock().now().saturating_duration_since(self.began)
    }

    /// The remaining time of the call; `None` if there is no limit.
    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.left(&**self.client.transport().clock()))
    }
}

/// Whether the list shows everything since the call began.
fn reaches_back(list: &Response<Vec<Message>>, since: &Since) -> bool {
    let hides = list.headers().contains_key("chatwork-message-limitation");
    // An empty list with another status than 204 may be a broken response and not an empty room.
    let lost = list.is_empty() && list.status() != StatusCode::NO_CONTENT;
    let shortened = list.len() >= SHOWN || hides || lost;
    !shortened || list.iter().any(|message| message.send_time < since.earliest)
}
