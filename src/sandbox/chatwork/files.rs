//! `/rooms/{room_id}/files` and single files.

use super::call::Call;
use super::contacts::with;
use super::data::{Data, Origin};
use super::input::Upload;
use super::model::{Download, FileData};
use super::notice;
use super::reply::{self, Refusal};
use crate::chatwork::MAX_MESSAGE;
use crate::sandbox::answer::Answer;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// The most that a list holds.
const MAX_ITEMS: usize = 100;

/// The largest file: 5 MiB.
pub(super) const MAX_BYTES: usize = 5 << 20;

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut query = call.query();
    let account: Option<u64> = query.number("account_id");
    query.finish()?;
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    let files = room.files.values().filter(|file| account.is_none_or(|id| file.account_id == id));
    let mut files: Vec<FileData> = files.rev().take(MAX_ITEMS).cloned().collect();
    files.reverse();
    Ok(reply::list(files.iter().map(|file| shown(call.data, file)).collect()))
}

pub(super) fn upload(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let room = call.room_id()?;
    let mut form = call.form();
    let upload = form.required_upload("file");
    let message = form.text("message", MAX_MESSAGE).unwrap_or_default();
    form.finish()?;
    let Some(upload) = upload else { return Err(Refusal::bad_request("Parameter 'file' is required")) };
    if upload.content.len() > MAX_BYTES {
        return Err(Refusal::bad_request("The file is larger than 5 MB."));
    }
    call.data.writable_room_of(room, call.caller)?;
    call.count_post(room)?;
    let origin = call.origin(room);
    let id = add(call.data, origin, upload, message);
    Ok(reply::ok(&json!({ "file_id": id })))
}

/// Adds a file to a room, and the message that shows it.
pub(super) fn add(data: &mut Data, origin: Origin, upload: Upload, message: &str) -> u64 {
    let file_id = data.new_id();
    let Upload { filename, content_type, content } = upload;
    let announcement = notice::file(file_id, &filename, &content_type, content.len(), message);
    let message_id = data.post(origin, &announcement, false);
    if let Some(room) = data.rooms.get_mut(&origin.room) {
        let (account_id, upload_time) = (origin.by, origin.now);
        let file = FileData { file_id, account_id, message_id, filename, content_type, content, upload_time };
        room.files.insert(file_id, file);
    }
    file_id
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.id("file_id")?;
    let mut query = call.query();
    let create_download_url = query.flag("create_download_url", false);
    query.finish()?;
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    let file = room.files.get(&id).cloned().ok_or_else(|| Refusal::not_found("file"))?;
    let mut answer = shown(call.data, &file);
    if create_download_url {
        let key = call.data.ids.secret(32);
        let filename = utf8_percent_encode(&file.filename, NON_ALPHANUMERIC);
        answer = with(answer, "download_url", json!(format!("{}/download/{key}/{filename}", call.base)));
        call.data.downloads.retain(|_, download| download.is_valid(call.now));
        call.data.downloads.insert(key, Download { file, made: call.now });
    }
    Ok(reply::ok(&answer))
}

pub(super) fn shown(data: &Data, file: &FileData) -> Value {
    json!({
        "file_id": file.file_id,
        "account": data.account(file.account_id),
        "message_id": file.message_id.to_string(),
        "filename": file.filename,
        "filesize": file.content.len(),
        "upload_time": file.upload_time.as_second(),
    })
}
