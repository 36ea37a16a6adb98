//! Chatwork, case by case.

use super::{SECOND, SETTLE, calls, stored, until};
use futures::future::join;
use jiff::SignedDuration;
use kaiwa::chatwork::{self, AccountId, Arrival, MessageId, Reconcile, RoomHandle, RoomId, Sought};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{Error, ErrorKind, Found, Outcome, Pace, Resend, Unsure, VirtualClock};
use std::time::Duration;

const ME: AccountId = AccountId(1);

pub(super) struct Setting {
    pub(super) sandbox: Sandbox,
    pub(super) clock: VirtualClock,
}

impl Setting {
    pub(super) async fn new() -> Self {
        Self::with(seed()).await
    }

    async fn with(seed: Seed) -> Self {
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.unwrap();
        Self { sandbox, clock }
    }

    /// The room, of a client that knows nothing of the others: as in another run of the program.
    pub(super) fn room(&self) -> RoomHandle {
        // No timeouts: on a clock that jumps from wait to wait, they would end at once.
        let builder = self.sandbox.chatwork_client("token").timeout(None).attempt_timeout(None);
        builder.pace(Pace::off()).build().unwrap().room(RoomId(10))
    }

    pub(super) fn fault(&self, operation: &str, fault: Fault) {
        self.sandbox.faults().script(Provider::Chatwork, Script::on(operation).then(fault));
    }

    async fn before(&self, text: &str) -> Sought {
        self.clock.drive(self.room().before_post(text, ME)).await.unwrap().into_inner()
    }

    async fn look(&self, sought: &Sought) -> Found<MessageId> {
        self.clock.drive(self.room().look_for(sought)).await.unwrap().into_inner()
    }

    pub(super) async fn once(
        &self,
        sought: &Sought,
    ) -> Result<kaiwa::Response<chatwork::ReconciledMessage>, Error> {
        self.clock.drive(self.room().post_once(sought).with_settle(SETTLE)).await
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        let messages = self.sandbox.chatwork().room(10).messages();
        messages.into_iter().map(|message| message.body).collect()
    }

    fn others(&self, count: usize) {
        let room = self.sandbox.chatwork().room(10);
        (0..count).for_each(|number| drop(room.post_as(2, &format!("other {number}"))));
    }
}

fn seed() -> Seed {
    Seed::new()
        .account(Account::new(1, "Bot").token("token"))
        .account(Account::new(2, "Alice").token("alice"))
        .room(Room::group(10, "Builds").admin(1).member(2).message(2, "before"))
        .unlimited()
}

