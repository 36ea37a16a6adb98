#[cfg(feature = "axum")]
mod extractor;

use super::*;
use crate::chatwork::{AccountId, MessageId, RoomId};
use crate::webhook::{Claim, ClaimId, MemoryReplayCache, ReplayCache, STORE_TIME, StoreFailure};
use crate::{Clock, StoreError, VirtualClock};
use futures::future::BoxFuture;
use jiff::Timestamp;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const TOKEN: &str = "iY/hmitgwCBlc5DnjAZ8pyRG1HF0zFflfmKmtCDg1wk=";
const OTHER_TOKEN: &str = "sz6o4tXnI0nm0KBdqHOeCJc6ekI=";
const NOW: i64 = 1_498_028_130;

const MENTION: &str = r#"{
  "webhook_setting_id": "12345",
  "webhook_event_type": "mention_to_me",
  "webhook_event_time": 1498028130,
  "webhook_event": {
    "from_account_id": 123456,
    "to_account_id": 1484814,
    "room_id": 567890123,
    "message_id": "789012345",
    "body": "[To:1484814]何が食べたいですか？",
    "send_time": 1498028125,
    "update_time": 0
  }
}"#;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

fn verifier() -> (Verifier, VirtualClock) {
    let clock = VirtualClock::starting_at(at(NOW));
    (Verifier::with_clock(TOKEN, Arc::new(clock.clone())).expect("a token"), clock)
}

fn message(event: &str, update_time: i64, text: &str) -> String {
    format!(
        r#"{{"webhook_setting_id":"246","webhook_event_type":"{event}","webhook_event_time":{NOW},"webhook_event":
        {{"message_id":"789012345","room_id":567890123,"account_id":1484814,"body":"{text}","send_time":1498028120,
        "update_time":{update_time}}}}}"#
    )
}

async fn send(verifier: &Verifier, body: &str) -> Result<Delivery, VerifyError> {
    Ok(claim(verifier, body).await?.done().await)
}

async fn claim(verifier: &Verifier, body: &str) -> Result<PendingDelivery, VerifyError> {
    verifier.verify(body.as_bytes(), &verifier.sign(body.as_bytes())).await
}

/// The body of a delivery that was published with its token, [`TOKEN`], and its signature: the specs of
/// sue445/chatwork_webhook_verify, MIT, Copyright 2018 sue445.
const DELIVERED: &str = r#"{"webhook_setting_id":"581","webhook_event_type":"mention_to_me","webhook_event_time":1516629767,"webhook_event":{"from_account_id":2861671,"to_account_id":2739132,"room_id":93207172,"message_id":"1007287971738591232","body":"[rp aid=2739132 to=93207172-1007287785163345920] sue445\ntest","send_time":1516629766,"update_time":0}}"#;

/// The delivery that the service's own documentation published in 2017, with its token and its signature.
#[tokio::test]
async fn the_delivery_that_the_service_published_verifies_and_is_read() {
    const CREATED: &str = r#"{"webhook_setting_id":"246","webhook_event_type":"message_created","webhook_event_time":1511238729,"webhook_event":{"message_id":"984676321621704704","room_id":36818150,"account_id":1484814,"body":"test","send_time":1511238729,"update_time":0}}"#;
    let (token, signature) =
        ("A9ne+ygvdV0IZBaPFV2zC1e5Bk+IsI14BPwieRoBQNU=", "G7Gtrh5Ee6d8erOVXhWPtUrkNJqqIT5vwLU50KhyLQk=");
    let clock = VirtualClock::starting_at(at(1_511_238_730));
    let verifier = Verifier::with_clock(token, Arc::new(clock)).expect("a token");
    assert_eq!(verifier.sign(CREATED.as_bytes()), signature);
    let delivery = verifier.verify(CREATED.as_bytes(), signature).await.expect("it is genuine");
    assert_eq!((delivery.setting_id.as_str(), delivery.time), ("246", at(1_511_238_729)));
    let Event::MessageCreated(message) = &delivery.event else { panic!("{delivery:?}") };
    assert_eq!((message.message_id.as_str(), message.room_id), ("984676321621704704", RoomId(36_818_150)));
    assert_eq!((message.account_id, message.body.as_str()), (AccountId(1_484_814), "test"));
    assert_eq!((message.send_time, message.update_time), (at(1_511_238_729), None));
    let changed = CREATED.replace("test", "tset");
    assert_eq!(verifier.verify_signature(changed.as_bytes(), signature), Err(VerifyError::BadSignature));
}

