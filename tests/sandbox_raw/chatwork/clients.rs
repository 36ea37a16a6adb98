//! Requests as published clients write them.

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

impl Api {
    /// A form, byte by byte.
    async fn raw(&self, method: Method, path: &str, form: &'static str) -> Answer {
        self.send(self.request(method, path).header("content-type", FORM).body(form)).await
    }
}

/// Faraday, and with it chatwork-ruby, writes parameters that are nil as bare keys.
#[tokio::test]
async fn a_parameter_without_a_value_counts_as_absent() {
    let (sandbox, _, bot) = bot().await;
    assert_eq!(bot.get("/rooms/100/messages?force").await.ok().as_array().unwrap().len(), 3);
    assert_eq!(bot.get("/rooms/100/messages?force=").await.status, 204);
    bot.get("/rooms/100/tasks?account_id=1&assigned_by_account_id&status").await.ok();
    assert_eq!(bot.get("/my/tasks?assigned_by_account_id=&status=").await.ok().as_array().unwrap().len(), 1);
    bot.raw(Method::POST, "/rooms/100/tasks", "body=x&to_ids=1&limit&limit_type").await.ok();
    assert_eq!(sandbox.chatwork().room(100).tasks()[1].limit_time, None);
    let form = "name=new&members_admin_ids=1&description&icon_preset&link&link_code&link_need_acceptance";
    let id = bot.raw(Method::POST, "/rooms", form).await.ok()["room_id"].as_u64().unwrap();
    assert!(sandbox.chatwork().room(id).link().is_none());
    bot.raw(Method::POST, "/rooms/100/link", "code&description&need_acceptance").await.ok();
    assert!(sandbox.chatwork().room(100).link().unwrap().need_acceptance.unwrap());
    bot.raw(Method::PUT, "/rooms/100/messages/read", "message_id").await.ok();
    let required = bot.raw(Method::PUT, "/rooms/100/messages/unread", "message_id").await.refused(400);
    assert_eq!(required.error(), "Parameter 'message_id' is required");
}

#[tokio::test]
async fn only_an_empty_description_clears_it() {
    let (sandbox, _, bot) = bot().await;
    let view = sandbox.chatwork().room(100);
    let before = view.description();
    bot.raw(Method::PUT, "/rooms/100", "description&icon_preset&name=new").await.ok();
    assert_eq!((view.name(), view.description()), ("new".into(), before));
    bot.raw(Method::PUT, "/rooms/100", "description=&icon_preset=&name=").await.ok();
    assert_eq!((view.name(), view.description()), ("new".into(), String::new()));
}

/// Several clients send the parameters of a DELETE in the query; the reference shows them in the body.
#[tokio::test]
async fn a_room_is_left_by_body_or_query() {
    let (sandbox, _, bot) = bot().await;
    for room in [100, 200] {
        let path = format!("/rooms/{room}");
        assert_eq!(bot.delete(&format!("{path}?action_type=move"), &[]).await.status, 400);
        assert_eq!(bot.delete(&path, &[]).await.refused(400).error(), "Parameter 'action_type' is required");
        let left = match room {
            100 => bot.delete(&path, &[("action_type", "leave")]).await,
            _ => bot.send(bot.request(Method::DELETE, &format!("{path}?action_type=leave"))).await,
        };
        left.refused(204);
        let view = sandbox.chatwork().room(room);
        assert!(view.exists() && view.member(1).is_none());
    }
}

