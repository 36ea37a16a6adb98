//! The posts of a client, which distinguish messages with equal texts.

use crate::chatwork::{AccountId, MessageId, RoomId};
use crate::reconcile::comparable;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// How many messages of each room are remembered. A lookup returns the newest 100, and simultaneous calls do not end in the
/// order of their messages.
const REMEMBERED: usize = 300;

/// The state that the reconciled posts of a client and its clones share.
#[derive(Debug, Default)]
pub(crate) struct PostLedger {
    shared: Mutex<Shared>,
    account: OnceLock<AccountId>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The messages that belong to a call, oldest first.
    claimed: HashMap<RoomId, VecDeque<MessageId>>,
    /// A lock for each text that is being posted.
    locks: HashMap<(RoomId, String), Arc<tokio::sync::Mutex<()>>>,
}

/// The right of one call to post a text to a room; other calls with the same text wait for it.
#[derive(Debug)]
pub(super) struct PostGuard<'a> {
    ledger: &'a PostLedger,
    name: (RoomId, String),
    guard: Option<OwnedMutexGuard<()>>,
}

impl PostLedger {
    pub(super) async fn guard(&self, room: RoomId, text: &str) -> PostGuard<'_> {
        let name = (room, comparable(text));
        let line = Arc::clone(self.lock().locks.entry(name.clone()).or_default());
        // Created before the wait, so that a call that is dropped while it waits cleans up as well.
        let mut guard = PostGuard { ledger: self, name, guard: None };
        guard.guard = Some(line.lock_owned().await);
        guard
    }

    /// The account of the client, once it is known.
    pub(super) fn account(&self) -> &OnceLock<AccountId> {
        &self.account
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Each change is one statement, so the maps are valid even if their holder panicked.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PostGuard<'_> {
    pub(super) fn is_claimed(&self, id: &MessageId) -> bool {
        self.ledger.lock().claimed.get(&self.name.0).is_some_and(|claimed| claimed.contains(id))
    }

    /// Assigns this message to this call, so that no other call counts it as its own.
    pub(super) fn claim(&self, id: &MessageId) {
        let mut shared = self.ledger.lock();
        let claimed = shared.claimed.entry(self.name.0).or_default();
        if claimed.len() == REMEMBERED {
            claimed.pop_front();
        }
        claimed.push_back(id.clone());
    }
}

impl Drop for PostGuard<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut shared = self.ledger.lock();
        // A waiting call holds the lock too.
        if shared.locks.get(&self.name).is_some_and(|line| Arc::strong_count(line) == 1) {
            shared.locks.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const ROOM: RoomId = RoomId(1);

    #[test]
    fn posts_with_the_same_text_run_one_after_another_and_leave_nothing_behind() {
        let ledger = PostLedger::default();
        let first = ledger.guard(ROOM, "a").now_or_never().expect("no other call holds it");
        let other = ledger.guard(ROOM, "b").now_or_never().expect("another text");
        let mut waiting = Box::pin(ledger.guard(ROOM, " a\r\n"));
        assert!(waiting.as_mut().now_or_never().is_none());
        let given_up = ledger.guard(ROOM, "a").now_or_never();
        assert!(given_up.is_none());
        drop((first, other));
        let second = waiting.now_or_never().expect("its turn has come");
        drop(second);
        assert!(ledger.lock().locks.is_empty());
    }

    #[test]
    fn a_queue_is_removed_when_its_last_waiter_is_dropped() {
        let ledger = PostLedger::default();
        let first = ledger.guard(ROOM, "a").now_or_never().expect("no other call holds it");
        let mut waiting = Box::pin(ledger.guard(ROOM, "a"));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        drop(waiting);
        assert!(ledger.lock().locks.is_empty());
    }

    #[test]
    fn claims_are_kept_for_a_while() {
        let ledger = PostLedger::default();
        let guard = ledger.guard(ROOM, "a").now_or_never().expect("no other call holds it");
        for number in 0..=REMEMBERED as u64 {
            guard.claim(&MessageId::from(number));
        }
        assert!(!guard.is_claimed(&MessageId::from(0)) && guard.is_claimed(&MessageId::from(1)));
        assert_eq!(ledger.lock().claimed[&ROOM].len(), REMEMBERED);
    }
}