#[tokio::test]
async fn the_published_delivery_verifies_and_is_read() {
    let signature = "NTIUzbXiwLvM7C/MT3Kd75Lw1w2N5tyWtcEieKiqhY0=";
    let clock = VirtualClock::starting_at(at(1516629770));
    let verifier = Verifier::with_clock(TOKEN, Arc::new(clock)).expect("a token");
    assert_eq!(verifier.sign(DELIVERED.as_bytes()), signature);
    let delivery = verifier.verify(DELIVERED.as_bytes(), signature).await.expect("it is genuine");
    assert_eq!((delivery.setting_id.as_str(), delivery.time), ("581", at(1516629767)));
    let Event::MentionToMe(mention) = &delivery.event else { panic!("{delivery:?}") };
    assert_eq!((mention.from_account_id, mention.to_account_id), (AccountId(2861671), AccountId(2739132)));
    assert_eq!((mention.room_id, mention.message_id.0.as_str()), (RoomId(93207172), "1007287971738591232"));
    assert_eq!(mention.body, "[rp aid=2739132 to=93207172-1007287785163345920] sue445\ntest");
    assert_eq!((mention.send_time, mention.update_time), (at(1516629766), None));
    // Decoding and encoding the JSON changes its bytes, so the signature does not match any more.
    let json: serde_json::Value = serde_json::from_str(DELIVERED).expect("it is JSON");
    assert_eq!(
        verifier.verify_signature(json.to_string().as_bytes(), signature),
        Err(VerifyError::BadSignature)
    );
}

#[test]
fn the_published_vector_verifies() {
    let verifier = Verifier::new(OTHER_TOKEN).expect("a token");
    let signature = "rgvtfnFpqHHbwJB9dJ3Gl8YyjT8kW0w9CpMjpzjnUO4=";
    assert_eq!(verifier.verify_signature(b"test", signature), Ok(()));
    assert_eq!(verifier.verify_signature(b"tesu", signature), Err(VerifyError::BadSignature));
    for wrong in ["", "rgvt", "rgvtfnFpqHHbwJB9dJ3Gl8YyjT8kW0w9CpMjpzjnUO4", "5202BF4", " ", "あ"] {
        assert_eq!(verifier.verify_signature(b"test", wrong), Err(VerifyError::BadSignature), "{wrong}");
    }
}

#[test]
fn any_of_the_tokens_is_accepted() {
    let (verifier, _) = verifier();
    let signature = Verifier::new(OTHER_TOKEN).expect("a token").sign(b"x");
    assert_eq!(verifier.verify_signature(b"x", &signature), Err(VerifyError::BadSignature));
    let verifier = verifier.add_token(&format!(" {OTHER_TOKEN}\n")).expect("a token");
    assert_eq!(verifier.verify_signature(b"x", &signature), Ok(()));
    assert_eq!(verifier.verify_signature(b"x", &verifier.sign(b"x")), Ok(()));
}

#[test]
fn an_invalid_token_is_refused() {
    for token in ["", " ", "not base64!", "QQ"] {
        assert!(Verifier::new(token).is_err(), "{token}");
    }
}

#[tokio::test]
async fn events_are_typed() {
    let (verifier, _) = verifier();
    let delivery = send(&verifier, MENTION).await.expect("it is genuine");
    assert_eq!((delivery.setting_id.as_str(), delivery.time), ("12345", at(NOW)));
    let Event::MentionToMe(mention) = &delivery.event else { panic!("{delivery:?}") };
    assert_eq!((mention.from_account_id, mention.to_account_id), (AccountId(123456), AccountId(1484814)));
    assert_eq!((mention.send_time, mention.update_time), (at(1498028125), None));
    assert_eq!(delivery.event.body(), Some("[To:1484814]何が食べたいですか？"));

    let created = send(&verifier, &message("message_created", 0, "a")).await.expect("it is genuine").event;
    assert!(
        matches!(&created, Event::MessageCreated(message) if message.update_time.is_none()),
        "{created:?}"
    );
    assert_eq!((created.sender(), created.room_id()), (Some(AccountId(1484814)), Some(RoomId(567890123))));
    assert_eq!(created.message_id(), Some(&MessageId("789012345".to_owned())));

    let updated =
        send(&verifier, &message("message_updated", 1498028199, "b")).await.expect("it is genuine").event;
    let Event::MessageUpdated(updated) = updated else { panic!("{updated:?}") };
    assert_eq!(updated.update_time, Some(at(1498028199)));
}

