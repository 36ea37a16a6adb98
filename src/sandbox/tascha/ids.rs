//! Ids, the same ones for the same seed.

/// Makes ids in the style of a cuid: `ck`, a number that grows, and random characters.
#[derive(Debug)]
pub(super) struct Ids {
    random: fastrand::Rng,
    count: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), count: 0 }
    }

    pub(super) fn next(&mut self) -> String {
        self.count += 1;
        let mut id = format!("ck{:07x}", self.count);
        id.extend((0..10).map(|_| self.random.char('a'..='z')));
        id
    }

    /// What the server puts in `X-Request-Id` if the caller sent none.
    pub(super) fn request_id(&mut self) -> String {
        format!("req_{}", self.next())
    }
}
