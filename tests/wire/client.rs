//! The common parts of every request: the credential, the base URL, the headers of the client and of the call.

use crate::common::{self, plain, server};
use crate::support::{header, only_request};
use kaiwa::chatwork::{self, RoomId};
use kaiwa::{lancers, tascha};
use wiremock::{MockServer, ResponseTemplate};

/// One of the ways to give a builder its credential.
type Credential<B> = fn(B) -> B;

/// The name and value of a header, if there is one.
type Header = Option<(&'static str, &'static str)>;

async fn empty() -> MockServer {
    server(ResponseTemplate::new(204)).await
}

#[tokio::test]
async fn chatwork_takes_an_api_token_or_a_bearer_token() {
    for bearer in [false, true] {
        let server = empty().await;
        let builder = plain(chatwork::Client::builder().base_url(server.uri()));
        let builder = if bearer { builder.bearer("at-1") } else { builder.api_token("tok-1") };
        builder.build().expect("a client").rooms().await.expect("an empty list");
        let request = only_request(&server).await;
        let (token, authorization) = if bearer { (None, Some("Bearer at-1")) } else { (Some("tok-1"), None) };
        assert_eq!(header(&request, "x-chatworktoken"), Vec::from_iter(token));
        assert_eq!(header(&request, "authorization"), Vec::from_iter(authorization));
    }
}

