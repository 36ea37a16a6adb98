//! Leases: who may refresh, and what happens if nobody can say so.

use super::stores::Folder;
use super::*;
use kaiwa::oauth::FileTokenStore;
use kaiwa::{ErrorKind, Outcome};
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;

/// A store with leases, each part of which can hang or fail.
#[derive(Clone)]
pub struct Parts {
    pub inside: MemoryTokenStore,
    broken: watch::Sender<HashMap<&'static str, Broken>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Broken {
    Hangs,
    Fails,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

impl Parts {
    pub fn new() -> Self {
        Self { inside: MemoryTokenStore::new(), broken: watch::Sender::default(), calls: Arc::default() }
    }

    pub fn set(&self, part: &'static str, broken: Option<Broken>) {
        self.broken.send_modify(|parts| {
            match broken {
                Some(broken) => parts.insert(part, broken),
                None => parts.remove(part),
            };
        });
    }

    /// The calls so far, which are then forgotten.
    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().expect("unpoisoned"))
    }

    async fn pass(&self, part: &'static str) -> Result<(), StoreError> {
        self.calls.lock().expect("unpoisoned").push(part);
        let mut broken = self.broken.subscribe();
        let state = broken.wait_for(|parts| parts.get(part) != Some(&Broken::Hangs)).await?;
        if state.contains_key(part) { Err(format!("no {part} today").into()) } else { Ok(()) }
    }
}

impl TokenStore for Parts {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        Box::pin(async {
            self.pass("load").await?;
            self.inside.load().await
        })
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async {
            self.pass("save").await?;
            self.inside.save(tokens).await
        })
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        Box::pin(async {
            self.pass("lease").await?;
            self.inside.lease().await
        })
    }
}

impl World {
    /// Two authorizations with the same stored tokens, as in two processes: `old`, of 900 s, and `refresh-1`.
    pub async fn two(&self, store: impl TokenStore + Clone) -> [Authorization; 2] {
        // Without a timeout of the request, to which the driven clock would jump.
        let oauth = self.builder().timeout(None).store(store).build().expect("good settings");
        let tokens = TokenSet::new("old").with_refresh_token("refresh-1");
        let tokens = tokens.with_expiry(self.now() + Duration::from_secs(900));
        oauth.authorization(tokens).expect("a good token").save().await.expect("saved");
        let restored = async || oauth.restore().await.expect("readable").expect("tokens");
        [restored().await, restored().await]
    }
}

#[tokio::test]
async fn clones_of_a_memory_share_one_lease() {
    let store = MemoryTokenStore::new();
    let lease = store.lease().await.expect("free");
    assert!(lease.is_held());
    let other = store.clone();
    let mut waiting = other.lease();
    assert!(futures::poll!(&mut waiting).is_pending());
    let mut given_up = other.lease();
    assert!(futures::poll!(&mut given_up).is_pending());
    drop(given_up);
    drop(lease);
    drop(waiting.await.expect("it is given back"));
    let shared: Arc<dyn TokenStore> = Arc::new(other);
    shared.save(&TokenSet::new("a")).await.expect("saved");
    assert!(store.load().await.expect("readable").is_some());
    let lease = shared.lease().await.expect("the one that gave up has left none behind");
    assert!(futures::poll!(&mut store.lease()).is_pending());
    drop(lease);
}

#[tokio::test]
async fn the_winner_of_a_lease_loads_before_it_refreshes() {
    let world = World::new().await;
    world.api(&["saved"]).await;
    let store = MemoryTokenStore::new();
    let [one, _] = world.two(store.clone()).await;
    let lease = store.lease().await.expect("free");
    world.advance(900);
    let client = world.client(&one);
    let mut call = Box::pin(client.my_status().into_future());
    for _ in 0..10 {
        assert!(futures::poll!(&mut call).is_pending(), "it waits for the lease");
        tokio::task::yield_now().await;
    }
    // What the other process does while it has the lease.
    let tokens = TokenSet::new("saved").with_refresh_token("refresh-2");
    let tokens = tokens.with_expiry(world.now() + Duration::from_secs(900));
    store.save(&tokens).await.expect("saved");
    drop(lease);
    call.await.expect("with the other's token");
    assert!(world.requests("/token").await.is_empty());
    assert!(one.is_saved());
    assert_eq!(secret(&one.tokens().refresh_token.expect("taken over")), "refresh-2");
}

