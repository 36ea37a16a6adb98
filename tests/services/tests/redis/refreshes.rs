//! One login in four processes, of which one is killed while it refreshes.

use kaiwa::oauth::ExposeSecret;
use kaiwa::store::Redis;
use services::login::Login;
use services::redis;

/// A person whose access token has expired, and the server with the tokens.
async fn expired(detect_reuse: bool) -> (Login, redis::Redis) {
    let server = redis::Redis::start();
    let tokens = Redis::new(server.url()).expect("a URL").tokens("person").expect("a name");
    let store = ("REDIS", server.url());
    (Login::expired(env!("CARGO_BIN_EXE_refresher"), store, tokens, detect_reuse).await, server)
}

#[tokio::test]
async fn a_thousand_calls_of_four_processes_make_one_refresh() {
    let (login, _server) = expired(true).await;
    assert_eq!(login.four().await, (vec!["250 false".to_owned(); 4], 1, 0));
}

#[tokio::test]
async fn a_process_that_is_killed_before_its_request_costs_nothing() {
    let (login, _server) = expired(true).await;
    let mut first = login.start(Some("lease"));
    assert_eq!(first.line().await, "lease");
    first.kill().await;
    // Its lease ends after 10 s.
    assert_eq!(login.four().await, (vec!["250 false".to_owned(); 4], 1, 0));
}

/// No lease can prevent this: the service has replaced the refresh token, and the new one is lost with the process.
#[tokio::test]
async fn a_process_that_is_killed_before_its_save_costs_the_login_and_one_more_try() {
    for detect_reuse in [false, true] {
        let (login, _server) = expired(detect_reuse).await;
        let before = login.tokens.load().await.expect("the server is there").expect("tokens");
        let mut first = login.start(Some("save"));
        assert_eq!(first.line().await, "save");
        first.kill().await;
        let (said, refreshes, refused) = login.four().await;
        assert_eq!((said, refreshes, refused), (vec!["0 true".to_owned(); 4], 2, 1), "{detect_reuse}");
        let after = login.tokens.load().await.expect("the server is there").expect("they are kept");
        assert_eq!(after.access_token.expose_secret(), before.access_token.expose_secret());
        assert!(after.refresh_token.is_some() && after.refresh_token_refused);
        // Nor does a later start try it again.
        let (said, refreshes, _) = login.four().await;
        assert_eq!((said, refreshes), (vec!["0 true".to_owned(); 4], 2));
    }
}
