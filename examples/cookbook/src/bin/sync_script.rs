//! Prints the rooms of a Chatwork account with unread messages, in a program without `async`: `sync_script`. Reads
//! `CHATWORK_API_TOKEN`.
use anyhow::Result;
use kaiwa::chatwork;
use tokio::runtime;

fn main() -> Result<()> {
    // One runtime for the whole program: the connections of a client end with the runtime that opened them.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let chatwork = chatwork::Client::from_env()?;

    let rooms = runtime.block_on(chatwork.rooms().send())?;
    for room in rooms.iter().filter(|room| room.unread_num > 0) {
        println!("{}: {} unread, {} of them to me", room.name, room.unread_num, room.mention_num);
    }
    let status = runtime.block_on(chatwork.my_status().send())?;
    println!("{} unread in {} rooms", status.unread_num, status.unread_room_num);
    Ok(())
}
