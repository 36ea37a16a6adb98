//! The calls over hours, while a part of the service has failed permanently.

use super::super::room::Position;
use super::super::subscriber::{Mailbox, Subscription};
use super::*;
use crate::{ErrorKind, Outcome};
use reqwest::StatusCode;

const MINUTE: Duration = Duration::from_secs(60);

/// A stream of these rooms, or of all.
fn subscriber(rooms: &[u64], all: bool) -> Subscriber {
    let [min, max, recheck] = [2, 60, 300].map(Duration::from_secs);
    let subscription = |room: &u64| {
        (RoomId(*room), Subscription { seen: None, from_now: false, awaited: false, missing: 0 })
    };
    let rooms = rooms.iter().map(subscription).collect();
    let pace = WatchPace { min, max, recheck, budget_share: 0.5 };
    Subscriber { pace, all, rooms, absent: Position::Window, unknown: 0, mailbox: Mailbox::default() }
}

fn failure(kind: ErrorKind) -> Error {
    Error::new(kind, Outcome::Unknown)
}

fn refused() -> ErrorKind {
    ErrorKind::Status(StatusCode::FORBIDDEN)
}

fn broken() -> ErrorKind {
    ErrorKind::Status(StatusCode::INTERNAL_SERVER_ERROR)
}

fn silent() -> ErrorKind {
    ErrorKind::Timeout(MINUTE)
}

fn no_token() -> ErrorKind {
    ErrorKind::Token("gone".to_owned())
}

/// The list of these rooms, with a new version of each room in every list.
fn busy(rooms: impl IntoIterator<Item = u64>, number: u64) -> RoomList {
    let version = |room| (RoomId(room), RoomVersion(number, jiff::Timestamp::UNIX_EPOCH));
    RoomList { rooms: rooms.into_iter().map(version).collect(), ..RoomList::default() }
}

fn empty() -> MessageWindow {
    MessageWindow::default()
}

/// Makes calls for this long, and counts them by room; the list counts as room 0.
fn run(
    schedule: &mut Schedule,
    now: &mut Instant,
    time: Duration,
    list: impl Fn(u64) -> Result<RoomList, Error>,
    look: impl Fn(RoomId) -> Result<MessageWindow, Error>,
) -> BTreeMap<u64, u64> {
    let (end, mut calls) = (*now + time, BTreeMap::<u64, u64>::new());
    while *now < end {
        match schedule.next_call(None, *now) {
            NextCall::Wait(wait) => *now += wait.expect("there is a subscriber"),
            NextCall::ReadList => {
                let number = calls.entry(0).or_default();
                *number += 1;
                schedule.on_list(list(*number), 1, *now);
            }
            NextCall::ReadRoom(room, version) => {
                *calls.entry(room.0).or_default() += 1;
                schedule.on_room(room, version, look(room), 1, *now);
            }
        }
    }
    calls
}

fn started(subscriber: Subscriber) -> (Schedule, Instant) {
    let (mut schedule, now) = (Schedule::default(), Instant::now());
    schedule.add(subscriber, now);
    (schedule, now)
}

#[test]
fn rooms_that_always_fail_do_not_delay_others() {
    for kind in [broken, silent, no_token] {
        for bad in [1, 5, 15] {
            let (mut schedule, mut now) = started(subscriber(&[], true));
            let list = |number| Ok(busy(1..=20, number));
            let look = |room: RoomId| if room.0 <= bad { Err(failure(kind())) } else { Ok(empty()) };
            let calls = run(&mut schedule, &mut now, 360 * MINUTE, list, look);
            // They share about 9800 calls: changes in every room take the whole budget.
            assert!(
                calls[&0] > 360 && (bad + 1..=20).all(|room| calls[&room] > 360),
                "{:?} {calls:?}",
                kind()
            );
            assert!((1..=bad).all(|room| (72..=480).contains(&calls[&room])), "{:?} {calls:?}", kind());
        }
    }
}

#[test]
fn a_room_that_recovers_is_polled_as_often_as_the_others() {
    let (mut schedule, mut now) = started(subscriber(&[1, 2], false));
    let list = |number| Ok(busy([1, 2], number));
    let bad = |room: RoomId| if room.0 == 1 { Err(failure(broken())) } else { Ok(empty()) };
    run(&mut schedule, &mut now, 60 * MINUTE, list, bad);
    run(&mut schedule, &mut now, MINUTE, list, |_| Ok(empty()));
    let calls = run(&mut schedule, &mut now, 10 * MINUTE, list, |_| Ok(empty()));
    assert!(calls[&1].abs_diff(calls[&2]) <= 1 && calls[&1] > 50, "{calls:?}");
}

#[test]
fn rooms_are_polled_without_the_list() {
    for known in [false, true] {
        let (mut schedule, mut now) = started(subscriber(&[1, 2, 3], false));
        if known {
            run(&mut schedule, &mut now, MINUTE, |number| Ok(busy(1..=3, number)), |_| Ok(empty()));
        }
        let calls = run(&mut schedule, &mut now, 60 * MINUTE, |_| Err(failure(broken())), |_| Ok(empty()));
        assert!((1..=3).all(|room| calls[&room] >= 55) && (50..=90).contains(&calls[&0]), "{calls:?}");
        // Once the list works again, they are not polled without it.
        let list = |_| Ok(busy(1..=3, 1));
        run(&mut schedule, &mut now, 2 * MINUTE, list, |_| Ok(empty()));
        let calls = run(&mut schedule, &mut now, 60 * MINUTE, list, |_| Ok(empty()));
        assert!((1..=3).all(|room| (11..=12).contains(&calls[&room])), "{calls:?}");
    }
}

#[test]
fn the_list_is_retried_even_if_polling_all_rooms_takes_the_whole_budget() {
    let rooms: Vec<u64> = (1..=100).collect();
    let (mut schedule, mut now) = started(subscriber(&rooms, false));
    let calls = run(&mut schedule, &mut now, 60 * MINUTE, |_| Err(failure(refused())), |_| Ok(empty()));
    assert!(rooms.iter().all(|room| calls[room] >= 10) && (11..=13).contains(&calls[&0]), "{calls:?}");
}

#[test]
fn while_everything_fails_there_are_few_calls() {
    let (mut schedule, mut now) = started(subscriber(&[], true));
    run(&mut schedule, &mut now, MINUTE, |number| Ok(busy(1..=50, number)), |_| Ok(empty()));
    let calls =
        run(&mut schedule, &mut now, 60 * MINUTE, |_| Err(failure(silent())), |_| Err(failure(silent())));
    assert!((60..=90).contains(&calls.values().sum::<u64>()), "{calls:?}");
    // Then the list shows at once which rooms have changed, without polling every room.
    let list = |_| Ok(busy([7], 1000));
    let calls = run(&mut schedule, &mut now, 2 * MINUTE, list, |_| Ok(empty()));
    assert!(calls[&7] >= 1 && calls.values().sum::<u64>() - calls[&0] < 10, "{calls:?}");
}
