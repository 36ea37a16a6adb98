//! The users of a board.

use super::call::Call;
use super::data::{Data, to_second};
use super::error::Failure;
use super::model::user;
use serde_json::Value;

pub(super) fn list(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let limit = call.limit(usize::MAX)?;
    let board = data.board(call.board_id()?, &call.caller)?;
    let after = call.query("user");
    let users = board.board.users.iter().filter(|name| after.is_none_or(|after| name.as_str() > after));
    Ok(users.take(limit).map(|name| user(name)).collect())
}

pub(super) fn add(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let id = call.board_id()?;
    data.board(id, &call.caller)?;
    let names: Option<Vec<String>> = call
        .json()?
        .get("users")
        .and_then(Value::as_array)
        .and_then(|users| users.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| Failure::invalid("users"))?;
    data.check_users(&names)?;
    let board = data.board(id, &call.caller)?;
    for name in &names {
        if let Err(place) = board.board.users.binary_search(name) {
            board.board.users.insert(place, name.clone());
        }
    }
    board.board.modified = to_second(call.now);
    Ok(names.iter().map(|name| user(name)).collect())
}

pub(super) fn remove(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let board = data.board(call.board_id()?, &call.caller)?;
    let name = call.route.param("name");
    let place = board.board.users.iter().position(|user| user == name).ok_or_else(Failure::bad_request)?;
    board.board.users.remove(place);
    board.board.modified = to_second(call.now);
    Ok(user(name))
}
