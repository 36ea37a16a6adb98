//! Tables of calls and of the expected requests.

use crate::common::{received, server};
use crate::multipart;
use futures::future::BoxFuture;
use kaiwa::{Endpoint, Error, Operation, Safety};
use std::collections::BTreeSet;
use wiremock::{MockServer, Request, ResponseTemplate};

/// The path in the base URL of all clients here.
pub const BASE_PATH: &str = "/base/v9";

/// The expected body of a request, byte for byte.
pub enum Body {
    /// No body and no content type.
    None,
    Form(&'static str),
    Json(&'static str),
    /// The parts as [`multipart::parts`] shows them.
    Parts(&'static [&'static str]),
}

/// A call, and the expected request.
pub struct Case {
    operation: &'static Operation,
    id: &'static str,
    line: &'static str,
    body: Body,
    send: BoxFuture<'static, Result<(), Error>>,
}

/// `id` is the operation's; `line` is the method with the path and the query below the base URL.
pub fn case<E: Endpoint>(
    id: &'static str,
    request: kaiwa::Request<E>,
    line: &'static str,
    body: Body,
) -> Case {
    let operation = request.endpoint().operation();
    Case { operation, id, line, body, send: Box::pin(async { request.send().await.map(drop) }) }
}

/// A finished call, for further checks.
pub struct Sent {
    pub operation: &'static Operation,
    pub request: Request,
}

/// Makes every call and compares the request. `cases` gets the base URL of the server.
pub async fn send_all(cases: impl FnOnce(&str) -> Vec<Case>) -> Vec<Sent> {
    let server = server(ResponseTemplate::new(204)).await;
    let mut all = Vec::new();
    for Case { operation, id, line, body, send } in cases(&format!("{}{BASE_PATH}", server.uri())) {
        let place = format!("{id}, {line}");
        assert_eq!(operation.id, id, "{place}: the method makes a different operation");
        // Only some operations accept the empty answer; only the request matters here.
        if let Err(error) = send.await {
            assert!(error.is_decode(), "{place}: {error}");
        }
        let mut requests = received(&server).await;
        assert_eq!(requests.len(), all.len() + 1, "{place}: one request");
        let request = requests.pop().expect("counted");
        check(&place, operation, line, &body, &request);
        all.push(Sent { operation, request });
    }
    all
}

fn check(place: &str, operation: &Operation, line: &str, body: &Body, request: &Request) {
    let path = request.url.path().strip_prefix(BASE_PATH);
    let path = path.unwrap_or_else(|| panic!("{place}: went to {}", request.url));
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(format!("{} {path}{query}", request.method), line);
    assert_eq!(request.method.as_str(), operation.method.as_str(), "{place}: the table's method");
    assert!(follows(operation.path, path), "{place}: not of the form {}", operation.path);

    let content_type = header(request, "content-type");
    let text = || std::str::from_utf8(&request.body).expect("UTF-8");
    match body {
        Body::None => {
            assert_eq!(content_type, [""; 0], "{place}: content type");
            assert_eq!(text(), "", "{place}: body");
        }
        Body::Form(form) => {
            assert_eq!(content_type, ["application/x-www-form-urlencoded"], "{place}: content type");
            assert_eq!(text(), *form, "{place}: body");
        }
        Body::Json(json) => {
            assert_eq!(content_type, ["application/json"], "{place}: content type");
            assert_eq!(text(), *json, "{place}: body");
        }
        Body::Parts(parts) => assert_eq!(multipart::parts(request), *parts, "{place}: parts"),
    }
    assert_eq!(header(request, "api-version"), [""; 0], "{place}: the generator's header");
    assert_eq!(header(request, "referer"), [""; 0], "{place}: referer");
    let agent = concat!("kaiwa/", env!("CARGO_PKG_VERSION"));
    assert_eq!(header(request, "user-agent"), [agent], "{place}: user agent");
}

/// Whether a path matches a template: the segments are equal, except for parameters.
fn follows(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let same = |(template, segment): (&&str, &&str)| template.starts_with('{') || template == segment;
    template.len() == path.len() && template.iter().zip(&path).all(same)
}

/// Every request has this header once, with this value.
pub fn assert_header(sent: &[Sent], name: &str, value: &str) {
    for Sent { operation, request } in sent {
        assert_eq!(header(request, name), [value], "{}: {name}", operation.id);
    }
}

/// No request has this header.
pub fn assert_no_header(sent: &[Sent], name: &str) {
    for Sent { operation, request } in sent {
        assert_eq!(header(request, name), [""; 0], "{}: {name}", operation.id);
    }
}

/// Every request accepts JSON, except these operations, whose answer is not read or which are written by hand.
pub fn assert_accept(sent: &[Sent], any: &[&str]) {
    for Sent { operation, request } in sent {
        let expected = if any.contains(&operation.id) { "*/*" } else { "application/json" };
        assert_eq!(header(request, "accept"), [expected], "{}: accept", operation.id);
    }
}

/// The operations that a header was sent with.
pub fn operations_with(sent: &[Sent], name: &str) -> BTreeSet<&'static str> {
    let with = sent.iter().filter(|sent| sent.request.headers.contains_key(name));
    with.map(|sent| sent.operation.id).collect()
}

/// Every operation of the table was sent, and the table has exactly those of the specification.
pub fn assert_complete(sent: &[Sent], table: &[&Operation], specification: &str, count: usize) {
    let sent: BTreeSet<&str> = sent.iter().map(|sent| sent.operation.id).collect();
    let known: BTreeSet<&str> = table.iter().map(|operation| operation.id).collect();
    let specified: Vec<&str> =
        specification.lines().filter_map(|line| line.trim().strip_prefix("operationId: ")).collect();
    assert_eq!(sent, known, "operations that were sent, and those of the table");
    assert_eq!(known, specified.iter().copied().collect(), "operations of the table, and those specified");
    assert_eq!((table.len(), specified.len()), (count, count), "no operation is there twice");
    for operation in table {
        assert!(operation.path.starts_with('/'), "{operation}");
        assert_eq!(
            operation.safety == Safety::Safe,
            is_read(operation),
            "{operation}: {:?}",
            operation.safety
        );
    }
}

/// Reading a list with Chatwork's `force=0` moves a mark at the service, so it does not only read.
fn is_read(operation: &Operation) -> bool {
    operation.method.as_str() == "GET" && operation.path != "/rooms/{room_id}/messages"
}

/// The only received request.
pub async fn only_request(server: &MockServer) -> Request {
    let mut requests = received(server).await;
    assert_eq!(requests.len(), 1, "one request is expected: {requests:?}");
    requests.remove(0)
}

/// The values of a header, as text.
pub fn header<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    request.headers.get_all(name).iter().map(|value| value.to_str().expect("visible ASCII")).collect()
}