#[test]
fn unknown_events_and_fields_are_kept() {
    let unknown = message("reaction_added", 0, "a");
    let Event::Other(other) = Delivery::parse(unknown.as_bytes()).expect("an event").event else { panic!() };
    assert_eq!((other.event_type.as_str(), &other.json["body"]), ("reaction_added", &"a".into()));
    // A known event with unknown fields.
    let changed = message("message_created", 0, "a").replace("account_id", "sender");
    let Event::Other(other) = Delivery::parse(changed.as_bytes()).expect("an event").event else { panic!() };
    assert_eq!(other.json["sender"], 1484814);
    // Ids as numbers or digits, missing times, additional fields.
    let lenient = r#"{"webhook_setting_id":1,"webhook_event_type":"message_created","webhook_event_time":2,"new":3,
        "webhook_event":{"message_id":4,"room_id":"5","account_id":6,"body":"","send_time":7,"new":8}}"#;
    let delivery = Delivery::parse(lenient.as_bytes()).expect("an event");
    assert_eq!(delivery.setting_id, "1");
    assert!(matches!(delivery.event, Event::MessageCreated(message) if message.room_id == RoomId(5)));
}

#[test]
fn times_are_integers_digits_or_floats() {
    for time in
        ["1498028130", "\"1498028130\"", "1498028130.0", "1498028130.75", "\"1498028130.5\"", "1.49802813e9"]
    {
        let body = message("message_created", 0, "a").replace(&NOW.to_string(), time);
        let body =
            body.replace("1498028120", time).replace("\"update_time\":0", &format!("\"update_time\":{time}"));
        let delivery = Delivery::parse(body.as_bytes()).expect(time);
        let Event::MessageCreated(message) = delivery.event else { panic!("{time}") };
        assert_eq!(
            (delivery.time, message.send_time, message.update_time),
            (at(NOW), at(NOW), Some(at(NOW)))
        );
    }
    for none in ["null", "0", "\"0\"", "0.0"] {
        let body = message("message_created", 0, "a")
            .replace("\"update_time\":0", &format!("\"update_time\":{none}"));
        let Event::MessageCreated(message) = Delivery::parse(body.as_bytes()).expect(none).event else {
            panic!("{none}")
        };
        assert_eq!(message.update_time, None);
    }
}

