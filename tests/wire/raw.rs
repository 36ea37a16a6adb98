//! `client.request(…)`: the workaround for a path that a service has changed.

use crate::common::{self, CHATWORK_TOKEN, LANCERS_COOKIE, TASCHA_KEY, received, server};
use crate::multipart::parts;
use crate::support::{header, only_request};
use kaiwa::{Endpoint, Safety, Upload, chatwork};
use reqwest::Method;
use wiremock::{MockServer, Request, ResponseTemplate};

/// A client of a server below the path `/v2`.
async fn client() -> (MockServer, chatwork::Client) {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::chatwork(&format!("{}/v2", server.uri())).build().expect("a client");
    (server, client)
}

/// Sends a request to the path, and returns the received request.
async fn sent(
    method: Method,
    path: &str,
    with: impl FnOnce(
        kaiwa::Request<kaiwa::Raw<chatwork::Chatwork>>,
    ) -> kaiwa::Request<kaiwa::Raw<chatwork::Chatwork>>,
) -> Request {
    let (server, client) = client().await;
    let answer = with(client.request(method, path)).await.expect("an empty answer");
    assert_eq!(answer.into_inner(), serde_json::Value::Null);
    only_request(&server).await
}

fn line(request: &Request) -> String {
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{} {}{query}", request.method, request.url.path())
}

#[tokio::test]
async fn every_method_goes_to_the_path_below_the_base_url() {
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
        let request = sent(method.parse().expect("a method"), "/rooms/7/notes", |request| request).await;
        assert_eq!(line(&request), format!("{method} /v2/rooms/7/notes"));
        assert_eq!(header(&request, "x-chatworktoken"), [CHATWORK_TOKEN]);
        assert_eq!(header(&request, "content-type"), [""; 0]);
        assert_eq!(header(&request, "api-version"), [""; 0]);
        assert_eq!(request.body, b"");
    }
}

#[tokio::test]
async fn a_query_is_encoded_and_added_to_that_of_the_path() {
    let request = sent(Method::GET, "/search", |request| {
        request.query("q", "あ&b=c +%").query("limit", 5).query("q", "again")
    })
    .await;
    assert_eq!(line(&request), "GET /v2/search?q=%E3%81%82%26b%3Dc+%2B%25&limit=5&q=again");
    let request = sent(Method::GET, "/search?a=1", |request| request.query("b", true)).await;
    assert_eq!(line(&request), "GET /v2/search?a=1&b=true");
    // Neither the query nor the fragment of the path is treated as a part of the path.
    let request = sent(Method::GET, "/search?next=/../x", |request| request).await;
    assert_eq!(line(&request), "GET /v2/search?next=/../x");
}

#[tokio::test]
async fn a_form_is_encoded_in_the_order_of_its_fields() {
    let request = sent(Method::POST, "/rooms/7/notes", |request| {
        request.form("title", "議事録 1+1").form("flag", 1).form("title", "")
    })
    .await;
    assert_eq!(header(&request, "content-type"), ["application/x-www-form-urlencoded"]);
    assert_eq!(
        String::from_utf8(request.body).expect("ASCII"),
        "title=%E8%AD%B0%E4%BA%8B%E9%8C%B2+1%2B1&flag=1&title="
    );
}

#[tokio::test]
async fn a_json_body_is_sent_as_serialised() {
    let body = serde_json::json!({ "title": "議事録", "n": [1, null, 0.5] });
    let request = sent(Method::PUT, "/rooms/7/notes/1", |request| request.json_body(&body)).await;
    assert_eq!(header(&request, "content-type"), ["application/json"]);
    assert_eq!(request.body, serde_json::to_vec(&body).expect("JSON"));
}

#[tokio::test]
async fn the_last_kind_of_body_counts() {
    let request = sent(Method::POST, "/x", |request| request.form("a", 1).json_body(&[2])).await;
    assert_eq!(
        (header(&request, "content-type"), &request.body[..]),
        (vec!["application/json"], &b"[2]"[..])
    );
    let request = sent(Method::POST, "/x", |request| request.json_body(&[2]).form("a", 1)).await;
    assert_eq!(
        (header(&request, "content-type"), &request.body[..]),
        (vec!["application/x-www-form-urlencoded"], &b"a=1"[..])
    );
}

