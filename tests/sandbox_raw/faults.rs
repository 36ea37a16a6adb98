//! Faults, as they arrive on the socket.

use super::spec;
use super::wire::{Raw, authority, connect, exchange, read};
use futures::poll;
use jiff::SignedDuration;
use kaiwa::VirtualClock;
use kaiwa::sandbox::chatwork::Seed;
use kaiwa::sandbox::{Chaos, Fault, Provider, Sandbox, Script};
use serde_json::Value;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SECOND: Duration = Duration::from_secs(1);

async fn start() -> (Sandbox, VirtualClock) {
    let clock = VirtualClock::new();
    let builder = Sandbox::builder().clock(clock.clone()).chatwork(Seed::default().unlimited());
    (builder.start().await.unwrap(), clock)
}

fn post(sandbox: &Sandbox) -> String {
    let host = authority(&sandbox.chatwork_url());
    format!(
        "POST /v2/rooms/100/messages HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         x-chatworktoken: sandbox-chatwork-token\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 6\r\n\r\nbody=a"
    )
}

/// The answer to a post that meets the fault, and whether the post was applied.
async fn meet(sandbox: &Sandbox, fault: Fault) -> (Raw, bool) {
    let before = sandbox.chatwork().room(100).messages().len();
    sandbox.faults().script(Provider::Chatwork, Script::on("post_message").then(fault));
    let raw = exchange(&sandbox.chatwork_url(), &post(sandbox)).await;
    let applied = sandbox.chatwork().room(100).messages().len() > before;
    assert_eq!(sandbox.requests().last().unwrap().applied, applied);
    (raw, applied)
}

