//! Unusual token answers: an optional field that is invalid does not lose the token.

use crate::{VERIFIER, World, issued, secret};
use kaiwa::Outcome;
use wiremock::ResponseTemplate;

fn body(status: u16, body: impl Into<Vec<u8>>) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.into(), "application/json")
}

async fn login(answer: ResponseTemplate) -> Result<kaiwa::oauth::TokenSet, kaiwa::Error> {
    let world = World::new().await;
    world.token_endpoint([answer]).await;
    let login = world.builder().build().expect("good").resume_login("state", VERIFIER).expect("good");
    let tokens = login.finish("c", "state").await.map(|authorization| authorization.tokens());
    let request = &world.requests("/token").await[0];
    assert_eq!(request.headers["accept-encoding"], "identity");
    tokens
}

#[tokio::test]
async fn only_a_missing_access_token_is_an_error() {
    for odd in [
        r#""scope":["a","b c"]"#,
        r#""scope":{"a":1}"#,
        r#""error":false"#,
        r#""error":null,"error_description":[1]"#,
        r#""token_type":1"#,
        r#""token_type":"Bearer ""#,
        r#""token_type":" bearer""#,
        r#""token_type":null"#,
        r#""token_type":["Bearer"]"#,
        r#""expires_in":{"s":1}"#,
        r#""expires_in":"soon""#,
        r#""new":"\ud83d""#,
        r#""new":NaN"#,
        r#""new":1,"new":2"#,
        r#""refresh_token":"old""#,
    ] {
        let sound = r#""access_token":"access","refresh_token":"refresh""#;
        for answer in [format!("{{{odd},{sound}}}"), format!("\u{feff} {{{odd},{sound},}}")] {
            let tokens =
                login(body(200, answer.clone())).await.unwrap_or_else(|error| panic!("{answer}: {error}"));
            assert_eq!(secret(&tokens.access_token), "access", "{answer}");
            assert_eq!(secret(tokens.refresh_token.as_ref().expect("it came")), "refresh", "{answer}");
        }
    }
    let deep = format!(r#"{{"new":{}{},"access_token":"access"}}"#, "[".repeat(500), "]".repeat(500));
    login(body(200, deep)).await.expect("a token");
    let cut = [br#"{"access_token":"access","new":""#, &b"\xe3\x81\"}"[..]].concat();
    login(body(200, cut)).await.expect("a token");
    for none in [r#"{"refresh_token":"refresh"}"#, r#"{"access_token":["a"]}"#, r#"{"access_token":""}"#] {
        assert_eq!(login(body(200, none)).await.expect_err(none).outcome(), Outcome::Applied);
    }
}

#[tokio::test]
async fn an_ended_grant_needs_a_login_however_the_error_is_worded() {
    for answer in [
        r#"{"error":"invalid_grant","error_description":["a"]}"#,
        r#"{"error":"invalid_grant","error_uri":7,"new":"\ud83d"}"#,
        "\u{feff}{\"error\":\"invalid_grant\",}",
        r#"{"error":{"code":"invalid_grant","message":"so it is"}}"#,
    ] {
        let error = login(body(400, answer)).await.expect_err(answer);
        assert_eq!((error.code(), error.outcome()), (Some("invalid_grant"), Outcome::Rejected), "{answer}");
        assert!(error.to_string().contains("log in again"), "{error}");

        let world = World::new().await;
        world.token_endpoint([issued("a", Some("r")), body(400, answer)]).await;
        let login = world.builder().build().expect("good").resume_login("state", VERIFIER).expect("good");
        let authorization = login.finish("c", "state").await.expect("tokens");
        assert!(!authorization.needs_login());
        authorization.refresh().await.expect_err("it is over");
        assert!(authorization.needs_login(), "{answer}");
    }
}
