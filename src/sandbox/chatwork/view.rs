//! What the service holds now, and what the other accounts do.

use super::data::{Data, Origin, State};
use super::model::RoomData;
use super::oauth::{Consent, Grant, split_scopes};
use super::webhook::{Delivery, RegisteredWebhook, Webhook};
use super::{contacts, files, link, messages, tasks};
use crate::chatwork::{
    AccountId, Contact, File, FileId, IncomingRequest, Link, Message, MessageId, RequestId, Role, RoomId,
    RoomType, Task, TaskId,
};
use crate::sandbox::answer::{decoded, decoded_all};
use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// A member of a room, with what the member has not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The account.
    pub account_id: AccountId,
    /// What the member may do.
    pub role: Role,
    /// How many messages the member has not read.
    pub unread_num: usize,
    /// How many of these mention the member.
    pub mention_num: usize,
}

/// What Chatwork holds now, and a hand for the accounts that are not under test.
///
/// It shows things as the client's types, so that they can be compared with what a client returned. Ids are given as such
/// or as plain numbers and texts. What is done here counts for no limit. Acting on a room, a message or an account that is not there panics, since a
/// test that relies on it would prove nothing; looking at one finds nothing.
#[derive(Clone, Debug)]
pub struct View {
    state: Arc<State>,
}

impl View {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// The ids of all rooms, direct chats and "My Chats" included.
    pub fn rooms(&self) -> Vec<RoomId> {
        self.state.lock().rooms.keys().copied().map(RoomId).collect()
    }

    /// A room. Of one that does not exist everything is empty.
    pub fn room(&self, id: impl Into<RoomId>) -> RoomView {
        RoomView { state: self.state.clone(), id: id.into().0 }
    }

    /// The ids of all accounts.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.state.lock().people.keys().copied().map(AccountId).collect()
    }

    /// The contacts of an account.
    pub fn contacts(&self, account: impl Into<AccountId>) -> Vec<Contact> {
        decoded_all(contacts::contacts_of(&self.state.lock(), account.into().0))
    }

    /// The contact requests that wait for an account.
    pub fn incoming_requests(&self, account: impl Into<AccountId>) -> Vec<IncomingRequest> {
        decoded_all(contacts::requests_for(&self.state.lock(), account.into().0))
    }

    /// Asks `to` to become a contact of `from`, and returns the id of the request.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    #[track_caller]
    pub fn request_contact(
        &self,
        from: impl Into<AccountId>,
        to: impl Into<AccountId>,
        message: impl Into<String>,
    ) -> RequestId {
        let (from, to) = (from.into().0, to.into().0);
        let mut data = self.state.lock();
        data.require_accounts(&[from, to]);
        RequestId(data.add_request(from, to, message.into()))
    }

    /// Adds a webhook.
    ///
    /// # Panics
    ///
    /// If there is no such account, or no such room.
    #[track_caller]
    pub fn add_webhook(&self, webhook: Webhook) -> RegisteredWebhook {
        let mut data = self.state.lock();
        let data = &mut *data;
        data.require_webhook(&webhook);
        data.webhooks.add(&mut data.ids, webhook)
    }

    /// The webhooks, in the order in which they were added.
    pub fn webhooks(&self) -> Vec<RegisteredWebhook> {
        self.state.lock().webhooks.registered()
    }

    /// Switches a webhook on again, as one does on its page after too many errors. Returns whether there is one of this
    /// setting.
    pub fn enable_webhook(&self, setting_id: &str) -> bool {
        self.state.lock().webhooks.enable(setting_id)
    }

    /// The webhooks posted so far, with what became of them.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.lock().webhooks.deliveries.clone()
    }

    /// Answers the consent page differently from now on.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    #[track_caller]
    pub fn set_consent(&self, consent: Consent) {
        let mut data = self.state.lock();
        if let Consent::Approve(account) = consent {
            data.require_accounts(&[account]);
        }
        data.oauth.consent = consent;
    }

    /// An access token for the account, with these scopes (separated by spaces) and this lifetime, without the way
    /// over the consent page.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    #[track_caller]
    pub fn access_token(&self, account: impl Into<AccountId>, scopes: &str, lifetime: Duration) -> String {
        let (account, now) = (account.into().0, self.state.now().wall);
        let mut data = self.state.lock();
        let data = &mut *data;
        data.require_accounts(&[account]);
        let grant = Grant { client: "sandbox".to_owned(), account, scopes: split_scopes(scopes) };
        data.oauth.issue_access(&mut data.ids, grant, None, lifetime, now).0
    }

    /// Ends an access token, a refresh token or an API token.
    pub fn revoke(&self, token: &str) {
        let mut data = self.state.lock();
        data.oauth.revoke(token);
        data.tokens.remove(token);
    }
}

