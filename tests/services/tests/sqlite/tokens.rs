//! Tokens in a SQLite file, and who refreshes them.

use crate::{Place, entry};
use kaiwa::VirtualClock;
use kaiwa::oauth::{ExposeSecret, TokenSet, TokenStore};
use kaiwa::outbox::OutboxStore;
use kaiwa::store::{Sqlite, SqliteTokens};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn file(place: &Place) -> Sqlite {
    Sqlite::open(&place.path).await.expect("it can be opened")
}

async fn tokens(place: &Place) -> SqliteTokens {
    file(place).await.tokens("person").expect("a name")
}

fn set(access: &str) -> TokenSet {
    TokenSet::new(access).with_refresh_token(format!("refresh of {access}"))
}

#[tokio::test]
async fn tokens_are_kept_and_no_text_shows_them() {
    let place = Place::new();
    let (one, other) = (tokens(&place).await, tokens(&place).await);
    assert!(one.load().await.expect("it is read").is_none());
    one.save(&set("access-canary")).await.expect("it is stored");
    assert!(
        file(&place).await.tokens("another").expect("a name").load().await.expect("it is read").is_none()
    );
    let loaded = other.load().await.expect("it is read").expect("they were saved");
    assert_eq!(loaded.access_token.expose_secret(), "access-canary");
    for end in ["", "-wal", "-shm"] {
        let mode = fs::metadata(place.beside(end)).expect("it is there").mode();
        assert_eq!(mode & 0o777, 0o600, "{end}");
    }
    let shown = format!("{one:?} {:?} {:?}", file(&place).await, one.lease().await.expect("nobody has it"));
    assert!(shown.contains("outbox.db") && shown.contains("person") && !shown.contains("canary"), "{shown}");
    for garbage in ["'garbage-canary'", "x'00ff'", "17"] {
        let sql = format!("UPDATE tokens SET tokens = {garbage}");
        place.connection().execute_batch(&sql).expect("it can be written");
        let error = one.load().await.expect_err("those are no tokens");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("outbox.db") && !shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn replaced_tokens_are_in_no_file() {
    let place = Place::new();
    let store = tokens(&place).await;
    for number in 0..20 {
        store.save(&set(&format!("access-{number}-{}", "x".repeat(3_000)))).await.expect("it is stored");
    }
    for end in ["", "-wal"] {
        let bytes = fs::read(place.beside(end)).expect("it is there");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!(0..19).any(|number| text.contains(&format!("access-{number}-"))), "{end}");
        assert_eq!(text.contains("access-19-"), end.is_empty());
    }
}

#[tokio::test]
async fn a_file_of_the_other_kind_is_refused_and_left_as_it_is() {
    let place = Place::new();
    place.open().await.enqueue(entry("a")).await.expect("it is stored");
    place.closed().await;
    let error = Sqlite::open(&place.path).await.expect_err("it is an outbox").to_string();
    assert!(error.contains("the database of something else"), "{error}");
    assert!(place.open().await.get("a").await.expect("it is read").is_some());
    let place = Place::new();
    tokens(&place).await.save(&set("access")).await.expect("it is stored");
    assert!(place.refusal().await.contains("the database of something else"));
    assert!(tokens(&place).await.load().await.expect("it is read").is_some());
}

#[tokio::test]
async fn what_others_may_use_is_refused() {
    let place = Place::new();
    tokens(&place).await.save(&set("access-canary")).await.expect("it is stored");
    place.closed().await;
    let refusal = async || {
        let error = Sqlite::open(&place.path).await.expect_err("it is refused").to_string();
        assert!(error.starts_with("the store failed: the file ") && !error.contains("canary"), "{error}");
        error
    };
    let set_mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it can be set");
    };
    set_mode(&place.path, 0o640);
    assert!(refusal().await.contains("chmod 600"));
    set_mode(&place.path, 0o600);
    set_mode(place.folder.path(), 0o777);
    assert!(refusal().await.contains("every user can write in its folder"));
    set_mode(place.folder.path(), 0o700);
    fs::rename(&place.path, place.folder.path().join("real")).expect("it is there");
    symlink(place.folder.path().join("real"), &place.path).expect("a link");
    assert!(refusal().await.contains("symbolic link"));
}