#[tokio::test]
async fn a_token_that_ended_early_is_replaced_by_the_one_that_another_process_has_got() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let [one, other] = world.two(MemoryTokenStore::new()).await;
    for authorization in [&one, &other] {
        world.client(authorization).my_status().await.expect("within the same call");
    }
    assert_eq!(world.bearers().await, ["old", "new", "old", "new"]);
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn without_a_lease_or_the_stored_tokens_nothing_is_refreshed() {
    for part in ["lease", "load"] {
        for broken in [Broken::Hangs, Broken::Fails] {
            let world = World::new().await;
            world.api(&["old", "new"]).await;
            world.token_endpoint([issued("new", Some("refresh-2"))]).await;
            let store = Parts::new();
            let [one, other] = world.two(store.clone()).await;
            let client = world.client(&one);
            world.advance(840);
            store.set(part, Some(broken));
            let error = world.clock.drive(one.refresh()).await.expect_err("it is not safe");
            assert!(matches!(error.kind(), ErrorKind::Token(_)) && error.outcome() == Outcome::NotSent);
            let expected = match (part, broken) {
                ("lease", Broken::Hangs) => {
                    "the lease of their store was not free within 50s; end the program"
                }
                ("lease", Broken::Fails) => "whether another program does so: no lease today; make it work",
                (_, Broken::Hangs) => "cannot be read: the store did not respond within 10s; make the store",
                (_, Broken::Fails) => "cannot be read: no load today; make the store readable",
            };
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!one.needs_login() && secret(&one.tokens().access_token) == "old");
            if broken == Broken::Fails {
                client.my_status().await.expect("the token is good for a minute");
                world.advance(60);
                let error = client.my_status().await.expect_err("now it has expired");
                assert_eq!(error.outcome(), Outcome::NotSent);
                assert!(error.to_string().contains(expected), "{error}");
            }
            assert!(world.requests("/token").await.is_empty(), "{part} {broken:?}");
            // The lease was given back, and the store recovers.
            store.set(part, None);
            one.refresh().await.expect("renewed");
            other.refresh().await.expect("taken over");
            assert_eq!(world.forms().await.len(), 1, "{part} {broken:?}");
        }
    }
}

#[tokio::test]
async fn tokens_of_the_holder_are_used_without_a_lease() {
    let world = World::new().await;
    world.api(&["saved"]).await;
    let store = Parts::new();
    let [one, _] = world.two(store.clone()).await;
    store.set("lease", Some(Broken::Fails));
    world.advance(900);
    let tokens = TokenSet::new("saved").with_refresh_token("refresh-2");
    let tokens = tokens.with_expiry(world.now() + Duration::from_secs(900));
    store.inside.save(&tokens).await.expect("saved");
    world.client(&one).my_status().await.expect("reading needs no lease");
    assert!(world.requests("/token").await.is_empty());
}

#[tokio::test]
async fn the_lease_is_kept_until_a_replaced_refresh_token_is_saved() {
    for broken in [Broken::Fails, Broken::Hangs] {
        let world = World::new().await;
        world.api(&["new"]).await;
        world.token_endpoint([issued("new", Some("refresh-2"))]).await;
        let store = Parts::new();
        let [one, other] = world.two(store.clone()).await;
        world.advance(900);
        store.set("save", Some(broken));
        world.clock.drive(one.refresh()).await.expect("tokens that are not saved are used");
        assert!(!one.is_saved());
        assert!(futures::poll!(&mut store.inside.lease()).is_pending(), "the store has a used refresh token");
        let error = world.clock.drive(other.refresh()).await.expect_err("it would lose the login");
        assert!(error.to_string().contains("was not free within 50s"), "{error}");
        store.set("save", None);
        if broken == Broken::Fails {
            one.save().await.expect("saved");
        }
        // The late save ends the lease by itself.
        world.client(&other).my_status().await.expect("taken over");
        assert!(one.is_saved());
        assert_eq!(world.forms().await.len(), 1);
        drop(store.inside.lease().await.expect("free"));
    }
}

