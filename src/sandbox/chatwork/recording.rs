//! What a recording has of the service.

use super::account_seed::Account;
use super::data::Person;
use super::model::{FileData, LinkData, MemberData, MessageData, Role, RoomData, RoomKind, TaskData};
use crate::sandbox::recording::{Recording, number, text, time};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most items that are made up for a room, so that its counts are those of the recording.
const MADE_UP: u64 = 1000;

/// The most that are made up for all rooms: a company has hundreds, and a recording has the messages of a few.
const MADE_UP_IN_ALL: u64 = 300_000;

/// The length of a list that may go on.
const FULL: usize = 100;

/// People and rooms of a recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    pub(super) me: u64,
    pub(super) people: BTreeMap<u64, Person>,
    pub(super) rooms: BTreeMap<u64, RoomData>,
}

/// Ids that are made up: lower than those of a recording by `contract_check`, so that what has them is older.
struct MadeUp {
    last: u64,
    /// Those of the recording, which can be any if it was written by hand.
    taken: BTreeSet<u64>,
    /// The most for one count of a room.
    most: u64,
}

impl MadeUp {
    fn next(&mut self) -> u64 {
        self.last += 1;
        while self.taken.contains(&self.last) {
            self.last += 1;
        }
        self.last
    }
}

impl Recorded {
    /// Reads them. The caller is `me` if the recording does not have its account.
    pub(super) fn read(recording: &Recording, me: u64) -> Self {
        let mut read = Self { me, ..Self::default() };
        read.take_people(recording);
        read.take_rooms(recording);
        read.take_contents(recording);
        let ids = |room: &RoomData| {
            let (messages, tasks, files) = (room.messages.keys(), room.tasks.keys(), room.files.keys());
            messages.chain(tasks).chain(files).copied().collect::<Vec<_>>()
        };
        let taken = read.rooms.values().flat_map(ids).collect();
        let counts = 3 * recording.items("list_rooms").count().max(1) as u64;
        let mut made_up = MadeUp { last: 0, taken, most: MADE_UP.min(MADE_UP_IN_ALL / counts) };
        for (_, room) in recording.items("list_rooms") {
            read.complete(room, recording, &mut made_up);
        }
        read
    }

    fn take_people(&mut self, recording: &Recording) {
        let me = recording.answers("get_me").next().map(|(_, me)| me);
        self.me = me.and_then(|me| number(&me["account_id"])).unwrap_or(self.me);
        match me {
            Some(me) => {
                let own = self.meet(me);
                self.person(own).my_room = number(&me["room_id"]).unwrap_or_default();
            }
            None => "Bot".clone_into(&mut self.person(self.me).profile.name),
        }
        for list in ["list_contacts", "list_members", "list_incoming_requests"] {
            for (_, person) in recording.items(list) {
                self.meet(person);
            }
        }
        for (_, request) in recording.items("list_incoming_requests") {
            if let (Some(id), Some(from)) = (number(&request["request_id"]), number(&request["account_id"])) {
                self.person(self.me).requests.insert(id, (from, text(&request["message"])));
            }
        }
    }

    fn take_rooms(&mut self, recording: &Recording) {
        let me = self.me;
        let my_room = self.person(me).my_room;
        if my_room != 0 {
            self.room(my_room, RoomKind::My).members.insert(me, MemberData::new(Role::Admin));
        }
        let listed = recording.items("list_rooms");
        for (_, room) in listed.chain(recording.answers("get_room")) {
            let Some(id) = number(&room["room_id"]) else { continue };
            let kinds = [RoomKind::My, RoomKind::Direct];
            let kind = kinds.into_iter().find(|kind| room["type"] == kind.name()).unwrap_or(RoomKind::Group);
            let data = self.room(id, kind);
            data.name = text(&room["name"]);
            data.updated = time(&room["last_update_time"]).unwrap_or(data.updated);
            if let Some(description) = room["description"].as_str() {
                description.clone_into(&mut data.description);
            }
            data.members.insert(me, MemberData::new(role(&room["role"])));
        }
        for (parameters, member) in recording.items("list_members") {
            let ids = (number(&parameters["room_id"]), number(&member["account_id"]));
            if let (Some(room), Some(account)) = ids {
                let members = &mut self.room(room, RoomKind::Group).members;
                members.insert(account, MemberData::new(role(&member["role"])));
            }
        }
        for (_, contact) in recording.items("list_contacts") {
            let ids = (number(&contact["account_id"]), number(&contact["room_id"]));
            let (Some(account), Some(room)) = ids else { continue };
            self.person(me).contacts.insert(account, room);
            self.person(account).contacts.insert(me, room);
            let members = &mut self.room(room, RoomKind::Direct).members;
            for id in [me, account] {
                members.entry(id).or_insert_with(|| MemberData::new(Role::Member));
            }
        }
    }

