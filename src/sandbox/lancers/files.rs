//! The files of a board.

use super::call::Call;
use super::data::Data;
use super::error::Failure;
use super::model::FileData;
use serde_json::Value;

/// Takes the lowest ids from `file_id` on, since otherwise no sequence of pages would reach all files, and prints them
/// downwards, as the example of the post does.
pub(super) fn list(data: &mut Data, call: Call) -> Result<Value, Failure> {
    let limit = call.limit(1)?;
    let from = call.number("file_id", 1)?.unwrap_or(0);
    let upwards = data.files_upwards;
    let board = data.board(call.board_id()?, &call.caller)?;
    let mut page: Vec<Value> =
        board.files().filter(|file| file.id >= from).take(limit).map(FileData::wire_with_user).collect();
    if !upwards {
        page.reverse();
    }
    Ok(Value::Array(page))
}
