//! Ids: new ones, and whether a seed gives one twice.

use std::collections::BTreeSet;
use std::fmt::Display;

/// Numbers that grow, and random texts: the same calls in the same order give the same ones for the same seed.
#[derive(Debug)]
pub(crate) struct Ids {
    random: fastrand::Rng,
    last: u64,
}

impl Ids {
    /// Ids that come after `last`.
    pub(crate) fn new(seed: u64, last: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), last }
    }

    /// The next id, greater than the last one by at most `step`.
    pub(crate) fn next(&mut self, step: u64) -> u64 {
        self.last += self.random.u64(1..=step);
        self.last
    }

    /// An id in the style of a cuid: `ck`, a number that grows, and random letters.
    pub(crate) fn cuid(&mut self) -> String {
        let mut id = format!("ck{:07x}", self.next(1));
        id.extend((0..10).map(|_| self.random.char('a'..='z')));
        id
    }

    /// A text that looks as if it could not be guessed.
    pub(crate) fn secret(&mut self, length: usize) -> String {
        (0..length).map(|_| self.random.alphanumeric()).collect()
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.random.u8(..))
    }
}

/// Panics where a seed names something twice: one of the two would be lost in silence.
pub(crate) fn require_unique<T: Ord + Display>(what: &str, names: impl IntoIterator<Item = T>) {
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(!seen.contains(&name), "the seed has the {what} {name} twice");
        seen.insert(name);
    }
}