#[tokio::test]
async fn refusals_precede_the_operation() {
    let (sandbox, _) = start().await;
    let (raw, applied) = meet(&sandbox, Fault::bad_gateway()).await;
    assert!(!applied && raw.text().starts_with("HTTP/1.1 502 ") && raw.text().contains("502 Bad Gateway"));
    let (raw, applied) = meet(&sandbox, Fault::page()).await;
    assert!(!applied && raw.text().starts_with("HTTP/1.1 200 ") && raw.text().contains("text/html"));
    let (raw, applied) = meet(&sandbox, Fault::page().after()).await;
    assert!(applied && raw.body().starts_with(b"<!DOCTYPE html>"));
    let (raw, _) = meet(&sandbox, Fault::status(401)).await;
    assert!(raw.text().contains("content-length: 0") && raw.body().is_empty());
    let (raw, _) =
        meet(&sandbox, Fault::status(503).header("retry-after", "7").body("text/plain", "later")).await;
    assert!(raw.text().contains("retry-after: 7") && raw.body() == b"later");
    let (raw, _) = meet(&sandbox, Fault::too_many_requests(Some(Duration::from_millis(1500)))).await;
    assert!(raw.text().starts_with("HTTP/1.1 429 ") && raw.text().contains("retry-after: 2"));
    let (raw, _) = meet(&sandbox, Fault::too_many_requests(None)).await;
    assert!(!raw.text().contains("retry-after"));
    let (raw, applied) = meet(&sandbox, Fault::expired_token()).await;
    assert!(!applied && raw.text().contains("www-authenticate: Bearer error=\"invalid_token\""));
    let (raw, applied) = meet(&sandbox, Fault::redirect("http://127.0.0.2:9/elsewhere")).await;
    assert!(!applied && raw.text().contains("location: http://127.0.0.2:9/elsewhere"));
    let (raw, applied) = meet(&sandbox, Fault::bad_gateway().after()).await;
    assert!(applied && raw.text().starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn a_connection_is_lost_before_or_after_the_effect() {
    let (sandbox, _) = start().await;
    for (fault, applies) in [(Fault::reset(), false), (Fault::reset().after(), true)] {
        let (raw, applied) = meet(&sandbox, fault).await;
        assert!(raw.was_reset() && raw.bytes.is_empty(), "{:?}", raw.end);
        assert_eq!(applied, applies);
    }
    let (raw, applied) = meet(&sandbox, Fault::close()).await;
    assert!(raw.end.is_ok() && raw.bytes.is_empty() && !applied);
}

fn promised(raw: &Raw) -> usize {
    let text = raw.text();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    length.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_body_is_truncated() {
    let (sandbox, _) = start().await;
    for (fault, applies) in [
        (Fault::reset_mid_body(), true),
        (Fault::reset_mid_body().before(), false),
        (Fault::short_body(), true),
        (Fault::short_body().before(), false),
    ] {
        let resets = fault.name() == "reset_mid_body";
        let (raw, applied) = meet(&sandbox, fault).await;
        assert_eq!((raw.was_reset(), applied), (resets, applies));
        let body = raw.body();
        assert!(!body.is_empty() && body.len() < promised(&raw), "{}", raw.text());
    }
}

#[tokio::test]
async fn some_answers_never_end() {
    let (sandbox, _) = start().await;
    for fault in [Fault::stall(), Fault::silence(), Fault::endless()] {
        let name = fault.name();
        sandbox.faults().script(Provider::Chatwork, Script::any().then(fault));
        let mut stream = connect(&sandbox.chatwork_url()).await.unwrap();
        stream.write_all(post(&sandbox).as_bytes()).await.unwrap();
        let mut received = 0;
        let mut buffer = vec![0; 1 << 16];
        let ended = loop {
            match tokio::time::timeout(Duration::from_millis(100), stream.read(&mut buffer)).await {
                Err(_) => break false,
                Ok(Ok(0) | Err(_)) => break true,
                Ok(Ok(read)) => received += read,
            }
            if received > 10 << 20 {
                break false;
            }
        };
        assert!(!ended, "{name}");
        match name {
            "endless" => assert!(received > 10 << 20),
            "silence" => assert_eq!(received, 0),
            _ => assert!(received > 0),
        }
    }
    let applied: Vec<bool> = sandbox.requests().iter().map(|request| request.applied).collect();
    assert_eq!(applied, [true, false, true]);
}

#[tokio::test]
async fn waits_are_on_the_sandboxs_clock() {
    let (sandbox, clock) = start().await;
    sandbox.faults().script(Provider::Chatwork, Script::any().then(Fault::slow_headers(60 * SECOND)));
    let (url, request) = (sandbox.chatwork_url(), post(&sandbox));
    let mut call = Box::pin(exchange(&url, &request));
    while clock.sleepers() == 0 {
        assert!(poll!(&mut call).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(sandbox.requests()[0].applied || sandbox.chatwork().room(100).messages().len() == 4);
    clock.advance(60 * SECOND);
    assert!(call.await.text().starts_with("HTTP/1.1 200 "));

    sandbox.faults().script(Provider::Chatwork, Script::any().then(Fault::trickle(SECOND)));
    let before = clock.elapsed();
    let raw = clock.drive(exchange(&url, &request)).await;
    spec::check(Provider::Chatwork, "POST", "/v2/rooms/100/messages", 200, &raw.body());
    assert!(clock.elapsed() - before >= 10 * SECOND);
}

#[tokio::test]
async fn a_request_whose_client_disconnects_is_not_executed() {
    let (sandbox, clock) = start().await;
    sandbox.faults().script(Provider::Chatwork, Script::any().then(Fault::slow_headers(SECOND).before()));
    let mut stream = connect(&sandbox.chatwork_url()).await.unwrap();
    stream.write_all(post(&sandbox).as_bytes()).await.unwrap();
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while clock.sleepers() > 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(SECOND);
    assert_eq!(sandbox.chatwork().room(100).messages().len(), 3);
    let request = &sandbox.requests()[0];
    assert_eq!((request.status, request.applied), (None, false));
}

#[tokio::test]
async fn contents_are_spoilt() {
    let (sandbox, _) = start().await;
    let (raw, applied) = meet(&sandbox, Fault::invalid_utf8()).await;
    assert!(applied && std::str::from_utf8(&raw.body()).is_err());
    let (raw, _) = meet(&sandbox, Fault::invalid_json()).await;
    assert!(promised(&raw) == raw.body().len() && serde_json::from_slice::<Value>(&raw.body()).is_err());
    let (raw, _) = meet(&sandbox, Fault::wrong_types()).await;
    assert!(serde_json::from_slice::<Value>(&raw.body()).unwrap()["message_id"].is_object());
    let (raw, _) = meet(&sandbox, Fault::unknown_values()).await;
    let body: Value = serde_json::from_slice(&raw.body()).unwrap();
    assert!(body["message_id"].is_string() && body["from_the_future"].is_object());
    let (raw, _) = meet(&sandbox, Fault::duplicate_headers()).await;
    assert_eq!(raw.text().matches("x-ratelimit-remaining: ").count(), 2);
    assert_eq!(raw.text().matches("content-length: ").count(), 1);
    let (raw, _) = meet(&sandbox, Fault::wrong_clock(SignedDuration::from_hours(-1))).await;
    assert!(raw.text().contains("date: Wed, 31 Dec 2025 14:00:00 GMT"), "{}", raw.text());
    assert!(raw.text().contains(&format!("x-ratelimit-reset: {}", 1_767_193_200 - 3600 + 1)));
}

#[tokio::test]
async fn a_service_goes_down_and_comes_back_on_its_port() {
    let (sandbox, clock) = start().await;
    let url = sandbox.chatwork_url();
    let mut idle = connect(&url).await.unwrap();
    sandbox.faults().refuse(Provider::Chatwork, true).await.unwrap();
    assert_eq!(connect(&url).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(read(&mut idle).await.bytes.is_empty());
    assert!(connect(&sandbox.tascha_url()).await.is_ok());
    sandbox.faults().refuse(Provider::Chatwork, false).await.unwrap();
    assert!(exchange(&url, &post(&sandbox)).await.text().starts_with("HTTP/1.1 200 "));

    let (raw, applied) = meet(&sandbox, Fault::refuse(10 * SECOND)).await;
    assert!(raw.bytes.is_empty() && !applied);
    assert_eq!(connect(&url).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    clock.advance(10 * SECOND);
    while connect(&url).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(exchange(&url, &post(&sandbox)).await.text().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn connections_are_kept_after_faults_that_are_plain_answers() {
    let (sandbox, _) = start().await;
    sandbox.faults().script(Provider::Chatwork, Script::any().then(Fault::bad_gateway()).times(2));
    let mut stream = connect(&sandbox.chatwork_url()).await.unwrap();
    let request = post(&sandbox).replace("connection: close\r\n", "");
    let mut buffer = vec![0; 4096];
    let mut statuses = Vec::new();
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        statuses.push(String::from_utf8_lossy(&buffer[9..12]).into_owned());
        assert!(read > 12);
    }
    assert_eq!(statuses, ["502", "502", "200"]);
}

#[tokio::test]
async fn every_service_has_faults_and_their_randomness_is_seeded() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let sandbox =
            Sandbox::builder().seed(seed).chatwork(Seed::default().unlimited()).start().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut run = Vec::new();
        for service in [Provider::Chatwork, Provider::Tascha, Provider::Lancers] {
            let chaos = Chaos::new(0.5).fault(Fault::too_many_requests(None)).fault(Fault::bad_gateway());
            sandbox.faults().chaos(service, chaos);
            let url = match service {
                Provider::Chatwork => format!("{}/me", sandbox.chatwork_url()),
                Provider::Tascha => format!("{}/me", sandbox.tascha_url()),
                Provider::Lancers => format!("{}/boards", sandbox.lancers_url()),
            };
            for _ in 0..30 {
                run.push(http.get(&url).send().await.unwrap().status().as_u16());
            }
        }
        assert_eq!(sandbox.requests().len(), 90);
        assert!(sandbox.requests().iter().all(|request| request.operation.is_some()));
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn the_received_requests_are_recorded() {
    let (sandbox, _) = start().await;
    let mut seen = sandbox.subscribe_requests();
    exchange(&sandbox.chatwork_url(), &post(&sandbox)).await;
    let request = seen.recv().await.unwrap();
    assert_eq!((request.operation, request.status), (Some("post_message"), Some(200)));
    assert_eq!(request.form("body").as_deref(), Some("a"));
    assert_eq!(request.header("x-chatworktoken"), Some("***"));
    assert!(!format!("{:?}", sandbox.requests()).contains("sandbox-chatwork-token"));
    sandbox.clear_requests();
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_dropped_sandbox_closes_its_ports() {
    let (sandbox, _) = start().await;
    let url = sandbox.chatwork_url();
    let mut idle = connect(&url).await.unwrap();
    drop(sandbox);
    assert!(read(&mut idle).await.bytes.is_empty());
    assert_eq!(connect(&url).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_port_can_be_chosen() {
    let (first, _) = start().await;
    let port: u16 = authority(&first.lancers_url()).split(':').nth(1).unwrap().parse().unwrap();
    let taken = Sandbox::builder().port(Provider::Chatwork, port).start().await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(first);
    let mut again = Sandbox::builder().port(Provider::Chatwork, port).start().await;
    while again.is_err() {
        tokio::task::yield_now().await;
        again = Sandbox::builder().port(Provider::Chatwork, port).start().await;
    }
    assert_eq!(again.unwrap().chatwork_url(), format!("http://127.0.0.1:{port}/v2"));
}

/// Every kind of fault, before and after the effect if that makes a difference.
fn everything() -> Chaos {
    let short = Duration::from_millis(5);
    [
        Fault::bad_gateway(),
        Fault::bad_gateway().after(),
        Fault::status(401),
        Fault::too_many_requests(None),
        Fault::too_many_requests(Some(SECOND)),
        Fault::expired_token(),
        Fault::refuse(short),
        Fault::reset(),
        Fault::reset().after(),
        Fault::close(),
        Fault::close().after(),
        Fault::silence(),
        Fault::silence().after(),
        Fault::reset_mid_body(),
        Fault::reset_mid_body().before(),
        Fault::short_body(),
        Fault::short_body().before(),
        Fault::stall(),
        Fault::stall().before(),
        Fault::endless(),
        Fault::endless().before(),
        Fault::slow_headers(short),
        Fault::slow_headers(short).before(),
        Fault::trickle(Duration::from_millis(1)),
        Fault::invalid_utf8(),
        Fault::invalid_json(),
        Fault::wrong_types(),
        Fault::unknown_values(),
        Fault::duplicate_headers(),
        Fault::wrong_clock(SignedDuration::from_hours(1)),
    ]
    .into_iter()
    .fold(Chaos::new(0.3), Chaos::fault)
}

/// Posts, and reads the whole answer if it comes; endless bodies are truncated.
async fn post_once(http: &reqwest::Client, url: &str, body: String) -> Option<(u16, Vec<u8>)> {
    let request = http.post(url).header("x-chatworktoken", "sandbox-chatwork-token");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let mut response = request.send().await.ok()?;
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        content.extend_from_slice(&chunk);
        if content.len() > 1 << 16 {
            return None;
        }
    }
    Some((response.status().as_u16(), content))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_records_correctly_which_requests_were_applied() {
    let sandbox = Sandbox::builder().seed(5).chatwork(Seed::default().unlimited()).start().await.unwrap();
    sandbox.faults().chaos(Provider::Chatwork, everything());
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(300));
    let http = builder.build().unwrap();
    let url = format!("{}/rooms/100/messages", sandbox.chatwork_url());
    let mut posters = tokio::task::JoinSet::new();
    for poster in 0..16 {
        let (http, url) = (http.clone(), url.clone());
        posters.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..100 {
                let body = format!("{poster}-{number}");
                if let Some((200, content)) = post_once(&http, &url, format!("body={body}")).await
                    && let Ok(answer) = serde_json::from_slice::<Value>(&content)
                    && answer["message_id"].is_string()
                {
                    acknowledged.push(body);
                }
            }
            acknowledged
        });
    }
    let acknowledged = posters.join_all().await.concat();
    let messages = sandbox.chatwork().room(100).messages();
    let posted: Vec<&str> = messages.iter().skip(3).map(|message| &*message.body).collect();
    let mut applied: Vec<String> = sandbox
        .requests()
        .iter()
        .filter(|request| request.applied)
        .filter_map(|request| request.form("body"))
        .collect();
    // Many posts find the service down, and none is repeated.
    assert!((300..1500).contains(&acknowledged.len()), "{}", acknowledged.len());
    for body in &acknowledged {
        assert_eq!(posted.iter().filter(|posted| *posted == body).count(), 1, "{body}");
    }
    let mut posted: Vec<String> = posted.into_iter().map(str::to_owned).collect();
    posted.sort();
    applied.sort();
    assert_eq!(posted, applied);
    let met: std::collections::BTreeSet<&str> =
        sandbox.requests().iter().filter_map(|request| Some(request.fault.as_ref()?.name())).collect();
    assert_eq!(met.len(), 19, "{met:?}");
}

/// Runs all ready tasks until the remaining ones wait for the clock.
async fn settle(mut done: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn late(sandbox: &Sandbox, service: Provider, operation: &str, seconds: u32) {
    let script = Script::on(operation).then(Fault::late(SECOND * seconds));
    sandbox.faults().script(service, script);
}

#[tokio::test]
async fn a_late_effect_comes_after_the_loss_of_the_connection() {
    let (sandbox, clock) = start().await;
    let room = sandbox.chatwork().room(100);
    let mut seen = sandbox.subscribe_requests();
    let before = room.messages().len();
    late(&sandbox, Provider::Chatwork, "post_message", 30);
    let raw = exchange(&sandbox.chatwork_url(), &post(&sandbox)).await;
    assert!(raw.was_reset() && raw.text().is_empty(), "{}", raw.text());
    let entry = sandbox.requests().pop().unwrap();
    assert_eq!((entry.status, entry.applied), (None, false));
    assert_eq!(entry.fault.map(|fault| fault.name()), Some("late"));
    assert_eq!((room.messages().len(), clock.next_wake()), (before, None));
    clock.advance(29 * SECOND);
    settle(|| room.messages().len() > before).await;
    assert_eq!(room.messages().len(), before, "a second too early");
    assert!(seen.try_recv().is_err(), "nothing is decided yet");
    clock.advance(SECOND);
    settle(|| room.messages().len() > before).await;
    assert_eq!(room.messages().len(), before + 1);
    let entry = sandbox.requests().pop().unwrap();
    assert_eq!((entry.status, entry.applied), (None, true));
    assert_eq!(seen.recv().await.unwrap().number, entry.number);
    // The next post is served as usual, and its message is later.
    exchange(&sandbox.chatwork_url(), &post(&sandbox)).await;
    assert_eq!(room.messages().len(), before + 2);
}

/// The same on the system's clock.
#[tokio::test]
async fn a_late_effect_works_on_the_system_clock() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut seen = sandbox.subscribe_requests();
    let room = sandbox.chatwork().room(100);
    let before = room.messages().len();
    let script = Script::on("post_message").then(Fault::late(Duration::from_millis(50)));
    sandbox.faults().script(Provider::Chatwork, script);
    let error = sandbox.clients().chatwork.room(kaiwa::chatwork::RoomId(100)).post("x").await.unwrap_err();
    assert_eq!(error.outcome(), kaiwa::Outcome::Unknown);
    assert!(seen.recv().await.unwrap().applied);
    assert_eq!(room.messages().len(), before + 1);
}

/// The client has ended, every connection and the port are closed, and the request was received nevertheless.
#[tokio::test]
async fn a_late_effect_needs_no_client() {
    let (sandbox, clock) = start().await;
    let room = sandbox.chatwork().room(100);
    let before = room.messages().len();
    late(&sandbox, Provider::Chatwork, "post_message", 60);
    let mut stream = connect(&sandbox.chatwork_url()).await.unwrap();
    stream.write_all(post(&sandbox).as_bytes()).await.unwrap();
    drop(stream);
    while sandbox.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sandbox.faults().refuse(Provider::Chatwork, true).await.unwrap();
    clock.advance(60 * SECOND);
    settle(|| room.messages().len() > before).await;
    assert_eq!(room.messages().len(), before + 1);
    assert!(sandbox.requests().pop().unwrap().applied);
}

#[tokio::test]
async fn a_late_effect_does_not_outlive_the_sandbox() {
    let (sandbox, clock) = start().await;
    let room = sandbox.chatwork().room(100);
    let before = room.messages().len();
    late(&sandbox, Provider::Chatwork, "post_message", 10);
    exchange(&sandbox.chatwork_url(), &post(&sandbox)).await;
    settle(|| false).await;
    drop(sandbox);
    clock.advance(11 * SECOND);
    settle(|| room.messages().len() > before).await;
    assert_eq!(room.messages().len(), before);
}

/// The result of a repeat before the effect: one message with a key, two without one.
#[tokio::test]
async fn a_repeat_before_a_late_effect_is_executed_first() {
    use kaiwa::sandbox::tascha::Seed as Tascha;
    let (sandbox, clock) = start().await;
    let (tascha, chatwork) = (sandbox.clients().tascha, sandbox.clients().chatwork);
    let room = sandbox.tascha().room(Tascha::ROOM);
    let before = room.messages().len();
    late(&sandbox, Provider::Tascha, "create_message", 3600);
    // The client repeats it on its own, long before the first one takes effect.
    let sent =
        clock.drive(tascha.room(Tascha::ROOM).post("x").with_idempotency_key("order-42")).await.unwrap();
    assert!(clock.elapsed() < 60 * SECOND);
    assert_eq!((sent.attempts(), room.messages().len()), (2, before + 1));
    clock.advance(3600 * SECOND);
    settle(|| sandbox.requests().iter().any(|request| request.replayed)).await;
    assert_eq!(room.messages().len(), before + 1);
    let ends: Vec<_> = sandbox.requests().iter().map(|request| (request.applied, request.replayed)).collect();
    assert_eq!(ends, [(false, true), (true, false)]);

    let room = sandbox.chatwork().room(100);
    let before = room.messages().len();
    late(&sandbox, Provider::Chatwork, "post_message", 5);
    let post = || chatwork.room(kaiwa::chatwork::RoomId(100)).post("twice");
    post().await.unwrap_err();
    post().await.unwrap();
    clock.advance(5 * SECOND);
    settle(|| room.messages().len() == before + 2).await;
    assert_eq!(room.messages().len(), before + 2);
}

/// It is executed at its later time, so changes made meanwhile count.
#[tokio::test]
async fn a_late_effect_can_be_refused_in_the_end() {
    let (sandbox, clock) = start().await;
    let chatwork = sandbox.clients().chatwork;
    let room = chatwork.room(kaiwa::chatwork::RoomId(100));
    let id = room.post("x").await.unwrap().message_id.clone();
    late(&sandbox, Provider::Chatwork, "update_message", 20);
    let update = room.message(&id).update("y").with_retry(kaiwa::RetryPolicy::none());
    update.await.unwrap_err();
    room.message(&id).delete().await.unwrap();
    clock.advance(20 * SECOND);
    settle(|| false).await;
    let late = sandbox.requests().into_iter().find(|request| request.operation == Some("update_message"));
    assert!(!late.unwrap().applied);
    assert_eq!(sandbox.chatwork().room(100).messages().last().unwrap().body, "[deleted]");
}

/// A bot that looks for its message too early, and considers it lost.
#[tokio::test]
async fn a_lookup_finds_a_late_effect_only_after_it() {
    use kaiwa::chatwork::{Arrival, Reconcile, RoomId};
    for (delay, messages, arrival) in [(5, 2, Arrival::PostedAgain), (30, 1, Arrival::Found)] {
        let (sandbox, clock) = start().await;
        let before = sandbox.chatwork().room(100).messages().len();
        late(&sandbox, Provider::Chatwork, "post_message", 20);
        let room = sandbox.clients().chatwork.room(RoomId(100));
        let look = Reconcile::new().delay(SECOND * delay);
        let sent = clock.drive(room.post("x").with_reconcile(look)).await;
        let arrived = sent.as_ref().map(|sent| sent.arrival).ok();
        clock.advance(60 * SECOND);
        let room = sandbox.chatwork().room(100);
        settle(|| room.messages().len() == before + messages).await;
        println!("looked after {delay} s and more: {arrived:?}, {} messages", room.messages().len() - before);
        assert_eq!((arrived, room.messages().len() - before), (Some(arrival), messages));
    }
}
