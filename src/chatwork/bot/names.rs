//! The names of accounts that a bot knows.

use crate::chatwork::AccountId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many accounts are known at most. In a busy company there are fewer.
const ACCOUNTS: usize = 10_000;

/// How many names of one account are learned: people change theirs, and older messages keep the old one.
const NAMES: usize = 3;

/// The known names, shared by a bot and its contexts.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<Known>>);

type ByAccount = HashMap<AccountId, Vec<Arc<str>>>;

#[derive(Default)]
struct Known {
    /// By the program. They stay, however many are learned.
    given: ByAccount,
    learned: ByAccount,
}

impl Names {
    /// Adds a name that the program gives.
    pub(super) fn give(&self, account: AccountId, name: &str) {
        self.lock().given.entry(account).or_default().push(name.into());
    }

    /// Adds a name that was seen.
    pub(super) fn learn(&self, account: AccountId, name: &str) {
        let learned = &mut self.lock().learned;
        if learned.len() >= ACCOUNTS && !learned.contains_key(&account) {
            return;
        }
        let names = learned.entry(account).or_default();
        if !names.iter().any(|known| **known == *name) {
            names.insert(0, name.into());
            names.truncate(NAMES);
        }
    }

    /// The names of an account: those that were given, and of the others the newest first.
    pub(super) fn of(&self, account: AccountId) -> Vec<Arc<str>> {
        let known = self.lock();
        let names = [&known.given, &known.learned].into_iter().filter_map(|names| names.get(&account));
        names.flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many there are, and no names.
impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.lock();
        f.debug_struct("Names")
            .field("given", &known.given.len())
            .field("learned", &known.learned.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_names_are_kept_for_a_bounded_number_of_accounts() {
        let names = Names::default();
        let of =
            |account| names.of(AccountId(account)).iter().map(|name| name.to_string()).collect::<Vec<_>>();
        for name in ["a", "b", "b", "c", "d"] {
            names.learn(AccountId(1), name);
        }
        assert_eq!(of(1), ["d", "c", "b"]);
        (2..20_000).for_each(|account| names.learn(AccountId(account), "x"));
        assert_eq!(format!("{names:?}"), "Names { given: 0, learned: 10000 }");
        names.learn(AccountId(1), "e");
        assert_eq!(&*names.of(AccountId(1))[0], "e");
        assert!(of(19_999).is_empty());
        // Names that were given need no room, and give none.
        names.give(AccountId(1), "z");
        names.give(AccountId(19_999), "y");
        names.learn(AccountId(1), "f");
        assert_eq!(of(1), ["z", "f", "e", "d"]);
        assert_eq!(of(19_999), ["y"]);
    }
}
