//! The waits and calls of the schedule.

use super::schedule::NextCall;
use super::window::{MessageWindow, RoomList, recognised_list, recognised_window};
use crate::chatwork::operations::{ListMessages, ListRooms};
use crate::chatwork::{Client, RoomId};
use crate::{Error, Response, RetryPolicy};
use futures::future::select;
use std::pin::pin;
use std::time::Duration;

/// Waits until a call is due, makes it, and passes its result to the schedule.
pub(super) async fn step(client: Client) {
    let (poller, clock) = (&client.state().watches, client.transport().clock());
    loop {
        let next_call = poller.next_call(client.rate_limit().as_ref(), clock.now());
        match next_call {
            NextCall::Wait(None) => poller.changed().await,
            NextCall::Wait(Some(wait)) => {
                let nap = clock.sleep(wait.max(Duration::from_millis(1)));
                select(pin!(poller.changed()), nap).await;
            }
            NextCall::ReadList => {
                let (list, calls) = list(&client).await;
                return poller.update(|schedule| schedule.on_list(list, calls, clock.now()));
            }
            NextCall::ReadRoom(room, version) => {
                let (window, calls) = window(&client, room).await;
                return poller.update(|schedule| schedule.on_room(room, version, window, calls, clock.now()));
            }
        }
    }
}

/// Reads a room with one request. It is never retried: the schedule does that, and counts the calls.
async fn window(client: &Client, room: RoomId) -> (Result<MessageWindow, Error>, u32) {
    let request = client.call(ListMessages::new(room)).force(true).lenient();
    let answer = request.with_retry(RetryPolicy::none()).send().await;
    let attempts = attempts(&answer);
    (answer.and_then(recognised_window), attempts)
}

/// Reads the list of rooms, with one request.
async fn list(client: &Client) -> (Result<RoomList, Error>, u32) {
    let request = client.call(ListRooms::new()).lenient();
    let answer = request.with_retry(RetryPolicy::none()).send().await;
    let attempts = attempts(&answer);
    if let Ok(list) = &answer {
        client.state().direct_chats.learn(&list.items);
    }
    (answer.and_then(recognised_list), attempts)
}

fn attempts<T>(answer: &Result<Response<T>, Error>) -> u32 {
    answer.as_ref().map_or_else(Error::attempts, Response::attempts)
}
