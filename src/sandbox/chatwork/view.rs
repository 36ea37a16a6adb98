//! What is there now, and what the other people do.

use super::State;
use super::model::{
    Contact, File, IncomingRequest, Link, Member, Message, MessageData, RoomData, RoomKind, Task,
};
use super::oauth::{Consent, Grant, split_scopes};
use super::tasks;
use super::webhook::{Delivery, RegisteredWebhook, Webhook};
use std::sync::Arc;
use std::time::Duration;

/// What Chatwork holds now, and a hand for the people who are not under test.
///
/// What is done here counts for no limit.
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
    pub fn request_contact(&self, from: u64, to: u64, message: impl Into<String>) -> u64 {
        self.state.lock().add_request(from, to, message.into())
    }

    /// Adds a webhook.
    pub fn add_webhook(&self, webhook: Webhook) -> RegisteredWebhook {
        let mut data = self.state.lock();
        let data = &mut *data;
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
    pub fn set_consent(&self, consent: Consent) {
        self.state.lock().oauth.consent = consent;
    }

    /// An access token for the account, with these scopes (separated by spaces) and this lifetime, without the way
    /// over the consent page.
    pub fn access_token(&self, account: u64, scopes: &str, lifetime: Duration) -> String {
        let now = self.state.context.clock.wall();
        let mut data = self.state.lock();
        let data = &mut *data;
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

    /// Posts a message as somebody else, webhooks included; answers its id.
    pub fn post_as(&self, account: u64, body: &str) -> String {
        let now = self.state.context.clock.wall();
        self.state.lock().post(self.id, account, body, false, now).to_string()
    }

    /// Edits a message as its author would. Of a message that does not exist nothing happens.
    pub fn edit(&self, message_id: &str, body: &str) {
        let now = self.state.context.clock.wall();
        if let Ok(id) = message_id.parse() {
            self.state.lock().edit(self.id, id, body, now);
        }
    }

    /// Gives a task without a deadline to each of the assignees; answers the ids.
    pub fn assign_as(&self, account: u64, to: &[u64], body: &str) -> Vec<u64> {
        let now = self.state.context.clock.wall();
        tasks::add(&mut self.state.lock(), self.id, account, to, body, None, now)
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
