//! What every store of an outbox does. Each rule runs on a store of its own, which is on the virtual clock.

pub mod commits;

use commits::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kaiwa::jiff::Timestamp;
use kaiwa::outbox::{
    Change, Claim, Commit, Enqueued, Filter, NewEntry, Next, Note, OUTBOX, OutboxStore, Phase, StoredEntry,
};
use kaiwa::{Clock, VirtualClock};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs all rules. `store` makes an empty store on the clock that it is given.
pub async fn all<S: OutboxStore>(mut store: impl AsyncFnMut(VirtualClock) -> S) {
    let clock = VirtualClock::new();
    macro_rules! run {
        ($($rule:ident)*) => { $( $rule((store(clock.clone()).await, clock.clone())).await; )* };
    }
    run! {
        an_entry_is_kept_as_it_was_given
        a_key_is_stored_once
        a_lane_is_handed_out_in_order
        lanes_do_not_hold_each_other_up
        what_is_due_first_comes_first
        an_entry_waits_for_its_time
        a_claim_ends_with_its_lease
        a_renewed_claim_lasts_longer
        a_claim_is_one_of_one_entry
        a_lost_claim_changes_nothing
        a_change_is_kept_with_or_without_the_claim
        a_closed_entry_has_no_claim
        a_closed_entry_with_a_time_is_handed_out_once_more
        a_person_moves_an_entry_that_nobody_works_on
        what_is_opened_again_comes_first
        what_is_opened_again_waits_for_the_claimed
        old_texts_are_blanked_and_keys_stay
        old_entries_are_forgotten_with_their_keys
        a_listing_is_filtered_and_continued
        a_dropped_future_does_all_or_nothing
        an_extreme_time_is_no_failure
        many_workers_take_each_entry_once_and_in_order
        a_claim_sees_only_its_queue
        a_queue_is_listed_and_cleaned_alone
        a_note_is_kept_until_it_is_replaced_or_over
        a_commit_is_all_or_nothing
        a_commit_leaves_known_keys_as_they_are
        what_commits_add_is_handed_out_in_order
        a_dropped_commit_is_whole_or_nothing
        many_workers_commit_each_step_once
        commits_that_cross_do_not_block_each_other
    }
}

type Store<S> = (S, VirtualClock);

fn entry(key: &str, lane: &str) -> NewEntry {
    NewEntry::new(key, lane, format!("the request of {key}"))
}

async fn add(store: &impl OutboxStore, key: &str, lane: &str) {
    add_entry(store, entry(key, lane)).await;
}

async fn add_entry(store: &impl OutboxStore, entry: NewEntry) {
    let key = entry.key.clone();
    match store.enqueue(entry).await.expect("it is stored") {
        Enqueued::New(added) => {
            assert_eq!((&*added.key, added.phase), (&*key, Phase::Waiting));
            assert_eq!(get(store, &key).await.id, added.id);
        }
        Enqueued::Known(known) => panic!("{key} was there: {known:?}"),
    }
}

async fn known(store: &impl OutboxStore, key: &str) -> StoredEntry {
    match store.enqueue(entry(key, "another lane")).await.expect("it is looked up") {
        Enqueued::Known(known) => *known,
        Enqueued::New(_) => panic!("{key} was not known"),
    }
}

async fn get(store: &impl OutboxStore, key: &str) -> StoredEntry {
    store.get(key).await.expect("it is read").unwrap_or_else(|| panic!("{key} is missing"))
}

/// The next entry, which has to have this key.
async fn claim(store: &impl OutboxStore, key: &str) -> (StoredEntry, Claim) {
    match store.claim(OUTBOX, LEASE).await.expect("it can be claimed") {
        Next::Entry(entry, claim) => {
            assert_eq!((&*entry.key, entry.id), (key, claim.id));
            (*entry, claim)
        }
        Next::Wait(time) => panic!("{key} is not handed out: wait {time:?}"),
    }
}

