//! Lists with an item that does not decode.

use crate::fake::{Cursors, Fake, room};
use futures::{StreamExt, TryStreamExt};
use kaiwa::chatwork::RoomId;
use kaiwa::lancers::{BoardId, Direction};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{Lenient, chatwork, tascha};
use serde_json::json;

#[tokio::test]
async fn a_plain_list_keeps_the_items_that_decode() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let whole = sandbox.clients().chatwork.rooms().await.expect("rooms");
    let mut spoilt: Vec<serde_json::Value> = whole.json().expect("it is JSON");
    spoilt[1]["unread_num"] = json!("many");
    let body = json!(spoilt).to_string();
    let script = || Script::on("list_rooms").then(Fault::status(200).body("application/json", body.clone()));
    sandbox.faults().script(Provider::Chatwork, script().times(3));
    let rooms = || sandbox.clients().chatwork.rooms();
    let error = rooms().await.expect_err("one does not decode");
    assert!(error.is_decode() && error.to_string().contains("[1].unread_num"), "{error}");

    let kept = rooms().lenient().await.expect("the others do");
    assert_eq!(kept.items.len(), whole.len() - 1);
    assert_eq!(kept.items[0], whole[0]);
    let rejected = &kept.undecodable[0];
    assert_eq!((rejected.index, rejected.path.as_str()), (1, "[1].unread_num"));
    assert_eq!(rejected.value["unread_num"], "many");
    assert_eq!((kept.attempts(), kept.body().len()), (1, body.len()), "it is a complete response");

    // A response that was already received can be read in this way.
    let raw = sandbox.clients().chatwork.request(reqwest::Method::GET, "/rooms").await.expect("JSON");
    let again: Lenient<chatwork::Room> = raw.json().expect("a list");
    assert_eq!((again.items, again.undecodable), (kept.items.clone(), kept.undecodable.clone()));
}

#[tokio::test]
async fn nothing_else_about_a_request_changes() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let client = sandbox.clients().chatwork;
    let room = client.rooms().await.expect("rooms")[0].room_id;
    sandbox.clear_requests();
    let nothing = client.room(room).tasks().lenient().with_header("x-test", "kept").await;
    assert!(nothing.expect("an empty answer is an empty list").undecodable.is_empty());
    assert_eq!(sandbox.requests()[0].header("x-test"), Some("kept"));
    let error = client.room(RoomId(0)).members().lenient().await.expect_err("no room has this id");
    assert!(error.is_invalid_input(), "{error}");
}

#[tokio::test]
async fn a_stream_reports_an_undecodable_item_and_continues() {
    let bad = json!({ "id": "r3", "name": 7 });
    let pages = [
        json!({ "data": [room(1), room(2), bad], "nextCursor": "a" }),
        // The page overlaps with the previous one, and its items are not yielded again.
        json!({ "data": [bad, room(4), null], "nextCursor": null }),
    ];
    let fake = Fake::scripted(pages).await;
    let mut rooms = fake.client().rooms().limit(3).lenient().stream();
    let mut met = Vec::new();
    while let Some(room) = rooms.try_next().await.expect("the call does not fail") {
        match room {
            Ok(room) => met.push(room.id.to_string()),
            Err(rejected) => met.push(format!("{} {}", rejected.index, rejected.path)),
        }
    }
    assert_eq!(met, ["r1", "r2", "2 data[2].name", "r4", "2 data[2]"]);
    assert_eq!(rooms.checkpoint().count(), 5);
    let last = rooms.checkpoint();
    assert!(
        last.last().is_some_and(|name| name.starts_with('#')),
        "an item without an id is identified by a digest: {last:?}"
    );
}

/// Such an item is seen on every page that has it. If it were always new, no page would be the last.
#[tokio::test]
async fn an_item_without_an_id_is_reported_once_and_the_list_ends() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let client = crate::lancers(&sandbox);
    let page = |rows: serde_json::Value| Fault::status(200).body("application/json", rows.to_string());
    let message = json!({ "id": 5, "board_id": 1, "description": "" });
    let script = Script::on("list_messages").then(page(json!([message, null]))).forever();
    sandbox.faults().script(Provider::Lancers, script);
    let board = json!({ "id": 1, "title": "", "modified": "2026-01-01 00:00:00" });
    let script = Script::on("search_boards").then(page(json!([board, null]))).then(page(json!([null])));
    sandbox.faults().script(Provider::Lancers, script.forever());

    let messages = || client.board(BoardId(1)).messages().limit(2);
    for direction in [Direction::Next, Direction::Prev] {
        let all = messages().direction(direction.clone()).lenient().stream().take(50).count();
        assert_eq!(all.await, 2, "{direction:?}");
    }
    assert_eq!(client.search("x").limit(2).lenient().stream().take(50).count().await, 2);
    assert!(sandbox.requests().len() < 60, "{} requests", sandbox.requests().len());

    // A stream that is resumed from a checkpoint does not yield it again either.
    let mut stream = messages().lenient().stream();
    assert_eq!(stream.next_batch(9).await.expect("messages").items.len(), 2);
    let kept = serde_json::to_string(&stream.checkpoint()).expect("it serialises");
    let rest = messages()
        .lenient()
        .stream_from(&serde_json::from_str(&kept).expect("it was written by this version"));
    assert_eq!(rest.expect("the same list").count().await, 0);
}

#[tokio::test]
async fn a_lenient_stream_and_a_strict_one_share_checkpoints() {
    let fake = Fake::start(Cursors::Anchors, 1..=5).await;
    let rooms = || fake.client().rooms().limit(2);
    let mut strict = rooms().stream();
    strict.next_batch(3).await.expect("rooms");
    let lenient = rooms().lenient().stream_from(&strict.checkpoint()).expect("the same list");
    let rest: Vec<Result<tascha::Room, _>> = lenient.try_collect().await.expect("rooms");
    let ids: Vec<String> = rest.into_iter().flatten().map(|room| room.id.to_string()).collect();
    assert_eq!(ids, ["r4", "r5"]);
}

/// The position for the next page is taken from the rows, including one that does not decode.
#[tokio::test]
async fn an_undecodable_last_item_still_gives_the_next_position() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let board = |id: u64, second: u64, title: serde_json::Value| json!({ "id": id, "title": title, "modified": format!("2026-01-01 00:00:{second:02}") });
    let first = json!([board(9, 9, json!("a")), board(8, 8, json!(["not a text"]))]).to_string();
    let second = json!([board(8, 8, json!(["not a text"])), board(7, 7, json!("c"))]).to_string();
    let json = |body: &str| Fault::status(200).body("application/json", body.to_owned());
    let script = Script::on("list_boards").then(json(&first)).then(json(&second)).then(json("[]"));
    sandbox.faults().script(Provider::Lancers, script);
    let boards = crate::lancers(&sandbox).boards().limit(2).lenient().stream();
    let boards: Vec<_> = boards.try_collect().await.expect("boards");
    let met: Vec<String> = boards
        .iter()
        .map(|board| match board {
            Ok(board) => board.title.clone(),
            Err(rejected) => rejected.path.clone(),
        })
        .collect();
    assert_eq!(met, ["a", "[1].title", "c"]);
    let asked: Vec<_> = sandbox.requests().iter().map(|request| request.parameter("modified")).collect();
    assert_eq!(asked[1].as_deref(), Some("2026-01-01 00:00:09"));
}
