//! What a recording keeps, what it must not keep, and that a report and a sandbox can be made from it.

use super::contract_check::{AnsweredBy, Client, Recording, Report, Source, lines, read_all};
use super::{clients, status, stranger};
use kaiwa::sandbox::chatwork::{Account, Room};
use kaiwa::sandbox::lancers::BoardSeed;
use kaiwa::sandbox::tascha::{EventType, Key, Organization, RecordStatus, RoomSeed, User, WebhookSeed};
use kaiwa::sandbox::{Fault, Sandbox, Script, chatwork, lancers, tascha};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

pub(super) type Binding = BTreeMap<String, String>;

/// What the program reports of a service and writes into a recording.
pub(super) async fn record(client: &Client, given: &Binding) -> (Report, String) {
    let (report, exchanges) = read_all(Source::Service(client), given.clone()).await;
    (
        report.expect("the credential is right"),
        lines(client.service(), AnsweredBy::Service, given, &exchanges),
    )
}

/// What it reports of the recording of one service, and what it would write if it recorded that.
pub(super) async fn reread(recording: &str) -> (Report, String) {
    let mut all = Recording::all(recording).expect("a recording");
    let recording = all.pop().expect("a service");
    assert!(all.is_empty(), "one service");
    let (report, exchanges) = read_all(Source::Recording(&recording), recording.given.clone()).await;
    let lines = lines(recording.service, recording.answered_by, &recording.given, &exchanges);
    (report.expect("the credential was right"), lines)
}

/// The report without words that the specification does not have: a recording has their lengths.
pub(super) fn without_words(report: &Report) -> String {
    let line = |line: &str| {
        let value = line.find(": a value that is not in the specification: ");
        let code =
            line.find("not checked: answered with ").and_then(|at| line[at..].find(", ").map(|end| at + end));
        let times = line.rfind(" times)").and(line.rfind(" (")).unwrap_or(line.len());
        match value.or(code) {
            Some(end) => format!("{}{}\n", &line[..end], &line[times.max(end)..]),
            None => format!("{line}\n"),
        }
    };
    report.to_string().lines().map(line).collect()
}

pub(super) fn answers(recording: &str) -> Vec<Value> {
    let lines = recording.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.filter(|line: &Value| line.get("recording").is_none()).collect()
}

fn answer<'a>(answers: &'a [Value], operation: &str) -> &'a Value {
    let found = answers.iter().find(|answer| answer["operation"] == operation);
    found.unwrap_or_else(|| panic!("an answer to {operation}"))
}

/// No text of a person, a company or a file of the seeds, and none of their ids.
const PLANTED: [&str; 3] = ["hunter", "山田", "7310"];

fn assert_clean(recording: &str) {
    for planted in PLANTED {
        let line = recording.lines().find(|line| line.to_lowercase().contains(planted));
        assert_eq!(line, None, "{planted}");
    }
}

