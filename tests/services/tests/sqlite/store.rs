//! The rules of all stores, and what belongs to SQLite.

use crate::{Place, entry, is_sound, rules};
use futures_util::FutureExt;
use kaiwa::outbox::{Change, Commit, Enqueued, Filter, NewEntry, Next, Note, OUTBOX, OutboxStore, Phase};
use kaiwa::{Clock, VirtualClock};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_store_in_sqlite_keeps_the_rules_of_all_stores() {
    let mut places = Vec::new();
    rules::all(async |clock| {
        let place = Place::new();
        let store = place.open().await.with_clock(Arc::new(clock));
        places.push(place);
        store
    })
    .await;
    places.iter().for_each(|place| is_sound(&place.path));
    let place = Place::new();
    rules::a_clock_that_is_set_back_holds_up_nothing_that_is_due(async |clock| {
        place.open().await.with_clock(clock)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_them_on_several_threads() {
    let mut places = Vec::new();
    rules::all(async |clock| {
        let place = Place::new();
        let store = place.open().await.with_clock(Arc::new(clock));
        places.push(place);
        store
    })
    .await;
}

/// The dropped future is in the midst of its claim: it waits for a lock.
#[tokio::test]
async fn an_entry_claimed_by_a_dropped_future_is_given_back() {
    let place = Place::new();
    let store = place.open().await.with_clock(Arc::new(VirtualClock::new()));
    store.enqueue(entry("a")).await.expect("it is stored");
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    assert!(store.claim(OUTBOX, LEASE).now_or_never().is_none());
    // A read waits in the queue until the claim was begun.
    let reading = tokio::spawn({
        let store = store.clone();
        async move { store.get("a").await.map(drop) }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    other.execute_batch("COMMIT").expect("it ends");
    reading.await.expect("no panic").expect("it is read");
    loop {
        match store.claim(OUTBOX, LEASE).await.expect("it can be claimed") {
            Next::Entry(..) => break,
            Next::Wait(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn what_is_blanked_is_nowhere_in_the_files() {
    const SECRET: &str = "ひみつの本文";
    let place = Place::new();
    let clock = VirtualClock::new();
    let store = place.open().await.with_clock(Arc::new(clock.clone()));
    let files = || {
        let ends = ["", "-wal"].map(|end| std::fs::read(place.beside(end)).unwrap_or_default());
        ends.concat()
    };
    let holds = |text: &str| files().windows(text.len()).any(|part| part == text.as_bytes());
    for number in 0..50 {
        let mut entry = entry(&format!("the-key-{number}"));
        entry.request = SECRET.repeat(1 + 50 * number);
        store.enqueue(entry).await.expect("it is stored");
        let Next::Entry(_, claim) = store.claim(OUTBOX, LEASE).await.expect("it can be claimed") else {
            panic!("none")
        };
        let sent = kaiwa::outbox::Change::new(Phase::Sent, SECRET);
        assert!(store.change(&claim, sent, false).await.expect("it is stored"));
    }
    assert!(holds(SECRET) && holds("the-key-7"));
    clock.advance(LEASE);
    assert_eq!(store.blank(OUTBOX, Duration::ZERO).await.expect("it is stored"), 50);
    assert!(!holds(SECRET) && !holds("the-key-") && holds("sent"), "only the rest is there");
    let again = store.enqueue(entry("the-key-7")).await.expect("it is read");
    assert!(matches!(again, Enqueued::Known(known) if known.key == "the-key-7" && known.request.is_empty()));
    let all = store.list(Filter::new(OUTBOX, 100)).await.expect("it is read");
    assert!(all.len() == 50 && all.iter().all(|entry| entry.key.is_empty()));
}

/// As what is blanked: what people said to a bot goes from the log too.
#[tokio::test]
async fn a_removed_note_is_nowhere_in_the_files() {
    const SECRET: &str = "ひみつの会話";
    let place = Place::new();
    let clock = VirtualClock::new();
    let store = place.open().await.with_clock(Arc::new(clock.clone()));
    let files = || {
        let ends = ["", "-wal"].map(|end| std::fs::read(place.beside(end)).unwrap_or_default());
        ends.concat()
    };
    let holds = || files().windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    let write = async |text: Option<String>, keep: Option<Duration>| {
        let notes = (0..20).map(|number| Note::new(format!("note {number}"), text.clone()).keep(keep));
        let commit = Commit::new(notes.collect(), Vec::new());
        assert!(store.commit(commit).await.expect("it is stored"));
    };
    for long in [1, 50, 1000] {
        write(Some(SECRET.repeat(long)), None).await;
        assert!(holds());
        write(Some("replaced".to_owned()), None).await;
        write(Some(SECRET.to_owned()), None).await;
        write(None, None).await;
        assert!(!holds(), "{long}");
        write(Some(SECRET.repeat(long)), Some(LEASE)).await;
        clock.advance(LEASE);
        assert_eq!(store.note("note 1").await.expect("it is read"), None);
        assert!(holds(), "{long}");
        assert_eq!(store.forget(OUTBOX, Duration::ZERO).await.expect("it is stored"), 0);
        assert!(!holds(), "{long}");
    }
}

#[tokio::test]
async fn queues_and_notes_are_there_when_it_is_opened_again() {
    let place = Place::new();
    let clock = VirtualClock::new();
    let open = async || place.open().await.with_clock(Arc::new(clock.clone()));
    let store = open().await;
    let notes = vec![
        Note::new("kept", "a".to_owned()),
        Note::new("a minute", "b".to_owned()).keep(LEASE),
        Note::new("removed", None),
    ];
    let entries = vec![entry("of the outbox"), entry("of a bot").queue("bot")];
    assert!(store.commit(Commit::new(notes, entries)).await.expect("it is stored"));
    drop(store);
    place.closed().await;
    let store = open().await;
    let note = async |key| store.note(key).await.expect("it is read");
    assert_eq!(note("kept").await.as_deref(), Some("a"));
    assert_eq!(note("a minute").await.as_deref(), Some("b"));
    assert_eq!(note("removed").await, None);
    clock.advance(LEASE);
    assert_eq!((note("kept").await.is_some(), note("a minute").await), (true, None));
    for (queue, key) in [("bot", "of a bot"), (OUTBOX, "of the outbox")] {
        let next = store.claim(queue, LEASE).await.expect("it is read");
        assert!(matches!(next, Next::Entry(entry, _) if entry.key == key && entry.queue == queue));
        assert!(matches!(store.claim(queue, LEASE).await.expect("it is read"), Next::Wait(Some(LEASE))));
    }
}

/// On connections of their own, as two processes have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_cross_on_two_connections_do_not_block_each_other() {
    let place = Place::new();
    rules::commits::commits_that_cross_end([Arc::new(place.open().await), Arc::new(place.open().await)])
        .await;
    is_sound(&place.path);
}

#[tokio::test]
async fn a_reader_holds_up_nobody_and_old_texts_go_from_the_log_after_it() {
    const SECRET: &str = "ひみつの本文";
    let place = Place::new();
    let store = place.open().await;
    store.enqueue(NewEntry::new("a", "1", SECRET)).await.expect("it is stored");
    let Next::Entry(_, claim) = store.claim(OUTBOX, LEASE).await.expect("it works") else { panic!("none") };
    assert!(store.change(&claim, Change::new(Phase::Sent, ""), false).await.expect("it is stored"));
    let reader = place.connection();
    reader.execute_batch("BEGIN; SELECT * FROM entries").expect("it reads");
    let began = Instant::now();
    assert_eq!(store.blank(OUTBOX, Duration::ZERO).await.expect("it is stored"), 1);
    store.enqueue(NewEntry::new("b", "1", "x")).await.expect("it is stored");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let in_log = || {
        let log = std::fs::read(place.beside("-wal")).expect("it is there");
        log.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
    };
    assert!(in_log(), "the reader needs it");
    reader.execute_batch("COMMIT").expect("it ends");
    store.enqueue(NewEntry::new("c", "1", "x")).await.expect("it is stored");
    assert!(!in_log());
}

/// The columns that the documentation names, as `sqlite3` shows them.
#[tokio::test]
async fn a_person_can_read_the_file() {
    let place = Place::new();
    let clock = VirtualClock::new();
    let store = place.open().await.with_clock(Arc::new(clock.clone()));
    store.enqueue(entry("a").not_before(clock.wall() + LEASE)).await.expect("it is stored");
    let row: String = place
        .connection()
        .query_row(
            "SELECT concat_ws('|', id, queue, key, lane, phase, request, not_before, datetime(due_at)) FROM entries",
            [],
            |row| row.get(0),
        )
        .expect("it can be read");
    let expected = "1|outbox|a|1|waiting|the request of a|2025-12-31T15:01:00.000000000Z|2025-12-31 15:01:00";
    assert_eq!(row, expected);
}

/// A clock that was set back an hour must not hold up what is due at once.
#[tokio::test]
async fn an_entry_of_the_future_is_handed_out_if_it_has_no_time() {
    let place = Place::new();
    let ahead = VirtualClock::new();
    ahead.advance(60 * LEASE);
    let store = place.open().await;
    store.clone().with_clock(Arc::new(ahead)).enqueue(entry("a")).await.expect("it is stored");
    let store = store.with_clock(Arc::new(VirtualClock::new()));
    assert!(matches!(store.claim(OUTBOX, LEASE).await.expect("it is read"), Next::Entry(..)));
    assert!(matches!(store.claim(OUTBOX, LEASE).await.expect("it is read"), Next::Wait(Some(LEASE))));
}

#[tokio::test]
async fn its_description_shows_the_path_and_nothing_else() {
    let place = Place::new();
    let store = place.open().await;
    store.enqueue(entry("a-key")).await.expect("it is stored");
    let shown = format!("{store:?}");
    assert!(shown.starts_with("SqliteOutboxStore { path: ") && !shown.contains("a-key"), "{shown}");
}

/// The file stays open while any clone lives, and closed it has nothing beside it.
#[tokio::test]
async fn the_file_is_closed_with_the_last_clone() {
    let place = Place::new();
    let store = place.open().await;
    let clone: kaiwa::outbox::SqliteOutboxStore = store.clone();
    drop(store);
    clone.enqueue(entry("a")).await.expect("it is stored");
    drop(clone);
    place.closed().await;
    assert!(!place.beside("-shm").exists());
    assert!(place.open().await.get("a").await.expect("it is read").is_some());
}
