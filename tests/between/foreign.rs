//! A success status without the service's answer: a proxy's page, an error in a success, JSON from another server.

use crate::calls::{CALLS, Call};
use crate::server::{Server, Step, clients};
use kaiwa::chatwork::{RequestId, RoomId};
use kaiwa::lancers::BoardId;
use kaiwa::{Error, Outcome, Safety, VirtualClock};
use reqwest::Method;

/// A 200 with a content type.
fn typed(content_type: &str, body: &str) -> Step {
    Step::ok(body).header("content-type", content_type)
}

const JSON: &str = "application/json; charset=utf-8";
const LOGIN: &str = "<!DOCTYPE html><html><body><form action=\"/login\">Sign in</form></body></html>";

/// Checks what every answer of this kind means, for any call.
fn check_unknown(call: impl std::fmt::Debug, safety: Safety, step: &Step, error: &Error, sent: usize) {
    let case = format!("{call:?} {step:?}: {error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{case}");
    assert_eq!(sent, if safety == Safety::Unsafe { 1 } else { 4 }, "{case}");
    assert_eq!(error.attempts() as usize, sent, "{case}");
    assert_eq!(error.status().map(|status| status.is_success()), Some(true), "{case}");
    let text = error.to_string();
    for lie in ["service has changed", "It was done", "not done", "do not send it again"] {
        assert!(!text.contains(lie), "{case}");
    }
}

/// Pages from other servers, complete and truncated, that do not begin like an answer.
fn pages() -> Vec<(Step, &'static str)> {
    let large = LOGIN.repeat(200);
    vec![
        (typed("text/html", LOGIN), "text/html, not JSON"),
        (typed("text/html; charset=utf-8", LOGIN), "text/html, not JSON"),
        (typed("TEXT/HTML;charset=UTF-8", LOGIN), "text/html, not JSON"),
        (typed(JSON, LOGIN), "not JSON"),
        (Step::ok(LOGIN), "not JSON"),
        (typed(JSON, "\u{feff}\r\n  <html></html>"), "not JSON"),
        (typed("text/plain", "The service is being maintained."), "text/plain, not JSON"),
        (typed(JSON, "upstream connect error"), "not JSON"),
        (typed("text/plain", "OK"), "not JSON"),
        (Step::ok("OK"), "not JSON"),
        (typed("application/xml", "<?xml version=\"1.0\"?><ok/>"), "application/xml, not JSON"),
        (typed(JSON, "<?xml version=\"1.0\"?><ok/>"), "not JSON"),
        (typed("application/octet-stream", "\u{1}\u{2}"), "application/octet-stream, not JSON"),
        (typed("text/html", "{\"login\":\"https://login.example\"}"), "text/html, not JSON"),
        (typed("text/html", "{\"message_id\":"), "text/html, not JSON"),
        (typed(JSON, ")]}',\n{}"), "not JSON"),
        (typed("text/html", LOGIN).cut(), "text/html, not JSON"),
        (typed(JSON, LOGIN).cut(), "not JSON"),
        (Step::ok("<html>").cut(), "not JSON"),
        (typed("text/html", &large), "text/html, not JSON"),
        (typed(JSON, &large), "not JSON"),
    ]
}

#[tokio::test]
async fn a_foreign_page_leaves_the_outcome_unknown() {
    for (page, says) in pages() {
        for call in CALLS {
            let (result, sent) = call.end(&page).await;
            let error = result.expect_err("a page is not an answer");
            check_unknown(call, call.safety(), &page, &error, sent);
            assert!(error.to_string().contains(says), "{call:?} {page:?}: {error}");
        }
    }
}

