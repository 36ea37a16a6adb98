//! All data of the service, and what several resources do with it.

use super::account_seed::Account;
use super::download::Download;
use super::limits::Window;
use super::model::{MemberData, MessageData, Role, RoomData, RoomKind};
use super::notation::mentions;
use super::oauth::OAuth;
use super::reply::Refusal;
use super::settings::Settings;
use super::webhook::{Event, EventKind, Webhooks};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Debug)]
pub(super) struct Data {
    pub(super) settings: Settings,
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
#[derive(Debug)]
pub(super) struct Person {
    pub(super) profile: Account,
    pub(super) my_room: u64,
    /// The contacts, and the direct chat with each.
    pub(super) contacts: BTreeMap<u64, u64>,
    /// Contact requests: who asks, and with what words.
    pub(super) requests: BTreeMap<u64, (u64, String)>,
}

/// New ids, from the seed: the same calls in the same order give the same ids.
#[derive(Debug)]
pub(super) struct Ids {
    rng: fastrand::Rng,
    message: u64,
    other: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // 19 digits, as the service gives them today; beyond what a JSON number holds safely.
        let message = 1_900_000_000_000_000_000 + rng.u64(..1_000_000_000_000_000);
        // Beyond 32 bits' positive range, where the ids of the service have arrived.
        let other = 2_200_000_000 + rng.u64(..1_000_000);
        Self { rng, message, other }
    }

    pub(super) fn message(&mut self) -> u64 {
        self.message += self.rng.u64(1..1 << 22);
        self.message
    }

    /// A room, a task, a file or a contact request.
    pub(super) fn next(&mut self) -> u64 {
        self.other += self.rng.u64(1..1000);
        self.other
    }

    /// A text nobody can guess, or so it looks.
    pub(super) fn secret(&mut self, length: usize) -> String {
        (0..length).map(|_| self.rng.alphanumeric()).collect()
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.rng.u8(..))
    }
}

impl Data {
    /// Panics unless there are such accounts: what a seed or a test does for somebody who is not there proves nothing.
    #[track_caller]
    pub(super) fn require_accounts(&self, accounts: &[u64]) {
        let missing = accounts.iter().find(|account| !self.people.contains_key(account));
        if let Some(missing) = missing {
            panic!("there is no account {missing}; there are {:?}", self.people.keys().collect::<Vec<_>>());
        }
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

    /// Adds a message to a room. It is unread for everybody but its author, unless that is asked for.
    pub(super) fn post(
        &mut self,
        room: u64,
        author: u64,
        body: &str,
        self_unread: bool,
        now: Timestamp,
    ) -> u64 {
        let id = self.ids.message();
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
        for account in mentioned {
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

    /// Leaves `[deleted]` in place of a message, which nobody has to read any more.
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
        let mut id = self.ids.next();
        // The seed may have taken any number.
        while self.rooms.contains_key(&id) {
            id = self.ids.next();
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
            // Seeds, views and requests are checked, so that nobody unknown gets in.
            None => json!({ "account_id": id, "name": "", "avatar_image_url": "" }),
        }
    }

    /// What contacts, members and contact requests tell of an account.
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
            .map_or_else(String::new, |person| person.profile.name.clone())
    }
}

/// Members who are mentioned, without the author.
fn mentioned_in(room: &RoomData, author: u64, body: &str) -> BTreeSet<u64> {
    let mut mentioned = mentions(body, room.members.keys().copied());
    mentioned.retain(|account| *account != author && room.members.contains_key(account));
    mentioned
}
