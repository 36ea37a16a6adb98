//! Spans for OpenTelemetry, and counts.

use crate::{Town, end, program};
use axum::{Router, body::Bytes, extract::State, routing::post};
use kaiwa::sandbox::chatwork::{Room, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test]
async fn a_collector_gets_spans_without_what_is_private() {
    let town = Town::new().await;
    let me = town.sandbox.clients().chatwork.me().await.expect("it answers");
    let room = town.sandbox.chatwork().room(me.room_id);
    room.assign_as(1, &[1], "秘密の仕事");
    let received: Arc<Mutex<Vec<u8>>> = Arc::default();
    let collect = async |State(received): State<Arc<Mutex<Vec<u8>>>>, body: Bytes| {
        received.lock().expect("no panic").extend_from_slice(&body);
    };
    let router = Router::new().route("/v1/traces", post(collect)).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut program = town.command(program!("opentelemetry"));
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).env("OTEL_SERVICE_NAME", "朝のボット");
    let ended = end(&mut program, "").await;
    assert!(ended.success && ended.out == "Bot: 1 tasks in My Chat\n", "{ended:?}");

    // The texts of protobuf are readable.
    let spans = String::from_utf8_lossy(&received.lock().expect("no panic")).into_owned();
    for expected in [
        "朝のボット",
        "tasks of My Chat",
        "GET /me",
        "GET /rooms/{room_id}/tasks",
        "http.response.status_code",
    ] {
        assert!(spans.contains(expected), "{expected}: {spans}");
    }
    for private in [Seed::TOKEN, "秘密の仕事", &me.room_id.to_string(), "127.0.0.1", "bot@example.com"] {
        assert!(!spans.contains(private), "{private}: {spans}");
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_an_error() {
    let town = Town::new().await;
    let mut program = town.command(program!("opentelemetry"));
    let ended = end(program.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), "").await;
    assert!(!ended.success && ended.out.starts_with("Bot: ") && ended.err.contains("export"), "{ended:?}");
}

#[tokio::test]
async fn waits_attempts_and_retries_are_counted() {
    let rooms = (0..6).map(|number| Room::group(1_000 + number, format!("部屋 {number}")).admin(1));
    let seed = rooms.fold(Seed::default().rate_limit(8, Duration::from_secs(2)), Seed::room);
    let town = Town::with(Sandbox::builder().chatwork(seed)).await;
    let twice = Script::on("list_rooms").then(Fault::bad_gateway()).times(2);
    town.sandbox.faults().script(Provider::Chatwork, twice);
    let out = town.done(program!("count_waits"), &[]).await;
    for expected in
        ["attempts of list_rooms: 3, ", "retries of list_rooms: 2, ", "attempts of list_members: 10, "]
    {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert!(out.contains("waits of list_members: "), "{out}");
    assert!(!out.contains("failures"), "{out}");

    town.sandbox.faults().script(Provider::Chatwork, Script::on("list_members").then(Fault::status(403)));
    let ended = town.run(program!("count_waits"), &[]).await;
    assert!(!ended.success && ended.out.contains("failures of list_members: 1, "), "{ended:?}");
    assert!(ended.out.contains("attempts of list_rooms: 1, "), "{ended:?}");
}