/// A sandbox with a secret in every text and id of its seeds.
pub(super) async fn planted() -> Sandbox {
    let person = |id, name: &str, token: &str| {
        Account::new(id, format!("山田 {name}"))
            .token(token)
            .organization(731_090, "hunter株式会社")
            .chatwork_id("hunter-id")
            .department("hunter部")
            .title("hunter長")
            .mail("hunter@hunter.example.com")
            .introduction("hunterです")
            .url("https://hunter.example.com/?token=hunter")
    };
    let chatwork = chatwork::Seed::new()
        .account(person(731_001, "hunter1", chatwork::Seed::TOKEN))
        .account(person(731_002, "hunter2", "hunter-token"))
        .account(person(731_003, "hunter3", "hunter-token-3"))
        .contact(731_001, 731_002)
        .incoming_request(731_003, 731_001, "山田です。電話は 090-7310-7310")
        .room(
            Room::group(731_010, "hunter部屋")
                .description("https://hunter.example.com/7310")
                .admin(731_001)
                .readonly(731_002)
                .message(731_002, "[To:731001] 山田さん\nhunter")
                .message(731_001, "7310")
                .task(731_002, &[731_001, 731_002], "hunterの仕事")
                .file(731_002, "hunter.pdf", "hunter")
                .link("hunter-7310"),
        );
    let tascha = tascha::Seed::new()
        .organization(Organization::new("hunter-org", "hunter株式会社"))
        .user(User::new("hunter-a", "山田").organization("hunter-org"))
        .user(User::new("hunter-b@example.com", "hunter"))
        .key(Key::user(tascha::Seed::TOKEN, "hunter-a"))
        .events([EventType::new("hunter.created", "hunterが書いた")])
        .room(
            RoomSeed::new("hunter-room-7310", "hunter部屋")
                .organization("hunter-org")
                .members(["hunter-a", "hunter-b@example.com"])
                .board("hunter-board")
                .message("hunter-b@example.com", "山田です")
                .message("hunter-a", "hunter@hunter.example.com")
                .tasks(1)
                .record("hunter-a", "hunterの記録", RecordStatus::Locked)
                .files(1)
                .webhook(WebhookSeed::new("hunter-hook").events(["hunter.created"]).deliveries(2)),
        );
    let lancers = lancers::Seed::new().account("hunter1", lancers::Seed::CREDENTIAL).board(
        BoardSeed::new("hunter2", ["hunter1", "山田"])
            .title("hunterの案件")
            .description("090-7310-7310")
            .message("hunter2", "@hunter1 山田です")
            .file("hunter2", "hunter.zip", "application/hunter", 1)
            .unread_by(["hunter1"]),
    );
    Sandbox::builder().chatwork(chatwork).tascha(tascha).lancers(lancers).start().await.expect("ports")
}

pub(super) fn hook(id: &str) -> Binding {
    Binding::from([("webhookId".to_owned(), id.to_owned()), ("hunter".to_owned(), "hunter".to_owned())])
}

#[tokio::test]
async fn a_recording_made_against_a_sandbox_full_of_planted_secrets_holds_none() {
    let sandbox = planted().await;
    for client in clients(&sandbox) {
        let (report, recording) = record(&client, &hook("hunter-hook")).await;
        assert!(!report.differs(), "{report}");
        assert_clean(&recording);
        let kept = ["\"name\":", "\"status\":200", "\"content-type\":\"application/json\""];
        assert!(kept.iter().all(|kept| recording.contains(kept)), "{recording}");
    }
}

