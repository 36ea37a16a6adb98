//! Which files are opened, and who may read them.

use crate::{Place, entry};
use kaiwa::outbox::{Next, OUTBOX, OutboxStore, SqliteOutboxStore};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SCHEMA_1: &str = include_str!("../../../../src/outbox/sqlite/schema_1.sql");

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it can be set");
}

/// With the umask that shows everything to everybody.
#[test]
fn only_the_owner_can_read_the_files() {
    let place = Place::new();
    let mut child = Command::new("sh")
        .args(["-c", "umask 000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_entries"), "add"])
        .args([place.path.as_os_str(), "a".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("it is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("it prints");
    for end in ["", "-wal", "-shm"] {
        assert_eq!(mode(&place.beside(end)), 0o600, "{end}");
    }
    child.kill().expect("it runs");
    child.wait().expect("it was a child");
}

#[tokio::test]
async fn what_others_may_use_is_refused() {
    let place = Place::new();
    place.open().await.enqueue(entry("a")).await.expect("it is stored");
    place.closed().await;
    for (bits, part) in
        [(0o644, "other users"), (0o606, "other users"), (0o660, "other users"), (0o400, "read and write")]
    {
        set_mode(&place.path, bits);
        let refusal = place.refusal().await;
        assert!(refusal.contains(part) && refusal.contains("chmod 600"), "{refusal}");
        assert_eq!(mode(&place.path), bits, "it is left as it is");
    }
    set_mode(&place.path, 0o600);
    for bits in [0o777, 0o1777, 0o702] {
        set_mode(place.folder.path(), bits);
        assert!(place.refusal().await.contains("every user can write in its folder"));
    }
    set_mode(place.folder.path(), 0o775);
    assert!(place.open().await.get("a").await.expect("it is read").is_some());
}

#[tokio::test]
async fn links_and_other_things_are_refused() {
    let place = Place::new();
    let target = place.folder.path().join("target.db");
    symlink(&target, &place.path).expect("a link");
    assert!(place.refusal().await.contains("symbolic link"), "it leads nowhere");
    SqliteOutboxStore::open(&target).await.expect("it can be opened");
    assert!(place.refusal().await.contains("symbolic link"));
    fs::remove_file(&place.path).expect("it is there");
    fs::hard_link(&target, &place.path).expect("a link");
    assert!(place.refusal().await.contains("second name"));
    fs::remove_file(&place.path).expect("it is there");
    fs::create_dir(&place.path).expect("a folder");
    assert!(
        place.refusal().await.contains("no regular file")
            || place.refusal().await.contains("not a regular file")
    );
    fs::remove_dir(&place.path).expect("it is there");
    for end in ["-wal", "-shm", "-journal"] {
        symlink(&target, place.beside(end)).expect("a link");
        let refusal = place.refusal().await;
        assert!(refusal.contains(end) && refusal.contains("symbolic link"), "{refusal}");
        fs::remove_file(place.beside(end)).expect("it is there");
    }
    assert!(!place.path.exists(), "nothing was created");
}

#[tokio::test]
async fn a_folder_behind_a_link_is_used() {
    let place = Place::new();
    let real = place.folder.path().join("real");
    fs::create_dir(&real).expect("a folder");
    symlink(&real, place.folder.path().join("link")).expect("a link");
    let store =
        SqliteOutboxStore::open(place.folder.path().join("link/outbox.db")).await.expect("it can be opened");
    store.enqueue(entry("a")).await.expect("it is stored");
    assert!(real.join("outbox.db").exists() && format!("{store:?}").contains("real/outbox.db"));
}

#[tokio::test]
async fn a_place_that_does_not_exist_is_named() {
    for path in ["/none/outbox.db", "/"] {
        let error = SqliteOutboxStore::open(path).await.expect_err("there is none").to_string();
        assert!(error.starts_with(&format!("the store failed: the outbox {path}: it")), "{error}");
    }
}

#[tokio::test]
async fn a_log_without_its_file_is_not_thrown_away() {
    let place = Place::new();
    fs::write(place.beside("-wal"), "the entries of a file that was moved").expect("it can be written");
    set_mode(&place.beside("-wal"), 0o600);
    let refusal = place.refusal().await;
    assert!(refusal.contains("its -wal is there") && !place.path.exists(), "{refusal}");
    assert!(place.beside("-wal").exists());
    // Nor with an empty file, as a copy onto a full disk leaves it.
    fs::write(&place.path, "").expect("it can be written");
    set_mode(&place.path, 0o600);
    assert!(place.refusal().await.contains("its -wal is there"));
    assert!(place.beside("-wal").exists());
}

#[tokio::test]
async fn a_log_that_is_removed_while_it_is_open_is_noticed() {
    let place = Place::new();
    let store = place.open().await;
    store.enqueue(entry("a")).await.expect("it is stored");
    fs::remove_file(place.beside("-wal")).expect("it was there");
    let error = store.enqueue(entry("b")).await.expect_err("it would be lost").to_string();
    assert!(error.contains("its -wal was moved, removed or replaced"), "{error}");
}

#[tokio::test]
async fn another_database_is_left_as_it_is() {
    let place = Place::new();
    let theirs = place.connection();
    theirs.execute_batch("CREATE TABLE theirs (a)").expect("it is created");
    set_mode(&place.path, 0o600);
    assert!(place.refusal().await.contains("something else"));
    let journal: String =
        theirs.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("it can be read");
    assert_eq!(journal, "delete");
}

/// The file is made as version 1 made it.
#[tokio::test]
async fn a_file_of_version_1_is_read_and_one_of_a_newer_version_is_not() {
    let place = Place::new();
    let connection = place.connection();
    set_mode(&place.path, 0o600);
    connection.execute_batch(SCHEMA_1).expect("it is empty");
    connection
        .execute_batch(
            "PRAGMA application_id = 1801546103; PRAGMA user_version = 1;
             UPDATE settings SET value = 'salt';
             INSERT INTO entries (queue, key, key_hash, lane, phase, request, created_at, due_at) VALUES
                 ('outbox', 'a', 'c48e22d109fbdc9ea9d09115591b1613', '1', 'waiting', 'request',
                  '2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z')",
        )
        .expect("it can be written");
    let store = place.open().await;
    let Next::Entry(entry, _) = store.claim(OUTBOX, Duration::from_secs(1)).await.expect("it is read") else {
        panic!("it is not handed out")
    };
    assert_eq!((&*entry.key, &*entry.request), ("a", "request"));
    assert!(store.get("a").await.expect("it is read").is_some(), "its hash is the same");
    drop(store);
    connection.execute_batch("PRAGMA user_version = 1000").expect("it can be written");
    let refusal = place.refusal().await;
    assert!(refusal.contains("of version 1000") && refusal.contains("newer version of kaiwa"), "{refusal}");
}