#[tokio::test]
async fn a_parameter_that_is_sent_twice_is_refused() {
    let (sandbox, _, bot) = bot().await;
    for (path, form) in [
        ("/rooms/100/tasks", "body=a&to_ids=1&to_ids=2"),
        ("/rooms/100/tasks", "body=a&to_ids=1&limit=1&limit=1"),
        ("/rooms/100/messages", "body=a&body=b"),
    ] {
        let refused = bot.raw(Method::POST, path, form).await.refused(400);
        assert!(refused.error().ends_with("is invalid"), "{refused:?}");
        assert_eq!(refused.body["errors"].as_array().unwrap().len(), 1);
    }
    assert_eq!(bot.get("/rooms/100/messages?force=1&force=1").await.status, 400);
    assert_eq!(sandbox.chatwork().room(100).tasks().len(), 1);
    let token = bot.http.post(sandbox.oauth_token_url()).basic_auth("sandbox-client", Some("sandbox-secret"));
    let token = token.header("content-type", FORM).body("grant_type=refresh_token&grant_type=refresh_token");
    let answer: Value = serde_json::from_slice(&token.send().await.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(answer["error"], "invalid_request");
}

/// The service has neither method; a HEAD served as a GET would move the mark of `force=0`.
#[tokio::test]
async fn head_and_options_are_unknown() {
    let (sandbox, _, bot) = bot().await;
    let lancers = format!("{}/boards", sandbox.lancers_url());
    let tascha = format!("{}/me", sandbox.tascha_url());
    let path = format!("{}/rooms/100/messages", sandbox.chatwork_url());
    for (url, status) in [(path, 404), (tascha, 404), (lancers, 400)] {
        for method in [Method::HEAD, Method::OPTIONS] {
            let request = bot.http.request(method, &url).header("x-chatworktoken", BOT);
            let request = request.header("cookie", "session=sandbox").bearer_auth("sandbox-tascha-token");
            assert_eq!(request.send().await.unwrap().status(), status, "{url}");
        }
    }
    assert!(sandbox.requests().iter().all(|request| request.operation.is_none() && !request.applied));
    assert_eq!(bot.get("/rooms/100/messages").await.ok().as_array().unwrap().len(), 3);
}

/// The vendor's own MCP server answers contact requests under separate paths.
#[tokio::test]
async fn contact_requests_are_answered_under_either_path() {
    use kaiwa::Method;
    use kaiwa::sandbox::chatwork::{Account, Seed};
    use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
    let seed = || {
        let people = [Account::new(1, "Bot").token("t-12345678"), Account::new(2, "A"), Account::new(3, "B")];
        let seed = people.into_iter().fold(Seed::new(), Seed::account);
        seed.incoming_request(2, 1, "x").incoming_request(3, 1, "y")
    };
    let mut ends = Vec::new();
    for (accept, reject) in [("", ""), ("/accept", "/reject")] {
        let sandbox = Sandbox::builder().chatwork(seed()).start().await.unwrap();
        let client = sandbox.chatwork_client("t-12345678").build().unwrap();
        let ids: Vec<u64> =
            sandbox.chatwork().incoming_requests(1).iter().map(|request| request.request_id.0).collect();
        let call =
            |method, id: u64, end: &str| client.request(method, format!("/incoming_requests/{id}{end}"));
        let accepted = call(Method::PUT, ids[0], accept).await.unwrap();
        assert_eq!(accepted["account_id"], 2);
        let declined = call(Method::DELETE, ids[1], reject).await.unwrap();
        assert_eq!(declined.status(), 204);
        for (method, end) in [(Method::PUT, accept), (Method::DELETE, reject)] {
            let gone = call(method, ids[0], end).await.unwrap_err();
            assert_eq!(gone.status().unwrap(), 404);
        }
        let operations: Vec<_> = sandbox.requests().iter().filter_map(|request| request.operation).collect();
        assert_eq!(operations[..2], ["accept_incoming_request", "decline_incoming_request"]);
        let script = Script::on("accept_incoming_request").then(Fault::status(500));
        sandbox.faults().script(Provider::Chatwork, script);
        assert_eq!(call(Method::PUT, 1, accept).await.unwrap_err().status().unwrap(), 500);
        ends.push((sandbox.chatwork().incoming_requests(1).len(), sandbox.chatwork().contacts(1).len()));
    }
    assert_eq!(ends, [(0, 1), (0, 1)]);
    // Only these methods: the others are not endpoints.
    let sandbox = Sandbox::builder().chatwork(seed()).start().await.unwrap();
    let client = sandbox.chatwork_client("t-12345678").build().unwrap();
    for (method, end) in [(Method::POST, "accept"), (Method::DELETE, "accept"), (Method::PUT, "reject")] {
        let error = client.request(method, format!("/incoming_requests/1/{end}")).await.unwrap_err();
        assert_eq!(error.status().unwrap(), 404, "{end}");
    }
}

#[tokio::test]
async fn the_error_for_a_port_in_use_names_it_and_has_advice() {
    use kaiwa::sandbox::{Provider, Sandbox};
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for service in [Provider::Chatwork, Provider::Tascha, Provider::Lancers] {
        let error = Sandbox::builder().port(service, port).start().await.unwrap_err().to_string();
        for part in [&*format!("{service} cannot be served on port {port}: "), "Builder::port", "0"] {
            assert!(error.contains(part), "{error}");
        }
    }
    let free = Sandbox::builder().port(Provider::Chatwork, 0).start().await.unwrap();
    assert!(!free.chatwork_url().ends_with(":0/v2"));
}
