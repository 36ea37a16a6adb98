//! Boards, the unread ones and the search.

use super::call::Call;
use super::data::{BoardData, Data, NewMessage, to_second};
use super::error::Failure;
use serde_json::{Map, Value};

pub(super) fn list(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let limit = call.limit(1)?;
    let boards = older(data, &call)?;
    Ok(boards.into_iter().take(limit).map(|board| board.summary(&call.caller)).collect())
}

pub(super) fn unread(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let limit = call.limit(1)?;
    let caller = call.caller.as_str();
    let boards =
        older(data, &call)?.into_iter().filter(|board| board.unread(caller).next().is_some()).take(limit);
    Ok(boards.flat_map(|board| board.unread(caller).map(|message| board.message_wire(message))).collect())
}

pub(super) fn search(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let word = call.query("q").ok_or_else(|| Failure::invalid("q"))?.to_lowercase();
    let offset = usize::try_from(call.number("offset", 0)?.unwrap_or(0)).unwrap_or(usize::MAX);
    let limit = call.limit(20)?;
    let found = data.boards_of(&call.caller).into_iter().filter(|board| board.contains(&word));
    Ok(found.skip(offset).take(limit).map(|board| board.summary(&call.caller)).collect())
}

pub(super) fn create(data: &mut Data, mut call: Call) -> Result<Value, Failure> {
    let form = call.form()?;
    if form.users.is_empty() {
        return Err(Failure::invalid("users"));
    }
    data.check_users(&form.users)?;
    let board = data.create_board(&call.caller, &form.users, form.title, call.now);
    let (id, detail) = (board.board.id, board.board.detail());
    let text = form.text.unwrap_or_default();
    if !text.is_empty() || !form.files.is_empty() {
        data.post(id, NewMessage { sender: call.caller, text, files: form.files }, call.now)?;
    }
    Ok(detail)
}

pub(super) fn get(data: &mut Data, call: Call) -> Result<Value, Failure> {
    Ok(data.board(call.board_id()?, &call.caller)?.board.detail())
}

/// Answers with the fields that were given, and only them.
pub(super) fn update(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let board = data.board(call.board_id()?, &call.caller)?;
    let body = call.json()?;
    let text = |name: &str| match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Failure::invalid(name)),
    };
    let (title, description) = (text("title")?, text("description")?);
    let mut changed = Map::new();
    if let Some(title) = title {
        changed.insert("title".to_owned(), title.as_str().into());
        board.board.title = title;
    }
    if let Some(description) = description {
        changed.insert("description".to_owned(), description.as_str().into());
        board.board.description = Some(description);
    }
    if !changed.is_empty() {
        board.board.modified = to_second(call.now);
    }
    Ok(Value::Object(changed))
}

/// The caller's boards, those only that are older than `modified` if it is given.
fn older<'a>(data: &'a Data, call: &Call) -> Result<Vec<&'a BoardData>, Failure> {
    let before = call.time("modified")?;
    let mut boards = data.boards_of(&call.caller);
    boards.retain(|board| before.is_none_or(|before| board.board.modified < before));
    Ok(boards)
}
