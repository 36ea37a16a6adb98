//! A process that is killed after any item, and the one that resumes.

use crate::fake::{Cursors, Fake, number};
use futures::TryStreamExt;
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::{Checkpoint, tascha};

/// Serialized as in a file.
fn through_json(checkpoint: &Checkpoint) -> Checkpoint {
    let kept = serde_json::to_string_pretty(checkpoint).expect("it serialises");
    let read: Checkpoint = serde_json::from_str(&kept).expect("it was just written");
    assert_eq!(&read, checkpoint);
    read
}

/// The change to the list between the two processes, given the yielded items.
type Change = fn(items: &mut Vec<u32>, yielded: &[u32]);

/// A service, and two processes: the one that is killed, and the one that resumes.
struct Scene {
    fake: Fake,
    before: tascha::Client,
    after: tascha::Client,
}

impl Scene {
    async fn new() -> Self {
        let fake = Fake::start(Cursors::Positions, []).await;
        let (before, after) = (fake.client(), fake.client());
        Self { fake, before, after }
    }

    /// Yields `killed_at` items, changes the list, and resumes. Returns the items yielded before and after.
    async fn play(
        &self,
        (cursors, items): (Cursors, &[u32]),
        limit: i64,
        killed_at: usize,
        change: Change,
    ) -> (Vec<u32>, Vec<u32>) {
        self.fake.reset(cursors, items.iter().copied());
        let mut rooms = self.before.rooms().limit(limit).stream();
        let first = rooms.next_batch(killed_at).await.expect("rooms").items;
        let first: Vec<u32> = first.iter().map(number).collect();
        let checkpoint = through_json(&rooms.checkpoint());
        assert_eq!(checkpoint.count() as usize, first.len());
        drop(rooms);

        self.fake.change(|state| change(&mut state.items, &first));
        let mut rooms = self.after.rooms().limit(limit).stream_from(&checkpoint).expect("the same list");
        assert_eq!(rooms.checkpoint(), checkpoint, "nothing was yielded yet");
        let rest = rooms.next_batch(usize::MAX).await.expect("rooms").items;
        let rest: Vec<u32> = rest.iter().map(number).collect();
        assert_eq!(rooms.checkpoint().count() as usize, first.len() + rest.len());
        (first, rest)
    }
}

/// Multiples of ten, so items can be inserted in between.
fn rising() -> Vec<u32> {
    (1..=12).map(|number| number * 10).collect()
}

fn falling() -> Vec<u32> {
    rising().into_iter().rev().collect()
}

