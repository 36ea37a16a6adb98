//! Appends the messages of a TAS-CHA room to a file, a line of JSON each: `resume_export FILE`. Killed at any moment, it goes on when it
//! is run again, and adds what is new. Reads `TASCHA_API_KEY` and `TASCHA_ROOM`.
use anyhow::{Context, Result, bail, ensure};
use kaiwa::{Checkpoint, tascha};
use std::{env, fs, fs::File, io::Write};

#[tokio::main]
async fn main() -> Result<()> {
    let [_, path] = &env::args().collect::<Vec<_>>()[..] else { bail!("usage: resume_export FILE") };
    let room = tascha::Client::from_env()?.room(env::var("TASCHA_ROOM").context("TASCHA_ROOM is not set")?);
    let place = format!("{path}.place");
    let mut file = File::options().append(true).create(true).open(path).context(path.clone())?;
    file.try_lock().with_context(|| format!("{path} is being written"))?; // until this program ends
    ensure!(fs::exists(&place)? || file.metadata()?.len() == 0, "{path} is not of this export");
    let state = if fs::exists(&place)? { fs::read(&place)? } else { b"[0,null]".into() };
    let (length, last): (u64, Option<Checkpoint>) = serde_json::from_slice(&state).context(place.clone())?;
    save(&place, &(length, last.clone()))?; // there before the first line
    ensure!(file.metadata()?.len() >= length, "{path} is shorter than {place} says");
    file.set_len(length)?; // lines behind the place come again
    let list = || room.messages().limit(200);
    let mut messages = last.map_or_else(|| Ok(list().stream()), |place| list().stream_from(&place))?;
    let mut more = true;
    while more {
        let batch = messages.next_batch(1_000).await?;
        let lines = batch.items.iter().map(|message| Ok(serde_json::to_string(message)? + "\n"));
        file.write_all(lines.collect::<Result<String>>()?.as_bytes())?;
        file.sync_data()?; // the lines are on the disk before the place behind them
        save(&place, &(file.metadata()?.len(), Some(messages.checkpoint())))?;
        more = batch.more;
    }
    println!("{path} has all messages, {} bytes", file.metadata()?.len());
    Ok(())
}

fn save(place: &str, state: &(u64, Option<Checkpoint>)) -> Result<()> {
    let new = format!("{place}.new");
    fs::write(&new, serde_json::to_vec(state)?)?;
    File::open(&new)?.sync_all()?;
    Ok(fs::rename(new, place)?) // as a whole, or not at all
}
