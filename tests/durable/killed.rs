//! A bot that is killed at any moment, while the service answers late, or not at all: each question is answered once.

use crate::world::World;
use futures::FutureExt;
use kaiwa::Clock;
use kaiwa::bot::{DurableContext, Source};
use kaiwa::chatwork::bot::Bot;
use kaiwa::outbox::Outbox;
use kaiwa::sandbox::{Chaos, Fault, Provider};
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

/// How long a request without an answer may still be carried out.
const SETTLE: Duration = Duration::from_secs(10);

const QUESTIONS: usize = 40;

/// Counts, so that a run that was killed is seen if anything of it was stored.
async fn count(context: DurableContext) -> Result<(), kaiwa::Error> {
    let state = context.room_state::<u64>();
    let number = state.get().await?.unwrap_or(0) + 1;
    // Killed before, between and after the two.
    tokio::task::yield_now().await;
    state.set(&number)?;
    tokio::task::yield_now().await;
    context.reply(format!("{number}: {}", context.text()))?;
    Ok(())
}

async fn survive(seed: u64, webhooks: bool) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new().await;
    world.begin().await;
    let faults = [
        Fault::reset().before(),
        Fault::reset().after(),
        Fault::bad_gateway().before(),
        Fault::bad_gateway().after(),
        Fault::late(Duration::from_secs(7)),
    ];
    let chaos = faults.into_iter().fold(Chaos::new(0.3), Chaos::fault);
    world.sandbox.faults().chaos(Provider::Chatwork, chaos.on("post_message"));
    let (mut asked, mut kills) = (0, 0);
    let mut ended = None;
    loop {
        let outbox = Outbox::builder(world.store.clone()).chatwork(world.client.clone()).settle(SETTLE);
        let outbox = outbox.clock(world.clock.clone()).build();
        let bot = Bot::new(world.client.clone()).durable_with(outbox);
        let inbox = bot.inbox();
        let source = if webhooks { Source::webhooks() } else { world.watch() };
        {
            let mut running = pin!(bot.run(source, count));
            for _ in 0..random.u32(5..150) {
                if let Some(ended) = (&mut running).now_or_never() {
                    panic!("it has ended: {ended:?}");
                }
                if asked < QUESTIONS && random.u32(0..8) == 0 {
                    let room = 10 + random.u64(0..2);
                    let text = format!("問い{asked}");
                    asked += 1;
                    if webhooks {
                        let event = crate::world::created(room, asked as u64, crate::world::ALICE, &text);
                        inbox.push(event).await.expect("it is stored");
                    } else {
                        world.say(room, crate::world::ALICE, &text);
                    }
                }
                world.clock.advance(Duration::from_millis(random.u64(1..400)));
                tokio::time::sleep(Duration::from_millis(random.u64(0..3))).await;
            }
        }
        kills += 1;
        let answered = world.answers(10).len() + world.answers(11).len();
        match ended {
            None if asked == QUESTIONS && answered >= QUESTIONS => {
                // What is still on the way may arrive.
                ended = Some(world.clock.now() + SETTLE * 20);
            }
            Some(end) if world.clock.now() > end => break,
            _ => assert!(kills < 3_000, "seed {seed}: {answered} of {asked} are answered"),
        }
    }
    let mut all = HashMap::new();
    for room in [10, 11] {
        for (place, answer) in world.answers(room).into_iter().enumerate() {
            let (number, question) = answer.split_once(": ").expect("an answer");
            assert_eq!(number, (place + 1).to_string(), "seed {seed}: {:?}", world.answers(room));
            *all.entry(question.to_owned()).or_insert(0) += 1;
        }
    }
    let twice: Vec<_> = all.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "seed {seed}: {twice:?}");
    assert_eq!(all.len(), QUESTIONS, "seed {seed}");
}

#[tokio::test]
async fn every_question_of_a_watch_is_answered_once() {
    survive(1, false).await;
}

#[tokio::test]
async fn every_question_of_a_webhook_is_answered_once() {
    survive(2, true).await;
}