#[tokio::test]
async fn tokens_that_replace_a_used_refresh_token_are_saved_again_by_themselves() {
    let world = World::new().await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = Parts::new();
    let [one, _] = world.two(store.clone()).await;
    store.set("save", Some(Broken::Fails));
    one.refresh().await.expect("used");
    for _ in 0..3 {
        tokio::task::yield_now().await;
        world.advance(2);
    }
    assert!(!one.is_saved() && futures::poll!(&mut store.inside.lease()).is_pending());
    store.set("save", None);
    while !one.is_saved() {
        tokio::task::yield_now().await;
        world.advance(2);
    }
    drop(store.inside.lease().await.expect("free"));
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn the_process_that_keeps_the_lease_goes_on_with_its_own_tokens() {
    let world = World::new().await;
    let answers = [issued("second", Some("refresh-2")), issued("third", Some("refresh-3"))];
    world.token_endpoint(answers).await;
    let store = Parts::new();
    let [one, other] = world.two(store.clone()).await;
    store.set("save", Some(Broken::Fails));
    one.refresh().await.expect("used");
    store.calls();
    store.set("load", Some(Broken::Fails));
    one.refresh().await.expect("the store is not needed for this");
    assert_eq!(store.calls(), ["load", "save"], "no second lease");
    store.set("load", None);
    store.set("save", None);
    one.save().await.expect("saved");
    other.refresh().await.expect("taken over");
    assert_eq!(secret(&other.tokens().refresh_token.expect("the newest")), "refresh-3");
    let sent: Vec<_> = world.forms().await.iter().map(|form| form["refresh_token"].clone()).collect();
    assert_eq!(sent, ["refresh-1", "refresh-2"]);
}

#[tokio::test]
async fn a_refresh_token_that_stays_needs_no_kept_lease() {
    let world = World::new().await;
    world.token_endpoint([issued("second", None), issued("third", None)]).await;
    let store = Parts::new();
    let [one, other] = world.two(store.clone()).await;
    store.set("save", Some(Broken::Fails));
    one.refresh().await.expect("used");
    assert!(!one.is_saved());
    other.refresh().await.expect("each for itself");
    assert_eq!(world.forms().await.len(), 2);
}

#[tokio::test]
async fn the_lease_is_kept_until_a_late_save_has_ended() {
    // It would overwrite the tokens of the next refresh.
    for answer in [issued("second", None), refused(400, "invalid_grant")] {
        let world = World::new().await;
        world.token_endpoint([answer]).await;
        let store = Parts::new();
        let [one, _] = world.two(store.clone()).await;
        store.set("save", Some(Broken::Hangs));
        let _ = world.clock.drive(one.refresh()).await;
        let mut next = store.inside.lease();
        assert!(futures::poll!(&mut next).is_pending());
        store.set("save", None);
        drop(next.await.expect("the save has ended"));
        let stored = store.inside.load().await.expect("readable").expect("tokens");
        assert!(secret(&stored.access_token) == "second" || stored.refresh_token_refused);
    }
}

#[tokio::test]
async fn a_call_waits_for_a_lease_no_longer_than_its_timeout() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = MemoryTokenStore::new();
    let [one, _] = world.two(store.clone()).await;
    let lease = store.lease().await.expect("free");
    world.advance(900);
    let client = world.client(&one);
    let mut call = Box::pin(client.my_status().with_timeout(Duration::from_secs(5)).into_future());
    assert!(futures::poll!(&mut call).is_pending());
    world.advance(5);
    let error = call.await.expect_err("its timeout has passed");
    assert!(error.is_timeout() && error.outcome() == Outcome::NotSent, "{error}");
    let mut patient = Box::pin(client.my_status().into_future());
    assert!(futures::poll!(&mut patient).is_pending());
    drop(lease);
    patient.await.expect("the refresh went on");
    assert_eq!(world.forms().await.len(), 1);
}

