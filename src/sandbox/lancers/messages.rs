//! The messages of a board.

use super::call::{Body, Call};
use super::data::{Data, NewMessage};
use super::error::Failure;
use serde_json::{Value, json};

pub(super) fn list(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let limit = call.limit(1)?;
    let from = call.number("message_id", 1)?;
    let board = data.board(call.board_id()?, &call.caller)?;
    let wire = |message| board.message_wire(message);
    match call.query("direction").unwrap_or("next") {
        "next" => {
            let start = from.map_or(0, |id| board.messages.partition_point(|message| message.id < id));
            Ok(board.messages[start..].iter().take(limit).map(wire).collect())
        }
        "prev" => {
            let end = from.map_or(board.messages.len(), |id| {
                board.messages.partition_point(|message| message.id <= id)
            });
            Ok(board.messages[..end].iter().rev().take(limit).map(wire).collect())
        }
        _ => Err(Failure::invalid("direction")),
    }
}

pub(super) fn post(data: &mut Data, mut call: Call) -> Result<Value, Failure> {
    let id = call.board_id()?;
    data.board(id, &call.caller)?;
    let form = call.form()?;
    let text = form.text.unwrap_or_default();
    if text.is_empty() && form.files.is_empty() {
        return Err(Failure::invalid("description"));
    }
    data.post(id, NewMessage { sender: call.caller, text, files: form.files }, call.now)
}

/// `board_id` is a number in the post's schema and a text of digits in its example; here it is the latter.
pub(super) fn mark_read(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let board = data.board(call.board_id()?, &call.caller)?;
    let given = match &call.body {
        Body::None => None,
        _ => call.json()?.get("message_id").filter(|id| !id.is_null()),
    };
    let last = match given {
        None => board.messages.last().map_or(0, |message| message.id),
        Some(id) => id
            .as_i64()
            .filter(|id| board.messages.binary_search_by_key(id, |message| message.id).is_ok())
            .ok_or_else(|| Failure::invalid("message_id"))?,
    };
    if last > 0 {
        let read = board.read.entry(call.caller.clone()).or_insert(last);
        *read = last.max(*read);
    }
    Ok(json!({ "board_id": board.board.id.to_string(), "unread_count": board.unread(&call.caller).count() }))
}
