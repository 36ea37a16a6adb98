//! What a recording has of the service.

use super::data::BoardData;
use super::model::{BoardInfo, FileData, MessageData, Work, parse_time};
use crate::sandbox::recording::{Recording, number, text};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most messages that are made up for a board, so that its counts are those of the recording.
const MADE_UP: usize = 1000;

/// The boards of a recording, and the name of the caller. No answer has that: `other` is on the boards if no user can be it.
pub(super) fn read(recording: &Recording, other: &str) -> (String, Vec<BoardData>) {
    let mut boards: BTreeMap<i64, BoardData> = BTreeMap::new();
    let details = recording.answers("get_board");
    for (_, board) in recording.items("search_boards").chain(recording.items("list_boards")).chain(details) {
        let Some(id) = id(&board["id"]) else { continue };
        add(boards.entry(id).or_insert_with(|| empty(id)), board);
    }
    let messages = recording.items("list_messages").chain(recording.items("list_unread"));
    for (parameters, message) in messages {
        let ids = (id(&parameters["board_id"]).or_else(|| id(&message["board_id"])), id(&message["id"]));
        if let (Some(board_id), Some(id)) = ids {
            post(boards.entry(board_id).or_insert_with(|| empty(board_id)), id, message);
        }
    }
    let mut others = BTreeSet::new();
    for (_, message) in recording.items("list_unread") {
        others.insert(text(&message["send_user"]["name"]));
        others.extend(message["read_users"].as_array().into_iter().flatten().map(text));
    }
    let me = caller(boards.values(), &others).unwrap_or_else(|| other.to_owned());
    for board in boards.values_mut() {
        board.messages.sort_by_key(|message| message.id);
        let users = board.board.users.iter().chain([&me, &board.board.owner]);
        let users: BTreeSet<String> = users.filter(|name| !name.is_empty()).cloned().collect();
        board.board.users = users.into_iter().collect();
    }
    let taken: BTreeSet<i64> =
        boards.values().flat_map(|board| board.messages.iter().map(|message| message.id)).collect();
    let mut free = (1..).filter(|id| !taken.contains(id));
    for (_, listed) in recording.items("list_boards") {
        if let Some(board) = id(&listed["id"]).and_then(|id| boards.get_mut(&id)) {
            complete(board, listed, &me, &mut free);
        }
    }
    (me, boards.into_values().collect())
}

/// The user who is on every board, and has not sent or read what the caller has not read.
fn caller<'a>(boards: impl Iterator<Item = &'a BoardData>, others: &BTreeSet<String>) -> Option<String> {
    let on_all = boards.map(|board| board.board.users.iter().cloned().collect::<BTreeSet<_>>());
    let on_all = on_all.reduce(|all, users| &all & &users).unwrap_or_default();
    on_all.difference(others).next().cloned()
}

fn empty(id: i64) -> BoardData {
    let board = BoardInfo {
        id,
        title: String::new(),
        description: None,
        created: Timestamp::UNIX_EPOCH,
        modified: Timestamp::UNIX_EPOCH,
        owner: String::new(),
        users: Vec::new(),
        work: None,
    };
    BoardData { board, messages: Vec::new(), read: BTreeMap::new() }
}

fn add(data: &mut BoardData, board: &Value) {
    let info = &mut data.board;
    info.title = text(&board["title"]);
    info.created = time(&board["created"]).unwrap_or(info.created);
    info.modified = time(&board["modified"]).unwrap_or(info.modified);
    let users = board["users"].as_array().into_iter().flatten().map(|user| text(&user["name"]));
    info.users.extend(users);
    // A board without an owner in its details is that of its first user.
    info.owner = board["owner"]["name"].as_str().map_or_else(
        || {
            if info.owner.is_empty() {
                info.users.first().cloned().unwrap_or_default()
            } else {
                info.owner.clone()
            }
        },
        str::to_owned,
    );
    if let Some(description) = board["description"].as_str() {
        info.description = Some(description.to_owned());
    }
    let proposal = &board["with"]["proposal"];
    let work = &proposal["work"];
    if let (Some(proposal), Some(id)) = (id(&proposal["id"]), id(&work["id"])) {
        let mut read = Work::new(id, proposal, text(&work["title"]));
        (read.kind, read.status) = (text(&work["type"]), text(&work["status"]));
        info.work = Some(read);
    }
}

fn post(data: &mut BoardData, message_id: i64, message: &Value) {
    if data.messages.iter().any(|known| known.id == message_id) {
        return;
    }
    let send_user = text(&message["send_user"]["name"]);
    let files = message["files"].as_array().into_iter().flatten().filter_map(|file| {
        Some(FileData {
            id: id(&file["id"])?,
            name: text(&file["name"]),
            mime_type: text(&file["type"]),
            size: number(&file["size"]).unwrap_or_default(),
            content: Bytes::new(),
            user: send_user.clone(),
            created: time(&file["created"]).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    });
    let files = files.collect();
    for reader in message["read_users"].as_array().into_iter().flatten() {
        let last = data.read.entry(text(reader)).or_insert(message_id);
        *last = message_id.max(*last);
    }
    data.messages.push(MessageData {
        id: message_id,
        board_id: data.board.id,
        description: text(&message["description"]),
        created: time(&message["created"]).unwrap_or(Timestamp::UNIX_EPOCH),
        files,
        send_user,
    });
}

/// Adds messages that only the counts of a board have, with ids that are free, and the mentions of the caller.
fn complete(data: &mut BoardData, listed: &Value, me: &str, free: &mut impl Iterator<Item = i64>) {
    let count = |name: &str| number(&listed[name]).map_or(0, |count| count as usize).min(MADE_UP);
    let other = data.board.users.iter().find(|name| *name != me).map_or(me, String::as_str).to_owned();
    let has_text =
        data.messages.is_empty() && listed["message"].as_str().is_some_and(|text| !text.is_empty());
    let missing = count("unread_count").saturating_sub(data.unread(me).count()).max(usize::from(has_text));
    let created = data.board.modified;
    let made_up: Vec<MessageData> = (1..=missing)
        .zip(free)
        .map(|(number, id)| {
            // The list of boards prints the last one.
            let is_last = number == missing && data.messages.is_empty();
            let description = if is_last { text(&listed["message"]) } else { format!("Message {number}") };
            let board_id = data.board.id;
            MessageData { id, board_id, description, created, files: Vec::new(), send_user: other.clone() }
        })
        .collect();
    data.messages.splice(0..0, made_up);
    if count("unread_count") == 0
        && let Some(newest) = data.messages.last()
    {
        data.read.insert(me.to_owned(), newest.id);
    }
    let mention = format!("@{me} ");
    let first = data.messages.len() - data.unread(me).count();
    let unread = data.messages.get_mut(first..).unwrap_or_default().iter_mut();
    let longest = unread.filter(|message| message.description.len() >= mention.len());
    for message in longest.take(count("unread_mention_count")) {
        let kept: String = message.description.chars().skip(mention.len()).collect();
        message.description = mention.clone() + &kept;
    }
}

fn id(value: &Value) -> Option<i64> {
    number(value)?.try_into().ok()
}

fn time(value: &Value) -> Option<Timestamp> {
    parse_time(value.as_str()?)
}
