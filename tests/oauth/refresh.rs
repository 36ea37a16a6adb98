//! Refreshes: when, how often, and which tokens are used afterwards.

use super::*;
use futures::future::join_all;
use kaiwa::{ErrorKind, Outcome};

#[tokio::test]
async fn a_token_is_renewed_shortly_before_its_expiry() {
    let world = World::new().await;
    world.api(&["old", "new"]).await;
    world.token_endpoint([issued("new", None)]).await;
    let client = world.client(&world.authorization(world.builder()));
    world.advance(839);
    client.my_status().await.expect("the old token is good");
    assert!(world.forms().await.is_empty());
    world.advance(1);
    client.my_status().await.expect("a new token");
    client.my_status().await.expect("the new token is kept");
    assert_eq!(world.forms().await.len(), 1);
    assert_eq!(world.bearers().await, ["old", "new", "new"]);
}

#[tokio::test]
async fn a_short_lived_token_is_not_renewed_in_the_first_half_of_its_life() {
    let world = World::new().await;
    world.api(&["short"]).await;
    world
        .token_endpoint([answer(json!({"access_token": "short", "refresh_token": "r", "expires_in": 40}))])
        .await;
    let authorization = world.authorization(world.builder());
    authorization.refresh().await.expect("a token");
    let client = world.client(&authorization);
    for (advance, refreshes) in [(19, 1), (1, 2), (19, 2), (1, 3)] {
        world.advance(advance);
        client.my_status().await.expect("a good token");
        assert_eq!(world.forms().await.len(), refreshes);
    }
}

#[tokio::test]
async fn a_thousand_calls_make_one_refresh() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let authorization = world.authorization(world.builder());
    let client = world.client(&authorization);
    world.advance(900);
    let results = join_all((0..1000).map(|_| async { client.my_status().await })).await;
    assert_eq!(results.into_iter().filter(Result::is_ok).count(), 1000);
    let forms = world.forms().await;
    assert_eq!(forms.len(), 1);
    assert_eq!((&*forms[0]["grant_type"], &*forms[0]["refresh_token"]), ("refresh_token", "refresh-1"));
    assert_eq!(world.bearers().await, vec!["new"; 1000]);
    assert_eq!(secret(&authorization.tokens().refresh_token.expect("rotated")), "refresh-2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_calls_on_many_threads_and_clients_make_one_refresh() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let authorization = world.authorization(world.builder());
    let clients = [world.client(&authorization), world.client(&authorization)];
    world.advance(900);
    let calls = (0..1000).map(|n| {
        let client = clients[n % 2].clone();
        tokio::spawn(async move { client.my_status().await.map(drop) })
    });
    for result in join_all(calls.collect::<Vec<_>>()).await {
        result.expect("no panic").expect("a new token");
    }
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn a_thousand_calls_share_one_error() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([refused(400, "invalid_grant"), issued("new", Some("refresh-2"))]).await;
    let authorization = world.authorization(world.builder());
    let client = world.client(&authorization);
    world.advance(900);
    assert!(!authorization.needs_login());
    let results = join_all((0..1000).map(|_| async { client.my_status().await })).await;
    for result in results {
        let error = result.expect_err("no token");
        assert!(matches!(error.kind(), ErrorKind::Token(_)));
        assert_eq!(
            (error.outcome(), error.code(), error.status()),
            (Outcome::NotSent, Some("invalid_grant"), None)
        );
        assert!(error.to_string().contains("log in again"), "{error}");
        assert_eq!(error.messages(), ["it is an error"]);
    }
    assert!(authorization.needs_login());
    // A refused refresh token is not sent again, and is kept.
    for seconds in [0, 30, 3600] {
        world.advance(seconds);
        let error = client.my_status().await.expect_err("still no token");
        assert_eq!((error.outcome(), error.code()), (Outcome::NotSent, Some("invalid_grant")));
        assert!(error.to_string().contains("log in again"), "{error}");
    }
    assert_eq!(world.forms().await.len(), 1);
    assert!(world.bearers().await.is_empty());
    assert!(authorization.needs_login());
    assert_eq!(secret(&authorization.tokens().refresh_token.expect("kept")), "refresh-1");
}

