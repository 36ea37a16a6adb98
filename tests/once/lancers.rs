//! The same for Lancers, as far as it is inferred.

use super::{SECOND, SETTLE, calls, stored, until};
use kaiwa::lancers::{self, Arrival, BoardHandle, BoardId, MessageId, Sought};
use kaiwa::sandbox::lancers::{BoardSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{Error, ErrorKind, Found, Outcome, Pace, Unsure, VirtualClock};
use std::time::Duration;

struct Setting {
    sandbox: Sandbox,
    clock: VirtualClock,
    id: BoardId,
}

impl Setting {
    async fn new(messages: usize) -> Self {
        let clock = VirtualClock::new();
        let board = BoardSeed::new(Seed::USER, [Seed::COLLEAGUE]).messages(messages);
        let seed = Seed::new()
            .account(Seed::USER, Seed::CREDENTIAL)
            .account(Seed::COLLEAGUE, Seed::COLLEAGUE_CREDENTIAL)
            .board(board);
        let sandbox = Sandbox::builder().clock(clock.clone()).lancers(seed).start().await.unwrap();
        let id = sandbox.lancers().boards()[0].id;
        Self { sandbox, clock, id }
    }

    fn board(&self) -> BoardHandle {
        let builder = self.sandbox.lancers_client(Seed::CREDENTIAL).timeout(None).attempt_timeout(None);
        builder.pace(Pace::off()).build().unwrap().board(self.id)
    }

    async fn before(&self, text: &str) -> Sought {
        self.clock.drive(self.board().before_post(text, Seed::USER)).await.unwrap().into_inner()
    }

    async fn look(&self, sought: &Sought) -> Found<MessageId> {
        self.clock.drive(self.board().look_for(sought)).await.unwrap().into_inner()
    }

    async fn once(&self, sought: &Sought) -> Result<kaiwa::Response<lancers::ReconciledMessage>, Error> {
        self.clock.drive(self.board().post_once(sought).with_settle(SETTLE)).await
    }

    fn fault(&self, operation: &str, fault: Fault) {
        self.sandbox.faults().script(Provider::Lancers, Script::on(operation).then(fault));
    }

    fn others(&self, count: usize) {
        let board = self.sandbox.lancers().board(self.id);
        for number in 0..count {
            board.post(Seed::COLLEAGUE, &format!("other {number}")).unwrap();
        }
    }

    /// How often the text is there.
    fn count(&self, text: &str) -> usize {
        let messages = self.sandbox.lancers().board(self.id).messages();
        messages.iter().filter(|message| message.description == text).count()
    }
}

#[tokio::test]
async fn the_first_run_posts_and_the_next_ones_find_it() {
    for messages in [0, 1, 250] {
        let setting = Setting::new(messages).await;
        let sought = setting.before("x").await;
        assert_eq!(sought.after.is_some(), messages > 0);
        let sent = setting.once(&sought).await.unwrap();
        assert_eq!(
            (sent.arrival, sent.attempts(), setting.clock.elapsed()),
            (Arrival::Answered, 1, Duration::ZERO)
        );
        setting.others(350);
        for sought in [stored(&sought), sought.clone()] {
            let found = setting.once(&sought).await.unwrap();
            assert_eq!(
                (found.arrival, found.attempts(), found.message_id),
                (Arrival::Found, 0, sent.message_id)
            );
        }
        assert_eq!(setting.look(&sought.taken([sent.message_id])).await, Found::No);
        assert_eq!(setting.count("x"), 1);
    }
}

#[tokio::test]
async fn what_no_run_has_posted_is_posted_after_the_wait() {
    let setting = Setting::new(5).await;
    let sought = stored(&setting.before("x").await);
    setting.others(150);
    assert_eq!(setting.once(&sought).await.unwrap().arrival, Arrival::Answered);
    assert_eq!(setting.clock.elapsed(), SETTLE + 2 * SECOND);
    let sought = stored(&setting.before("y").await);
    let post = setting.board().post_once(&sought).with_settle(Duration::ZERO).with_lookups(1, SECOND);
    assert_eq!(post.await.unwrap().arrival, Arrival::Answered);
    assert_eq!((setting.count("x"), setting.count("y")), (1, 1));
}

#[tokio::test]
async fn a_lost_answer_is_looked_for() {
    for (fault, arrival) in [(Fault::reset().after(), Arrival::Found), (Fault::reset(), Arrival::PostedAgain)]
    {
        let setting = Setting::new(3).await;
        let sought = setting.before("x").await;
        setting.fault("post_message", fault);
        assert_eq!(setting.once(&sought).await.unwrap().arrival, arrival);
        assert_eq!(setting.count("x"), 1);
    }
}

#[tokio::test]
async fn a_late_effect_within_the_wait_is_found() {
    for (late, messages, arrival) in
        [(1, 1, Arrival::Found), (39, 1, Arrival::Found), (60, 2, Arrival::Answered)]
    {
        let setting = Setting::new(3).await;
        let sought = stored(&setting.before("x").await);
        setting.fault("post_message", Fault::late(late * SECOND));
        setting.board().post("x").await.unwrap_err();
        let sent = setting.once(&sought).await.unwrap();
        assert_eq!(sent.arrival, arrival, "late by {late} s");
        setting.clock.advance(60 * SECOND);
        until(|| setting.count("x") == messages).await;
        let rest = setting.look(&sought.taken([sent.message_id])).await;
        assert_eq!(matches!(rest, Found::Yes(_)), messages == 2, "{rest:?}");
    }
}

#[tokio::test]
async fn it_is_there_once_if_runs_are_killed_before_and_after_the_effect() {
    let kills = [Fault::silence(), Fault::silence().after(), Fault::late(20 * SECOND)];
    for first in &kills {
        for second in &kills {
            let setting = Setting::new(3).await;
            let sought = setting.before("x").await;
            let kept = stored(&sought);
            for (sought, fault) in [(&sought, first), (&kept, second)] {
                setting.fault("post_message", fault.clone());
                let posts = || calls(&setting.sandbox).iter().filter(|call| **call == "post_message").count();
                let before = posts();
                tokio::select! {
                    found = setting.once(sought) => assert_eq!(found.unwrap().arrival, Arrival::Found),
                    () = until(|| posts() > before) => {}
                }
            }
            setting.sandbox.faults().clear(Provider::Lancers);
            setting.once(&kept).await.unwrap();
            setting.clock.advance(60 * SECOND);
            tokio::task::yield_now().await;
            assert_eq!(setting.count("x"), 1, "{first:?}, then {second:?}");
        }
    }
}

#[tokio::test]
async fn more_than_a_look_reads_makes_it_unsure() {
    let setting = Setting::new(3).await;
    let sought = stored(&setting.before("x").await);
    setting.others(1100);
    for sought in [sought.clone(), Sought::new("x", Seed::USER.to_owned(), sought.since)] {
        assert_eq!(setting.look(&sought).await, Found::Unsure(Unsure::OutOfReach));
        let error = setting.once(&sought).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsure(Unsure::OutOfReach)), "{error}");
        assert_eq!(error.outcome(), Outcome::Unknown);
    }
    // A list that does not begin where it was asked to is not trusted.
    let nowhere = sought.after(MessageId(1));
    assert!(matches!(setting.look(&nowhere).await, Found::Unsure(_)));
    assert_eq!(setting.count("x"), 0);
}

