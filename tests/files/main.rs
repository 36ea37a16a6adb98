//! Uploads and downloads: the requests, recovery from failures, and the files on disk afterwards.

mod download;
mod events;
#[path = "../common/server.rs"]
mod scripted;
mod server;
mod to_file;
mod upload;

use kaiwa::chatwork::{FileHandle, RoomHandle, RoomId};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::{Recorded, Sandbox};
use kaiwa::{Progress, VirtualClock};
use std::sync::{Arc, Mutex};

/// Neighbouring parts always differ, so a misplaced part is noticed.
fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A sandbox on a virtual clock, with a file of these bytes in room 1.
struct World {
    sandbox: Sandbox,
    clock: VirtualClock,
    room: RoomHandle,
    file: FileHandle,
}

async fn world(bytes: &[u8]) -> World {
    let room = Room::group(1, "Files").admin(1).file(1, "見積.pdf", bytes.to_vec());
    let seed = Seed::new().account(Account::new(1, "Bot").token("bot-token")).room(room).unlimited();
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
    let room = sandbox.chatwork_client("bot-token").build().expect("a client").room(RoomId(1));
    let id = sandbox.chatwork().room(1).files()[0].file_id;
    let file = room.file(id);
    World { sandbox, clock, room, file }
}

impl World {
    /// The requests of one operation.
    fn requests(&self, operation: &str) -> Vec<Recorded> {
        let mut requests = self.sandbox.requests();
        requests.retain(|request| request.operation == Some(operation));
        requests
    }
}

/// Records progress.
#[derive(Clone, Default)]
struct ProgressLog(Arc<Mutex<Vec<Progress>>>);

impl ProgressLog {
    fn listen(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let log = self.0.clone();
        move |progress| log.lock().expect("not poisoned").push(progress)
    }

    fn bytes(&self) -> Vec<u64> {
        self.0.lock().expect("not poisoned").iter().map(|progress| progress.bytes).collect()
    }

    fn totals(&self) -> Vec<u64> {
        let mut totals: Vec<u64> =
            self.0.lock().expect("not poisoned").iter().map(|progress| progress.total).collect();
        totals.dedup();
        totals
    }
}
