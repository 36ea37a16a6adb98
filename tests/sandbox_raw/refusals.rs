//! Faults that only the service itself can produce: its refusals, and its headers.

use jiff::SignedDuration;
use kaiwa::VirtualClock;
use kaiwa::sandbox::chatwork::Seed;
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script, tascha};
use serde_json::Value;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Status, headers and body of an answer to `operation` that met the fault.
async fn refuse(
    sandbox: &Sandbox,
    service: Provider,
    operation: &str,
    request: reqwest::RequestBuilder,
    fault: Fault,
) -> (u16, reqwest::header::HeaderMap, Value) {
    sandbox.faults().script(service, Script::on(operation).then(fault));
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

/// A fault's refusal differs from a real one only in the values that the fault sets.
#[tokio::test]
async fn a_faults_refusal_equals_a_real_one() {
    let (clock, hour) = (VirtualClock::new(), 3600 * SECOND);
    let seed = tascha::Seed::default().error_shape(tascha::ErrorShape::Flat).burst_limit(2, hour);
    let chatwork = Seed::default().rate_limit(2, hour);
    let sandbox =
        Sandbox::builder().clock(clock.clone()).chatwork(chatwork).tascha(seed).start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let me = |url: String| http.get(url + "/me").header("x-request-id", "req_mine");
    let chatwork_me = || me(sandbox.chatwork_url()).header("x-chatworktoken", Seed::TOKEN);
    let tascha_me = || me(sandbox.tascha_url()).bearer_auth(tascha::Seed::TOKEN);
    let limited = || Fault::too_many_requests(Some(hour));

    let played = refuse(&sandbox, Provider::Chatwork, "get_me", chatwork_me(), limited()).await;
    assert_eq!((played.0, &played.1["retry-after"]), (429, &"3600".parse().unwrap()));
    assert_eq!(&played.1["x-ratelimit-remaining"], "0");
    let soon = Fault::too_many_requests(Some(90 * SECOND));
    let played = refuse(&sandbox, Provider::Chatwork, "get_me", chatwork_me(), soon.clone()).await;
    assert_eq!(played.1["x-ratelimit-reset"], (1_767_193_200_u64 + 90).to_string());
    let played = refuse(&sandbox, Provider::Tascha, "get_me", tascha_me(), soon).await;
    assert_eq!(played.1["ratelimit-reset"], "90");
    let played = refuse(&sandbox, Provider::Tascha, "get_me", tascha_me(), limited()).await;
    assert_eq!((played.0, &played.1["ratelimit-remaining"]), (429, &"0".parse().unwrap()));
    // None of these requests was counted.
    for _ in 0..2 {
        assert_eq!(chatwork_me().send().await.unwrap().status(), 200);
        assert_eq!(tascha_me().send().await.unwrap().status(), 200);
    }
    let played = refuse(&sandbox, Provider::Tascha, "get_me", tascha_me(), limited()).await;
    let real = refuse(&sandbox, Provider::Tascha, "get_me", tascha_me(), Fault::slow_headers(Duration::ZERO));
    assert_eq!(played, real.await);
    assert_eq!(
        (&played.2["requestId"], &played.1["x-request-id"]),
        (&"req_mine".into(), &"req_mine".parse().unwrap())
    );
    let played =
        refuse(&sandbox, Provider::Chatwork, "get_me", chatwork_me(), Fault::too_many_requests(None));
    let played = played.await;
    let real =
        refuse(&sandbox, Provider::Chatwork, "get_me", chatwork_me(), Fault::slow_headers(Duration::ZERO));
    assert_eq!(played, real.await);

    let expired = refuse(&sandbox, Provider::Tascha, "get_me", tascha_me(), Fault::expired_token()).await;
    assert_eq!((expired.0, &expired.2["code"]), (401, &"unauthorized".into()));
    let without_headers =
        refuse(&sandbox, Provider::Chatwork, "get_me", me(sandbox.chatwork_url()), limited()).await;
    assert!(without_headers.0 == 429 && without_headers.1.get("x-ratelimit-limit").is_none());
    for (fault, status, error) in
        [(Fault::expired_token(), 400, "invalid_grant"), (limited(), 429, "temporarily_unavailable")]
    {
        let token = http.post(sandbox.oauth_token_url());
        let refused = refuse(&sandbox, Provider::Chatwork, "oauth_token", token, fault).await;
        assert_eq!((refused.0, &refused.2["error"]), (status, &error.into()));
    }
    let boards = || http.get(format!("{}/boards", sandbox.lancers_url()));
    let expired = refuse(&sandbox, Provider::Lancers, "list_boards", boards(), Fault::expired_token()).await;
    let real =
        refuse(&sandbox, Provider::Lancers, "list_boards", boards(), Fault::slow_headers(Duration::ZERO));
    assert_eq!(expired, real.await);
    let (status, headers, _) = refuse(&sandbox, Provider::Lancers, "list_boards", boards(), limited()).await;
    assert_eq!((status, &headers["retry-after"]), (429, &"3600".parse().unwrap()));
}

#[tokio::test]
async fn a_wrong_clock_is_wrong_about_the_month() {
    let sandbox = Sandbox::builder().clock(VirtualClock::new()).start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let fault = Fault::wrong_clock(SignedDuration::from_hours(-25));
    sandbox.faults().script(Provider::Tascha, Script::any().then(fault));
    let me = http.get(format!("{}/me", sandbox.tascha_url())).bearer_auth(tascha::Seed::TOKEN);
    let answer = me.send().await.unwrap();
    assert_eq!(answer.headers()["tascha-api-units-reset"], "2026-01-30T23:00:00+09:00");
    assert_eq!(answer.headers()["ratelimit-reset"], "60", "it is not a time");
}
