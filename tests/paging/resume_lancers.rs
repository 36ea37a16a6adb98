//! A process that is killed after any item of any of Lancers' lists, and the one that resumes.

use crate::lancers::{alice, at, sandbox, ties};
use futures::TryStreamExt;
use kaiwa::lancers::{BoardId, Client, Direction};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::lancers::{BoardSeed, Seed};
use kaiwa::{Checkpoint, Paged, Request};

/// Yields `killed_at` items, calls `change`, and resumes. Returns the items yielded by both.
async fn killed<E: Paged, K>(
    client: &Client,
    request: impl Fn(&Client) -> Request<E>,
    key: impl Fn(&E::Item) -> K,
    killed_at: usize,
    change: impl AsyncFnOnce(),
) -> (Vec<K>, Vec<K>) {
    let mut items = request(client).stream();
    let first: Vec<K> = items.next_batch(killed_at).await.expect("items").items.iter().map(&key).collect();
    let kept = serde_json::to_string(&items.checkpoint()).expect("it serialises");
    drop(items);
    change().await;
    let kept: Checkpoint = serde_json::from_str(&kept).expect("it was just written");
    let rest = request(client).stream_from(&kept).expect("the same list");
    let rest: Vec<E::Item> = rest.try_collect().await.expect("items");
    (first, rest.iter().map(&key).collect())
}

/// Every list without changes: at every item, on pages of every size.
#[tokio::test]
async fn a_resumed_stream_starts_with_the_next_item() {
    let board = BoardSeed::new("alice", ["bob", "carol", "dave"]).messages(3).modified(at(100));
    let board = board.file("bob", "a", "a/b", 1).file("bob", "b", "a/b", 1).file("bob", "c", "a/b", 1);
    let (sandbox, client) = sandbox(ties(&[1, 3, 1, 2]).board(board)).await;
    let id = sandbox.lancers().boards().last().expect("a board").id;
    macro_rules! everywhere {
        ($key:expr, $request:expr) => {
            for limit in [1, 2, 3, 5, 50] {
                let request = |client: &Client| $request(client).limit(limit);
                let all: Vec<_> =
                    request(&client).stream().map_ok(|item| $key(&item)).try_collect().await.expect("");
                assert!(all.len() >= 3);
                for killed_at in 0..=all.len() {
                    let (first, rest) =
                        killed(&client, request, |item| $key(item), killed_at, async || {}).await;
                    assert_eq!(first, all[..killed_at]);
                    assert_eq!(rest, all[killed_at..], "killed at {killed_at}, {limit} a page");
                }
            }
        };
    }
    use kaiwa::lancers::{Board, BoardFile, Message, User};
    everywhere!(|board: &Board| board.id, |client: &Client| client.boards());
    everywhere!(|message: &Message| message.id, |client: &Client| client.unread());
    everywhere!(|board: &Board| board.id, |client: &Client| client.search("bob"));
    everywhere!(|message: &Message| message.id, |client: &Client| client.board(id).messages());
    everywhere!(|message: &Message| message.id, |client: &Client| {
        client.board(id).messages().direction(Direction::Prev)
    });
    everywhere!(|file: &BoardFile| file.id, |client: &Client| client.board(id).files());
    everywhere!(|user: &User| user.name.clone(), |client: &Client| client.board(id).users());
}

/// Bob removes alice from a board, so the board is removed from her list.
async fn take_off(sandbox: &Sandbox, board: BoardId) {
    let bob = sandbox
        .lancers_client(Seed::COLLEAGUE_CREDENTIAL)
        .http_client(crate::light())
        .build()
        .expect("a client");
    bob.board(board).remove_user("alice").await.expect("she was a member");
}

#[tokio::test]
async fn boards_can_be_added_and_removed_in_between() {
    for limit in [1, 2, 50] {
        for killed_at in [0_usize, 1, 2, 4, 5, 8] {
            let (sandbox, client) = sandbox(ties(&[1, 4, 1, 2])).await;
            let all: Vec<BoardId> =
                client.boards().stream().map_ok(|board| board.id).try_collect().await.expect("boards");
            // The last yielded board and the one before it are removed, and two new ones are created.
            let change = async || {
                for board in &all[killed_at.saturating_sub(2)..killed_at] {
                    take_off(&sandbox, *board).await;
                }
                for _ in 0..2 {
                    client.create_board(["bob"]).await.expect("a board");
                }
            };
            let (first, rest) =
                killed(&client, |client| client.boards().limit(limit), |board| board.id, killed_at, change)
                    .await;
            assert_eq!(first, all[..killed_at]);
            let old: Vec<BoardId> = rest.iter().copied().filter(|board| all.contains(board)).collect();
            assert_eq!(old, all[killed_at..], "killed at {killed_at}, {limit} a page");
            assert!(killed_at == 0 || old.len() == rest.len(), "items newer than the last one are not seen");
        }
    }
}