    fn take_contents(&mut self, recording: &Recording) {
        let messages = recording.items("list_messages").chain(recording.answers("get_message"));
        for (parameters, message) in messages {
            let ids = (number(&parameters["room_id"]), number(&message["message_id"]));
            let (Some(room), Some(id)) = ids else { continue };
            let author = self.meet(&message["account"]);
            let message = MessageData {
                author,
                body: text(&message["body"]),
                sent: time(&message["send_time"]).unwrap_or(Timestamp::UNIX_EPOCH),
                updated: time(&message["update_time"]).filter(|at| at.as_second() != 0),
                deleted: false,
                mentioned: BTreeSet::new(),
            };
            self.room(room, RoomKind::Group).messages.insert(id, message);
        }
        let tasks = recording.items("list_tasks").chain(recording.answers("get_task"));
        for (parameters, task) in tasks.chain(recording.items("list_my_tasks")) {
            let room = number(&parameters["room_id"]).or_else(|| number(&task["room"]["room_id"]));
            let (Some(room), Some(task_id)) = (room, number(&task["task_id"])) else { continue };
            let task = TaskData {
                task_id,
                account_id: self.meet(&task["account"]),
                assigned_by_account_id: self.meet(&task["assigned_by_account"]),
                message_id: number(&task["message_id"]).unwrap_or_default(),
                body: text(&task["body"]),
                limit_time: time(&task["limit_time"]).filter(|at| at.as_second() != 0),
                limit_type: task["limit_type"].as_str().unwrap_or("none").to_owned(),
                done: task["status"] == "done",
            };
            self.room(room, RoomKind::Group).tasks.insert(task_id, task);
        }
        // One for all, since a recording has sizes only.
        let longest = Bytes::from(vec![b'x'; super::files::MAX_BYTES]);
        for (parameters, file) in recording.items("list_files").chain(recording.answers("get_file")) {
            let ids = (number(&parameters["room_id"]), number(&file["file_id"]));
            let (Some(room), Some(file_id)) = ids else { continue };
            let size = number(&file["filesize"]).and_then(|size| usize::try_from(size).ok());
            let file = FileData {
                file_id,
                account_id: self.meet(&file["account"]),
                message_id: number(&file["message_id"]).unwrap_or_default(),
                filename: text(&file["filename"]),
                content_type: "application/octet-stream".to_owned(),
                content: longest.slice(..size.unwrap_or_default().min(longest.len())),
                upload_time: time(&file["upload_time"]).unwrap_or(Timestamp::UNIX_EPOCH),
            };
            self.room(room, RoomKind::Group).files.insert(file_id, file);
        }
        for (parameters, link) in recording.answers("get_link").filter(|(_, link)| link["public"] == true) {
            let Some(id) = number(&parameters["room_id"]) else { continue };
            self.room(id, RoomKind::Group).link = Some(LinkData {
                code: format!("room{id}"),
                need_acceptance: link["need_acceptance"] != false,
                description: text(&link["description"]),
            });
        }
    }