/// At every item, in both orders, with both kinds of cursor, on pages of many sizes: `check` gets the initial items,
/// and those yielded before and after.
async fn everywhere(change: Change, check: impl Fn(&[u32], &[u32], &[u32], &str)) {
    let scene = Scene::new().await;
    for cursors in [Cursors::Positions, Cursors::Anchors] {
        for items in [rising(), falling()] {
            for limit in [3, 4, 5, 12, 50] {
                for killed_at in 0..=items.len() {
                    let (first, rest) = scene.play((cursors, &items), limit, killed_at, change).await;
                    let which = format!(
                        "{cursors:?} from {}, {limit} a page, killed at {killed_at}: {rest:?}",
                        items[0]
                    );
                    assert_eq!(first, items[..killed_at], "{which}");
                    check(&items, &first, &rest, &which);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_resumed_stream_starts_with_the_next_item_for_every_item_and_page_size() {
    let scene = Scene::new().await;
    for cursors in [Cursors::Positions, Cursors::Anchors] {
        for limit in 1..=13 {
            for killed_at in 0..=12 {
                let (first, rest) = scene.play((cursors, &rising()), limit, killed_at, |_, _| {}).await;
                assert_eq!(first, rising()[..killed_at]);
                assert_eq!(rest, rising()[killed_at..], "{cursors:?}, {limit} a page, killed at {killed_at}");
            }
        }
    }
}

#[tokio::test]
async fn items_inserted_in_front_neither_disturb_nor_repeat() {
    let two_in_front: Change = |items, _| {
        let new = if items[0] < items[1] { [1, 2] } else { [302, 301] };
        items.splice(..0, new);
    };
    everywhere(two_in_front, |items, first, rest, which| {
        let old: Vec<u32> = rest.iter().copied().filter(|number| items.contains(number)).collect();
        assert_eq!(old, items[first.len()..], "{which}");
        // Two yielded items that are still adjacent on the page show which items were inserted before them.
        if first.len() >= 2 && !which.contains(" 3 a page") {
            assert_eq!(rest, old, "{which}");
        }
    })
    .await;
}

#[tokio::test]
async fn items_added_behind_are_yielded() {
    let one_behind: Change = |items, _| items.push(if items[0] < items[1] { 300 } else { 1 });
    everywhere(one_behind, |items, first, rest, which| {
        assert_eq!(rest[..rest.len() - 1], items[first.len()..], "{which}");
        assert!([300, 1].contains(&rest[rest.len() - 1]), "{which}");
    })
    .await;
}

#[tokio::test]
async fn items_inserted_among_yielded_ones_do_not_disturb() {
    let among: Change = |items, yielded| {
        if let [.., one, last] = yielded {
            let place = items.iter().position(|item| item == last).expect("it is there");
            items.insert(place, (one + last) / 2);
        }
    };
    everywhere(among, |items, first, rest, which| {
        let old: Vec<u32> = rest.iter().copied().filter(|number| items.contains(number)).collect();
        assert_eq!(old, items[first.len()..], "{which}");
    })
    .await;
}

#[tokio::test]
async fn the_item_that_the_checkpoint_names_can_be_removed() {
    let last: Change = |items, yielded| items.retain(|item| Some(item) != yielded.last());
    everywhere(last, |items, first, rest, which| assert_eq!(rest, &items[first.len()..], "{which}")).await;
}

#[tokio::test]
async fn a_few_yielded_items_can_be_removed() {
    let three: Change = |items, yielded| {
        let gone = &yielded[yielded.len().saturating_sub(3)..];
        items.retain(|item| !gone.contains(item));
    };
    everywhere(three, |items, first, rest, which| assert_eq!(rest, &items[first.len()..], "{which}")).await;
    let first_three: Change =
        |items, yielded| items.retain(|item| !yielded.iter().take(3).any(|gone| gone == item));
    everywhere(first_three, |items, first, rest, which| assert_eq!(rest, &items[first.len()..], "{which}"))
        .await;
}

#[tokio::test]
async fn items_removed_ahead_are_not_yielded() {
    let next: Change = |items, yielded| {
        if yielded.len() < items.len() {
            items.remove(yielded.len());
        }
    };
    everywhere(next, |items, first, rest, which| {
        let expected = items.iter().skip(first.len() + 1).copied().collect::<Vec<_>>();
        assert_eq!(rest, expected, "{which}");
    })
    .await;
}

#[tokio::test]
async fn a_page_of_another_size_makes_no_difference() {
    let fake = Fake::start(Cursors::Positions, rising()).await;
    let client = fake.client();
    for killed_at in 0..=12 {
        let mut rooms = client.rooms().limit(5).stream();
        rooms.next_batch(killed_at).await.expect("rooms");
        let checkpoint = through_json(&rooms.checkpoint());
        let rest = client.rooms().limit(2).stream_from(&checkpoint).expect("the same list");
        let rest: Vec<u32> = rest.map_ok(|room| number(&room)).try_collect().await.expect("rooms");
        assert_eq!(rest, rising()[killed_at..]);
    }
}

#[tokio::test]
async fn pages_hand_out_checkpoints_of_their_last_item() {
    let fake = Fake::start(Cursors::Anchors, rising()).await;
    let mut pages = fake.client().rooms().limit(5).pages();
    for expected in [5, 10, 12] {
        pages.try_next().await.expect("a page").expect("a page");
        let checkpoint = through_json(&pages.checkpoint());
        assert_eq!(checkpoint.count(), expected as u64);
        let rest = fake.client().rooms().limit(5).pages_from(&checkpoint).expect("the same list");
        let rest: Vec<_> = rest.try_collect().await.expect("pages");
        let rest: Vec<u32> = rest.iter().flat_map(|page| page.iter().map(number)).collect();
        assert_eq!(rest, rising()[expected..]);
    }
}

#[tokio::test]
async fn a_checkpoint_of_another_list_is_refused() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let clients = sandbox.clients();
    let (tascha, lancers) = (clients.tascha, clients.lancers);
    let mut messages = tascha.room("ckroomgeneral").messages().stream();
    messages.try_next().await.expect("a message");
    let checkpoint = messages.checkpoint();

    let error = tascha.rooms().stream_from(&checkpoint).expect_err("another operation");
    assert!(error.is_invalid_input(), "{error}");
    let text = error.to_string();
    assert!(text.contains("GET /rooms/{roomId}/messages") && text.contains("not of `GET /rooms`"), "{text}");
    let error = tascha.room("ckroomrandom").messages().stream_from(&checkpoint).expect_err("another room");
    assert!(error.to_string().contains("another list of `GET /rooms/{roomId}/messages`"), "{error}");
    assert!(lancers.boards().pages_from(&checkpoint).is_err());
    assert!(tascha.room("ckroomgeneral").messages().limit(7).stream_from(&checkpoint).is_ok());

    let a = lancers.search("a").stream().checkpoint();
    assert!(lancers.search("a").stream_from(&a).is_ok());
    assert!(lancers.search("b").stream_from(&a).is_err());
    assert_eq!(sandbox.requests().len(), 1, "nothing is sent for any of this");

    let mut later = serde_json::to_value(&checkpoint).expect("it serialises");
    later["version"] = 2.into();
    let later: Checkpoint = serde_json::from_value(later).expect("the form is the same");
    let error = tascha.room("ckroomgeneral").messages().stream_from(&later).expect_err("of a later version");
    assert!(error.to_string().contains("version 2"), "{error}");
}

/// Checkpoints are stored in files and read by later versions. This one was written by the first version.
#[tokio::test]
async fn a_checkpoint_of_the_first_version_is_still_read() {
    let kept = r#"{"version":1,"operation":"GET /rooms","list":"1a68ab890e361009",
        "place":{"cursor":"3"},"count":5,"recent":["r10","r20","r30","r40","r50"]}"#;
    let checkpoint: Checkpoint = serde_json::from_str(kept).expect("the form of version 1");
    let fake = Fake::start(Cursors::Positions, rising()).await;
    let rest = fake.client().rooms().limit(3).stream_from(&checkpoint).expect("the same list");
    let rest: Vec<u32> = rest.map_ok(|room| number(&room)).try_collect().await.expect("rooms");
    assert_eq!(rest, rising()[5..]);
}

#[tokio::test]
async fn a_checkpoint_of_a_stream_that_began_elsewhere_is_refused() {
    let room = |number| RoomSeed::new(format!("room{number:02}"), "").members([Seed::USER]);
    let seed = (0..10).map(room).fold(Seed::default(), Seed::room); // two rooms are there already
    let sandbox = Sandbox::builder().tascha(seed).start().await.expect("it starts");
    let tascha = sandbox.clients().tascha;
    let first = tascha.rooms().limit(4).await.expect("a page");
    let cursor = first.next_cursor.clone().expect("there is another page");

    // One item after the list's own beginning, and one after a cursor from the request.
    let mut whole = tascha.rooms().limit(3).stream();
    whole.try_next().await.expect("it works").expect("there is one");
    let mut rest = tascha.rooms().limit(3).cursor(&cursor).stream();
    rest.try_next().await.expect("it works").expect("there is one");

    let refused = |error: kaiwa::Error| {
        assert!(error.is_invalid_input(), "{error}");
        assert!(error.to_string().contains("is of a stream that began elsewhere; leave `cursor`"), "{error}");
    };
    refused(tascha.rooms().cursor(&cursor).stream_from(&whole.checkpoint()).expect_err("skips some"));
    refused(tascha.rooms().stream_from(&rest.checkpoint()).expect_err("repeats some"));
    let again = tascha.rooms().limit(3).cursor(&cursor).stream_from(&rest.checkpoint()).expect("the same");
    assert_eq!(again.try_collect::<Vec<_>>().await.expect("they come").len(), 7);
    let again = tascha.rooms().limit(5).stream_from(&whole.checkpoint()).expect("the same");
    assert_eq!(again.try_collect::<Vec<_>>().await.expect("they come").len(), 11);
}
