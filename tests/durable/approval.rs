//! The example of an approval, killed at each step: before and after everything that it stores.

#[allow(dead_code, reason = "the example's own `main` is not run")]
#[path = "../../examples/approval.rs"]
mod example;

use crate::world::{ALICE, BOB, CAROL, Failing, World};
use example::{Rooms, approve, bot};
use futures::FutureExt;
use kaiwa::bot::{DurableContext, Source};
use kaiwa::chatwork::{AccountId, RoomId};
use kaiwa::outbox::OutboxStore;
use std::pin::pin;
use std::time::Duration;

const ROOMS: Rooms = Rooms { drafts: RoomId(10), announcements: RoomId(11), audit: RoomId(12) };

struct Approval {
    world: World,
}

impl Approval {
    /// Runs the bot on this store until `ended`.
    async fn run(&self, store: impl OutboxStore, ended: impl Fn() -> bool) {
        let handler = async |context: DurableContext| approve(context, ROOMS).await;
        let bot = bot(self.world.client.clone(), store);
        let mut running = pin!(bot.run(Source::webhooks(), handler));
        for _ in 0..20_000 {
            if let Some(ended) = (&mut running).now_or_never() {
                panic!("it has ended: {ended:?}");
            }
            if ended() {
                return;
            }
            self.world.clock.advance(Duration::from_secs(2));
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        panic!("the drafts' room has {:?}", self.world.bodies(10));
    }

    async fn say(&self, account: u64, text: &str) {
        let room = self.world.sandbox.chatwork().room(ROOMS.drafts);
        let id = room.post_as(account, text).to_string().parse().expect("a number");
        let event = crate::world::created(ROOMS.drafts.0, id, account, text);
        let inbox = bot(self.world.client.clone(), self.world.store.clone()).inbox();
        inbox.push(event).await.expect("it is stored");
    }

    /// Whether the bot has posted so many messages in each of the rooms.
    fn has(&self, drafts: usize, announcements: usize, audit: usize) -> bool {
        [(10, drafts), (11, announcements), (12, audit)].iter().all(|(room, count)| {
            let messages = self.world.sandbox.chatwork().room(*room).messages();
            messages.iter().filter(|message| message.account.account_id == AccountId(1)).count() >= *count
        })
    }
}

/// Whether the bot was killed at this step.
async fn killed_at(step: u32) -> bool {
    let approval = Approval { world: World::new().await };
    let store = Failing::stopping_at(approval.world.store.clone(), step);
    approval.say(ALICE, "[To:1]Botさん\n起案 明日は休業です").await;
    let shown = || approval.has(1, 0, 0);
    approval.run(store.clone(), || shown() || store.has_stopped()).await;
    approval.run(approval.world.store.clone(), shown).await;
    // Two people at once.
    approval.say(BOB, "[To:1]\nはい").await;
    approval.say(CAROL, "[To:1]\nはい").await;
    let decided = || approval.has(3, 1, 1);
    if !store.has_stopped() {
        approval.run(store.clone(), || decided() || store.has_stopped()).await;
    }
    approval.run(approval.world.store.clone(), decided).await;
    // Whatever was on the way may arrive.
    let end = approval.world.clock.elapsed() + Duration::from_secs(250);
    approval.run(approval.world.store.clone(), || approval.world.clock.elapsed() > end).await;
    let world = &approval.world;
    assert_eq!(world.bodies(11), ["明日は休業です"], "killed at step {step}");
    let audit = world.bodies(12);
    assert!(audit.len() == 1 && audit[0].contains("承認: 3 (3) 起案: 2"), "killed at step {step}: {audit:?}");
    let answers = world.answers(10);
    assert_eq!(answers.len(), 3, "killed at step {step}: {answers:?}");
    assert_eq!(&answers[1..], ["投稿します。", "3 さんが先に決めました。"], "killed at step {step}");
    store.has_stopped()
}

#[tokio::test]
async fn an_approval_is_posted_once_at_whichever_step_it_is_killed() {
    let mut step = 0;
    while killed_at(step).await {
        step += 1;
    }
    assert!(step >= 30, "there were only {step} steps");
}

#[tokio::test]
async fn what_is_no_approval_posts_nothing() {
    let approval = Approval { world: World::new().await };
    let written = [
        (ALICE, "[To:1]Botさん\n起案", "起案する文を続けて書いてください。"),
        (BOB, "[To:1]Botさん\nはい", ""),
        (ALICE, "[To:1]Botさん\n起案 一", "ほかの人が"),
        (BOB, "[To:1]Botさん\n起案 二", "先の下書きがまだ決まっていません。"),
        (BOB, "はい", ""),
        (ALICE, "[To:1]Botさん\nはい", "起案した人は承認できません。"),
        (BOB, "[To:1]Botさん\nいいえ", "取り下げました。"),
    ];
    let mut answers = 0;
    for (account, text, answer) in written {
        approval.say(account, text).await;
        answers += usize::from(!answer.is_empty());
        let end = approval.world.clock.elapsed() + Duration::from_secs(40);
        let answered = || approval.has(answers, 0, 0) && approval.world.clock.elapsed() > end;
        approval.run(approval.world.store.clone(), answered).await;
        let said = approval.world.answers(10);
        assert_eq!(said.len(), answers, "{text}: {said:?}");
        assert!(answer.is_empty() || said[answers - 1].contains(answer), "{text}: {said:?}");
    }
    assert!(approval.world.bodies(11).is_empty());
    assert!(approval.world.bodies(12)[0].contains("取り下げ: 3 (3) 起案: 2"));
}
