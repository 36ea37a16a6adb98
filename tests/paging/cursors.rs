//! TAS-CHA's cursors: their end, their cycles, and changes between two pages.

use crate::fake::{Cursors, Fake, number, room};
use futures::{StreamExt, TryStreamExt};
use kaiwa::ErrorKind;
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::tascha::{EndOfList, RoomSeed, Seed, WebhookSeed};
use serde_json::{Value, json};

#[tokio::test]
async fn every_size_of_page_of_every_length_of_list_brings_each_item_once() {
    for end in [EndOfList::Null, EndOfList::Absent, EndOfList::Empty] {
        let room = |length| RoomSeed::new(format!("room{length}"), "").members([Seed::USER]).messages(length);
        let seed = (0..=7).fold(Seed::default(), |seed, length| seed.room(room(length)));
        let seed = seed.end_of_list(end).unlimited();
        let sandbox = Sandbox::builder().tascha(seed).start().await.expect("a sandbox");
        let client = crate::tascha(&sandbox);
        for length in 0..=7_usize {
            let id = format!("room{length}");
            let there: Vec<String> =
                sandbox.tascha().room(&id).messages().into_iter().map(|message| message.id.0).collect();
            for limit in 1..=8_usize {
                for ahead in [0, 1, 3] {
                    sandbox.clear_requests();
                    let size = i64::try_from(limit).expect("a small number");
                    let request = client.room(id.as_str()).messages().limit(size).with_read_ahead(ahead);
                    let items: Vec<String> = request
                        .stream()
                        .map_ok(|message| message.id.to_string())
                        .try_collect()
                        .await
                        .expect("messages");
                    assert_eq!(items, there, "{length} items, {limit} a page, {ahead} ahead, {end:?}");
                    assert_eq!(sandbox.requests().len(), length.div_ceil(limit).max(1));
                }
            }
        }
    }
}

#[tokio::test]
async fn options_of_the_request_are_those_of_every_page() {
    let seed = Seed::default().room(RoomSeed::new("five", "").members([Seed::USER]).messages(5));
    let sandbox = Sandbox::builder().tascha(seed).start().await.expect("a sandbox");
    let client = crate::tascha(&sandbox);
    let messages = client.room("five").messages().limit(2);
    let pages: Vec<_> = messages
        .with_header("x-test", "kept")
        .with_request_id("mine")
        .pages()
        .try_collect()
        .await
        .expect("pages");
    assert_eq!(pages.iter().map(|page| page.len()).collect::<Vec<_>>(), [2, 2, 1]);
    assert!(pages.iter().all(|page| page.rate_limit().is_some()), "a page is a complete response");
    let requests = sandbox.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.header("x-test"), Some("kept"));
        assert_eq!(request.header("x-request-id"), Some("mine"));
        assert_eq!(request.parameter("limit").as_deref(), Some("2"));
    }
}

#[tokio::test]
async fn all_eight_lists_are_streams() {
    let room = RoomSeed::new("full", "")
        .members([Seed::USER, Seed::COLLEAGUE])
        .board("board")
        .messages(5)
        .tasks(5)
        .records(5)
        .files(5)
        .webhook(WebhookSeed::new("hook").deliveries(5));
    let sandbox = Sandbox::builder().tascha(Seed::default().room(room)).start().await.expect("a sandbox");
    let client = crate::tascha(&sandbox);
    let room = client.room("full");
    macro_rules! count {
        ($request:expr) => {
            $request
                .limit(2)
                .stream()
                .try_fold(0, |count, _| async move { Ok(count + 1) })
                .await
                .expect("items")
        };
    }
    assert_eq!(count!(client.organizations()), 1);
    assert_eq!(count!(client.rooms()), 3);
    assert_eq!(count!(room.members()), 2);
    assert_eq!(count!(room.messages()), 5);
    assert_eq!(count!(room.tasks()), 5);
    assert_eq!(count!(room.records()), 5);
    assert_eq!(count!(room.files()), 5);
    assert_eq!(count!(room.webhook("hook").deliveries()), 5);
}

fn page(ids: &[u32], next: Value) -> Value {
    let data: Vec<Value> = ids.iter().copied().map(room).collect();
    json!({ "data": data, "nextCursor": next })
}