/// A room as it is now. Each call reads the current state.
#[derive(Clone, Debug)]
pub struct RoomView {
    state: Arc<State>,
    id: u64,
}

impl RoomView {
    fn list<T: DeserializeOwned>(&self, shown: impl FnOnce(&Data, &RoomData) -> Vec<Value>) -> Vec<T> {
        let data = self.state.lock();
        decoded_all(data.rooms.get(&self.id).map(|room| shown(&data, room)).unwrap_or_default())
    }

    fn look<T: Default>(&self, look: impl FnOnce(&RoomData) -> T) -> T {
        self.state.lock().rooms.get(&self.id).map(look).unwrap_or_default()
    }

    /// Whether there is such a room.
    pub fn exists(&self) -> bool {
        self.look(|_| true)
    }

    /// Its kind.
    pub fn kind(&self) -> Option<RoomType> {
        self.look(|room| Some(decoded(json!(room.kind.name()))))
    }

    /// Its name; empty for a direct chat, which each sees under the name of the other.
    pub fn name(&self) -> String {
        self.look(|room| room.name.clone())
    }

    /// Its description.
    pub fn description(&self) -> String {
        self.look(|room| room.description.clone())
    }

    /// Its icon: the value of `icon_preset`.
    pub fn icon_preset(&self) -> String {
        self.look(|room| room.icon.clone())
    }