/// How long there is nothing to do.
async fn wait(store: &impl OutboxStore) -> Option<Duration> {
    match store.claim(OUTBOX, LEASE).await.expect("it can be read") {
        Next::Wait(time) => time,
        Next::Entry(entry, _) => panic!("{} is handed out", entry.key),
    }
}

fn to(phase: Phase) -> Change {
    Change::new(phase, format!("{} now", phase.name()))
}

async fn change(store: &impl OutboxStore, claim: &Claim, phase: Phase, keep: bool) {
    assert!(store.change(claim, to(phase), keep).await.expect("it is stored"), "the claim holds");
}

async fn decide(store: &impl OutboxStore, key: &str, from: &[Phase], to: Phase) -> bool {
    store.decide(key, from, to).await.expect("it is stored")
}

async fn list(store: &impl OutboxStore, filter: Filter<'_>) -> Vec<String> {
    let entries = store.list(filter).await.expect("it is read");
    entries.into_iter().map(|entry| entry.key).collect()
}

async fn an_entry_is_kept_as_it_was_given<S: OutboxStore>((store, clock): Store<S>) {
    let texts = ["a", "", "改行\nと \"quotes\" '; DROP TABLE entries; --", "\u{0}\u{1F600}\u{202E}", "%_*?"];
    let mut ids = Vec::new();
    for (number, text) in texts.into_iter().enumerate() {
        let (key, lane, queue) = (format!("key {text}"), format!("lane {text}"), format!("queue {text}"));
        let not_before = (number % 2 == 1).then(|| clock.wall() + Duration::from_millis(1234));
        let request = format!("request {text}").repeat(1 + 1000 * number);
        let mut given = NewEntry::new(&*key, &*lane, &*request).queue(&*queue);
        given.not_before = not_before;
        add_entry(&store, given).await;
        let kept = get(&store, &key).await;
        assert_eq!((&kept.key, &kept.lane, &kept.request, &kept.queue), (&key, &lane, &request, &queue));
        assert_eq!((kept.phase, &*kept.progress, kept.not_before), (Phase::Waiting, "", not_before));
        ids.push(kept.id);
        let listed = store.list(Filter::new(&queue, 100)).await.expect("it is read");
        assert_eq!(listed, [kept]);
    }
    assert!(ids[0] > 0 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    assert_eq!(store.get("key b").await.expect("it is read"), None);
}

async fn a_key_is_stored_once<S: OutboxStore>((store, clock): Store<S>) {
    add(&store, "a", "1").await;
    let stored = get(&store, "a").await;
    clock.advance(DAY);
    assert_eq!(known(&store, "a").await, stored, "the first one stays");
    let (_, held) = claim(&store, "a").await;
    change(&store, &held, Phase::Sent, false).await;
    let closed = known(&store, "a").await;
    assert_eq!((closed.phase, &*closed.progress, &*closed.lane), (Phase::Sent, "sent now", "1"));
    assert_eq!(wait(&store).await, None, "nothing was added");
    // Keys are compared as bytes.
    for key in ["A", "a ", "á", "a\u{301}"] {
        add(&store, key, "2").await;
    }
}

async fn a_lane_is_handed_out_in_order<S: OutboxStore>((store, _): Store<S>) {
    for key in ["a", "b", "c", "d", "e"] {
        add(&store, key, "1").await;
    }
    let closed = [Phase::Sent, Phase::Rejected, Phase::Uncertain, Phase::Discarded, Phase::Failed];
    for (key, phase) in ["a", "b", "c", "d", "e"].into_iter().zip(closed) {
        let (_, held) = claim(&store, key).await;
        assert_eq!(wait(&store).await, Some(LEASE), "the next one waits until {key} is closed");
        change(&store, &held, Phase::Sending, true).await;
        assert_eq!(wait(&store).await, Some(LEASE));
        change(&store, &held, phase, false).await;
    }
    assert_eq!(wait(&store).await, None);
}

async fn lanes_do_not_hold_each_other_up<S: OutboxStore>((store, clock): Store<S>) {
    let late = clock.wall() + DAY;
    add_entry(&store, entry("a1", "a").not_before(late)).await;
    for (key, lane) in [("a2", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")] {
        add(&store, key, lane).await;
    }
    let (_, b1) = claim(&store, "b1").await;
    let (_, c1) = claim(&store, "c1").await;
    assert_eq!(wait(&store).await, Some(LEASE));
    change(&store, &b1, Phase::Rejected, false).await;
    let (_, b2) = claim(&store, "b2").await;
    change(&store, &b2, Phase::Sent, false).await;
    change(&store, &c1, Phase::Sent, false).await;
    assert_eq!(wait(&store).await, Some(DAY), "a2 stays behind a1");
    clock.advance(DAY);
    let (_, a1) = claim(&store, "a1").await;
    change(&store, &a1, Phase::Sent, false).await;
    claim(&store, "a2").await;
}

async fn what_is_due_first_comes_first<S: OutboxStore>((store, clock): Store<S>) {
    let now = clock.wall();
    let at = |key: &str, seconds| entry(key, key).not_before(now + Duration::from_secs(seconds));
    add_entry(&store, at("third", 30)).await;
    add_entry(&store, at("second", 20)).await;
    add(&store, "first", "first").await;
    clock.advance(Duration::from_secs(25));
    add(&store, "added late", "added late").await;
    clock.advance(Duration::from_secs(25));
    for key in ["first", "second", "added late", "third"] {
        claim(&store, key).await;
    }
}

async fn an_entry_waits_for_its_time<S: OutboxStore>((store, clock): Store<S>) {
    let minute = Duration::from_secs(60);
    add_entry(&store, entry("a", "1").not_before(clock.wall() + minute)).await;
    assert_eq!(wait(&store).await, Some(minute));
    clock.advance(minute - Duration::from_millis(1));
    assert_eq!(wait(&store).await, Some(Duration::from_millis(1)));
    clock.advance(Duration::from_millis(1));
    let (_, held) = claim(&store, "a").await;
    let later = Some(clock.wall() + DAY);
    let change = to(Phase::Waiting).after(DAY);
    assert!(store.change(&held, change, false).await.expect("it is stored"));
    assert_eq!((get(&store, "a").await.not_before, wait(&store).await), (later, Some(DAY)));
    add_entry(&store, entry("b", "2").not_before(clock.wall() - DAY)).await;
    claim(&store, "b").await;
}

async fn a_claim_ends_with_its_lease<S: OutboxStore>((store, clock): Store<S>) {
    add(&store, "a", "1").await;
    let (_, first) = claim(&store, "a").await;
    clock.advance(LEASE - Duration::from_millis(1));
    assert_eq!(wait(&store).await, Some(Duration::from_millis(1)));
    clock.advance(Duration::from_millis(1));
    assert!(!store.renew(&first, LEASE).await.expect("it is read"), "it has ended");
    let (_, second) = claim(&store, "a").await;
    assert!(second.id == first.id && second.fence > first.fence, "{first:?}, then {second:?}");
}

async fn a_renewed_claim_lasts_longer<S: OutboxStore>((store, clock): Store<S>) {
    add(&store, "a", "1").await;
    let (before, held) = claim(&store, "a").await;
    for _ in 0..3 {
        clock.advance(LEASE / 2);
        assert!(store.renew(&held, LEASE).await.expect("it is stored"));
        assert_eq!(wait(&store).await, Some(LEASE));
    }
    assert_eq!(get(&store, "a").await, before, "nothing else is changed");
    assert!(store.renew(&held, Duration::from_secs(1)).await.expect("it is stored"), "or shorter");
    assert_eq!(wait(&store).await, Some(Duration::from_secs(1)));
}

async fn a_claim_is_one_of_one_entry<S: OutboxStore>((store, _): Store<S>) {
    add(&store, "a", "1").await;
    add(&store, "b", "2").await;
    let (_, a) = claim(&store, "a").await;
    let (_, b) = claim(&store, "b").await;
    for wrong in [
        Claim { id: b.id + 100, fence: b.fence },
        Claim { id: a.id, fence: a.fence + 1 },
        Claim { id: a.id, fence: a.fence - 1 },
    ] {
        assert!(!store.renew(&wrong, LEASE).await.expect("it is read"), "{wrong:?}");
        assert!(!store.change(&wrong, to(Phase::Sent), false).await.expect("it is read"), "{wrong:?}");
    }
    assert!(get(&store, "a").await.phase == Phase::Waiting && get(&store, "b").await.phase == Phase::Waiting);
}

async fn a_lost_claim_changes_nothing<S: OutboxStore>((store, clock): Store<S>) {
    add(&store, "a", "1").await;
    add(&store, "b", "1").await;
    let (_, lost) = claim(&store, "a").await;
    clock.advance(LEASE);
    for keep in [true, false] {
        let late = store.change(&lost, to(Phase::Sent), keep).await.expect("it is read");
        assert!(!late, "nobody else has it, and it has ended nevertheless");
    }
    let (entry, held) = claim(&store, "a").await;
    assert_eq!((entry.phase, &*entry.progress), (Phase::Waiting, ""));
    assert!(!store.change(&lost, to(Phase::Sent), false).await.expect("it is read"));
    assert!(!store.renew(&lost, LEASE).await.expect("it is read"));
    change(&store, &held, Phase::Sending, true).await;
    assert!(!store.change(&lost, to(Phase::Rejected), false).await.expect("it is read"));
    assert_eq!(get(&store, "a").await.progress, "sending now");
    change(&store, &held, Phase::Sent, false).await;
    assert!(!store.change(&held, to(Phase::Waiting), false).await.expect("it is read"), "it is given back");
    claim(&store, "b").await;
}

async fn a_change_is_kept_with_or_without_the_claim<S: OutboxStore>((store, clock): Store<S>) {
    add(&store, "a", "1").await;
    let (_, held) = claim(&store, "a").await;
    clock.advance(LEASE / 2);
    change(&store, &held, Phase::Sending, true).await;
    let entry = get(&store, "a").await;
    assert_eq!((entry.phase, &*entry.progress), (Phase::Sending, "sending now"));
    assert_eq!(wait(&store).await, Some(LEASE / 2), "a change does not renew");
    change(&store, &held, Phase::Waiting, false).await;
    let (entry, again) = claim(&store, "a").await;
    assert_eq!((entry.phase, &*entry.progress), (Phase::Waiting, "waiting now"));
    assert!(again.fence > held.fence);
}

async fn a_closed_entry_has_no_claim<S: OutboxStore>((store, _): Store<S>) {
    add(&store, "a", "1").await;
    let (_, held) = claim(&store, "a").await;
    change(&store, &held, Phase::Uncertain, true).await;
    assert!(!store.renew(&held, LEASE).await.expect("it is read"));
    assert!(!store.change(&held, to(Phase::Waiting), false).await.expect("it is read"));
    assert_eq!(wait(&store).await, None);
    assert!(decide(&store, "a", &[Phase::Uncertain], Phase::Discarded).await);
}

async fn a_closed_entry_with_a_time_is_handed_out_once_more<S: OutboxStore>((store, clock): Store<S>) {
    let hour = Duration::from_secs(3600);
    for key in ["a", "b"] {
        add(&store, key, "1").await;
    }
    let (_, held) = claim(&store, "a").await;
    let again = || to(Phase::Sent).after(hour);
    assert!(store.change(&held, again(), false).await.expect("it is stored"));
    assert!(!store.renew(&held, LEASE).await.expect("it is read"), "the claim has ended");
    let (_, next) = claim(&store, "b").await;
    change(&store, &next, Phase::Sent, false).await;
    assert_eq!(wait(&store).await, Some(hour), "nothing waited for it");
    clock.advance(hour);
    add(&store, "c", "1").await;
    let (entry, lost) = claim(&store, "a").await;
    assert_eq!((entry.phase, &*entry.progress), (Phase::Sent, "sent now"));
    assert!(lost.fence > held.fence);
    let (_, next) = claim(&store, "c").await;
    change(&store, &next, Phase::Sent, false).await;
    assert!(!decide(&store, "a", Phase::ALL, Phase::Discarded).await, "it is claimed");
    assert_eq!(wait(&store).await, Some(LEASE));
    clock.advance(LEASE / 2);
    assert!(store.renew(&lost, LEASE).await.expect("it is stored"));
    clock.advance(LEASE);
    assert!(
        !store.change(&lost, to(Phase::Doubled), false).await.expect("it is read"),
        "its claim has ended"
    );
    let (_, held) = claim(&store, "a").await;
    assert!(store.change(&held, again(), true).await.expect("it is stored"));
    assert!(!store.renew(&held, LEASE).await.expect("it is read"), "a closed one keeps no claim");
    assert_eq!(wait(&store).await, Some(hour));
    clock.advance(hour);
    let (_, held) = claim(&store, "a").await;
    change(&store, &held, Phase::Doubled, false).await;
    assert_eq!((get(&store, "a").await.phase, wait(&store).await), (Phase::Doubled, None));
    // A person's word ends it too.
    add(&store, "d", "1").await;
    let (_, held) = claim(&store, "d").await;
    assert!(store.change(&held, again(), false).await.expect("it is stored"));
    assert!(decide(&store, "d", &[Phase::Sent], Phase::Discarded).await);
    assert_eq!(wait(&store).await, None);
}

/// A clock of a machine that is set back.
#[derive(Debug, Default)]
struct SetBack(Mutex<Duration>);

impl Clock for SetBack {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::constant(1_767_193_200, 0) - *self.0.lock().expect("not poisoned")
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        futures_util::future::pending().boxed()
    }
}

/// What is due stays due, whatever else waits for its time.
pub async fn a_clock_that_is_set_back_holds_up_nothing_that_is_due<S: OutboxStore>(
    store: impl AsyncFnOnce(Arc<dyn Clock>) -> S,
) {
    let clock = Arc::new(SetBack::default());
    let store = store(clock.clone()).await;
    let later = clock.wall() + Duration::from_secs(1);
    add_entry(&store, entry("waits", "1").not_before(later)).await;
    for key in ["a", "b"] {
        add(&store, key, key).await;
    }
    let (_, held) = claim(&store, "a").await;
    let again = to(Phase::Waiting).after(Duration::from_secs(1));
    assert!(store.change(&held, again, false).await.expect("it is stored"));
    *clock.0.lock().expect("not poisoned") = DAY;
    claim(&store, "b").await;
    add(&store, "c", "c").await;
    claim(&store, "c").await;
}

async fn a_person_moves_an_entry_that_nobody_works_on<S: OutboxStore>((store, clock): Store<S>) {
    let later = clock.wall() + DAY;
    add_entry(&store, entry("a", "1").not_before(later)).await;
    assert!(!decide(&store, "b", Phase::ALL, Phase::Discarded).await, "there is none");
    assert!(!decide(&store, "a", &[], Phase::Discarded).await);
    assert!(!decide(&store, "a", &[Phase::Sent, Phase::Uncertain], Phase::Discarded).await);
    assert!(decide(&store, "a", &[Phase::Sending, Phase::Waiting], Phase::Discarded).await);
    assert_eq!((get(&store, "a").await.phase, wait(&store).await), (Phase::Discarded, None));
    assert!(decide(&store, "a", &[Phase::Discarded], Phase::Waiting).await);
    let (entry, held) = claim(&store, "a").await;
    assert_eq!((entry.not_before, &*entry.request), (None, "the request of a"), "it is due at once");
    assert!(!decide(&store, "a", Phase::ALL, Phase::Discarded).await, "it is claimed");
    clock.advance(LEASE);
    assert!(decide(&store, "a", Phase::ALL, Phase::Discarded).await, "the claim has ended");
    assert!(!store.change(&held, to(Phase::Sent), false).await.expect("it is read"));
    assert_eq!(get(&store, "a").await.phase, Phase::Discarded);
}

async fn what_is_opened_again_comes_first<S: OutboxStore>((store, clock): Store<S>) {
    for key in ["a", "b", "c"] {
        add(&store, key, "1").await;
    }
    for key in ["a", "b"] {
        let (_, held) = claim(&store, key).await;
        change(&store, &held, Phase::Uncertain, false).await;
    }
    assert!(decide(&store, "b", &[Phase::Uncertain], Phase::Waiting).await);
    clock.advance(LEASE);
    assert!(decide(&store, "a", &[Phase::Uncertain], Phase::Waiting).await);
    for key in ["a", "b", "c"] {
        let (_, held) = claim(&store, key).await;
        assert_eq!(wait(&store).await, Some(LEASE));
        change(&store, &held, Phase::Sent, false).await;
    }
    assert_eq!(wait(&store).await, None);
    assert!(decide(&store, "b", &[Phase::Sent], Phase::Waiting).await, "a lane without open entries too");
    claim(&store, "b").await;
}

async fn what_is_opened_again_waits_for_the_claimed<S: OutboxStore>((store, clock): Store<S>) {
    for key in ["a", "b", "c"] {
        add(&store, key, "1").await;
    }
    let (_, a) = claim(&store, "a").await;
    change(&store, &a, Phase::Uncertain, false).await;
    let (_, b) = claim(&store, "b").await;
    change(&store, &b, Phase::Sending, true).await;
    assert!(decide(&store, "a", &[Phase::Uncertain], Phase::Waiting).await);
    assert_eq!(wait(&store).await, Some(LEASE), "b may be on the way");
    clock.advance(LEASE);
    let (_, b) = claim(&store, "b").await;
    change(&store, &b, Phase::Waiting, false).await;
    let (_, a) = claim(&store, "a").await;
    change(&store, &a, Phase::Sent, false).await;
    let (_, b) = claim(&store, "b").await;
    change(&store, &b, Phase::Sent, false).await;
    claim(&store, "c").await;
}

async fn old_texts_are_blanked_and_keys_stay<S: OutboxStore>((store, clock): Store<S>) {
    for key in ["old", "fresh", "open"] {
        add(&store, key, "1").await;
    }
    let blank = async |age| store.blank(OUTBOX, age).await.expect("it is stored");
    let (_, held) = claim(&store, "old").await;
    change(&store, &held, Phase::Rejected, false).await;
    clock.advance(DAY);
    let (_, held) = claim(&store, "fresh").await;
    change(&store, &held, Phase::Sent, false).await;
    assert_eq!(blank(DAY + Duration::from_millis(1)).await, 0);
    assert_eq!(blank(Duration::MAX).await, 0);
    assert_eq!(blank(DAY).await, 1);
    assert_eq!(blank(DAY).await, 0, "once");
    let old = get(&store, "old").await;
    assert_eq!((&*old.key, &*old.lane, old.phase), ("old", "1", Phase::Rejected));
    assert_eq!((&*old.request, &*old.progress), ("", ""));
    assert_eq!(known(&store, "old").await, old, "it is not added again");
    let fresh = get(&store, "fresh").await;
    assert_eq!((&*fresh.request, &*fresh.progress), ("the request of fresh", "sent now"));
    assert_eq!(get(&store, "open").await.request, "the request of open");
    let listed = store.list(Filter::new(OUTBOX, 9)).await.expect("it is read");
    assert!(["", "old"].contains(&&*listed[0].key) && listed[0].request.is_empty(), "{:?}", listed[0]);
    assert!(decide(&store, "old", &[Phase::Rejected], Phase::Discarded).await, "it is still found");
    assert_eq!(blank(Duration::ZERO).await, 1);
    assert_eq!(get(&store, "fresh").await.request, "");
}

async fn old_entries_are_forgotten_with_their_keys<S: OutboxStore>((store, clock): Store<S>) {
    for key in ["old", "again", "fresh"] {
        add(&store, key, key).await;
    }
    let forget = async |age| store.forget(OUTBOX, age).await.expect("it is stored");
    let (_, held) = claim(&store, "old").await;
    change(&store, &held, Phase::Sent, false).await;
    let (_, again) = claim(&store, "again").await;
    assert!(store.change(&again, to(Phase::Sent).after(2 * DAY), false).await.expect("it is stored"));
    clock.advance(DAY);
    let (_, fresh) = claim(&store, "fresh").await;
    change(&store, &fresh, Phase::Sent, false).await;
    assert_eq!((forget(DAY + Duration::from_millis(1)).await, forget(Duration::MAX).await), (0, 0));
    assert_eq!(
        store.blank(OUTBOX, DAY).await.expect("it is stored"),
        1,
        "what is handed out again stays as it is"
    );
    assert_eq!((forget(DAY).await, forget(DAY).await), (1, 0), "and is not forgotten");
    assert_eq!(store.get("old").await.expect("it is read"), None);
    assert_eq!(get(&store, "again").await.request, "the request of again");
    assert_eq!(forget(Duration::ZERO).await, 1);
    assert_eq!(list(&store, Filter::new(OUTBOX, 9)).await, ["again"]);
    // What a person has to decide stays as it is.
    for (key, phase) in [("unsure", Phase::Uncertain), ("twice", Phase::Doubled), ("failed", Phase::Failed)] {
        add(&store, key, key).await;
        let (_, held) = claim(&store, key).await;
        change(&store, &held, phase, false).await;
        assert_eq!(
            (forget(Duration::ZERO).await, store.blank(OUTBOX, Duration::ZERO).await.expect("it is stored")),
            (0, 0)
        );
        assert!(!get(&store, key).await.request.is_empty());
        assert!(decide(&store, key, &[phase], Phase::Discarded).await);
        assert_eq!(forget(Duration::ZERO).await, 1);
    }
    // The same key is another entry, also for a worker that has the old claim.
    add(&store, "fresh", "fresh").await;
    assert!(get(&store, "fresh").await.id > fresh.id, "ids are not used again");
    assert!(!store.renew(&fresh, LEASE).await.expect("it is read"));
}

async fn a_listing_is_filtered_and_continued<S: OutboxStore>((store, _): Store<S>) {
    for number in 0..10 {
        add(&store, &format!("{number}"), if number % 2 == 0 { "even" } else { "odd" }).await;
    }
    for key in ["0", "1", "2"] {
        let (_, held) = claim(&store, key).await;
        change(&store, &held, Phase::Sent, false).await;
    }
    let all = Filter::new(OUTBOX, 100);
    let newest = all.newest();
    let id = get(&store, "4").await.id;
    for (filter, keys) in [
        (Filter::new(OUTBOX, 0), ""),
        (all, "0123456789"),
        (newest, "9876543210"),
        (Filter::new(OUTBOX, 3), "012"),
        (Filter::new(OUTBOX, 3).newest(), "987"),
        (all.after(id), "56789"),
        (newest.after(id), "3210"),
        (all.lane("odd"), "13579"),
        (Filter::new(OUTBOX, 2).lane("odd").after(id), "57"),
        (all.lane("none"), ""),
        (all.phase(Phase::Sent), "012"),
        (newest.phase(Phase::Sent).lane("even"), "20"),
        (newest.phase(Phase::Waiting).lane("even").after(id), ""),
        (Filter::new(OUTBOX, usize::MAX).phase(Phase::Uncertain), ""),
    ] {
        assert_eq!(list(&store, filter).await.concat(), keys, "{filter:?}");
    }
}

async fn a_dropped_future_does_all_or_nothing<S: OutboxStore>((store, clock): Store<S>) {
    drop(store.enqueue(entry("unpolled", "1")));
    assert_eq!(store.get("unpolled").await.expect("it is read"), None);
    let _ = store.enqueue(entry("a", "1")).now_or_never();
    let again = store.enqueue(entry("a", "1")).await.expect("it is stored");
    assert!(matches!(again, Enqueued::New(_)) || get(&store, "a").await.request == "the request of a");
    assert_eq!(list(&store, Filter::new(OUTBOX, 9)).await, ["a"]);

    drop(store.claim(OUTBOX, LEASE));
    let (_, held) = claim(&store, "a").await;
    drop((store.renew(&held, DAY), store.change(&held, to(Phase::Sent), false)));
    drop((store.decide("a", Phase::ALL, Phase::Discarded), store.blank(OUTBOX, Duration::ZERO)));
    assert_eq!((get(&store, "a").await.phase, wait(&store).await), (Phase::Waiting, Some(LEASE)));

    let _ = store.change(&held, to(Phase::Sending), true).now_or_never();
    let now = get(&store, "a").await;
    assert!([(Phase::Waiting, ""), (Phase::Sending, "sending now")].contains(&(now.phase, &*now.progress)));
    clock.advance(LEASE);
    let _ = store.claim(OUTBOX, LEASE).now_or_never();
    clock.advance(LEASE);
    claim(&store, "a").await;
}

async fn an_extreme_time_is_no_failure<S: OutboxStore>((store, clock): Store<S>) {
    for (key, time) in [("past", Timestamp::MIN), ("never", Timestamp::MAX)] {
        add_entry(&store, entry(key, key).not_before(time)).await;
    }
    let (_, held) = claim(&store, "past").await;
    assert!(store.renew(&held, Duration::MAX).await.expect("it is stored"), "as long as times go");
    let far = wait(&store).await.expect("an entry is open");
    assert!(far > 1000 * DAY, "{far:?}");
    clock.advance(1000 * DAY);
    change(&store, &held, Phase::Sending, true).await;
    assert!(store.renew(&held, Duration::ZERO).await.expect("it is stored"), "or over at once");
    let Next::Entry(_, held) = store.claim(OUTBOX, Duration::MAX).await.expect("it can be claimed") else {
        panic!("it is not handed out");
    };
    change(&store, &held, Phase::Sent, false).await;
    assert_eq!(store.blank(OUTBOX, Duration::MAX).await.expect("it is stored"), 0);
}

async fn many_workers_take_each_entry_once_and_in_order<S: OutboxStore>((store, _): Store<S>) {
    const ENTRIES: usize = 500;
    const LANES: usize = 20;
    let store = Arc::new(store);
    let tasks = (0..16).map(|first| {
        let store = Arc::clone(&store);
        async move {
            // Some keys come from several tasks.
            for number in (first..ENTRIES).step_by(16).chain((first..ENTRIES).step_by(50)) {
                let (key, lane) = (format!("{number}"), format!("lane {}", number % LANES));
                store.enqueue(entry(&key, &lane)).await.expect("it is stored");
            }
        }
    });
    join(tasks).await;
    let done = Arc::new(Mutex::new(Vec::new()));
    let tasks = (0..16).map(|_| work(Arc::clone(&store), Arc::clone(&done)));
    join(tasks).await;
    let done = std::mem::take(&mut *done.lock().expect("not poisoned"));
    let mut lanes = BTreeMap::<&str, Vec<i64>>::new();
    for entry in &done {
        lanes.entry(&entry.lane).or_default().push(entry.id);
    }
    assert_eq!((lanes.len(), done.len()), (LANES, ENTRIES), "each once");
    for (lane, ids) in lanes {
        assert!(ids.is_sorted_by(|a, b| a < b), "{lane}: {ids:?}");
    }
    let sent = Filter::new(OUTBOX, 1000).phase(Phase::Sent);
    assert_eq!(list(&store, sent).await.len(), ENTRIES);
}

async fn join(tasks: impl Iterator<Item: Future<Output = ()> + Send + 'static>) {
    for task in tasks.map(tokio::spawn).collect::<Vec<_>>() {
        task.await.expect("it does not panic");
    }
}

/// Closes entries until none is open.
async fn work(store: Arc<impl OutboxStore>, done: Arc<Mutex<Vec<StoredEntry>>>) {
    loop {
        match store.claim(OUTBOX, LEASE).await.expect("it can be claimed") {
            Next::Entry(entry, held) => {
                change(&store, &held, Phase::Sending, true).await;
                done.lock().expect("not poisoned").push(*entry);
                tokio::task::yield_now().await;
                change(&store, &held, Phase::Sent, false).await;
            }
            Next::Wait(None) => return,
            Next::Wait(Some(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}
