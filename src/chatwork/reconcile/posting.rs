//! A message that is being posted to a room.

use super::ledger::PostGuard;
use super::lookup::LookFor;
use super::newest::{missing, newest, rows};
use crate::call::CallInfo;
use crate::chatwork::operations::{GetMe, PostMessage};
use crate::chatwork::{AccountId, Chatwork, MessageId};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Outcome};
use crate::reconcile::{CallTime, Found, Posting, Since};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::settings::Options;
use crate::transport::timer::within;

/// How the message is looked for.
pub(super) enum Looking {
    /// As a message since the call began, of this account, if the caller has set it.
    Call(Option<AccountId>),
    /// As a stored search says.
    Stored(LookFor),
}

/// The right to post a text, and what its looks need.
pub(super) struct ChatworkPost<'a> {
    client: &'a Client<Chatwork>,
    post: &'a PostMessage,
    info: CallInfo,
    looking: Looking,
    time: CallTime<'a>,
    guard: PostGuard<'a>,
}

impl<'a> ChatworkPost<'a> {
    /// Waits for the other calls that post the same text to the same room: while one of them runs, it is unclear which call
    /// a message with that text belongs to.
    pub(super) async fn begin<E: Endpoint<Service = Chatwork>>(
        request: &'a Request<E>,
        post: &'a PostMessage,
        looking: Looking,
        time: CallTime<'a>,
    ) -> Result<Self, Error> {
        let client = &request.client;
        let guard = client.state().ledger.guard(post.room_id, &post.body.body);
        let guard = within(&*time.settings.clock, time.deadline, guard).await.map_err(|timeout| {
            Error::new(ErrorKind::Timeout(timeout), Outcome::NotSent).with_call(request.info(), 0)
        })?;
        Ok(Self { client, post, info: request.info(), looking, time, guard })
    }

    /// Looks for a message since the call began that belongs to no other call of this client.
    async fn look_since_the_call(
        &self,
        account: Option<AccountId>,
    ) -> Result<Response<Found<MessageId>>, Error> {
        let account = self.own_account(account).await?;
        let list = self.read(newest(self.post.room_id)).send().await?;
        let since = Since::began(self.time.elapsed(), list.headers(), self.time.settings.clock.wall());
        let rows = rows(&list, account, missing(&list));
        let found = rows.find(&self.post.body.body, since, None, |id| self.guard.is_claimed(id));
        drop(rows);
        Ok(list.map(|_| found))
    }

    async fn own_account(&self, set: Option<AccountId>) -> Result<AccountId, Error> {
        let known = self.client.state().ledger.account();
        match set.or_else(|| known.get().copied()) {
            Some(account) => Ok(account),
            None => {
                let me = self.read(GetMe::new()).send().await?;
                Ok(*known.get_or_init(|| me.account_id))
            }
        }
    }

    fn read<E: Endpoint<Service = Chatwork>>(&self, endpoint: E) -> Request<E> {
        Request { options: self.time.reading(), ..self.client.call(endpoint) }
    }
}

impl Posting for ChatworkPost<'_> {
    type Id = MessageId;

    fn info(&self) -> CallInfo {
        self.info.clone()
    }

    async fn post(&self, options: Options) -> Result<Response<MessageId>, Error> {
        let request = Request { options, ..self.client.call(self.post.clone()) };
        let sent = request.send().await?;
        self.guard.claim(&sent.message_id);
        Ok(sent.map(|sent| sent.message_id))
    }

    async fn look(&self) -> Result<Response<Found<MessageId>>, Error> {
        let look = match &self.looking {
            Looking::Call(account) => self.look_since_the_call(*account).await?,
            Looking::Stored(look) => self.read(look.clone()).send().await?,
        };
        if let Found::Yes(id) = &*look {
            self.guard.claim(id);
        }
        Ok(look)
    }
}
