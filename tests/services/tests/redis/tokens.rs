//! Tokens in Redis, and who refreshes them.

use kaiwa::oauth::{ExposeSecret, TokenSet, TokenStore};
use kaiwa::store::{Redis, RedisTokens};
use services::redis;
use std::time::{Duration, Instant};

fn tokens(server: &redis::Redis) -> RedisTokens {
    Redis::new(server.url()).expect("a URL").tokens("person").expect("a name")
}

#[tokio::test]
async fn tokens_are_kept_and_their_keys_hold_no_secret() {
    let server = redis::Redis::start();
    let (one, other) = (tokens(&server), tokens(&server));
    assert!(one.load().await.expect("the server is there").is_none());
    let set = TokenSet::new("access-canary").with_refresh_token("refresh-canary");
    one.save(&set).await.expect("the server is there");
    let loaded = other.load().await.expect("the server is there").expect("they were saved");
    assert_eq!(loaded.access_token.expose_secret(), "access-canary");
    let _lease = one.lease().await.expect("nobody has it");
    let keys = server.command("KEYS *");
    assert!(keys.contains("{kaiwa:person}:tokens") && !keys.contains("canary"), "{keys}");
    for key in ["tokens", "refresh"] {
        assert!(!server.command(&format!("PTTL {{kaiwa:person}}:{key}")).starts_with(":-"), "{key} expires");
    }
    assert!(!format!("{one:?}").contains("canary"));
    server.command("SET {kaiwa:person}:tokens garbage-canary");
    let error = one.load().await.expect_err("those are no tokens");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn one_has_the_lease_until_it_is_dropped_or_its_process_is_gone() {
    let server = redis::Redis::start();
    let (one, other) = (tokens(&server), tokens(&server));
    let lease = one.lease().await.expect("nobody has it");
    assert!(lease.is_held());
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.lease().await.expect("the server is there") }
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
    drop(
        tokio::time::timeout(Duration::from_secs(2), one.lease())
            .await
            .expect("it is free")
            .expect("the server is there"),
    );
    // As left by a process that was killed.
    server.command("SET {kaiwa:person}:refresh somebody PX 1000");
    let began = Instant::now();
    let _lease = one.lease().await.expect("the server is there");
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_lease_is_renewed_longer_than_it_lasts() {
    let server = redis::Redis::start();
    let (one, other) = (tokens(&server), tokens(&server));
    let lease = one.lease().await.expect("nobody has it");
    // A lease lasts for 10 s.
    tokio::time::timeout(Duration::from_secs(12), other.lease()).await.expect_err("it is still held");
    drop(lease);
}

#[tokio::test]
async fn while_the_server_is_gone_nobody_may_refresh_and_a_save_is_tried_again() {
    let mut server = redis::Redis::start();
    let store = tokens(&server);
    drop(store.lease().await.expect("nobody has it"));
    server.kill();
    store.lease().await.expect_err("the server cannot say who may");
    store.load().await.expect_err("the server is gone");
    let set = TokenSet::new("access").with_refresh_token("refresh");
    let saving = tokio::spawn({
        let store = store.clone();
        async move { store.save(&set).await.map_err(|error| error.to_string()) }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.restart();
    saving.await.expect("no panic").expect("the server is back in time");
    assert!(store.load().await.expect("it is back").is_some());
}