#[tokio::test]
async fn a_form_with_a_file_is_multipart_in_the_order_of_its_fields() {
    let request = sent(Method::POST, "/boards", |request| {
        request
            .form("users[]", "花子")
            .file("message[files][]", Upload::bytes("図 \"1\".png", "PNG"))
            .form("message[description]", "a&b\r\n--c")
            .file("message[files][]", Upload::bytes("a", "A").content_type("text/plain; charset=utf-8"))
    })
    .await;
    assert_eq!(
        parts(&request),
        [
            "Content-Disposition: form-data; name=\"users[]\": 花子",
            "Content-Disposition: form-data; name=\"message[files][]\"; filename=\"図 \\\"1\\\".png\" | \
             Content-Type: image/png: PNG",
            "Content-Disposition: form-data; name=\"message[description]\": a&b\r\n--c",
            "Content-Disposition: form-data; name=\"message[files][]\"; filename=\"a\" | \
             Content-Type: text/plain; charset=utf-8: A",
        ]
    );
    assert_eq!(header(&request, "content-length"), [request.body.len().to_string()]);
    assert_eq!(header(&request, "x-chatworktoken"), [CHATWORK_TOKEN]);
}

#[tokio::test]
async fn a_form_without_a_file_is_multipart_on_request() {
    let body = "Content-Disposition: form-data; name=\"a\": 1";
    let request = sent(Method::POST, "/x", |request| request.form("a", 1).multipart()).await;
    assert_eq!(parts(&request), [body]);
    let request = sent(Method::PUT, "/x", |request| request.json_body(&[2]).multipart().form("a", 1)).await;
    assert_eq!(parts(&request), [body]);
    let file = Upload::bytes("a.txt", "A");
    let request = sent(Method::POST, "/x", |request| request.file("a", file).json_body(&[2])).await;
    assert_eq!(
        (header(&request, "content-type"), &request.body[..]),
        (vec!["application/json"], &b"[2]"[..])
    );
    let request = sent(Method::POST, "/x", |request| request.json_body(&[2]).form("a", 1)).await;
    assert_eq!(header(&request, "content-type"), ["application/x-www-form-urlencoded"]);
}

/// The typed upload is limited to 5 MiB, as documented.
#[tokio::test]
async fn a_file_larger_than_a_typed_upload_is_sent_completely() {
    let text = "あ".repeat(2 << 20);
    let file = Upload::bytes("large.txt", text.clone());
    let (server, client) = client().await;
    let typed = client.room(chatwork::RoomId(7)).upload(file.clone()).await.expect_err("6 MiB");
    assert!(typed.is_invalid_input(), "{typed}");
    client.request(Method::POST, "/rooms/7/files").file("file", file).await.expect("an empty answer");
    let request = only_request(&server).await;
    let [part] = &parts(&request)[..] else { panic!("one part") };
    assert!(part.starts_with("Content-Disposition: form-data; name=\"file\"; filename=\"large.txt\""));
    assert!(part.ends_with(&text) && request.body.len() > 6 << 20);
}

/// Both become part of a header, where a line break would begin another header.
#[tokio::test]
async fn names_with_control_characters_are_refused() {
    let (server, client) = client().await;
    for name in ["a\r\nX-Evil: 1\r\n\r\nb", "a\nb", "a\rb", "a\0b", "a\u{7f}"] {
        let post = || client.request(Method::POST, "/x");
        for request in [
            post().file("file", Upload::bytes(name, "A")),
            post().file(name, Upload::bytes("a", "A")),
            post().form(name, "A").file("file", Upload::bytes("a", "A")),
            post().form(name, "A").multipart(),
        ] {
            let error = request.await.expect_err(name);
            assert!(error.is_invalid_input(), "{name:?}: {error}");
        }
    }
    let bad_type = Upload::bytes("a", "A").content_type("no type\r\n");
    let error = client.request(Method::POST, "/x").file("file", bad_type).await.expect_err("no media type");
    assert!(error.is_invalid_input(), "{error}");
    assert_eq!(received(&server).await.len(), 0);
}

/// Unusual but harmless paths are sent as they are.
#[tokio::test]
async fn harmless_paths_are_not_refused() {
    for (path, expected) in [
        ("/", "/v2/"),
        ("/a/", "/v2/a/"),
        ("/a//b", "/v2/a//b"),
        ("/a.b/...", "/v2/a.b/..."),
        ("/a%20b", "/v2/a%20b"),
        ("/日本", "/v2/%E6%97%A5%E6%9C%AC"),
        ("/a@b:1", "/v2/a@b:1"),
        ("/@example.com/", "/v2/@example.com/"),
    ] {
        assert_eq!(sent(Method::GET, path, |request| request).await.url.path(), expected, "{path}");
    }
}