#[tokio::test]
async fn the_same_id_is_the_same_made_up_one_and_the_order_is_kept() {
    let sandbox = planted().await;
    let [chatwork, tascha, lancers] = clients(&sandbox);
    let recorded = answers(&record(&chatwork, &Binding::new()).await.1);
    let (me, members) = (answer(&recorded, "get_me"), answer(&recorded, "list_members"));
    assert_eq!(me["body"]["account_id"], members["body"][0]["account_id"]);
    assert_ne!(members["body"][0]["account_id"], members["body"][1]["account_id"]);
    let room = &answer(&recorded, "list_rooms")["body"][0]["room_id"];
    assert_eq!(members["parameters"]["room_id"], room.to_string(), "as a text in a path");
    assert_eq!(answer(&recorded, "get_room")["body"]["room_id"], *room);
    let messages = answer(&recorded, "list_messages")["body"].as_array().expect("messages").clone();
    let ids: Vec<u64> =
        messages.iter().map(|message| message["message_id"].as_str().expect("a text")).map(number).collect();
    assert!(ids.is_sorted() && ids.len() > 3, "{ids:?}");
    assert_eq!(answer(&recorded, "get_message")["parameters"]["message_id"], ids[0].to_string());

    let recorded = answers(&record(&tascha, &hook("hunter-hook")).await.1);
    let deliveries = answer(&recorded, "list_webhook_deliveries");
    assert_eq!(deliveries["parameters"]["webhookId"], deliveries["body"]["data"][0]["webhookId"]);
    let members = &answer(&recorded, "list_members")["body"]["data"];
    // An id that no path can have is made up as one.
    assert_eq!(
        (&members[0]["userId"], &members[1]["userId"]),
        (&json!("id000012"), &json!("id000013.")),
        "{members}"
    );
    assert_eq!(answer(&recorded, "list_messages")["body"]["data"][0]["authorId"], members[1]["userId"]);

    let recorded = answers(&record(&lancers, &Binding::new()).await.1);
    let board = &answer(&recorded, "list_boards")["body"][0];
    let unread = &answer(&recorded, "list_unread")["body"][0];
    assert_eq!(unread["send_user"], board["users"][1], "a login name is an id");
    assert_eq!(unread["read_users"], json!([board["users"][1]["name"], board["users"][2]["name"]]));
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

/// The body of an answer to TAS-CHA's `GET /me`, as a recording keeps it, and the whole recording.
async fn kept(template: ResponseTemplate) -> (Value, String) {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(template).mount(&server).await;
    let client = kaiwa::tascha::Client::builder().api_key("hunter").base_url(server.uri());
    let client = client.http_client(reqwest::Client::builder().no_proxy()).build().expect("a client");
    let (report, recording) = record(&Client::Tascha(client), &Binding::new()).await;
    let (again, _) = reread(&recording).await;
    assert_eq!(without_words(&again), without_words(&report));
    (answer(&answers(&recording), "get_me").clone(), recording)
}

#[tokio::test]
async fn odd_answers_keep_their_shapes_only() {
    let me = json!({
        "id": "hunter@example.com",
        "email": "hunter@example.com",
        "name": ["hunter", ["hunter"], { "hunter": [[7310]] }],
        "locale": { "hunter": "hunter", "山田": 731_073_107_310_u64, "hunter2": { "id": "hunter" } },
        "organizationId": 7310,
        "billingContext": "hunter",
        "createdAt": "2026-01-01T00:00:00Z[hunter]",
        "updatedAt": "2026-01-01T00:00:00Z",
        "phone": 9_073_107_310_u64,
        "ratio": 7310.5,
        "isHunter": true,
        "token7310": "hunter",
        "token_7_3_1_0": "hunter",
        "has space": "https://hunter.example.com/?hunter",
        "new_field": null,
    });
    let template = ResponseTemplate::new(200)
        .set_body_raw(me.to_string(), "application/json; hunter=1")
        .insert_header("set-cookie", "hunter=1")
        .insert_header("location", "https://hunter.example.com/")
        .insert_header("x-request-id", "7310.7310 7310")
        .insert_header("tascha-ratelimit-scope", "user 7310")
        .insert_header("tascha-api-units-cost", "1")
        .insert_header("tascha-api-units-reset", "2026-01-01T00:00:00+09:00")
        .insert_header("retry-after", "Sat, 01 Jan 2000 00:00:00 GMT (hunter)")
        .insert_header("ratelimit", "limit=100, hunter=2")
        .insert_header("ratelimit-policy", "\"default\";q=100;w=60")
        .insert_header("ratelimit-limit", "100")
        .insert_header("x-quota-left", "hunter")
        .insert_header("x-limit-7310731073", "hunter");
    let (me, recording) = kept(template).await;
    let recording = recording.replace("isHunter", "");
    assert_clean(&recording);
    let expected = json!({
        "id": "id000001.",
        "email": "x@example.com",
        "name": ["xxxxxx", ["xxxxxx"], { "(text of 6 characters)": [[0]] }],
        "locale": {
            "(text of 2 characters)": 0,
            "(text of 6 characters)": "xxxxxx",
            "(text of 7 characters)": { "(text of 2 characters)": "xxxxxx" },
        },
        "organizationId": 1_000_001,
        "billingContext": "xxxxxx",
        "createdAt": "2000-01-01T00:00:00Z",
        "updatedAt": "2000-01-01T00:00:00Z",
        "phone": 0,
        "ratio": 0.5,
        "isHunter": false,
        "(text of 9 characters)": "https://example.com/",
        "(text of 9 characters) 2": "xxxxxx",
        "(text of 13 characters)": "xxxxxx",
        "new_field": null,
    });
    assert_eq!(me["body"], expected);
    let headers = json!({
        "content-type": "application/json",
        "ratelimit": "xxxxxxxxxxxxxxxxxxx",
        "ratelimit-limit": "100",
        "ratelimit-policy": "\"default\";q=100;w=60",
        "retry-after": "Sat, 01 Jan 2000 00:00:00 GMT",
        "tascha-api-units-cost": "1",
        "tascha-api-units-reset": "2026-01-01T00:00:00+09:00",
        "tascha-ratelimit-scope": "xxxxxxxxx",
        "x-limit-unnamed": "xxxxxx",
        "x-quota-left": "xxxxxx",
        "x-request-id": "xxxxxxxxxxxxxx",
    });
    let mut came = me["headers"].clone();
    came.as_object_mut().expect("headers").remove("date");
    assert_eq!(came, headers);
}

#[tokio::test]
async fn bodies_that_are_not_json_are_a_length() {
    let deep = |depth| format!("{}\"hunter\"{}", "[".repeat(depth), "]".repeat(depth));
    for (body, media_type, kept_type) in [
        ("<html>hunter</html>".to_owned(), "text/html; charset=hunter", "text/html"),
        (r#"{"id":"hunter \ud800"}"#.to_owned(), "application/json", "application/json"),
        (deep(500), "application/hunter", "other"),
        // It can be read alone, but not as a part of a line.
        (deep(127), "application/json", "application/json"),
        ("{\"id\":\"hunter\"".to_owned(), "application/json", "application/json"),
    ] {
        let length = body.len();
        let (me, recording) = kept(ResponseTemplate::new(200).set_body_raw(body, media_type)).await;
        assert_clean(&recording);
        assert_eq!(
            (&me["media_type"], &me["length"], me.get("body")),
            (&json!(kept_type), &json!(length), None)
        );
    }
    // Of a name that is there twice, readers of JSON see the last.
    let (me, recording) =
        kept(ResponseTemplate::new(200).set_body_raw(r#"{"id":"hunter","id":5}"#, "application/json")).await;
    assert_clean(&recording);
    assert_eq!(me["body"], json!({ "id": 1_000_001 }));
}

#[tokio::test]
async fn a_cursor_is_not_kept_whatever_its_type_is() {
    for (cursor, kept_cursor) in [
        (json!(731_073_107_310_u64), json!(0)),
        (json!("7310"), json!("0000")),
        (json!(["hunter"]), json!(["xxxxxx"])),
        (json!(null), json!(null)),
    ] {
        let server = MockServer::start().await;
        let page = json!({ "data": [], "nextCursor": cursor });
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(200).set_body_json(page))
            .mount(&server)
            .await;
        let client = kaiwa::tascha::Client::builder().api_key("hunter").base_url(server.uri());
        let client = client.http_client(reqwest::Client::builder().no_proxy()).build().expect("a client");
        let (_, recording) = record(&Client::Tascha(client), &Binding::new()).await;
        assert_clean(&recording);
        let rooms = answer(&answers(&recording), "list_rooms")["body"].clone();
        assert_eq!(rooms, json!({ "data": [], "nextCursor": kept_cursor }));
    }
}

#[tokio::test]
async fn digits_in_the_place_of_a_time_are_no_time() {
    for (time, kept_time) in [
        ("07310731", "2000-01-01"),
        ("73107310", "00000000"),
        ("20260731T073107Z", "2000-01-01T00:00:00Z"),
        ("2026-07-31T01:02:03+09:00", "2026-07-31T01:02:03+09:00"),
    ] {
        let me = json!({ "id": "a", "createdAt": time });
        let (me, _) = kept(ResponseTemplate::new(200).set_body_json(me)).await;
        assert_eq!(me["body"]["createdAt"], kept_time);
    }
}

#[tokio::test]
async fn of_errors_known_codes_are_kept() {
    for (code, kept_code) in [("insufficient_scope", "insufficient_scope"), ("hunter_left", "xxxxxxxxxxx")] {
        let error = json!({ "error": {
            "code": code, "message": "hunter may not", "requestId": "hunter",
            "details": { "granted": ["hunter"], "hunter": { "山田": 7310 } },
        } });
        let (me, recording) = kept(ResponseTemplate::new(403).set_body_json(error)).await;
        assert_clean(&recording);
        let details = json!({
            "(text of 6 characters)": { "(text of 2 characters)": 0 }, "(text of 7 characters)": ["xxxxxx"],
        });
        let error = json!({ "code": kept_code, "message": "xxxxxxxxxxxxxx", "requestId": "xxxxxx", "details": details });
        assert_eq!(me["body"], json!({ "error": error }));
    }
}

#[tokio::test]
async fn the_report_of_a_recording_is_that_of_the_service() {
    let (_server, client) = stranger().await;
    let (report, recording) = record(&client, &Binding::new()).await;
    assert_clean(&recording.replace("DIFFERS", ""));
    let (again, recorded) = reread(&recording).await;
    assert!(again.differs());
    assert_eq!(without_words(&again), without_words(&report));
    // What a path that does not exist is answered with is known, and not asked for.
    let mut asked = answers(&recording);
    asked.retain(|answer| !answer["operation"].is_null());
    assert_eq!(answers(&recorded), asked, "the recording of a recording is the same");

    let sandbox = planted().await;
    let faults =
        [Fault::unknown_values as fn() -> Fault, Fault::wrong_types, Fault::invalid_json, Fault::reset];
    for (client, fault) in faults.iter().flat_map(|fault| clients(&sandbox).map(|client| (client, fault))) {
        sandbox.faults().clear(client.service());
        sandbox.faults().script(client.service(), Script::any().then(fault()));
        sandbox.faults().script(client.service(), Script::on("list_messages").then(fault()).forever());
        let (report, recording) = record(&client, &hook("hunter-hook")).await;
        assert_clean(&recording);
        let (again, recorded) = reread(&recording).await;
        assert_eq!(without_words(&again), without_words(&report));
        assert_eq!(recorded, recording);
    }
}

/// An answer as it came, in the form of a recording.
pub(super) fn raw(service: &str, path: &str, parameters: &Value, status: u16, body: &Value) -> String {
    let answer = json!({
        "service": service, "path": path, "parameters": parameters, "status": status, "headers": {}, "body": body,
    });
    format!("{answer}\n")
}

#[tokio::test]
async fn a_file_is_written_for_its_owner_only_and_never_overwritten() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("answers.jsonl");
    let file = path.to_str().expect("a plain path");
    let base = server.uri();
    let variables = [("LANCERS_COOKIE", "hunter"), ("LANCERS_BASE_URL", base.as_str())];
    assert_eq!(status(&["lancers", "--record", file], &variables).await, Ok(2));
    let written = std::fs::read_to_string(&path).expect("it was written");
    assert_eq!(answers(&written).len(), 3, "{written}");
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("it is there").permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    let sent = server.received_requests().await.expect("the server records requests").len();
    let refused = status(&["lancers", "--record", file], &variables).await.expect_err("it exists");
    assert_eq!(refused, format!("{file} exists already, and is not overwritten: name another file"));
    assert_eq!(server.received_requests().await.expect("the server records requests").len(), sent);
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), written);
    assert_eq!(status(&["--read", file], &[]).await, Ok(2), "nothing was checked");
    std::fs::write(&path, format!("{written}hunter\n")).expect("it can be written");
    let lines = written.lines().count() + 1;
    let unreadable =
        format!("{file}: line {lines} is not one of a recording: record again, or remove the line");
    assert_eq!(status(&["--read", file], &[]).await, Err(unreadable));
}
