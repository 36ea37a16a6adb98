//! Extreme numbers, in a stored checkpoint and from the program.

use crate::lancers::{at, sandbox, ties};
use kaiwa::lancers::{Client, Direction};
use kaiwa::sandbox::lancers::BoardSeed;
use kaiwa::{Checkpoint, Paged, Request, RetryPolicy};
use serde_json::{Value, json};

/// The document with each of its numbers replaced by each extreme.
fn with_extremes(document: &Value) -> Vec<Value> {
    let extremes =
        [json!(0), json!(-1), json!(i64::MIN), json!(i64::MAX), json!(u64::MAX), json!(u64::MAX - 1)];
    let mut numbers = Vec::new();
    let mut paths = vec![String::new()];
    while let Some(path) = paths.pop() {
        match document.pointer(&path).expect("it is there") {
            Value::Number(_) => numbers.push(path),
            Value::Array(items) => paths.extend((0..items.len()).map(|index| format!("{path}/{index}"))),
            Value::Object(fields) => paths.extend(fields.keys().map(|name| format!("{path}/{name}"))),
            _ => {}
        }
    }
    let replaced = |path: &String, extreme: &Value| {
        let mut document = document.clone();
        *document.pointer_mut(path).expect("it is there") = extreme.clone();
        document
    };
    numbers.iter().flat_map(|path| extremes.iter().map(move |extreme| replaced(path, extreme))).collect()
}

async fn resumed_from_extremes<E: Paged>(request: impl Fn() -> Request<E>) {
    let request = || request().with_retry(RetryPolicy::none());
    let mut items = request().stream();
    items.next_batch(2).await.expect("two items");
    let document = serde_json::to_value(items.checkpoint()).expect("it serialises");
    let (mut read, mut resumed) = (0, 0);
    for document in with_extremes(&document) {
        let Ok(checkpoint) = serde_json::from_value::<Checkpoint>(document.clone()) else { continue };
        read += 1;
        let Ok(mut items) = request().stream_from(&checkpoint) else { continue };
        resumed += 1;
        assert_eq!(items.checkpoint(), checkpoint, "{document}");
        // The position may not exist in the list.
        let Ok(rest) = items.next_batch(3).await else { continue };
        let count = checkpoint.count().saturating_add(rest.items.len() as u64);
        assert_eq!(items.checkpoint().count(), count, "{document}");
    }
    assert!(read > 3 && resumed > 3, "{document}");
}

#[tokio::test]
async fn a_stored_checkpoint_may_have_any_number() {
    let board = BoardSeed::new("alice", ["bob", "carol", "dave"]).messages(5).modified(at(100));
    let (sandbox, client) = sandbox(ties(&[1, 3, 1, 2]).board(board)).await;
    let id = sandbox.lancers().boards().last().expect("a board").id;
    resumed_from_extremes(|| client.boards().limit(2)).await;
    resumed_from_extremes(|| client.unread().limit(2)).await;
    resumed_from_extremes(|| client.search("bob").limit(2)).await;
    resumed_from_extremes(|| client.board(id).messages().limit(2)).await;
    resumed_from_extremes(|| client.board(id).messages().limit(2).direction(Direction::Prev)).await;
}

#[tokio::test]
async fn pages_may_be_of_any_size_and_read_any_number_ahead() {
    let (_sandbox, client) = sandbox(ties(&[1, 3, 1, 2])).await;
    let boards = |client: &Client| client.boards().with_retry(RetryPolicy::none());
    for ahead in [0, 1, usize::MAX] {
        let mut items = boards(&client).limit(2).with_read_ahead(ahead).stream();
        let read = items.next_batch(usize::MAX).await.expect("the boards").items;
        assert_eq!(read.len(), 7, "{ahead}");
    }
    for limit in [i64::MIN, -1, 0, i64::MAX] {
        // Refused, or answered with the existing items.
        if let Ok(read) = boards(&client).limit(limit).stream().next_batch(usize::MAX).await {
            assert_eq!(read.items.len(), 7, "{limit}");
        }
    }
}
