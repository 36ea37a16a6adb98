//! What `examples/contract_check` reports, and what it must not disclose.

mod arguments;
mod properties;
mod recording;
mod seeded;

#[allow(dead_code, reason = "the example's own `main` is not run")]
#[path = "../../examples/contract_check/main.rs"]
mod contract_check;

use contract_check::{Client, Report, check, run};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{Method, RetryPolicy, tascha};
use std::collections::BTreeMap;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn clients(sandbox: &Sandbox) -> [Client; 3] {
    let clients = sandbox.clients();
    [Client::Chatwork(clients.chatwork), Client::Tascha(clients.tascha), Client::Lancers(clients.lancers)]
}

async fn report(client: &Client) -> Report {
    let given = BTreeMap::from([("webhookId".to_owned(), kaiwa::sandbox::tascha::Seed::WEBHOOK.to_owned())]);
    check(client, given).await.expect("the credential is right")
}

/// The lines about one operation.
fn about(report: &Report, operation: &str) -> String {
    let checked = report.checked.iter().find(|checked| checked.operation == operation);
    checked.unwrap_or_else(|| panic!("{operation} in {report}")).to_string()
}

#[tokio::test]
async fn a_service_as_specified_has_no_differences() {
    let sandbox = Sandbox::start().await.expect("ports");
    for client in clients(&sandbox) {
        let report = report(&client).await;
        assert!(!report.differs(), "{report}");
        assert_eq!(report.status(), 0, "{report}");
        // Chatwork's rooms have no files.
        let unchecked = report.to_string().matches("not checked").count();
        assert_eq!(unchecked, usize::from(client.service() == Provider::Chatwork), "{report}");
    }
    let tables = [kaiwa::chatwork::table::ALL, kaiwa::tascha::table::ALL, kaiwa::lancers::table::ALL];
    let requests = sandbox.requests();
    for operation in tables.into_iter().flatten().filter(|operation| operation.method == Method::GET) {
        let asked = requests.iter().any(|request| request.operation == Some(operation.id));
        assert_eq!(asked, operation.id != "get_file", "{}", operation.id);
    }
    for request in requests {
        assert_eq!(request.method, Method::GET);
        if request.provider == Provider::Chatwork && request.operation == Some("list_messages") {
            assert_eq!(request.parameter("force").as_deref(), Some("1"), "or it would move the mark");
        }
    }
}

#[tokio::test]
async fn additions_of_a_later_version_are_found() {
    let sandbox = Sandbox::start().await.expect("ports");
    for client in clients(&sandbox) {
        sandbox.faults().script(client.service(), Script::any().then(Fault::unknown_values()).forever());
        let report = report(&client).await;
        assert!(report.differs());
        for checked in &report.checked {
            let text = checked.to_string();
            if !text.contains("not checked") && !text.contains("empty") {
                assert!(text.contains("from_the_future: unknown field, of type object"), "{text}");
            }
        }
        let unknown = "a value that is not in the specification: from_the_future";
        assert!(report.to_string().contains(unknown), "{report}");
    }
}

#[tokio::test]
async fn wrong_types_and_broken_answers_are_found() {
    let sandbox = Sandbox::start().await.expect("ports");
    for (client, first, list) in
        [(0, "get_me", "list_rooms"), (1, "get_me", "list_rooms"), (2, "list_unread", "list_boards")].map(
            |(index, first, list)| (clients(&sandbox).into_iter().nth(index).expect("three"), first, list),
        )
    {
        let faults = sandbox.faults();
        faults.script(client.service(), Script::on(first).then(Fault::wrong_types()));
        faults.script(client.service(), Script::on(list).then(Fault::invalid_json()));
        let report = report(&client).await.to_string();
        assert!(report.contains(": object, where the specification has"), "{report}");
        assert!(report.contains("a 200 with a body that is not JSON"), "{report}");
        // Without the list there are no ids.
        assert!(report.contains("not checked: no response has a "), "{report}");
    }
}

#[tokio::test]
async fn a_refused_credential_gives_no_report() {
    let sandbox = Sandbox::start().await.expect("ports");
    let client = sandbox.chatwork_client("wrong").build().expect("a client");
    assert!(check(&Client::Chatwork(client), BTreeMap::new()).await.is_err());
}

