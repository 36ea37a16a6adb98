//! Exports all rooms of a TAS-CHA account with all their messages, as JSON Lines.
//!
//! ```text
//! cargo run --example export_history [OUTPUT]
//! ```
//!
//! Stop it with Ctrl-C, or kill it: the next run resumes where it was, and every message is in the file once. The checkpoint
//! beside the output has the position of the export and the length of the output at that time. The next run removes
//! everything that was written after it.
//!
//! If a room cannot be read to its end, because it was deleted or the account has left it, the output has a line of the kind
//! `skipped` with the reason, and the export continues with the next room.
//!
//! With `TASCHA_API_KEY` it talks to the service, at one unit per page. Without, the sandbox plays the service in this process,
//! slowly enough to be stopped.

use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::tascha::{Client, RoomId};
use kaiwa::{Checkpoint, Items, Paged, UndecodableItem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

/// The largest page that the service documents.
const PAGE: i64 = 200;

/// How many lines are written between two checkpoints.
const LINES_PER_CHECKPOINT: u64 = 500;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "history.jsonl".into()));
    if path.to_string_lossy().starts_with('-') {
        return Err("usage: export_history [OUTPUT]".into());
    }
    let sandbox = if env::var_os("TASCHA_API_KEY").is_none() { Some(play().await?) } else { None };
    let client = match &sandbox {
        Some(sandbox) => sandbox.clients().tascha,
        None => Client::from_env()?,
    };
    let mut export = Export::open(&path)?;
    // If the output fails, nothing is saved: the next run removes what was written after the last checkpoint.
    let ended = export.run(&client).await?;
    export.bar.abandon();
    if let Ended::Failed(error) = &ended {
        eprintln!("{error}");
        let (output, beside) = (path.display(), export.beside.display());
        eprintln!(
            "The same command resumes from here. If it always fails, remove {output} and {beside} to start over."
        );
    }
    export.save()?;
    match ended {
        Ended::Failed(_) => return Ok(ExitCode::FAILURE),
        Ended::Stopped => println!("Stopped; the same command resumes from here."),
        Ended::Complete => {
            fs::remove_file(&export.beside)?;
            let At { rooms, messages, skipped, .. } = export.at;
            println!("{messages} messages of {rooms} rooms are in {}.", path.display());
            if skipped > 0 {
                println!("{skipped} rooms could not be read to their end; their lines say why.");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A sandbox with enough in it, and slow enough, to be stopped.
async fn play() -> io::Result<Sandbox> {
    println!("TASCHA_API_KEY is not set, so the service is played by the sandbox, on this machine.");
    let rooms = (1..=10).map(|number| {
        RoomSeed::new(format!("ckroom{number}"), format!("部屋 {number}"))
            .members([Seed::USER])
            .messages(2_000)
    });
    let seed = rooms.fold(Seed::default().unlimited(), Seed::room);
    let sandbox = Sandbox::builder().tascha(seed).start().await?;
    let slow = Fault::slow_headers(Duration::from_millis(50));
    sandbox.faults().script(Provider::Tascha, Script::any().then(slow).forever());
    Ok(sandbox)
}

enum Ended {
    Complete,
    Stopped,
    /// The service failed; the export is complete up to there.
    Failed(kaiwa::Error),
}

/// Whether the rest of a room can never be read: it is gone or forbidden, its pages repeat, or its position was lost,
/// because too much was removed while the export was stopped.
fn is_lost(error: &kaiwa::Error) -> bool {
    use kaiwa::ErrorKind::{PlaceLost, RepeatedCursor};
    matches!(error.status().map(|status| status.as_u16()), Some(403 | 404))
        || matches!(error.kind(), RepeatedCursor | PlaceLost)
}

/// The position of an export.
#[derive(Default, Serialize, Deserialize)]
struct At {
    /// The length of the output.
    bytes: u64,
    rooms: u64,
    messages: u64,
    /// How many rooms could not be read to their end.
    skipped: u64,
    /// The room written last.
    list: Option<Checkpoint>,
    /// The room whose messages are being written, and the message written last.
    room: Option<(RoomId, Option<Checkpoint>)>,
}

struct Export {
    output: BufWriter<File>,
    beside: PathBuf,
    at: At,
    lines: u64,
    bar: ProgressBar,
    ctrl_c: BoxFuture<'static, io::Result<()>>,
}

impl Export {
    /// Resumes an export, or begins one.
    ///
    /// | output | checkpoint | what it is |
    /// |---|---|---|
    /// | none, or empty | none | no export yet |
    /// | none, or empty | of 0 bytes | killed before its first line |
    /// | as long as the checkpoint says, or longer | some | killed, or stopped |
    /// | shorter | some | the output was truncated |
    /// | some | none | a complete export |
    fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".checkpoint");
        let beside = PathBuf::from(beside);
        let length = match fs::metadata(path) {
            Ok(output) => output.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
        let at = match fs::read(&beside) {
            Ok(kept) => serde_json::from_slice(&kept)?,
            Err(error) if error.kind() == ErrorKind::NotFound && length == 0 => {
                // Before there is an output: one without a checkpoint is complete.
                let at = At::default();
                at.save(&beside)?;
                at
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(format!("{} is complete; remove it to export again", path.display()).into());
            }
            Err(error) => return Err(error.into()),
        };
        if length < at.bytes {
            return Err(format!("{} is shorter than {} says", path.display(), beside.display()).into());
        }
        let output = OpenOptions::new().create(true).append(true).open(path)?;
        output.set_len(at.bytes)?;
        let style = "{spinner} {elapsed} {pos} messages, {per_sec}, in {msg}";
        let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template(style)?);
        bar.set_position(at.messages);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(100));
        let ctrl_c = tokio::signal::ctrl_c().boxed();
        Ok(Self { output: BufWriter::new(output), beside, at, lines: 0, bar, ctrl_c })
    }

    /// Fails if the output does.
    async fn run(&mut self, client: &Client) -> Result<Ended, Box<dyn Error>> {
        // An item that this version cannot decode is exported unchanged.
        let list = client.rooms().limit(PAGE).lenient();
        let mut rooms = match &self.at.list {
            Some(kept) => list.stream_from(kept)?,
            None => list.stream(),
        };
        loop {
            match self.messages(client).await? {
                Ended::Complete => {}
                ended => return Ok(ended),
            }
            let room = match self.next(&mut rooms).await {
                Ok(Some(room)) => room,
                Ok(None) => return Ok(Ended::Complete),
                Err(ended) => return Ok(ended),
            };
            let id = match &room {
                Ok(room) => Some(room.id.clone()),
                Err(rejected) => rejected.value["id"].as_str().map(RoomId::from),
            };
            self.write("room", id.as_ref(), raw(room)?)?;
            self.at.rooms += 1;
            self.at.list = Some(rooms.checkpoint());
            self.at.room = id.map(|id| (id, None));
        }
    }

    /// The remaining messages of the current room.
    async fn messages(&mut self, client: &Client) -> Result<Ended, Box<dyn Error>> {
        let Some((id, kept)) = self.at.room.clone() else { return Ok(Ended::Complete) };
        self.bar.set_message(format!("{} rooms, now {id}", self.at.rooms));
        let list = client.room(&id).messages().limit(PAGE).lenient();
        let mut messages = match &kept {
            Some(kept) => list.stream_from(kept)?,
            None => list.stream(),
        };
        loop {
            let message = match self.next(&mut messages).await {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(Ended::Failed(error)) if is_lost(&error) => {
                    self.write("skipped", Some(&id), error.to_string().into())?;
                    self.at.skipped += 1;
                    break;
                }
                Err(ended) => {
                    self.at.room = Some((id, Some(messages.checkpoint())));
                    return Ok(ended);
                }
            };
            self.write("message", Some(&id), raw(message)?)?;
            self.at.messages += 1;
            self.bar.set_position(self.at.messages);
            self.lines += 1;
            // A checkpoint names some hundred items: one for every line would be most of the work.
            if self.lines.is_multiple_of(LINES_PER_CHECKPOINT) {
                self.at.room = Some((id.clone(), Some(messages.checkpoint())));
                self.save()?;
            }
        }
        self.at.room = None;
        Ok(Ended::Complete)
    }

    /// The next item, unless Ctrl-C or a failure comes first.
    async fn next<E: Paged>(&mut self, items: &mut Items<E>) -> Result<Option<E::Item>, Ended> {
        tokio::select! {
            item = items.try_next() => item.map_err(Ended::Failed),
            _ = &mut self.ctrl_c => Err(Ended::Stopped),
        }
    }

    fn write(&mut self, kind: &str, room: Option<&RoomId>, item: Value) -> io::Result<()> {
        let mut line = serde_json::to_vec(&json!({ "kind": kind, "room": room, "item": item }))?;
        line.push(b'\n');
        self.output.write_all(&line)?;
        self.at.bytes += line.len() as u64;
        Ok(())
    }

    /// The output first, so that the checkpoint never promises what is not there.
    fn save(&mut self) -> io::Result<()> {
        self.output.flush()?;
        self.output.get_ref().sync_data()?;
        self.at.save(&self.beside)
    }
}

impl At {
    /// Written under another name first, so that there is always a complete checkpoint.
    fn save(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The rename is on the disk once the folder is synced. Where a folder cannot be opened, as on Windows, it already is.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).map_or(Ok(()), |folder| folder.sync_all())
    }
}

/// An item as JSON, also one that did not decode.
fn raw<T: Serialize>(item: Result<T, UndecodableItem>) -> serde_json::Result<Value> {
    item.map_or_else(|rejected| Ok(rejected.value), serde_json::to_value)
}

#[cfg(test)]
#[path = "export_history/tests.rs"]
mod tests;
