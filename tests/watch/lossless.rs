//! No event is lost and none is yielded twice, whatever fails in between.

use crate::world::{Item, ROOM, World, events, seed};
use kaiwa::chatwork::RoomId;
use kaiwa::chatwork::watch::Event;
use kaiwa::sandbox::{Chaos, Fault, Provider};
use std::collections::BTreeMap;
use std::time::Duration;

/// The faults: before the answer, in the middle of it, and in its content.
fn chaos(probability: f64) -> Chaos {
    Chaos::new(probability)
        .fault(Fault::bad_gateway())
        .fault(Fault::reset())
        .fault(Fault::close())
        .fault(Fault::reset_mid_body())
        .fault(Fault::short_body())
        .fault(Fault::invalid_json())
        .fault(Fault::too_many_requests(Some(Duration::from_secs(3))))
}

/// The ids of new messages by room, in the order in which they were yielded, and the last text of each message.
#[derive(Default)]
pub struct Yielded {
    pub new: BTreeMap<RoomId, Vec<String>>,
    pub texts: BTreeMap<String, String>,
}

impl Yielded {
    pub fn take(&mut self, items: impl IntoIterator<Item = Item>) {
        for event in items.into_iter().filter_map(Result::ok) {
            let Some(message) = event.message() else { panic!("{event:?}") };
            let id = message.message_id.0.clone();
            self.texts.insert(id.clone(), message.body.clone());
            match event {
                Event::Message { room, .. } => self.new.entry(room).or_default().push(id),
                Event::Edited { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Compares them with the messages in the rooms from `skip` on.
    pub fn check(&self, world: &World, rooms: &[RoomId], skip: usize) {
        for room in rooms {
            let there = world.room(*room).messages();
            let there = &there[skip..];
            let ids: Vec<&String> = there.iter().map(|message| &message.message_id.0).collect();
            let seen: Vec<&String> = self.new.get(room).into_iter().flatten().collect();
            assert_eq!(seen, ids, "{room}");
            assert!(there.iter().all(|message| self.texts[&message.message_id.0] == message.body), "{room}");
        }
    }
}

async fn run(seed_number: u64, rooms: u64, faults: f64) -> (usize, usize) {
    let mut random = fastrand::Rng::with_seed(seed_number);
    fastrand::seed(seed_number);
    let world = World::new(seed(rooms)).await;
    let ids: Vec<RoomId> = (0..rooms).map(|number| RoomId(ROOM.0 + number)).collect();
    world.sandbox.faults().chaos(Provider::Chatwork, chaos(faults));
    let mut watch = match rooms {
        1 => world.client.room(ROOM).watch().from_window().stream(),
        _ => world.client.watch(ids.clone()).from_window().stream(),
    };
    let (mut seen, mut failures) = (Yielded::default(), 0);
    for _ in 0..60 {
        let room = world.room(*random.choice(&ids).expect("a room"));
        for _ in 0..random.usize(..6) {
            room.post_as(random.u64(1..=2), &format!("{}", random.u32(..)));
        }
        let messages = room.messages();
        if let (true, Some(message)) = (random.bool(), random.choice(messages.iter().rev().take(20))) {
            room.edit(&message.message_id, &format!("edited {}", random.u32(..)));
        }
        let items = world.read(&mut watch, Duration::from_millis(random.u64(..20_000))).await;
        failures += items.iter().filter(|item| item.is_err()).count();
        seen.take(items);
    }
    world.sandbox.faults().clear(Provider::Chatwork);
    seen.take(events(world.read(&mut watch, Duration::from_secs(400)).await).into_iter().map(Ok));
    seen.check(&world, &ids, 0);
    (seen.texts.len(), failures)
}

#[tokio::test]
async fn no_message_is_lost_or_yielded_twice() {
    let (mut messages, mut failures) = (0, 0);
    for seed in 0..12 {
        let (seen, failed) = run(seed, 1 + seed % 3, 0.25).await;
        (messages, failures) = (messages + seen, failures + failed);
    }
    assert!(messages > 1500 && failures > 100, "{messages} messages, {failures} failures");
    println!("{messages} messages, {failures} failures");
}
