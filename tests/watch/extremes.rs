//! Extreme numbers, in a stored checkpoint and from the program.

use crate::world::{ROOM, World, room, secs, seed, short};
use kaiwa::chatwork::RoomId;
use kaiwa::chatwork::watch::WatchCheckpoint;
use serde_json::{Value, json};
use std::time::Duration;

/// The document with each of its numbers replaced by each extreme.
fn with_extremes(document: &Value) -> Vec<Value> {
    let extremes = [json!(0), json!(-1), json!(i64::MIN), json!(i64::MAX), json!(u64::MAX)];
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

#[tokio::test]
async fn a_stored_checkpoint_may_have_any_number() {
    let world = World::new(seed(0).room(room(10).messages(2)).room(room(11).messages(1))).await;
    let rooms = [ROOM, RoomId(11)];
    let mut watch = world.client.watch(rooms).from_window().stream();
    assert_eq!(world.read(&mut watch, secs(5)).await.len(), 3);
    let document = serde_json::to_value(watch.checkpoint()).expect("it serialises");
    let since = json!({ "version": 1, "absent": { "since": 1 }, "rooms": {} });
    drop(watch);
    world.post("new");
    let mut resumed = 0;
    for document in with_extremes(&document).into_iter().chain(with_extremes(&since)) {
        let Ok(checkpoint) = serde_json::from_value::<WatchCheckpoint>(document.clone()) else { continue };
        let mut watch = world.client.watch(rooms).budget_share(1.0).from_checkpoint(checkpoint).stream();
        let seen = world.read(&mut watch, secs(30)).await;
        assert!(seen.iter().all(Result::is_ok), "{document}: {:?}", short(&seen));
        let kept = serde_json::to_value(watch.checkpoint()).expect("it serialises");
        serde_json::from_value::<WatchCheckpoint>(kept)
            .expect("the resulting checkpoint can be stored as well");
        resumed += 1;
    }
    assert!(resumed > 20, "{resumed}");
}

#[tokio::test]
async fn intervals_and_shares_may_be_of_any_size() {
    let times = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
    let shares = [f64::NAN, f64::NEG_INFINITY, 0.0, f64::INFINITY];
    for (time, share) in times.into_iter().flat_map(|time| shares.map(|share| (time, share))) {
        let world = World::new(seed(2)).await;
        let builder = world.client.watch([ROOM, RoomId(11)]).from_window().budget_share(share);
        let builder = builder.min_interval(time).max_interval(time).recheck_interval(time);
        let mut watch = builder.stream();
        world.post("new");
        let seen = world.next_within(&mut watch, secs(600)).await.expect("it is yielded");
        assert_eq!(short(&[seen]), ["+new"], "{time:?} {share}");
    }
}
