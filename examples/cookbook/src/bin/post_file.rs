//! Posts a file to a Chatwork room: `post_file FILE [TEXT]`. Reads `CHATWORK_API_TOKEN` and `CHATWORK_ROOM`.
use anyhow::{Context, Result, ensure};
use kaiwa::{Outcome, Upload, chatwork};
use std::{collections::HashSet, env};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect(); // a name of a file need not be UTF-8
    ensure!(matches!(arguments.len(), 1 | 2), "usage: post_file FILE [TEXT]");
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let chatwork = chatwork::Client::from_env()?;
    let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);

    let file = Upload::path(&arguments[0]).await?; // read while it is sent, and again for another attempt
    let (name, size) = (file.name().to_owned(), file.len());
    let files = || async {
        let me = chatwork.me().await?.account_id;
        let files = room.files().account_id(me).await?.into_inner().into_iter();
        let same = files.filter(|file| file.filename == name && file.filesize == size);
        Ok::<HashSet<_>, kaiwa::Error>(same.map(|file| file.file_id).collect())
    };
    let before = files().await?;
    let mut upload = room.upload(file);
    if let Some(text) = arguments.get(1) {
        upload = upload.message(text.to_str().context("TEXT is not UTF-8")?);
    }
    let id = match upload.await {
        Ok(sent) => sent.file_id,
        // The answer was lost. A new file of this name and size is the one.
        Err(error) if error.outcome() == Outcome::Unknown => {
            *files().await?.difference(&before).next().ok_or(error)?
        }
        Err(error) => return Err(error.into()),
    };
    println!("posted {name}, {size} bytes, as file {id}");
    Ok(())
}
