//! What is there now, and what the other people do.

use super::State;
use super::data::Data;
use super::model::{
    Contact, File, IncomingRequest, Link, Member, Message, MessageData, RoomData, RoomKind, Task,
};
use super::oauth::{Consent, Grant, split_scopes};
use super::tasks;
use super::webhook::{Delivery, RegisteredWebhook, Webhook};
use jiff::Timestamp;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// What Chatwork holds now, and a hand for the people who are not under test.
///
/// What is done here counts for no limit. Acting on a room, a message or an account that is not there panics, since a
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
    pub fn rooms(&self) -> Vec<u64> {
        self.state.lock().rooms.keys().copied().collect()
    }

    /// A room. Of one that does not exist everything is empty.
    pub fn room(&self, id: u64) -> RoomView {
        RoomView { state: self.state.clone(), id }
    }

    /// The ids of all accounts.
    pub fn accounts(&self) -> Vec<u64> {
        self.state.lock().people.keys().copied().collect()
    }

    /// The contacts of an account.
    pub fn contacts(&self, account: u64) -> Vec<Contact> {
        let data = self.state.lock();
        let contacts = data.people.get(&account).map(|person| &person.contacts);
        contacts.into_iter().flatten().map(|(id, room)| Contact { account_id: *id, room_id: *room }).collect()
    }

    /// The contact requests that wait for an account.
    pub fn incoming_requests(&self, account: u64) -> Vec<IncomingRequest> {
        let data = self.state.lock();
        let requests = data.people.get(&account).map(|person| &person.requests);
        let request = |(id, (from, message)): (&u64, &(u64, String))| IncomingRequest {
            request_id: *id,
            account_id: *from,
            message: message.clone(),
        };
        requests.into_iter().flatten().map(request).collect()
    }

    /// Asks `to` to become a contact of `from`; answers the id of the request.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    #[track_caller]
    pub fn request_contact(&self, from: u64, to: u64, message: impl Into<String>) -> u64 {
        let mut data = self.state.lock();
        data.require_accounts(&[from, to]);
        data.add_request(from, to, message.into())
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
        webhook.require(data);
        data.webhooks.add(&mut data.ids, webhook)
    }

    /// The webhooks, in the order in which they were added.
    pub fn webhooks(&self) -> Vec<RegisteredWebhook> {
        self.state.lock().webhooks.registered()
    }

    /// Switches a webhook on again, as one does on its page after too many errors. `false` if there is none of this
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
    pub fn access_token(&self, account: u64, scopes: &str, lifetime: Duration) -> String {
        let now = self.state.context.clock.wall();
        let mut data = self.state.lock();
        let data = &mut *data;
        data.require_accounts(&[account]);
        let grant = Grant { client: "sandbox".to_owned(), account, scopes: split_scopes(scopes) };
        data.oauth.issue_access(&mut data.ids, grant, lifetime, now).0
    }

    /// Ends an access token, a refresh token or an API token.
    pub fn revoke(&self, token: &str) {
        let mut data = self.state.lock();
        data.oauth.revoke(token);
        data.tokens.remove(token);
    }
}

/// A room as it is now. Each call looks anew.
#[derive(Clone, Debug)]
pub struct RoomView {
    state: Arc<State>,
    id: u64,
}

impl RoomView {
    fn look<T: Default>(&self, look: impl FnOnce(&RoomData) -> T) -> T {
        self.state.lock().rooms.get(&self.id).map(look).unwrap_or_default()
    }

    /// Whether there is such a room.
    pub fn exists(&self) -> bool {
        self.look(|_| true)
    }

    /// Its kind.
    pub fn kind(&self) -> Option<RoomKind> {
        self.look(|room| Some(room.kind))
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
        self.look(|room| room.messages.iter().map(|(id, message)| shown(*id, message)).collect())
    }

    /// All tasks, oldest first.
    pub fn tasks(&self) -> Vec<Task> {
        self.look(|room| room.tasks.values().cloned().collect())
    }

    /// All files, oldest first.
    pub fn files(&self) -> Vec<File> {
        self.look(|room| room.files.values().cloned().collect())
    }

