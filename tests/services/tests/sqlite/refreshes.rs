//! One login in four processes of one file, of which one is killed while it refreshes.

use crate::Place;
use kaiwa::oauth::ExposeSecret;
use kaiwa::store::Sqlite;
use services::login::Login;
use std::time::Duration;

/// A person whose access token has expired.
async fn expired(place: &Place, detect_reuse: bool) -> Login {
    let tokens = Sqlite::open(&place.path).await.expect("it can be opened").tokens("person").expect("a name");
    let store = ("SQLITE", place.path.to_str().expect("a plain name").to_owned());
    Login::expired(env!("CARGO_BIN_EXE_refresher"), store, tokens, detect_reuse).await
}

#[tokio::test]
async fn a_thousand_calls_of_four_processes_make_one_refresh() {
    let place = Place::new();
    let login = expired(&place, true).await;
    assert_eq!(login.four().await, (vec!["250 false".to_owned(); 4], 1, 0));
    // Nor does a later start refresh again.
    assert_eq!(login.four().await, (vec!["250 false".to_owned(); 4], 1, 0));
}

#[tokio::test]
async fn a_process_that_is_killed_before_its_request_costs_nothing() {
    let place = Place::new();
    let login = expired(&place, true).await;
    let mut first = login.start(Some("lease"));
    assert_eq!(first.line().await, "lease");
    first.kill().await;
    // Its lease ends after 10 s.
    assert_eq!(login.four().await, (vec!["250 false".to_owned(); 4], 1, 0));
    crate::is_sound(&place.path);
}

/// The last handle waits for a moment, so that the others need not wait for 10 s.
#[tokio::test]
async fn a_process_that_ends_at_once_has_given_its_lease_back() {
    let place = Place::new();
    let login = expired(&place, true).await;
    for _ in 0..5 {
        let mut process = login.start(Some("none"));
        assert_eq!(process.line().await, "true");
        process.end().await;
        let lease = tokio::time::timeout(Duration::from_secs(5), login.tokens.lease()).await;
        assert!(lease.expect("it is free").expect("the file is there").is_held());
    }
}

/// No lease can prevent this: the service has replaced the refresh token, and the new one is lost with the process.
#[tokio::test]
async fn a_process_that_is_killed_before_its_save_costs_the_login_and_one_more_try() {
    let place = Place::new();
    let login = expired(&place, true).await;
    let before = login.tokens.load().await.expect("it is read").expect("tokens");
    let mut first = login.start(Some("save"));
    assert_eq!(first.line().await, "save");
    first.kill().await;
    let (said, refreshes, refused) = login.four().await;
    assert_eq!((said, refreshes, refused), (vec!["0 true".to_owned(); 4], 2, 1));
    let after = login.tokens.load().await.expect("it is read").expect("they are kept");
    assert_eq!(after.access_token.expose_secret(), before.access_token.expose_secret());
    assert!(after.refresh_token.is_some() && after.refresh_token_refused);
    // Nor does a later start try it again.
    let (said, refreshes, _) = login.four().await;
    assert_eq!((said, refreshes), (vec!["0 true".to_owned(); 4], 2));
}
