//! One message at a time in a room, several rooms at once, with a bound on rooms and on waiting messages.

use crate::world::{Desk, bot, created, id};
use futures::stream::{self, StreamExt};
use std::cell::Cell;
use std::cell::RefCell;

#[tokio::test]
async fn a_room_is_handled_in_order_and_does_not_delay_others() {
    let desk = Desk::new();
    let source =
        stream::iter([created(10, 1), created(10, 2), created(11, 3), created(10, 4), created(11, 5)]);
    let (bot, _) = bot();
    let script = async {
        let (one, three) = (desk.begun().await, desk.begun().await);
        assert_eq!((one.id, three.id), (1, 3));
        assert!(desk.nothing_begun());
        three.end();
        let five = desk.begun().await;
        assert_eq!(five.id, 5);
        one.end();
        let two = desk.begun().await;
        assert_eq!(two.id, 2);
        assert!(desk.nothing_begun());
        two.end();
        let four = desk.begun().await;
        assert_eq!(four.id, 4);
        (four.end(), five.end())
    };
    let (summary, _) = tokio::join!(bot.run(source, |context| desk.handle(context)), script);
    assert_eq!(summary.expect("it runs").handled, 5);
}

#[tokio::test]
async fn at_most_the_allowed_number_of_rooms_is_handled_at_once_and_rooms_alternate() {
    let desk = Desk::new();
    let (bot, _) = bot();
    // Two messages in each of four rooms.
    let source = stream::iter((0..8).map(|number| created(10 + number % 4, number)));
    let (running, most) = (Cell::new(0), Cell::new(0));
    let handler = async |context| {
        running.set(running.get() + 1);
        most.set(most.get().max(running.get()));
        let handled = desk.handle(context).await;
        running.set(running.get() - 1);
        handled
    };
    let script = async {
        let mut order = Vec::new();
        let (first, mut oldest) = (desk.begun().await, desk.begun().await);
        assert!(desk.nothing_begun());
        order.extend([first.id, oldest.id]);
        first.end();
        for _ in 0..6 {
            let next = desk.begun().await;
            assert!(desk.nothing_begun());
            order.push(next.id);
            std::mem::replace(&mut oldest, next).end();
        }
        oldest.end();
        order
    };
    let (summary, order) = tokio::join!(bot.concurrency(2).run(source, handler), script);
    assert_eq!(summary.expect("it runs").handled, 8);
    assert_eq!(most.get(), 2);
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn the_source_is_not_read_while_too_many_messages_wait() {
    let desk = Desk::new();
    let (bot, _) = bot();
    let taken = Cell::new(0);
    let source =
        stream::iter((0..10).map(|number| created(10, number))).inspect(|_| taken.set(taken.get() + 1));
    let script = async {
        for number in 0..10 {
            let begun = desk.begun().await;
            assert_eq!((begun.id, taken.get()), (number, (number + 3).min(10)));
            begun.end();
        }
    };
    let bot = bot.concurrency(4).queue(2);
    let (summary, ()) = tokio::join!(bot.run(source, |context| desk.handle(context)), script);
    assert_eq!(summary.expect("it runs").handled, 10);
}

/// Handlers that yield at random, with more messages than may wait at once.
#[tokio::test]
async fn many_messages_are_handled_in_order_without_a_loss() {
    let (bot, _) = bot();
    let mut random = fastrand::Rng::with_seed(7);
    let source: Vec<_> = (0..2000).map(|number| created(random.u64(0..20), number)).collect();
    let yields = RefCell::new(fastrand::Rng::with_seed(8));
    let seen = RefCell::new(std::collections::BTreeMap::<_, Vec<u64>>::new());
    let handler = async |context: kaiwa::chatwork::bot::Context| {
        let times = yields.borrow_mut().u32(0..6);
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
        seen.borrow_mut().entry(context.message().room_id).or_default().push(id(&context));
        Ok::<_, kaiwa::Error>(())
    };
    let summary = bot.concurrency(5).queue(16).run(stream::iter(source), handler).await.expect("it runs");
    assert_eq!(summary.handled, 2000);
    let seen = seen.into_inner();
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 2000);
    assert!(seen.values().all(|ids| ids.is_sorted()));
}
