//! `with_reconcile`, case by case; `tests/chaos/main.rs` tests it with many posts.

use futures::future::join_all;
use jiff::SignedDuration;
use kaiwa::chatwork::{self, AccountId, Arrival, Reconcile, RoomHandle, RoomId};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{Outcome, Pace, RetryPolicy, VirtualClock};
use std::time::Duration;

const TOKEN: &str = "token";

struct Setting {
    sandbox: Sandbox,
    clock: VirtualClock,
    client: chatwork::Client,
}

impl Setting {
    async fn new(seed: Seed) -> Self {
        Self::with(seed, |builder| builder).await
    }

    async fn with(seed: Seed, change: impl FnOnce(chatwork::Builder) -> chatwork::Builder) -> Self {
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.unwrap();
        // No timeouts: on a clock that jumps from wait to wait, they would end at once.
        let builder = sandbox.chatwork_client(TOKEN).timeout(None).attempt_timeout(None).pace(Pace::off());
        let client = change(builder).build().unwrap();
        Self { sandbox, clock, client }
    }

    fn room(&self) -> RoomHandle {
        self.client.room(RoomId(10))
    }

    fn faults(&self, script: Script) {
        self.sandbox.faults().script(Provider::Chatwork, script);
    }

    fn lose(&self, fault: Fault) {
        self.faults(Script::on("post_message").then(fault));
    }

    fn bodies(&self) -> Vec<String> {
        let messages = self.sandbox.chatwork().room(10).messages();
        messages.into_iter().map(|message| message.body).collect()
    }

    fn calls(&self) -> Vec<&'static str> {
        self.sandbox.requests().iter().filter_map(|request| request.operation).collect()
    }

    async fn post(
        &self,
        body: &str,
        reconcile: Reconcile,
    ) -> Result<kaiwa::Response<chatwork::ReconciledMessage>, kaiwa::Error> {
        self.clock.drive(self.room().post(body).with_reconcile(reconcile)).await
    }
}

fn seed() -> Seed {
    Seed::new()
        .account(Account::new(1, "Bot").token(TOKEN))
        .account(Account::new(2, "Alice").token("alice"))
        .room(Room::group(10, "Builds").admin(1).member(2))
        .unlimited()
}

#[tokio::test]
async fn an_answered_post_makes_no_other_call() {
    let setting = Setting::new(seed()).await;
    let sent = setting.room().post("x").with_reconcile(Reconcile::new()).self_unread(true).await.unwrap();
    assert_eq!((sent.arrival, sent.attempts()), (Arrival::Answered, 1));
    assert_eq!(setting.calls(), ["post_message"]);
    let room = setting.sandbox.chatwork().room(10);
    assert_eq!(room.messages()[0].message_id, sent.message_id);
    assert_eq!(room.member(1).unwrap().unread_num, 1);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found() {
    for fault in [
        Fault::reset().after(),
        Fault::bad_gateway().after(),
        // The answer began with a success, so the message was posted, but its id is not known.
        Fault::short_body(),
        Fault::wrong_types(),
    ] {
        let setting = Setting::new(seed()).await;
        setting.lose(fault);
        // A service may change white space.
        let sent = setting.post("x\r\ny\n", Reconcile::new()).await.unwrap();
        assert_eq!((sent.arrival, sent.attempts()), (Arrival::Found, 1));
        let messages = setting.sandbox.chatwork().room(10).messages();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].message_id, sent.message_id);
        assert_eq!(setting.calls(), ["post_message", "get_me", "list_messages"]);
        assert!(setting.clock.elapsed() >= Duration::from_secs(2));

        // The account's own id is requested once.
        setting.lose(Fault::reset().after());
        setting.post("z", Reconcile::new()).await.unwrap();
        assert_eq!(setting.calls()[3..], ["post_message", "list_messages"]);
    }
}