#[tokio::test]
async fn a_401_renews_the_token_once_and_the_call_succeeds() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", None)]).await;
    let client = world.client(&world.authorization(world.builder()));
    let status = client.my_status().await.expect("with a new token");
    assert_eq!(status.unread_num, 2);
    assert_eq!(world.bearers().await, ["old", "new"]);
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn a_thousand_401s_make_one_refresh() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", None)]).await;
    let client = world.client(&world.authorization(world.builder()));
    let results = join_all((0..1000).map(|_| async { client.my_status().await })).await;
    assert_eq!(results.into_iter().filter(Result::is_ok).count(), 1000);
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn a_service_that_refuses_every_token_does_not_cause_a_refresh_for_each_call() {
    let world = World::new().await;
    world.api(&[]).await;
    world.token_endpoint([issued("new", None), issued("newer", None)]).await;
    let client = world.client(&world.authorization(world.builder()));
    for _ in 0..5 {
        let error = client.my_status().await.expect_err("refused");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    }
    assert_eq!(world.forms().await.len(), 1);
    world.advance(10);
    client.my_status().await.expect_err("refused");
    assert_eq!(world.forms().await.len(), 2);
}

#[tokio::test]
async fn a_refused_token_is_not_sent_again_when_its_renewal_failed() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([refused(500, "server_error"), issued("new", None)]).await;
    let client = world.client(&world.authorization(world.builder()));
    let error = client.my_status().await.expect_err("refused, and not renewed");
    assert_eq!(
        (error.status().map(|status| status.as_u16()), error.outcome()),
        (Some(401), Outcome::Rejected)
    );
    let said = "no access token: the token endpoint failed; try again later (status 500) (status 401)";
    assert!(error.to_string().contains(said), "{error}");
    client.my_status().await.expect("the second refresh works");
    assert_eq!(world.bearers().await, ["old", "new"]);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_saved_before_the_new_access_token_is_used() {
    let world = World::new().await;
    world.api(&["new", "newer", "newest"]).await;
    let answers =
        [issued("new", Some("refresh-2")), issued("newer", None), issued("newest", Some("refresh-3"))];
    world.token_endpoint(answers).await;
    let store = Watched::default();
    let authorization = world.authorization(world.builder().store(store.clone()));
    let client = world.client(&authorization);
    let gate = store.close();
    world.advance(900);
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.my_status().await.map(drop) }
    });
    while world.forms().await.is_empty() || !store.is_waited_for() {
        tokio::task::yield_now().await;
    }
    let mut late = Box::pin(client.my_status().into_future());
    assert!(futures::poll!(&mut late).is_pending());
    assert_eq!(secret(&authorization.tokens().access_token), "old", "no call can have the new one yet");
    assert!(world.bearers().await.is_empty() && store.saved().is_empty());
    gate.send_replace(true);
    call.await.expect("no panic").expect("a new token");
    late.await.expect("the same new token");
    for _ in 0..2 {
        world.advance(900);
        client.my_status().await.expect("a new token");
    }
    assert_eq!(store.saved(), ["new refresh-2", "newer refresh-2", "newest refresh-3"]);
    let sent: Vec<_> = world.forms().await.iter().map(|form| form["refresh_token"].clone()).collect();
    assert_eq!(sent, ["refresh-1", "refresh-2", "refresh-2"]);
}

#[tokio::test]
async fn no_failure_discards_the_old_refresh_token() {
    for failure in [
        refused(500, "server_error"),
        ResponseTemplate::new(502).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string("<html>"),
        answer(json!({"access_token": "", "refresh_token": "half"})),
        answer(json!({"access_token": "line\nbreak", "refresh_token": "half"})),
    ] {
        let world = World::new().await;
        world.api(&["new"]).await;
        world.token_endpoint([failure, issued("new", None)]).await;
        let authorization = world.authorization(world.builder());
        authorization.save().await.expect("saved");
        let client = world.client(&authorization);
        world.advance(900);
        let error = client.my_status().await.expect_err("no token");
        assert_eq!((error.outcome(), error.status()), (Outcome::NotSent, None), "{error}");
        assert!(!authorization.needs_login());
        client.my_status().await.expect("the next refresh works");
        assert_eq!(world.forms().await[1]["refresh_token"], "refresh-1");
        assert_eq!(secret(&authorization.tokens().refresh_token.expect("kept")), "refresh-1");
    }
}

