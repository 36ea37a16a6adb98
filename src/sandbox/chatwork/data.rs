//! All data of the service, and what several resources do with it.

use super::account_seed::Account;
use super::limits::Window;
use super::model::{Download, MemberData, MessageData, Role, RoomData, RoomKind};
use super::oauth::OAuth;
use super::reply::Refusal;
use super::settings::Settings;
use super::webhook::{Event, EventKind, Webhook, Webhooks};
use crate::chatwork::AccountId;
use crate::chatwork::notation::parse;
use crate::sandbox::ids::Ids;
use crate::sandbox::state;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The service.
pub(crate) type State = state::State<Data>;

#[derive(Debug)]
pub(crate) struct Data {
    pub(super) settings: Settings,
    pub(super) message_ids: Ids,
    /// Those of rooms, tasks, files and contact requests.
    pub(super) ids: Ids,
    pub(super) people: BTreeMap<u64, Person>,
    /// API tokens, and whose they are.
    pub(super) tokens: HashMap<String, u64>,
    pub(super) oauth: OAuth,
    pub(super) rooms: BTreeMap<u64, RoomData>,
    /// The newest message that a session has fetched from a room.
    pub(super) marks: HashMap<(String, u64), u64>,
    pub(super) windows: HashMap<u64, Window>,
    pub(super) downloads: HashMap<String, Download>,
    pub(super) webhooks: Webhooks,
}

/// An account and its relations.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) profile: Account,
    pub(super) my_room: u64,
    /// The contacts, and the direct chat with each.
    pub(super) contacts: BTreeMap<u64, u64>,
    /// Contact requests: who asks, and with what words.
    pub(super) requests: BTreeMap<u64, (u64, String)>,
}

/// Where something is done, by which account, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) room: u64,
    pub(super) by: u64,
    pub(super) now: Timestamp,
}

impl Data {
    /// Panics unless there are such accounts: what a seed or a test does for an account that is not there proves nothing.
    #[track_caller]
    pub(super) fn require_accounts(&self, accounts: &[u64]) {
        let missing = accounts.iter().find(|account| !self.people.contains_key(account));
        if let Some(missing) = missing {
            panic!("there is no account {missing}; there are {:?}", self.people.keys().collect::<Vec<_>>());
        }
    }

    /// Panics unless the account and the room of a webhook are there.
    #[track_caller]
    pub(super) fn require_webhook(&self, webhook: &Webhook) {
        self.require_accounts(&[webhook.account]);
        if let Some(room) = webhook.room {
            assert!(self.rooms.contains_key(&room), "there is no room {room} for a webhook");
        }
    }

    /// The id of a new room, task, file or contact request.
    pub(super) fn new_id(&mut self) -> u64 {
        self.ids.next(999)
    }

    /// The room, if the account is in it.
    pub(super) fn room_of(&mut self, room: u64, account: u64) -> Result<&mut RoomData, Refusal> {
        self.rooms
            .get_mut(&room)
            .filter(|room| room.members.contains_key(&account))
            .ok_or_else(|| Refusal::forbidden("You don't have permission to access this room."))
    }

    /// The room, if the account may write in it.
    pub(super) fn writable_room_of(&mut self, room: u64, account: u64) -> Result<&mut RoomData, Refusal> {
        self.rooms
            .get_mut(&room)
            .filter(|room| matches!(room.role(account), Some(Role::Admin | Role::Member)))
            .ok_or_else(Refusal::may_not_write)
    }

    /// The group chat, if the account manages it.
    pub(super) fn managed_room_of(&mut self, room: u64, account: u64) -> Result<&mut RoomData, Refusal> {
        let room = self.room_of(room, account)?;
        if room.kind != RoomKind::Group || room.role(account) != Some(Role::Admin) {
            return Err(Refusal::forbidden("You don't have permission to manage this room."));
        }
        Ok(room)
    }

    /// Counts a message or a task for the limit of the room, if there is room for it.
    pub(super) fn take_post(&mut self, room: u64, now: Timestamp) -> Result<(), Refusal> {
        let limit = self.settings.room_limit;
        let free = self.rooms.get_mut(&room).is_none_or(|room| room.posts.take(limit, now));
        if free {
            Ok(())
        } else {
            Err(Refusal::too_many_requests("Rate limit for message posting per room exceeded."))
        }
    }

    /// Adds a message to a room. It is unread for all members but its author, and for the author if that is asked for.
    pub(super) fn post(&mut self, origin: Origin, body: &str, self_unread: bool) -> u64 {
        let Origin { room, by: author, now } = origin;
        let id = self.message_ids.next(1 << 22);
        let Some(room) = self.rooms.get_mut(&room) else { return id };
        let mentioned = mentioned_in(room, author, body);
        let message = MessageData {
            author,
            body: body.to_owned(),
            sent: now,
            updated: None,
            deleted: false,
            mentioned: mentioned.clone(),
        };
        room.messages.insert(id, message);
        room.updated = room.updated.max(now);
        let readers: Vec<u64> =
            room.members.keys().copied().filter(|id| *id != author || self_unread).collect();
        for reader in readers {
            room.mark_unread(reader, id);
        }
        let event = |kind| Event { kind, room: room.id, message: id, now };
        self.webhooks.notify(event(EventKind::Created), room);
        let addressed: Vec<u64> = match room.kind {
            RoomKind::Direct => room.members.keys().copied().filter(|account| *account != author).collect(),
            RoomKind::My | RoomKind::Group => mentioned.into_iter().collect(),
        };
        for account in addressed {
            self.webhooks.notify(event(EventKind::Mention(account)), room);
        }
        id
    }