#[tokio::test]
async fn a_time_is_enough_to_look_from() {
    let setting = Setting::new(3).await;
    setting.sandbox.lancers().board(setting.id).post(Seed::USER, "x").unwrap();
    setting.clock.advance(10 * SECOND);
    setting.sandbox.lancers().board(setting.id).post(Seed::COLLEAGUE, "x").unwrap();
    let sought = Sought::new("x", Seed::USER.to_owned(), kaiwa::Clock::wall(&setting.clock));
    setting.others(250);
    assert_eq!(setting.look(&sought).await, Found::No);
    let posted = setting.board().post("x").await.unwrap();
    setting.others(250);
    assert_eq!(setting.look(&sought).await, Found::Yes(posted.id));
}

#[tokio::test]
async fn bad_input_sends_nothing() {
    let setting = Setting::new(3).await;
    let since = kaiwa::Clock::wall(&setting.clock);
    for (text, author) in [("", "alice"), ("x", "")] {
        let sought = Sought::new(text, author.to_owned(), since);
        assert!(setting.board().post_once(&sought).await.unwrap_err().is_invalid_input());
        assert!(setting.board().before_post(text, author).await.unwrap_err().is_invalid_input());
    }
    let nobody = Sought::new("x", String::new(), since);
    assert!(setting.board().look_for(&nobody).await.unwrap_err().is_invalid_input());
    assert!(calls(&setting.sandbox).is_empty());
}
