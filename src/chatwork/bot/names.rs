//! The names of accounts that a bot knows.

use crate::chatwork::AccountId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many accounts are known at most. In a busy company there are fewer.
const ACCOUNTS: usize = 10_000;

/// How many names of one account are known: people change theirs, and older messages keep the old one.
const NAMES: usize = 3;

/// The known names, shared by a bot and its contexts.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<AccountId, Vec<Arc<str>>>>>);

impl Names {
    /// Adds a name.
    pub(super) fn learn(&self, account: AccountId, name: &str) {
        let mut known = self.lock();
        if known.len() >= ACCOUNTS && !known.contains_key(&account) {
            return;
        }
        let names = known.entry(account).or_default();
        if !names.iter().any(|known| **known == *name) {
            names.insert(0, name.into());
            names.truncate(NAMES);
        }
    }

    /// The names of an account, the newest first.
    pub(super) fn of(&self, account: AccountId) -> Vec<Arc<str>> {
        self.lock().get(&account).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Vec<Arc<str>>>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many there are, and no names.
impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("accounts", &self.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_names_are_kept_for_a_bounded_number_of_accounts() {
        let names = Names::default();
        for name in ["a", "b", "b", "c", "d"] {
            names.learn(AccountId(1), name);
        }
        assert_eq!(names.of(AccountId(1)).iter().map(|name| &**name).collect::<Vec<_>>(), ["d", "c", "b"]);
        (2..20_000).for_each(|account| names.learn(AccountId(account), "x"));
        assert_eq!(format!("{names:?}"), "Names { accounts: 10000 }");
        names.learn(AccountId(1), "e");
        assert_eq!(&*names.of(AccountId(1))[0], "e");
        assert!(names.of(AccountId(19_999)).is_empty());
    }
}