#[tokio::test]
async fn tascha_takes_a_key_in_either_header_or_a_bearer_token() {
    let forms: [(Credential<tascha::Builder>, &str, &str); 3] = [
        (|builder| builder.api_key("tcha_live_1"), "authorization", "Bearer tcha_live_1"),
        (|builder| builder.x_api_key("tcha_live_2"), "x-api-key", "tcha_live_2"),
        (|builder| builder.bearer("tcha_at_3"), "authorization", "Bearer tcha_at_3"),
    ];
    for (credential, name, value) in forms {
        let server = common::json_server(r#"{"data":[]}"#).await;
        let builder = credential(plain(tascha::Client::builder().base_url(server.uri())));
        builder.build().expect("a client").rooms().await.expect("an empty page");
        let request = only_request(&server).await;
        assert_eq!(header(&request, name), [value]);
        let other = if name == "x-api-key" { "authorization" } else { "x-api-key" };
        assert_eq!(header(&request, other), [""; 0]);
    }
}

#[tokio::test]
async fn lancers_takes_a_cookie_any_header_or_nothing() {
    let forms: [(Credential<lancers::Builder>, Header); 3] = [
        (|builder| builder.cookie("sid=1; b=2"), Some(("cookie", "sid=1; b=2"))),
        (|builder| builder.credential_header("X-My-Auth", "secret 3"), Some(("x-my-auth", "secret 3"))),
        (|builder| builder, None),
    ];
    for (credential, expected) in forms {
        let server = empty().await;
        let builder = credential(plain(lancers::Client::builder().base_url(server.uri())));
        builder.build().expect("a client").boards().await.expect("an empty list");
        let request = only_request(&server).await;
        for name in ["cookie", "x-my-auth", "authorization"] {
            let value = expected.filter(|(header, _)| *header == name).map(|(_, value)| value);
            assert_eq!(header(&request, name), Vec::from_iter(value), "{name}");
        }
    }
}

/// White space around a credential comes from copying, and is removed.
#[tokio::test]
async fn a_credential_is_trimmed() {
    let server = empty().await;
    let builder = plain(chatwork::Client::builder().base_url(server.uri()).api_token(" tok-2\r\n"));
    builder.build().expect("a client").rooms().await.expect("an empty list");
    assert_eq!(header(&only_request(&server).await, "x-chatworktoken"), ["tok-2"]);
}

/// With and without a slash at the end, with and without a path: generated, written by hand and raw alike.
#[tokio::test]
async fn paths_are_put_under_the_base_url() {
    for (base, prefix) in [
        ("", ""),
        ("/", ""),
        ("/v2", "/v2"),
        ("/v2/", "/v2"),
        ("/proxy/chat%20work/v2/", "/proxy/chat%20work/v2"),
    ] {
        let server = empty().await;
        let client = common::chatwork(&format!("{}{base}", server.uri())).build().expect("a client");
        client.rooms().await.expect("an empty list");
        let upload = kaiwa::Upload::bytes("a.txt", "A");
        client.room(RoomId(5)).upload(upload).await.expect_err("an empty answer");
        client.request(reqwest::Method::GET, "/rooms/5").await.expect("anything");
        let paths: Vec<_> =
            common::received(&server).await.iter().map(|request| request.url.path().to_owned()).collect();
        let expected = ["/rooms", "/rooms/5/files", "/rooms/5"].map(|path| format!("{prefix}{path}"));
        assert_eq!(paths, expected, "under {base:?}");
    }
}

#[tokio::test]
async fn headers_of_the_call_replace_the_usual_ones() {
    let server = empty().await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let request = client
        .rooms()
        .with_header("X-Trace", "abc 1")
        .with_header("accept", "text/plain")
        .with_header("user-agent", "bot/2")
        .with_header("x-twice", "1")
        .with_header("X-Twice", "2");
    request.await.expect("an empty list");
    let request = only_request(&server).await;
    assert_eq!(header(&request, "x-trace"), ["abc 1"]);
    assert_eq!(header(&request, "accept"), ["text/plain"]);
    assert_eq!(header(&request, "user-agent"), ["bot/2"]);
    assert_eq!(header(&request, "x-twice"), ["2"]);
}

/// Generated, written by hand and raw alike.
#[tokio::test]
async fn headers_of_the_client_are_on_every_request_of_every_service() {
    fn with<S: kaiwa::Service>(builder: kaiwa::ClientBuilder<S>) -> kaiwa::ClientBuilder<S> {
        builder
            .header("X-Gateway-Key", "canary-gateway")
            .header("accept", "text/plain")
            .header("ACCEPT", "a/b")
    }
    let server = empty().await;
    let chatwork = with(common::chatwork(&server.uri())).build().expect("a client");
    let tascha = with(common::tascha(&server.uri())).build().expect("a client");
    let lancers = with(common::lancers(&server.uri())).build().expect("a client");
    chatwork.rooms().await.expect("an empty list");
    chatwork.room(RoomId(5)).upload(kaiwa::Upload::bytes("a", "A")).await.expect_err("an empty answer");
    chatwork.request(reqwest::Method::GET, "/x").await.expect("anything");
    tascha.request(reqwest::Method::GET, "/x").await.expect("anything");
    tascha.room("r").post("x").await.expect_err("an empty answer");
    lancers.boards().await.expect("an empty list");
    let requests = common::received(&server).await;
    assert_eq!(requests.len(), 6);
    for request in &requests {
        assert_eq!(header(request, "x-gateway-key"), ["canary-gateway"], "{}", request.url);
        assert_eq!(header(request, "accept"), ["a/b"], "the last one counts: {}", request.url);
    }
    chatwork.rooms().with_header("x-gateway-KEY", "mine").await.expect("an empty list");
    let last = common::received(&server).await.pop().expect("a request");
    assert_eq!(header(&last, "x-gateway-key"), ["mine"], "the header of the call takes precedence");
}

#[tokio::test]
async fn headers_set_by_each_request_are_refused_by_the_builder() {
    let server = empty().await;
    let uri = server.uri();
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Host",
        "connection",
        "content-type",
        "Idempotency-Key",
        "x-request-id",
        "X-ChatWorkToken",
        "canary\n",
        "",
    ] {
        let error = common::chatwork(&uri).header(name, "canary").build().expect_err(name).to_string();
        assert!(error.contains("header"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
    for value in ["canary\r\nx: y", "canary\0", "canary\u{7f}"] {
        let error = common::chatwork(&uri).header("x-gateway", value).build().expect_err("no value");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("`header` number 1 of the builder") && !shown.contains("anary"), "{shown}");
    }
    // The header of the credential depends on its kind.
    let key = plain(tascha::Client::builder().base_url(&uri).x_api_key("k-12345678"));
    assert!(key.header("x-api-key", "x").build().is_err());
    let key = plain(tascha::Client::builder().base_url(&uri).x_api_key("k-12345678"));
    let client = key.header("Authorization", "Basic Z2F0ZQ==").build().expect("another one's");
    client.request(reqwest::Method::GET, "/x").await.expect("anything");
    let request = only_request(&server).await;
    assert_eq!(
        (header(&request, "x-api-key"), header(&request, "authorization")),
        (vec!["k-12345678"], vec!["Basic Z2F0ZQ=="])
    );
    assert!(common::tascha(&uri).header("authorization", "x").build().is_err());
    assert!(common::lancers(&uri).header("cookie", "x").build().is_err());
}

#[tokio::test]
async fn headers_of_the_client_are_never_shown() {
    let echo = r#"{"errors":["no: canary-gateway and Basic canary-basic"],"error":"canary-gateway"}"#;
    let server = server(common::json(403, echo)).await;
    let builder = common::chatwork(&server.uri())
        .header("x-gateway-key", "canary-gateway")
        .header("authorization", "Basic canary-basic")
        .header("accept-language", "gateway");
    let mut shown = format!("{builder:?} {builder:#?}");
    let client = builder.build().expect("a client");
    let request = client.rooms();
    shown += &format!("{client:?} {client:#?} {request:?}");
    let error = request.await.expect_err("403");
    shown += &format!("{error} {error:?} {error:#?} {:?}", error.messages());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(error.messages()[0].contains("[redacted]"), "{error}");
}

#[tokio::test]
async fn a_header_of_the_call_does_not_replace_the_credential() {
    let server = empty().await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let error =
        client.rooms().with_header("X-ChatWorkToken", "other").await.expect_err("it would be ignored");
    assert!(error.is_invalid_input() && error.to_string().contains("credential"), "{error}");
    client.rooms().await.expect("an empty list");
    assert_eq!(header(&only_request(&server).await, "x-chatworktoken"), [common::CHATWORK_TOKEN]);
}

#[tokio::test]
async fn a_request_id_is_sent_if_given() {
    let server = common::json_server(r#"{"data":[]}"#).await;
    let client = common::tascha(&server.uri()).build().expect("a client");
    client.rooms().with_request_id("req_mine-1").await.expect("an empty page");
    assert_eq!(header(&only_request(&server).await, "x-request-id"), ["req_mine-1"]);

    // A service that is not known to read it gets it only if the caller sets it.
    let server = empty().await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    client.rooms().with_request_id("req_mine-2").await.expect("an empty list");
    assert_eq!(header(&only_request(&server).await, "x-request-id"), ["req_mine-2"]);
}

#[tokio::test]
async fn the_callers_idempotency_key_takes_precedence_over_the_generators() {
    for own in [None, Some("order-42")] {
        let server = common::json_server(r#"{"id":"ckmsg1"}"#).await;
        let client =
            common::tascha(&server.uri()).idempotency_keys(|| "made-1".into()).build().expect("a client");
        let request = client.room("ckroom01").post("hi");
        let request = match own {
            Some(key) => request.with_idempotency_key(key),
            None => request,
        };
        let answer = request.await.expect("a message");
        let expected = own.unwrap_or("made-1");
        assert_eq!(header(&only_request(&server).await, "idempotency-key"), [expected]);
        assert_eq!(answer.idempotency_key(), Some(expected));
    }
}

#[tokio::test]
async fn the_user_agent_can_be_set() {
    let server = empty().await;
    let client = common::chatwork(&server.uri()).user_agent("build-bot/1.2 (+https://bot.example)").build();
    client.expect("a client").rooms().await.expect("an empty list");
    let request = only_request(&server).await;
    assert_eq!(header(&request, "user-agent"), ["build-bot/1.2 (+https://bot.example)"]);
}

/// A body of a known length has a `Content-Length`, also if it is a stream.
#[tokio::test]
async fn content_lengths_are_sent() {
    let server = empty().await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let room = client.room(RoomId(5));
    let pieces = ["ab", "", "cdé"].map(|piece| Ok::<_, std::io::Error>(bytes::Bytes::from(piece)));
    room.post("abc").await.expect_err("an empty answer");
    room.upload(kaiwa::Upload::bytes("a", "abcdé")).await.expect_err("an empty answer");
    let stream = kaiwa::Upload::stream("a", 6, futures::stream::iter(pieces));
    room.upload(stream).await.expect_err("an empty answer");
    let requests = common::received(&server).await;
    for request in &requests {
        assert_eq!(header(request, "content-length"), [request.body.len().to_string()]);
        assert_eq!(header(request, "transfer-encoding"), [""; 0]);
    }
    let [_, whole, streamed] = &requests[..] else { panic!("three requests: {requests:?}") };
    assert_eq!(crate::multipart::parts(whole), crate::multipart::parts(streamed));
}

/// A token of letters and digits is a valid name of a header.
#[tokio::test]
async fn a_token_in_the_place_of_a_header_name_is_refused_and_not_shown() {
    const TOKEN: &str = "canary0123456789abcdef0123456789";
    let builder = kaiwa::chatwork::Client::builder;
    let builders = [
        builder().credential_header(TOKEN, "x-chatworktoken"),
        builder().credential_header(TOKEN, ""),
        builder().credential_header(TOKEN, "x-chatworktoken").header(TOKEN, "y"),
        builder().api_token("t").header(TOKEN, "x-tenant"),
        builder().api_token("t").header("x-tenant", "a").header(TOKEN, ""),
        builder().api_token("t").header("x-tenant", "\u{ff53}ecret"),
        // Shorter, or with hyphens, it can be a name, and is not shown either.
        builder().credential_header("canary-canary-canary-1234", ""),
        builder().credential_header("canary1", "x").header("canary1", "y"),
        builder().api_token("t").header("canary-canary-canary-1234", "\u{ff53}"),
    ];
    for builder in builders {
        let mut shown = format!("{builder:?}");
        let error = builder.build().expect_err("it is refused");
        shown += &format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    let named = builder().credential_header("canary-name", "s").build().expect("a client");
    assert!(!format!("{named:?}").contains("canary"), "{named:?}");
    let error = named.rooms().with_header(TOKEN, "x-tenant").await.expect_err("it is refused");
    assert!(error.is_invalid_input() && !error.to_string().contains("canary"), "{error}");
}

/// Firewalls and portals answer in the place of the service.
#[tokio::test]
async fn a_refusal_that_is_not_the_services_own_says_so() {
    let page = "<html>アクセスがブロックされました</html>";
    for (status, media_type) in [
        (401, "text/html; charset=utf-8"),
        (403, "text/html"),
        (403, "application/json"),
        (403, ""),
        (404, "text/html"),
        (407, "text/plain"),
    ] {
        let server = server(ResponseTemplate::new(status).set_body_raw(page, media_type)).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        for error in [
            client.room(RoomId(1)).post("x").await.expect_err("it is refused"),
            client.rooms().await.expect_err("it is refused"),
        ] {
            let text = error.to_string();
            assert!(text.contains("not JSON") && text.contains("firewall"), "{status}: {text}");
            assert!(!text.contains("member of the room"), "{status}: {text}");
        }
    }
    // Advice about the size of a request does not depend on who refuses it.
    let large = server(ResponseTemplate::new(413).set_body_raw(page, "text/html")).await;
    let client = common::chatwork(&large.uri()).build().expect("a client");
    let error = client.room(RoomId(1)).post("x").await.expect_err("413").to_string();
    assert!(error.contains("text/html") && !error.contains("firewall"), "{error}");
    let server = server(common::json(403, r#"{"errors":["You do not have permission"]}"#)).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let own = client.rooms().await.expect_err("403").to_string();
    assert!(own.contains("member of the room") && !own.contains("firewall"), "{own}");
}

/// The address of a login page is no base URL.
#[tokio::test]
async fn a_redirect_names_its_host_and_warns_of_login_pages() {
    for (to, host) in [
        ("https://login.example.com/sso?state=canary", "login.example.com"),
        ("/elsewhere?state=canary", "302 Found"),
    ] {
        let page = ResponseTemplate::new(302).set_body_raw("<html>moved</html>", "text/html");
        let server = server(page.insert_header("location", to)).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        for error in [
            client.room(RoomId(1)).post("x").await.expect_err("a redirect"),
            client.rooms().await.expect_err("a redirect"),
        ] {
            let text = error.to_string();
            assert!(text.contains(host) && text.contains("login page"), "{text}");
            assert!(!text.contains("not JSON"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