#[tokio::test]
async fn a_failed_refresh_leaves_a_good_access_token_in_use() {
    let world = World::new().await;
    world.api(&["old", "new"]).await;
    let answers = [refused(500, "server_error"), refused(400, "invalid_scope"), issued("new", None)];
    world.token_endpoint(answers).await;
    let client = world.client(&world.authorization(world.builder()));
    // Each step has the time, and the number of refreshes after it.
    for (advance, refreshes) in [(840, 1), (9, 1), (1, 2), (29, 2), (1, 3)] {
        world.advance(advance);
        client.my_status().await.expect("a good token");
        assert_eq!(world.forms().await.len(), refreshes);
    }
    assert_eq!(world.bearers().await, ["old", "old", "old", "old", "new"]);
}

#[tokio::test]
async fn a_retry_after_of_the_token_endpoint_is_obeyed() {
    let world = World::new().await;
    world.api(&["new"]).await;
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "20");
    world.token_endpoint([busy, issued("new", None)]).await;
    let client = world.client(&world.authorization(world.builder()));
    world.advance(900);
    let error = client.my_status().await.expect_err("no token");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));
    world.advance(19);
    client.my_status().await.expect_err("too early");
    assert_eq!(world.forms().await.len(), 1);
    world.advance(1);
    client.my_status().await.expect("a new token");
}

#[tokio::test]
async fn without_a_refresh_token_an_expired_token_needs_a_login() {
    let world = World::new().await;
    world.api(&["old"]).await;
    let oauth = world.builder().build().expect("good");
    let tokens = TokenSet::new("old").with_expiry(world.now() + Duration::from_secs(900));
    let authorization = oauth.authorization(tokens).expect("a good token");
    let client = world.client(&authorization);
    world.advance(899);
    client.my_status().await.expect("the token is good to its last second");
    assert!(authorization.needs_login(), "a refresh has been tried");
    world.advance(1);
    let error = client.my_status().await.expect_err("expired");
    assert!(error.to_string().contains("log in again"), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(world.requests("/token").await.is_empty());
}

#[tokio::test]
async fn a_token_of_unknown_lifetime_is_used_until_it_is_refused() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([answer(json!({"access_token": "new", "expires_in": "1501138041000"}))]).await;
    let authorization = world.authorization(world.builder());
    authorization.refresh().await.expect("a token");
    let client = world.client(&authorization);
    for _ in 0..3 {
        world.advance(1_000_000);
        client.my_status().await.expect("the token is good");
    }
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn the_call_that_began_a_refresh_can_be_cancelled() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = Watched::default();
    let client = world.client(&world.authorization(world.builder().store(store.clone())));
    let gate = store.close();
    world.advance(900);
    let mut winner = Box::pin(client.my_status().into_future());
    assert!(futures::poll!(&mut winner).is_pending());
    let mut losers: Vec<_> = (0..10).map(|_| Box::pin(client.my_status().into_future())).collect();
    for loser in &mut losers {
        assert!(futures::poll!(loser).is_pending());
    }
    drop(winner);
    gate.send_replace(true);
    for result in join_all(losers).await {
        result.expect("the refresh went on");
    }
    assert_eq!(world.forms().await.len(), 1);
}

