//! Places to which no credential is sent, and connections over which no request is sent.

use crate::common::{self, received, server};
use kaiwa::chatwork::RoomId;
use kaiwa::{Outcome, Upload};
use reqwest::Method;
use std::net::TcpListener;
use wiremock::ResponseTemplate;

/// Redirects are not followed: not to another origin, not to another path, not for any method or credential.
#[tokio::test]
async fn a_redirect_is_an_error_and_gets_no_credential() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = server(common::json(200, r#"{"message_id":"1"}"#)).await;
        let target = format!("{}/v2/rooms/5/messages", elsewhere.uri());
        let here = server(ResponseTemplate::new(status).insert_header("location", target.as_str())).await;
        let (chatwork, tascha, lancers) = (
            common::chatwork(&here.uri()).build().expect("a client"),
            common::tascha(&here.uri()).build().expect("a client"),
            common::lancers(&here.uri()).build().expect("a client"),
        );
        let room = chatwork.room(RoomId(5));
        let errors = [
            room.get().await.map(drop),
            room.post("x").await.map(drop),
            room.upload(Upload::bytes("a", "A")).await.map(drop),
            chatwork.request(Method::GET, "/me").await.map(drop),
            tascha.me().await.map(drop),
            tascha.room("ckroomA").post("x").await.map(drop),
            lancers.boards().await.map(drop),
        ]
        .map(|result| result.expect_err("a redirect is not an answer"));
        for error in errors {
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{error}");
            // Web sites also answer a completed post with "see other".
            let read = error.operation().is_some_and(|operation| operation.safety == kaiwa::Safety::Safe);
            let open = !read && (301..=303).contains(&status);
            let outcome = if open { Outcome::Unknown } else { Outcome::Rejected };
            assert_eq!((error.outcome(), error.attempts()), (outcome, 1), "{error}");
            assert_eq!(error.headers()["location"], target.as_str(), "the caller may read it");
            assert!(error.to_string().contains("Redirects are not followed"), "{error}");
        }
        assert_eq!(received(&here).await.len(), 7);
        assert_eq!(received(&elsewhere).await.len(), 0, "status {status} was followed");
    }
}

/// The caller's own settings of the HTTP client do not bring redirects back.
#[tokio::test]
async fn a_custom_redirect_policy_is_overridden() {
    let elsewhere = server(common::json(200, "[]")).await;
    let here = server(ResponseTemplate::new(307).insert_header("location", elsewhere.uri().as_str())).await;
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::limited(10));
    let client = common::chatwork(&here.uri()).http_client(http).build().expect("a client");
    client.rooms().await.expect_err("a redirect is not an answer");
    assert_eq!(received(&elsewhere).await.len(), 0);
}

/// A port on which nothing listens: nothing was sent, and every operation can be repeated.
#[tokio::test]
async fn a_refused_connection_sends_nothing() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", closed.local_addr().expect("its address"));
    drop(closed);
    let chatwork = common::chatwork(&base).build().expect("a client");
    let post = chatwork.room(RoomId(5)).post("secret text").await.expect_err("no connection");
    assert!(post.to_string().contains("Nothing was sent, so it can be sent again."), "{post}");
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from("A"))]);
    let tascha = common::tascha(&base).build().expect("a client");
    let lancers = common::lancers(&base).build().expect("a client");
    for error in [
        post,
        chatwork.request(Method::GET, "/me").query("q", "secret text").await.expect_err("no connection"),
        chatwork.room(RoomId(5)).upload(Upload::stream("a", 1, stream)).await.expect_err("no connection"),
        tascha.room("ckroomA").post("secret text").await.expect_err("no connection"),
        lancers.search("secret text").await.expect_err("no connection"),
    ] {
        assert_eq!((error.outcome(), error.status()), (Outcome::NotSent, None), "{error}");
        assert_eq!(error.connections(), 1, "{error}");
        assert!(error.is_connect() && !error.is_timeout() && error.attempts() == 0, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("could not connect to 127.0.0.1:") && !shown.contains("secret"), "{shown}");
    }
}