#[tokio::test]
async fn a_missing_message_is_posted_again() {
    let setting = Setting::new(seed()).await;
    setting.lose(Fault::reset());
    let sent = setting.post("x", Reconcile::new().account(AccountId(1))).await.unwrap();
    assert_eq!((sent.arrival, sent.attempts()), (Arrival::PostedAgain, 2));
    assert_eq!(setting.bodies(), ["x"]);
    assert_eq!(setting.calls(), ["post_message", "list_messages", "list_messages", "post_message"]);
    let looks = setting.sandbox.requests();
    assert_eq!(looks[1].parameter("force").as_deref(), Some("1"));
}

#[tokio::test]
async fn it_is_posted_as_often_as_the_policy_allows() {
    let policy = RetryPolicy::new().attempts(3);
    let setting = Setting::with(seed(), |builder| builder.retry(policy)).await;
    setting.faults(Script::on("post_message").then(Fault::reset()).forever());
    let error = setting.post("x", Reconcile::new()).await.unwrap_err();
    assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 3));
    assert_eq!(setting.calls().iter().filter(|call| **call == "post_message").count(), 3);

    let setting = Setting::new(seed()).await;
    setting.lose(Fault::reset());
    let error = setting.post("x", Reconcile::new().lookup_only()).await.unwrap_err();
    assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn an_unknown_outcome_remains_unknown() {
    let setting = Setting::new(seed()).await;
    setting.faults(Script::on("post_message").then(Fault::reset()).then(Fault::status(403)));
    let error = setting.post("x", Reconcile::new()).await.unwrap_err();
    assert_eq!((error.outcome(), error.status().unwrap().as_u16()), (Outcome::Unknown, 403));
    assert_eq!(error.attempts(), 2);

    // If the first attempt is refused, its outcome is known, and there is no lookup.
    setting.sandbox.clear_requests();
    setting.faults(Script::on("post_message").then(Fault::status(403)));
    let error = setting.post("x", Reconcile::new()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Rejected);
    assert_eq!(setting.calls(), ["post_message"]);
}

#[tokio::test]
async fn older_messages_and_those_of_others_do_not_match() {
    let setting = Setting::new(seed().room(Room::group(11, "Other").admin(1))).await;
    let room = setting.sandbox.chatwork().room(10);
    room.post_as(1, "x");
    setting.clock.advance(Duration::from_secs(10));
    room.post_as(2, "x");
    setting.sandbox.chatwork().room(11).post_as(1, "x");
    setting.lose(Fault::reset());
    let sent = setting.post("x", Reconcile::new()).await.unwrap();
    assert_eq!(sent.arrival, Arrival::PostedAgain);
    assert_eq!(setting.bodies().len(), 3);
}

#[tokio::test]
async fn calls_with_the_same_text_have_different_messages() {
    let setting = Setting::new(seed()).await;
    // The first is answered, the second is lost before it takes effect, and the third after it.
    let script = Script::on("post_message").pass(1).then(Fault::reset()).pass(1).then(Fault::reset().after());
    setting.faults(script);
    let calls = (0..4).map(|_| setting.room().post("x").with_reconcile(Reconcile::new()).send());
    let sent = setting.clock.drive(join_all(calls)).await;
    let mut ids: Vec<String> =
        sent.iter().map(|sent| sent.as_ref().unwrap().message_id.to_string()).collect();
    let mut arrivals: Vec<Arrival> = sent.iter().map(|sent| sent.as_ref().unwrap().arrival).collect();
    arrivals.sort_by_key(|arrival| format!("{arrival:?}"));
    assert_eq!(arrivals, [Arrival::Answered, Arrival::Answered, Arrival::Found, Arrival::PostedAgain]);
    ids.sort();
    let mut there: Vec<String> = setting
        .sandbox
        .chatwork()
        .room(10)
        .messages()
        .into_iter()
        .map(|message| message.message_id.0)
        .collect();
    there.sort();
    assert_eq!(ids, there);
}

