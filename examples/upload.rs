//! Uploads a file to a Chatwork room with a progress bar, downloads it again, and compares the two.
//!
//! ```text
//! cargo run --example upload [FILE]
//! ```
//!
//! It shows an upload that can be retried without being in memory, its progress, and a download to a file that resumes where
//! its connection broke. Chatwork accepts files of up to 5 MiB. Without FILE, one is generated. The copy is written beside the
//! file, as `<FILE>.downloaded`, and replaces an existing one.
//!
//! With `CHATWORK_API_TOKEN` it talks to the service, and posts the file to the room in `CHATWORK_ROOM`, or else to your own
//! "My Chat", where you can delete it again. Without, the sandbox plays the service in this process: it is slow, refuses the
//! first upload, and cuts the first download off in the middle.

use indicatif::{ProgressBar, ProgressStyle};
use kaiwa::chatwork::{Client, RoomId};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{Progress, Upload};
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, iter};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = if env::var_os("CHATWORK_API_TOKEN").is_none() { Some(play().await?) } else { None };
    let client = match &sandbox {
        Some(sandbox) => sandbox.clients().chatwork,
        None => Client::from_env()?,
    };
    let room = match env::var("CHATWORK_ROOM") {
        Ok(room) if sandbox.is_none() => RoomId(room.parse()?),
        _ => client.me().await?.room_id,
    };
    match env::args_os().nth(1) {
        Some(path) => there_and_back(&client, room, Path::new(&path)).await,
        None => {
            let directory = env::temp_dir().join(format!("kaiwa-upload-{}", std::process::id()));
            fs::create_dir_all(&directory)?;
            let path = directory.join("写真.bin");
            let done = match generate(&path, 3 << 20) {
                Ok(()) => there_and_back(&client, room, &path).await,
                Err(error) => Err(error.into()),
            };
            fs::remove_dir_all(&directory)?;
            done
        }
    }
}

/// A sandbox with faults, slow enough to show the bars.
async fn play() -> io::Result<Sandbox> {
    println!("CHATWORK_API_TOKEN is not set, so the service is played by the sandbox, on this machine.");
    let sandbox = Sandbox::start().await?;
    let faults = sandbox.faults();
    let busy = Fault::too_many_requests(Some(Duration::from_secs(1)));
    faults.script(Provider::Chatwork, Script::on("upload_file").then(busy));
    let trickle = Fault::trickle(Duration::from_millis(50));
    faults.script(
        Provider::Chatwork,
        Script::on("download_file").then(Fault::short_body()).then(trickle).forever(),
    );
    Ok(sandbox)
}

async fn there_and_back(client: &Client, room: RoomId, path: &Path) -> Result<(), Box<dyn Error>> {
    let room = client.room(room);
    let upload = Upload::path(path).await?;
    let (name, length) = (upload.name().to_owned(), upload.len());
    let media_type = upload.media_type().unwrap_or("no known type").to_owned();

    let up = bar("up", length)?;
    let sent = room.upload(upload.on_progress(follow(&up))).message("kaiwa からファイルです").await?;
    up.finish();
    println!("uploaded   {name}: {length} bytes, {media_type}, in {} attempt(s)", sent.attempts());

    let mut copy = OsString::from(path);
    copy.push(".downloaded");
    let copy = PathBuf::from(copy);
    let down = bar("down", length)?;
    let saved = room.file(sent.file_id).download().on_progress(follow(&down)).to_file(&copy).await?;
    down.finish();
    println!("downloaded {}: {} bytes", saved.filename, saved.filesize);

    if !same(path, &copy)? {
        return Err(format!("{} is not what was uploaded", copy.display()).into());
    }
    println!("compared   the copy is the same, byte for byte");
    Ok(())
}

fn bar(title: &'static str, length: u64) -> Result<ProgressBar, Box<dyn Error>> {
    let style = ProgressStyle::with_template("{prefix:>4} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}")?;
    Ok(ProgressBar::new(length).with_style(style).with_prefix(title))
}

fn follow(bar: &ProgressBar) -> impl Fn(Progress) + Send + Sync + 'static {
    let bar = bar.clone();
    move |progress| bar.set_position(progress.bytes)
}

/// Bytes without repeated parts, so that a misplaced part would be noticed.
fn generate(path: &Path, length: usize) -> io::Result<()> {
    let numbers = iter::successors(Some(1_u32), |number| {
        Some(number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    });
    fs::write(path, numbers.map(|number| (number >> 24) as u8).take(length).collect::<Vec<u8>>())
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (io::BufReader::new(File::open(one)?), io::BufReader::new(File::open(other)?));
    let (mut one, mut other) = (one.bytes(), other.bytes());
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (one, other) if one != other => return Ok(false),
            _ => {}
        }
    }
}