/// A service that differs from its specification, and whose answers are full of private data.
async fn stranger() -> (MockServer, Client) {
    let server = MockServer::start().await;
    let answer = |at: &'static str, status: u16, body: &'static str| {
        let template = ResponseTemplate::new(status).set_body_raw(body, "application/json");
        Mock::given(method("GET"))
            .and(path(at))
            .respond_with(template.insert_header("x-quota-left", "hunter2"))
    };
    let secret = r#"{"id":"hunter2","email":5,"hunter2@example.com":"hunter2","new":"hunter2"}"#;
    answer("/me", 200, secret).mount(&server).await;
    let rooms =
        r#"{"data":[{"id":"r1","updatedAt":"hunter2"},{"id":"r2"},{"name":"hunter2"}],"nextCursor":null}"#;
    answer("/rooms", 200, rooms).mount(&server).await;
    answer("/organizations", 418, r#"{"who":"hunter2"}"#).mount(&server).await;
    let unknown_id =
        r#"{"error":{"code":"not_found","message":"no such room","requestId":"1","details":{}}}"#;
    answer("/rooms/r1/members", 404, unknown_id).mount(&server).await;
    answer("/rooms/r2/members", 404, unknown_id).mount(&server).await;
    let forbidden =
        r#"{"error":{"code":"insufficient_scope","message":"hunter2","requestId":"1","details":{}}}"#;
    answer("/rooms/r1/files", 403, forbidden).mount(&server).await;
    answer("/rooms/r2/files", 403, forbidden).mount(&server).await;
    answer("/rooms/r1/messages", 200, r#"{"data":[],"nextCursor":null}"#).mount(&server).await;
    answer("/rooms/r2/messages", 200, r#"{"data":[{"id":"m1","body":null}],"nextCursor":null}"#)
        .mount(&server)
        .await;
    answer("/rooms/r1/records", 503, r#"{"hunter2":true}"#).mount(&server).await;
    answer("/rooms/r2/records", 401, r#"{"error":{"code":"unauthorized"}}"#).mount(&server).await;
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "https://hunter2.example.com/");
    Mock::given(path("/rooms/r1/tasks")).respond_with(elsewhere).mount(&server).await;
    // Everything else does not exist.
    let nowhere = ResponseTemplate::new(404).set_body_raw("<html>hunter2</html>", "text/html");
    Mock::given(method("GET")).respond_with(nowhere).with_priority(10).mount(&server).await;
    let client = tascha::Client::builder()
        .api_key("tcha_hunter2")
        .base_url(server.uri())
        .retry(RetryPolicy::none())
        .http_client(reqwest::Client::builder().no_proxy())
        .build()
        .expect("a client");
    (server, Client::Tascha(client))
}

#[tokio::test]
async fn a_different_service_is_reported_without_its_data() {
    let (_server, client) = stranger().await;
    let report = report(&client).await;
    let me = about(&report, "GET /me");
    assert!(me.starts_with("GET /me: 200, DIFFERS\n"), "{me}");
    assert!(me.contains("  $.email: integer, where the specification has string\n"), "{me}");
    assert!(me.contains("  $.new: unknown field, of type string\n"), "{me}");
    assert!(me.contains("  $.(text of 19 characters): unknown field, of type string\n"), "{me}");
    let rooms = about(&report, "GET /rooms");
    assert!(rooms.contains("  $.data[*].id: missing, and required by the specification\n"), "{rooms}");
    assert!(about(&report, "GET /organizations").contains("a 418, which is not in the specification"));
    assert!(
        about(&report, "GET /events").contains("DIFFERS: 404, the same as for a path that does not exist\n")
    );
    let members = about(&report, "GET /rooms/{roomId}/members");
    assert!(
        members.contains("not checked: 404, but unlike the one for a path that does not exist"),
        "{members}"
    );
    let tasks = about(&report, "GET /rooms/{roomId}/tasks");
    assert!(tasks.contains("DIFFERS: a 302, which is not in the specification"), "{tasks}");
    let deliveries = about(&report, "GET /rooms/{roomId}/webhooks/{webhookId}/deliveries");
    assert!(
        deliveries.contains("DIFFERS: 404, the same as for a path that does not exist; or the id"),
        "{deliveries}"
    );
    // Other answers show that the credential is accepted.
    let records = about(&report, "GET /rooms/{roomId}/records");
    assert!(records.contains("not checked: answered with "), "{records}");
    let files = about(&report, "GET /rooms/{roomId}/files");
    assert!(files.contains("not checked: answered with 403, insufficient_scope"), "{files}");
    // The first room was empty, so the second was read.
    let messages = about(&report, "GET /rooms/{roomId}/messages");
    assert!(messages.contains("200"), "{messages}");
    assert!(!messages.contains("empty"), "{messages}");
    let text = report.to_string();
    assert!(text.contains("an unknown header: x-quota-left"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(report.differs());
}

/// Runs the program as a shell would, with these variables.
async fn status(arguments: &[&str], variables: &[(&str, &str)]) -> Result<u8, String> {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_string())
    };
    run(arguments.into_iter(), variable).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_unreachable_service_is_not_a_success() {
    // A port on which nothing listens any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nowhere = format!("http://{}", port.expect("a port"));
    for (name, credential, base) in [
        ("chatwork", "CHATWORK_API_TOKEN", "CHATWORK_BASE_URL"),
        ("tascha", "TASCHA_API_KEY", "TASCHA_BASE_URL"),
        ("lancers", "LANCERS_COOKIE", "LANCERS_BASE_URL"),
    ] {
        let variables = [(credential, "hunter2"), (base, nowhere.as_str())];
        assert_eq!(status(&[name], &variables).await, Ok(2), "{name}");
        let alone = status(&[name], &[(base, &nowhere)]).await.expect_err("no credential for it");
        assert_eq!(alone, format!("{base} is set, but {credential} is not"));
    }
    let client = tascha::Client::builder().api_key("hunter2").base_url(&nowhere).retry(RetryPolicy::none());
    let client = client.http_client(reqwest::Client::builder().no_proxy()).build().expect("a client");
    let report = report(&Client::Tascha(client)).await;
    let text = report.to_string();
    assert!(text.contains("0 of 10 GETs checked") && text.contains("NOTHING WAS CHECKED"), "{text}");
    assert_eq!(text.matches("could not connect").count(), 3, "{text}");
    assert_eq!(text.matches("not tried, because no earlier call was answered").count(), 7, "{text}");
}

#[tokio::test]
async fn a_service_that_is_down_is_not_a_success() {
    let sandbox = Sandbox::start().await.expect("ports");
    for (status, exit) in [(500, 2), (503, 2), (429, 2), (403, 1), (418, 1)] {
        sandbox.faults().clear(Provider::Lancers);
        sandbox.faults().script(Provider::Lancers, Script::any().then(Fault::status(status)).forever());
        let client = sandbox.lancers_client(kaiwa::sandbox::lancers::Seed::CREDENTIAL);
        let client = client.retry(RetryPolicy::none()).build().expect("a client");
        let report = report(&Client::Lancers(client)).await;
        assert_eq!(report.status(), exit, "{status}: {report}");
    }
    // The same if all operations but one are answered.
    sandbox.faults().clear(Provider::Lancers);
    sandbox.faults().script(Provider::Lancers, Script::on("search_boards").then(Fault::reset()).forever());
    let client = sandbox.lancers_client(kaiwa::sandbox::lancers::Seed::CREDENTIAL);
    let client = client.retry(RetryPolicy::none()).build().expect("a client");
    let report = report(&Client::Lancers(client)).await;
    assert_eq!(report.status(), 2, "{report}");
}

#[tokio::test]
async fn the_base_url_can_be_changed() {
    let server = MockServer::start().await;
    let me = ResponseTemplate::new(200).set_body_raw(r#"{"id":"me","surprise":1}"#, "application/json");
    Mock::given(method("GET")).and(path("/v1/me")).respond_with(me).mount(&server).await;
    let base = format!("{}/v1", server.uri());
    let variables = [("TASCHA_API_KEY", "hunter2"), ("TASCHA_BASE_URL", base.as_str())];
    assert_eq!(status(&["tascha"], &variables).await, Ok(1));
    let requests = server.received_requests().await.expect("the server records requests");
    assert!(requests.iter().any(|request| request.url.path() == "/v1/me"));
    // Without any variable the sandbox is checked.
    assert_eq!(status(&["lancers"], &[]).await, Ok(0));
}

#[tokio::test]
async fn a_room_that_is_listed_twice_is_read_once() {
    let server = MockServer::start().await;
    let page = |data| ResponseTemplate::new(200).set_body_raw(data, "application/json");
    let rooms = r#"{"data":[{"id":"a"},{"id":"a"},{"id":"b"}],"nextCursor":null}"#;
    Mock::given(method("GET")).and(path("/rooms")).respond_with(page(rooms)).mount(&server).await;
    let empty = page(r#"{"data":[],"nextCursor":null}"#);
    Mock::given(method("GET")).respond_with(empty).with_priority(10).mount(&server).await;
    let client = tascha::Client::builder().api_key("hunter2").base_url(server.uri());
    let client = client.http_client(reqwest::Client::builder().no_proxy()).build().expect("a client");
    report(&Client::Tascha(client)).await;
    let requests = server.received_requests().await.expect("the server records requests");
    let paths = requests.iter().map(|request| request.url.path());
    let members: Vec<&str> = paths.filter(|path| path.ends_with("/members")).collect();
    assert_eq!(members, ["/rooms/a/members", "/rooms/b/members"]);
}

/// A service with nothing but a list of rooms with `data` and headers.
async fn rooms(data: &str, headers: &[(&str, &str)]) -> Report {
    let server = MockServer::start().await;
    let body = format!(r#"{{"data":{data},"nextCursor":null}}"#);
    let rooms = ResponseTemplate::new(200).set_body_raw(body, "application/json");
    let rooms = headers.iter().fold(rooms, |rooms, (name, value)| rooms.insert_header(*name, *value));
    Mock::given(method("GET")).and(path("/rooms")).respond_with(rooms).mount(&server).await;
    let client = tascha::Client::builder().api_key("hunter2").base_url(server.uri());
    let client = client.http_client(reqwest::Client::builder().no_proxy()).build().expect("a client");
    report(&Client::Tascha(client)).await
}

#[tokio::test]
async fn optional_fields_are_listed_and_are_not_a_difference() {
    let data = r#"[
        {"id":"a","name":"x","organizationId":null,"updatedAt":"2026-01-01T00:00:00Z"},
        {"id":"b","name":null,"organizationId":"o"},
        {"id":"c","name":"x"}
    ]"#;
    let report = rooms(data, &[]).await;
    let rooms = about(&report, "GET /rooms");
    assert!(rooms.starts_with("GET /rooms (inferred): 200, as specified\n"), "{rooms}");
    assert!(
        rooms.contains("  optional: $.data[*].organizationId: null in 1 of 3, absent in 1 of 3\n"),
        "{rooms}"
    );
    assert!(rooms.contains("  optional: $.data[*].updatedAt: absent in 2 of 3\n"), "{rooms}");
    assert!(rooms.contains("  fields that were in no answer: $.data[*].createdAt, "), "{rooms}");
    assert!(report.to_string().contains("optional fields were null, or absent in some items"), "{report}");
}

#[tokio::test]
async fn a_new_header_of_a_known_family_is_found() {
    let known = ["ratelimit-limit", "retry-after", "tascha-api-units-cost", "x-request-id", "date", "etag"];
    let new = [
        "x-ratelimit-burst",
        "ratelimit-window",
        "tascha-api-units-overdraft",
        "tascha-plan",
        "chatwork-plan",
        "x-lancers-version",
        "sunset",
    ];
    let headers: Vec<(&str, &str)> = known.iter().chain(&new).map(|name| (*name, "1")).collect();
    let report = rooms("[]", &headers).await;
    let found: Vec<&str> = report.unknown_headers.iter().map(String::as_str).collect();
    let mut new = new.to_vec();
    new.sort_unstable();
    assert_eq!(found, new);
    assert!(report.differs());
}

/// The library reads it of every service.
#[tokio::test]
async fn the_policy_of_limits_is_no_unknown_header() {
    let server = MockServer::start().await;
    let boards = ResponseTemplate::new(200).set_body_raw("[]", "application/json");
    let boards = boards.insert_header("ratelimit-policy", "100;w=60");
    Mock::given(method("GET")).respond_with(boards).mount(&server).await;
    let client = kaiwa::lancers::Client::builder().cookie("hunter2").base_url(server.uri());
    let client = client.http_client(reqwest::Client::builder().no_proxy()).build().expect("a client");
    let report = report(&Client::Lancers(client)).await;
    assert!(report.unknown_headers.is_empty(), "{report}");
}
