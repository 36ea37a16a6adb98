//! A refused refresh token: one request, a mark in the store, and a login.

use super::lease::{Broken, Parts};
use super::*;
use kaiwa::Outcome;

#[tokio::test]
async fn a_refusal_is_told_to_all_processes_and_later_starts() {
    let world = World::new().await;
    world.api(&["old"]).await;
    world.token_endpoint([refused(400, "invalid_grant"), issued("again", Some("refresh-9"))]).await;
    let store = MemoryTokenStore::new();
    let [one, other] = world.two(store.clone()).await;
    world.advance(840);
    world.client(&one).my_status().await.expect("the old token is good for a minute");
    assert!(one.needs_login() && !other.needs_login());
    world.client(&other).my_status().await.expect("the old token is good for a minute");
    assert!(other.needs_login(), "it has read the mark");

    let oauth = world.builder().store(store.clone()).build().expect("good settings");
    let later = oauth.restore().await.expect("readable").expect("tokens are never removed");
    assert!(later.needs_login() && later.tokens().refresh_token_refused && later.is_saved());
    world.advance(60);
    for seconds in [0, 30, 3600] {
        world.advance(seconds);
        for authorization in [&one, &other, &later] {
            let error = world.client(authorization).my_status().await.expect_err("expired");
            assert_eq!((error.outcome(), error.code()), (Outcome::NotSent, Some("invalid_grant")));
            assert!(error.to_string().contains("log in again"), "{error}");
            let error = authorization.refresh().await.expect_err("no second try");
            assert_eq!(error.code(), Some("invalid_grant"));
        }
    }
    assert_eq!(world.forms().await.len(), 1, "in all");
    let stored = store.load().await.expect("readable").expect("kept");
    assert_eq!(secret(&stored.access_token), "old");
    assert_eq!(secret(&stored.refresh_token.expect("kept")), "refresh-1");

    // A login replaces them everywhere.
    oauth.resume_login("state", VERIFIER).expect("good").finish("c", "state").await.expect("tokens");
    world.advance(30);
    for authorization in [&one, &other, &later] {
        authorization.refresh().await.expect("the login's tokens");
        assert!(!authorization.needs_login() && !authorization.tokens().refresh_token_refused);
        assert_eq!(secret(&authorization.tokens().access_token), "again");
    }
    assert_eq!(world.forms().await.len(), 2);
}