    /// All messages, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.list(|data, room| {
            room.messages.iter().map(|(id, message)| messages::shown(data, *id, message)).collect()
        })
    }

    /// All tasks, oldest first.
    pub fn tasks(&self) -> Vec<Task> {
        self.list(|data, room| room.tasks.values().map(|task| tasks::shown(data, task)).collect())
    }

    /// All files, oldest first.
    pub fn files(&self) -> Vec<File> {
        self.list(|data, room| room.files.values().map(|file| files::shown(data, file)).collect())
    }

    /// The content of a file; empty if there is no such file.
    pub fn content(&self, file: impl Into<FileId>) -> Bytes {
        let file = file.into().0;
        self.look(|room| room.files.get(&file).map(|file| file.content.clone()).unwrap_or_default())
    }

    /// The media type that a file was uploaded as; empty if there is no such file.
    pub fn content_type(&self, file: impl Into<FileId>) -> String {
        let file = file.into().0;
        self.look(|room| room.files.get(&file).map(|file| file.content_type.clone()).unwrap_or_default())
    }

    /// All members, by account.
    pub fn members(&self) -> Vec<Member> {
        self.look(|room| {
            let members = room.members.iter();
            members
                .map(|(account, member)| Member {
                    account_id: AccountId(*account),
                    role: decoded(json!(member.role.name())),
                    unread_num: member.unread.len(),
                    mention_num: member.mentions.len(),
                })
                .collect()
        })
    }

    /// One member.
    pub fn member(&self, account: impl Into<AccountId>) -> Option<Member> {
        let account = account.into();
        self.members().into_iter().find(|member| member.account_id == account)
    }

    /// The invitation link.
    pub fn link(&self) -> Option<Link> {
        self.look(|room| Some(decoded(link::shown(Some(room.link.as_ref()?)))))
    }

    /// Posts a message as another account, which need not be a member, webhooks included; returns its id.
    ///
    /// # Panics
    ///
    /// If there is no such room, or no such account.
    #[track_caller]
    pub fn post_as(&self, account: impl Into<AccountId>, body: &str) -> MessageId {
        let by = account.into().0;
        let (mut data, now) = self.acting(&[by]);
        MessageId::from(data.post(Origin { room: self.id, by, now }, body, false))
    }

    /// Edits a message as its author would, webhooks included.
    ///
    /// # Panics
    ///
    /// If there is no such message, or it is deleted.
    #[track_caller]
    pub fn edit(&self, message: impl Into<MessageId>, body: &str) {
        let (mut data, now) = self.acting(&[]);
        let id = self.message(&data, &message.into());
        data.edit(self.id, id, body, now);
    }

    /// Deletes a message as its author would.
    ///
    /// # Panics
    ///
    /// If there is no such message, or it is deleted already.
    #[track_caller]
    pub fn delete(&self, message: impl Into<MessageId>) {
        let (mut data, now) = self.acting(&[]);
        let id = self.message(&data, &message.into());
        data.delete_message(self.id, id, now);
    }

    /// Reads all messages as a member would.
    ///
    /// # Panics
    ///
    /// If there is no such room, or no such member.
    #[track_caller]
    pub fn read_as(&self, account: impl Into<AccountId>) {
        let account = account.into().0;
        let (mut data, _) = self.acting(&[account]);
        let room = data.rooms.get_mut(&self.id);
        let Some(member) = room.and_then(|room| room.members.get_mut(&account)) else {
            panic!("the account {account} is not in the room {}", self.id)
        };
        member.unread.clear();
        member.mentions.clear();
    }

    /// Gives a task without a deadline to each of the assignees; returns the ids.
    ///
    /// # Panics
    ///
    /// If there is no such room, or no such account.
    #[track_caller]
    pub fn assign_as(&self, account: impl Into<AccountId>, to: &[u64], body: &str) -> Vec<TaskId> {
        let by = account.into().0;
        let (mut data, now) = self.acting(&[&[by], to].concat());
        let ids = tasks::add(&mut data, Origin { room: self.id, by, now }, to, body, None);
        ids.into_iter().map(TaskId).collect()
    }

    /// Finishes a task, as its assignee would; the service announces it in the room.
    ///
    /// # Panics
    ///
    /// If there is no such task.
    #[track_caller]
    pub fn finish_task(&self, task: impl Into<TaskId>) {
        let task_id = task.into().0;
        let (mut data, now) = self.acting(&[]);
        let task = data.rooms.get(&self.id).and_then(|room| room.tasks.get(&task_id));
        let Some(by) = task.map(|task| task.account_id) else {
            panic!("the room {} has no task {task_id}", self.id)
        };
        tasks::set_done(&mut data, Origin { room: self.id, by, now }, task_id, true);
    }

    /// The data, in which the room and the accounts are, and the time.
    #[track_caller]
    fn acting(&self, accounts: &[u64]) -> (MutexGuard<'_, Data>, Timestamp) {
        let now = self.state.now().wall;
        let data = self.state.lock();
        assert!(data.rooms.contains_key(&self.id), "there is no room {}", self.id);
        data.require_accounts(accounts);
        (data, now)
    }

    /// The id of a message that is not deleted.
    #[track_caller]
    fn message(&self, data: &Data, message_id: &MessageId) -> u64 {
        let id = message_id.as_str().parse().ok();
        let message = id.and_then(|id| data.rooms.get(&self.id)?.messages.get_key_value(&id));
        match message {
            Some((id, message)) if !message.deleted => *id,
            Some(_) => panic!("the message {message_id} of the room {} is deleted", self.id),
            None => panic!("the room {} has no message {:?}", self.id, message_id.as_str()),
        }
    }
}