fn unsure(error: &Error) -> Unsure {
    assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 0));
    match error.kind() {
        ErrorKind::Unsure(why) => *why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_run_looks_once_and_posts_without_a_wait() {
    let setting = Setting::new().await;
    let sought = setting.before("x").await;
    let sent = setting.once(&sought).await.unwrap();
    assert_eq!((sent.arrival, sent.attempts()), (Arrival::Answered, 1));
    assert_eq!(calls(&setting.sandbox), ["list_messages", "list_messages", "post_message"]);
    assert_eq!(
        (setting.clock.elapsed(), setting.bodies()),
        (Duration::ZERO, vec!["before".into(), "x".into()])
    );
    assert_eq!(setting.look(&sought).await, Found::Yes(sent.message_id.clone()));
    // A second look with its id shows whether it is there twice.
    assert_eq!(setting.look(&sought.clone().taken([sent.message_id.clone()])).await, Found::No);
    // Used again, it is what may have been posted.
    let again = setting.once(&sought).await.unwrap();
    assert_eq!((again.arrival, again.attempts()), (Arrival::Found, 0));
    assert_eq!(again.message_id, sent.message_id);
}

#[tokio::test]
async fn what_an_earlier_run_posted_is_found_and_not_posted_again() {
    let setting = Setting::new().await;
    let sought = stored(&setting.before("x\r\ny ").await);
    let posted = setting.room().post("x\ny").await.unwrap();
    setting.others(50);
    let sent = setting.once(&sought).await.unwrap();
    assert_eq!((sent.arrival, sent.attempts(), &sent.message_id), (Arrival::Found, 0, &posted.message_id));
    assert_eq!(setting.clock.elapsed(), Duration::ZERO, "it is there, so there is nothing to wait for");
}

#[tokio::test]
async fn what_no_run_has_posted_is_posted_after_the_wait_and_two_looks() {
    let setting = Setting::new().await;
    let sought = stored(&setting.before("x").await);
    let sent = setting.once(&sought).await.unwrap();
    assert_eq!((sent.arrival, sent.attempts()), (Arrival::Answered, 1));
    assert_eq!(
        calls(&setting.sandbox)[1..],
        ["list_messages", "list_messages", "list_messages", "post_message"]
    );
    assert_eq!(setting.clock.elapsed(), SETTLE + 2 * SECOND);
    let look = Reconcile::new().lookups(1);
    let sought = stored(&setting.before("y").await);
    let post =
        setting.room().post_once(&sought).with_settle(Duration::ZERO).with_reconcile(look).self_unread(true);
    post.await.unwrap();
    assert_eq!(setting.bodies(), ["before", "x", "y"]);
    let unread = setting.sandbox.chatwork().room(10).member(1).unwrap().unread_num;
    assert_eq!(unread, 2, "Alice's, and the last one");
}

/// An earlier run may have posted until it was killed, just now, however long ago the first one began.
#[tokio::test]
async fn the_wait_is_counted_from_now_and_follows_from_the_time_of_an_attempt() {
    let setting = Setting::new().await;
    let sought = stored(&setting.before("x").await);
    setting.clock.advance(3600 * SECOND);
    let client = |attempt: Option<Duration>| {
        let builder = setting.sandbox.chatwork_client("token").attempt_timeout(attempt);
        builder.build().unwrap().room(RoomId(10)).post_once(&sought).with_timeout(SECOND)
    };
    for (call, wait) in [
        (client(Some(30 * SECOND)), 40),
        (client(None), 60),
        (client(None).with_attempt_timeout(5 * SECOND), 15),
        (client(Some(30 * SECOND)).with_settle(90 * SECOND), 90),
    ] {
        // The clock does not move: the wait is refused, since the call has only a second.
        let error = call.await.unwrap_err();
        let ErrorKind::WaitTooLong { needed, .. } = error.kind() else { panic!("{error}") };
        assert_eq!(*needed, SECOND * wait);
        assert_eq!((error.outcome(), error.resend()), (Outcome::Unknown, Resend::LookFirst));
        assert!(error.to_string().contains("give the call a longer timeout"), "{error}");
    }
    assert_eq!(setting.bodies(), ["before"]);
}

#[tokio::test]
async fn a_hundred_newer_messages_make_it_unsure() {
    let setting = Setting::new().await;
    let sought = stored(&setting.before("x").await);
    setting.room().post("x").await.unwrap();
    setting.others(99);
    // The newest that was there before is out of reach, and the message itself is not.
    assert!(matches!(setting.look(&sought).await, Found::Yes(_)));
    setting.others(1);
    assert_eq!(setting.look(&sought).await, Found::Unsure(Unsure::OutOfReach));
    let error = setting.once(&sought).await.unwrap_err();
    assert_eq!((unsure(&error), error.resend()), (Unsure::OutOfReach, Resend::LookFirst));
    let text = error.to_string();
    for part in ["cannot be said", "too many messages", "Nothing was posted now", "Ask a person"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(calls(&setting.sandbox).iter().filter(|call| **call == "post_message").count(), 1);
    // An unused one is posted all the same.
    let sought = setting.before("y").await;
    setting.others(100);
    assert_eq!(setting.once(&sought).await.unwrap().arrival, Arrival::Answered);
}

#[tokio::test]
async fn messages_that_the_plan_hides_make_it_unsure() {
    let setting = Setting::with(seed().hide_messages_after(5 * SECOND)).await;
    let sought = stored(&setting.before("x").await);
    setting.clock.advance(10 * SECOND);
    setting.others(1);
    assert_eq!(setting.look(&sought).await, Found::Unsure(Unsure::Hidden));
    assert_eq!(unsure(&setting.once(&sought).await.unwrap_err()), Unsure::Hidden);
    assert_eq!(setting.bodies().len(), 2);
}

#[tokio::test]
async fn an_own_message_that_was_changed_makes_it_unsure() {
    for delete in [false, true] {
        let setting = Setting::new().await;
        let room = setting.sandbox.chatwork().room(10);
        // Changes of what was there before, and of others, do not matter.
        let old = room.post_as(1, "old");
        let sought = stored(&setting.before("x").await);
        room.edit(old, "changed");
        let other = room.post_as(2, "other");
        room.edit(other, "changed");
        assert_eq!(setting.look(&sought).await, Found::No);
        let posted = room.post_as(1, "x");
        if delete {
            room.delete(posted.clone())
        } else {
            room.edit(posted.clone(), "X")
        }
        assert_eq!(setting.look(&sought).await, Found::Unsure(Unsure::Changed));
        assert_eq!(unsure(&setting.once(&sought).await.unwrap_err()), Unsure::Changed);
        assert_eq!(setting.look(&sought.taken([posted])).await, Found::No, "it is known to be another one");
    }
}

#[tokio::test]
async fn equal_texts_are_told_apart_by_what_is_taken() {
    let setting = Setting::new().await;
    let first = setting.before("x").await;
    let one = setting.once(&first).await.unwrap().message_id.clone();
    let second = stored(&setting.before("x").await);
    assert!(second.taken.contains(&one) && second.after == Some(one.clone()));
    let two = setting.once(&second).await.unwrap().message_id.clone();
    assert_ne!(one, two);
    // Each of them is found again, and the older one by the older search.
    for (sought, id) in [(&first, &one), (&second, &two)] {
        assert_eq!(setting.look(&stored(sought)).await, Found::Yes(id.clone()));
    }
    assert_eq!(setting.look(&first.clone().taken([one])).await, Found::Yes(two));
    assert_eq!(setting.bodies(), ["before", "x", "x"]);
}

#[tokio::test]
async fn messages_of_others_and_of_other_rooms_do_not_match() {
    let setting = Setting::with(seed().room(Room::group(11, "Other").admin(1))).await;
    let sought = stored(&setting.before("x").await);
    setting.sandbox.chatwork().room(10).post_as(2, "x");
    setting.sandbox.chatwork().room(11).post_as(1, "x");
    assert_eq!(setting.look(&sought).await, Found::No);
    assert_eq!(setting.once(&sought).await.unwrap().arrival, Arrival::Answered);
}

#[tokio::test]
async fn a_late_effect_within_the_wait_is_found_and_one_after_it_can_be_seen() {
    for (late, messages, arrival) in
        [(1, 1, Arrival::Found), (39, 1, Arrival::Found), (60, 2, Arrival::Answered)]
    {
        let setting = Setting::new().await;
        let sought = stored(&setting.before("x").await);
        setting.fault("post_message", Fault::late(late * SECOND));
        let post = setting.room().post("x").with_retry(kaiwa::RetryPolicy::none());
        assert_eq!(post.await.unwrap_err().outcome(), Outcome::Unknown);
        let sent = setting.once(&sought).await.unwrap();
        assert_eq!(sent.arrival, arrival, "late by {late} s");
        setting.clock.advance(60 * SECOND);
        until(|| setting.bodies().len() == 1 + messages).await;
        let rest = setting.look(&sought.taken([sent.message_id.clone()])).await;
        assert_eq!(matches!(rest, Found::Yes(_)), messages == 2, "{rest:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_reconciled_by_what_was_stored() {
    for (fault, arrival, attempts) in [
        (Fault::reset().after(), Arrival::Found, 1),
        (Fault::wrong_types(), Arrival::Found, 1),
        (Fault::reset(), Arrival::PostedAgain, 2),
    ] {
        let setting = Setting::new().await;
        let sought = setting.before("x").await;
        setting.fault("post_message", fault);
        let sent = setting.once(&sought).await.unwrap();
        assert_eq!((sent.arrival, sent.attempts()), (arrival, attempts));
        assert_eq!(setting.bodies(), ["before", "x"]);
        assert!(!calls(&setting.sandbox).contains(&"get_me"), "the account is known");
    }
    let setting = Setting::new().await;
    let sought = setting.before("x").await;
    setting.fault("post_message", Fault::reset());
    let post = setting.room().post_once(&sought).with_reconcile(Reconcile::new().lookup_only());
    assert_eq!(setting.clock.drive(post).await.unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(setting.bodies(), ["before"]);
}

#[tokio::test]
async fn a_failed_look_posts_nothing() {
    let setting = Setting::new().await;
    let fresh = setting.before("x").await;
    let resumed = stored(&fresh);
    let down = Script::on("list_messages").then(Fault::status(500)).forever();
    setting.sandbox.faults().script(Provider::Chatwork, down);
    let post = setting.once(&fresh).await.unwrap_err();
    assert_eq!((post.outcome(), post.resend()), (Outcome::NotSent, Resend::Yes), "{post}");
    let post = setting.once(&resumed).await.unwrap_err();
    assert_eq!((post.outcome(), post.resend()), (Outcome::Unknown, Resend::LookFirst), "{post}");
    assert_eq!(post.operation().unwrap().id, "post_message");
    setting.sandbox.faults().clear(Provider::Chatwork);
    // Both can be called again.
    assert_eq!(setting.once(&fresh).await.unwrap().arrival, Arrival::Answered);
    assert_eq!(setting.once(&resumed).await.unwrap().arrival, Arrival::Found);
    // An answer whose body a proxy removed is not an empty room.
    setting.fault("list_messages", Fault::status(200));
    assert_eq!(setting.look(&resumed).await, Found::Unsure(Unsure::Incomplete));
}

#[tokio::test]
async fn a_refused_post_is_refused() {
    let setting = Setting::new().await;
    let sought = setting.before("x").await;
    setting.fault("post_message", Fault::status(403));
    assert_eq!(setting.once(&sought).await.unwrap_err().outcome(), Outcome::Rejected);
    // It was certainly not posted, so the next call does not wait either.
    assert_eq!(setting.once(&sought).await.unwrap().arrival, Arrival::Answered);
    assert_eq!(setting.clock.elapsed(), Duration::ZERO);
    let header = setting.room().post_once(&sought).with_header("host", "x").await.unwrap_err();
    assert!(header.is_invalid_input());
    for sought in [Sought::new("", ME, sought.since), Sought::new("x", AccountId(0), sought.since)] {
        let error = setting.once(&sought).await.unwrap_err();
        assert!(error.is_invalid_input() && error.outcome() == Outcome::NotSent, "{error}");
        let text = sought.text;
        assert!(setting.room().before_post(text, sought.author).await.unwrap_err().is_invalid_input());
    }
    let nobody = Sought::new("x", AccountId(0), sought.since);
    assert!(setting.room().look_for(&nobody).await.unwrap_err().is_invalid_input());
}

#[tokio::test]
async fn two_calls_at_once_post_one_message() {
    let setting = Setting::new().await;
    let sought = setting.before("x").await;
    let room = setting.room();
    let call = || room.post_once(&sought).with_settle(SETTLE).send();
    let (one, other) = setting.clock.drive(join(call(), call())).await;
    assert_eq!(one.unwrap().message_id, other.unwrap().message_id);
    assert_eq!(setting.bodies(), ["before", "x"]);
}

/// The newest message that was there says what is new, whatever the clocks say.
#[tokio::test]
async fn a_wrong_clock_causes_no_second_message() {
    for hours in [-1, 1] {
        let wrong = Fault::wrong_clock(SignedDuration::from_hours(hours));
        let setting = Setting::new().await;
        setting.fault("list_messages", wrong.clone());
        let sought = stored(&setting.before("x").await);
        setting.room().post("x").await.unwrap();
        assert!(matches!(setting.look(&sought).await, Found::Yes(_)));
        setting.fault("list_messages", wrong);
        assert!(matches!(setting.look(&sought).await, Found::Yes(_)));
    }
    // Without such a message a time that is still to come proves nothing.
    let setting = Setting::with(seed().room(Room::group(12, "Empty").admin(1))).await;
    let room = setting.room();
    setting.fault("list_messages", Fault::wrong_clock(SignedDuration::from_hours(1)));
    let client =
        setting.sandbox.chatwork_client("token").timeout(None).attempt_timeout(None).build().unwrap();
    let empty = client.room(RoomId(12));
    let sought = stored(&setting.clock.drive(empty.before_post("x", ME)).await.unwrap().into_inner());
    assert_eq!(sought.after, None);
    empty.post("x").await.unwrap();
    assert_eq!(*empty.look_for(&sought).await.unwrap(), Found::Unsure(Unsure::Clock));
    assert_eq!(
        *empty.look_for(&Sought::new("y", ME, sought.since)).await.unwrap(),
        Found::No,
        "all is shown"
    );
    drop(room);
}

#[tokio::test]
async fn a_time_is_enough_to_look_from() {
    let setting = Setting::new().await;
    setting.sandbox.chatwork().room(10).post_as(1, "x");
    setting.clock.advance(10 * SECOND);
    let now = kaiwa::Clock::wall(&setting.clock);
    let sought = Sought::new("x", ME, now);
    assert_eq!(setting.look(&sought).await, Found::No);
    let posted = setting.room().post("x").await.unwrap();
    assert_eq!(setting.look(&sought).await, Found::Yes(posted.message_id.clone()));
    setting.others(100);
    assert_eq!(setting.look(&sought).await, Found::Unsure(Unsure::OutOfReach));
}