#[tokio::test]
async fn an_error_in_a_success_is_a_failure() {
    for call in CALLS {
        for refusal in [typed(JSON, call.refusal()), Step::ok(call.refusal())] {
            let (result, sent) = call.end(&refusal).await;
            let error = result.expect_err("an error is not an answer");
            check_unknown(call, call.safety(), &refusal, &error, sent);
            assert!(error.messages().iter().any(|text| text.contains("You")), "{call:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn foreign_json_leaves_the_outcome_unknown() {
    for body in ["{}", r#"{"ok":true}"#, r#"{"status":"login_required"}"#, "null", "7", "true", r#""OK""#, ""]
    {
        // An empty list can come as an empty body.
        for call in CALLS.into_iter().filter(|call| !(call.is_list() && body.is_empty())) {
            let step = typed(JSON, body);
            let (result, sent) = call.end(&step).await;
            let Err(error) = result else { panic!("{call:?}: {body:?} is not an answer") };
            check_unknown(call, call.safety(), &step, &error, sent);
        }
    }
}

/// Not even a list whose items would fit the fields in their order.
#[tokio::test]
async fn a_list_is_not_an_object() {
    for body in ["[]", "[7]", r#"["x"]"#, r#"["m1","r","x"]"#, "[1,1]", "[[7]]", r#"[{"message_id":"1"}]"#] {
        for call in CALLS.into_iter().filter(|call| !call.is_list()) {
            let step = typed(JSON, body);
            let (result, sent) = call.end(&step).await;
            let Err(error) = result else { panic!("{call:?}: {body:?} is not an answer") };
            check_unknown(call, call.safety(), &step, &error, sent);
        }
    }
}

/// Answers with parts of both.
#[tokio::test]
async fn an_answer_that_also_has_an_error_counts_if_it_decodes() {
    for (call, body) in [
        (Call::Post, r#"{"message_id":"1","errors":[]}"#),
        (Call::Post, r#"{"message_id":"1","errors":["x"]}"#),
        (Call::TaschaPost, r#"{"id":"m1","roomId":"r","body":"x","error":null}"#),
        (Call::Reply, r#"{"id":1,"board_id":1,"type":"text","message":"x"}"#),
        (Call::CreateBoard, r#"{"id":1,"type":"text","message":"x"}"#),
        (Call::Upload, " \r\n{\"file_id\":\"7\"}\n"),
    ] {
        let (result, sent) = call.end(&typed(JSON, body)).await;
        assert_eq!((result.map_err(|error| error.to_string()), sent), (Ok(()), 1), "{call:?} {body}");
    }
    // Without the members of a service error it is not an error; with the required fields it is an answer.
    for (call, body) in
        [(Call::Post, r#"{"message_id":{},"errors":[]}"#), (Call::TaschaPost, r#"{"id":{},"error":null}"#)]
    {
        let (result, sent) = call.end(&typed(JSON, body)).await;
        let error = result.expect_err("it cannot be read");
        assert_eq!((error.outcome(), sent), (Outcome::Applied, 1), "{call:?} {body}: {error}");
    }
    for (call, body) in [
        (Call::Post, r#"{"errors":[]}"#),
        (Call::Reply, r#"{"type":"forbidden"}"#),
        (Call::Reply, r#"{"type":7,"message":{}}"#),
        (Call::TaschaPost, r#"{"error":{}}"#),
        (Call::TaschaPost, r#"{"data":[]}"#),
    ] {
        let step = typed(JSON, body);
        let (result, sent) = call.end(&step).await;
        check_unknown(call, call.safety(), &step, &result.expect_err("it is not an answer"), sent);
    }
}

/// The member names of Lancers' errors also occur in other objects.
#[tokio::test]
async fn an_undecodable_answer_of_lancers_is_not_a_service_error() {
    for (call, body) in [
        (Call::Reply, r#"{"id":{},"type":"text","message":"x"}"#),
        (Call::Reply, r#"{"board_id":"?","type":"text","message":"x"}"#),
        (Call::CreateBoard, r#"{"id":[],"type":"text","message":"x"}"#),
    ] {
        let (result, sent) = call.end(&typed(JSON, body)).await;
        let error = result.expect_err("it cannot be read");
        assert_eq!((error.outcome(), sent), (Outcome::Applied, 1), "{call:?} {body}: {error}");
    }
}

#[tokio::test]
async fn an_empty_body_where_an_answer_is_required_leaves_the_outcome_unknown() {
    let nothing = "HTTP/1.1 204 x\r\n\r\n".to_owned();
    for step in [Step::Raw(nothing), Step::status(200), Step::status(202)] {
        for call in CALLS.into_iter().filter(|call| !call.is_list()) {
            let (result, sent) = call.end(&step).await;
            let error = result.expect_err("an empty body is not an answer");
            check_unknown(call, call.safety(), &step, &error, sent);
        }
    }
}

#[tokio::test]
async fn an_undecodable_answer_of_the_service_means_applied() {
    for call in CALLS {
        let repeated = if call.safety() == Safety::Unsafe { 1 } else { 4 };
        let half = &call.answer()[..call.answer().len() / 2];
        let large = format!("{}{:>6000}", &call.answer()[..1], &call.answer()[1..]);
        for (step, attempts) in [
            (typed(JSON, half).cut(), repeated),
            (Step::ok(half).cut(), repeated),
            (typed(JSON, half), 1),
            (typed(JSON, &format!("{},", call.answer())), 1),
            (typed(JSON, &large), 1),
            (Step::ok(&large), 1),
            (typed(JSON, call.unreadable()), 1),
            (Step::ok(call.unreadable()), 1),
        ] {
            let (result, sent) = call.end(&step).await;
            let error = result.expect_err("it cannot be read");
            assert_eq!((error.outcome(), sent), (Outcome::Applied, attempts), "{call:?} {step:?}: {error}");
            let text = error.to_string();
            if call.safety() == Safety::Safe {
                assert!(!text.contains("It was done") && !text.contains("send it again"), "{text}");
            }
            assert!(!text.contains("login page"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_body_that_decodes_is_the_answer_under_any_media_type() {
    for call in CALLS {
        for content_type in ["text/html", "text/plain; charset=utf-8", "application/octet-stream", JSON, "?"]
        {
            let (result, sent) = call.end(&typed(content_type, call.answer())).await;
            assert_eq!(
                (result.map_err(|error| error.to_string()), sent),
                (Ok(()), 1),
                "{call:?} {content_type}"
            );
        }
        let (result, sent) = call.end(&Step::ok(call.answer())).await;
        assert_eq!((result.map_err(|error| error.to_string()), sent), (Ok(()), 1), "{call:?}");
    }
}

/// The calls that the service answers with an empty body.
async fn silent_ends(step: &Step) -> Vec<(&'static str, Result<(), Error>, usize)> {
    let mut ends = Vec::new();
    for name in ["leave", "delete", "decline"] {
        let server = Server::play([step.clone()]).await;
        let clock = VirtualClock::new();
        let client = clients::chatwork(&server, &clock).max_body(5000).build().expect("a client");
        let result = match name {
            "leave" => clock.drive(client.room(RoomId(1)).leave()).await,
            "delete" => clock.drive(client.room(RoomId(1)).delete()).await,
            _ => clock.drive(client.incoming_request(RequestId(1)).decline()).await,
        };
        ends.push((name, result.map(drop), server.seen().len()));
    }
    ends
}

#[tokio::test]
async fn a_call_without_a_result_accepts_an_empty_answer_but_no_page() {
    let nothing = Step::Raw("HTTP/1.1 204 x\r\n\r\n".to_owned());
    let empty = ["", "OK", "ok", "{}", "[]", " {}\r\n"].map(Step::ok);
    let typed_empty = [typed("text/plain", "OK"), typed("text/html", ""), typed(JSON, "{}")];
    for step in empty.into_iter().chain(typed_empty).chain([nothing]) {
        for (name, result, sent) in silent_ends(&step).await {
            assert_eq!((result.map_err(|error| error.to_string()), sent), (Ok(()), 1), "{name} {step:?}");
        }
    }
    let refusal = typed(JSON, Call::Post.refusal());
    let others = pages().into_iter().map(|(page, _)| page).filter(|page| !page_says_ok(page));
    for step in others.chain([refusal]) {
        for (name, result, sent) in silent_ends(&step).await {
            // Text that begins like JSON but has another media type is not from the service either.
            let error = result.expect_err("a page is not an answer");
            check_unknown(name, Safety::Idempotent, &step, &error, sent);
        }
    }
    let half = r#"{"room_id":"#;
    for (step, attempts) in [(typed(JSON, half).cut(), 4), (typed(JSON, half), 1)] {
        for (name, result, sent) in silent_ends(&step).await {
            let error = result.expect_err("it cannot be read");
            assert_eq!((error.outcome(), sent), (Outcome::Applied, attempts), "{name} {step:?}: {error}");
        }
    }
}

fn page_says_ok(page: &Step) -> bool {
    matches!(page, Step::Answer(_, _, body) if body == "OK")
}

/// Answers in which everything is optional: an error in a success is still not an answer.
#[tokio::test]
async fn an_error_is_not_an_answer_even_if_all_fields_are_optional() {
    let refusal = typed(JSON, Call::Post.refusal());
    let server = Server::play([refusal.clone()]).await;
    let clock = VirtualClock::new();
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    let replace = client.room(RoomId(1)).replace_members([kaiwa::chatwork::AccountId(1)]);
    let error = clock.drive(replace).await.expect_err("an error is not an answer");
    check_unknown("replace_members", Safety::Idempotent, &refusal, &error, server.seen().len());

    let refusal = typed(JSON, Call::Reply.refusal());
    let server = Server::play([refusal.clone()]).await;
    let client = clients::lancers(&server, &clock).build().expect("a client");
    let update = client.board(BoardId(1)).update().title("x");
    let error = clock.drive(update).await.expect_err("an error is not an answer");
    check_unknown("update_board", Safety::Idempotent, &refusal, &error, server.seen().len());
}

#[tokio::test]
async fn a_raw_request_accepts_only_answers_of_the_service() {
    let end = async |method: &Method, safety: Safety, step: &Step| {
        let server = Server::play([step.clone()]).await;
        let clock = VirtualClock::new();
        let client = clients::chatwork(&server, &clock).max_body(5000).build().expect("a client");
        let request = client.request(method.clone(), "/rooms/1/anything").safety(safety);
        (clock.drive(request).await.map(|answer| answer.into_inner()), server.seen().len())
    };
    for (method, safety) in
        [(Method::GET, Safety::Safe), (Method::POST, Safety::Unsafe), (Method::DELETE, Safety::Idempotent)]
    {
        for (page, says) in pages() {
            // Any JSON is an answer here, and for many calls "OK" is one.
            let json =
                matches!(&page, Step::Answer(_, _, body) if body == "OK" || body.contains("login.example"));
            if json {
                continue;
            }
            let (result, sent) = end(&method, safety, &page).await;
            let error = result.expect_err("a page is not an answer");
            check_unknown(&method, safety, &page, &error, sent);
            assert!(error.to_string().contains(says), "{error}");
        }
        for body in ["", "{}", "[]", "7", "\"x\"", r#"{"anything":[1]}"#] {
            let (result, sent) = end(&method, safety, &typed(JSON, body)).await;
            assert!(result.is_ok() && sent == 1, "{body}: {result:?}");
        }
        let cut = typed(JSON, r#"{"anything":"#);
        let (result, sent) = end(&method, safety, &cut.clone().cut()).await;
        let error = result.expect_err("it is truncated");
        assert_eq!((error.outcome(), sent > 1), (Outcome::Applied, safety != Safety::Unsafe), "{error}");
        let (result, _) = end(&method, safety, &cut).await;
        assert_eq!(result.expect_err("it does not parse").outcome(), Outcome::Applied);
    }
}

/// Any JSON is an answer to a raw request, except an error of the service.
#[tokio::test]
async fn an_error_is_not_an_answer_to_a_raw_request() {
    let refusal = typed(JSON, Call::Post.refusal());
    for (method, safety) in [(Method::GET, Safety::Safe), (Method::POST, Safety::Unsafe)] {
        let server = Server::play([refusal.clone()]).await;
        let clock = VirtualClock::new();
        let client = clients::chatwork(&server, &clock).build().expect("a client");
        let request = client.request(method.clone(), "/rooms/1/anything");
        let error = clock.drive(request).await.expect_err("an error is not an answer");
        check_unknown(&method, safety, &refusal, &error, server.seen().len());
    }
}

/// If the answer to a post is not from the service, the room is read, and the message found there is the result.
#[tokio::test]
async fn a_post_answered_with_a_page_is_looked_up() {
    use kaiwa::Clock;
    use kaiwa::chatwork::{Arrival, Reconcile};
    for page in
        [typed("text/html", LOGIN), typed(JSON, Call::Post.refusal()), typed(JSON, "{}"), Step::status(200)]
    {
        for arrived in [true, false] {
            let clock = VirtualClock::new();
            let (page, now) = (page.clone(), clock.wall().as_second());
            let case = format!("{page:?} {arrived}");
            let mut posts = 0;
            let server = Server::respond(move |seen| {
                if seen.head.starts_with("POST") {
                    posts += 1;
                    return if posts == 1 { page.clone() } else { Step::ok(r#"{"message_id":"9"}"#) };
                }
                let old = format!(r#"{{"message_id":"5","account":{{"account_id":2,"name":"","avatar_image_url":""}},"body":"old","send_time":{},"update_time":0}}"#, now - 500);
                let new = format!(r#"{{"message_id":"8","account":{{"account_id":1,"name":"","avatar_image_url":""}},"body":"x","send_time":{now},"update_time":0}}"#);
                Step::ok(&if arrived { format!("[{old},{new}]") } else { format!("[{old}]") })
            })
            .await;
            let client = clients::chatwork(&server, &clock).build().expect("a client");
            let reconcile = Reconcile::new().account(kaiwa::chatwork::AccountId(1));
            let post = client.room(RoomId(1)).post("x").with_reconcile(reconcile);
            let sent = clock.drive(post).await.unwrap_or_else(|error| panic!("{case}: {error}"));
            let (id, arrival) = if arrived { ("8", Arrival::Found) } else { ("9", Arrival::PostedAgain) };
            assert_eq!((&*sent.message_id.to_string(), sent.arrival), (id, arrival), "{case}");
        }
    }
}
