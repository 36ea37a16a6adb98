//! Tokens that outlive the process, and stores that fail or are shared.

use super::*;
use kaiwa::ErrorKind;
use kaiwa::oauth::FileTokenStore;
use std::path::PathBuf;

/// A temporary folder, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kaiwa-oauth-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn sorted(&self) -> Vec<String> {
        let mut files = self.files();
        files.sort();
        files
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the folder is there");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_restarted_program_uses_the_stored_tokens() {
    let folder = Folder::new("restart");
    let file = folder.0.join("tokens.json");
    let world = World::new().await;
    world.api(&["first", "second"]).await;
    world.token_endpoint([issued("first", Some("refresh-1")), issued("second", Some("refresh-2"))]).await;
    let oauth = || world.builder().store(FileTokenStore::new(&file)).build().expect("good settings");
    assert!(oauth().restore().await.expect("readable").is_none());

    let login = oauth().resume_login("state", VERIFIER).expect("good");
    let authorization = login.finish("c", "state").await.expect("tokens");
    assert!(authorization.is_saved());
    drop(authorization);

    let restored = oauth().restore().await.expect("readable").expect("tokens");
    assert!(restored.is_saved());
    assert_eq!(restored.tokens().expires_at, Some(world.now() + Duration::from_secs(900)));
    assert_eq!(restored.tokens().scopes, ["users.all:read"]);
    let client = world.client(&restored);
    client.my_status().await.expect("the stored token");
    world.advance(840);
    client.my_status().await.expect("a renewed token");

    let restored = oauth().restore().await.expect("readable").expect("tokens");
    world.client(&restored).my_status().await.expect("the stored token");
    assert_eq!(world.bearers().await, ["first", "second", "second"]);
    assert_eq!(secret(&restored.tokens().refresh_token.expect("rotated")), "refresh-2");
    assert_eq!(folder.sorted(), ["tokens.json", "tokens.json.lock"]);
    #[cfg(unix)]
    {
        let metadata = std::fs::metadata(&file).expect("the file is there");
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_foreign_file_is_an_error_that_does_not_quote_it() {
    let folder = Folder::new("broken");
    let file = folder.0.join("tokens.json");
    std::fs::write(&file, r#"{"access_token": ["canary"]}"#).expect("written");
    let world = World::new().await;
    let oauth = world.builder().store(FileTokenStore::new(&file)).build().expect("good settings");
    let error = oauth.restore().await.expect_err("not tokens");
    assert!(matches!(error.kind(), ErrorKind::Token(_)));
    assert!(error.to_string().contains("tokens.json") && !error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn a_save_that_fails_leaves_nothing_behind_and_keeps_the_old_file() {
    let folder = Folder::new("failing");
    // A folder that is not empty cannot be replaced by a file.
    let file = folder.0.join("tokens.json");
    std::fs::create_dir_all(file.join("inside")).expect("a folder");
    FileTokenStore::new(&file).save(&TokenSet::new("a")).await.expect_err("it cannot be replaced");
    assert_eq!(folder.files(), ["tokens.json"]);
    assert!(file.join("inside").is_dir());
    FileTokenStore::new("/").save(&TokenSet::new("a")).await.expect_err("not a file");
}

/// The file that a killed save leaves behind.
fn left_behind(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.0.join(format!("{name}.0123456789abcdef0123456789abcdef.tmp"));
    std::fs::write(&path, r#"{"access_token":"canary""#).expect("written");
    path
}

#[tokio::test]
async fn files_of_killed_saves_are_removed_and_no_others() {
    let folder = Folder::new("killed");
    let store = FileTokenStore::new(folder.0.join("tokens.json"));
    let others = [
        "tokens.json.bak",
        "tokens.json.tmp",
        "tokens.json.0123456789abcdef.tmp",
        "tokens.json.0123456789abcdef0123456789abcdeg.tmp",
        "tokens.json.0123456789abcdef0123456789abcdef.tmp.bak",
        "other.json.0123456789abcdef0123456789abcdef.tmp",
        "tokens.json.old.0123456789abcdef0123456789abcdef.tmp",
    ];
    for name in others {
        std::fs::write(folder.0.join(name), "kept").expect("written");
    }
    std::fs::create_dir(folder.0.join("tokens.json.00000000000000000000000000000000.tmp")).expect("a folder");
    // A file that is being written is locked.
    let written = folder.0.join("tokens.json.11111111111111111111111111111111.tmp");
    let lock = std::fs::File::create(&written).expect("a file");
    lock.lock().expect("no one else has it");

    let left = left_behind(&folder, "tokens.json");
    assert!(store.load().await.expect("readable").is_none());
    assert!(!left.exists());
    left_behind(&folder, "tokens.json");
    store.save(&TokenSet::new("a")).await.expect("saved");
    assert!(!left.exists());
    assert_eq!(folder.files().len(), others.len() + 3, "{:?}", folder.files());
    drop(lock);
    store.load().await.expect("readable").expect("tokens");
    assert!(!written.exists(), "its lock went with its process");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_saves_and_loads_do_not_remove_each_others_files() {
    let folder = Folder::new("together");
    let file = folder.0.join("tokens.json");
    FileTokenStore::new(&file).save(&TokenSet::new("0")).await.expect("saved");
    let tasks = (0..200).map(|number| {
        // The same as several processes.
        let store = FileTokenStore::new(&file);
        tokio::spawn(async move {
            store.save(&TokenSet::new(number.to_string())).await.expect("saved");
            store.load().await.expect("readable").expect("tokens");
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    assert_eq!(folder.files(), ["tokens.json"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_kept_and_its_target_is_replaced() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new("links");
    let inside = folder.0.join("inside");
    std::fs::create_dir(&inside).expect("a folder");
    let [absolute, relative, chain, nowhere] =
        ["absolute", "relative", "chain", "nowhere"].map(|name| folder.0.join(name));
    symlink(inside.join("a.json"), &absolute).expect("a link");
    symlink("inside/../inside/b.json", &relative).expect("a link");
    symlink("relative", &chain).expect("a link");
    std::fs::write(inside.join("b.json"), "{}").expect("written");
    symlink("no such folder/c.json", &nowhere).expect("a link");
    // An earlier version left these files beside the links, and this one leaves them beside the targets.
    let left = [left_behind(&folder, "absolute"), inside.join("a.json.0123456789abcdef0123456789abcdef.tmp")];
    std::fs::write(&left[1], "canary").expect("written");

    // The target of the first link does not exist yet.
    for (path, target, token) in
        [(&absolute, "a.json", "1"), (&relative, "b.json", "2"), (&chain, "b.json", "3")]
    {
        let store = FileTokenStore::new(path);
        store.save(&TokenSet::new(token)).await.expect("saved");
        assert!(std::fs::symlink_metadata(path).expect("it is there").is_symlink());
        assert!(std::fs::symlink_metadata(inside.join(target)).expect("it is there").is_file());
        let loaded = store.load().await.expect("readable").expect("tokens");
        assert_eq!(secret(&loaded.access_token), token);
    }
    assert!(left.iter().all(|path| !path.exists()));
    let store = FileTokenStore::new(&nowhere);
    assert!(store.load().await.expect("nothing is there").is_none());
    store.save(&TokenSet::new("a")).await.expect_err("its folder is missing");
    assert_eq!(folder.files().len(), 5, "{:?}", folder.files());
    assert_eq!(std::fs::read_dir(&inside).expect("it is there").count(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn only_regular_files_are_read_and_replaced() {
    use std::os::unix::fs::{FileTypeExt, symlink};

    let folder = Folder::new("odd");
    let [pipe, link, round] = ["pipe", "link", "round"].map(|name| folder.0.join(name));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("it can be run").success());
    symlink("pipe", &link).expect("a link");
    symlink("round", &round).expect("a link");
    for (path, problem) in
        [(&pipe, "not a regular file"), (&link, "not a regular file"), (&round, "back to itself")]
    {
        let store = FileTokenStore::new(path);
        let loaded = store.load().await.expect_err(problem).to_string();
        let saved = store.save(&TokenSet::new("canary")).await.expect_err(problem).to_string();
        assert!(loaded.contains(problem) && saved.contains(problem), "{loaded} {saved}");
    }
    assert!(std::fs::metadata(&link).expect("it is there").file_type().is_fifo());
    assert_eq!(folder.files().len(), 3);
}

#[tokio::test]
async fn tokens_that_cannot_be_saved_are_used_and_not_forgotten() {
    let world = World::new().await;
    world.api(&["first", "second", "third"]).await;
    let answers = [("first", "refresh-1"), ("second", "refresh-2"), ("third", "refresh-3")];
    world.token_endpoint(answers.map(|(access, refresh)| issued(access, Some(refresh)))).await;
    let store = Watched::default();
    store.fail(Some("the disk is full"));
    let oauth = world.builder().store(store.clone()).build().expect("good settings");
    let login = oauth.resume_login("state", VERIFIER).expect("good");
    let authorization =
        login.finish("c", "state").await.expect("a code cannot be used again, so this is not an error");
    assert!(!authorization.is_saved());
    let error = authorization.save().await.expect_err("it is full");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    let client = world.client(&authorization);
    client.my_status().await.expect("the token is good");
    world.advance(900);
    client.my_status().await.expect("the next token is good, too");
    assert!(!authorization.is_saved());
    store.fail(None);
    authorization.save().await.expect("there is room");
    authorization.save().await.expect("nothing to do");
    assert!(authorization.is_saved());
    world.advance(900);
    client.my_status().await.expect("the next token is good, too");
    assert_eq!(store.saved(), ["second refresh-2", "third refresh-3"]);
}

#[tokio::test]
async fn unsaved_tokens_are_not_replaced_by_older_ones_from_the_store() {
    let world = World::new().await;
    world.token_endpoint([issued("second", Some("refresh-2")), issued("third", Some("refresh-3"))]).await;
    let store = Watched::default();
    let authorization = world.authorization(world.builder().store(store.clone()));
    authorization.save().await.expect("saved");
    store.fail(Some("the disk is full"));
    authorization.refresh().await.expect("tokens");
    store.fail(None);
    authorization.refresh().await.expect("tokens");
    let sent: Vec<_> = world.forms().await.iter().map(|form| form["refresh_token"].clone()).collect();
    assert_eq!(sent, ["refresh-1", "refresh-2"]);
    assert!(authorization.is_saved());
}

#[tokio::test]
async fn tokens_renewed_by_another_process_are_read_from_the_store() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = MemoryTokenStore::new();
    let one = world.authorization(world.builder().store(store.clone()));
    one.save().await.expect("saved");
    let other = world.builder().store(store).build().expect("good").restore().await.expect("readable");
    let other = other.expect("tokens");
    world.advance(900);
    world.client(&one).my_status().await.expect("renewed");
    world.client(&other).my_status().await.expect("taken over");
    assert_eq!(world.forms().await.len(), 1);
    assert_eq!(secret(&other.tokens().refresh_token.expect("rotated")), "refresh-2");
}

#[tokio::test]
async fn a_later_login_revives_the_clients_of_an_ended_authorization() {
    let world = World::new().await;
    world.api(&["again"]).await;
    world.token_endpoint([refused(400, "invalid_grant"), issued("again", Some("refresh-9"))]).await;
    let oauth = world.builder().build().expect("good settings");
    let tokens = TokenSet::new("old").with_refresh_token("refresh-1").with_expiry(world.now());
    let authorization = oauth.authorization(tokens).expect("a good token");
    authorization.save().await.expect("saved");
    let client = world.client(&authorization);
    client.my_status().await.expect_err("ended");
    assert!(authorization.needs_login());
    let login = oauth.resume_login("state", VERIFIER).expect("good");
    login.finish("c", "state").await.expect("tokens");
    authorization.refresh().await.expect("the new tokens are in the store");
    client.my_status().await.expect("it goes on");
    assert!(!authorization.needs_login());
    assert_eq!(world.forms().await.len(), 2);
}

#[tokio::test]
async fn each_account_has_a_store() {
    let world = World::new().await;
    world.token_endpoint([issued("hers", None), issued("his", None)]).await;
    let oauth = world.builder().build().expect("good settings");
    let [hers, his] = [oauth.with_store(MemoryTokenStore::new()), oauth.with_store(MemoryTokenStore::new())];
    for oauth in [&hers, &his] {
        oauth.resume_login("state", VERIFIER).expect("good").finish("c", "state").await.expect("tokens");
    }
    for (oauth, token) in [(hers, "hers"), (his, "his")] {
        let authorization = oauth.restore().await.expect("readable").expect("tokens");
        assert_eq!(secret(&authorization.tokens().access_token), token);
    }
    assert!(oauth.restore().await.expect("readable").is_none());
}

#[tokio::test]
async fn a_silent_store_times_out() {
    let world = World::new().await;
    let store = Watched::default();
    let _gate = store.close();
    let oauth = world.builder().store(store).build().expect("good settings");
    let error = world.clock.drive(oauth.restore()).await.expect_err("it hangs");
    assert!(error.to_string().contains("the store did not respond within 10s"), "{error}");
    let authorization = oauth.authorization(TokenSet::new("a")).expect("good");
    let error = world.clock.drive(authorization.save()).await.expect_err("it hangs");
    assert!(error.to_string().contains("the store did not finish within 10s"), "{error}");
    assert_eq!(error.outcome(), kaiwa::Outcome::NotSent);
    assert!(!authorization.is_saved());
}

#[tokio::test]
async fn a_late_save_is_not_lost_and_precedes_later_ones() {
    let world = World::new().await;
    world.api(&["second", "third"]).await;
    world.token_endpoint([issued("second", Some("refresh-2")), issued("third", Some("refresh-3"))]).await;
    let store = Watched::default();
    // Without a timeout of the request, to which the driven clock would jump.
    let authorization = world.authorization(world.builder().timeout(None).store(store.clone()));
    let gate = store.close();
    for _ in 0..2 {
        world.clock.drive(authorization.refresh()).await.expect("tokens that are not saved are used");
        assert!(!authorization.is_saved());
    }
    world.client(&authorization).my_status().await.expect("the newest");
    gate.send_replace(true);
    while store.saved().len() < 2 {
        tokio::task::yield_now().await;
    }
    authorization.save().await.expect("nothing is left to do");
    assert_eq!(store.saved(), ["second refresh-2", "third refresh-3"]);
    assert!(authorization.is_saved());
}

#[tokio::test]
async fn a_store_that_quotes_the_old_tokens_is_not_quoted() {
    let world = World::new().await;
    world.token_endpoint([issued("new-access-token", None)]).await;
    let store = Watched::default();
    let oauth = world.builder().client_secret("client-secret").store(store.clone()).build().expect("good");
    let tokens = TokenSet::new("old-access-token").with_refresh_token("old-refresh-token");
    let authorization = oauth.authorization(tokens).expect("good");
    store.fail(Some(
        "old-access\u{0}-token old-refresh\n-token client\u{200b}-secret Y2xpZW50LWlkOmNsaWVudC1zZWNyZXQ",
    ));
    let error = authorization.save().await.expect_err("it fails");
    assert!(error.to_string().contains(": [redacted] [redacted] [redacted] [redacted]."), "{error}");
}