    /// Replaces the text of a message.
    pub(super) fn edit(&mut self, room: u64, id: u64, body: &str, now: Timestamp) {
        let Some(room) = self.rooms.get_mut(&room) else { return };
        let Some(message) = room.messages.get_mut(&id) else { return };
        message.body = body.to_owned();
        message.updated = Some(now);
        let author = message.author;
        let mentioned = mentioned_in(room, author, body);
        room.set_mentions(id, mentioned);
        room.updated = room.updated.max(now);
        self.webhooks.notify(Event { kind: EventKind::Updated, room: room.id, message: id, now }, room);
    }

    /// Leaves `[deleted]` in place of a message, and makes it read for all.
    pub(super) fn delete_message(&mut self, room: u64, id: u64, now: Timestamp) {
        let Some(room) = self.rooms.get_mut(&room) else { return };
        let Some(message) = room.messages.get_mut(&id) else { return };
        message.body = "[deleted]".to_owned();
        message.updated = Some(now);
        message.deleted = true;
        room.set_mentions(id, BTreeSet::new());
        for member in room.members.values_mut() {
            member.unread.remove(&id);
        }
        room.updated = room.updated.max(now);
    }

    /// Makes two people contacts and opens their direct chat, if they have none.
    pub(super) fn befriend(&mut self, one: u64, other: u64, now: Timestamp) -> u64 {
        if let Some(room) = self.people.get(&one).and_then(|person| person.contacts.get(&other)) {
            return *room;
        }
        let id = self.new_room(RoomKind::Direct, "", &[(one, Role::Member), (other, Role::Member)], now);
        for (person, contact) in [(one, other), (other, one)] {
            if let Some(person) = self.people.get_mut(&person) {
                person.contacts.insert(contact, id);
            }
        }
        id
    }

    pub(super) fn new_room(
        &mut self,
        kind: RoomKind,
        name: &str,
        members: &[(u64, Role)],
        now: Timestamp,
    ) -> u64 {
        let mut id = self.new_id();
        // The seed may have taken any number.
        while self.rooms.contains_key(&id) {
            id = self.new_id();
        }
        let mut room = RoomData::new(id, kind, name, now);
        room.members = members.iter().map(|(id, role)| (*id, MemberData::new(*role))).collect();
        self.rooms.insert(id, room);
        id
    }

    /// Whether one may put the other into a group chat.
    pub(super) fn are_acquainted(&self, one: u64, other: u64) -> bool {
        let (Some(person), Some(stranger)) = (self.people.get(&one), self.people.get(&other)) else {
            return false;
        };
        let organization = person.profile.organization_id;
        one == other
            || person.contacts.contains_key(&other)
            || (organization != 0 && organization == stranger.profile.organization_id)
    }

    /// The short form of an account, as messages, tasks and files hold it.
    pub(super) fn account(&self, id: u64) -> Value {
        match self.people.get(&id) {
            Some(Person { profile, .. }) => json!({
                "account_id": id,
                "name": profile.name,
                "avatar_image_url": profile.avatar_image_url(),
            }),
            // Seeds, views and requests are checked, so that no unknown account gets in.
            None => json!({ "account_id": id, "name": "", "avatar_image_url": "" }),
        }
    }

    /// An account as contacts, members and contact requests hold it.
    pub(super) fn public_profile(&self, id: u64) -> Value {
        let Some(Person { profile, .. }) = self.people.get(&id) else { return self.account(id) };
        json!({
            "account_id": id,
            "name": profile.name,
            "chatwork_id": profile.chatwork_id,
            "organization_id": profile.organization_id,
            "organization_name": profile.organization_name,
            "department": profile.department,
            "avatar_image_url": profile.avatar_image_url(),
        })
    }

    /// The name under which an account sees a room.
    pub(super) fn room_name(&self, room: &RoomData, account: u64) -> String {
        if room.kind != RoomKind::Direct {
            return room.name.clone();
        }
        let other = room.members.keys().find(|id| **id != account);
        other
            .and_then(|id| self.people.get(id))
            .map_or_else(|| room.name.clone(), |person| person.profile.name.clone())
    }
}

/// The members that a message notifies, without its author.
fn mentioned_in(room: &RoomData, author: u64, body: &str) -> BTreeSet<u64> {
    let document = parse(body);
    let others = room.members.keys().copied().filter(|account| *account != author);
    others.filter(|account| document.notifies(AccountId(*account))).collect()
}