#[tokio::test]
async fn a_refresh_without_waiting_calls_is_still_saved() {
    let world = World::new().await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = Watched::default();
    let authorization = world.authorization(world.builder().store(store.clone()));
    let client = world.client(&authorization);
    world.advance(900);
    let mut call = Box::pin(client.my_status().into_future());
    assert!(futures::poll!(&mut call).is_pending());
    drop(call);
    while store.saved().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.saved(), ["new refresh-2"]);
    while secret(&authorization.tokens().access_token) != "new" {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.forms().await.len(), 1);
    // A result that no call fetched is not given to the next call.
    world.api(&["newer"]).await;
    world.server.reset().await;
    world.api(&["newer"]).await;
    world.token_endpoint([issued("newer", None)]).await;
    world.advance(900);
    client.my_status().await.expect("a token of the new refresh");
    assert_eq!(world.bearers().await, ["newer"]);
}

#[tokio::test]
async fn a_store_that_panics_blocks_no_call() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", None)]).await;
    let store = Watched::default();
    let authorization = world.authorization(world.builder().store(store.clone()));
    authorization.save().await.expect("saved");
    let client = world.client(&authorization);
    world.advance(900);
    store.fail(Some("panic"));
    let results = join_all((0..10).map(|_| async { client.my_status().await })).await;
    assert!(results.into_iter().all(|result| result.is_err()));
    store.fail(None);
    client.my_status().await.expect("the next refresh works");
}

#[test]
fn a_refresh_that_ended_with_its_runtime_blocks_no_call() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let first = runtime();
    let store = Watched::default();
    let world = first.block_on(World::new());
    let authorization = world.authorization(world.builder().store(store.clone()));
    first.block_on(authorization.save()).expect("saved");
    let _gate = store.close();
    world.advance(900);
    first.block_on(async {
        let mut refresh = Box::pin(authorization.refresh());
        assert!(futures::poll!(&mut refresh).is_pending());
        tokio::task::yield_now().await;
    });
    first.shutdown_background();
    *store.gate.lock().expect("unpoisoned") = None;
    runtime().block_on(async {
        let error = authorization.refresh().await.expect_err("cut off");
        assert_eq!(error.outcome(), Outcome::NotSent);
        world.token_endpoint([issued("new", None)]).await;
        authorization.refresh().await.expect("another refresh");
    });
}

#[tokio::test]
async fn a_call_waits_for_a_refresh_no_longer_than_its_timeout() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = Watched::default();
    let authorization = world.authorization(world.builder().store(store.clone()));
    authorization.save().await.expect("saved");
    let client = world.client(&authorization);
    let gate = store.close();
    world.advance(900);
    let mut call = Box::pin(client.my_status().with_timeout(Duration::from_secs(5)).into_future());
    let mut patient = Box::pin(client.my_status().into_future());
    assert!(futures::poll!(&mut call).is_pending() && futures::poll!(&mut patient).is_pending());
    world.advance(5);
    let error = call.await.expect_err("its timeout has passed");
    assert!(error.is_timeout());
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0));
    gate.send_replace(true);
    patient.await.expect("the refresh went on");

    // The same after a 401, and the error is the service's.
    world.server.reset().await;
    world.api(&[]).await;
    let gate = store.close();
    let mut call = Box::pin(client.my_status().with_timeout(Duration::from_secs(5)).into_future());
    while !store.is_waited_for() {
        assert!(futures::poll!(&mut call).is_pending());
        tokio::task::yield_now().await;
    }
    world.advance(5);
    let error = call.await.expect_err("its timeout has passed");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    drop(gate);
}

#[tokio::test]
async fn calls_use_a_valid_token_while_a_refresh_hangs() {
    for place in ["load", "save", "endpoint"] {
        let world = World::new().await;
        world.api(&["old", "new"]).await;
        let slow = Duration::from_secs(if place == "endpoint" { 600 } else { 0 });
        world.token_endpoint([issued("new", Some("refresh-2")).set_delay(slow)]).await;
        let store = Watched::default();
        let authorization = world.authorization(world.builder().store(store.clone()));
        // A store is read only if it has the tokens.
        if place == "load" {
            authorization.save().await.expect("saved");
        }
        let gate = (place != "endpoint").then(|| store.close());
        let client = world.client(&authorization);
        world.advance(870);
        let calls = join_all((0..100).map(|_| async { client.my_status().await })).await;
        assert!(calls.iter().all(Result::is_ok), "{place}");
        for _ in 0..3 {
            client.my_status().await.expect("the old token is good for half a minute");
        }
        assert_eq!(world.bearers().await, vec!["old"; 103], "{place}");
        assert_eq!(world.forms().await.len(), usize::from(place != "load"), "{place}");
        let Some(gate) = gate else { continue };
        gate.send_replace(true);
        authorization.refresh().await.expect("the same refresh");
        client.my_status().await.expect("the new token");
        assert_eq!(world.bearers().await.last().map(String::as_str), Some("new"), "{place}");
        assert_eq!(world.forms().await.len(), 1, "{place}: never two");
        assert!(authorization.is_saved(), "{place}");
    }
}