#[tokio::test]
async fn an_empty_page_with_a_cursor_is_not_the_end() {
    let bodies =
        [page(&[], json!("a")), page(&[1], json!("b")), page(&[], json!("c")), page(&[2], json!(""))];
    let fake = Fake::scripted(bodies).await;
    let rooms: Vec<_> = fake.client().rooms().stream().try_collect().await.expect("rooms");
    assert_eq!(rooms.iter().map(number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(fake.asked(), ["", "cursor=a", "cursor=b", "cursor=c"]);
}

#[tokio::test]
async fn a_repeated_cursor_is_an_error_after_the_items_and_ends_the_stream() {
    let itself = vec![page(&[1], json!("a")), page(&[2], json!("a"))];
    let circle =
        vec![page(&[1], json!("a")), page(&[2], json!("b")), page(&[3], json!("c")), page(&[4], json!("a"))];
    for ahead in [0, 1, 5] {
        for bodies in [itself.clone(), circle.clone()] {
            let length = bodies.len();
            let fake = Fake::scripted(bodies).await;
            let mut rooms = fake.client().rooms().with_read_ahead(ahead).stream();
            for _ in 0..length {
                rooms.next().await.expect("it goes on").expect("a room");
            }
            let error = rooms.next().await.expect("it goes on").expect_err("a circle");
            assert!(matches!(error.kind(), ErrorKind::RepeatedCursor), "{error}");
            assert!(error.to_string().contains("GET /rooms"), "{error}");
            assert!(rooms.next().await.is_none());
            assert!(rooms.next().await.is_none());
            assert_eq!(fake.asked().len(), length);
        }
    }
}

#[tokio::test]
async fn items_inserted_in_front_between_two_pages_repeat_nothing() {
    for cursors in [Cursors::Positions, Cursors::Anchors] {
        for limit in 1..=7 {
            let fake = Fake::start(cursors, (1..=12).rev()).await;
            fake.change(|state| state.after = vec![|items| drop(items.splice(..0, [14, 13])); 3]);
            let request = fake.client().rooms().limit(limit).with_read_ahead(0);
            let rooms: Vec<_> = request.stream().try_collect().await.expect("rooms");
            let numbers: Vec<u32> = rooms.iter().map(number).filter(|number| *number <= 12).collect();
            assert_eq!(numbers, (1..=12).rev().collect::<Vec<_>>(), "{cursors:?}, {limit} a page");
        }
    }
}

#[tokio::test]
async fn removals_between_two_pages_lose_nothing_if_a_cursor_is_an_item() {
    for limit in 1..=5 {
        let fake = Fake::start(Cursors::Anchors, 1..=10).await;
        // The anchor itself is removed, and others that were yielded.
        fake.change(|state| state.after = vec![|items| drop(items.drain(..1)); 4]);
        let request = fake.client().rooms().limit(limit).with_read_ahead(0);
        let rooms: Vec<_> = request.stream().try_collect().await.expect("rooms");
        assert_eq!(rooms.iter().map(number).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>(), "{limit}");
    }
}

#[tokio::test]
async fn collecting_stops_at_the_cap_and_says_whether_there_is_more() {
    for ahead in [0, 1] {
        let fake = Fake::start(Cursors::Positions, 1..=6).await;
        let mut rooms = fake.client().rooms().limit(2).with_read_ahead(ahead).stream();
        let numbers =
            |some: &kaiwa::Batch<kaiwa::tascha::Room>| some.items.iter().map(number).collect::<Vec<_>>();
        let none = rooms.next_batch(0).await.expect("rooms");
        assert_eq!((numbers(&none), none.more), (vec![], true));
        let some = rooms.next_batch(4).await.expect("rooms");
        assert_eq!((numbers(&some), some.more), (vec![1, 2, 3, 4], true));
        assert_eq!(rooms.checkpoint().last(), Some("r4"));
        let rest = rooms.next_batch(2).await.expect("rooms");
        assert_eq!((numbers(&rest), rest.more), (vec![5, 6], false));
        let nothing = rooms.next_batch(9).await.expect("rooms");
        assert_eq!((numbers(&nothing), nothing.more), (vec![], false));
    }
}