    /// All members, by account.
    pub fn members(&self) -> Vec<Member> {
        self.look(|room| {
            let members = room.members.iter();
            members
                .map(|(account, member)| Member {
                    account_id: *account,
                    role: member.role,
                    unread_num: member.unread.len(),
                    mention_num: member.mentions.len(),
                })
                .collect()
        })
    }

    /// One member.
    pub fn member(&self, account: u64) -> Option<Member> {
        self.members().into_iter().find(|member| member.account_id == account)
    }

    /// The invitation link.
    pub fn link(&self) -> Option<Link> {
        self.look(|room| room.link.clone())
    }

    /// Posts a message as somebody else, who need not be a member, webhooks included; answers its id.
    ///
    /// # Panics
    ///
    /// If there is no such room, or no such account.
    #[track_caller]
    pub fn post_as(&self, account: u64, body: &str) -> String {
        let (mut data, now) = self.acting(&[account]);
        data.post(self.id, account, body, false, now).to_string()
    }

    /// Edits a message as its author would, webhooks included.
    ///
    /// # Panics
    ///
    /// If there is no such message, or it is deleted.
    #[track_caller]
    pub fn edit(&self, message_id: &str, body: &str) {
        let (mut data, now) = self.acting(&[]);
        let id = self.message(&data, message_id);
        data.edit(self.id, id, body, now);
    }

    /// Deletes a message as its author would.
    ///
    /// # Panics
    ///
    /// If there is no such message, or it is deleted already.
    #[track_caller]
    pub fn delete(&self, message_id: &str) {
        let (mut data, now) = self.acting(&[]);
        let id = self.message(&data, message_id);
        data.delete_message(self.id, id, now);
    }

    /// Reads all messages as a member would.
    ///
    /// # Panics
    ///
    /// If there is no such room, or no such member.
    #[track_caller]
    pub fn read_as(&self, account: u64) {
        let (mut data, _) = self.acting(&[account]);
        let room = data.rooms.get_mut(&self.id);
        let Some(member) = room.and_then(|room| room.members.get_mut(&account)) else {
            panic!("the account {account} is not in the room {}", self.id)
        };
        member.unread.clear();
        member.mentions.clear();
    }

    /// Gives a task without a deadline to each of the assignees; answers the ids.
    ///
    /// # Panics
    ///
    /// If there is no such room, or no such account.
    #[track_caller]
    pub fn assign_as(&self, account: u64, to: &[u64], body: &str) -> Vec<u64> {
        let (mut data, now) = self.acting(&[&[account], to].concat());
        tasks::add(&mut data, self.id, account, to, body, None, now)
    }

    /// Finishes a task, as whoever has to do it would.
    ///
    /// # Panics
    ///
    /// If there is no such task.
    #[track_caller]
    pub fn finish_task(&self, task_id: u64) {
        let (mut data, _) = self.acting(&[]);
        let task = data.rooms.get_mut(&self.id).and_then(|room| room.tasks.get_mut(&task_id));
        let Some(task) = task else { panic!("the room {} has no task {task_id}", self.id) };
        task.done = true;
    }

    /// The data, in which the room and the accounts are, and the time.
    #[track_caller]
    fn acting(&self, accounts: &[u64]) -> (MutexGuard<'_, Data>, Timestamp) {
        let now = self.state.context.clock.wall();
        let data = self.state.lock();
        assert!(data.rooms.contains_key(&self.id), "there is no room {}", self.id);
        data.require_accounts(accounts);
        (data, now)
    }

    /// The id of a message that is not deleted.
    #[track_caller]
    fn message(&self, data: &Data, message_id: &str) -> u64 {
        let id = message_id.parse().ok();
        let message = id.and_then(|id| data.rooms.get(&self.id)?.messages.get_key_value(&id));
        match message {
            Some((id, message)) if !message.deleted => *id,
            Some(_) => panic!("the message {message_id} of the room {} is deleted", self.id),
            None => panic!("the room {} has no message {message_id:?}", self.id),
        }
    }
}

fn shown(id: u64, message: &MessageData) -> Message {
    Message {
        message_id: id.to_string(),
        account_id: message.author,
        body: message.body.clone(),
        send_time: message.sent,
        update_time: message.updated,
    }
}
