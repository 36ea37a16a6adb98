//! Clients that cannot be built.

use crate::common::CHATWORK_TOKEN;
use kaiwa::{Error, ErrorKind, Outcome, chatwork, lancers, tascha};

fn assert_config(error: &Error, says: &str) {
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error:?}");
    assert_eq!((error.outcome(), error.status(), error.attempts()), (Outcome::NotSent, None, 0));
    assert!(error.operation().is_none());
    let shown = error.to_string();
    assert!(shown.contains(says) && shown.ends_with("Nothing was sent."), "{says:?} is missing in {shown:?}");
}

#[test]
fn a_credential_is_needed_where_the_service_needs_one() {
    assert_config(&chatwork::Client::builder().build().expect_err("none"), "CHATWORK_API_TOKEN");
    assert_config(&tascha::Client::builder().build().expect_err("none"), "TASCHA_API_KEY");
    assert_config(&tascha::Client::staging().build().expect_err("none"), "TASCHA_API_KEY");
    lancers::Client::builder().build().expect("it is not known which credential Lancers takes");
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    fn check<C>(name: &str, client: Result<C, Error>) {
        if std::env::var_os(name).is_none() {
            assert_config(&client.map(drop).expect_err("no credential"), name);
        }
    }
    check("CHATWORK_API_TOKEN", chatwork::Client::from_env());
    check("TASCHA_API_KEY", tascha::Client::from_env());
    check("LANCERS_COOKIE", lancers::Client::from_env());
}

#[test]
fn an_empty_credential_is_refused() {
    for empty in ["", " ", "\n", "\t\r\n"] {
        for error in [
            chatwork::Client::builder().api_token(empty).build().map(drop),
            chatwork::Client::builder().bearer(empty).build().map(drop),
            tascha::Client::builder().api_key(empty).build().map(drop),
            tascha::Client::builder().x_api_key(empty).build().map(drop),
            tascha::Client::builder().bearer(empty).build().map(drop),
            lancers::Client::builder().cookie(empty).build().map(drop),
            lancers::Client::builder().credential_header("x-auth", empty).build().map(drop),
        ] {
            assert_config(&error.expect_err("an empty credential"), "is empty");
        }
    }
}

/// A token that contains a line break is refused with the name of its header, and is never shown.
#[test]
fn a_credential_that_is_not_a_valid_header_is_not_shown() {
    for broken in ["canary\nx", "canary\r\nx-evil: 1", "canary\0", "can\u{7f}ary"] {
        for (name, error) in [
            ("x-chatworktoken", chatwork::Client::builder().api_token(broken).build().map(drop)),
            ("authorization", chatwork::Client::builder().bearer(broken).build().map(drop)),
            ("authorization", tascha::Client::builder().api_key(broken).build().map(drop)),
            ("x-api-key", tascha::Client::builder().x_api_key(broken).build().map(drop)),
            ("cookie", lancers::Client::builder().cookie(broken).build().map(drop)),
            (
                "credential_header",
                lancers::Client::builder().credential_header("x-auth", broken).build().map(drop),
            ),
        ] {
            let error = error.expect_err("no header value");
            assert_config(&error, name);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && !shown.contains("ary"), "{shown}");
        }
    }
    for name in ["", "x auth", "x-auth\n", "ヘッダー"] {
        let error =
            lancers::Client::builder().credential_header(name, "canary").build().expect_err("no header name");
        assert_config(&error, "`credential_header` has a name that HTTP does not allow");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

fn with_base(url: &str) -> Result<chatwork::Client, Error> {
    chatwork::Client::builder().api_token(CHATWORK_TOKEN).base_url(url).build()
}

#[test]
fn credentials_go_over_https_or_to_this_machine() {
    for good in [
        "https://api.example.com/v2",
        "https://api.example.com:8443",
        "http://127.0.0.1:8080/v2/",
        "http://127.8.8.8",
        "http://[::1]:80",
        "http://localhost",
        "http://localhost:1/v2",
    ] {
        with_base(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for (bad, says) in [
        ("http://api.example.com", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("http://chat.localhost:1/v2", "plain http"),
        ("http://192.168.1.1", "plain http"),
        ("http://0.0.0.0", "plain http"),
        ("http://[fe80::1]", "plain http"),
        ("ftp://127.0.0.1", "scheme"),
        ("ws://127.0.0.1", "scheme"),
        ("", "base URL"),
        ("/v2", "base URL"),
        ("api.example.com", "base URL"),
        ("https://", "base URL"),
        ("data:,x", "base URL"),
        ("file:///etc", "base URL"),
        ("https://api.example.com?key=canary", "base URL"),
        ("https://api.example.com/#canary", "base URL"),
        ("https://canary@api.example.com", "base URL"),
        ("https://me:canary@api.example.com", "base URL"),
    ] {
        let error = with_base(bad).expect_err(bad);
        assert_config(&error, says);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(CHATWORK_TOKEN) && !shown.contains("canary"), "{shown}");
    }
}

#[test]
fn a_user_agent_has_to_be_a_header_value() {
    let builder = chatwork::Client::builder().api_token(CHATWORK_TOKEN).user_agent("bot\n1");
    assert_config(&builder.build().expect_err("a line break"), "cannot be set up");
}
