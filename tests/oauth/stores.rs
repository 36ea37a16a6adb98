//! Tokens that outlive the process, and stores that fail or are shared.

use super::*;
use kaiwa::ErrorKind;
use kaiwa::oauth::FileTokenStore;
use std::path::PathBuf;

/// A folder of its own, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kaiwa-oauth-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
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
async fn a_restarted_program_goes_on_with_the_stored_tokens() {
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
    assert_eq!(folder.files(), ["tokens.json"]);
    #[cfg(unix)]
    {
        let metadata = std::fs::metadata(&file).expect("the file is there");
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_an_error_that_does_not_repeat_it() {
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
        login.finish("c", "state").await.expect("a code cannot be had again, so this is no error");
    assert!(!authorization.is_saved());
    let error = authorization.save().await.expect_err("it is full");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    let client = world.client(&authorization);
    client.my_status().await.expect("the token is good");
    world.advance(900);
    client.my_status().await.expect("so is the next");
    assert!(!authorization.is_saved());
    store.fail(None);
    authorization.save().await.expect("there is room");
    authorization.save().await.expect("nothing to do");
    assert!(authorization.is_saved());
    world.advance(900);
    client.my_status().await.expect("so is the next");
    assert_eq!(store.saved(), ["second refresh-2", "third refresh-3"]);
}

#[tokio::test]
async fn unsaved_tokens_are_not_given_up_for_older_ones_in_the_store() {
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
async fn what_another_process_has_renewed_is_taken_from_the_store() {
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
async fn each_person_has_a_store() {
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