#[tokio::test]
async fn a_refusal_is_no_end_if_the_store_has_got_other_tokens() {
    // A store without leases: another process refreshed at the same moment.
    let world = World::new().await;
    let store = Watched::default();
    let authorization = world.authorization(world.builder().store(store.clone()));
    authorization.save().await.expect("saved");
    let newer = TokenSet::new("newer").with_refresh_token("refresh-2");
    let newer = newer.with_expiry(world.now() + Duration::from_secs(1800));
    let inside = store.inside.clone();
    let saves = move |_: &Request| {
        let save = inside.save(&newer);
        futures::executor::block_on(save).expect("saved");
        refused(400, "invalid_grant")
    };
    Mock::given(method("POST")).and(path("/token")).respond_with(saves).mount(&world.server).await;
    authorization.refresh().await.expect("the other's tokens");
    assert!(!authorization.needs_login() && authorization.is_saved());
    assert_eq!(secret(&authorization.tokens().access_token), "newer");
    let stored = store.inside.load().await.expect("readable").expect("tokens");
    assert!(!stored.refresh_token_refused && secret(&stored.access_token) == "newer");
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn tokens_that_were_removed_from_the_store_are_not_written_back_by_a_refusal() {
    let world = World::new().await;
    world.token_endpoint([refused(400, "invalid_grant")]).await;
    let folder = stores::Folder::new("refused");
    let file = folder.0.join("tokens.json");
    let [one, _] = world.two(kaiwa::oauth::FileTokenStore::new(&file)).await;
    std::fs::remove_file(&file).expect("a person wants another login");
    one.refresh().await.expect_err("refused");
    one.refresh().await.expect_err("no second try");
    assert!(one.needs_login() && !file.exists());
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn a_mark_that_cannot_be_saved_is_saved_later() {
    let world = World::new().await;
    world.token_endpoint([refused(400, "invalid_grant")]).await;
    let store = Parts::new();
    let [one, other] = world.two(store.clone()).await;
    store.set("save", Some(Broken::Fails));
    one.refresh().await.expect_err("refused");
    let is_marked =
        async || store.inside.load().await.expect("readable").expect("kept").refresh_token_refused;
    assert!(!is_marked().await && one.needs_login());
    store.set("save", None);
    one.refresh().await.expect_err("no second try");
    assert!(is_marked().await);
    other.refresh().await.expect_err("it has read the mark");
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn without_the_stored_tokens_a_refusal_marks_nothing_that_may_be_a_login() {
    let world = World::new().await;
    let store = Parts::new();
    let [one, _] = world.two(store.clone()).await;
    let login = TokenSet::new("login").with_expiry(world.now() + Duration::from_secs(900));
    let breaks = {
        let store = store.clone();
        move |_: &Request| {
            futures::executor::block_on(store.inside.save(&login)).expect("a login that waited for no lease");
            store.set("load", Some(Broken::Fails));
            refused(400, "invalid_grant")
        }
    };
    Mock::given(method("POST")).and(path("/token")).respond_with(breaks).mount(&world.server).await;
    one.refresh().await.expect_err("refused");
    one.refresh().await.expect_err("still unreadable");
    store.set("load", None);
    one.refresh().await.expect("the login's tokens");
    assert_eq!(world.forms().await.len(), 1);
    let stored = store.inside.load().await.expect("readable").expect("tokens");
    assert!(!stored.refresh_token_refused && secret(&stored.access_token) == "login");
}

#[tokio::test]
async fn a_refused_token_can_be_tried_again_by_hand() {
    let world = World::new().await;
    world.token_endpoint([refused(400, "invalid_grant"), issued("new", Some("refresh-2"))]).await;
    let store = MemoryTokenStore::new();
    let [one, other] = world.two(store.clone()).await;
    one.refresh().await.expect_err("the service is mistaken");
    let oauth = world.builder().store(store).build().expect("good settings");
    let mut tokens = one.tokens();
    tokens.refresh_token_refused = false;
    let again = oauth.authorization(tokens).expect("good");
    again.save().await.expect("saved without the mark");
    again.refresh().await.expect("it was a mistake");
    for authorization in [one, other] {
        authorization.refresh().await.expect("taken over");
        assert!(!authorization.needs_login());
    }
    assert_eq!(world.forms().await.len(), 2);
}

#[tokio::test]
async fn tokens_from_elsewhere_give_way_to_stored_ones_only_if_these_are_later_or_they_are_refused() {
    for (ours, theirs, expected) in [
        (None, None, "new"),
        (Some(0), None, "new"),
        (Some(100), Some(0), "new"),
        (Some(0), Some(100), "stored"),
    ] {
        let world = World::new().await;
        world.token_endpoint([issued("new", Some("refresh-2"))]).await;
        let store = MemoryTokenStore::new();
        let set = |access: &str, age: Option<u64>| {
            let mut set = TokenSet::new(access).with_refresh_token(format!("refresh of {access}"));
            set.issued_at = age.map(|age| world.now() + Duration::from_secs(age));
            set.with_expiry(world.now() + Duration::from_secs(900))
        };
        store.save(&set("stored", theirs)).await.expect("saved");
        let oauth = world.builder().store(store).build().expect("good settings");
        let authorization = oauth.authorization(set("elsewhere", ours)).expect("good");
        authorization.refresh().await.expect("tokens");
        assert_eq!(secret(&authorization.tokens().access_token), expected, "{ours:?} {theirs:?}");
    }
    let world = World::new().await;
    world.token_endpoint([refused(400, "invalid_grant")]).await;
    let store = MemoryTokenStore::new();
    store.save(&TokenSet::new("stored")).await.expect("saved");
    let oauth = world.builder().store(store).build().expect("good settings");
    let authorization =
        oauth.authorization(TokenSet::new("elsewhere").with_refresh_token("spent")).expect("good");
    authorization.refresh().await.expect("the stored tokens");
    assert_eq!(secret(&authorization.tokens().access_token), "stored");
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn a_login_revives_tokens_from_elsewhere_that_were_refused() {
    let stores: [Arc<dyn TokenStore>; 2] = [Arc::new(Watched::default()), Arc::new(MemoryTokenStore::new())];
    for store in stores {
        let world = World::new().await;
        world.token_endpoint([refused(400, "invalid_grant"), issued("again", Some("refresh-9"))]).await;
        let oauth = world.builder().store(store).build().expect("good settings");
        let authorization =
            oauth.authorization(TokenSet::new("elsewhere").with_refresh_token("spent")).expect("good");
        authorization.refresh().await.expect_err("refused");
        oauth.resume_login("state", VERIFIER).expect("good").finish("c", "state").await.expect("tokens");
        authorization.refresh().await.expect("the login's tokens");
        assert!(!authorization.needs_login());
        assert_eq!(world.forms().await.len(), 2);
    }
}