#[tokio::test]
async fn a_lookup_that_does_not_reach_back_proves_nothing() {
    let setting = Setting::new(seed()).await;
    let room = setting.sandbox.chatwork().room(10);
    setting.lose(Fault::reset());
    for number in 0..100 {
        room.post_as(2, &number.to_string());
    }
    let error = setting.post("x", Reconcile::new()).await.unwrap_err();
    assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 1));

    // If the hundred messages include one from before the call, all later ones are visible.
    setting.clock.advance(Duration::from_secs(10));
    room.post_as(2, "later");
    setting.lose(Fault::reset());
    assert_eq!(setting.post("x", Reconcile::new()).await.unwrap().arrival, Arrival::PostedAgain);
}

#[tokio::test]
async fn hidden_messages_prove_nothing() {
    let seed =
        seed().room(Room::group(12, "Old").admin(1).messages(1)).hide_messages_after(Duration::from_secs(5));
    let setting = Setting::new(seed).await;
    setting.clock.advance(Duration::from_secs(10));
    setting.lose(Fault::reset());
    let post = setting.client.room(RoomId(12)).post("x").with_reconcile(Reconcile::new());
    assert_eq!(setting.clock.drive(post).await.unwrap_err().outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn a_failed_lookup_proves_nothing() {
    let setting = Setting::new(seed()).await;
    setting.lose(Fault::reset());
    let down = Fault::status(500);
    setting.faults(Script::on("list_messages").then(down).forever());
    let error = setting.post("x", Reconcile::new()).await.unwrap_err();
    assert_eq!((error.outcome(), error.attempts(), error.status()), (Outcome::Unknown, 1, None));

    setting.sandbox.faults().clear(Provider::Chatwork);
    setting.lose(Fault::reset());
    // An answer whose body a proxy removed is not an empty room.
    setting.faults(Script::on("list_messages").then(Fault::status(200)).forever());
    let error = setting.post("x", Reconcile::new()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(setting.bodies().is_empty());
}

#[tokio::test]
async fn a_wrong_clock_causes_no_second_message() {
    for hours in [-1, 1] {
        let setting = Setting::new(seed()).await;
        let wrong = Fault::wrong_clock(SignedDuration::from_hours(hours));
        setting.lose(Fault::reset().after());
        setting.faults(Script::on("list_messages").then(wrong.clone()));
        let sent = setting.post("x", Reconcile::new()).await.unwrap();
        assert_eq!(sent.arrival, Arrival::Found, "the second look is right");

        // The clock of this machine is wrong, so the service's clock is used.
        setting.lose(Fault::reset().after());
        let clock = VirtualClock::starting_at("2026-01-01T01:00:00+09:00".parse().unwrap());
        let client =
            setting.sandbox.chatwork_client(TOKEN).clock(clock.clone()).timeout(None).attempt_timeout(None);
        let client = client.build().unwrap();
        let post = client.room(RoomId(10)).post("y").with_reconcile(Reconcile::new());
        assert_eq!(clock.drive(post).await.unwrap().arrival, Arrival::Found);
        assert_eq!(setting.bodies(), ["x", "y"]);
    }
}

#[tokio::test]
async fn the_calls_deadline_ends_the_reconciliation() {
    let setting = Setting::new(seed()).await;
    setting.lose(Fault::reset());
    let reconcile = Reconcile::new().delay(Duration::from_secs(10));
    let post = setting.room().post("x").with_reconcile(reconcile).with_timeout(Duration::from_secs(5)).await;
    assert_eq!(post.unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(setting.calls(), ["post_message"]);

    // Waiting for another call with the same text is bounded too.
    setting.lose(Fault::silence());
    let first = setting.room().post("x").with_reconcile(Reconcile::new()).send();
    let second = setting.room().post("x").with_reconcile(Reconcile::new());
    let second = async {
        let second = second.with_timeout(Duration::from_secs(5)).send();
        futures::future::join(second, async {
            tokio::task::yield_now().await;
            setting.clock.advance(Duration::from_secs(5));
        })
        .await
        .0
    };
    let error = match futures::future::select(Box::pin(first), Box::pin(second)).await {
        futures::future::Either::Right((second, _)) => second.unwrap_err(),
        futures::future::Either::Left(_) => panic!("the first never ends"),
    };
    assert_eq!((error.outcome(), error.attempts(), error.is_timeout()), (Outcome::NotSent, 0, true));
}