#[tokio::test]
async fn names_are_checked() {
    let place = Place::new();
    let file = file(&place).await;
    for name in ["", "a b", "人", &"a".repeat(101), "a/b", "tcha0123456789abcdef0123456789abcdef"] {
        let error = file.tokens(name).expect_err("it is no name").to_string();
        assert!(!error.contains("0123456789abcdef"), "{error}");
        file.replays(name).expect_err("it is no name");
    }
    file.tokens("support-bot_1.a").expect("a name");
}

#[tokio::test]
async fn one_has_the_lease_until_it_is_dropped_or_its_process_is_gone() {
    let place = Place::new();
    let (one, other) = (tokens(&place).await, tokens(&place).await);
    let lease = one.lease().await.expect("nobody has it");
    assert!(lease.is_held());
    let elsewhere = file(&place).await.tokens("another").expect("a name");
    drop(elsewhere.lease().await.expect("another person has another lease"));
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.lease().await.expect("the file is there") }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "the other one waits");
    let dropped = Instant::now();
    drop(lease);
    let second = waiting.await.expect("no panic");
    assert!(dropped.elapsed() < Duration::from_secs(2), "{:?}", dropped.elapsed());
    // A caller that does not wait any longer leaves nothing behind.
    tokio::time::timeout(Duration::from_millis(200), one.lease()).await.expect_err("the second one has it");
    drop(second);
    let free = tokio::time::timeout(Duration::from_secs(2), one.lease()).await;
    drop(free.expect("it is free").expect("the file is there"));
}

#[tokio::test]
async fn a_lease_is_renewed_longer_than_it_lasts() {
    let place = Place::new();
    let (one, other) = (tokens(&place).await, tokens(&place).await);
    let lease = one.lease().await.expect("nobody has it");
    // A lease lasts for 10 s.
    tokio::time::timeout(Duration::from_secs(12), other.lease()).await.expect_err("it is still held");
    drop(lease);
}

/// As left by a process that was killed, with the clock as it was then.
#[tokio::test]
async fn a_lease_ends_also_if_the_clock_was_set_back() {
    let (place, clock) = (Place::new(), VirtualClock::new());
    let file = file(&place).await.with_clock(Arc::new(clock.clone()));
    let store = file.tokens("person").expect("a name");
    let leave = "INSERT OR REPLACE INTO refreshes VALUES ('person', 'somebody', 1 << 60)";
    place.connection().execute_batch(leave).expect("it can be written");
    tokio::time::timeout(Duration::from_millis(200), store.lease()).await.expect_err("somebody may live");
    clock.advance(Duration::from_secs(9));
    tokio::time::timeout(Duration::from_millis(200), store.lease()).await.expect_err("somebody may live");
    clock.advance(Duration::from_secs(1));
    drop(tokio::time::timeout(Duration::from_secs(2), store.lease()).await.expect("it has ended"));
}

#[tokio::test]
async fn while_the_file_is_locked_or_gone_nobody_may_refresh() {
    let place = Place::new();
    let store = tokens(&place).await;
    let theirs = place.connection();
    theirs.execute_batch("BEGIN IMMEDIATE").expect("nobody has it");
    let error = store.save(&set("access-canary")).await.expect_err("it is locked").to_string();
    assert!(error.contains("locked for 5 s") && !error.contains("canary"), "{error}");
    store.lease().await.expect_err("it cannot be said who may");
    theirs.execute_batch("ROLLBACK").expect("it has it");
    store.save(&set("access")).await.expect("it is stored");
    fs::rename(&place.path, place.folder.path().join("moved")).expect("it is there");
    let error = store.lease().await.expect_err("it is gone").to_string();
    assert!(error.contains("moved, removed or replaced"), "{error}");
    store.load().await.expect_err("it is gone");
}