/// A path that would send the credential outside the base URL is refused before anything is sent.
#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused() {
    let (server, client) = client().await;
    for path in [
        "",
        "rooms",
        "/a%2Fb",
        "/a%252fb",
        "/a%5cb",
        "/a%00",
        "/%252e%252e/b",
        "//example.com/rooms",
        "///example.com",
        "/..",
        "/../me",
        "/rooms/../../me",
        "/rooms/..",
        "/rooms/.",
        "/./rooms",
        "/%2e%2e/me",
        "/%2E%2e/me",
        "/.%2e/me",
        "/%2e./me",
        "/rooms/%2e/x",
        "/..?a=1",
        "/..#a",
        "..",
        "%2e%2e/x",
        "https://example.com/rooms",
        "http://example.com",
        "\\\\example.com",
        "/\\example.com",
        "/rooms\\..\\me",
        "/..\\me",
    ] {
        let error = client.request(Method::GET, path).await.expect_err(path);
        assert!(error.is_invalid_input(), "{path}: {error}");
        assert!(error.to_string().contains("`path`"), "{path}: {error}");
    }
    assert_eq!(received(&server).await.len(), 0);
}

#[tokio::test]
async fn other_methods_and_bodies_that_do_not_serialise_are_refused() {
    let (server, client) = client().await;
    for method in ["TRACE", "CONNECT", "PURGE"] {
        let error = client.request(method.parse().expect("a method"), "/me").await.expect_err(method);
        assert!(error.is_invalid_input() && error.to_string().contains("`method`"), "{error}");
    }
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    let error = client
        .request(Method::POST, "/me")
        .json_body(&unwritable)
        .await
        .expect_err("a key that is not a text");
    assert!(error.is_invalid_input() && error.to_string().contains("`json_body`"), "{error}");
    assert_eq!(received(&server).await.len(), 0);
}

/// The other two clients have it too, with their own credential and headers.
#[tokio::test]
async fn raw_requests_work_for_tascha_and_lancers() {
    let server = common::json_server(r#"{"anything":[1]}"#).await;
    let tascha = common::tascha(&server.uri()).build().expect("a client");
    let answer = tascha.request(Method::GET, "/boards").await.expect("any JSON");
    assert_eq!(answer["anything"][0], 1);
    let keyed = tascha.request(Method::POST, "/boards").safety(Safety::Keyed).with_idempotency_key("k-1");
    assert_eq!(keyed.endpoint().safety(), Safety::Keyed);
    keyed.await.expect("any JSON");
    let lancers = common::lancers(&server.uri()).build().expect("a client");
    lancers.request(Method::DELETE, "/boards/1").await.expect("any JSON");

    let requests = received(&server).await;
    let [read, keyed, deleted] = &requests[..] else { panic!("three requests: {requests:?}") };
    assert_eq!(header(read, "authorization"), [format!("Bearer {TASCHA_KEY}")]);
    assert_eq!((header(read, "x-request-id").len(), header(read, "idempotency-key").len()), (1, 0));
    assert_eq!(header(keyed, "idempotency-key"), ["k-1"]);
    assert_eq!(header(deleted, "cookie"), [LANCERS_COOKIE]);
}

#[test]
fn the_safety_follows_from_the_method_unless_it_is_set() {
    let client = common::chatwork("http://127.0.0.1:9").build().expect("a client");
    for (method, safety) in [
        (Method::GET, Safety::Safe),
        (Method::HEAD, Safety::Safe),
        (Method::OPTIONS, Safety::Safe),
        (Method::POST, Safety::Unsafe),
        (Method::PUT, Safety::Unsafe),
        (Method::PATCH, Safety::Unsafe),
        (Method::DELETE, Safety::Unsafe),
    ] {
        assert_eq!(client.request(method.clone(), "/x").endpoint().safety(), safety, "{method}");
    }
    let put = client.request(Method::PUT, "/x").safety(Safety::Idempotent);
    assert_eq!(put.endpoint().safety(), Safety::Idempotent);
}