    /// Adds what the counts of a room say and no list has, and marks what is unread.
    fn complete(&mut self, listed: &Value, recording: &Recording, made_up: &mut MadeUp) {
        let me = self.me;
        let Some(room) = number(&listed["room_id"]).and_then(|id| self.rooms.get_mut(&id)) else { return };
        let by = room.members.keys().copied().find(|id| *id != me).unwrap_or(me);
        let lists = |operation| {
            recording
                .answers(operation)
                .any(|(parameters, _)| number(&parameters["room_id"]) == Some(room.id))
        };
        let most = made_up.most;
        let missing = |count: &str, known: usize| {
            number(&listed[count]).unwrap_or_default().saturating_sub(known as u64).min(most)
        };
        let updated = room.updated;
        let (messages, tasks, files) = (room.messages.len(), room.tasks.len(), room.files.len());
        // A list that is complete has no older items.
        if messages == 0 || messages >= FULL {
            for number in 1..=missing("message_num", messages) {
                let body = format!("Message {number}");
                let (updated, mentioned) = (None, BTreeSet::new());
                let message =
                    MessageData { author: by, body, sent: room.updated, updated, deleted: false, mentioned };
                room.messages.insert(made_up.next(), message);
            }
        }
        let message_id = room.messages.keys().next().copied().unwrap_or_default();
        for number in 1..=missing("task_num", tasks) {
            let task = TaskData {
                task_id: made_up.next(),
                account_id: by,
                assigned_by_account_id: by,
                message_id,
                body: format!("Task {number}"),
                limit_time: None,
                limit_type: "none".to_owned(),
                // Open ones are in the lists.
                done: true,
            };
            room.tasks.insert(task.task_id, task);
        }
        if files >= FULL || !lists("list_files") {
            for number in 1..=missing("file_num", files) {
                let file = FileData {
                    file_id: made_up.next(),
                    account_id: by,
                    message_id,
                    filename: format!("file-{number}.txt"),
                    content_type: "text/plain".to_owned(),
                    content: Bytes::new(),
                    upload_time: updated,
                };
                room.files.insert(file.file_id, file);
            }
        }
        let of_others = room.messages.iter().rev().filter(|(_, message)| message.author != me);
        let own = room.messages.iter().rev().filter(|(_, message)| message.author == me);
        let newest: Vec<u64> = of_others.chain(own).map(|(id, _)| *id).collect();
        let first = |count: &str| newest.iter().take(missing(count, 0) as usize).copied().collect();
        if let Some(member) = room.members.get_mut(&me) {
            (member.unread, member.mentions) = (first("unread_num"), first("mention_num"));
        }
    }

    fn person(&mut self, id: u64) -> &mut Person {
        self.people.entry(id).or_insert_with(|| Person {
            profile: Account::new(id, ""),
            my_room: 0,
            contacts: BTreeMap::new(),
            requests: BTreeMap::new(),
        })
    }

    /// Adds what is known of an account, and returns its id: that of the caller where none is named.
    fn meet(&mut self, known: &Value) -> u64 {
        let Some(id) = number(&known["account_id"]) else { return self.me };
        let profile = &mut self.person(id).profile;
        for (field, name) in [
            (&mut profile.name, "name"),
            (&mut profile.chatwork_id, "chatwork_id"),
            (&mut profile.organization_name, "organization_name"),
            (&mut profile.department, "department"),
            (&mut profile.title, "title"),
            (&mut profile.url, "url"),
            (&mut profile.introduction, "introduction"),
            (&mut profile.mail, "mail"),
        ] {
            if let Some(text) = known[name].as_str() {
                text.clone_into(field);
            }
        }
        profile.organization_id = number(&known["organization_id"]).unwrap_or(profile.organization_id);
        id
    }

    fn room(&mut self, id: u64, kind: RoomKind) -> &mut RoomData {
        let new = || RoomData::new(id, kind, "", Timestamp::UNIX_EPOCH);
        self.rooms.entry(id).or_insert_with(new)
    }
}

fn role(name: &Value) -> Role {
    let roles = [Role::Admin, Role::Readonly];
    roles.into_iter().find(|role| *name == role.name()).unwrap_or(Role::Member)
}