#[tokio::test]
async fn a_search_survives_added_and_removed_boards() {
    let seed = || alice().boards(14, BoardSeed::new("bob", ["alice"]).title("請求書"));
    for limit in [4, 16] {
        for killed_at in [0_usize, 1, 4, 5, 9, 14] {
            let (sandbox, client) = sandbox(seed()).await;
            let found = |client: &Client| client.search("請求").limit(limit);
            let all: Vec<BoardId> =
                found(&client).stream().map_ok(|board| board.id).try_collect().await.expect("boards");
            let change = async || {
                for board in &all[killed_at.saturating_sub(2)..killed_at] {
                    take_off(&sandbox, *board).await;
                }
            };
            let (_, rest) = killed(&client, found, |board| board.id, killed_at, change).await;
            assert_eq!(rest, all[killed_at..], "killed at {killed_at}, {limit} a page");

            let (_sandbox, client) = self::sandbox(seed()).await;
            let all: Vec<BoardId> =
                found(&client).stream().map_ok(|board| board.id).try_collect().await.expect("boards");
            let change = async || {
                client.create_board(["bob"]).title("請求書").await.expect("a board");
            };
            let (_, rest) = killed(&client, found, |board| board.id, killed_at, change).await;
            let old: Vec<BoardId> = rest.into_iter().filter(|board| all.contains(board)).collect();
            assert_eq!(old, all[killed_at..], "killed at {killed_at}, {limit} a page");
        }
    }
}

#[tokio::test]
async fn users_and_messages_can_be_added_and_removed_in_between() {
    let names = ["bob", "carol", "dave", "erin", "frank"];
    for killed_at in 1..=6 {
        let seed = alice().users(["bert", "zoe"]).board(BoardSeed::new("alice", names).messages(6));
        let (sandbox, client) = sandbox(seed).await;
        let id = sandbox.lancers().boards()[0].id;
        let users = |client: &Client| client.board(id).users().limit(2);
        let all: Vec<String> =
            users(&client).stream().map_ok(|user| user.name).try_collect().await.expect("users");
        let change = async || {
            client.board(id).add_users(["bert", "zoe"]).await.expect("added");
            // Alice stays a member, otherwise she could see nothing.
            if killed_at > 1 {
                client.board(id).remove_user(&all[killed_at - 1]).await.expect("removed");
            }
        };
        let (_, mut rest) = killed(&client, users, |user| user.name.clone(), killed_at, change).await;
        assert_eq!(rest.pop().as_deref(), Some("zoe"));
        rest.retain(|name| name != "bert");
        assert_eq!(rest, all[killed_at..], "killed at {killed_at}");

        let messages = |client: &Client| client.board(id).messages().limit(2);
        let all: Vec<_> = messages(&client).stream().map_ok(|m| m.id).try_collect().await.expect("messages");
        let change = async || drop(client.board(id).post("あとから").await.expect("posted"));
        let (_, rest) = killed(&client, messages, |message| message.id, killed_at, change).await;
        assert_eq!(rest[..rest.len() - 1], all[killed_at..], "killed at {killed_at}");
    }
}

#[tokio::test]
async fn unread_messages_can_be_read_in_between() {
    for limit in [1, 2, 3] {
        for killed_at in 1..=7 {
            let (_sandbox, client) = sandbox(ties(&[1, 2, 2])).await;
            let unread = |client: &Client| client.unread().limit(limit);
            let all: Vec<_> =
                unread(&client).stream().map_ok(|m| (m.board_id, m.id)).try_collect().await.expect("");
            // Yielded messages are marked as read, as a program would do.
            let change = async || {
                for (board, message) in &all[..killed_at.min(all.len())] {
                    client.board(*board).mark_read().message_id(*message).await.expect("read");
                }
            };
            let (_, rest) =
                killed(&client, unread, |message| (message.board_id, message.id), killed_at, change).await;
            assert_eq!(rest, all[killed_at.min(all.len())..], "killed at {killed_at}, {limit} a page");
        }
    }
}