#[tokio::test]
async fn a_token_that_expires_or_is_refused_while_its_refresh_hangs_is_not_sent() {
    let world = World::new().await;
    world.api(&["old", "new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = Watched::default();
    let client = world.client(&world.authorization(world.builder().store(store.clone())));
    let gate = store.close();
    world.advance(870);
    client.my_status().await.expect("the old token is good");
    // The store's timeout has not passed.
    world.advance(9);
    world.server.reset().await;
    world.api(&["new"]).await;
    let mut call = Box::pin(client.my_status().into_future());
    while world.requests("/my/status").await.is_empty() {
        assert!(futures::poll!(&mut call).is_pending());
        tokio::task::yield_now().await;
    }
    gate.send_replace(true);
    call.await.expect("the new token, after a 401 for the old one");
    assert_eq!(world.bearers().await, ["old", "new"]);
}

#[tokio::test]
async fn a_hanging_store_does_not_block_a_renewal_for_ever() {
    let world = World::new().await;
    world.api(&["new"]).await;
    world.token_endpoint([issued("new", Some("refresh-2"))]).await;
    let store = Watched::default();
    let authorization = world.authorization(world.builder().store(store.clone()));
    authorization.save().await.expect("saved");
    let client = world.client(&authorization);
    let gate = store.close();
    world.advance(900);
    let mut call = Box::pin(client.my_status().into_future());
    // First the load, then the save.
    for waiting in 1..=2 {
        while store.waiting.load(Ordering::SeqCst) < waiting {
            assert!(futures::poll!(&mut call).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(world.forms().await.len(), waiting - 1);
        world.advance(10);
    }
    call.await.expect("a new token, which the store does not have");
    assert!(!authorization.is_saved());
    assert_eq!((world.bearers().await, world.forms().await.len()), (vec!["new".to_owned()], 1));
    gate.send_replace(true);
    while !authorization.is_saved() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.saved(), ["old refresh-1", "new refresh-2"]);
}

#[tokio::test]
async fn a_token_endpoint_that_repeats_the_credential_is_not_quoted() {
    let world = World::new().await;
    let echo = |request: &Request| {
        let basic = request.headers["authorization"].to_str().expect("text").to_owned();
        let bare = basic.strip_prefix("Basic ").expect("HTTP Basic");
        let split: String = bare.chars().flat_map(|character| [character, '\u{0}']).collect();
        let text = format!(
            "{basic} {bare} {} {split}\n client%2Bsec%2Fret client+s\u{200b}ec/ret",
            bare.trim_end_matches('=')
        );
        ResponseTemplate::new(400).set_body_json(json!({"error": bare, "error_description": text}))
    };
    Mock::given(method("POST")).and(path("/token")).respond_with(echo).mount(&world.server).await;
    let authorization = world.authorization(world.builder().client_secret("client+sec/ret"));
    let error = authorization.refresh().await.expect_err("refused");
    let plain = |text: &str| text.replace('=', "");
    assert_eq!(error.code().map(plain).as_deref(), Some("[redacted]"));
    let expected = "Basic [redacted] [redacted] [redacted] [redacted] [redacted] [redacted]";
    assert_eq!(error.messages().iter().map(|text| plain(text)).collect::<Vec<_>>(), [expected]);
    assert!(!format!("{error} {error:?}").contains("Y2xpZW50"), "{error:?}");
}