/// A store whose leases have expired by the time of the request.
#[derive(Clone, Debug, Default)]
struct Expired(MemoryTokenStore, Arc<AtomicBool>);

impl TokenStore for Expired {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        self.0.load()
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.save(tokens)
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        let is_valid = Arc::clone(&self.1);
        Box::pin(
            async move { Ok(self.0.lease().await?.valid_while(move || is_valid.load(Ordering::SeqCst))) },
        )
    }
}

#[tokio::test]
async fn a_lease_that_has_expired_meanwhile_sends_nothing() {
    let world = World::new().await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = Expired::default();
    let [one, _] = world.two(store.clone()).await;
    let error = one.refresh().await.expect_err("another process may refresh now");
    assert!(error.to_string().contains("has expired meanwhile; try again"), "{error}");
    assert!(world.requests("/token").await.is_empty() && !one.needs_login());
    store.1.store(true, Ordering::SeqCst);
    one.refresh().await.expect("renewed");
    assert_eq!(world.forms().await.len(), 1);
}

#[test]
fn a_holder_that_ends_in_the_middle_is_followed_by_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = Folder::new("lock-ended");
    let files = FileTokenStore::new(folder.0.join("tokens.json"));
    let stores: [Arc<dyn TokenStore>; 2] = [Arc::new(MemoryTokenStore::new()), Arc::new(files)];
    for store in stores {
        let (first, second) = (runtime(), runtime());
        let world = second.block_on(World::new());
        let [one, other] = second.block_on(world.two(Arc::clone(&store)));
        let slow = issued("never", Some("refresh-2")).set_delay(Duration::from_secs(600));
        second.block_on(world.token_endpoint([slow, issued("new", Some("refresh-2"))]));
        first.block_on(async {
            let mut refresh = Box::pin(one.refresh());
            while world.requests("/token").await.is_empty() {
                assert!(futures::poll!(&mut refresh).is_pending());
                tokio::task::yield_now().await;
            }
        });
        // As if its process had ended.
        first.shutdown_background();
        second.block_on(async {
            other.refresh().await.expect("the lease is free");
            assert_eq!(world.forms().await.len(), 2, "one more");
            assert_eq!(secret(&other.tokens().access_token), "new");
        });
    }
}

#[tokio::test]
async fn a_login_waits_a_little_for_a_refresh_that_would_overwrite_it() {
    for ends in [true, false] {
        let world = World::new().await;
        world.token_endpoint([issued("login", Some("refresh-9"))]).await;
        let store = Parts::new();
        let inside = store.inside.clone();
        let stored = async || secret(&inside.load().await.expect("readable").expect("tokens").access_token);
        // Another process is refreshing.
        inside.save(&TokenSet::new("old")).await.expect("saved");
        let lease = inside.lease().await.expect("free");
        let oauth = world.builder().store(store.clone()).build().expect("good settings");
        let login = oauth.resume_login("state", VERIFIER).expect("good");
        let login = tokio::spawn(async move { login.finish("c", "state").await });
        let mut calls = Vec::new();
        while calls.is_empty() {
            tokio::task::yield_now().await;
            calls = store.calls();
        }
        assert_eq!(calls, ["lease"]);
        if ends {
            assert_eq!(stored().await, "old");
            inside.save(&TokenSet::new("refreshed")).await.expect("saved");
            drop(lease);
        } else {
            // The timeouts of the request and of the save are longer.
            while !login.is_finished() {
                world.advance(1);
                tokio::task::yield_now().await;
            }
        }
        assert!(login.await.expect("no panic").expect("tokens").is_saved());
        assert_eq!(stored().await, "login");
    }
}
