//! Lancers' five kinds of paging in one API.

use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use kaiwa::ErrorKind;
use kaiwa::lancers::{BoardId, Client, Direction, FileId, MessageId};
use kaiwa::sandbox::lancers::{BoardSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use serde_json::{Value, json};

/// Wednesday noon in Japan, or this many seconds before.
pub fn at(seconds_ago: i64) -> Timestamp {
    "2026-03-04T12:00:00+09:00".parse::<Timestamp>().expect("a time") - SignedDuration::from_secs(seconds_ago)
}

pub fn alice() -> Seed {
    Seed::new().account("alice", Seed::CREDENTIAL).account("bob", Seed::COLLEAGUE_CREDENTIAL)
}

pub async fn sandbox(seed: Seed) -> (Sandbox, Client) {
    let sandbox = Sandbox::builder().lancers(seed).start().await.expect("a sandbox");
    let client = crate::lancers(&sandbox);
    (sandbox, client)
}

/// Boards with the same second in groups of these sizes.
pub fn ties(groups: &[usize]) -> Seed {
    let board = |group: usize| {
        let seconds = i64::try_from(group).expect("a small number");
        BoardSeed::new("bob", ["alice"]).messages(1 + group % 3).unread_by(["alice"]).modified(at(seconds))
    };
    groups.iter().enumerate().fold(alice(), |seed, (group, size)| seed.boards(*size, board(group)))
}

/// The ids of the boards in the order of the list.
async fn boards_in_order(client: &Client) -> Vec<BoardId> {
    client.boards().limit(10_000).await.expect("boards").iter().map(|board| board.id).collect()
}

fn numbers(count: usize) -> std::ops::RangeInclusive<i64> {
    1..=i64::try_from(count).expect("a small number")
}

#[tokio::test]
async fn boards_of_one_second_are_neither_lost_nor_repeated_at_a_page_boundary() {
    for groups in
        [vec![], vec![1], vec![1; 7], vec![3, 1, 3], vec![2, 2, 2], vec![7], vec![1, 9, 1], vec![16, 3]]
    {
        let (sandbox, client) = sandbox(ties(&groups)).await;
        let there = boards_in_order(&client).await;
        assert_eq!(there.len(), groups.iter().sum::<usize>());
        for limit in numbers(there.len() + 2) {
            for ahead in [0, 2] {
                let boards = client.boards().limit(limit).with_read_ahead(ahead).stream();
                let boards: Vec<BoardId> =
                    boards.map_ok(|board| board.id).try_collect().await.expect("boards");
                assert_eq!(boards, there, "{groups:?}, {limit} a page");
            }
        }
        drop(sandbox);
    }
}

/// `limit` counts boards, but the rows are messages, which do not have their board's time.
#[tokio::test]
async fn unread_messages_of_every_board_are_yielded_once() {
    for groups in [vec![], vec![1], vec![1; 7], vec![3, 1, 3], vec![7], vec![1, 9, 1]] {
        let (sandbox, client) = sandbox(ties(&groups)).await;
        let boards = boards_in_order(&client).await;
        let there: Vec<MessageId> =
            client.unread().limit(1_000).await.expect("messages").iter().map(|message| message.id).collect();
        for limit in numbers(boards.len() + 2) {
            let unread = client.unread().limit(limit).stream();
            let unread: Vec<MessageId> = unread.map_ok(|m| m.id).try_collect().await.expect("messages");
            assert_eq!(unread, there, "{groups:?}, {limit} a page");
        }
        drop(sandbox);
    }
}

#[tokio::test]
async fn an_unread_board_changed_after_its_last_message_hides_no_other() {
    let (_sandbox, client) = sandbox(ties(&[1, 1, 1, 1])).await;
    let boards = boards_in_order(&client).await;
    // The oldest board becomes the newest, but its unread messages stay old.
    client.board(boards[3]).update().title("あとで").await.expect("changed");
    let unread: Vec<_> = client.unread().limit(1).stream().try_collect().await.expect("messages");
    let mut met: Vec<BoardId> = unread.iter().map(|message| message.board_id).collect();
    met.dedup();
    assert_eq!(met, [boards[3], boards[0], boards[1], boards[2]]);
}

/// A message is posted between a page of unread messages and the request for its last board.
#[tokio::test]
async fn an_unread_board_that_changes_between_requests_hides_no_other() {
    let (sandbox, client) = sandbox(ties(&[1, 1, 1, 1, 1])).await;
    let boards = boards_in_order(&client).await;
    let now = json!({ "id": boards[1], "modified": "2027-01-01 00:00:00" }).to_string();
    let script = Script::on("get_board").then(Fault::status(200).body("application/json", now));
    sandbox.faults().script(Provider::Lancers, script);
    let unread: Vec<_> = client.unread().limit(2).stream().try_collect().await.expect("messages");
    let mut met: Vec<BoardId> = unread.iter().map(|message| message.board_id).collect();
    met.dedup();
    assert_eq!(met, boards);
}

/// The same far down the list: the items at its top are no longer remembered.
#[tokio::test]
async fn an_unread_board_that_changes_between_requests_repeats_no_other() {
    let (sandbox, client) = sandbox(ties(&[1; 120])).await;
    let boards = boards_in_order(&client).await;
    let now = json!({ "id": boards[100], "modified": "2027-01-01 00:00:00" }).to_string();
    let script = Script::on("get_board").pass(100).then(Fault::status(200).body("application/json", now));
    sandbox.faults().script(Provider::Lancers, script);
    let unread: Vec<_> = client.unread().limit(1).stream().try_collect().await.expect("messages");
    let mut met: Vec<BoardId> = unread.iter().map(|message| message.board_id).collect();
    met.dedup();
    assert_eq!(met, boards);
}

#[tokio::test]
async fn messages_are_yielded_once_in_both_directions_from_anywhere() {
    for length in [0, 1, 2, 5] {
        let (sandbox, client) =
            sandbox(alice().board(BoardSeed::new("alice", ["bob"]).messages(length))).await;
        let id = sandbox.lancers().boards()[0].id;
        let board = client.board(id);
        let there = sandbox.lancers().board(id).messages();
        let rising: Vec<u64> = there.iter().map(|message| message.id.0).collect();
        let falling: Vec<u64> = rising.iter().rev().copied().collect();
        for limit in numbers(length + 2) {
            let all = async |direction, from: Option<u64>| {
                let mut messages = board.messages().direction(direction).limit(limit);
                if let Some(from) = from {
                    messages = messages.message_id(MessageId(from));
                }
                messages.stream().map_ok(|m| m.id.0).try_collect::<Vec<_>>().await.expect("messages")
            };
            assert_eq!(all(Direction::Next, None).await, rising, "{length}, {limit} a page");
            assert_eq!(all(Direction::Prev, None).await, falling, "{length}, {limit} a page");
            for (place, from) in rising.iter().enumerate() {
                assert_eq!(all(Direction::Next, Some(*from)).await, rising[place..]);
                assert_eq!(all(Direction::Prev, Some(*from)).await, falling[length - 1 - place..]);
            }
        }
    }
}

#[tokio::test]
async fn files_are_yielded_upwards_whatever_the_order_of_a_page() {
    for upwards in [false, true] {
        for length in [0, 1, 2, 5] {
            let file = |board: BoardSeed, number| board.file("bob", format!("{number}.txt"), "text/plain", 1);
            let board = (0..length).fold(BoardSeed::new("alice", ["bob"]), file);
            let seed = if upwards { alice().files_upwards() } else { alice() };
            let (sandbox, client) = sandbox(seed.board(board)).await;
            let board = sandbox.lancers().boards()[0].id;
            let there: Vec<u64> = sandbox.lancers().board(board).files().iter().map(|f| f.id.0).collect();
            for limit in numbers(length + 2) {
                let files = client.board(board).files().limit(limit);
                let all: Vec<u64> =
                    files.clone().stream().map_ok(|file| file.id.0).try_collect().await.expect("files");
                assert_eq!(all, there, "{limit} a page");
                if let Some(second) = there.get(1) {
                    let files = files.file_id(FileId(*second)).stream();
                    let rest: Vec<u64> = files.map_ok(|file| file.id.0).try_collect().await.expect("files");
                    assert_eq!(rest, there[1..], "{limit} a page");
                }
            }
        }
    }
}

#[tokio::test]
async fn users_are_paged_by_name() {
    let names = ["alice", "bob", "carol", "山田 太郎", "🍊", "a&b=c"];
    let (sandbox, client) = sandbox(alice().board(BoardSeed::new("alice", names))).await;
    let board = sandbox.lancers().boards()[0].id;
    let there = sandbox.lancers().board(board).users();
    assert_eq!(there.len(), names.len());
    for limit in numbers(names.len() + 1) {
        let users = client.board(board).users().limit(limit);
        let all: Vec<_> = users.clone().stream().try_collect().await.expect("users");
        assert_eq!(all, there, "{limit} a page");
        let rest: Vec<_> = users.user("bob").stream().try_collect().await.expect("users");
        assert_eq!(rest.len(), there.iter().filter(|user| user.name.as_str() > "bob").count());
    }
}

#[tokio::test]
async fn a_search_is_paged_by_position() {
    let board = BoardSeed::new("alice", ["bob"]).title("請求書");
    let seed = alice().boards(23, board).boards(5, BoardSeed::new("alice", ["bob"]).title("雑談"));
    let (_sandbox, client) = sandbox(seed).await;
    let there = client.search("請求").limit(100).await.expect("boards");
    assert_eq!(there.len(), 23);
    for limit in 1..=25 {
        let found: Vec<_> = client.search("請求").limit(limit).stream().try_collect().await.expect("boards");
        assert_eq!(found, *there, "{limit} a page");
        let rest = client.search("請求").limit(limit).offset(20).stream();
        let rest: Vec<_> = rest.try_collect().await.expect("boards");
        assert_eq!(rest, there[20..], "{limit} a page");
    }
}

#[tokio::test]
async fn a_limit_is_always_sent() {
    let (sandbox, client) = sandbox(ties(&[1, 1])).await;
    let board = client.board(boards_in_order(&client).await[0]);
    sandbox.clear_requests();
    client.boards().stream().try_collect::<Vec<_>>().await.expect("boards");
    client.unread().stream().try_collect::<Vec<_>>().await.expect("messages");
    client.search("bob").stream().try_collect::<Vec<_>>().await.expect("boards");
    board.messages().stream().try_collect::<Vec<_>>().await.expect("messages");
    board.files().stream().try_collect::<Vec<_>>().await.expect("files");
    board.users().stream().try_collect::<Vec<_>>().await.expect("users");
    for request in sandbox.requests() {
        let expected = (request.operation != Some("get_board")).then_some("100");
        assert_eq!(request.parameter("limit").as_deref(), expected, "{:?}", request.operation);
    }
}

fn board(id: u64, time: &str) -> Value {
    json!({ "id": id, "title": "", "modified": time })
}

/// A service may have a maximum of boards in an answer, so a larger `limit` does not help to pass such a board.
#[tokio::test]
async fn a_last_board_without_a_time_does_not_stop_the_list() {
    let (sandbox, client) = sandbox(alice()).await;
    let page = |boards: Value| Fault::status(200).body("application/json", boards.to_string());
    let second = |second: u64| format!("2026-01-01 00:00:{second:02}");
    let untimed = json!({ "id": 1, "title": "", "modified": null });
    let script = Script::on("list_boards")
        .then(page(json!([board(9, &second(9)), board(8, &second(8)), untimed])))
        .then(page(json!([board(8, &second(8)), board(7, &second(7)), untimed])))
        .then(page(json!([board(7, &second(7)), untimed])))
        .times(2);
    sandbox.faults().script(Provider::Lancers, script);
    let boards: Vec<_> = client.boards().limit(3).stream().try_collect().await.expect("boards");
    assert_eq!(boards.iter().map(|board| board.id.0).collect::<Vec<_>>(), [9, 8, 1, 7]);
    let asked: Vec<_> =
        sandbox.requests().iter().filter_map(|request| request.parameter("modified")).collect();
    assert_eq!(asked[..2], [second(9), second(8)]);
    assert!(sandbox.requests().iter().all(|request| request.parameter("limit").as_deref() == Some("3")));
}

/// A cycle can be longer than the number of items that a stream remembers.
#[tokio::test]
async fn a_long_cycle_ends() {
    let (sandbox, client) = sandbox(alice().board(BoardSeed::new("alice", ["bob"]))).await;
    let id = sandbox.lancers().boards()[0].id;
    let circle = |operation: &str, row: fn(u64) -> Value| {
        let page =
            |step: u64| Fault::status(200).body("application/json", json!([row(1 + step % 100)]).to_string());
        let script = (0..250).fold(Script::on(operation), |script, step| script.then(page(step)));
        sandbox.faults().script(Provider::Lancers, script);
    };
    circle("list_users", |number| json!({ "name": format!("user {number}") }));
    let users: Vec<_> = client.board(id).users().limit(1).stream().collect().await;
    assert_eq!(users.iter().filter(|user| user.is_ok()).count(), 101);
    let error = users[101].as_ref().expect_err("a circle");
    assert!(matches!(error.kind(), ErrorKind::RepeatedCursor), "{error}");
    assert_eq!(users.len(), 102);

    circle("list_messages", |number| json!({ "id": number, "board_id": 1, "description": "" }));
    let messages: Vec<_> =
        client.board(id).messages().limit(1).stream().try_collect().await.expect("messages");
    assert!((100..120).contains(&messages.len()), "{} messages", messages.len());
}

/// A service that deviates from its documentation must not keep the stream busy for ever.
#[tokio::test]
async fn every_loop_ends() {
    let (sandbox, client) = sandbox(alice().board(BoardSeed::new("alice", ["bob"]).messages(3))).await;
    let id = sandbox.lancers().boards()[0].id;
    let same = |operation: &str, body: Value| {
        let answer = Fault::status(200).body("application/json", body.to_string());
        sandbox.faults().script(Provider::Lancers, Script::on(operation).then(answer).forever());
    };
    let time = "2026-01-01 00:00:00";
    let message = json!({ "id": 5, "board_id": id, "description": "" });
    same("list_boards", json!([board(1, time), board(2, time), board(3, time)]));
    same("search_boards", json!([board(1, time), board(2, time)]));
    same("list_unread", json!([message]));
    same("list_messages", json!([message]));
    same("list_files", json!([{ "id": 6 }, { "id": 4 }]));
    same("list_users", json!([{ "name": "z" }, { "name": "a" }]));
    for limit in [1, 2, 3, 100] {
        sandbox.clear_requests();
        let board = client.board(id);
        assert_eq!(
            client.boards().limit(limit).stream().try_collect::<Vec<_>>().await.expect("boards").len(),
            3
        );
        assert_eq!(
            client.search("x").limit(limit).stream().try_collect::<Vec<_>>().await.expect("").len(),
            2
        );
        assert_eq!(client.unread().limit(limit).stream().try_collect::<Vec<_>>().await.expect("").len(), 1);
        assert_eq!(board.messages().limit(limit).stream().try_collect::<Vec<_>>().await.expect("").len(), 1);
        assert_eq!(board.files().limit(limit).stream().try_collect::<Vec<_>>().await.expect("").len(), 2);
        assert_eq!(board.users().limit(limit).stream().try_collect::<Vec<_>>().await.expect("").len(), 2);
        assert!(sandbox.requests().len() < 40, "{} requests", sandbox.requests().len());
    }
}

/// If the service returns fewer boards than one second has, those beyond its maximum cannot be reached, but older ones
/// can.
#[tokio::test]
async fn a_second_with_more_boards_than_the_services_maximum_is_passed() {
    let (sandbox, client) = sandbox(alice()).await;
    let page = |boards: &[Value]| Fault::status(200).body("application/json", json!(boards).to_string());
    let (tie, older) = ("2026-01-01 00:00:05", "2026-01-01 00:00:01");
    let full = page(&[board(9, tie), board(8, tie)]);
    let script = Script::on("list_boards").then(full.clone()).then(full).then(page(&[board(1, older)]));
    sandbox.faults().script(Provider::Lancers, script.then(page(&[board(1, older)])));
    let boards: Vec<_> = client.boards().limit(50).stream().try_collect().await.expect("boards");
    assert_eq!(boards.iter().map(|board| board.id.0).collect::<Vec<_>>(), [9, 8, 1]);
    let asked: Vec<_> =
        sandbox.requests().iter().filter_map(|request| request.parameter("modified")).collect();
    // The last request is for the time just past the last board: a page with that board alone might be the service's
    // maximum.
    let seconds = [6, 5, 2, 1].map(|second| format!("2026-01-01 00:00:0{second}"));
    assert_eq!(asked, seconds);
}