/// The service switches off a webhook whose events are refused.
#[tokio::test]
async fn a_signed_event_is_read_as_far_as_possible() {
    let sent = |body: &str| {
        let (verifier, body) = (verifier().0, body.to_owned());
        async move { send(&verifier, &body).await }
    };
    let usual = message("message_created", 0, "a");
    for time in
        ["1498028130000", "\"1498028130\"", "\"1498028130000\"", "\"2017-06-21T06:55:30Z\"", "1.49802813e9"]
    {
        let delivery = sent(&usual.replace(&NOW.to_string(), time)).await.expect(time);
        assert_eq!((delivery.time, delivery.event.body()), (at(NOW), Some("a")), "{time}");
    }
    // If it has no time, the message's time is used.
    for time in [
        "null",
        "true",
        "\"\"",
        "\"soon\"",
        "\"NaN\"",
        "NaN",
        "1e300",
        "-1e300",
        "18446744073709551615",
        "[1]",
        "0",
    ] {
        let delivery = sent(&usual.replace(&NOW.to_string(), time)).await.expect(time);
        assert_eq!((delivery.time, delivery.event.body()), (at(1498028120), Some("a")), "{time}");
        let untimed = usual.replace(&NOW.to_string(), time).replace("1498028120", time);
        let delivery = sent(&untimed).await.expect(time);
        assert_eq!(delivery.time, at(NOW), "{time}");
    }
    for (id, read) in [("null", ""), ("[]", ""), ("7", "7"), ("\"\\ud83d\"", "\u{fffd}")] {
        let delivery = sent(&usual.replace("\"246\"", id)).await.expect(id);
        assert_eq!((&*delivery.setting_id, delivery.event.body()), (read, Some("a")));
    }
    let half = sent(&usual.replace("\"a\"", r#""\ud83d""#)).await.expect("half an emoji");
    assert_eq!(half.event.body(), Some("\u{fffd}"));
    let marked = sent(&format!("\u{feff}{usual}")).await.expect("a byte order mark");
    assert_eq!(marked.event.body(), Some("a"));
    let deep = usual.replace("\"body\"", &format!("\"new\":{}{},\"body\"", "[".repeat(500), "]".repeat(500)));
    assert_eq!(sent(&deep).await.expect("it is passed over").event.body(), Some("a"));
    let nulls = usual.replace("\"body\":\"a\"", "\"body\":null");
    assert_eq!(sent(&nulls).await.expect("no text").event.body(), Some(""));
    for (odd, event_type) in [
        (usual.replace("1484814", "{}"), "message_created"),
        (deep.replace("message_created", "new"), "new"),
        (usual.replace("\"message_created\"", "null"), ""),
        (r#"{"webhook_event_type":"new"}"#.to_owned(), "new"),
        (r#"{"webhook_event":"text"}"#.to_owned(), ""),
    ] {
        let delivery = sent(&odd).await.expect(&odd);
        let Event::Other(other) = delivery.event else { panic!("{odd}") };
        assert_eq!(other.event_type, event_type);
        if let Some(id) = other.json.get("message_id") {
            assert_eq!(id, "789012345", "{odd}");
        }
    }
    for nothing in ["", "{}", "[]", "null", "\"webhook_event\"", "<html>"] {
        let refused = sent(nothing).await;
        assert!(matches!(refused, Err(VerifyError::Malformed { .. })), "{nothing}: {refused:?}");
    }
}

/// An event whose time would be accepted again by the clock is still known.
#[tokio::test]
async fn an_event_is_accepted_once_even_if_the_clock_is_set_back() {
    // The clock for remembering moves on, whatever the wall clock is.
    let clock = VirtualClock::starting_at(at(NOW));
    let cache = Arc::new(MemoryReplayCache::with_clock(10, Arc::new(clock.clone())));
    let at_wall = |wall: i64| {
        let clock = Arc::new(VirtualClock::starting_at(at(wall)));
        Verifier::with_clock(TOKEN, clock).expect("a token").replay_cache(cache.clone())
    };
    assert!(send(&at_wall(NOW), MENTION).await.is_ok());
    for (passed, back) in [(295, 10), (305, 10), (3_000, 2_800)] {
        clock.advance(Duration::from_secs(passed));
        let now = NOW + i64::try_from(clock.elapsed().as_secs()).expect("an hour") - back;
        let again = send(&at_wall(now.min(NOW + 300)), MENTION).await;
        assert_eq!(again, Err(VerifyError::Repeat), "{passed} {back}");
    }
}

#[tokio::test]
async fn repeats_are_refused_and_edits_are_not() {
    let (verifier, clock) = verifier();
    let edit = message("message_updated", 1498028199, "a");
    assert!(send(&verifier, &edit).await.is_ok());
    assert_eq!(send(&verifier.clone(), &edit).await, Err(VerifyError::Repeat));
    assert!(send(&verifier, &message("message_updated", 1498028200, "a")).await.is_ok());
    assert!(send(&verifier, &message("message_updated", 1498028200, "in the same second")).await.is_ok());
    assert!(send(&verifier, &message("message_created", 0, "a")).await.is_ok());
    assert!(send(&verifier, &edit.replace("246", "247")).await.is_ok());
    // It is remembered until it is stale.
    clock.advance(DEFAULT_TOLERANCE);
    assert_eq!(send(&verifier, &edit).await, Err(VerifyError::Repeat));
    clock.advance(Duration::from_secs(1));
    assert!(matches!(send(&verifier, &edit).await, Err(VerifyError::Stale { .. })));
    let other = message("new", 0, "a");
    let (verifier, _) = self::verifier();
    assert!(send(&verifier, &other).await.is_ok());
    assert_eq!(send(&verifier, &other).await, Err(VerifyError::Repeat));
    let verifier = verifier.without_replay_cache();
    assert!(send(&verifier, &other).await.is_ok() && send(&verifier, &other).await.is_ok());
}

#[tokio::test]
async fn an_event_ahead_of_time_is_remembered_until_it_is_stale() {
    let clock = VirtualClock::starting_at(at(NOW - 300));
    let verifier = Verifier::with_clock(TOKEN, Arc::new(clock.clone())).expect("a token");
    assert!(send(&verifier, MENTION).await.is_ok());
    clock.advance(Duration::from_secs(600));
    assert_eq!(send(&verifier, MENTION).await, Err(VerifyError::Repeat));
    clock.advance(Duration::from_secs(1));
    let now = clock.wall();
    assert_eq!(send(&verifier, MENTION).await, Err(VerifyError::Stale { time: at(NOW), now }));
}

/// Two processes with one store, on one clock.
fn two_processes() -> ([Verifier; 2], VirtualClock) {
    let (verifier, clock) = verifier();
    let cache = Arc::new(MemoryReplayCache::with_clock(10, Arc::new(clock.clone())));
    let other = Verifier::with_clock(TOKEN, Arc::new(clock.clone())).expect("a token");
    ([verifier.replay_cache(cache.clone()), other.replay_cache(cache)], clock)
}

#[tokio::test]
async fn an_event_passes_again_only_if_it_is_released_or_its_process_dies() {
    let ([one, two], clock) = two_processes();
    let first = claim(&one, MENTION).await.expect("it is new");
    for verifier in [&one, &two] {
        let refused = claim(verifier, MENTION).await.expect_err("it is in progress");
        assert_eq!((refused, refused.status()), (VerifyError::InProgress, 200));
    }
    assert_eq!(first.release().await.setting_id, "12345");
    drop(claim(&one, MENTION).await.expect("it was released"));
    let died = claim(&one, MENTION).await.expect("the drop has released it");
    std::mem::forget(died);
    clock.advance(crate::webhook::DEFAULT_LEASE);
    claim(&two, MENTION).await.expect("it is taken over").done().await;
    assert_eq!(claim(&two, MENTION).await.err(), Some(VerifyError::Repeat));
    // It is remembered as long as it would pass, and an hour more.
    clock.advance(DEFAULT_TOLERANCE - crate::webhook::DEFAULT_LEASE);
    assert_eq!(claim(&two, MENTION).await.err(), Some(VerifyError::Repeat));
}

/// The service sends it once: who waits takes over from who died.
#[tokio::test]
async fn an_event_in_progress_elsewhere_can_be_waited_for() {
    let ([one, two], clock) = two_processes();
    let two = two.lease(Duration::from_secs(10));
    let signature = two.sign(MENTION.as_bytes());
    let first = claim(&one, MENTION).await.expect("it is new");
    {
        let mut waiting = std::pin::pin!(two.verify_waiting(MENTION.as_bytes(), &signature));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(clock.next_wake(), Some(Duration::from_secs(1)));
        first.done().await;
        clock.advance(Duration::from_secs(1));
        assert_eq!(waiting.await.err(), Some(VerifyError::Repeat));
    }
    let second = message("message_created", 0, "a");
    let signature = two.sign(second.as_bytes());
    std::mem::forget(claim(&one, &second).await.expect("it is new"));
    let before = clock.elapsed();
    let taken =
        clock.drive(two.verify_waiting(second.as_bytes(), &signature)).await.expect("it is taken over");
    assert_eq!(taken.event.body(), Some("a"));
    assert_eq!((clock.elapsed() - before).as_secs(), crate::webhook::DEFAULT_LEASE.as_secs());
}

/// A store that does not answer.
#[derive(Debug)]
struct Stuck;

impl ReplayCache for Stuck {
    fn claim<'a>(&'a self, _: &'a str, _: ClaimId, _: Duration) -> BoxFuture<'a, Result<Claim, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn done<'a>(&'a self, _: &'a str, _: ClaimId, _: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn release<'a>(&'a self, _: &'a str, _: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::pending())
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::pending())
    }
}

/// The service gives a response 10 seconds.
#[tokio::test]
async fn a_store_that_hangs_is_waited_for_only_so_long() {
    let (verifier, clock) = verifier();
    let verifier = verifier.replay_cache(Arc::new(Stuck));
    let taken = clock.drive(claim(&verifier, MENTION)).await.expect("it counts as new");
    clock.drive(taken.done()).await;
    assert_eq!(clock.elapsed(), 2 * STORE_TIME);
    let verifier = verifier.on_store_failure(StoreFailure::Refuse);
    let refused = clock.drive(claim(&verifier, MENTION)).await.expect_err("it is not known");
    assert_eq!((refused, refused.status()), (VerifyError::Store, 200));
    let signature = verifier.sign(MENTION.as_bytes());
    let waiting = clock.drive(verifier.verify_waiting(MENTION.as_bytes(), &signature)).await;
    assert_eq!(waiting.err(), Some(VerifyError::Store));
}

#[tokio::test]
async fn the_tolerance_can_be_set() {
    let early = VirtualClock::starting_at(at(NOW - 11));
    let verifier = Verifier::with_clock(TOKEN, Arc::new(early)).expect("a token");
    let strict = verifier.clone().tolerance(Duration::from_secs(10));
    assert!(matches!(send(&strict, MENTION).await, Err(VerifyError::Stale { .. })));
    assert!(send(&verifier.tolerance(Duration::MAX), MENTION).await.is_ok());
}

#[tokio::test]
async fn a_refused_delivery_is_not_remembered() {
    let (verifier, _) = verifier();
    let forged = verifier.verify(MENTION.as_bytes(), "AAAA").await;
    assert_eq!(forged.err(), Some(VerifyError::BadSignature));
    assert!(send(&verifier, MENTION).await.is_ok());
    let long = " ".repeat(MAX_BODY + 1);
    assert_eq!(verifier.verify_signature(long.as_bytes(), ""), Err(VerifyError::TooLarge));
}

#[test]
fn the_signature_is_in_the_header_or_the_query() {
    let target = "code=1&chatwork_webhook_signature=a%2Fb%2bc+d%3D&x";
    assert_eq!(signature(None, Some(target)).as_deref(), Ok("a/b+c+d="));
    assert_eq!(signature(Some("h"), Some(target)).as_deref(), Ok("h"));
    for query in [None, Some(""), Some("chatwork_webhook_signature"), Some("x=1")] {
        assert_eq!(signature(None, query), Err(VerifyError::MissingSignature));
    }
    assert_eq!(signature(None, Some("chatwork_webhook_signature=%ff")), Err(VerifyError::BadSignature));
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let (verifier, _) = verifier();
    let verifier = verifier.replay_cache(Arc::new(MemoryReplayCache::new(5)));
    let body = r#"{"webhook_setting_id": "hunter2"#;
    let error = send(&verifier, body).await.expect_err("it is cut off");
    assert_eq!(error.status(), 400);
    let wrong_type =
        r#"{"webhook_setting_id": "1", "webhook_event_type": "x", "webhook_event_time": "hunter2"}"#;
    let debug = format!(
        "{verifier:?} {verifier:#?} {error:?} {error} {:?} {:?}",
        send(&verifier, wrong_type).await,
        Verifier::new("hunter2!")
    );
    assert!(!debug.contains("hunter2"), "{debug}");
    for secret in [TOKEN, &verifier.sign(body.as_bytes()), "iY/h", "137, 143, 225"] {
        assert!(!debug.contains(secret), "{debug}");
    }
    assert!(debug.contains("tokens: 1"), "{debug}");
    // It shows neither of the two times, because the message is sent as the answer.
    let stale = VerifyError::Stale { time: at(NOW), now: at(NOW + 600) };
    assert_eq!(stale.to_string(), "the event is too old, or too far ahead");
}

proptest! {
    #[test]
    fn no_body_makes_parsing_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Delivery::parse(&body);
    }

    #[test]
    fn no_truncated_or_changed_body_is_accepted(at in 0..MENTION.len(), bit in 0..8u32) {
        let (verifier, _) = verifier();
        let signature = verifier.sign(MENTION.as_bytes());
        let mut body = MENTION.as_bytes().to_vec();
        let _ = Delivery::parse(&body[..at]);
        prop_assert!(verifier.verify_signature(&body[..at], &signature).is_err());
        body[at] ^= 1 << bit;
        let _ = Delivery::parse(&body);
        prop_assert!(verifier.verify_signature(&body, &signature).is_err());
    }

    #[test]
    fn no_signature_makes_verifying_panic(claimed in any::<String>(), query in any::<String>()) {
        let (verifier, _) = verifier();
        prop_assert!(verifier.verify_signature(b"x", &claimed).is_err());
        let _ = signature(None, Some(&query));
    }
}
